"""Evidence about people's duties: the audit trail and its reviews, incidents, access, erasures, certificates.

Belongs here: looking. Does not belong here: the promises (`table.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from amzigo_pipelines.compliance.evidence import NoEvidence

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

# A drill runs every week.
_DRILL_DAYS = 8


def everything_done_is_written_down(platform: Platform) -> str:
    """Clause 3.2: the trail is whole."""
    entries = platform.audit.verify()
    if not entries:
        raise NoEvidence("the audit trail is empty, though at least the connecting of a seller is written into it")
    return f"{entries:,} entries of the audit trail, in an unbroken chain"


def incidents_are_told_in_time(platform: Platform) -> str:
    """Clause 3.3: no notice is late, and what would be restored can be."""
    from amzigo_pipelines.retention.drill import last_drill
    from amzigo_pipelines.retention.incidents import CLOSED, list_incidents

    now, found = platform.clock.now(), list_incidents(platform)
    for one in found:
        if one.state != CLOSED and one.notified_at is None and now > one.notice_due_at:
            raise NoEvidence(
                f"{one.incident_id}: {one.clock_sentence(now)}: 'amzigo incident notify {one.incident_id}'"
            )
    drill = last_drill(platform)
    if drill is None or not drill.has_passed or (now - drill.finished_at).days > _DRILL_DAYS:
        raise NoEvidence(f"no restore drill has passed in the last {_DRILL_DAYS} days: 'amzigo backup --drill'")
    open_ones = sum(one.state != CLOSED for one in found)
    return f"{open_ones} incidents open, none late; {len(found) - open_ones} closed; the last restore drill passed"


def requests_are_done_in_time(platform: Platform) -> str:
    """Clause 6.1: no erasure request is past its deadline, and what was destroyed is certified."""
    from amzigo_pipelines.retention import erasures

    late, _ = erasures.overdue(platform)
    if late:
        raise NoEvidence(f"{late[0].request_id} should have been done by {late[0].due_on}: 'amzigo erase list'")
    requests = erasures.list_requests(platform)
    waiting = len(erasures.list_requests(platform, erasures.OPEN))
    return f"{len(requests)} erasure requests, {waiting} open, none late; keys are destroyed (NIST SP 800-88: purge)"


def destruction_is_certified(platform: Platform) -> str:
    """Clause 6.2: certificates are signed, and in an unbroken chain."""
    from amzigo_pipelines.retention import ledger
    from amzigo_pipelines.retention.certificates import verify_chain

    certificates = verify_chain(platform)
    if not certificates:
        if ledger.last_instant(platform.control) is None:
            raise NoEvidence("no sweep has run yet, so nothing is certified: see whether the Dagster daemon runs")
        return "sweeps ran, and nothing had to be destroyed yet"
    return f"{len(certificates)} signed certificates of destruction in an unbroken chain"


def access_is_reviewed(platform: Platform) -> str:
    """Clause 4.1: the trail names who acted."""
    actors = {entry.actor for entry in platform.audit.read()}
    if not actors:
        raise NoEvidence("the audit trail names nobody yet")
    return f"{len(actors)} actors in the audit trail, each by name and role"
