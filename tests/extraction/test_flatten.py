"""From Amazon's JSON to rows: paths, types, derived columns, and what is refused."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from amzigo_pipelines.assets.extraction.flatten import (
    flatten_inventory,
    flatten_orders,
    postal_areas,
)
from amzigo_pipelines.assets.extraction.paths import Flattener, FlattenError, Path
from amzigo_pipelines.catalog.fba_inventory import FBA_INVENTORY
from amzigo_pipelines.catalog.model import INSTANT, INTEGER, MONEY, STRING
from amzigo_pipelines.catalog.order_items import ORDER_ITEMS
from amzigo_pipelines.catalog.orders import ORDERS

KEY = b"k" * 32
SECRET = "Wanda-Geheim"


def money(amount: Any) -> dict[str, Any]:
    return {"amount": amount, "currencyCode": "EUR"}


def order(**changes: Any) -> dict[str, Any]:
    return {
        "orderId": "302-1",
        "createdTime": "2026-09-20T08:00:00Z",
        "lastUpdatedTime": "2026-09-20T12:00:00.250+02:00",
        "salesChannel": {"channelName": "AMAZON", "marketplaceId": "A1PA6795UKMFR9"},
        "programs": ["PRIME", "AMAZON_BUSINESS"],
        "associatedOrders": [
            {"orderId": "302-0", "associationType": "REPLACEMENT_ORIGINAL_ID"},
            {"orderId": "302-9", "associationType": "OTHER"},
        ],
        "buyer": {"buyerEmail": "  Wanda@Example.TEST ", "buyerName": SECRET},
        "recipient": {"deliveryAddress": {"postalCode": "80331", "countryCode": "DE", "addressLine2": ""}},
        "proceeds": {
            "grandTotal": money("30.10"),
            "breakdowns": [
                {"type": "ITEM", "subtotal": money("20.05")},
                {"type": "TAX", "subtotal": money("5.05")},
                {"type": "TAX", "subtotal": money("5.00")},
            ],
        },
        "fulfillment": {"fulfillmentStatus": "SHIPPED", "fulfilledBy": "MERCHANT"},
        "packages": [
            {"carrier": "DHL", "shipTime": "2026-09-20T11:00:00Z", "trackingNumber": "T1"},
            {"carrier": "UPS", "shipTime": "2026-09-20T09:00:00Z"},
            {"carrier": "DHL", "trackingNumber": "T3"},
        ],
        "orderItems": [
            {"orderItemId": "1", "quantityOrdered": 2, "product": {"sellerSku": "S1", "asin": "B1"}},
            {"orderItemId": "2", "quantityOrdered": 3, "product": {"sellerSku": "S2", "asin": "B2"}},
        ],
        **changes,
    }


def flat(*orders: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    result = flatten_orders(orders, KEY)
    assert result.orders.schema.equals(ORDERS.schema)
    assert result.items.schema.equals(ORDER_ITEMS.schema)
    return result.orders.to_pylist(), result.items.to_pylist()


def test_every_kind_of_path() -> None:
    (row,), items = flat(order())
    assert row["order_id"] == "302-1"
    assert row["created_at"] == datetime(2026, 9, 20, 8, tzinfo=UTC)
    assert row["last_updated_at"] == datetime(2026, 9, 20, 10, 0, 0, 250_000, tzinfo=UTC)
    assert row["programs"] == "PRIME,AMAZON_BUSINESS"
    assert row["replaced_order_id"] == "302-0"
    assert row["grand_total"] == Decimal("30.1000")
    assert row["item_amount"] == Decimal("20.0500")
    assert row["tax_amount"] == Decimal("10.0500")  # two lines of the same type are added up
    assert row["shipping_amount"] is None
    assert row["carriers"] == "DHL,UPS,DHL"
    assert row["tracking_numbers"] == "T1,T3"
    assert row["address_line_2"] is None  # an empty text says nothing
    assert [item["order_id"] for item in items] == ["302-1", "302-1"]
    assert items[1]["last_updated_at"] == row["last_updated_at"]
    assert items[1]["sku"] == "S2"


def test_what_we_derive() -> None:
    (row,), _ = flat(order())
    assert row["package_count"] == 3
    assert row["first_shipped_at"] == datetime(2026, 9, 20, 9, tzinfo=UTC)
    assert row["last_shipped_at"] == datetime(2026, 9, 20, 11, tzinfo=UTC)
    assert (row["item_count"], row["units_ordered"]) == (2, 5)
    assert row["buyer_key"] == hmac.new(KEY, b"wanda@example.test", hashlib.sha256).hexdigest()
    assert row["postal_area"] == "80"


def test_rows_keep_their_own_values_when_others_lack_them() -> None:
    bare = {
        "orderId": "302-2",
        "createdTime": "2026-09-20T08:00:00Z",
        "lastUpdatedTime": "2026-09-20T08:00:00Z",
        "salesChannel": {"channelName": "AMAZON"},
        "buyer": None,
        "orderItems": [],
    }
    rows, items = flat(bare, order(), {**bare, "orderId": "302-3", "packages": [], "programs": []})
    assert [row["units_ordered"] for row in rows] == [0, 5, 0]
    assert [row["package_count"] for row in rows] == [None, 3, 0]
    assert [row["programs"] for row in rows] == [None, "PRIME,AMAZON_BUSINESS", None]
    assert [row["last_shipped_at"] is None for row in rows] == [True, False, True]
    assert [row["buyer_key"] is None for row in rows] == [True, False, True]
    assert len(items) == 2
    assert {item["order_id"] for item in items} == {"302-1"}


def test_nothing_gives_empty_tables() -> None:
    assert flat() == ([], [])
    assert flatten_inventory([], "ATVPDKIKX0DER", datetime.now(UTC)).schema.equals(FBA_INVENTORY.schema)


@pytest.mark.parametrize(
    ("code", "country", "area"),
    [
        ("10115-2000", "US", "101"),
        ("K1A 0B1", "CA", "K1A"),
        ("01000", "MX", "010"),
        ("sw1a 1aa", "GB", "SW1A"),
        ("M11AE", "GB", "M1"),
        ("1AA", "GB", None),
        ("100-0001", "JP", "100"),
        ("80331", "DE", "80"),
        ("75001", "FR", "75"),
        ("75001", None, "75"),
        ("10", "US", None),
        ("101", "US", None),
        ("8", "DE", None),
        ("", "DE", None),
        (None, "DE", None),
    ],
)
def test_postal_areas(code: str | None, country: str | None, area: str | None) -> None:
    assert postal_areas(pa.array([code], pa.string()), pa.array([country], pa.string())).to_pylist() == [area]


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"orderId": 3021}, "order_id"),
        ({"createdTime": "20.09.2026"}, "created_at"),
        ({"createdTime": "2026-09-20T08:00:00"}, "created_at"),
        ({"buyer": SECRET}, "buyer_email"),
        ({"buyer": {"buyerName": ["x"]}}, "buyer_name"),
        ({"programs": "PRIME"}, "programs"),
        ({"packages": {"carrier": "x"}}, "carriers"),
        ({"packages": [{"shipTime": SECRET}]}, "last_shipped_at"),
        ({"proceeds": {"grandTotal": money("30,10")}}, "grand_total"),
        ({"proceeds": {"grandTotal": money("0.00001")}}, "grand_total"),
        ({"proceeds": {"grandTotal": money("99999999999999999")}}, "grand_total"),
        ({"proceeds": {"grandTotal": money(True)}}, "grand_total"),
        ({"orderItems": None}, "item_count"),
        ({"orderItems": [{"orderItemId": "1", "quantityOrdered": "2"}]}, "quantity_ordered"),
        ({"orderItems": [{"orderItemId": "1", "quantityOrdered": 1.5}]}, "quantity_ordered"),
        ({"orderItems": [{"orderItemId": "1", "quantityOrdered": True}]}, "quantity_ordered"),
        ({"orderItems": [{"orderItemId": "1", "quantityOrdered": 2**70}]}, "quantity_ordered"),
        ({"orderItems": [{"quantityOrdered": 1}]}, "order_item_id"),
        ({"orderId": None}, "order_id"),
        ({"buyer": {"buyerName": SECRET + "\ud800"}}, "buyer_name"),
    ],
)
def test_a_wrong_value_names_its_column_and_never_itself(changes: dict[str, Any], column: str) -> None:
    with pytest.raises(FlattenError) as caught:
        flatten_orders([order(), order(**changes)], KEY)
    assert column in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_an_amount_that_comes_as_a_whole_number_is_exact() -> None:
    (row,), _ = flat(order(proceeds={"grandTotal": money(12)}))
    assert row["grand_total"] == Decimal(12)


def test_all_sources_of_the_catalog_compile() -> None:
    for dataset in (ORDERS, ORDER_ITEMS, FBA_INVENTORY):
        for column in dataset:
            if column.source:
                assert Path.parse(column.name, column.source.removeprefix("^"), column.type).steps
    with pytest.raises(ValueError, match="is no path"):
        Path.parse("x", "a..b", STRING)


def test_integers_and_amounts_of_a_list_are_added_up() -> None:
    paths = [Path.parse("n", "a[].n", INTEGER), Path.parse("m", "a[].m", MONEY), Path.parse("t", "a[].t", INSTANT)]
    rows = [
        {"a": [{"n": 1, "m": "0.10"}, {"n": 2, "m": "0.20"}]},
        {"a": []},
        {},
        {"a": [{"t": "2026-01-01T00:00:00Z"}]},
    ]
    columns = Flattener("x", paths).columns(rows)
    assert columns["n"].to_pylist() == [3, None, None, None]
    assert columns["m"].to_pylist() == [Decimal("0.3000"), None, None, None]
    assert columns["t"].null_count == 3


def test_inventory() -> None:
    taken_at = datetime(2026, 9, 21, 0, 30, tzinfo=UTC)
    summary = {
        "sellerSku": "S1",
        "lastUpdatedTime": "2026-09-20T00:00:00Z",
        "totalQuantity": 9,
        "inventoryDetails": {"fulfillableQuantity": 7, "reservedQuantity": {"totalReservedQuantity": 2}},
    }
    (row,) = flatten_inventory([summary], "ATVPDKIKX0DER", taken_at).to_pylist()
    assert (row["marketplace_id"], row["sku"], row["taken_at"]) == ("ATVPDKIKX0DER", "S1", taken_at)
    assert (row["total_units"], row["fulfillable_units"], row["reserved_units"]) == (9, 7, 2)
    assert row["researching_units"] is None
