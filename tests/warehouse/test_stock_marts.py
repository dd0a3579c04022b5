"""Stock by day, its age, what runs out, what lies there, the ledger, what to order: numbers worked out by hand."""

from __future__ import annotations

import math
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.warehouse.conftest import DE, JP, NOW, US, World, item, listing, money, order, stock

LAST = date(2026, 6, 14)


def sell(world: World, day: date, units: int, *stocks: dict[str, Any], **values: Any) -> None:
    """Write a day of one order of SKU-1, in the USA, and the day's stock."""
    o = order(f"O-{day}", f"{day}T20:00:00")
    orders = [o] if units else []
    world.write(
        day,
        orders=orders,
        order_items=[item(o, quantity_ordered=units, **values) for o in orders],
        fba_inventory=stocks,
    )


def test_stock_of_every_day(world: World) -> None:
    world.write(LAST - timedelta(days=1), fba_inventory=[stock("SKU-1", 9), stock("SKU-1", 2, DE)])
    world.write(LAST, fba_inventory=[stock("SKU-1", 4, reserved_units=2)])
    world.publish()
    columns = "day, marketplace_id AS m, fulfillable_units AS f, reserved_units AS r"
    rows = world.rows(f"SELECT {columns} FROM inventory_daily ORDER BY day, f")
    assert [(r["day"], r["m"], r["f"], r["r"]) for r in rows] == [
        (LAST - timedelta(days=1), DE, 2, None), (LAST - timedelta(days=1), US, 9, None), (LAST, US, 4, 2),
    ]  # fmt: skip


def planned(sku: str, **values: Any) -> dict[str, Any]:
    return {
        "marketplace_id": US, "sku": sku, "condition": "New", "taken_at": NOW, "currency": "USD",
        "your_price": money(7), **values,
    }  # fmt: skip


def cost(sku: str, **values: Any) -> dict[str, Any]:
    return {
        "marketplace_id": US, "sku": sku, "currency": "USD", "unit_cost": money("2.50"), "lead_time_days": 10,
        "lead_time_deviation_days": 2.0, "service_level": 0.95, "service_factor": 1.6449, "target_days": 30,
        "minimum_order_units": 1, **values,
    }  # fmt: skip


def test_age_in_bands_with_value_and_surcharge(world: World) -> None:
    world.write(LAST - timedelta(days=1), inventory_planning=[planned("OLD", age_0_90_units=9)])
    world.write(LAST, inventory_planning=[planned("SKU-1", age_0_90_units=3, age_181_270_units=2, age_91_180_units=0)])
    world.publish()
    columns = "sku, age_band, units, value_at_price AS p, value_at_cost AS c, is_surcharged AS s"
    young, aged = world.rows(f"SELECT {columns} FROM inventory_aging ORDER BY age_band")
    assert tuple(young.values()) == ("SKU-1", "0-90", 3, 21, None, False)
    assert tuple(aged.values()) == ("SKU-1", "181-270", 2, 14, None, True)
    assert (
        "amzigo costs import"
        in world.one("SELECT reason FROM mart_notes WHERE column_name = 'value_at_cost'")["reason"]
    )
    world.write(LAST, product_costs=[cost("SKU-1"), cost("SKU-1", marketplace_id=DE, currency="EUR")])
    world.publish()
    assert [r["value_at_cost"] for r in world.rows("SELECT * FROM inventory_aging ORDER BY age_band")] == [
        Decimal("7.50"), Decimal("5.00"),
    ]  # fmt: skip


def test_stockouts_cost_velocity_times_days_times_price(world: World) -> None:
    # Ten days: 2 units a day at 5.00 on six of them, nothing there on four; in Japan never anything there.
    for offset, units in enumerate([2, 2, 2, 0, 0, 0, 0, 2, 2, 2]):
        there = stock("SKU-1", 5 if units else 0), stock("SKU-1", 0, JP)
        sell(world, LAST - timedelta(days=9 - offset), units, *there, unit_price=money(5))
    world.write(LAST, listings=[listing("SKU-1", 9), listing("SKU-1", 990, JP)])
    world.publish()
    rows = {r["marketplace_id"]: r for r in world.rows("SELECT * FROM stockouts")}
    us, jp = rows[US], rows[JP]
    assert (us["out_of_stock_days"], us["velocity"], us["lost_units"], us["is_out_of_stock"]) == (4, 2.0, 8.0, False)
    assert (us["price"], us["lost_sales"], us["currency"]) == (5, 40, "USD")
    # Nothing is known of its demand: the days are told, and no number is made up.
    assert (jp["out_of_stock_days"], jp["velocity"], jp["lost_units"], jp["lost_sales"]) == (10, None, None, None)
    assert (jp["is_out_of_stock"], jp["price"]) == (True, 990)


def test_stranded_stock_is_that_of_the_newest_day_also_when_there_is_none(world: World) -> None:
    row = {
        "marketplace_id": DE, "sku": "SKU-1", "condition": "New", "taken_at": NOW, "fulfillable_units": 3,
        "price": money("4.20"), "stranded_on": LAST - timedelta(days=5), "reason": "NO_LISTING",
    }  # fmt: skip
    world.write(LAST - timedelta(days=1), stranded_inventory=[row])
    world.publish()
    found = world.one("SELECT days_stranded AS d, units AS u, value_at_price AS v, currency AS c FROM stranded")
    assert found == {"d": 4, "u": 3, "v": Decimal("12.60"), "c": "EUR"}
    world.write(LAST, stranded_inventory=[])
    world.publish()
    assert world.rows("SELECT * FROM stranded") == []


def test_excess_by_amazon_and_by_our_own_cover(world: World) -> None:
    for offset in range(2):
        sell(world, LAST - timedelta(days=offset), 1, stock("SKU-1", 200), stock("FINE", 5))
    rows = [planned("SKU-1", available_units=200, excess_units=40, estimated_storage_cost=money(3)),
            planned("FINE", available_units=5, excess_units=0)]  # fmt: skip
    world.write(LAST, inventory_planning=rows)
    world.publish()
    # FINE sells nothing, so that all of it is beyond 90 days.
    fine, much = world.rows("SELECT * FROM excess ORDER BY sku")
    assert (fine["excess_units"], fine["units_beyond_90_days"], fine["days_of_cover"]) == (0, 5, None)
    assert (much["excess_units"], much["units_beyond_90_days"], much["days_of_cover"]) == (40, 110, 200.0)
    assert (much["excess_value_at_price"], much["currency"]) == (280, "USD")


def test_the_ledger_balances_or_says_by_how_much_it_does_not(world: World) -> None:
    def line(sku: str, **units: int) -> dict[str, Any]:
        return {
            "marketplace_id": US, "day_on": LAST, "fn_sku": sku, "sku": sku, "disposition": "SELLABLE",
            "location": "US", **units,
        }  # fmt: skip

    right = line(
        "RIGHT", start_units=10, received_units=5, shipped_units=-3, lost_units=-2, found_units=1, end_units=11
    )
    wrong = line("WRONG", start_units=10, damaged_units=-1, end_units=10)
    world.write(LAST, inventory_ledger_summary=[right, wrong])
    world.publish()
    rows = world.rows("SELECT expected_end_units AS e, difference_units AS d, shrinkage_units AS s FROM ledger_balance "
                      "ORDER BY sku")  # fmt: skip
    assert rows == [{"e": 11, "d": 0, "s": 1}, {"e": 9, "d": 1, "s": 0}]


def test_the_reorder_plan_follows_the_formula(world: World) -> None:
    sold = [2, 4, 0, 2]
    for offset, units in enumerate(sold):
        sell(
            world,
            LAST - timedelta(days=3 - offset),
            units,
            stock("SKU-1", 20, inbound_shipped_units=3),
            stock("NEW", 1),
        )
    world.write(
        LAST, product_costs=[cost("SKU-1"), cost("SKU-1", marketplace_id=DE, currency="EUR", unit_cost=money(9))]
    )
    world.publish()
    row = world.one("SELECT * FROM reorder_plan WHERE sku = 'SKU-1'")
    demand, deviation = 2.0, math.sqrt(sum((u - 2) ** 2 for u in sold) / 3)
    safety = 1.6449 * math.sqrt(10 * deviation**2 + demand**2 * 2**2)
    assert (row["demand"], row["available_units"]) == (demand, 23)
    assert row["demand_deviation"] == pytest.approx(deviation)
    assert row["safety_stock_units"] == math.ceil(safety) == 11
    assert row["reorder_point_units"] == math.ceil(demand * 10 + safety) == 31
    assert row["is_due"] is True
    assert row["order_units"] == math.ceil(demand * 40 + safety - 23) == 68
    assert row["order_cost"] == 170
    assert (
        row["order_by_on"] == LAST + timedelta(days=math.floor((23 - safety) / demand - 10)) == LAST - timedelta(days=4)
    )
    assert row["plan_note"] is None
    new = world.one("SELECT * FROM reorder_plan WHERE sku = 'NEW'")
    assert (new["order_units"], new["safety_stock_units"], new["plan_note"][:26]) == (
        None,
        None,
        "no costs of this SKU: add ",
    )


def test_the_minimum_order_holds_and_a_newer_costs_file_replaces_all_of_the_older(world: World) -> None:
    sell(world, LAST, 1, stock("SKU-1", 39))
    world.write(LAST - timedelta(days=1), product_costs=[cost("SKU-1"), cost("GONE")])
    world.write(
        LAST, product_costs=[cost("SKU-1", lead_time_days=10, lead_time_deviation_days=0.0, minimum_order_units=50)]
    )
    world.publish()
    row = world.one("SELECT order_units, order_cost, is_due FROM reorder_plan")
    assert row == {"order_units": 50, "order_cost": 125, "is_due": False}


def test_abc_by_share_of_sales_and_xyz_by_weekly_variation(world: World) -> None:
    orders, items = [], []

    def sold(day: date, sku: str, units: int, price: object) -> None:
        o = order(f"{day}-{sku}", f"{day}T19:00:00")
        orders.append(o)
        items.append(item(o, sku=sku, quantity_ordered=units, unit_price=money(price)))

    for week in range(12):
        sold(LAST - timedelta(days=7 * week), "STEADY", 5, "13.50")  # 810 of 1,000
    sold(LAST, "SPIKE", 10, "10.00")  # 100
    sold(LAST - timedelta(days=70), "SPIKE", 5, "10.00")  # 50
    sold(LAST, "TAIL", 4, "10.00")  # 40
    de = order("DE", f"{LAST}T12:00:00", marketplace_id=DE)
    orders.append(de)
    items.append(item(de, sku="TAIL"))
    world.write(LAST, orders=orders, order_items=items)
    world.publish()
    rows = {r["sku"]: r for r in world.rows(f"SELECT * FROM abc_xyz WHERE marketplace_id = '{US}'")}
    assert {sku: (r["abc"], r["xyz"], r["sales_rank"]) for sku, r in rows.items()} == {
        "STEADY": ("A", "X", 1), "SPIKE": ("B", "Z", 2), "TAIL": ("C", "Z", 3),
    }  # fmt: skip
    assert rows["STEADY"]["sales_share"] == pytest.approx(0.81)
    assert (rows["STEADY"]["variation"], rows["TAIL"]["variation"]) == (0.0, None)
    # Eleven weeks with 10, 5 and nine times nothing: average 15 / 11.
    assert (rows["SPIKE"]["weeks"], rows["SPIKE"]["weekly_units_average"]) == (11, pytest.approx(15 / 11))
    variance = (100 + 25 - 11 * (15 / 11) ** 2) / 10
    assert rows["SPIKE"]["variation"] == pytest.approx(math.sqrt(variance) / (15 / 11))
    assert world.one(f"SELECT abc, sales_share AS s FROM abc_xyz WHERE marketplace_id = '{DE}'") == {
        "abc": "A",
        "s": 1.0,
    }
