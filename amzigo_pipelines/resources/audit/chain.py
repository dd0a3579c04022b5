"""The chain: entries numbered without gaps, each holding the hash of the one before.

Belongs here: the rows of the table `audit`, and their order. Does not belong here: what they say (`trail.py`), and
checking them (`verify.py`).

    hash = SHA-256(previous hash | number | microseconds | action | seller | sealed payload)

Appending happens inside a write transaction of the control database, of which there is one at a time on SQLite and
PostgreSQL alike. The row of `audit_head` says where the chain ends, so that entries cut off at the end are missed.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.audit.sealing import Sealer
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import audit, audit_head

GENESIS = bytes(32)
_SLICE = 10_000


class AuditBroken(AmzigoError):
    """The trail is not what was written.

    Attributes:
        kind: `changed`, `missing`, `reordered`, `truncated` or `rewritten`.
        number: the first entry concerned.
    """

    def __init__(self, kind: str, number: int, sentence: str) -> None:
        super().__init__(
            f"the audit trail is broken at entry {number}: {sentence}; compare it with the last export and treat it as "
            "an incident ('amzigo incident open')"
        )
        self.kind, self.number = kind, number


@dataclass(frozen=True)
class Draft:
    """An entry that has no number yet.

    Attributes:
        at_us: when, in microseconds since 1970 (UTC).
        action: what, as a word.
        seller_id: whose data; None for what concerns no seller.
        facts: the rest, which is sealed.
    """

    at_us: int
    action: str
    seller_id: str | None
    facts: dict[str, Any]


@dataclass(frozen=True)
class Head:
    """Where the chain ends: number and hash of the last entry; 0 and zeros before the first."""

    number: int
    hash: bytes


def digest(previous: bytes, number: int, at_us: int, action: str, seller_id: str | None, sealed: bytes) -> bytes:
    """The hash of an entry."""
    return hashlib.sha256(previous + f"|{number}|{at_us}|{action}|{seller_id or ''}|".encode() + sealed).digest()


def context_of(number: int, at_us: int, action: str, seller_id: str | None) -> bytes:
    """What a payload is bound to: it opens in its own place only."""
    return f"amzigo-audit-v1|{number}|{at_us}|{action}|{seller_id or ''}".encode()


def head_of(connection: Connection) -> Head:
    """Where the chain ends.

    Raises:
        AuditBroken: there are entries, and the row that says so is gone.
    """
    row = connection.execute(sa.select(audit_head.c.number, audit_head.c.hash)).first()
    if row is not None:
        return Head(row.number, row.hash)
    if last := connection.execute(sa.select(sa.func.max(audit.c.number))).scalar():
        raise AuditBroken("missing", last, "the row that says where it ends was removed")
    return Head(0, GENESIS)


def append(connection: Connection, sealer: Sealer, drafts: Sequence[Draft]) -> int:
    """Add entries in the caller's write transaction; returns the number of the last."""
    head = head_of(connection)
    number, previous = head.number, head.hash
    rows = []
    for draft in drafts:
        number += 1
        text = json.dumps(draft.facts, separators=(",", ":"), ensure_ascii=False).encode()
        sealed = sealer.seal(context_of(number, draft.at_us, draft.action, draft.seller_id), text)
        hash_ = digest(previous, number, draft.at_us, draft.action, draft.seller_id, sealed)
        rows.append(
            {
                "number": number,
                "at_us": draft.at_us,
                "action": draft.action,
                "seller_id": draft.seller_id,
                "sealed": sealed,
                "previous_hash": previous,
                "hash": hash_,
            }
        )
        previous = hash_
    if rows:
        connection.execute(audit.insert(), rows)
        move_head(connection, Head(number, previous), is_first=head.number == 0)
    return number


def move_head(connection: Connection, head: Head, *, is_first: bool = False) -> None:
    """Say that the chain ends at `head`."""
    values = {"number": head.number, "hash": head.hash}
    if is_first:
        connection.execute(audit_head.delete())
        connection.execute(audit_head.insert().values(**values))
    else:
        connection.execute(audit_head.update().values(**values))


def restore_head(connection: Connection) -> None:
    """Say that the chain ends with the last entry that is there: of a trail that came from a backup."""
    last = connection.execute(sa.select(audit.c.number, audit.c.hash).order_by(audit.c.number.desc()).limit(1)).first()
    if last is not None:
        move_head(connection, Head(last.number, last.hash), is_first=True)


def rows_in_order(control: ControlDatabase, *conditions: sa.ColumnElement[bool]) -> Iterator[sa.Row[Any]]:
    """All rows of the table, by number."""
    return itertools.chain.from_iterable(slices_in_order(control, *conditions))


def slices_in_order(control: ControlDatabase, *conditions: sa.ColumnElement[bool]) -> Iterator[Sequence[sa.Row[Any]]]:
    """All rows of the table, by number, in slices: a long look must not keep writers waiting."""
    last = -1
    query = sa.select(audit).where(*conditions).order_by(audit.c.number).limit(_SLICE)
    while True:
        with control.read() as connection:
            rows = connection.execute(query.where(audit.c.number > last)).all()
        yield rows
        if len(rows) < _SLICE:
            return
        last = rows[-1].number


def rows_backwards(control: ControlDatabase, *conditions: sa.ColumnElement[bool]) -> Iterator[sa.Row[Any]]:
    """As `rows_in_order`, the newest first, in growing slices: who looks at the newest few reads few."""
    size, before = 100, None
    while True:
        query = sa.select(audit).where(*conditions).order_by(audit.c.number.desc()).limit(size)
        if before is not None:
            query = query.where(audit.c.number < before)
        with control.read() as connection:
            rows = connection.execute(query).all()
        yield from rows
        if len(rows) < size:
            return
        before, size = rows[-1].number, min(2 * size, _SLICE)
