"""The report of FBA shipments: what left, when, for how much; people by role only."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest

from amzigo_pipelines.simulator import truth, truth_reports
from amzigo_pipelines.simulator.report_fba_shipments import HEADER
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World

from .conftest import NOW, Client
from .report_kit import rows_of, text_of

SHIPMENTS = "GET_AMAZON_FULFILLED_SHIPMENTS_DATA_GENERAL"
START = NOW - timedelta(days=31)
BUYER = [name for name in HEADER if name.startswith(("buyer-", "bill-"))]
RECIPIENT = ["recipient-name", "ship-address-1", "ship-postal-code", "ship-phone-number", "tracking-number"]


@pytest.mark.parametrize("seller_id", ["NORTH", "EUROPE", "FAREAST"])
def test_it_tells_what_left(server: SimulatorServer, world: World, seller_id: str) -> None:
    client = Client(server.url, world.profile(seller_id))
    rows = rows_of(client, SHIPMENTS, START, NOW, marketplaceIds=list(client.seller.marketplace_ids))
    sent = truth_reports.fba_shipments(world, seller_id, NOW)
    known = [s for s in sent if s.shipped_at >= START and s.reported_at <= NOW]
    assert len(known) > 100 and len(HEADER) == 48
    assert Counter(
        (r["amazon-order-item-id"], r["shipment-date"], int(r["quantity-shipped"]), Decimal(r["item-price"]))
        for r in rows
    ) == Counter((s.order_item_id, s.shipped_at.isoformat(), s.quantity, s.sales) for s in known)
    assert [r["shipment-date"] for r in rows] == sorted(r["shipment-date"] for r in rows)
    keys = [(r["shipment-id"], r["shipment-item-id"]) for r in rows]
    assert len(set(keys)) == len(keys)
    strings = set(truth.people(world, seller_id, NOW))
    for row in rows:
        assert tuple(row) == HEADER and row["fulfillment-channel"] == "AFN"
        assert {row[name] for name in ("buyer-email", "recipient-name", "tracking-number")} <= strings
        assert row["purchase-date"] < row["payments-date"] < row["shipment-date"] < row["reporting-date"]


def test_parcels_of_an_item_add_up_to_the_item(world: World, north: Client) -> None:
    rows = rows_of(north, SHIPMENTS, START, NOW, marketplaceIds=list(north.seller.marketplace_ids))
    amounts = ("item-price", "item-tax", "shipping-price", "shipping-tax", "gift-wrap-price")
    sums: dict[tuple[str, str], Decimal] = {}
    parcels: Counter[str] = Counter()
    for row in rows:
        parcels[row["amazon-order-item-id"]] += 1
        discounts = Decimal(row["item-promotion-discount"]) + Decimal(row["ship-promotion-discount"])
        assert discounts <= 0
        key = (row["amazon-order-id"], row["amazon-order-item-id"])
        sums[key] = sums.get(key, Decimal()) + sum(Decimal(row[name]) for name in amounts) + discounts
    assert max(parcels.values()) == 2
    items = {
        (order.order_id, item.order_item_id): item.total
        for order in truth.orders(world, "NORTH", NOW - timedelta(days=1))
        for item in order.items
        if order.shipped_at is not None and order.channel == "AMAZON" and order.created_at >= START
    }
    assert len(items) > 200 and {key: sums[key] for key in items} == items


@pytest.mark.parametrize(
    ("seller_id", "shown", "hidden"), [("SILENT", RECIPIENT, BUYER), ("FORBIDDEN", BUYER, RECIPIENT)]
)
def test_people_come_by_role(
    server: SimulatorServer, world: World, seller_id: str, shown: list[str], hidden: list[str]
) -> None:
    rows = rows_of(Client(server.url, world.profile(seller_id)), SHIPMENTS, START, NOW)
    assert rows and not any(row[name] for row in rows for name in hidden)
    assert all(any(row[name] for row in rows) for name in shown if not name.endswith(("-2", "-3")))
    assert all(row["ship-city"] and row["ship-country"] for row in rows)


def test_a_parcel_is_known_late_and_a_window_is_a_month_at_most(world: World, server: SimulatorServer) -> None:
    client = Client(server.url, world.profile("NORTH"))
    market = client.seller.marketplace_ids[0]
    late = [s for s in truth_reports.fba_shipments(world, "NORTH", NOW) if s.marketplace_id == market][100]
    assert timedelta(minutes=10) < late.reported_at - late.shipped_at < timedelta(hours=6)
    server.clock.set(late.reported_at - timedelta(seconds=1))  # type: ignore[attr-defined]
    window = (late.shipped_at, late.shipped_at)
    assert late.order_item_id not in {r["amazon-order-item-id"] for r in rows_of(client, SHIPMENTS, *window)}
    server.clock.set(late.reported_at)  # type: ignore[attr-defined]
    assert late.order_item_id in {r["amazon-order-item-id"] for r in rows_of(client, SHIPMENTS, *window)}
    assert "\t" not in text_of(client, SHIPMENTS, late.shipped_at, late.shipped_at + timedelta(days=32))
