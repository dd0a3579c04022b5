"""Answers that came before their partition is whole, kept so that a run that was killed is gone on with.

Belongs here: the table `kept_answers`. Does not belong here: what is asked for (`assets/extraction/`), partitions
(`writer.py`): these become whole or not at all, and nobody reads what is kept here but the next run.

For sources that take many slow calls a day. Rows wait here in the lake's columns, sealed with AES-256-GCM under the
data key that their partition's file will have, so they die no later than it; their place is authenticated. They go as
soon as the partition is there. Only rows of class `business`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pyarrow as pa
import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from amzigo_pipelines.catalog.model import Dataset, RetentionClass
from amzigo_pipelines.clock import Clock
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import kept_answers
from amzigo_pipelines.resources.control.statements import next_number
from amzigo_pipelines.resources.keys.store import KeyStore

_NONCE_BYTES = 12
_SUBJECTS = b"subjects"


@dataclass(frozen=True)
class Kept:
    """What came of some calls.

    Attributes:
        subjects: what was asked about, each as its parts.
        without_data: how many of them Amazon has no data of.
        rows: in the dataset's schema; may be empty.
    """

    subjects: tuple[tuple[str, ...], ...]
    without_data: int
    rows: pa.Table


class KeptAnswers:
    """The answers of one partition on its way.

    Args:
        control: the control database.
        keys: the data keys.
        clock: the time.
        dataset: one without personal data.
        seller_id: whose.
        day: the partition's day.
        expires_on: the partition's date of death.
    """

    def __init__(
        self,
        control: ControlDatabase,
        keys: KeyStore,
        clock: Clock,
        dataset: Dataset,
        seller_id: str,
        day: date,
        expires_on: date,
    ) -> None:
        if set(dataset.families) != {RetentionClass.BUSINESS}:
            raise ValueError(f"{dataset.name} is not of class business alone: nothing of it waits in the database")
        self._control, self._keys, self._clock, self._dataset = control, keys, clock, dataset
        self._seller_id, self._day, self._expires_on = seller_id, day, expires_on
        c = kept_answers.c
        self._own = sa.and_(c.seller_id == seller_id, c.dataset == dataset.name)
        self._of_day = sa.and_(self._own, c.day == day)

    def add(self, kept: Kept) -> None:
        """Keep what came.

        Raises:
            KeyDead: the partition's date of death has come, or the seller was removed.
        """
        key = self._keys.key_for(self._seller_id, RetentionClass.BUSINESS, self._expires_on)
        about = json.dumps({"subjects": kept.subjects, "without_data": kept.without_data}).encode()
        table = kept.rows.replace_schema_metadata({_SUBJECTS: about})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        nonce = os.urandom(_NONCE_BYTES)
        with self._control.transaction() as connection:
            number = next_number(connection, kept_answers)
            sealed = AESGCM(key.secret).encrypt(nonce, sink.getvalue().to_pybytes(), self._place(number))
            connection.execute(
                kept_answers.insert().values(
                    number=number,
                    seller_id=self._seller_id,
                    dataset=self._dataset.name,
                    day=self._day,
                    kept_at=self._clock.now(),
                    key_id=key.key_id,
                    sealed=nonce + sealed,
                )
            )

    def list(self, since: datetime | None) -> list[Kept]:
        """What a run before has kept, and can still be opened.

        Args:
            since: when the partition was last written; what is older is in it, or was told anew.
        """
        c = kept_answers.c
        query = sa.select(c.number, c.key_id, c.sealed).where(self._of_day).order_by(c.number)
        with self._control.read() as connection:
            rows = connection.execute(query if since is None else query.where(c.kept_at > since)).all()
        return [kept for row in rows if (kept := self._opened(row.number, row.key_id, row.sealed)) is not None]

    def clear(self) -> None:
        """Forget what was kept of this partition, and of those that can't be taken any more."""
        past = kept_answers.c.day < self._day - timedelta(days=1)
        with self._control.transaction() as connection:
            connection.execute(kept_answers.delete().where(sa.or_(self._of_day, sa.and_(self._own, past))))

    def _opened(self, number: int, key_id: str, sealed: bytes) -> Kept | None:
        try:
            secret = self._keys.open(key_id).secret
            plain = AESGCM(secret).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self._place(number))
        except (AmzigoError, InvalidTag):
            return None  # it is asked for again
        table = pa.ipc.open_stream(plain).read_all()
        about = json.loads((table.schema.metadata or {})[_SUBJECTS])
        rows = table.replace_schema_metadata(None)
        if not rows.schema.equals(self._dataset.schema):
            return None  # of a version before
        return Kept(_subjects(about["subjects"]), int(about["without_data"]), rows)

    def _place(self, number: int) -> bytes:
        return f"kept/{self._dataset.name}/seller={self._seller_id}/day={self._day}/{number}".encode()


def _subjects(found: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(parts) for parts in found)
