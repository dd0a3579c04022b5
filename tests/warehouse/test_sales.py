"""The rules about sales, each with numbers worked out by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tests.warehouse.conftest import DE, JP, US, World, item, listing, money, order, stock

DAY = date(2026, 6, 10)


def test_a_day_is_the_marketplaces_local_day_also_over_daylight_saving_changes(world: World) -> None:
    # Los Angeles went to UTC-7 on 8 March 2026 at 10:00 UTC; Berlin went to UTC+2 on 29 March at 01:00 UTC.
    expected = {
        "la-winter": ("2026-03-08T07:59:59", US, date(2026, 3, 7)),
        "la-winter-next": ("2026-03-08T08:00:00", US, date(2026, 3, 8)),
        "la-summer": ("2026-03-09T06:59:59", US, date(2026, 3, 8)),
        "la-summer-next": ("2026-03-09T07:00:00", US, date(2026, 3, 9)),
        "de-winter": ("2026-03-28T22:59:59", DE, date(2026, 3, 28)),
        "de-winter-next": ("2026-03-28T23:00:00", DE, date(2026, 3, 29)),
        "de-summer": ("2026-03-29T21:59:59", DE, date(2026, 3, 29)),
        "de-summer-next": ("2026-03-29T22:00:00", DE, date(2026, 3, 30)),
        "jp": ("2026-03-29T15:00:00", JP, date(2026, 3, 30)),
    }
    orders = [order(name, at, marketplace_id=where) for name, (at, where, _) in expected.items()]
    world.write(DAY, orders=orders, order_items=[item(o) for o in orders])
    world.publish()
    found = {row["order_id"]: row["ordered_on"] for row in world.rows("SELECT order_id, ordered_on FROM orders")}
    assert found == {name: day for name, (_, _, day) in expected.items()}
    assert world.one(f"SELECT orders FROM sales_daily WHERE marketplace_id = '{US}' AND day = '2026-03-08'") == {
        "orders": 2
    }


def test_ordered_product_sales_are_price_times_units_without_tax_and_shipping(world: World) -> None:
    a, b = order("A", "2026-06-10T12:00:00"), order("B", "2026-06-10T13:00:00", programs="PRIME,AMAZON_BUSINESS")
    items = [
        item(a, 1, unit_price=money("19.99"), quantity_ordered=3, tax_amount=money(5), shipping_amount=money(7)),
        item(a, 2, unit_price=money("0.05"), quantity_ordered=1),
        item(b, 1, unit_price=money("40.00"), quantity_ordered=1),
    ]
    world.write(DAY, orders=[a, b], order_items=items)
    world.publish()
    row = world.one("SELECT * FROM sales_daily")
    assert row["ordered_product_sales"] == Decimal("100.02")
    assert (row["orders"], row["order_items"], row["units"]) == (2, 3, 5)
    assert row["average_selling_price"] == Decimal("20.00")  # 100.02 / 5 = 20.004
    assert row["average_order_value"] == Decimal("50.01")
    assert row["units_per_order"] == 2.5
    assert (row["business_orders"], row["business_order_share"]) == (1, 0.5)


def test_two_currencies_are_never_added_up(world: World) -> None:
    us, de = order("US", "2026-06-10T12:00:00"), order("DE", "2026-06-10T12:00:00", marketplace_id=DE)
    odd = order("ODD", "2026-06-10T12:00:00", marketplace_id=DE, currency="PLN")
    world.write(DAY, orders=[us, de, odd], order_items=[item(us), item(de), item(odd)])
    world.publish()
    rows = world.rows("SELECT marketplace, currency, ordered_product_sales AS s FROM sales_daily ORDER BY ALL")
    assert [(r["marketplace"], r["currency"], r["s"]) for r in rows] == [
        ("DE", "EUR", 10), ("DE", "PLN", 10), ("US", "USD", 10),
    ]  # fmt: skip


def test_a_sku_in_two_marketplaces_is_not_doubled(world: World) -> None:
    us, de = order("US", "2026-06-10T12:00:00"), order("DE", "2026-06-10T12:00:00", marketplace_id=DE)
    pending = order("P", "2026-06-10T12:00:00", marketplace_id=DE, status="PENDING", currency=None)
    world.write(DAY, orders=[us, de, pending], order_items=[item(us), item(de), item(pending, unit_price=None)])
    world.write(
        DAY,
        listings=[listing("SKU-1", 11, US), listing("SKU-1", 12, DE)],
        fba_inventory=[stock("SKU-1", 5, US), stock("SKU-1", 7, DE)],
    )
    world.publish()
    rows = world.rows(
        "SELECT marketplace, ordered_product_sales AS s, pending_sales_estimated AS e "
        "FROM sales_by_sku_daily ORDER BY marketplace"
    )
    assert [(r["marketplace"], r["s"], r["e"]) for r in rows] == [("DE", 10, 12), ("US", 10, 0)]
    assert world.rows("SELECT marketplace, units_30d AS u, fulfillable_units AS f FROM inventory_cover ORDER BY 1") == [
        {"marketplace": "DE", "u": 2, "f": 7},
        {"marketplace": "US", "u": 1, "f": 5},
    ]


def test_cancelled_orders_and_items_are_out_of_sales(world: World) -> None:
    kept, gone = order("KEPT", "2026-06-10T12:00:00"), order("GONE", "2026-06-10T12:00:00", status="CANCELLED")
    world.write(
        DAY,
        orders=[kept, gone],
        order_items=[item(kept, 1), item(kept, 2, cancelled_by="BUYER", quantity_ordered=4), item(gone, 1)],
    )
    world.publish()
    row = world.one("SELECT * FROM sales_daily")
    assert (row["ordered_product_sales"], row["orders"], row["units"]) == (10, 1, 1)
    assert (row["cancelled_orders"], row["cancelled_rate"]) == (1, 0.5)
    assert world.one("SELECT units, cancelled_units FROM sales_by_sku_daily") == {"units": 1, "cancelled_units": 5}


def test_a_day_with_nothing_but_cancelled_orders_divides_by_no_zero(world: World) -> None:
    gone = order("GONE", "2026-06-10T12:00:00", status="CANCELLED", currency=None)
    world.write(DAY, orders=[gone], order_items=[item(gone, unit_price=None)])
    world.publish()
    row = world.one("SELECT * FROM sales_daily")
    assert row["currency"] == "USD"
    assert [row[n] for n in ("average_selling_price", "average_order_value", "units_per_order")] == [None] * 3
    assert row["business_order_share"] is None
    assert (row["cancelled_rate"], row["pending_orders"], row["ordered_product_sales"]) == (1.0, 0, 0)


def test_pending_orders_are_counted_apart_with_revenue_estimated_from_the_listing_of_their_day(world: World) -> None:
    sold = order("SOLD", "2026-06-10T12:00:00")
    known = order("P1", "2026-06-10T12:00:00", status="PENDING", currency=None)
    early = order("P2", "2026-06-01T12:00:00", status="PENDING", currency=None)
    world.write(
        DAY,
        orders=[sold, known, early],
        order_items=[
            item(sold),
            item(known, 1, unit_price=None, quantity_ordered=2),
            item(known, 2, unit_price=None, sku="UNLISTED"),
            item(early, unit_price=None),
        ],
    )
    world.write(date(2026, 6, 8), listings=[listing("SKU-1", "12.50")])
    world.write(date(2026, 6, 9), listings=[listing("SKU-1", "13.00")])
    world.write(date(2026, 6, 11), listings=[listing("SKU-1", "99.00")])
    world.publish()
    row = world.one("SELECT * FROM sales_daily WHERE day = '2026-06-10'")
    assert (row["orders"], row["units"], row["ordered_product_sales"]) == (1, 1, 10)
    assert (row["pending_orders"], row["pending_units"], row["pending_units_unestimated"]) == (1, 3, 1)
    assert (row["pending_sales_estimated"], row["has_estimate"]) == (Decimal("26.00"), True)
    # Before any listing was known, the first one that is.
    row = world.one("SELECT pending_sales_estimated AS e FROM sales_daily WHERE day = '2026-06-01'")
    assert row["e"] == Decimal("12.50")


def test_replacements_at_nothing_do_not_dilute_averages(world: World) -> None:
    first = order("FIRST", "2026-06-10T12:00:00", buyer_key="k")
    again = order("AGAIN", "2026-06-10T13:00:00", replaced_order_id="FIRST", buyer_key="k")
    world.write(DAY, orders=[first, again], order_items=[item(first), item(again, unit_price=money(0))])
    world.publish()
    row = world.one("SELECT * FROM sales_daily")
    assert (row["orders"], row["units"], row["replacement_orders"], row["average_selling_price"]) == (1, 1, 1, 10)
    assert world.one("SELECT units, replacement_units AS r FROM sales_by_sku_daily") == {"units": 1, "r": 1}
    assert world.one("SELECT buyer_order_number AS n FROM orders WHERE order_id = 'AGAIN'") == {"n": None}


def test_orders_from_outside_amazon_are_no_sales(world: World) -> None:
    here, outside = (
        order("HERE", "2026-06-10T12:00:00"),
        order("OUT", "2026-06-10T12:00:00", sales_channel="NON_AMAZON"),
    )
    world.write(DAY, orders=[here, outside], order_items=[item(here), item(outside)])
    world.publish()
    assert world.one("SELECT orders, units FROM sales_daily") == {"orders": 1, "units": 1}
    assert world.one("SELECT sales_class AS c FROM order_items WHERE order_id = 'OUT'") == {"c": "off_amazon"}


def test_yen_have_no_decimals(world: World) -> None:
    a = order("A", "2026-06-10T12:00:00", marketplace_id=JP)
    world.write(
        DAY,
        orders=[a],
        order_items=[item(a, 1, unit_price=money(1000), quantity_ordered=2), item(a, 2, unit_price=money(999))],
    )
    world.publish()
    row = world.one("SELECT * FROM sales_daily")
    assert (row["ordered_product_sales"], row["average_selling_price"]) == (2999, 1000)  # 2999 / 3 = 999.67


def test_of_two_versions_of_an_order_the_newest_counts_once(world: World) -> None:
    old = order("A", "2026-06-09T12:00:00", status="PENDING", currency=None, buyer_key="k", ship_state="WA")
    new = {**order("A", "2026-06-09T12:00:00", last_updated_at="2026-06-10T09:00:00"), "last_shipped_at": None}
    world.write(
        date(2026, 6, 9), orders=[old], order_items=[item(old, 1, unit_price=None), item(old, 2, unit_price=None)]
    )
    world.write(DAY, orders=[new], order_items=[item(new, 1, quantity_ordered=2)])
    world.publish()
    row = world.one("SELECT * FROM sales_daily")
    assert (row["orders"], row["order_items"], row["units"], row["pending_orders"]) == (1, 1, 2, 0)
    assert world.one("SELECT status, buyer_key, ship_state FROM orders") == {
        "status": "SHIPPED", "buyer_key": "k", "ship_state": "WA",
    }  # fmt: skip


def test_days_without_orders_have_rows_and_weeks_are_compared(world: World) -> None:
    # 364 days = the same weekday; sales 10, then 40, then 7 days later 60.
    a, b, c = order("A", "2025-06-04T19:00:00"), order("B", "2026-06-03T19:00:00"), order("C", "2026-06-10T19:00:00")
    world.write(
        DAY,
        orders=[a, b, c],
        order_items=[item(a), item(b, quantity_ordered=4), item(c, quantity_ordered=6)],
    )
    world.publish()
    assert world.one("SELECT COUNT(*) AS n, SUM(orders) AS o FROM sales_daily") == {"n": 372, "o": 3}
    row = world.one("SELECT * FROM sales_daily WHERE day = '2026-06-10'")
    assert (row["ordered_product_sales_week_before"], row["week_on_week"]) == (40, 0.5)
    row = world.one("SELECT * FROM sales_daily WHERE day = '2026-06-03'")
    assert (row["ordered_product_sales_year_before"], row["year_on_year"]) == (10, 3.0)
    assert (row["ordered_product_sales_week_before"], row["week_on_week"]) == (0, None)
    assert world.one("SELECT orders, units_per_order AS u FROM sales_daily WHERE day = '2026-06-04'") == {
        "orders": 0,
        "u": None,
    }


def test_lateness_and_the_buyers_sequence(world: World) -> None:
    promise = {"ship_by_latest_at": "2026-06-09T12:00:00"}
    orders = [
        order("1-ON-TIME", "2026-06-08T12:00:00", **promise, last_shipped_at="2026-06-09T12:00:00", buyer_key="k"),
        order("2-LATE", "2026-06-08T13:00:00", **promise, last_shipped_at="2026-06-09T12:00:01", buyer_key="k"),
        order("3-OPEN", "2026-06-08T14:00:00", **promise, status="UNSHIPPED", buyer_key="k"),
        order("4-SOON", "2026-06-08T15:00:00", status="UNSHIPPED", ship_by_latest_at="2026-06-11T00:00:00"),
        order("5-GONE", "2026-06-08T13:30:00", **promise, status="CANCELLED", buyer_key="k"),
        order("6-UNKNOWN", "2026-06-08T15:00:00", **promise),
        order("7-OTHER", "2026-06-08T15:00:00", **promise, last_shipped_at="2026-06-09T00:00:00", buyer_key="j"),
    ]
    world.write(DAY, orders=orders, order_items=[item(o) for o in orders])
    world.publish()
    rows = world.rows("SELECT is_late, buyer_order_number AS n FROM orders ORDER BY order_id")
    assert [r["is_late"] for r in rows] == [False, True, True, False, None, None, False]
    assert [r["n"] for r in rows] == [1, 2, 3, None, None, None, 1]
