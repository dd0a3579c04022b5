"""The retention clock: the rule by status, and its promise for whatever life an order may have."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.retention.dates import ExpiryUnknown, earliest_pii_day, expires_on_of, is_dead

COLUMNS = ("created_at", "last_updated_at", "status", "first_shipped_at", "last_shipped_at")
SCHEMA = pa.schema([ORDERS.schema.field(name).with_nullable(True) for name in COLUMNS])
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CREATED = datetime(2026, 11, 1, 23, 30, tzinfo=UTC)
FIRST = datetime(2026, 11, 3, 10, tzinfo=UTC)
LAST = datetime(2026, 11, 5, 10, tzinfo=UTC)
UPDATED = datetime(2026, 11, 9, 10, tzinfo=UTC)
PERIOD = timedelta(days=30)


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([{name: row.get(name) for name in COLUMNS} for row in rows], SCHEMA)


def row(status: str | None, **changes: Any) -> dict[str, Any]:
    return {
        "created_at": CREATED,
        "last_updated_at": UPDATED,
        "status": status,
        "first_shipped_at": FIRST,
        "last_shipped_at": LAST,
    } | changes


def dates(*rows: dict[str, Any], now: datetime = NOW) -> list[date]:
    return expires_on_of(table(*rows), now).to_pylist()


@pytest.mark.parametrize(
    ("status", "changes", "t"),
    [
        ("PENDING_AVAILABILITY", {}, UPDATED),
        ("PENDING", {}, UPDATED),
        ("UNSHIPPED", {}, UPDATED),
        ("UNSHIPPED", {"last_updated_at": None}, CREATED),
        ("UNSHIPPED", {"last_updated_at": CREATED - timedelta(days=3)}, CREATED),
        ("UNSHIPPED", {"last_updated_at": NOW + timedelta(days=3)}, NOW),
        ("SHIPPED", {}, LAST),
        ("SHIPPED", {"last_shipped_at": None}, CREATED),
        ("SHIPPED", {"last_updated_at": None}, LAST),
        ("SHIPPED", {"last_shipped_at": UPDATED + timedelta(days=5)}, UPDATED),
        ("SHIPPED", {"last_shipped_at": CREATED - timedelta(days=5)}, CREATED),
        ("PARTIALLY_SHIPPED", {}, FIRST),
        ("PARTIALLY_SHIPPED", {"first_shipped_at": None}, CREATED),
        ("CANCELLED", {}, UPDATED),
        ("UNFULFILLABLE", {}, CREATED),
        ("SOMETHING_NEW", {}, CREATED),
        (None, {}, CREATED),
        ("UNSHIPPED", {"created_at": NOW + timedelta(days=9)}, NOW),
    ],
)
def test_rule_by_status(status: str | None, changes: dict[str, Any], t: datetime) -> None:
    assert dates(row(status, **changes)) == [(t + PERIOD).date()]


def test_one_date_a_row_in_order_over_chunks() -> None:
    rows = pa.concat_tables([table(row("SHIPPED"), row("PENDING")), table(row("UNFULFILLABLE"))])
    found = expires_on_of(rows, NOW)
    assert found.type == pa.date32()
    assert found.to_pylist() == [(t + PERIOD).date() for t in (LAST, UPDATED, CREATED)]
    assert expires_on_of(table(), NOW).to_pylist() == []


def test_the_date_is_utc_whatever_zone_now_and_rows_are_in() -> None:
    zoned = table(row("UNSHIPPED", last_updated_at=None))
    position = zoned.column_names.index("created_at")
    zoned = zoned.set_column(position, "created_at", zoned["created_at"].cast(pa.timestamp("us", "Asia/Tokyo")))
    assert expires_on_of(zoned, NOW).to_pylist() == [date(2026, 12, 1)]


def test_refuses_what_has_no_date() -> None:
    with pytest.raises(ExpiryUnknown, match="1 of 2 orders"):
        dates(row("SHIPPED"), row("SHIPPED", created_at=None))
    with pytest.raises(ExpiryUnknown, match="without status"):
        expires_on_of(table(row("SHIPPED")).drop_columns(["status"]), NOW)
    with pytest.raises(ValueError, match="time zone"):
        dates(row("SHIPPED"), now=NOW.replace(tzinfo=None))


moments = st.datetimes(datetime(2026, 1, 1), datetime(2026, 3, 1), timezones=st.just(UTC))
pauses = st.timedeltas(timedelta(0), timedelta(days=20))


@st.composite
def lives(draw: st.DrawFn) -> tuple[datetime | None, list[dict[str, Any]]]:
    """An order's life: when it was really delivered (None: never), and every version that Amazon gave of it."""
    created = draw(moments)
    moment = created
    versions: list[dict[str, Any]] = []

    def version(status: str, **shipped: Any) -> None:
        seen = draw(st.none() | st.just(moment)) if status != "PENDING" else moment
        versions.append({"created_at": created, "last_updated_at": seen, "status": status, **shipped})

    for status in draw(
        st.lists(st.sampled_from(["PENDING_AVAILABILITY", "PENDING", "UNSHIPPED"]), min_size=1, max_size=4)
    ):
        moment += draw(pauses)
        version(status)
    ending = draw(st.sampled_from(["shipped", "parts", "cancelled", "unfulfillable", "open"]))
    if ending in ("cancelled", "unfulfillable", "open"):
        moment += draw(pauses)
        if ending != "open":
            version("CANCELLED" if ending == "cancelled" else "UNFULFILLABLE")
        return None, versions
    moment += draw(pauses)
    first = last = moment
    if ending == "parts":
        version("PARTIALLY_SHIPPED", first_shipped_at=draw(st.none() | st.just(first)), last_shipped_at=first)
        moment += draw(pauses)
        # Amazon may go on touching an order whose first parcel has long arrived.
        version("PARTIALLY_SHIPPED", first_shipped_at=first, last_shipped_at=first)
        last = moment
    for _ in range(draw(st.integers(1, 3))):
        moment += draw(pauses)
        version("SHIPPED", first_shipped_at=first, last_shipped_at=draw(st.none() | st.just(last)))
    delivered = last + draw(pauses)
    if draw(st.booleans()):
        # A later update (a return, an invoice), long after delivery.
        moment = max(moment, delivered) + draw(pauses)
        version("SHIPPED", first_shipped_at=first, last_shipped_at=last)
    return delivered, versions


@settings(max_examples=120, deadline=None)
@given(life=lives(), wait=st.timedeltas(timedelta(0), timedelta(days=90)))
def test_never_later_than_thirty_days_after_delivery(
    life: tuple[datetime | None, list[dict[str, Any]]], wait: timedelta
) -> None:
    delivered, versions = life
    now = max(v["last_updated_at"] or v["created_at"] for v in versions) + wait
    for version, expires_on in zip(versions, dates(*versions, now=now), strict=True):
        if delivered is not None:
            assert expires_on <= (delivered + PERIOD).date()
        assert (version["created_at"] + PERIOD).date() <= expires_on <= (now + PERIOD).date()


@settings(max_examples=80, deadline=None)
@given(life=lives(), days_later=st.integers(0, 60))
def test_no_partition_before_the_earliest_day_holds_living_pii(
    life: tuple[datetime | None, list[dict[str, Any]]], days_later: int
) -> None:
    versions = [v for v in life[1] if v["last_updated_at"] is not None]
    now = max((v["last_updated_at"] for v in versions), default=NOW) + timedelta(days=days_later)
    today = now.date()
    for version, expires_on in zip(versions, dates(*versions, now=now), strict=True):
        if not is_dead(expires_on, today):
            assert version["last_updated_at"].date() >= earliest_pii_day(today)


def test_the_earliest_day_is_no_earlier_than_needed() -> None:
    today = date(2026, 11, 20)
    first = earliest_pii_day(today)
    at = datetime(first.year, first.month, first.day, tzinfo=UTC)
    assert [is_dead(d, today) for d in dates(row("UNSHIPPED", created_at=at, last_updated_at=at))] == [False]
    eve = at - timedelta(days=1)
    assert [is_dead(d, today) for d in dates(row("UNSHIPPED", created_at=eve, last_updated_at=eve))] == [True]


def test_dead_from_the_date_itself_on() -> None:
    day = date(2026, 12, 1)
    assert not is_dead(day, day - timedelta(days=1))
    assert is_dead(day, day)
    assert is_dead(day, day + timedelta(days=1))
