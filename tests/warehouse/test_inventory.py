"""Stock and cover, with numbers worked out by hand."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.warehouse.conftest import World, item, order, stock

LAST = date(2026, 6, 14)


def test_position_is_the_newest_snapshot_of_each_sku(world: World) -> None:
    world.write(LAST - timedelta(days=1), fba_inventory=[stock("OLD", 3), stock("SKU-1", 9)])
    world.write(LAST, fba_inventory=[stock("SKU-1", 4, reserved_units=2)])
    world.publish()
    rows = world.rows(
        "SELECT sku, fulfillable_units AS f, reserved_units AS r, is_current AS c FROM inventory_position ORDER BY 1"
    )
    assert rows == [{"sku": "OLD", "f": 3, "r": None, "c": False}, {"sku": "SKU-1", "f": 4, "r": 2, "c": True}]
    assert world.rows("SELECT sku, fulfillable_units AS f FROM inventory_cover ORDER BY 1") == [
        {"sku": "OLD", "f": 0}, {"sku": "SKU-1", "f": 4},
    ]  # fmt: skip


def test_velocity_leaves_out_of_stock_days_out(world: World) -> None:
    # Ten days of closing stock; sales on day 0 (8 units), day 3 (its last 2 units) and day 9 (2 units).
    # Empty at the close on days 3 to 7; on day 3 something was still sold, so days 4 to 7 are out of stock.
    levels = [10, 2, 2, 0, 0, 0, 0, 0, 8, 6]
    sold = {0: 8, 3: 2, 9: 2}
    for offset, level in enumerate(levels):
        day = LAST - timedelta(days=9 - offset)
        orders = [order(f"O{offset}", f"{day}T20:00:00")] if offset in sold else []
        world.write(
            day,
            orders=orders,
            order_items=[item(o, quantity_ordered=sold[offset]) for o in orders],
            fba_inventory=[stock("SKU-1", level, inbound_shipped_units=3, inbound_working_units=3)],
        )
    world.publish()
    row = world.one("SELECT * FROM inventory_cover")
    assert (row["as_of"], row["units_7d"], row["units_30d"], row["units_90d"]) == (LAST, 4, 12, 12)
    # 7 days: offsets 3..9, of which 4, 5, 6, 7 are out of stock. 30 and 90: only ten days are known, less those four.
    assert (row["in_stock_days_7d"], row["in_stock_days_30d"], row["in_stock_days_90d"]) == (3, 6, 6)
    assert row["velocity_7d"] == pytest.approx(4 / 3)
    assert (row["velocity_30d"], row["velocity_90d"]) == (2.0, 2.0)
    assert (row["days_of_cover"], row["days_of_cover_with_inbound"]) == (3.0, 6.0)
    assert row["weeks_of_cover"] == pytest.approx(3 / 7)
    assert row["sell_through_90d"] == pytest.approx(12 / 2.8)  # average of the ten closing levels


def test_cover_counts_what_takes_stock_and_guards_zero(world: World) -> None:
    pending = order("P", "2026-06-14T18:00:00", status="PENDING", currency=None)
    gone = order("C", "2026-06-14T18:00:00", status="CANCELLED")
    own = order("M", "2026-06-14T18:00:00", fulfilled_by="MERCHANT")
    future = order("F", "2026-06-15T18:00:00")
    orders = [pending, gone, own, future]
    world.write(
        LAST,
        orders=orders,
        order_items=[item(pending, unit_price=None), item(gone), item(own), item(future)],
        fba_inventory=[stock("SKU-1", 5), stock("IDLE", 5), stock("NEVER", 0)],
    )
    world.publish()
    rows = {row["sku"]: row for row in world.rows("SELECT * FROM inventory_cover")}
    assert (rows["SKU-1"]["units_7d"], rows["SKU-1"]["velocity_7d"]) == (1, 1.0)
    assert (rows["IDLE"]["velocity_30d"], rows["IDLE"]["days_of_cover"], rows["IDLE"]["sell_through_90d"]) == (
        0.0,
        None,
        0.0,
    )
    assert (rows["NEVER"]["velocity_30d"], rows["NEVER"]["days_of_cover"], rows["NEVER"]["sell_through_90d"]) == (
        None,
    ) * 3
