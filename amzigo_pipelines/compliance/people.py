"""Evidence about people's duties: the audit trail and its reviews, incidents, access, erasures, certificates.

Belongs here: looking. Does not belong here: the promises (`table.py`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from amzigo_pipelines.compliance.evidence import NoEvidence

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform


def everything_done_is_written_down(platform: Platform) -> str:
    """Clause 3.2: the trail is whole, and somebody looked through it."""
    from amzigo_pipelines.review.anomalies import WINDOW
    from amzigo_pipelines.review.reviews import TRAIL, due_spans, list_reviews

    verified = platform.audit.verified()
    if not verified.entries:
        raise NoEvidence("the audit trail is empty, though at least the making of this home is written into it")
    now = platform.clock.now()
    if late := [end for _, end in due_spans(platform) if now - end > WINDOW]:
        raise NoEvidence(
            f"the two weeks until {late[0]:%Y-%m-%d} were not reviewed: see whether the Dagster daemon runs"
        )
    reviews = list_reviews(platform, TRAIL)
    if unsigned := [one for one in reviews if one.signed_at is None and now - one.built_at > WINDOW]:
        raise NoEvidence(
            f"nobody signed off {unsigned[0].review_id}: 'amzigo audit review show {unsigned[0].review_id}'"
        )
    signed = sum(one.signed_at is not None for one in reviews)
    return (
        f"{verified.entries:,} entries of the audit trail in an unbroken chain; {signed} reviews signed off, none late"
    )


def incidents_are_told_in_time(platform: Platform) -> str:
    """Clause 3.3: no notice is late, and what would be restored can be."""
    from amzigo_pipelines.retention.drill import MAX_AGE_DAYS, last_drill
    from amzigo_pipelines.retention.incidents import CLOSED, list_incidents

    now, found = platform.clock.now(), list_incidents(platform)
    for one in found:
        if one.state != CLOSED and one.notified_at is None and now > one.notice_due_at:
            raise NoEvidence(
                f"{one.incident_id}: {one.clock_sentence(now)}: 'amzigo incident notify {one.incident_id}'"
            )
    drill = last_drill(platform)
    if drill is None or not drill.has_passed or (now - drill.finished_at).days > MAX_AGE_DAYS:
        raise NoEvidence(f"no restore drill has passed in the last {MAX_AGE_DAYS} days: 'amzigo backup --drill'")
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
    """Clause 4.1: the trail names who acted, and last quarter somebody looked at who can open what."""
    from amzigo_pipelines.review.access import quarter_of
    from amzigo_pipelines.review.reviews import ACCESS, list_reviews

    first = next(platform.audit.entries(), None)
    if first is None:
        raise NoEvidence("the audit trail names nobody yet")
    this_quarter, _ = quarter_of(platform.clock.now())
    last_quarter, _ = quarter_of(this_quarter - timedelta(days=1))
    signed = [one for one in list_reviews(platform, ACCESS) if one.signed_at and one.starts_at >= last_quarter]
    if not signed:
        if first.at < this_quarter:
            raise NoEvidence("nobody reviewed who has access in this quarter or the last: 'amzigo access sign'")
        return "entries name the acting user; no quarter is over yet whose access could be reviewed"
    return f"entries name the acting user; access was reviewed and signed off on {signed[-1].signed_at:%Y-%m-%d}"
