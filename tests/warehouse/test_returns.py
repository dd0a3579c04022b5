"""Returns by order and by date, places of delivery, fulfilment, review requests: numbers worked out by hand."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.warehouse.conftest import DE, US, World, item, money, order

DAY = date(2026, 6, 10)


def returned(of: dict[str, Any], day: date, units: int = 1, **values: Any) -> dict[str, Any]:
    """A row of FBA returns."""
    return {
        "marketplace_id": of["marketplace_id"],
        "returned_at": of["created_at"].replace(year=day.year, month=day.month, day=day.day),
        "order_id": of["order_id"],
        "sku": "SKU-1",
        "occurrence": 1,
        "units": units,
        "disposition": "SELLABLE",
        "reason": "UNWANTED",
        **values,
    }


def test_returns_are_counted_by_the_order_and_by_their_own_date_also_late_ones(world: World) -> None:
    may, june = order("MAY", "2026-05-20T19:00:00"), order("JUNE", "2026-06-09T19:00:00")
    world.write(date(2026, 5, 20), orders=[may], order_items=[item(may, quantity_ordered=4)])
    world.write(
        date(2026, 6, 9), orders=[june], order_items=[item(june, quantity_ordered=10, unit_price=money("2.50"))]
    )
    world.write(DAY, fba_returns=[returned(may, DAY, 2), returned(june, DAY, 1, disposition="DEFECTIVE", reason="BAD")])
    world.publish()
    columns = "month, units_ordered AS o, returned_units_of_orders AS by_order, returned_units AS by_date"
    assert world.rows(f"SELECT {columns} FROM returns_by_sku ORDER BY month") == [
        {"month": date(2026, 5, 1), "o": 4, "by_order": 2, "by_date": 0},
        {"month": date(2026, 6, 1), "o": 10, "by_order": 1, "by_date": 3},
    ]
    row = world.one("SELECT * FROM returns_by_sku WHERE month = '2026-06-01'")
    assert (row["return_rate_by_order"], row["return_rate_by_return_date"]) == (0.1, 0.3)
    assert row["sellable_share"] == pytest.approx(2 / 3)
    assert (row["top_reason"], row["reasons"]) == ("UNWANTED", "UNWANTED: 2, BAD: 1")
    # In sales they count on the day they came back, at what the order had paid: 2 x 10.00 + 1 x 2.50.
    row = world.one("SELECT * FROM sales_daily WHERE day = '2026-06-10'")
    assert (row["returned_units"], row["returned_sales"], row["net_sales"]) == (3, Decimal("22.50"), Decimal("-22.50"))
    assert row["refund_rate"] is None
    # A late return changes the month of its order, and only the rows that it concerns are made anew.
    late = DAY + timedelta(days=3)
    world.write(late, fba_returns=[returned(may, late, 1)])
    assert world.publish().is_updated
    assert [r["by_order"] for r in world.rows(f"SELECT {columns} FROM returns_by_sku ORDER BY month")] == [3, 1]
    updated = world.dump()
    world.publish(rebuild=True)
    assert world.dump() == updated


def test_returns_to_the_merchant_count_when_asked_for_and_never_for_another_marketplace(world: World) -> None:
    us, de = order("US", "2026-06-09T19:00:00"), order("DE", "2026-06-09T12:00:00", marketplace_id=DE)
    world.write(DAY, orders=[us, de], order_items=[item(us), item(de, quantity_ordered=2)])
    asked = {"marketplace_id": DE, "requested_on": DAY, "order_id": "DE", "sku": "SKU-1", "occurrence": 1, "units": 1}
    world.write(DAY, merchant_returns=[asked])
    world.publish()
    rows = world.rows("SELECT marketplace_id AS m, units_ordered AS o, returned_units AS r, sellable_share AS s "
                      "FROM returns_by_sku ORDER BY o")  # fmt: skip
    assert rows == [{"m": US, "o": 1, "r": 0, "s": None}, {"m": DE, "o": 2, "r": 1, "s": None}]
    assert world.one("SELECT returned_sales AS s, currency AS c FROM returns") == {"s": 10, "c": "EUR"}
    assert world.one("SELECT returned_sales AS s, net_sales AS n FROM sales_daily WHERE day = '2026-06-10'") == {
        "s": 10, "n": -10,
    }  # fmt: skip


def test_a_return_of_an_order_that_was_not_extracted_is_no_sale_of_anybody(world: World) -> None:
    ghost = order("GHOST", "2026-06-01T12:00:00")
    world.write(DAY, fba_returns=[returned(ghost, DAY)], orders=[], order_items=[])
    world.publish()
    assert world.one("SELECT ordered_on AS d, currency AS c, returned_sales AS s FROM returns") == {
        "d": None, "c": "XXX", "s": None,
    }  # fmt: skip
    assert world.one("SELECT returned_units_of_orders AS o, returned_units AS r FROM returns_by_sku") == {
        "o": 0,
        "r": 1,
    }


def test_small_places_are_folded_together(world: World) -> None:
    states = {"WA": 6, "CA": 5, "NV": 3, "wa ": 1, "OR": 1}
    orders = [
        order(f"{state}-{n}", "2026-06-10T19:00:00", ship_country="US", ship_state=state)
        for state, count in states.items()
        for n in range(count)
    ]
    world.write(DAY, orders=orders, order_items=[item(o) for o in orders])
    world.publish()
    columns = "country, state, orders, units, ordered_product_sales AS s, folded_places AS n"
    # NV and OR are small and together still below 5, so the next smallest, CA, is folded in as well.
    assert world.rows(f"SELECT {columns} FROM sales_by_region ORDER BY state") == [
        {"country": "US", "state": "WA", "orders": 7, "units": 7, "s": 70, "n": 1},
        {"country": "other", "state": "other", "orders": 9, "units": 9, "s": 90, "n": 3},
    ]
    total = "SELECT SUM(ordered_product_sales) AS s, SUM(units) AS u FROM"
    assert world.one(f"{total} sales_by_region") == world.one(f"{total} sales_daily")


def test_fulfilment_judges_what_can_be_judged(world: World) -> None:
    promise = {"ship_by_latest_at": "2026-06-09T12:00:00"}
    orders = [
        order("ON-TIME", "2026-06-08T12:00:00", **promise, last_shipped_at="2026-06-08T22:00:00"),
        order("LATE", "2026-06-08T12:00:00", **promise, last_shipped_at="2026-06-09T14:00:00"),
        order("UNKNOWN", "2026-06-08T12:00:00", **promise),
        order("PAST", "2026-06-08T12:00:00", **promise, status="UNSHIPPED"),
        order("SOON", "2026-06-08T12:00:00", status="UNSHIPPED", ship_by_latest_at="2026-06-30T00:00:00"),
        order("GONE", "2026-06-08T12:00:00", **promise, status="CANCELLED"),
        order("MFN", "2026-06-08T12:00:00", **promise, fulfilled_by="MERCHANT"),
    ]
    world.write(DAY, orders=orders, order_items=[item(o) for o in orders])
    # Amazon's report of shipments tells the ship time that the order does not.
    world.write(
        DAY,
        fba_shipments=[
            {
                "shipment_id": "S", "shipment_item_id": "I", "order_id": "UNKNOWN", "order_item_id": "UNKNOWN-1",
                "shipped_at": orders[0]["created_at"] + timedelta(hours=3), "sku": "SKU-1",
            }
        ],
    )  # fmt: skip
    world.publish()
    row = world.one("SELECT * FROM fulfillment_tracking WHERE fulfilled_by = 'AMAZON'")
    assert (row["orders"], row["shipped_orders"], row["open_orders"], row["unshipped_past_promise"]) == (5, 3, 2, 1)
    assert (row["judged_orders"], row["late_orders"]) == (3, 1)
    assert row["late_shipment_rate"] == pytest.approx(1 / 3)
    assert row["hours_to_ship_average"] == pytest.approx((10 + 26 + 3) / 3)
    assert row["hours_to_ship_median"] == 10
    row = world.one("SELECT * FROM fulfillment_tracking WHERE fulfilled_by = 'MERCHANT'")
    assert (row["shipped_orders"], row["judged_orders"], row["late_shipment_rate"]) == (1, 0, None)


def test_reviews_are_asked_for_between_5_and_30_days_after_delivery(world: World) -> None:
    # The data ends with DAY.
    delivered = {"EARLY": 4, "FIRST": 5, "LAST": 30, "OVER": 31, "BACK": 10, "SAID": 10}
    orders = [
        order(name, "2026-05-01T12:00:00", deliver_by_latest_at=f"{DAY - timedelta(days=days)}T12:00:00")
        for name, days in delivered.items()
    ]
    orders += [
        order("OPEN", "2026-05-01T12:00:00", status="UNSHIPPED", deliver_by_latest_at="2026-06-01T12:00:00"),
        order("FREE", "2026-05-01T12:00:00", replaced_order_id="X", deliver_by_latest_at="2026-06-01T12:00:00"),
        order("NO-PROMISE", "2026-05-01T12:00:00"),
    ]
    said = {"marketplace_id": US, "given_on": DAY, "order_id": "SAID", "occurrence": 1, "rating": 5}
    world.write(DAY, orders=orders, order_items=[item(o) for o in orders])
    world.write(DAY, fba_returns=[returned(orders[4], DAY)], seller_feedback=[said])
    world.publish()
    rows = world.rows("SELECT order_id, days_left, has_feedback FROM review_request_candidates ORDER BY 1")
    assert [tuple(row.values()) for row in rows] == [("FIRST", 25, False), ("LAST", 0, False), ("SAID", 20, True)]
