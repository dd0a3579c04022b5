"""The audit trail: who did what to whose data and why, chained so that a changed or missing entry shows.

Belongs here: writing, reading and checking entries. Does not belong here: deciding what is audited (whoever opens PII,
destroys keys, changes sellers), and anything of a buyer: an entry holds counts and names of things, never a row.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from amzigo_pipelines.clock import Clock
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import audit

_GENESIS = "0" * 64


class AuditBroken(AmzigoError):
    """An entry was changed, or one is missing."""


@dataclass(frozen=True)
class AuditEntry:
    """One entry.

    Attributes:
        number: 1, 2, 3, ... without gaps.
        at: when (UTC).
        actor: who: a user, or the run that acted.
        action: what, as a word: `read_pii`, `destroy_keys`.
        seller_id: whose data; None for what concerns no seller.
        subject: what was acted on: dataset and days, key ids, a file.
        purpose: why.
        rows: how many rows it concerned, where that is known.
        hash: SHA-256 over the entry and the hash of the one before.
    """

    number: int
    at: datetime
    actor: str
    action: str
    seller_id: str | None
    subject: str
    purpose: str
    rows: int | None
    hash: str


class AuditTrail:
    """The entries in the control database; threads may share it.

    Args:
        control: the control database.
        clock: dates the entries.
    """

    def __init__(self, control: ControlDatabase, clock: Clock) -> None:
        self._control = control
        self._clock = clock

    def record(
        self, actor: str, action: str, seller_id: str | None, subject: str, purpose: str, rows: int | None = None
    ) -> int:
        """Write an entry, durable when this returns.

        Returns:
            Its number.

        Raises:
            ValueError: no actor, action or purpose.
        """
        with self._control.transaction() as connection:
            return self.record_in(connection, actor, action, seller_id, subject, purpose, rows)

    def record_in(
        self,
        connection: Connection,
        actor: str,
        action: str,
        seller_id: str | None,
        subject: str,
        purpose: str,
        rows: int | None = None,
    ) -> int:
        """As `record`, in the caller's write transaction: with what it is about, or not at all."""
        if not (actor and action and purpose):
            raise ValueError("an audit entry needs an actor, an action and a purpose")
        last = connection.execute(
            sa.select(audit.c.number, audit.c.hash).order_by(audit.c.number.desc()).limit(1)
        ).first()
        number, previous = (last.number + 1, last.hash) if last else (1, _GENESIS)
        facts: dict[str, Any] = {
            "number": number,
            "at": self._clock.now(),
            "actor": actor,
            "action": action,
            "seller_id": seller_id,
            "subject": subject,
            "purpose": purpose,
            "rows": rows,
        }
        connection.execute(audit.insert().values(**facts, previous_hash=previous, hash=_digest(facts, previous)))
        return number

    def read(
        self,
        seller_id: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        limit: int | None = None,
    ) -> list[AuditEntry]:
        """Entries in order; with `limit`, the newest so many."""
        query = sa.select(audit).order_by(audit.c.number.desc()).limit(limit)
        if seller_id is not None:
            query = query.where(audit.c.seller_id == seller_id)
        if action is not None:
            query = query.where(audit.c.action == action)
        if since is not None:
            query = query.where(audit.c.at >= since)
        with self._control.read() as connection:
            rows = connection.execute(query).all()
        return [AuditEntry(**{name: getattr(row, name) for name in (*_FACTS, "hash")}) for row in reversed(rows)]

    def verify(self) -> int:
        """Check the chain from the first entry to the last; returns the number of entries.

        The end of the chain can't vouch for itself: compare count and last hash with an export kept elsewhere.

        Raises:
            AuditBroken: the first entry that doesn't fit.
        """
        previous, count = _GENESIS, 0
        with self._control.read() as connection:
            for row in connection.execute(sa.select(audit).order_by(audit.c.number)):
                count += 1
                facts = dict(zip(_FACTS, row[:8], strict=True))
                if row.number != count or row.previous_hash != previous or row.hash != _digest(facts, previous):
                    raise AuditBroken(
                        f"the audit trail is broken at entry {count}: it was changed or removed; "
                        "compare it with the last export and treat it as an incident"
                    )
                previous = row.hash
        return count


_FACTS = ("number", "at", "actor", "action", "seller_id", "subject", "purpose", "rows")


def _digest(facts: dict[str, Any], previous: str) -> str:
    canonical = json.dumps({**facts, "at": facts["at"].isoformat(), "previous": previous}, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
