"""The quarantine: batches that did not fit, as Amazon sent them, encrypted, each with its own date of death.

Belongs here: the files of the quarantine and the rows of `quarantine`. Does not belong here: what is kept of a batch
(`tape.py`), who puts one there and plays it back (`assets/extraction/quarantining.py`).

A batch lies in the lake's folder under a dataset of its own, which no catalog and no mart knows, and in the books of
the lake's files as of class `pii`: so sweeps, verification and offboarding treat it like any other file with personal
data, and backups leave it out. Nobody can tell which buyers a batch that can't be read is about, so it lives for a week
only, and an erasure of anybody takes all of the seller's batches along.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from pyarrow.parquet.encryption import create_decryption_properties

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.clock import Clock, today
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import data_keys, lake_files, quarantine, sellers
from amzigo_pipelines.resources.control.statements import next_number
from amzigo_pipelines.resources.durability import sync_folder
from amzigo_pipelines.resources.home import Home
from amzigo_pipelines.resources.keys.store import DataKey, KeyDestroyedMeanwhile, KeyStore
from amzigo_pipelines.resources.lake.files import (
    CURRENT,
    LakeDamaged,
    LakeFile,
    LakeWriteError,
    check_place,
    file_path,
    lock_name,
    select_files,
)
from amzigo_pipelines.resources.lake.new_files import next_version, open_sink, take_back
from amzigo_pipelines.resources.lake.sink import ParquetSink
from amzigo_pipelines.resources.lake.sweep import destroy_files
from amzigo_pipelines.resources.locks import exclusive
from amzigo_pipelines.resources.quarantine.structure import Fault
from amzigo_pipelines.resources.quarantine.tape import RECORD, Player, Recorder
from amzigo_pipelines.resources.steps import OnStep, no_step

DATASET = "quarantine"
LIVES_DAYS = 7
OPEN, REPLAYED, DROPPED, REPLACED = "open", "replayed", "dropped", "replaced"
# Records are of all sizes: they are written out by bytes and not by rows.
_BUFFERED_BYTES = 8 << 20
_WAIT_S = 60.0


class QuarantineError(AmzigoError):
    """There is no such batch in quarantine, or it is gone."""


@dataclass(frozen=True)
class Batch:
    """A batch in quarantine.

    Attributes:
        number: of it.
        seller_id: whose.
        datasets: whose rows it was to become.
        first_day, last_day: of which partitions.
        state: open, replayed, dropped or replaced (by a newer one of the same partitions).
        taken_at: when it came (UTC).
        expires_on: its date of death.
        path: of its file, relative to the lake's folder.
        records: answers and documents in it.
        sentence: what was wrong first.
        faults: all that is wrong, as counts by column.
    """

    number: int
    seller_id: str
    datasets: tuple[str, ...]
    first_day: date
    last_day: date
    state: str
    taken_at: datetime
    expires_on: date
    path: str
    records: int
    sentence: str
    faults: tuple[Fault, ...]

    @property
    def name(self) -> str:
        """Such as `Q12`."""
        return f"Q{self.number}"

    @property
    def days(self) -> list[date]:
        """All days of its partitions."""
        return [self.first_day + timedelta(days=n) for n in range((self.last_day - self.first_day).days + 1)]


class Recording:
    """A batch on its way into quarantine. Made by `Quarantine.recording`.

    Attributes:
        tape: keeps what Amazon sends.
        batch: the batch, once it is kept.
    """

    def __init__(self, quarantine_: Quarantine, sink: ParquetSink, file: LakeFile) -> None:
        self._quarantine, self._sink, self._file = quarantine_, sink, file
        self._buffered = 0
        self.tape = Recorder(self._append)
        self.batch: Batch | None = None

    def keep(self, datasets: Sequence[str], days: Sequence[date], sentence: str, faults: Sequence[Fault]) -> Batch:
        """Make it a batch of the quarantine; without this nothing is left of it.

        Raises:
            LakeWriteError: the disk is full or can't be written.
            KeyDestroyedMeanwhile: the seller was removed, or retention took the key.
        """
        detail = {"sentence": sentence, "faults": [vars(fault) for fault in faults], "records": self.tape.records}
        self.batch = self._quarantine._keep(self._sink, self._file, datasets, days, detail)
        return self.batch

    def _append(self, rows: pa.Table) -> None:
        self._sink.append(rows)
        self._buffered += rows.nbytes
        if self._buffered > _BUFFERED_BYTES:
            self._sink.flush()
            self._buffered = 0


class Quarantine:
    """All batches of an installation.

    Args:
        home: whose `lake/` and `locks/`.
        control: the books.
        keys: opens and makes the files' keys.
        clock: dates batches.
        on_step: told the name of each step as it is done; tests end the process there.
    """

    def __init__(
        self, home: Home, control: ControlDatabase, keys: KeyStore, clock: Clock, on_step: OnStep | None = None
    ) -> None:
        self._dir, self._lock_dir, self._pii_days = home.lake_dir, home.lock_dir, home.retention.pii_days
        self._control, self._keys, self._clock = control, keys, clock
        self._step = on_step or no_step

    # -- looking -----------------------------------------------------------------------------------------------------

    def list(self, seller_id: str | None = None, *, only_open: bool = False) -> list[Batch]:
        """Batches, the oldest first; open ones are those whose file lives."""
        c = quarantine.c
        query = sa.select(quarantine).order_by(c.number)
        if seller_id is not None:
            query = query.where(c.seller_id == seller_id)
        if only_open:
            query = query.where(c.state == OPEN, c.expires_on > today(self._clock))
        with self._control.read() as connection:
            return [_batch(row) for row in connection.execute(query)]

    def get(self, name: str) -> Batch:
        """The batch of a name such as `Q12`.

        Raises:
            QuarantineError: there is none.
        """
        number = name.strip().upper().removeprefix("Q")
        found = [batch for batch in self.list() if str(batch.number) == number]
        if not found:
            raise QuarantineError(f"there is no batch {name} in quarantine: 'amzigo quality quarantine list' shows all")
        return found[0]

    def play(self, batch: Batch) -> Player:
        """What Amazon sent, to be handed out again.

        Raises:
            QuarantineError: the batch is not open any more, or its date has come.
            LakeDamaged: its file is missing or was changed.
        """
        file = self._file_of(self.check_open(batch))
        key = self._keys.open(file.key_id)
        return Player(lambda: self._records(file, key))

    def check_open(self, batch: Batch) -> Batch:
        """The batch itself.

        Raises:
            QuarantineError: it is not open any more, or its date has come.
        """
        if batch.state != OPEN:
            raise QuarantineError(f"{batch.name} was {batch.state}: there is nothing of it any more")
        if batch.expires_on <= today(self._clock):
            raise QuarantineError(
                f"{batch.name} died on {batch.expires_on}: extract {', '.join(batch.datasets)} of {batch.first_day} to "
                f"{batch.last_day} again"
            )
        return batch

    # -- changing ----------------------------------------------------------------------------------------------------

    @contextmanager
    def recording(self, seller_id: str, first_day: date) -> Iterator[Recording]:
        """A tape for what comes within the block, encrypted from the first byte; gone unless it is kept.

        Raises:
            LakeWriteError: the disk is full or can't be written.
        """
        now_on = today(self._clock)
        expires_on = now_on + timedelta(days=min(LIVES_DAYS, self._pii_days))
        # So that the lake's sweep does not take the file for what a crash left.
        with exclusive(self._lock_dir, lock_name(DATASET, seller_id, first_day), _WAIT_S):
            with self._control.read() as connection:
                version = next_version(self._dir, connection, DATASET, seller_id, first_day)
            key = self._keys.key_for(seller_id, RetentionClass.PII, expires_on)
            place = file_path(DATASET, seller_id, first_day, RetentionClass.PII, expires_on, version)
            file = LakeFile(
                path=place, dataset=DATASET, seller_id=seller_id, day=first_day, family=RetentionClass.PII,
                expires_on=expires_on, version=version, key_id=key.key_id, rows=0, bytes=0, sha256="", state=CURRENT,
                created_at=self._clock.now(),
            )  # fmt: skip
            facts = {"amzigo.seller": seller_id, "amzigo.dataset": DATASET, "amzigo.day": first_day.isoformat()}
            try:
                sink = open_sink(self._dir, place, RECORD, key, facts)
            except OSError as error:
                raise self._write_error(error) from None
            try:
                yield Recording(self, sink, file)
            except OSError as error:
                raise self._write_error(error) from None
            finally:
                # Once it is kept the file has been renamed, and this finds nothing.
                sink.abandon()

    def close(self, batch: Batch, state: str) -> None:
        """Unlink a batch's file and say what became of it. Safe to repeat."""
        with self._control.read() as connection:
            files = [file for file in select_files(connection, DATASET, batch.seller_id) if file.path == batch.path]
        report = destroy_files(self._dir, self._control, self._clock, files)
        if report.failed:
            reason = next(iter(report.failed.values()))
            raise LakeWriteError(f"{self._dir / batch.path} can't be removed ({reason}): mend its permissions")
        c = quarantine.c
        with self._control.transaction() as connection:
            connection.execute(
                quarantine.update()
                .where(c.number == batch.number, c.state == OPEN)
                .values(state=state, closed_at=self._clock.now())
            )

    def close_all(self, seller_id: str, state: str = DROPPED) -> int:
        """Close all open batches of a seller; returns how many there were."""
        found = self.list(seller_id, only_open=True)
        for batch in found:
            self.close(batch, state)
        return len(found)

    # -- files -------------------------------------------------------------------------------------------------------

    def _keep(
        self, sink: ParquetSink, file: LakeFile, datasets: Sequence[str], days: Sequence[date], detail: dict[str, Any]
    ) -> Batch:
        final = self._dir / file.path
        replaced = [
            batch
            for batch in self.list(file.seller_id, only_open=True)
            if set(batch.datasets) <= set(datasets) and min(days) <= batch.first_day and batch.last_day <= max(days)
        ]
        try:
            size, digest = sink.finish()
            self._step("written")
            sink.path.rename(final)
            self._step("renamed")
            sync_folder(final.parent)
            with self._control.transaction() as connection:
                self._refuse_gone(connection, file)
                stored = {**vars(file), "rows": sink.rows, "bytes": size, "sha256": digest}
                connection.execute(lake_files.insert().values(**stored))
                number = next_number(connection, quarantine)
                values = {
                    "number": number,
                    "seller_id": file.seller_id,
                    "datasets": json.dumps(list(datasets)),
                    "first_day": min(days),
                    "last_day": max(days),
                    "state": OPEN,
                    "taken_at": file.created_at,
                    "expires_on": file.expires_on,
                    "path": file.path,
                    "detail": json.dumps(detail),
                }
                connection.execute(quarantine.insert().values(**values))
                self._step("recorded")
        except BaseException as error:
            take_back(self._dir, self._control, [final])
            raise (self._write_error(error) if isinstance(error, OSError) else error) from None
        self._step("committed")
        for batch in replaced:
            self.close(batch, REPLACED)
        return self.get(str(number))

    def _refuse_gone(self, connection: sa.Connection, file: LakeFile) -> None:
        k = data_keys.c
        alive = connection.execute(
            sa.select(k.key_id).where(k.key_id == file.key_id, k.destroyed_at.is_(None))
        ).scalar()
        removed = connection.execute(
            sa.select(sellers.c.removed_at).where(sellers.c.seller_id == file.seller_id)
        ).scalar()
        if alive is None or removed is not None:
            raise KeyDestroyedMeanwhile(
                f"keys of seller {file.seller_id} were destroyed while a batch was kept: nothing of it is left"
            )

    def _file_of(self, batch: Batch) -> LakeFile:
        with self._control.read() as connection:
            files = select_files(connection, DATASET, batch.seller_id)
        found = [check_place(file) for file in files if file.path == batch.path]
        if not found:
            raise QuarantineError(f"the file of {batch.name} is gone: extract its days again")
        return found[0]

    def _records(self, file: LakeFile, key: DataKey) -> Iterator[pa.RecordBatch]:
        opening = create_decryption_properties(key.secret, aad_prefix=file.path.encode())
        try:
            with pq.ParquetFile(self._dir / file.path, decryption_properties=opening) as opened:
                yield from opened.iter_batches(batch_size=64)
        except (OSError, pa.ArrowException):
            raise LakeDamaged(
                f"{self._dir / file.path} is missing or isn't what was written: drop the batch and extract its days "
                "again"
            ) from None

    def _write_error(self, error: OSError) -> LakeWriteError:
        return LakeWriteError(
            f"{self._dir} can't be written ({error.strerror}): free space or mend its permissions; the batch that does "
            "not fit was not kept, and nothing of it was stored"
        )


def _batch(row: sa.Row[Any]) -> Batch:
    values = dict(row._mapping)
    detail = json.loads(values.pop("detail"))
    values.pop("closed_at")
    values["datasets"] = tuple(json.loads(values["datasets"]))
    faults = tuple(Fault(**fault) for fault in detail["faults"])
    return Batch(**values, records=detail["records"], sentence=detail["sentence"], faults=faults)
