"""Repeat purchases: whole weeks equal to the world's orders, in the partitions of their last days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from amzigo_pipelines.assets.extraction.extract import ExtractionResult, extract_partition, extract_partitions
from amzigo_pipelines.assets.extraction.results import SourceSkipped
from amzigo_pipelines.automation.pipeline import deferred_days
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.repeat_purchase import REPEAT_PURCHASE
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.control.failed_partitions import FailedPartitions
from amzigo_pipelines.resources.control.known_refusals import KnownRefusals
from amzigo_pipelines.resources.spapi.errors import MissingRole, ReportNotTabular
from amzigo_pipelines.simulator import truth
from amzigo_pipelines.simulator.profiles import SellerProfile, WorldConfig
from amzigo_pipelines.simulator.server import SimulatorServer, SimulatorSettings
from amzigo_pipelines.simulator.world import World

from .conftest import CONFIG, FIRST_DAY, JP, NOW, SELLER, US, Platform, make_platform, profile

SATURDAY = date(2026, 9, 19)  # NOW is the Monday after it, half an hour past midnight UTC: Sunday in America
NO_BRAND = "ATESTNOBRAND"
KIND = "GET_BRAND_ANALYTICS_REPEAT_PURCHASE_REPORT"


def extract(platform: Platform, *days: date) -> list[ExtractionResult]:
    return list(extract_partitions(platform, SELLER, days, ["repeat_purchase"]))  # type: ignore[arg-type]


def rows(platform: Platform) -> list[dict[str, object]]:
    found = platform.lake.scan(REPEAT_PURCHASE, SELLER, [SATURDAY])
    return [] if found is None else found.to_table().to_pylist()


def test_a_week_equals_the_orders(platform: Platform, world: World) -> None:
    extract(platform, SATURDAY)
    customers: dict[tuple[str, str], set[int]] = defaultdict(set)
    again: dict[tuple[str, str], set[int]] = defaultdict(set)
    before: dict[tuple[str, str], set[int]] = defaultdict(set)
    orders: dict[tuple[str, str], int] = defaultdict(int)
    people = {order.order_id: order.buyer.number for order in world.seller(SELLER, NOW).orders}
    for order in sorted(truth.orders(world, SELLER, NOW), key=lambda order: order.created_at):
        zone = ZoneInfo(MARKETPLACES[order.marketplace_id].time_zone)
        day = order.created_at.astimezone(zone).date()
        if order.status == "CANCELLED" or day > SATURDAY:
            continue
        for key in {(order.marketplace_id, item.asin) for item in order.items}:
            buyer = people[order.order_id]
            if day > SATURDAY - timedelta(days=7):
                orders[key] += 1
                customers[key].add(buyer)
                if buyer in before[key]:
                    again[key].add(buyer)
            before[key].add(buyer)
    stored = {(row["marketplace_id"], row["asin"]): row for row in rows(platform)}
    assert {key: row["orders"] for key, row in stored.items()} == orders
    assert {key: row["customers"] for key, row in stored.items()} == {k: len(v) for k, v in customers.items()}
    assert {key: row["repeat_customer_share"] for key, row in stored.items()} == {
        key: round(len(again[key]) / len(who), 4) for key, who in customers.items()
    }
    assert any(again.values())
    for row in stored.values():
        assert (row["week_starts_on"], row["week_ends_on"]) == (SATURDAY - timedelta(days=6), SATURDAY)
        assert row["currency"] == MARKETPLACES[str(row["marketplace_id"])].currency
        assert (row["repeat_revenue"] or 0) >= 0  # type: ignore[operator]
    assert {row["marketplace_id"] for row in stored.values()} >= {US, JP}
    assert set(REPEAT_PURCHASE.families) == {RetentionClass.BUSINESS}


def test_a_week_of_days_asks_for_one_week_and_the_other_days_say_why_they_are_empty(
    platform: Platform, server: SimulatorServer
) -> None:
    days = [SATURDAY - timedelta(days=n) for n in range(6, -1, -1)]
    results = extract(platform, *days)
    assert [result.day for result in results] == days
    assert server.requests["createReport"] == 3  # one a marketplace
    for result in results[:-1]:
        assert result.rows == 0
        assert f"no week ends on {result.day}" in result.window
        assert "nothing was asked for" in result.window
    assert results[-1].rows > 0
    origins = {record.day: record.origin.get("empty") for record in platform.lake.partitions(SELLER, REPEAT_PURCHASE)}
    assert origins == {day: None if day == SATURDAY else "no week ends on this day" for day in days}


def test_a_day_that_ends_no_week_asks_for_nothing(platform: Platform, server: SimulatorServer) -> None:
    (result,) = extract(platform, SATURDAY - timedelta(days=3))
    assert result.rows == 0 and server.requests["createReport"] == 0


def test_a_week_that_is_not_over_everywhere_comes_with_a_later_night(
    platform: Platform, server: SimulatorServer
) -> None:
    platform.clock.set(datetime(2026, 9, 20, 0, 30, tzinfo=UTC))
    server.clock.set(datetime(2026, 9, 20, 0, 30, tzinfo=UTC))  # type: ignore[attr-defined]
    (result,) = [r for r in extract(platform, SATURDAY) if r.day == SATURDAY]
    assert any("not over yet in US" in warning for warning in result.warnings)
    assert {row["marketplace_id"] for row in rows(platform)} == {JP, "A1PA6795UKMFR9"}
    platform.clock.set(NOW)
    server.clock.set(NOW)  # type: ignore[attr-defined]
    results = extract(platform, SATURDAY + timedelta(days=1))
    (result,) = [r for r in results if r.day == SATURDAY]
    assert not result.is_unchanged and result.warnings == ()
    assert {row["marketplace_id"] for row in rows(platform)} == {US, JP, "A1PA6795UKMFR9"}


def test_dates_that_amazon_refuses_are_an_error(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amzigo_pipelines.assets.extraction.reports._LAST_OF_WEEK", 4)
    with pytest.raises(ReportNotTabular, match="something else than JSON"):
        extract(platform, SATURDAY - timedelta(days=1))
    assert rows(platform) == []


@pytest.mark.parametrize("marketplace_id", [US, JP])
def test_a_deferred_week_is_asked_for_by_its_last_day(
    platform: Platform, server: SimulatorServer, marketplace_id: str
) -> None:
    number = [US, "A1PA6795UKMFR9", JP].index(marketplace_id)
    server.faults.add(f"createReport/{KIND}", "fatal", after=number)
    with pytest.raises(Exception, match="FATAL"):
        extract(platform, SATURDAY)
    platform.clock.set(NOW + timedelta(hours=13))
    (request,) = [r for r in platform.desk.due_again() if r.marketplace_ids == (marketplace_id,)]
    assert deferred_days(platform, request) == (("repeat_purchase",), SATURDAY, SATURDAY)  # type: ignore[arg-type]


@pytest.fixture
def without_brand(tmp_path: Path) -> Iterator[Platform]:
    seller = profile(NO_BRAND, "US", orders_per_day=5, is_brand_owner=False)
    world = World(WorldConfig(seed=CONFIG.seed, first_day=FIRST_DAY, sellers=(seller,)))
    with SimulatorServer(world, VirtualClock(NOW), SimulatorSettings(rate_scale=100_000)) as server:
        platform = make_platform(tmp_path, server.url)
        platform.sellers.add(NO_BRAND, NO_BRAND, seller.marketplace_ids, seller.refresh_token)
        yield platform


def test_who_owns_no_brand_is_told_which_role_is_missing(without_brand: Platform) -> None:
    with pytest.raises(MissingRole, match=r"needs the role 'Brand Analytics'.*stay empty; nothing was stored") as told:
        extract_partition(without_brand, NO_BRAND, SATURDAY, ["repeat_purchase"])  # type: ignore[arg-type]
    assert without_brand.lake.partitions(NO_BRAND) == []
    assert "a seller without a registered brand never gets it" in str(told.value)


def test_that_a_seller_owns_no_brand_is_told_once_until_it_does(
    without_brand: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals, of_seller = KnownRefusals(without_brand.control), (NO_BRAND, SATURDAY, ["repeat_purchase"])
    with pytest.raises(MissingRole):
        extract_partition(without_brand, *of_seller)  # type: ignore[arg-type]
    # It stands on no list of failures, and later nights skip it, though they ask again.
    assert FailedPartitions(without_brand.control).list() == []
    for _ in range(2):
        with pytest.raises(SourceSkipped, match=r"refused to seller .* since 2026-09-21"):
            extract_partition(without_brand, *of_seller)  # type: ignore[arg-type]
    assert set(refusals.of(NO_BRAND)) == {"repeat_purchase"} and without_brand.lake.partitions(NO_BRAND) == []
    # A day that ends no week asks for nothing, and proves nothing.
    extract_partition(without_brand, NO_BRAND, SATURDAY - timedelta(days=1), ["repeat_purchase"])  # type: ignore[arg-type]
    assert refusals.of(NO_BRAND)
    # The brand is registered.
    monkeypatch.setattr(SellerProfile, "is_brand_owner", property(lambda profile: True))
    (result,) = extract_partition(without_brand, *of_seller)  # type: ignore[arg-type]
    assert result.rows and refusals.of(NO_BRAND) == {}
