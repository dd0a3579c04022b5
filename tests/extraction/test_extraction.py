"""The whole way, from the simulator over HTTP into the encrypted lake: the truth, or an error and nothing stored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from amzigo_pipelines.assets.extraction import order_rows
from amzigo_pipelines.assets.extraction.extract import (
    SOURCES,
    ExtractionRefused,
    ExtractionResult,
    extract_partition,
)
from amzigo_pipelines.assets.extraction.flatten import buyer_keys
from amzigo_pipelines.catalog.fba_inventory import FBA_INVENTORY
from amzigo_pipelines.catalog.listings import LISTINGS
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.model import Dataset, RetentionClass
from amzigo_pipelines.catalog.order_items import ORDER_ITEMS
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.clock import VirtualClock, today
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.lake.files import LakeInputError
from amzigo_pipelines.resources.sellers import UnknownSeller
from amzigo_pipelines.resources.spapi.client import SellingPartner
from amzigo_pipelines.resources.spapi.errors import (
    AmazonUnavailable,
    Asked,
    BadAnswer,
    DownloadFailed,
    MissingRole,
    PagesRepeat,
    PageTokenRefused,
    RefreshTokenRefused,
    ReportDeferred,
    ReportLate,
    ReportNotTabular,
    SpApiError,
    Throttled,
)
from amzigo_pipelines.resources.spapi.pages import Page
from amzigo_pipelines.resources.spapi.retries import Retries
from amzigo_pipelines.retention.dates import expires_on_of
from amzigo_pipelines.simulator import truth
from amzigo_pipelines.simulator.catalogue import AMAZON
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World
from tests.extraction.conftest import (
    DAY,
    FORBIDDEN_SELLER,
    JP,
    NOW,
    SELLER,
    SILENT,
    Platform,
    make_platform,
)

ORDERS_SOURCE, INVENTORY_SOURCE, LISTINGS_SOURCE = ("orders", "order_items"), ("fba_inventory",), ("listings",)
START = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)


def rows_of(platform: Platform, dataset: Dataset, seller: str = SELLER, day: date = DAY) -> list[dict[str, Any]]:
    found = platform.lake.scan(dataset, seller, [day])
    return [] if found is None else found.to_table().to_pylist()


def pii_of(platform: Platform, dataset: Dataset, seller: str = SELLER) -> pa.Table:
    return platform.lake.read_pii(dataset, seller, [DAY], purpose="test", actor="test")


def committed(platform: Platform, seller: str = SELLER) -> set[str]:
    return {record.dataset for record in platform.lake.partitions(seller)}


def true_orders(world: World, seller: str = SELLER, now: datetime = NOW) -> dict[str, Any]:
    return {
        order.order_id: order
        for order in truth.orders(world, seller, now)
        if START <= order.last_updated_at < START + timedelta(days=1)
    }


def extract(
    platform: Platform, source: tuple[str, ...], seller: str = SELLER, day: date = DAY
) -> list[ExtractionResult]:
    return extract_partition(platform, seller, day, source)


# -- the truth ---------------------------------------------------------------------------------------------------------


def assert_orders_are_true(platform: Platform, world: World) -> None:
    expected = true_orders(world)
    stored = {row["order_id"]: row for row in rows_of(platform, ORDERS)}
    assert len(stored) == len(rows_of(platform, ORDERS))
    assert stored.keys() == expected.keys()
    assert len(expected) > 100
    for order_id, order in expected.items():
        row = stored[order_id]
        assert row["marketplace_id"] == order.marketplace_id
        assert row["status"] == order.status
        assert row["fulfilled_by"] == order.channel
        assert row["created_at"] == order.created_at
        assert row["last_updated_at"] == order.last_updated_at
        assert row["grand_total"] == (order.total if order.has_prices else None)
        assert row["item_count"] == len(order.items)
        assert row["units_ordered"] == sum(item.quantity for item in order.items)
        assert row["replaced_order_id"] == (order.replaces or None)
    items = {(row["order_id"], row["order_item_id"]): row for row in rows_of(platform, ORDER_ITEMS)}
    true_items = {(o.order_id, item.order_item_id): (o, item) for o in expected.values() for item in o.items}
    assert items.keys() == true_items.keys()
    assert len(items) == len(rows_of(platform, ORDER_ITEMS))
    for key, (order, item) in true_items.items():
        assert (items[key]["sku"], items[key]["asin"]) == (item.sku, item.asin)
        assert (items[key]["quantity_ordered"], items[key]["quantity_fulfilled"]) == (
            item.quantity,
            item.quantity_shipped,
        )
        if order.has_prices:
            assert items[key]["proceeds_total"] == item.total
            assert items[key]["item_amount"] == item.sales


def test_orders_and_items_equal_the_truth(platform: Platform, world: World) -> None:
    results = extract(platform, ORDERS_SOURCE)
    assert_orders_are_true(platform, world)
    assert [result.dataset for result in results] == ["orders", "order_items"]
    assert results[0].rows == len(true_orders(world))
    assert results[0].pages == results[0].requests >= 3  # a region each
    assert results[0].bytes > 0
    assert results[0].warnings == ()
    assert "2026-09-20" in results[0].window


def test_personal_data_is_stored_apart_with_its_date(platform: Platform, world: World) -> None:
    extract(platform, ORDERS_SOURCE)
    personal = pii_of(platform, ORDERS)
    business = {row["order_id"]: row for row in rows_of(platform, ORDERS)}
    people = set(truth.people(world, SELLER, NOW))
    named = [row for row in personal.to_pylist() if row["buyer_email"]]
    assert len(named) > 20
    assert {row["buyer_name"] for row in named} <= people
    assert not people & {value for row in business.values() for value in row.values() if isinstance(value, str)}
    table = platform.lake.scan(ORDERS, SELLER, [DAY]).to_table()  # type: ignore[union-attr]
    dates = dict(zip(table["order_id"].to_pylist(), expires_on_of(table, NOW).to_pylist(), strict=True))
    assert all(row["expires_on"] == dates[row["order_id"]] for row in personal.to_pylist())
    of_items = pii_of(platform, ORDER_ITEMS).to_pylist()
    assert of_items
    assert all(row["expires_on"] == dates[row["order_id"]] for row in of_items)
    pseudonyms = platform.lake.scan(ORDERS, SELLER, [DAY], [RetentionClass.PSEUDONYM])
    assert pseudonyms is not None
    keys = {row["order_id"]: row["buyer_key"] for row in pseudonyms.to_table().to_pylist()}
    expected = buyer_keys(pa.array([row["buyer_email"] for row in named]), platform.keys.pseudonymiser(SELLER))
    assert [keys[row["order_id"]] for row in named] == expected.to_pylist()


def test_inventory_equals_the_truth(platform: Platform, world: World) -> None:
    (result,) = extract(platform, INVENTORY_SOURCE)
    stored = {(row["sku"], row["marketplace_id"]): row for row in rows_of(platform, FBA_INVENTORY)}
    levels = {key: level for key, level in truth.stock(world, SELLER, NOW).items() if key[1]}
    assert stored.keys() == {key for key in levels if key in stored} and len(stored) == result.rows > 50
    for key, row in stored.items():
        level = levels[key]
        assert row["fulfillable_units"] == level.fulfillable
        assert row["reserved_units"] == level.reserved
        assert row["unfulfillable_units"] == level.unfulfillable
        assert row["researching_units"] == level.researching
        assert row["total_units"] == level.on_hand + level.inbound
        assert row["taken_at"] == NOW
    assert {row["marketplace_id"] for row in stored.values()} == set(platform.sellers.get(SELLER).marketplace_ids)


def assert_listings_are_true(platform: Platform, world: World) -> None:
    stored = {(row["sku"], row["marketplace_id"]): row for row in rows_of(platform, LISTINGS)}
    listings = world.seller(SELLER, NOW).catalogue.listings
    assert stored.keys() == listings.keys()
    for key, listing in listings.items():
        row, currency = stored[key], MARKETPLACES[listing.marketplace_id].currency
        assert (row["title"], row["asin"], row["currency"]) == (listing.title, listing.asin, currency)
        assert row["price"] == Decimal(listing.price) / (1 if currency == "JPY" else 100)
        assert (row["quantity"] is None) == (listing.channel == AMAZON)


def test_listings_equal_the_truth_in_every_script(platform: Platform, world: World) -> None:
    extract(platform, LISTINGS_SOURCE)
    assert_listings_are_true(platform, world)
    titles = [row["title"] for row in rows_of(platform, LISTINGS) if row["marketplace_id"] == JP]
    assert any(re.search("[\u3040-\u9fff]", title) for title in titles)


@pytest.mark.parametrize(
    "settings",
    [
        {"report_names_charset": False},
        {"report_names_charset": False, "report_charset": "utf-8"},
        {"report_charset": "utf-8", "report_compression": False},
        {"report_compression": False},
    ],
)
def test_listings_in_any_charset_and_packing(
    settings: dict[str, Any], simulator_with: Callable[..., SimulatorServer], tmp_path: Path, world: World
) -> None:
    platform = make_platform(tmp_path, simulator_with(**settings).url)
    extract(platform, LISTINGS_SOURCE)
    assert_listings_are_true(platform, world)


def test_a_second_extraction_replaces_the_first(platform: Platform, world: World) -> None:
    extract(platform, ORDERS_SOURCE)
    extract(platform, ORDERS_SOURCE)
    assert_orders_are_true(platform, world)


# -- days ------------------------------------------------------------------------------------------------------------


def test_every_order_is_in_exactly_one_day(platform: Platform, server: SimulatorServer, world: World) -> None:
    later = NOW + timedelta(days=1)
    platform.clock.set(later)
    server.clock.set(later)  # type: ignore[attr-defined]
    seen: list[str] = []
    for day in (DAY - timedelta(days=1), DAY, DAY + timedelta(days=1)):
        extract(platform, ORDERS_SOURCE, day=day)
        rows = rows_of(platform, ORDERS, day=day)
        assert {row["last_updated_at"].date() for row in rows} == {day}
        seen += [row["order_id"] for row in rows]
    assert len(seen) == len(set(seen))
    expected = [o for o in truth.orders(world, SELLER, later) if DAY - timedelta(days=1) <= o.last_updated_at.date()]
    assert len(seen) == len([o for o in expected if o.last_updated_at.date() <= DAY + timedelta(days=1)])


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (START - timedelta(days=3), "lies in the future"),
        (START + timedelta(hours=5), "isn't over"),
        (START + timedelta(days=1, seconds=119), "isn't over"),
    ],
)
def test_orders_of_a_day_that_is_not_over_are_refused(
    platform: Platform, server: SimulatorServer, now: datetime, says: str
) -> None:
    platform.clock.set(now)
    with pytest.raises(ExtractionRefused, match=says):
        extract(platform, ORDERS_SOURCE)
    assert committed(platform) == set()
    assert not server.requests["searchOrders"]


def test_orders_are_complete_two_minutes_after_midnight(platform: Platform, server: SimulatorServer) -> None:
    now = START + timedelta(days=1, minutes=2)
    platform.clock.set(now)
    server.clock.set(now)  # type: ignore[attr-defined]
    assert extract(platform, ORDERS_SOURCE)[0].rows > 50


@pytest.mark.parametrize("source", [INVENTORY_SOURCE, LISTINGS_SOURCE])
def test_snapshots_are_of_today_or_yesterday(
    platform: Platform, server: SimulatorServer, source: tuple[str, ...]
) -> None:
    assert today(platform.clock) == DAY + timedelta(days=1)
    extract(platform, source, day=DAY + timedelta(days=1))
    with pytest.raises(ExtractionRefused, match="keeps no history"):
        extract(platform, source, day=DAY - timedelta(days=1))
    with pytest.raises(ExtractionRefused, match="lies in the future"):
        extract(platform, source, day=DAY + timedelta(days=2))
    assert {record.day for record in platform.lake.partitions(SELLER)} == {DAY + timedelta(days=1)}


def test_a_day_past_its_personal_data_is_extracted_without_it(platform: Platform, server: SimulatorServer) -> None:
    last_alive = START + timedelta(days=29, hours=12)
    for now, is_personal in ((last_alive, True), (last_alive + timedelta(days=1), False)):
        platform.clock.set(now)
        server.requests.clear()
        results = extract(platform, ORDERS_SOURCE)
        assert (server.requests["searchOrders"] > 0) == is_personal
        assert any("not asked for" in warning for warning in results[0].warnings) is not is_personal
    rows = rows_of(platform, ORDERS)
    assert len(rows) > 50
    assert pii_of(platform, ORDERS).num_rows == 0
    (record,) = (r for r in platform.lake.partitions(SELLER) if r.dataset == "orders")
    assert "not asked for" in record.origin["personal_data"]


def test_unknown_sellers_datasets_and_days_too_old(platform: Platform) -> None:
    with pytest.raises(UnknownSeller, match=SELLER):
        extract(platform, ORDERS_SOURCE, seller="ANOBODY")
    for wrong in ((), ("nothing",), ("orders", "listings")):
        with pytest.raises(ExtractionRefused, match="choose from"):
            extract(platform, wrong)
    with pytest.raises(LakeInputError, match="too old"):
        extract(platform, ORDERS_SOURCE, day=date(2024, 1, 1))


def test_half_a_source_brings_the_other_half(platform: Platform) -> None:
    assert [result.dataset for result in extract(platform, ("order_items",))] == ["orders", "order_items"]


def test_sources_cover_the_catalog_once() -> None:
    assert sorted(name for source in SOURCES for name in source) == sorted(DATASETS)


# -- faults ------------------------------------------------------------------------------------------------------------

PASSING = [
    ("html_503", {}),
    ("empty_429", {"times": 2}),
    ("json_429", {"retry_after": 3}),
    ("expired_token", {}),
    ("expired_token", {"status": 401}),
    ("torn_body", {}),
    ("torn_body", {"keep": 0.0}),
    ("reset", {}),
    ("status", {"status": 500, "body": '{"errors": []}'}),
    ("status", {"status": 504}),
    ("status", {"status": 200, "body": "<html>"}),
    ("status", {"status": 200, "body": "{}"}),
]


@pytest.mark.parametrize(("kind", "settings"), PASSING)
def test_orders_survive_what_passes(
    platform: Platform, server: SimulatorServer, world: World, kind: str, settings: dict[str, Any]
) -> None:
    server.faults.add("searchOrders", kind, after=1, **settings)
    with platform.selling_partner(SELLER) as partner:
        pages = list(partner.search_orders(START, START + timedelta(days=1), ["FULFILLMENT"]))
    ids = [row["orderId"] for page in pages for row in page.rows if row["lastUpdatedTime"] < "2026-09-21"]
    assert len(ids) == len(set(ids))
    assert set(ids) == true_orders(world).keys()
    assert server.faults.describe()[0]["struck"] >= 1


def test_all_that_passes_on_one_day(platform: Platform, server: SimulatorServer, world: World) -> None:
    for kind, settings in PASSING:
        if settings != {"status": 401}:  # a fresh token refused too would be the end of it
            server.faults.add("searchOrders", kind, **settings)
    platform.client = {"retries": Retries(platform.sleep, attempts=30, time_limit_s=100_000)}
    extract(platform, ORDERS_SOURCE)
    assert_orders_are_true(platform, world)
    assert all(fault["struck"] for fault in server.faults.describe())


@pytest.mark.parametrize(("kind", "settings"), PASSING)
def test_snapshots_survive_what_passes(
    platform: Platform, server: SimulatorServer, world: World, kind: str, settings: dict[str, Any]
) -> None:
    for operation in ("getInventorySummaries", "createReport", "getReport", "getReportDocument"):
        server.faults.add(operation, kind, **settings)
    extract(platform, INVENTORY_SOURCE)
    extract(platform, LISTINGS_SOURCE)
    assert_listings_are_true(platform, world)


LASTING = [
    ("html_503", {}, AmazonUnavailable),
    ("empty_429", {}, Throttled),
    ("forbidden_message", {}, MissingRole),
    ("forbidden_errors", {}, MissingRole),
    ("expired_token", {}, SpApiError),
    ("torn_body", {}, BadAnswer),
    ("reset", {}, AmazonUnavailable),
    ("status", {"status": 400}, SpApiError),
    ("status", {"status": 200, "body": "<html>"}, BadAnswer),
    ("status", {"status": 200}, BadAnswer),
]


@pytest.mark.parametrize(("kind", "settings", "error"), LASTING)
def test_what_lasts_ends_in_an_error_and_nothing_is_stored(
    platform: Platform, server: SimulatorServer, kind: str, settings: dict[str, Any], error: type[SpApiError]
) -> None:
    extract(platform, ORDERS_SOURCE)
    before = [file.path for file in platform.lake.files()]
    # From the second page on: what came before must not be left behind.
    server.faults.add("searchOrders", kind, times=None, after=1, **settings)
    server.faults.add("getInventorySummaries", kind, times=None, after=1, **settings)
    server.faults.add("getReport", kind, times=None, after=1, **settings)
    for source in (ORDERS_SOURCE, INVENTORY_SOURCE, LISTINGS_SOURCE):
        with pytest.raises(error) as caught:
            extract(platform, source)
        assert SELLER in str(caught.value)
        assert "http://" not in str(caught.value)
    assert committed(platform) == {"orders", "order_items"}
    assert [file.path for file in platform.lake.files()] == before
    on_disk = {str(path.relative_to(platform.home.lake_dir)) for path in platform.home.lake_dir.rglob("*.parquet")}
    assert on_disk == set(before)


def test_a_slow_body_is_given_up(platform: Platform, server: SimulatorServer, world: World) -> None:
    server.faults.add("searchOrders", "slow_body", seconds=0.5, times=None)
    platform.client = {"deadline_s": 0.1, "retries": Retries(platform.sleep, attempts=2)}
    with pytest.raises(AmazonUnavailable, match="did not end within"):
        extract(platform, ORDERS_SOURCE)
    assert committed(platform) == set()
    platform.client = {}
    server.faults.clear()
    server.faults.add("searchOrders", "slow_body", seconds=0.05)
    extract(platform, ORDERS_SOURCE)
    assert_orders_are_true(platform, world)


def test_repeated_pages_double_nothing(platform: Platform, server: SimulatorServer) -> None:
    server.faults.add("searchOrders", "repeat_page", times=2)
    server.faults.add("getInventorySummaries", "repeat_page", times=2)
    extract(platform, ORDERS_SOURCE)
    ids = [row["order_id"] for row in rows_of(platform, ORDERS)]
    assert len(ids) == len(set(ids))
    extract(platform, INVENTORY_SOURCE, seller=SILENT)
    keys = [(row["marketplace_id"], row["sku"]) for row in rows_of(platform, FBA_INVENTORY, SILENT)]
    assert len(keys) == len(set(keys)) > 50
    assert server.faults.describe()[1]["struck"] == 2


def test_pages_that_repeat_for_ever_are_an_error(platform: Platform, server: SimulatorServer) -> None:
    server.faults.add("searchOrders", "repeat_page", times=None)
    with pytest.raises(PagesRepeat):
        extract(platform, ORDERS_SOURCE)
    assert committed(platform) == set()


def test_inventory_starts_again_when_its_page_token_dies(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    marketplaces = platform.sellers.get(SELLER).marketplace_ids
    begun: list[str] = []

    def summaries(self: SellingPartner, marketplace_id: str) -> Iterator[Page]:
        begun.append(marketplace_id)
        yield Page([summary("S1", "2026-09-20T00:00:00Z", 1), summary("S2", "2026-09-20T05:00:00Z", 2)], ())
        if len(begun) == 1 or is_hopeless:
            raise PageTokenRefused(Asked(SELLER, "getInventorySummaries"), "too old", status=400)
        yield Page([summary("S3", "2026-09-20T00:00:00Z", 3), summary("S2", "2026-09-20T04:00:00Z", 9)], ())

    monkeypatch.setattr(SellingPartner, "inventory_summaries", summaries)
    is_hopeless = False
    extract(platform, INVENTORY_SOURCE)
    assert begun == [marketplaces[0], *marketplaces]
    stored = [(row["marketplace_id"], row["sku"], row["total_units"]) for row in rows_of(platform, FBA_INVENTORY)]
    # A SKU that comes twice is there once, with its newest numbers.
    assert sorted(stored) == sorted((m, sku, n) for m in marketplaces for sku, n in (("S1", 1), ("S2", 2), ("S3", 3)))
    is_hopeless = True
    with pytest.raises(PageTokenRefused):
        extract(platform, INVENTORY_SOURCE)
    assert rows_of(platform, FBA_INVENTORY)


def summary(sku: str, updated: str, units: int) -> dict[str, Any]:
    return {"sellerSku": sku, "lastUpdatedTime": updated, "totalQuantity": units}


@pytest.mark.parametrize("operation", ["searchOrders", "getInventorySummaries"])
def test_page_tokens_that_have_run_out_are_told_as_that(
    operation: str, simulator_with: Callable[..., SimulatorServer], tmp_path: Path
) -> None:
    server = simulator_with(page_token_lifetime_s=-1.0, inventory_token_lifetime_s=-1.0)
    platform = make_platform(tmp_path, server.url)
    source = ORDERS_SOURCE if operation == "searchOrders" else INVENTORY_SOURCE
    seller = SELLER if operation == "searchOrders" else SILENT  # has more SKUs than a page holds
    with pytest.raises(PageTokenRefused, match="start again from the first page"):
        extract(platform, source, seller=seller)
    assert committed(platform, seller) == set()


def test_a_revoked_refresh_token(platform: Platform, server: SimulatorServer) -> None:
    platform.client = {"refresh_tokens": {"*": "Atzr|revoked"}}
    for source in (ORDERS_SOURCE, INVENTORY_SOURCE, LISTINGS_SOURCE):
        with pytest.raises(RefreshTokenRefused, match="authorise the application again") as caught:
            extract(platform, source)
        assert not caught.value.is_retryable
        assert "Atzr" not in str(caught.value)
    assert committed(platform) == set()
    assert server.requests["token"] == 3


def test_a_role_that_is_refused_stops_the_extraction(platform: Platform) -> None:
    with pytest.raises(MissingRole, match=r"refuses RECIPIENT data.*role") as caught:
        extract(platform, ORDERS_SOURCE, seller=FORBIDDEN_SELLER)
    assert not caught.value.is_retryable
    assert committed(platform, FORBIDDEN_SELLER) == set()


def test_a_role_that_is_silently_missing_is_told(platform: Platform) -> None:
    results = extract(platform, ORDERS_SOURCE, seller=SILENT)
    assert results[0].rows > 20
    assert len(results[0].warnings) == 2
    assert "BUYER" in results[0].warnings[0]
    assert "RECIPIENT" in results[0].warnings[1]


# -- reports ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("torn_body", {}),
        ("torn_body", {"keep": 0.0}),
        ("truncated_gzip", {}),
        ("expired_link", {}),
        ("html_503", {}),
        ("reset", {}),
    ],
)
def test_a_download_that_fails_once_is_repeated(
    platform: Platform, server: SimulatorServer, world: World, kind: str, settings: dict[str, Any]
) -> None:
    server.faults.add("downloadReport", kind, after=1, **settings)
    extract(platform, LISTINGS_SOURCE)
    assert_listings_are_true(platform, world)
    assert server.requests["createReport"] == 3  # the ready reports are used again
    assert server.faults.describe()[0]["struck"] == 1


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("torn_body", SpApiError),
        ("truncated_gzip", DownloadFailed),
        ("expired_link", DownloadFailed),
        ("error_sentence", ReportNotTabular),
    ],
)
def test_a_download_that_keeps_failing_is_an_error(
    platform: Platform, server: SimulatorServer, kind: str, error: type[AmzigoError]
) -> None:
    server.faults.add("downloadReport", kind, times=None, after=1)
    with pytest.raises(error) as caught:
        extract(platform, LISTINGS_SOURCE)
    assert "X-Amz" not in str(caught.value)
    assert "30 days" not in str(caught.value)
    assert committed(platform) == set()
    assert server.requests["createReport"] == 3


def test_a_report_that_amazon_gives_up_is_not_asked_for_again(platform: Platform, server: SimulatorServer) -> None:
    server.faults.add("createReport", "fatal", times=1)
    for _ in range(3):
        with pytest.raises(ReportDeferred, match="gave up the report") as caught:
            extract(platform, LISTINGS_SOURCE)
        assert not caught.value.is_retryable
    assert server.requests["createReport"] == 3  # one a marketplace
    assert committed(platform) == set()
    platform.clock.set(NOW + timedelta(hours=4, minutes=1))
    extract(platform, LISTINGS_SOURCE)
    assert server.requests["createReport"] >= 4
    assert_listings_are_true(platform, server.world)


def test_a_report_that_never_ends(simulator_with: Callable[..., SimulatorServer], tmp_path: Path) -> None:
    platform = make_platform(tmp_path, simulator_with(report_work_s=3_600.0).url)
    platform.client = {"sleep": platform.waited.append}
    with pytest.raises(ReportLate, match="30 minutes"):
        extract(platform, LISTINGS_SOURCE)
    assert sum(platform.waited) <= 1_800
    assert len(platform.waited) < 100
    assert committed(platform) == set()


# -- orders that move while they are read ------------------------------------------------------------------------------


def made_order(order_id: str, updated: str, title: str, *items: str) -> dict[str, Any]:
    return {
        "orderId": order_id,
        "createdTime": "2026-09-19T00:00:00Z",
        "lastUpdatedTime": updated,
        "salesChannel": {"channelName": "AMAZON", "marketplaceId": JP},
        "fulfillment": {"fulfillmentStatus": "UNSHIPPED", "fulfilledBy": "MERCHANT"},
        "orderItems": [{"orderItemId": item, "quantityOrdered": 1, "product": {"title": title}} for item in items],
    }


def pages_of(monkeypatch: pytest.MonkeyPatch, *pages: list[dict[str, Any]]) -> None:
    def search(self: SellingPartner, *_: Any, **__: Any) -> Any:
        return (Page(rows, (JP,)) for rows in pages)

    monkeypatch.setattr(SellingPartner, "search_orders", search)


@pytest.mark.parametrize("batch", [1, 2_000])
def test_the_newest_version_of_an_order_wins(platform: Platform, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(order_rows, "_BATCH_ORDERS", batch)
    pages_of(
        monkeypatch,
        [
            made_order("1", "2026-09-20T10:00:00Z", "old", "11", "12"),
            made_order("2", "2026-09-20T12:00:00Z", "new", "21"),
            made_order("3", "2026-09-20T12:00:00Z", "only", "31"),
        ],
        [
            made_order("1", "2026-09-20T11:00:00Z", "new", "11", "13"),
            made_order("2", "2026-09-20T11:00:00Z", "old", "22"),
        ],
    )
    extract(platform, ORDERS_SOURCE)
    assert sorted(row["order_id"] for row in rows_of(platform, ORDERS)) == ["1", "2", "3"]
    items = {(row["order_id"], row["order_item_id"]): row["title"] for row in rows_of(platform, ORDER_ITEMS)}
    assert items == {("1", "11"): "new", ("1", "13"): "new", ("2", "21"): "new", ("3", "31"): "only"}


def test_the_edges_of_the_day(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    pages_of(
        monkeypatch,
        [
            made_order("0", "2026-09-19T23:59:59.999999Z", "x", "1"),
            made_order("1", "2026-09-20T00:00:00Z", "x", "2"),
            made_order("2", "2026-09-20T23:59:59.999999Z", "x", "3"),
            made_order("3", "2026-09-21T00:00:00Z", "x", "4"),
            made_order("4", "2026-09-21T00:10:00Z", "x", "5"),
        ],
    )
    results = extract(platform, ORDERS_SOURCE)
    assert sorted(row["order_id"] for row in rows_of(platform, ORDERS)) == ["1", "2"]
    assert sorted(row["order_item_id"] for row in rows_of(platform, ORDER_ITEMS)) == ["2", "3"]
    assert [w for w in results[0].warnings if w.startswith("1 orders changed")]


def test_an_item_that_comes_twice_in_an_order_is_one(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    pages_of(monkeypatch, [made_order("1", "2026-09-20T10:00:00Z", "x", "11", "11")])
    extract(platform, ORDERS_SOURCE)
    assert len(rows_of(platform, ORDER_ITEMS)) == 1


def test_a_day_without_orders_is_known_to_be_empty(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    pages_of(monkeypatch, [])
    assert [result.rows for result in extract(platform, ORDERS_SOURCE)] == [0, 0]
    assert committed(platform) == {"orders", "order_items"}


def test_an_order_without_a_time_is_an_error(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    pages_of(monkeypatch, [made_order("1", "", "x", "11")])
    with pytest.raises(AmzigoError, match="last_updated_at"):
        extract(platform, ORDERS_SOURCE)
    assert committed(platform) == set()


def test_the_same_virtual_clock_dates_everything(platform: Platform) -> None:
    assert isinstance(platform.clock, VirtualClock)
    extract(platform, LISTINGS_SOURCE)
    assert {row["taken_at"] for row in rows_of(platform, LISTINGS)} == {NOW}
