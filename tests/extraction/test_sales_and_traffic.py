"""Sales and traffic from Data Kiosk and sums of orders from the Sales API: over HTTP, equal to the world's truth."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from amzigo_pipelines.assets.extraction.extract import extract_partition, extract_partitions
from amzigo_pipelines.assets.extraction.query_text import query_text
from amzigo_pipelines.assets.extraction.reports import windows_of
from amzigo_pipelines.assets.extraction.results import ExtractionResult
from amzigo_pipelines.automation.pipeline import deferred_days
from amzigo_pipelines.catalog.rates import RATES
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.reports.documents import Report
from amzigo_pipelines.resources.reports.ledger import ReportOrder, State
from amzigo_pipelines.resources.spapi.errors import (
    BadAnswer,
    DownloadFailed,
    MissingRole,
    ReportDeferred,
    ReportLate,
    ReportNotTabular,
)
from amzigo_pipelines.simulator import truth_sales
from amzigo_pipelines.simulator.order_sums import OrderFilter
from amzigo_pipelines.simulator.profiles import SellerProfile, WorldConfig
from amzigo_pipelines.simulator.server import SimulatorServer, SimulatorSettings
from amzigo_pipelines.simulator.truth import orders
from amzigo_pipelines.simulator.world import World

from .conftest import DAY, JP, NOW, SELLER, SILENT, US, Platform, make_platform

DE = "A1PA6795UKMFR9"
DAILY, BY_SKU, METRICS = "sales_and_traffic_daily", "sales_and_traffic_by_sku", "sales_metrics"


def extract(platform: Platform, name: str, *days: date, seller_id: str = SELLER) -> list[ExtractionResult]:
    return list(extract_partitions(platform, seller_id, days or [DAY], [name]))  # type: ignore[arg-type]


def rows(platform: Platform, name: str, *days: date, seller_id: str = SELLER) -> list[dict[str, Any]]:
    found = platform.lake.scan(DATASETS[name], seller_id, days or None)
    return [] if found is None else found.to_table().to_pylist()


def pass_time(platform: Platform, server: SimulatorServer, passed: timedelta) -> None:
    for clock in (platform.clock, server.clock):
        assert isinstance(clock, VirtualClock)
        clock.set(clock.now() + passed)


def test_daily_figures_are_the_truth_in_every_marketplace_and_currency(
    platform: Platform, server: SimulatorServer, world: World
) -> None:
    results = extract(platform, DAILY)
    truth = {key: value for key, value in truth_sales.traffic_daily(world, SELLER, NOW).items() if key[0] <= DAY}
    stored = {(row["happened_on"], row["marketplace_id"]): row for row in rows(platform, DAILY)}
    # DAY is over in Germany and Japan, and still goes on in America.
    assert (DAY, US) not in truth and {(DAY, DE), (DAY, JP)} <= set(truth)
    assert stored.keys() == truth.keys() and len(truth) == 20 * 3 - 1
    for key, row in stored.items():
        told = truth[key]
        assert (row["currency"], row["ordered_product_sales"]) == (told.currency, told.sales)
        assert (row["units_ordered"], row["order_items"]) == (told.units, told.order_items)
        assert (row["sessions"], row["page_views"]) == (told.sessions, told.page_views)
        assert (row["units_ordered_b2b"], row["sessions_b2b"]) == (told.business_units, told.business_sessions)
        assert (row["units_shipped"], row["units_refunded"]) == (told.shipped_units, told.refunded_units)
        assert row["featured_offer_percentage"] == pytest.approx(100 * told.offer_views / told.page_views, abs=0.01)
        assert row["sessions"] == row["browser_sessions"] + row["mobile_app_sessions"] > row["order_items"]
    assert {row["currency"] for row in stored.values()} == {"USD", "EUR", "JPY"}
    # One query a region for all days; what is not over is told.
    assert server.requests["createQuery"] == server.requests["getDocument"] == 3
    (newest,) = [result for result in results if result.day == DAY]
    assert any("not over yet in US" in warning for warning in newest.warnings)
    assert not any("no figures" in warning or "fields" in warning for warning in newest.warnings)


def test_a_night_with_its_look_back_stays_within_amazons_burst() -> None:
    night = [DAY - timedelta(days=n) for n in range(DATASETS[DAILY].source.lookback_days, -1, -1)]
    assert len(windows_of(DATASETS[DAILY], night)) == 1
    by_sku = windows_of(DATASETS[BY_SKU], night[-1 - DATASETS[BY_SKU].source.lookback_days :])
    assert all(len(window) == 1 for window in by_sku) and 1 + len(by_sku) <= RATES["createQuery"].burst


def test_skus_add_up_to_the_day_but_for_visits(platform: Platform, server: SimulatorServer, world: World) -> None:
    extract(platform, BY_SKU, DAY - timedelta(days=2), DAY - timedelta(days=1))
    extract(platform, DAILY)
    truth = truth_sales.traffic_by_sku(world, SELLER, NOW)
    for on in (DAY - timedelta(days=2), DAY - timedelta(days=1)):
        stored = rows(platform, BY_SKU, on)
        assert {(r["happened_on"], r["marketplace_id"], r["sku"]) for r in stored} == {k for k in truth if k[0] == on}
        for row in stored:
            told = truth[on, row["marketplace_id"], row["sku"]]
            assert (row["ordered_product_sales"], row["units_ordered"]) == (told.sales, told.units)
            assert (row["sessions"], row["page_views"], row["currency"]) == (
                told.sessions,
                told.page_views,
                told.currency,
            )
        for whole in rows(platform, DAILY, on):
            own = [row for row in stored if row["marketplace_id"] == whole["marketplace_id"]]
            for name in ("ordered_product_sales", "units_ordered", "order_items", "page_views", "units_shipped"):
                assert sum(row[name] for row in own) == whole[name], name
            assert sum(row["sessions"] for row in own) > whole["sessions"]
            views = sum(row["page_views"] * row["featured_offer_percentage"] for row in own) / whole["page_views"]
            assert views == pytest.approx(whole["featured_offer_percentage"], abs=0.02)


def test_what_amazon_restates_is_fetched_again_and_the_rest_left_alone(
    platform: Platform, server: SimulatorServer, world: World
) -> None:
    extract(platform, DAILY)
    before = {(row["happened_on"], row["marketplace_id"]): row["sessions"] for row in rows(platform, DAILY)}
    pass_time(platform, server, timedelta(days=1))
    results = extract(platform, DAILY, DAY + timedelta(days=1))
    after = {(row["happened_on"], row["marketplace_id"]): row["sessions"] for row in rows(platform, DAILY)}
    grown = {key[0] for key in before if after[key] > before[key]}
    assert grown and not any(after[key] < before[key] for key in before)
    assert min(grown) >= DAY - timedelta(days=3)
    truth = truth_sales.traffic_daily(world, SELLER, NOW + timedelta(days=1))
    assert after == {key: told.sessions for key, told in truth.items() if key[0] <= DAY + timedelta(days=1)}
    # The running day of America came, and old days were not written again.
    assert (DAY, US) in after
    unchanged = {result.day for result in results if result.is_unchanged}
    assert DAY - timedelta(days=15) in unchanged and not unchanged & grown


def test_no_document_is_no_data_and_nothing_is_asked_for_twice(platform: Platform, server: SimulatorServer) -> None:
    # The seller's first day has not begun when it is asked about: Amazon answers, and has nothing.
    query = query_text(DATASETS[DAILY], [US], date(2026, 8, 1), date(2026, 8, 2))
    with platform.selling_partner(SELLER) as partner:
        wanted = ReportOrder(DATASETS[DAILY].source.report_type, (US,), query=query)
        found = platform.desk.collect(partner, wanted)
        assert isinstance(found, Report) and (found.document_id, found.next_token) == ("", "")
        assert platform.desk.collect(partner, wanted) == found
    assert server.requests["createQuery"] == 1
    server.clock.set(datetime(2026, 9, 1, 0, 30, tzinfo=UTC))  # type: ignore[attr-defined]
    extract(platform, BY_SKU, DAY - timedelta(days=10))
    (record,) = platform.lake.partitions(SELLER, BY_SKU)
    assert record.rows == 0 and record.origin["empty"] == "confirmed"
    assert server.requests["getDocument"] == 0


def test_fatal_is_deferred_and_asked_for_again_when_its_time_has_come(
    platform: Platform, server: SimulatorServer
) -> None:
    server.faults.add("createQuery/salesAndTrafficByAsin", "fatal")
    with pytest.raises(ReportDeferred, match="gave up the query") as caught:
        extract(platform, BY_SKU, DAY - timedelta(days=10))
    asked = server.requests["createQuery"]
    with pytest.raises(ReportDeferred):
        extract(platform, BY_SKU, DAY - timedelta(days=10))
    assert server.requests["createQuery"] == asked and not rows(platform, BY_SKU)
    # Other datasets go on meanwhile, and the sensor finds what to ask for again.
    extract(platform, DAILY, DAY - timedelta(days=10))
    assert rows(platform, DAILY)
    pass_time(platform, server, caught.value.retry_at - NOW)
    (due,) = [request for request in platform.desk.due_again() if request.state is State.FATAL]
    assert deferred_days(platform, due) == ((BY_SKU,), DAY - timedelta(days=10), DAY - timedelta(days=10))  # type: ignore[arg-type]
    extract(platform, BY_SKU, DAY - timedelta(days=10))
    assert rows(platform, BY_SKU)


SECRET = "jane.doe@example.com"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (None, "because of InternalFailure 'The query could not be processed. Try again later.': ask again after"),
        (
            '{"errors": [{"message": "Field \'x\' of order 123-45 by jane.doe@example.com is unknown", '
            '"path": ["a", 0, "b"], "extensions": {"code": "BAD_USER_INPUT"}}, {"message": "Out of range"}]}',
            "because of BAD_USER_INPUT 'Field * of order * by * is unknown' at a.b; 'Out of range'",
        ),
        ('{"reason": "jane.doe@example.com", "2026": 1}', "an error document of another form: an object of reason, *"),
        ("Sorry, jane.doe@example.com, not today.", "because of 'Sorry, * not today.'"),
        ("", "because of a reason that is empty"),
    ],
)
def test_why_amazon_gave_up_a_query_is_told_without_anybodys_data(
    platform: Platform, server: SimulatorServer, document: str | None, says: str
) -> None:
    server.faults.add("createQuery", "fatal", body=document)
    with pytest.raises(ReportDeferred) as caught:
        extract(platform, DAILY, DAY - timedelta(days=10))
    assert says in str(caught.value) and SECRET not in str(caught.value)
    # In the next run it is told again; and that it can't be read holds nothing up.
    server.faults.add("getDocument", "status", status=404, times=9)
    with pytest.raises(ReportDeferred, match="because of a reason that could not be read: ask again after"):
        extract(platform, DAILY, DAY - timedelta(days=10))


def test_cancelled_is_unconfirmed_and_replaces_nothing(platform: Platform, server: SimulatorServer) -> None:
    on = DAY - timedelta(days=10)
    server.faults.add("createQuery", "cancelled", times=None)
    (result,) = extract(platform, DAILY, on)
    assert result.rows == 0 and any("empty, unconfirmed" in w for w in result.warnings)
    (record,) = platform.lake.partitions(SELLER, DAILY)
    assert record.origin["empty"] == "unconfirmed"
    server.faults.clear()
    pass_time(platform, server, timedelta(hours=4))
    extract(platform, DAILY, on)
    stored = rows(platform, DAILY)
    assert len(stored) == 3
    pass_time(platform, server, timedelta(days=2))
    server.faults.add("createQuery", "cancelled", times=None)
    with pytest.raises(ReportDeferred, match="stays as it is"):
        extract(platform, DAILY, on)
    assert rows(platform, DAILY) == stored


def test_what_is_never_ready_is_given_up_and_gone_on_with(platform: Platform, server: SimulatorServer) -> None:
    server.faults.add("createQuery", "never_ends", times=3)
    platform.desk._time_limit_s = 0.2
    with pytest.raises(ReportLate):
        extract(platform, DAILY, DAY - timedelta(days=10))
    assert server.requests["createQuery"] == 3
    with pytest.raises(ReportLate):
        extract(platform, DAILY, DAY - timedelta(days=10))
    assert server.requests["createQuery"] == 3


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "torn_body"},
        {"kind": "truncated_gzip"},
        {"kind": "expired_link"},
        {"kind": "expired_link", "times": 2},
        {"kind": "reset"},
        {"kind": "html_503"},
        {"kind": "json_429"},
    ],
    ids=str,
)
def test_downloads_that_fail_once_are_begun_again(
    platform: Platform, server: SimulatorServer, world: World, fault: dict[str, Any]
) -> None:
    server.faults.set([{"operation": "downloadQuery", **fault}])
    on = DAY - timedelta(days=1)
    extract(platform, BY_SKU, on - timedelta(days=3))
    truth = truth_sales.traffic_by_sku(world, SELLER, NOW)
    stored = rows(platform, BY_SKU, on - timedelta(days=3))
    assert sum(r["page_views"] for r in stored) == sum(
        told.page_views for key, told in truth.items() if key[0] == on - timedelta(days=3)
    )
    assert server.requests["createQuery"] == 3
    assert not list(platform.home.path.rglob("*.json*"))


def test_downloads_that_always_fail_store_nothing(platform: Platform, server: SimulatorServer) -> None:
    server.faults.add("downloadQuery", "expired_link", times=None)
    with pytest.raises(DownloadFailed, match="link"):
        extract(platform, DAILY, DAY - timedelta(days=10))
    server.faults.clear()
    server.faults.add("downloadQuery", "error_sentence", times=None)
    with pytest.raises(ReportNotTabular):
        extract(platform, DAILY, DAY - timedelta(days=10))
    assert not platform.lake.partitions(SELLER, DAILY)
    # The document that held a sentence is not given out again.
    server.faults.clear()
    asked = server.requests["createQuery"]
    extract(platform, DAILY, DAY - timedelta(days=10))
    assert server.requests["createQuery"] == asked + 1


def test_fields_that_come_or_go_are_told(platform: Platform, server: SimulatorServer) -> None:
    server.faults.add(
        "createQuery",
        "columns",
        times=None,
        columns={"extra": ["brandNew"], "missing": ["traffic.browserSessions", "sales.claimsAmount"]},
    )
    (result,) = extract(platform, DAILY, DAY - timedelta(days=10))
    told = " ".join(result.warnings)
    assert "1 fields that nobody asked for: brandNew" in told
    assert "sales.claimsAmount.amount, traffic.browserSessions" in told
    for row in rows(platform, DAILY):
        assert row["browser_sessions"] is None and row["claims_amount"] is None and row["sessions"] > 0


def test_a_missing_role_is_loud(platform: Platform, server: SimulatorServer) -> None:
    server.faults.add("createQuery", "forbidden_errors", times=None)
    server.faults.add("getOrderMetrics", "forbidden_message", times=None)
    for name, role in ((DAILY, "Brand Analytics"), (BY_SKU, "Brand Analytics"), (METRICS, "Inventory and Order Track")):
        with pytest.raises(MissingRole, match=f"{name} needs the role '{role}.*stay empty; nothing was stored"):
            extract(platform, name, DAY - timedelta(days=10))
        assert not platform.lake.partitions(SELLER, name)


def test_pages_of_an_answer_are_all_asked_for_and_remembered(
    tmp_path: Path, simulator_with: Callable[..., SimulatorServer], world: World
) -> None:
    server = simulator_with(kiosk_page_rows=40)
    platform = make_platform(tmp_path, server.url)
    on = DAY - timedelta(days=10)
    (result,) = extract(platform, BY_SKU, on, seller_id=SILENT)
    truth = {k for k in truth_sales.traffic_by_sku(world, SILENT, NOW) if k[0] == on}
    stored = rows(platform, BY_SKU, on, seller_id=SILENT)
    assert {(r["happened_on"], r["marketplace_id"], r["sku"]) for r in stored} == truth
    assert result.rows == len(truth) > 80
    asked = server.requests["createQuery"]
    assert asked == -(-len(truth) // 40)
    extract(platform, BY_SKU, on, seller_id=SILENT)
    assert server.requests["createQuery"] == asked


def test_a_lost_answer_of_create_query_is_found_again(platform: Platform, server: SimulatorServer) -> None:
    server.faults.add("createQuery", "torn_body", keep=0.0)
    extract(platform, DAILY, DAY - timedelta(days=10))
    assert server.requests["createQuery"] == 3 and server.requests["getQueries"] == 1
    assert len(rows(platform, DAILY)) == 3


# -- sums of orders --------------------------------------------------------------------------------------------------


def test_sums_of_orders_are_the_truth(platform: Platform, server: SimulatorServer, world: World) -> None:
    extract(platform, METRICS)
    truth = truth_sales.order_metrics(world, SELLER, NOW)
    fba = truth_sales.order_metrics(world, SELLER, NOW, OrderFilter(network="AFN"))
    b2b = truth_sales.order_metrics(world, SELLER, NOW, OrderFilter(buyer_type="B2B"))
    stored = rows(platform, METRICS)
    assert {(row["ordered_on"], row["marketplace_id"]) for row in stored} == {k for k in truth if k[0] <= DAY}
    for row in stored:
        key = (row["ordered_on"], row["marketplace_id"])
        for prefix, told in (("", truth[key]), ("fba_", fba[key]), ("b2b_", b2b[key])):
            assert (row[f"{prefix}orders"], row[f"{prefix}order_items"], row[f"{prefix}units"]) == (
                told.orders,
                told.order_items,
                told.units,
            )
            assert (row["currency"], row[f"{prefix}sales"]) == (told.currency, told.sales)
    assert sum(row["sales"] for row in stored if row["marketplace_id"] == JP) > 0
    assert server.requests["getOrderMetrics"] == 3 * 3
    # Sales of Data Kiosk agree, where both have settled alike.
    extract(platform, DAILY)
    for row in rows(platform, DAILY, DAY - timedelta(days=3)):
        assert row["ordered_product_sales"] == truth[row["happened_on"], row["marketplace_id"]].sales


def test_days_of_a_change_of_clocks_are_whole(tmp_path: Path) -> None:
    profile = SellerProfile(SELLER, f"Atzr|synthetic-{SELLER}", (US, DE, JP), orders_per_day=60)
    world = World(WorldConfig(3, date(2026, 10, 23), (profile,)))
    now = datetime(2026, 11, 3, 12, tzinfo=UTC)
    with SimulatorServer(world, VirtualClock(now), SimulatorSettings(rate_scale=100_000)) as server:
        platform = make_platform(tmp_path, server.url, now)
        days = [date(2026, 10, 24) + timedelta(days=n) for n in range(10)]
        extract(platform, METRICS, *days)
        extract(platform, DAILY, *days)
    truth = truth_sales.order_metrics(world, SELLER, now)
    for row in rows(platform, METRICS, *days):
        assert row["sales"] == truth[row["ordered_on"], row["marketplace_id"]].sales
    # By hand, from single orders: the 25 hours of the day that Germany, and then America, set their clocks back.
    for marketplace_id, on in ((DE, date(2026, 10, 25)), (US, date(2026, 11, 1))):
        own = [
            order
            for order in orders(world, SELLER, now)
            if order.marketplace_id == marketplace_id and order.local_day == on and order.status != "CANCELLED"
        ]
        (sums,) = [r for r in rows(platform, METRICS, on) if r["marketplace_id"] == marketplace_id]
        (day,) = [r for r in rows(platform, DAILY, on) if r["marketplace_id"] == marketplace_id]
        assert sums["orders"] == len(own) > 5
        assert sums["sales"] == day["ordered_product_sales"] == sum(i.sales for order in own for i in order.items)
    assert len(rows(platform, METRICS, *days)) == len(rows(platform, DAILY, *days)) == 30


def test_a_part_of_the_answer_is_an_error(platform: Platform, server: SimulatorServer) -> None:
    server.faults.add("getOrderMetrics", "status", status=200, body='{"payload": []}', times=None)
    with pytest.raises(BadAnswer, match="0 days, and 1 were asked for"):
        extract_partition(platform, SELLER, DAY - timedelta(days=10), [METRICS])  # type: ignore[arg-type]
    assert not platform.lake.partitions(SELLER, METRICS)
