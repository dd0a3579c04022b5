"""The trail's own retention: entries are kept for 12 months, then deleted in whole segments.

Belongs here: what is old enough, and deleting it. Does not belong here: when that is done (`automation/`).

A segment ends at a signed head. Of a deleted one its end stays, signed as deleted: the chain goes on from there, and
whoever deletes entries without the signing key is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from amzigo_pipelines.resources.audit import marks
from amzigo_pipelines.resources.audit.chain import Head
from amzigo_pipelines.resources.audit.marks import AuditError
from amzigo_pipelines.resources.audit.trail import AuditTrail, microseconds
from amzigo_pipelines.resources.control.schema import audit, audit_marks

KEPT_DAYS = 365


@dataclass(frozen=True)
class Deletion:
    """What was deleted.

    Attributes:
        deleted: entries.
        first_kept: number of the first that is left, or will come.
    """

    deleted: int
    first_kept: int


def delete_old(trail: AuditTrail, kept_days: int = KEPT_DAYS) -> Deletion:
    """Delete the segments whose newest entry is older than that; the deletion is itself an entry.

    Raises:
        AuditError: there is no key to sign with.
        RoleRefused: the role may not sign.
    """
    trail.flush()
    private = trail.signing_key()
    if private is None:
        raise AuditError("the audit trail's old entries can't be deleted: that is signed, by the service or by privacy")
    oldest_us = microseconds(trail.clock.now() - timedelta(days=kept_days))
    installation_id = trail.control.installation_id()
    a, m = audit.c, audit_marks.c
    with trail.control.transaction() as connection:
        first = connection.execute(sa.select(sa.func.min(a.number))).scalar()
        last = connection.execute(
            sa.select(a.number, a.hash)
            .join(audit_marks, sa.and_(m.number == a.number, m.kind == marks.HEAD))
            .where(a.at_us < oldest_us)
            .order_by(a.number.desc())
            .limit(1)
        ).first()
        if last is None:
            return Deletion(0, first or 1)
        mark = marks.sign(private, marks.DELETED, Head(last.number, last.hash), trail.clock.now(), installation_id)
        deleted = connection.execute(audit.delete().where(a.number <= last.number)).rowcount
        connection.execute(audit_marks.delete().where(m.number <= last.number))
        marks.put(connection, mark)
        acting = trail.acting
        trail.record_in(
            connection,
            acting.label,
            "delete_audit",
            None,
            f"entries {first} to {last.number}",
            f"retention: {kept_days} days",
            deleted,
        )
    return Deletion(deleted, last.number + 1)
