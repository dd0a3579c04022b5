"""Tombstones of the erased: who must not come back, known by keyed hashes alone.

Belongs here: the hashes, their key, the rows of `tombstones`, and taking personal data off rows that match. Does not
belong here: erasing what is stored (`retention/erasing.py`), requests (`retention/erasures.py`).

The key of the hashes is a secret of the installation and outlives the seller's own keys: a seller who comes back does
not bring an erased buyer along. Without it a hash can't be tried out on a list of addresses.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from amzigo_pipelines.catalog.model import Dataset, RetentionClass
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import tombstones
from amzigo_pipelines.resources.keys.keks import KEY_BYTES
from amzigo_pipelines.resources.keys.store import KeyStore, SecretMissing
from amzigo_pipelines.resources.lake.row_match import ORDER_COLUMN, RowMatch, buyer_key_of, plain_email
from amzigo_pipelines.resources.locks import exclusive

_SECRET = "erasure-hash-key"  # noqa: S105 - the name of a secret
_LOCK_WAIT_S = 30.0


class HashKeyMissing(AmzigoError):
    """The key of the hashes is gone, so nobody can tell who was erased: nothing may be stored as if nobody were."""


class Scope(StrEnum):
    """Whose data is meant."""

    ORDER = "order"
    BUYER = "buyer"
    SELLER = "seller"


PEOPLE = (Scope.ORDER, Scope.BUYER)


@dataclass(frozen=True)
class Hasher:
    """Makes the keyed hashes of one seller's orders and buyers.

    Attributes:
        seller_id: whose.
        key: 32 bytes.
    """

    seller_id: str
    key: bytes = field(repr=False)

    def order(self, order_id: str) -> str:
        """The hash of an order's id."""
        return self._hash(Scope.ORDER, order_id)

    def buyer(self, email: str) -> str:
        """The hash of a buyer's e-mail address; case and surrounding white space don't count."""
        return self._hash(Scope.BUYER, plain_email(email))

    def buyer_key(self, buyer_key: str) -> str:
        """The hash of a buyer's pseudonym, for a buyer whose address nobody has any more."""
        return self._hash(Scope.BUYER, f"key:{buyer_key}")

    def seller(self) -> str:
        """The hash of the seller itself."""
        return self._hash(Scope.SELLER, self.seller_id)

    def _hash(self, scope: Scope, value: str) -> str:
        text = f"amzigo-erasure-v1|{self.seller_id}|{scope}|{value}"
        return hmac.digest(self.key, text.encode(), "sha256").hex()


def ensure_hash_key(control: ControlDatabase, keys: KeyStore, lock_dir: Path) -> None:
    """Make the key of the hashes if there is none yet; `amzigo init` calls it. Harmless later.

    Raises:
        HashKeyMissing: there are tombstones already, so the key was lost: another one would forget them all.
    """
    with exclusive(lock_dir, _SECRET, wait_s=_LOCK_WAIT_S):
        try:
            keys.secret(_SECRET)
        except SecretMissing:
            with control.read() as connection:
                if connection.execute(sa.select(sa.func.count()).select_from(tombstones)).scalar_one():
                    raise _lost() from None
            keys.put_secret(_SECRET, secrets.token_bytes(KEY_BYTES))


def hasher(keys: KeyStore, seller_id: str) -> Hasher:
    """Makes the hashes of a seller.

    Raises:
        HashKeyMissing: their key is not in the control database.
    """
    try:
        return Hasher(seller_id, keys.secret(_SECRET))
    except SecretMissing:
        raise _lost() from None


class Forgotten:
    """The erased of one seller, and what that does to rows on their way into the lake. One for each write.

    Args:
        seller_id: whose.
        subjects: hashes of erased orders and buyers.
        keys: opens the key of the hashes, which is done only if there are any.

    Attributes:
        found: hashes of further orders of erased buyers, seen in the rows so far.
        match: the rows of the erased.
    """

    def __init__(self, seller_id: str, subjects: Iterable[str], keys: KeyStore) -> None:
        self._subjects = frozenset(subjects)
        self.count = len(self._subjects)
        self.found: set[str] = set()
        self.match = RowMatch()
        if self._subjects:
            self._hashes, self._pseudonymiser = hasher(keys, seller_id), keys.pseudonymiser(seller_id)
            self.match = RowMatch(is_order=self._is_order, is_buyer=self._is_buyer, is_buyer_key=self._is_buyer_key)

    def taken_off(self, dataset: Dataset, table: pa.Table) -> pa.Table:
        """The rows, those of the erased without personal data and pseudonyms.

        An order of an erased buyer is known from then on, so that its items lose theirs too, which name no buyer.
        """
        if not self._subjects or len(dataset.families) == 1 or not table.num_rows:
            return table
        mask = self.match.mask(dataset, table)
        if not pc.any(mask).as_py():
            return table
        if ORDER_COLUMN in table.column_names:
            ids = table.column(ORDER_COLUMN).filter(mask).unique().to_pylist()
            self.found.update(self._hashes.order(order_id) for order_id in ids if order_id)
            self.found -= self._subjects
        for index, column in enumerate(dataset.columns):
            if column.retention is not RetentionClass.BUSINESS:
                nothing = pa.scalar(None, column.type)
                kept = pc.if_else(mask, nothing, table.column(index))
                table = table.set_column(index, table.schema.field(index), kept)
        return table

    def _is_order(self, order_id: str) -> bool:
        subject = self._hashes.order(order_id)
        return subject in self._subjects or subject in self.found

    def _is_buyer(self, email: str) -> bool:
        return self._hashes.buyer(email) in self._subjects or self._is_buyer_key(
            buyer_key_of(email, self._pseudonymiser)
        )

    def _is_buyer_key(self, buyer_key: str) -> bool:
        return self._hashes.buyer_key(buyer_key) in self._subjects


def select_subjects(connection: Connection, seller_id: str, scopes: Iterable[Scope]) -> set[str]:
    """The hashes of some scopes that have a tombstone."""
    t = tombstones.c
    query = sa.select(t.subject).where(t.seller_id == seller_id, t.kind.in_([str(scope) for scope in scopes]))
    return set(connection.execute(query).scalars())


def erased_orders(
    connection: Connection, keys: KeyStore, seller_id: str, order_ids: Collection[str]
) -> dict[str, tuple[date, str]]:
    """Those of some orders that were erased: since when, and on which request."""
    t = tombstones.c
    these = sa.select(t.subject, t.erased_at, t.request).where(t.seller_id == seller_id, t.kind == Scope.ORDER)
    known = {row.subject: row for row in connection.execute(these)}
    if not known:
        return {}
    hashes = hasher(keys, seller_id)
    rows = {order_id: known.get(hashes.order(order_id)) for order_id in order_ids}
    return {id_: (row.erased_at.date(), f"E{row.request:06d}") for id_, row in rows.items() if row is not None}


def select_of_request(connection: Connection, request: int, scope: Scope) -> set[str]:
    """The hashes of a scope whose tombstones a request put up."""
    t = tombstones.c
    return set(connection.execute(sa.select(t.subject).where(t.request == request, t.kind == scope)).scalars())


def rows_of_request(connection: Connection, request: int) -> list[dict[str, Any]]:
    """The tombstones of a request, as plain values."""
    t = tombstones.c
    query = sa.select(tombstones).where(t.request == request).order_by(t.kind, t.subject)
    return [dict(row) for row in connection.execute(query).mappings()]


def add(
    connection: Connection, seller_id: str, scope: Scope, subjects: Iterable[str], request: int, erased_at: datetime
) -> None:
    """Put up tombstones, in the caller's write transaction; those that stand already stay as they are."""
    fresh = set(subjects) - select_subjects(connection, seller_id, [scope])
    rows = [
        {"seller_id": seller_id, "kind": scope, "subject": subject, "request": request, "erased_at": erased_at}
        for subject in sorted(fresh)
    ]
    if rows:
        connection.execute(tombstones.insert(), rows)


def add_found(connection: Connection, seller_id: str, forgotten: Forgotten, erased_at: datetime) -> None:
    """Put up tombstones for the orders that a write found to be an erased buyer's, in its own transaction."""
    if forgotten.found:
        newest = sa.select(sa.func.max(tombstones.c.request)).where(
            tombstones.c.seller_id == seller_id, tombstones.c.kind == Scope.BUYER
        )
        request = int(connection.execute(newest).scalar() or 0)
        add(connection, seller_id, Scope.ORDER, forgotten.found, request, erased_at)


def all_rows(connection: Connection) -> list[dict[str, Any]]:
    """Every tombstone, as plain values: what a restore must not lose."""
    return [dict(row) for row in connection.execute(sa.select(tombstones)).mappings()]


def merge(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> int:
    """Put up tombstones that another control database or a certificate knows; returns how many were new."""
    t, added = tombstones.c, 0
    for row in rows:
        these = (t.seller_id == row["seller_id"], t.kind == row["kind"], t.subject == row["subject"])
        if connection.execute(sa.select(t.subject).where(*these)).first() is None:
            connection.execute(tombstones.insert().values(**row))
            added += 1
    return added


def _lost() -> HashKeyMissing:
    return HashKeyMissing(
        "the key that tells who was erased is not in the control database: restore that from a backup; nothing is "
        "stored before, for it could be an erased person's"
    )
