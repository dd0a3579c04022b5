"""Ages of stock, and stock that is stranded, against stock and orders themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from amzigo_pipelines.simulator import truth, truth_reports
from amzigo_pipelines.simulator.marketplaces import MARKETPLACES
from amzigo_pipelines.simulator.report_planning import HEADER
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.stranding import stranded_since
from amzigo_pipelines.simulator.world import World

from .conftest import NOW, Client
from .report_kit import rows_of

PLANNING, STRANDED = "GET_FBA_INVENTORY_PLANNING_DATA", "GET_STRANDED_INVENTORY_UI_DATA"
LISTINGS = "GET_MERCHANT_LISTINGS_ALL_DATA"
COARSE = ("0-to-90", "91-to-180", "181-to-270", "271-to-365", "365-plus")
FINE = ("0-to-30", "31-to-60", "61-to-90", "91-to-180", "181-to-330", "331-to-365", "365-plus")


@pytest.mark.parametrize("seller_id", ["NORTH", "EUROPE", "FAREAST"])
def test_ages_add_up_and_speeds_are_what_was_shipped(server: SimulatorServer, world: World, seller_id: str) -> None:
    client = Client(server.url, world.profile(seller_id))
    market = MARKETPLACES[client.seller.marketplace_ids[-1]]
    rows = rows_of(client, PLANNING, marketplaceIds=[market.marketplace_id])
    levels = {
        sku: value for (sku, m), value in truth.stock(world, seller_id, NOW).items() if m == market.marketplace_id
    }
    assert tuple(rows[0]) == HEADER and {row["sku"] for row in rows} == set(levels)
    shipments = [
        s for s in truth_reports.fba_shipments(world, seller_id, NOW) if s.marketplace_id == market.marketplace_id
    ]
    for row in rows:
        level = levels[row["sku"]]
        assert sum(int(row[f"inv-age-{band}-days"]) for band in COARSE) == level.on_hand
        assert sum(int(row[f"inv-age-{band}-days"]) for band in FINE) == level.on_hand
        assert (int(row["available"]), int(row["reserved-quantity"])) == (level.fulfillable, level.reserved)
        assert int(row["unfulfillable-quantity"]) == level.unfulfillable
        assert int(row["inbound-quantity"]) == level.inbound
        assert row["snapshot-date"] == NOW.astimezone(market.zone).date().isoformat()
        for days in (7, 30, 60, 90):
            sent = [s for s in shipments if s.sku == row["sku"] and NOW - s.shipped_at < timedelta(days=days)]
            assert int(row[f"units-shipped-t{days}"]) == sum(s.quantity for s in sent)
            assert Decimal(row[f"sales-shipped-last-{days}-days"]) == sum(s.sales for s in sent)
        if int(row["units-shipped-t30"]):
            weeks = int(row["available"]) * 30 / int(row["units-shipped-t30"]) / 7
            assert abs(float(row["weeks-of-cover-t30"]) - weeks) <= 0.051
        else:
            assert row["weeks-of-cover-t30"] == ""
    old = [row for row in rows if row["inv-age-181-to-270-days"] != "0" or row["inv-age-365-plus-days"] != "0"]
    assert old or seller_id == "FAREAST"


def test_a_stranded_listing_has_stock_and_no_sales(server: SimulatorServer, world: World) -> None:
    seen = 0
    for day in range(5, 33, 3):
        now = datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=day)
        server.clock.set(now)  # type: ignore[attr-defined]
        for seller_id in ("NORTH", "EUROPE", "FAREAST"):
            client = Client(server.url, world.profile(seller_id))
            market = MARKETPLACES[client.seller.marketplace_ids[0]]
            rows = rows_of(client, STRANDED)
            expected = truth_reports.stranded(world, seller_id, now)
            assert {r["sku"] for r in rows} == {sku for sku, m in expected if m == market.marketplace_id}
            status = {row["seller-sku"]: row["status"] for row in rows_of(client, LISTINGS)}
            for row in rows:
                level = truth.stock(world, seller_id, now)[row["sku"], market.marketplace_id]
                units = (level.fulfillable, level.unfulfillable, level.reserved)
                assert (row["fulfillable-qty"], row["unfulfillable-qty"], row["reserved-quantity"]) == tuple(
                    str(n) for n in units
                ) and any(units)
                assert status[row["sku"]] == "Inactive"
                listing = world.seller(seller_id, now).catalogue.listings[row["sku"], market.marketplace_id]
                since = stranded_since(listing, int(now.timestamp()))
                assert since is not None
                assert row["date-stranded"] == datetime.fromtimestamp(since, market.zone).date().isoformat()
                assert row["date-stranded"] < row["date-classified-as-unsellable"]
                seen += 1
    assert 10 < seen < 300


def test_nobody_orders_what_is_stranded(world: World) -> None:
    orders = [order for seller_id in ("NORTH", "EUROPE") for order in world.seller(seller_id, NOW).orders]
    assert not any(stranded_since(item.listing, order.created_at) for order in orders for item in order.items)
