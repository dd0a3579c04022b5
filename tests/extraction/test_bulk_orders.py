"""Orders by the bulk report: the same rows as by the API, chosen by itself, and buyers only while they may be known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from amzigo_pipelines.assets.extraction import orders as choosing
from amzigo_pipelines.assets.extraction.extract import ExtractionResult, extract_partitions
from amzigo_pipelines.assets.extraction.order_lines import Scattered, flat_orders, gathered
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.model import Dataset, RetentionClass
from amzigo_pipelines.catalog.order_items import ORDER_ITEMS
from amzigo_pipelines.catalog.order_report import LEFT_OUT, OPTIONAL, REPORT_TYPE, USED
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.resources.spapi.client import SellingPartner
from amzigo_pipelines.resources.spapi.errors import ReportDeferred
from amzigo_pipelines.simulator.orders import SHIPPED
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World
from tests.extraction.conftest import DAY, FIRST_DAY, NOW, SELLER, Platform, make_platform

SOURCE = ("orders", "order_items")
# What the report of all orders does not say, of orders that the API was not asked for.
UNSAID = {
    "programs",
    "ship_by_earliest_at",
    "ship_by_latest_at",
    "deliver_by_earliest_at",
    "deliver_by_latest_at",
    "package_count",
    "carriers",
    "package_statuses",
    "first_shipped_at",
    "last_shipped_at",
}
UNSAID_OF_ITEMS = {"condition", "programs", "gift_wrap_level", "cancel_requested_by", "cancelled_by"}


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A seller is busy from 30 orders on."""
    monkeypatch.setattr(choosing, "MOST_AT_ONCE", 30)


def extract(platform: Platform, days: list[date]) -> list[ExtractionResult]:
    return list(extract_partitions(platform, SELLER, days, SOURCE))  # type: ignore[arg-type]


def rows(platform: Platform, dataset: Dataset, days: list[date] | None = None) -> dict[Any, dict[str, Any]]:
    scan = platform.lake.scan(dataset, SELLER, days or [DAY])
    assert scan is not None
    return {tuple(row[name] for name in dataset.grain): row for row in scan.to_table().to_pylist()}


@pytest.mark.parametrize("has_item_ids", [True, False])
def test_either_way_brings_the_same_rows(
    simulator_with: Callable[..., SimulatorServer], tmp_path: Path, busy: None, has_item_ids: bool
) -> None:
    server = simulator_with(order_report_has_item_ids=has_item_ids)
    (tmp_path / "bulk").mkdir()
    bulk = make_platform(tmp_path / "bulk", server.url)
    results = extract(bulk, [DAY])
    assert {result.way for result in results} == {"bulk report: more than 30 orders changed on the day"}
    choosing.MOST_AT_ONCE = 2_000  # the fixture sets it back
    (tmp_path / "api").mkdir()
    api = make_platform(tmp_path / "api", server.url)
    assert {result.way for result in extract(api, [DAY])} == {"searchOrders"}

    theirs, ours = rows(api, ORDERS), rows(bulk, ORDERS)
    assert theirs.keys() == ours.keys() and len(theirs) > 150
    by_report = {key for key, row in theirs.items() if row["fulfilled_by"] == "AMAZON"}
    assert 50 < len(by_report) < len(theirs)
    for key, row in theirs.items():
        unsaid = UNSAID if key in by_report else set()
        assert {n: v for n, v in ours[key].items() if n not in unsaid} == {
            n: v for n, v in row.items() if n not in unsaid
        }
        if key in by_report:
            assert ("AMAZON_BUSINESS" in (row["programs"] or "")) == (ours[key]["programs"] == "AMAZON_BUSINESS")
    theirs, ours = rows(api, ORDER_ITEMS), rows(bulk, ORDER_ITEMS)
    assert len(theirs) == len(ours)
    if not has_item_ids:
        stand_ins = [key for key in ours if key[1].startswith("line:")]
        assert stand_ins and all((key[0],) in by_report for key in stand_ins)
        theirs, ours = by_line(theirs, by_report), by_line(ours, by_report)
    assert theirs.keys() == ours.keys()
    for key, row in theirs.items():
        unsaid = UNSAID_OF_ITEMS | {"order_item_id"} if (key[0],) in by_report else set()
        if ours[key]["quantity_fulfilled"] is None:
            unsaid |= {"quantity_fulfilled", "quantity_unfulfilled"}
        assert {n: v for n, v in ours[key].items() if n not in unsaid} == {
            n: v for n, v in row.items() if n not in unsaid
        }


def by_line(found: dict[Any, dict[str, Any]], by_report: set[Any]) -> dict[Any, dict[str, Any]]:
    """Items of orders that came by report under their SKU, as both ways name it."""
    return {(key[0], row["sku"] if (key[0],) in by_report else key[1]): row for key, row in found.items()}


def test_pseudonyms_and_personal_data_of_merchants_orders_come_by_api(platform: Platform, busy: None) -> None:
    extract(platform, [DAY])
    stored = platform.lake.read_pii(ORDERS, SELLER, [DAY], actor="test", purpose="test")
    names = pc.is_valid(stored["recipient_name"])
    assert pc.sum(names).as_py() > 30
    keyed = platform.lake.scan(ORDERS, SELLER, [DAY], [RetentionClass.PSEUDONYM])
    assert keyed is not None
    table = keyed.to_table()
    assert table["buyer_key"].null_count < table.num_rows and table["postal_area"].null_count < table.num_rows / 3


def test_a_seller_who_was_busy_is_extracted_by_report_at_once(
    platform: Platform, busy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract(platform, [DAY - timedelta(days=1)])
    asked: list[str] = []
    real = SellingPartner.search_orders

    def noting(self: SellingPartner, *arguments: Any, fulfilled_by: str = "") -> Any:
        asked.append(fulfilled_by)
        return real(self, *arguments, fulfilled_by=fulfilled_by)

    monkeypatch.setattr(SellingPartner, "search_orders", noting)
    results = extract(platform, [DAY])
    assert results[0].way == "bulk report: more than 30 orders changed on one of the 14 days before"
    assert asked == ["MERCHANT"]


def test_a_quiet_seller_asks_for_no_report(platform: Platform, server: SimulatorServer) -> None:
    assert {result.way for result in extract(platform, [DAY])} == {"searchOrders"}
    assert server.requests["createReport"] == 0 and server.requests["searchOrders"] > 0


def test_old_days_come_by_report_and_never_ask_for_buyers(
    platform: Platform, server: SimulatorServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sections: set[str] = set()
    real = SellingPartner.get_order

    def noting(self: SellingPartner, order_id: str, included: Sequence[str], *where: Any) -> Any:
        sections.update(included)
        return real(self, order_id, included, *where)

    monkeypatch.setattr(SellingPartner, "get_order", noting)
    now = NOW + timedelta(days=40)
    server.clock.set(now)  # type: ignore[attr-defined]
    platform.clock.set(now)
    days = [FIRST_DAY + timedelta(days=n) for n in range(20)]
    results = extract(platform, days)
    assert {result.way for result in results} == {"bulk report: days too old for buyers' data"}
    assert sum(result.pii_rows + result.pii_rows_dropped for result in results) == 0
    # Orders that cost nothing are asked for, and nothing is asked of their buyers.
    assert server.requests["searchOrders"] == 0 and 0 < server.requests["getOrder"] < 20
    assert sections == {"PROCEEDS"}
    # One report a region for all days.
    assert server.requests["createReport"] == 3
    stored = platform.lake.scan(ORDERS, SELLER, days)
    assert stored is not None
    table = stored.to_table()
    assert table.num_rows == len(pc.unique(table["order_id"])) > 1_000
    updated = table["last_updated_at"].cast(pa.timestamp("us")).cast(pa.date32(), safe=False)
    assert pc.all(pc.equal(updated, table["day"])).as_py()
    replacing = {o.order_id: o.replaces for o in world.seller(SELLER, now).orders if o.replaces}
    stored_ids = set(table["order_id"].to_pylist())
    told = {r["order_id"]: r["replaced_order_id"] for r in table.to_pylist() if r["replaced_order_id"]}
    assert told == {order_id: original for order_id, original in replacing.items() if order_id in stored_ids} != {}
    shipped = [r for r in table.to_pylist() if r["status"] == SHIPPED]
    truth = {o.order_id: o for o in world.seller(SELLER, now).orders}
    assert shipped and all(
        row["item_amount"] == Decimal(sum(i.goods for i in truth[row["order_id"]].items)).scaleb(-digits(row))
        for row in shipped
    )


def digits(row: dict[str, Any]) -> int:
    return 0 if row["currency"] == "JPY" else 2


def test_more_orders_at_nothing_than_can_be_asked_for_are_told(
    platform: Platform, server: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amzigo_pipelines.assets.extraction.replacements.MOST_ASKED", 2)
    now = NOW + timedelta(days=40)
    server.clock.set(now)  # type: ignore[attr-defined]
    platform.clock.set(now)
    results = extract(platform, [FIRST_DAY + timedelta(days=n) for n in range(20)])
    assert server.requests["getOrder"] == 2
    assert all(any("may be replacements of others and were not asked for" in w for w in r.warnings) for r in results)


def test_a_report_that_names_what_is_replaced_is_believed() -> None:
    (batch,) = lines(("1", "a"))
    flags = {"is-replacement-order": ["true"], "original-order-id": ["0"]}
    for name, values in flags.items():
        batch = batch.append_column(name, pa.array(values))
    (flat,) = flat_orders([batch], MARKETPLACES["A1PA6795UKMFR9"])
    assert flat.orders["replaced_order_id"].to_pylist() == ["0"]


def test_windows_are_of_thirty_days_at_most(platform: Platform, server: SimulatorServer) -> None:
    now = NOW + timedelta(days=80)
    server.clock.set(now)  # type: ignore[attr-defined]
    platform.clock.set(now)
    results = extract(platform, [FIRST_DAY + timedelta(days=n) for n in range(45)])
    assert len(results) == 90
    assert server.requests["createReport"] == 6


def test_a_cancelled_report_is_not_the_same_as_no_orders(platform: Platform, server: SimulatorServer) -> None:
    now = NOW + timedelta(days=40)
    server.clock.set(now)  # type: ignore[attr-defined]
    platform.clock.set(now)
    extract(platform, [DAY])
    before = rows(platform, ORDERS)
    platform.clock.set(now + timedelta(days=2))
    server.clock.set(now + timedelta(days=2))  # type: ignore[attr-defined]
    server.faults.add("createReport", "cancelled", times=9)
    with pytest.raises(ReportDeferred, match="stay as they are"):
        extract(platform, [DAY])
    assert rows(platform, ORDERS) == before


HEADERS = [name for name in USED if name not in OPTIONAL]


def lines(*orders: tuple[str, str]) -> Iterator[pa.RecordBatch]:
    """Batches of one order id and SKU a line, each pair a line."""
    for order_id, sku in orders:
        values = dict.fromkeys(HEADERS, "") | {
            "amazon-order-id": order_id,
            "purchase-date": "2026-09-20T01:00:00+00:00",
            "last-updated-date": "2026-09-20T02:00:00+00:00",
            "order-status": "Shipped",
            "item-status": "Shipped",
            "sku": sku,
            "quantity": "3",
            "item-price": "10.00",
            "sales-channel": "Non-Amazon DE",
            "currency": "EUR",
        }
        yield pa.RecordBatch.from_pylist([values], schema=pa.schema([(name, pa.string()) for name in HEADERS]))


def test_an_order_over_two_batches_is_one() -> None:
    made = list(flat_orders(lines(("1", "a"), ("1", "b"), ("2", "c")), MARKETPLACES["A1PA6795UKMFR9"]))
    orders = pa.concat_tables([flat.orders for flat in made])
    items = pa.concat_tables([flat.items for flat in made])
    assert orders["order_id"].to_pylist() == ["1", "2"] and orders["item_count"].to_pylist() == [2, 1]
    assert [str(v) for v in orders["item_amount"].to_pylist()] == ["20.0000", "10.0000"]
    assert items["order_item_id"].to_pylist() == ["line:1", "line:2", "line:1"]
    # Three for ten: no price of one.
    assert items["unit_price"].null_count == 3
    assert set(orders["sales_channel"].to_pylist()) == {"NON_AMAZON"} and orders["marketplace_id"].null_count == 2


def test_scattered_orders_are_noticed_and_gathered() -> None:
    market = MARKETPLACES["A1PA6795UKMFR9"]
    with pytest.raises(Scattered):
        list(flat_orders(lines(("1", "a"), ("2", "c"), ("1", "b")), market))
    flat = gathered(lines(("1", "a"), ("2", "c"), ("1", "b")), market)
    assert flat.orders["item_count"].to_pylist() == [2, 1]
    assert flat.items["sku"].to_pylist() == ["a", "b", "c"]


def test_every_header_is_either_used_or_left_out() -> None:
    from amzigo_pipelines.simulator.report_all_orders import HEADER, ITEM_ID

    assert {*HEADER, ITEM_ID} <= {*USED, *LEFT_OUT} and not set(USED) & set(LEFT_OUT)
    assert REPORT_TYPE.endswith("BY_LAST_UPDATE_GENERAL")
