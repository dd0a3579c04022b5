"""Reviews: what was to be looked at, and who did. Of the audit trail every two weeks, of access every quarter.

Belongs here: building, keeping, listing and signing off. Does not belong here: what is unusual (`anomalies.py`), who
has access (`access.py`), and when a review is built (`automation/audit.py`).

Report and sign-off are sealed like the trail's entries; both are entries of the trail with the report's SHA-256, so
that neither can be changed unseen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.audit.chain import AuditBroken
from amzigo_pipelines.resources.control.schema import reviews
from amzigo_pipelines.resources.control.statements import next_number
from amzigo_pipelines.review.anomalies import PAST_WINDOWS, WINDOW, Finding, Look, as_json

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

TRAIL, ACCESS = "trail", "access"
# Spans begin on every second Monday, whenever an installation was made.
_FIRST_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


class ReviewError(AmzigoError):
    """There is no such review, or it can't be built or signed off as asked."""


@dataclass(frozen=True)
class Review:
    """One review.

    Attributes:
        number: 1, 2, 3, ...
        kind: `trail` or `access`.
        starts_at: first instant that it is about.
        ends_at: first instant after it.
        built_at: when it was built.
        findings: how many things to look at.
        signed_at: when somebody signed it off; None while nobody did.
    """

    number: int
    kind: str
    starts_at: datetime
    ends_at: datetime
    built_at: datetime
    findings: int
    signed_at: datetime | None

    @property
    def review_id(self) -> str:
        """As people call it: `R3`."""
        return f"R{self.number}"


def span_before(now: datetime) -> tuple[datetime, datetime]:
    """The last two weeks that are over: from a Monday to the Monday two weeks later."""
    ends_at = _FIRST_MONDAY + (now - _FIRST_MONDAY) // WINDOW * WINDOW
    return ends_at - WINDOW, ends_at


def due_spans(platform: Platform) -> list[tuple[datetime, datetime]]:
    """The spans of two weeks that are over, have entries, and no review yet, oldest first."""
    first = next(platform.audit.entries(), None)
    if first is None:
        return []
    start, end = span_before(platform.clock.now())
    built = {review.starts_at for review in list_reviews(platform, TRAIL)}
    spans = []
    while end > first.at:
        if start not in built:
            spans.append((start, end))
        start, end = start - WINDOW, start
    return spans[::-1]


def build_trail_review(platform: Platform, start: datetime, end: datetime) -> Review:
    """Look through two weeks of the trail, check all of it, and keep what was found.

    Raises:
        ReviewError: there is a review of these weeks already, or they are not over.
        RoleRefused: the role may not read the trail.
    """
    if end > platform.clock.now():
        raise ReviewError(f"the two weeks until {end:%Y-%m-%d} are not over: review them then")
    platform.audit.flush()
    broken: list[Finding] = []
    verified: dict[str, Any] = {}
    look = Look(start, end)
    try:
        found = platform.audit.verified()
        verified = {"entries": found.entries, "last": found.head.number, "signed_through": found.signed_through}
        look.add(platform.audit.entries(since=start - PAST_WINDOWS * WINDOW, until=end))
    except AuditBroken as error:
        broken.append(Finding("trail_broken", "", 1, str(error)))
    findings = [*broken, *look.findings()]
    report = {
        "entries": look.entries,
        "verified": verified,
        "findings": as_json(findings),
        "volumes": look.volumes(),
    }
    return keep(platform, TRAIL, start, end, report, len(findings))


def keep(
    platform: Platform, kind: str, start: datetime, end: datetime, report: Mapping[str, Any], findings: int
) -> Review:
    """Keep a review, with its entry in the trail.

    Raises:
        ReviewError: there is one of that span already.
    """
    text = json.dumps(report, ensure_ascii=False).encode()
    acting, now = platform.audit.acting, platform.clock.now()
    with platform.control.transaction() as connection:
        there = sa.select(reviews.c.number).where(reviews.c.kind == kind, reviews.c.starts_at == start)
        if number := connection.execute(there).scalar():
            raise ReviewError(f"these days have a review already: R{number}")
        number = next_number(connection, reviews)
        connection.execute(
            reviews.insert().values(
                number=number,
                kind=kind,
                starts_at=start,
                ends_at=end,
                built_at=now,
                findings=findings,
                report=platform.audit.sealer(connection).seal(_context(number, "report"), text),
            )
        )
        subject = f"review R{number} of {kind}, {start:%Y-%m-%d} to {end:%Y-%m-%d}"
        detail = {"sha256": hashlib.sha256(text).hexdigest(), "findings": findings}
        platform.audit.record_in(
            connection, acting.label, "build_review", None, subject, acting.reason, findings, detail=detail
        )
    return get(platform, f"R{number}")


def list_reviews(platform: Platform, kind: str | None = None) -> list[Review]:
    """All reviews by number."""
    r = reviews.c
    query = sa.select(r.number, r.kind, r.starts_at, r.ends_at, r.built_at, r.findings, r.signed_at).order_by(r.number)
    if kind is not None:
        query = query.where(r.kind == kind)
    with platform.control.read() as connection:
        return [Review(*row) for row in connection.execute(query)]


def get(platform: Platform, review_id: str) -> Review:
    """The review of that id.

    Raises:
        ReviewError: there is none.
    """
    known = list_reviews(platform)
    for review in known:
        if review.review_id == review_id.upper():
            return review
    there = ", ".join(review.review_id for review in known) or "none yet"
    raise ReviewError(f"there is no review {review_id!r}; there are: {there}")


def contents(platform: Platform, review: Review) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What a review says, and its sign-off (`by`, `note`), None while there is none.

    Raises:
        RoleRefused: the role may not read the trail.
        ReviewError: it was changed.
    """
    with platform.control.read() as connection:
        row = connection.execute(sa.select(reviews).where(reviews.c.number == review.number)).one()
    opened = []
    for part, sealed in (("report", row.report), ("sign-off", row.sign_off)):
        text = None if sealed is None else platform.audit.opener.open(_context(review.number, part), sealed)
        if sealed is not None and text is None:
            raise ReviewError(f"the {part} of review {review.review_id} was changed: treat it as an incident")
        opened.append(None if text is None else json.loads(text))
    assert opened[0] is not None
    return opened[0], opened[1]


def sign_off(platform: Platform, review_id: str, note: str) -> Review:
    """Record that the acting user has reviewed it.

    Raises:
        ReviewError: there is none, it is signed off already, or there is no note.
        RoleRefused: the role may not read what it signs.
    """
    if not note.strip():
        raise ReviewError("a sign-off needs a note: say what was looked at and what was done about it")
    review = get(platform, review_id)
    report, _ = contents(platform, review)
    acting, now = platform.audit.acting, platform.clock.now()
    text = json.dumps({"by": acting.label, "note": note.strip()}, ensure_ascii=False).encode()
    with platform.control.transaction() as connection:
        changed = connection.execute(
            reviews.update()
            .where(reviews.c.number == review.number, reviews.c.signed_at.is_(None))
            .values(
                signed_at=now,
                sign_off=platform.audit.sealer(connection).seal(_context(review.number, "sign-off"), text),
            )
        ).rowcount
        if not changed:
            raise ReviewError(f"review {review.review_id} is signed off already")
        detail = {"sha256": hashlib.sha256(json.dumps(report, ensure_ascii=False).encode()).hexdigest()}
        platform.audit.record_in(
            connection, acting.label, "sign_review", None, f"review {review.review_id}", note.strip(), detail=detail
        )
    return get(platform, review_id)


def _context(number: int, part: str) -> bytes:
    return f"amzigo-review-v1|{number}|{part}".encode()
