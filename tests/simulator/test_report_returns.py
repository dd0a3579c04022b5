"""The reports of returns against the truth: to Amazon with the buyer's words, to the merchant as they go on."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from amzigo_pipelines.simulator import truth, truth_reports
from amzigo_pipelines.simulator.marketplaces import MARKETPLACES
from amzigo_pipelines.simulator.report_returns import FBA_HEADER, MERCHANT_HEADER
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World

from .conftest import NOW, Client
from .report_kit import rows_of, text_of

FBA, MERCHANT = "GET_FBA_FULFILLMENT_CUSTOMER_RETURNS_DATA", "GET_FLAT_FILE_RETURNS_DATA_BY_RETURN_DATE"
WHY = ("detailed-disposition", "reason", "customer-comments")
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("seller_id", ["NORTH", "EUROPE", "FAREAST"])
def test_fba_returns_are_the_truth(server: SimulatorServer, world: World, seller_id: str) -> None:
    client = Client(server.url, world.profile(seller_id))
    rows = rows_of(client, FBA, START, NOW, marketplaceIds=list(client.seller.marketplace_ids))
    channels = {order.order_id: order.channel for order in truth.orders(world, seller_id, NOW)}
    expected = [back for back in truth.returns(world, seller_id, NOW) if channels[back.order_id] == "AMAZON"]
    assert tuple(rows[0]) == FBA_HEADER and len(expected) > 2
    assert Counter(
        (r["order-id"], r["sku"], r["return-date"], r["quantity"], *(r[name] for name in WHY)) for r in rows
    ) == Counter(
        (b.order_id, b.sku, b.returned_at.isoformat(), str(b.quantity), b.disposition, b.reason, b.comment)
        for b in expected
    )
    assert [r["return-date"] for r in rows] == sorted(r["return-date"] for r in rows)
    comments = {r["customer-comments"] for r in rows} - {""}
    assert comments and comments <= set(truth.people(world, seller_id, NOW))
    assert len({r["license-plate-number"] for r in rows}) == len(rows)


@pytest.mark.parametrize("seller_id", ["NORTH", "EUROPE", "SILENT"])
def test_merchant_returns_are_the_truth(server: SimulatorServer, world: World, seller_id: str) -> None:
    client = Client(server.url, world.profile(seller_id))
    rows = rows_of(client, MERCHANT, START, NOW, marketplaceIds=list(client.seller.marketplace_ids))
    orders = {order.order_id: order for order in truth.orders(world, seller_id, NOW)}
    places = {name: MARKETPLACES[order.marketplace_id] for name, order in orders.items()}
    expected = [back for back in truth.returns(world, seller_id, NOW) if orders[back.order_id].channel == "MERCHANT"]
    done = [row for row in rows if row["Return request status"] == "Completed"]
    assert expected and tuple(rows[0]) == MERCHANT_HEADER
    assert Counter(
        (r["Order ID"], r["Merchant SKU"], r["Return delivery date"], int(r["Return quantity"])) for r in done
    ) == Counter(
        (b.order_id, b.sku, b.returned_at.astimezone(places[b.order_id].zone).strftime("%d-%b-%Y"), b.quantity)
        for b in expected
    )
    open_requests = [row for row in rows if row["Return request status"] == "Approved"]
    assert all(row["Return delivery date"] == row["Refunded Amount"] == "" for row in open_requests)
    asked = truth_reports.return_requests(world, seller_id, NOW)
    days = {a.tracking_number: a.requested_at.astimezone(places[a.order_id].zone).date() for a in asked}
    assert {r["Tracking ID"]: datetime.strptime(r["Return request date"], "%d-%b-%Y").date() for r in rows} == days
    assert Counter((r["Order ID"], r["Tracking ID"], r["Merchant SKU"], r["Return Reason"]) for r in rows) == Counter(
        (a.order_id, a.tracking_number, a.sku, f"CR-{a.reason}") for a in asked
    )
    assert sum(a.returned_at is not None for a in asked) == len(done)
    people = set(truth.people(world, seller_id, NOW))
    for row in rows:
        order = orders[row["Order ID"]]
        assert row["Tracking ID"] in people and Decimal(row["Order Amount"]) == order.total
        assert row["Currency code"] == order.currency
        assert row["Order date"] == order.local_day.strftime("%d-%b-%Y")
        requested = datetime.strptime(row["Return request date"], "%d-%b-%Y").date()
        assert order.local_day < requested
        assert not row["Refunded Amount"] or 0 < Decimal(row["Refunded Amount"]) <= order.total


def test_a_request_becomes_a_return(server: SimulatorServer, world: World) -> None:
    client = Client(server.url, world.profile("EUROPE"))
    markets = list(client.seller.marketplace_ids)
    before = rows_of(client, MERCHANT, START, NOW, marketplaceIds=markets)
    waiting = {row["Order ID"] for row in before if row["Return request status"] == "Approved"}
    assert waiting
    server.clock.set(NOW + timedelta(days=25))  # type: ignore[attr-defined]
    after = {row["Order ID"]: row for row in rows_of(client, MERCHANT, START, NOW, marketplaceIds=markets)}
    assert set(after) == {row["Order ID"] for row in before}
    assert all(after[order_id]["Return delivery date"] for order_id in waiting)
    assert "\t" not in text_of(client, MERCHANT, START, START + timedelta(days=61))
