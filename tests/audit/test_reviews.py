"""The fortnightly review: what is unusual is found, kept, and signed off by somebody; the quarterly look at access."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.audit.acting import Acting
from amzigo_pipelines.resources.audit.trail import AuditEntry
from amzigo_pipelines.resources.control.schema import audit, reviews
from amzigo_pipelines.resources.keys.roles import RoleRefused, login_name
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.review.access import access_report, quarter_of, review_access
from amzigo_pipelines.review.anomalies import Look
from amzigo_pipelines.review.reviews import (
    ReviewError,
    build_trail_review,
    contents,
    due_spans,
    list_reviews,
    sign_off,
    span_before,
)

SELLER = "A1SELLER"
START, END = datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 11, 16, tzinfo=UTC)


def entry(at: datetime, user: str = "anna", action: str = "open_marts", **values: object) -> AuditEntry:
    facts: dict[str, object] = {
        "number": 1,
        "at": at,
        "actor": user,
        "action": action,
        "seller_id": SELLER,
        "subject": "marts",
        "purpose": "why",
        "rows": None,
        "bytes": None,
        "count": 1,
        "outcome": "ok",
        "acting": Acting(user),
    }
    return AuditEntry(**(facts | values))  # type: ignore[arg-type]


def usual() -> Iterator[AuditEntry]:
    """Six fortnights in which Anna opens marts at nine, and a run asks Amazon at night."""
    for day in range(84, 0, -1):
        at = START - timedelta(days=day) + timedelta(hours=9)
        yield entry(at)
        run = Acting("service", run_id="r")
        yield entry(
            at - timedelta(hours=8), "service", "call_api", subject="SP-API x", count=40, bytes=10**6, acting=run
        )


def findings(*now: AuditEntry, past: bool = True) -> list[tuple[str, str]]:
    look = Look(START, END)
    look.add([*(usual() if past else ()), *now])
    return [(finding.rule, finding.user) for finding in look.findings()]


NINE = START + timedelta(hours=9)
NIGHT = Acting("service", run_id="r")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ([entry(NINE)], []),
        ([entry(NINE + timedelta(hours=1))], []),
        ([entry(NINE, "ben")], [("new_user", "ben")]),
        ([entry(NINE + timedelta(hours=14))], [("unusual_hour", "anna")]),
        ([entry(NINE + timedelta(hours=14), "service", acting=NIGHT)], []),
        ([entry(NINE, count=99)], []),
        ([entry(NINE, count=100)], [("unusual_volume", "anna")]),
        ([entry(NINE, rows=10_000)], [("unusual_volume", "anna")]),
        ([entry(NINE, "service", "call_api", subject="a", outcome="200", count=1680, acting=NIGHT)], []),
        (
            [entry(NINE, "service", "call_api", subject="a", outcome="200", count=1681, acting=NIGHT)],
            [("unusual_volume", "service")],
        ),
        ([entry(NINE, action="read_pii", rows=3)], [("pii_read", "anna")]),
        ([entry(NINE, action="open_key", outcome="refused: role")], [("denied_key", "anna")]),
        ([entry(NINE, action="export")], [("export", "anna")]),
        ([entry(NINE, action="change_credentials")], [("change", "anna")]),
        ([entry(NINE, action="call_api", outcome="503", count=9)], []),
        ([entry(NINE, action="call_api", outcome="503", count=10)], [("failed_calls", "")]),
        (
            [
                entry(NINE, action="call_api", outcome="200", count=85),
                entry(NINE, action="call_api", outcome="no answer", count=10),
            ],
            [("failed_calls", "")],
        ),
        ([entry(END, "ben"), entry(END + timedelta(days=1), action="read_pii")], []),
    ],
)
def test_what_is_unusual_is_found_and_what_is_not_is_not(
    now: list[AuditEntry], expected: list[tuple[str, str]]
) -> None:
    assert findings(*now) == expected


def test_in_the_first_review_everybody_is_new() -> None:
    assert findings(entry(NINE), past=False) == [("new_user", "anna")]


def test_spans_are_fortnights_from_monday_to_monday() -> None:
    start, end = span_before(datetime(2026, 11, 23, 12, tzinfo=UTC))
    assert end - start == timedelta(days=14) and start.weekday() == end.weekday() == 0
    assert end <= datetime(2026, 11, 23, 12, tzinfo=UTC) < end + timedelta(days=14)
    assert span_before(end) == (start, end)


@pytest.fixture
def a_month_later(platform: Platform) -> Platform:
    """A trail with entries today, looked at five weeks later."""
    platform.audit.record("ada", "read_pii", SELLER, "orders", "tax office", 3)
    later(platform, timedelta(days=35))
    return platform


def later(platform: Platform, by: timedelta) -> None:
    assert isinstance(platform.clock, VirtualClock)
    platform.clock.set(platform.clock.now() + by)


def test_reviews_are_built_kept_sealed_and_signed_off_once(a_month_later: Platform, home: Path) -> None:
    from amzigo_pipelines.review.assets import check_signed_off

    platform = a_month_later
    spans = due_spans(platform)
    assert len(spans) in (2, 3) and all(end <= platform.clock.now() for _, end in spans)
    built = [build_trail_review(platform, start, end) for start, end in spans]
    assert due_spans(platform) == [] and [review.review_id for review in built] == [f"R{r.number}" for r in built]
    with pytest.raises(ReviewError, match="have a review already: R1"):
        build_trail_review(platform, *spans[0])
    with pytest.raises(ReviewError, match="are not over"):
        build_trail_review(platform, spans[-1][1], spans[-1][1] + timedelta(days=14))
    opened = [contents(platform, review)[0] for review in built]
    reads = [finding for report in opened for finding in report["findings"] if finding["rule"] == "pii_read"]
    assert [read["number"] for read in reads] == [1] and "3 rows" in reads[0]["sentence"]
    assert all(report["verified"]["entries"] > 0 for report in opened)
    assert b"read personal data" not in (home / "control.db").read_bytes()
    with pytest.raises(ReviewError, match="needs a note"):
        sign_off(platform, "R1", "  ")
    analyst = Platform(platform.home, platform.clock, {"AMZIGO_ROLE": "analyst"})
    with pytest.raises(RoleRefused):
        sign_off(analyst, "R1", "looked")
    assert check_signed_off(platform).passed
    later(platform, timedelta(days=14, minutes=1))
    late = check_signed_off(platform)
    assert not late.passed and late.severity is dg.AssetCheckSeverity.WARN and "R1 has waited" in str(late.description)
    for review in built:
        signed = sign_off(platform, review.review_id.lower(), "was asked for by the tax office")
        assert signed.signed_at == platform.clock.now()
    with pytest.raises(ReviewError, match="signed off already"):
        sign_off(platform, "R1", "again")
    _, sign = contents(platform, built[0])
    assert sign == {"by": f"{login_name()} (service)", "note": "was asked for by the tax office"}
    recorded = platform.audit.read(action="sign_review")
    assert [e.subject for e in recorded] == [f"review {review.review_id}" for review in built]
    assert recorded[0].detail["sha256"] == platform.audit.read(action="build_review")[0].detail["sha256"]
    assert check_signed_off(platform).passed
    later(platform, timedelta(days=40))
    assert "were never reviewed" in str(check_signed_off(platform).description)
    with platform.control.transaction() as connection:
        row = connection.execute(sa.select(reviews.c.report).where(reviews.c.number == 1)).scalar_one()
        connection.execute(reviews.update().values(report=row[:-1] + bytes([row[-1] ^ 1])))
    with pytest.raises(ReviewError, match="was changed"):
        contents(platform, built[0])


def test_a_review_of_a_broken_trail_says_so_first(a_month_later: Platform) -> None:
    with a_month_later.control.transaction() as connection:
        connection.execute(audit.update().where(audit.c.action == "read_pii").values(seller_id="B2SELLER"))
    review = build_trail_review(a_month_later, *due_spans(a_month_later)[0])
    report, _ = contents(a_month_later, review)
    assert report["findings"][0]["rule"] == "trail_broken" and "it was changed" in report["findings"][0]["sentence"]


def test_the_access_report_tells_roles_users_and_readers(platform: Platform, home: Path) -> None:
    key = platform.keys.key_for(SELLER, "pii", (platform.clock.now() + timedelta(days=20)).date())
    anna = Platform(platform.home, platform.clock, {"AMZIGO_ROLE": "privacy", "AMZIGO_USER": "anna"})
    anna.keys.open(key.key_id)
    anna.audit.record("anna", "read_pii", SELLER, "orders", "why", 1)
    kek = next(home.glob("kek/pii-*.key"))
    kek.chmod(0o644)
    report = access_report(platform)
    roles = {role["role"]: role for role in report["roles"]}
    assert roles["analyst"]["may_open"] == ["business", "mart"] and roles["analyst"]["users"] == []
    assert roles["privacy"]["users"] == ["anna"] and set(roles["service"]["may_open"]) >= {"pii", "hold", "secret"}
    assert roles["privacy"]["last_used"]["pii"] == platform.clock.now().isoformat()
    (user,) = [user for user in report["users"] if user["user"] == "anna"]
    assert user["login"] == login_name() and user["roles"] == ["privacy"]
    assert user["last_pii_read"] == platform.clock.now().isoformat()
    paths = {path["path"]: path for path in report["paths"]}
    assert "everybody on this machine" in paths[str(kek)]["readers"] and paths[str(kek)]["mode"] == "0644"
    assert paths[str(home / "kek")]["readers"] == [f"user {login_name()}"]
    assert paths[str(home)]["owner"] == login_name() and report["kms"] == []
    assert os.fspath(home / "control.db") in paths


def test_access_is_reviewed_once_a_quarter(platform: Platform) -> None:
    from amzigo_pipelines.review.assets import check_access_reviewed

    assert quarter_of(datetime(2026, 11, 23, tzinfo=UTC)) == (
        datetime(2026, 10, 1, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    )
    assert check_access_reviewed(platform).passed, "a new installation has a quarter's time"
    later(platform, timedelta(days=120))
    assert not check_access_reviewed(platform).passed
    review = review_access(platform, "carl left")
    report, sign = contents(platform, review)
    assert report["roles"] and sign is not None and sign["note"] == "carl left"
    assert check_access_reviewed(platform).passed
    with pytest.raises(ReviewError, match="have a review already: R1"):
        review_access(platform, "again")
    assert [one.kind for one in list_reviews(platform)] == ["access"]
