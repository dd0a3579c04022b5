"""The report of all orders by last update: it says what the Orders API says, and what is true."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from amzigo_pipelines.simulator import truth
from amzigo_pipelines.simulator.report_all_orders import HEADER
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World

from .conftest import NOW, Client
from .report_kit import report, rows_of, running, text_of

ORDERS = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL"
START, END = datetime(2026, 1, 10, tzinfo=UTC), datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
STATUSES = {
    "PENDING": "Pending",
    "UNSHIPPED": "Unshipped",
    "PARTIALLY_SHIPPED": "Shipping",
    "SHIPPED": "Shipped",
    "CANCELLED": "Cancelled",
}


def money(text: str) -> Decimal:
    return Decimal(text or "0")


def breakdowns(item: dict[str, Any]) -> dict[tuple[str, str], Decimal]:
    """Amounts of an item of the Orders API, by type and subtype."""
    out = {}
    for part in item.get("proceeds", {}).get("breakdowns", []):
        out[part["type"], ""] = Decimal(part["subtotal"]["amount"])
        for detail in part.get("detailedBreakdowns", []):
            out[part["type"], detail["subtype"]] = Decimal(detail["value"]["amount"])
    return out


@pytest.mark.parametrize("seller_id", ["NORTH", "EUROPE", "FAREAST", "SILENT"])
def test_it_says_what_the_orders_api_says(server: SimulatorServer, world: World, seller_id: str) -> None:
    client = Client(server.url, world.profile(seller_id))
    rows = rows_of(client, ORDERS, START, END, marketplaceIds=list(client.seller.marketplace_ids))
    found = client.all_orders(
        marketplaceIds=",".join(client.seller.marketplace_ids),
        lastUpdatedAfter=START.isoformat(),
        lastUpdatedBefore=END.isoformat(),
        includedData="PROCEEDS,FULFILLMENT,PROMOTION,BUYER,RECIPIENT",
        maxResultsPerPage="100",
    )
    expected = [(order, item) for order in found for item in order["orderItems"]]
    assert len(rows) == len(expected) > 100
    for row, (order, item) in zip(rows, expected, strict=True):
        assert tuple(row) == HEADER
        parts, price = breakdowns(item), item["product"].get("price")
        assert row["amazon-order-id"] == order["orderId"]
        assert datetime.fromisoformat(row["purchase-date"]) == datetime.fromisoformat(order["createdTime"])
        assert datetime.fromisoformat(row["last-updated-date"]) == datetime.fromisoformat(order["lastUpdatedTime"])
        assert row["order-status"] == STATUSES[order["fulfillment"]["fulfillmentStatus"]]
        assert row["fulfillment-channel"].upper() == order["fulfillment"]["fulfilledBy"]
        assert row["sales-channel"] == order["salesChannel"]["marketplaceName"]
        assert (row["sku"], row["asin"]) == (item["product"]["sellerSku"], item["product"]["asin"])
        assert row["quantity"] == str(item["quantityOrdered"])
        assert row["is-business-order"] == str("AMAZON_BUSINESS" in order.get("programs", [])).lower()
        assert (row["item-price"] != "") == (price is not None) == (row["currency"] != "")
        if price is None:
            assert not any(row[name] for name in HEADER if name.endswith(("-price", "-tax", "-discount")))
            continue
        assert row["currency"] == price["unitPrice"]["currencyCode"]
        unit_price = money(price["unitPrice"]["amount"])
        assert money(row["item-price"]) == parts["ITEM", ""] == unit_price * int(row["quantity"])
        assert money(row["item-tax"]) == parts.get(("TAX", "ITEM"), 0)
        assert money(row["shipping-tax"]) == parts.get(("TAX", "SHIPPING"), 0)
        assert money(row["shipping-price"]) == parts.get(("SHIPPING", ""), 0)
        assert money(row["gift-wrap-price"]) == parts.get(("GIFT_WRAP", ""), 0)
        discounts = money(row["item-promotion-discount"]) + money(row["ship-promotion-discount"])
        assert discounts == -parts.get(("DISCOUNT", ""), Decimal())
        assert ("." in row["item-price"]) == (row["currency"] != "JPY")
    assert {"Unshipped", "Shipped", "Cancelled"} <= {row["order-status"] for row in rows}


def test_a_pending_order_has_no_prices_and_no_address(server: SimulatorServer, world: World, north: Client) -> None:
    order = next(o for o in truth.orders(world, "NORTH", NOW)[100:] if o.marketplace_id == "ATVPDKIKX0DER")
    server.clock.set(order.created_at + timedelta(seconds=60))  # type: ignore[attr-defined]
    found = rows_of(north, ORDERS, order.created_at, order.created_at + timedelta(seconds=60))
    rows = [row for row in found if row["amazon-order-id"] == order.order_id]
    assert [row["sku"] for row in rows] == [item.sku for item in order.items]
    for row in rows:
        assert (row["order-status"], row["item-status"]) == ("Pending", "Unshipped")
        assert not any(value for name, value in row.items() if name.endswith(("price", "tax")) or "ship-c" in name)
        assert row["currency"] == row["ship-postal-code"] == ""


def test_amounts_and_units_are_the_truth(world: World, north: Client) -> None:
    rows = rows_of(north, ORDERS, NOW - timedelta(days=30), NOW, marketplaceIds=list(north.seller.marketplace_ids))
    sums: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        lines = sums.setdefault((row["amazon-order-id"], row["sku"]), [0, Decimal()])
        lines[0] += int(row["quantity"])
        lines[1] += money(row["item-price"])
    expected = {
        (order.order_id, item.sku): [item.quantity, item.sales if order.has_prices else 0]
        for order in truth.orders(world, "NORTH", NOW)
        for item in order.items
        if NOW - timedelta(days=30) <= order.last_updated_at
    }
    assert sums == expected


def test_both_edges_of_the_window_count(world: World, north: Client) -> None:
    market = {"marketplaceIds": list(north.seller.marketplace_ids)}
    order = truth.orders(world, "NORTH", NOW)[200]
    at = order.last_updated_at
    assert order.order_id in {row["amazon-order-id"] for row in rows_of(north, ORDERS, at, at, **market)}
    before = rows_of(north, ORDERS, at - timedelta(hours=1), at - timedelta(seconds=1), **market)
    after = rows_of(north, ORDERS, at + timedelta(seconds=1), at + timedelta(hours=1), **market)
    assert order.order_id not in {row["amazon-order-id"] for row in before + after}


def test_one_marketplace_only_and_nothing_ends_in_cancelled(north: Client) -> None:
    rows = rows_of(north, ORDERS, START, END)
    assert {row["sales-channel"] for row in rows} == {"Amazon.com"}
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    assert report(north, ORDERS, long_ago, long_ago + timedelta(days=1))["processingStatus"] == "CANCELLED"


def test_more_than_thirty_days_get_a_sentence(north: Client) -> None:
    assert "\t" in text_of(north, ORDERS, END - timedelta(days=30), END)
    sentence = text_of(north, ORDERS, END - timedelta(days=31), END)
    assert "\t" not in sentence and "30 days" in sentence


def test_it_may_name_items_and_ignore_the_marketplace(world: World) -> None:
    with running(world, "NORTH", order_report_has_item_ids=True, order_report_is_regional=True) as (_, (client,)):
        rows = rows_of(client, ORDERS, START, END)
    assert {row["sales-channel"] for row in rows} == {"Amazon.com", "Amazon.ca"}
    assert [name for name in rows[0] if name != "order-item-id"] == list(HEADER)
    items = {
        (order.order_id, item.order_item_id): item.sku
        for order in truth.orders(world, "NORTH", NOW)
        for item in order.items
        if START <= order.last_updated_at <= END
    }
    assert {(row["amazon-order-id"], row["order-item-id"]): row["sku"] for row in rows} == items


def test_a_benchmark_gets_as_many_lines_as_it_wants(world: World) -> None:
    with running(world, "NORTH", bulk_order_lines=60_000) as (_, (client,)):
        started = time.process_time()
        header, *lines = text_of(client, ORDERS, START, END).splitlines()
        assert time.process_time() - started < 4, "under 1 on a quiet machine: something has become slow"
    assert header.split("\t") == list(HEADER) and len(lines) == 60_000
    real = rows_of_text(header, lines)
    assert all(len(row) == len(HEADER) for row in real)
    # A line is told from another by its order and its place in it: copies share no order id with each other.
    items: dict[str, set[str]] = {}
    for row in real:
        items.setdefault(row["amazon-order-id"], set()).add(row["purchase-date"])
    assert all(len(dates) == 1 for dates in items.values()) and len(items) > 40_000


def rows_of_text(header: str, lines: list[str]) -> list[dict[str, str]]:
    names = header.split("\t")
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines]
