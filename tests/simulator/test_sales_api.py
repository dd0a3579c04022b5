"""getOrderMetrics: intervals, filters, what is refused, and that sums are the world's truth."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from amzigo_pipelines.simulator import truth, truth_sales
from amzigo_pipelines.simulator.order_sums import OrderFilter
from amzigo_pipelines.simulator.server import SimulatorServer

from .conftest import NOW

PATH = "/sales/v1/orderMetrics"
DE = "A1PA6795UKMFR9"
DAYS = "2026-01-20T00:00:00+01:00--2026-01-23T00:00:00+01:00"


def asked(client: Any, **params: Any) -> Any:
    wanted = {"marketplaceIds": DE, "interval": DAYS, "granularity": "Day", "granularityTimeZone": "Europe/Berlin"}
    return client.http.get(PATH, params={k: v for k, v in (wanted | params).items() if v is not None})


def payload(client: Any, **params: Any) -> list[dict[str, Any]]:
    answer = asked(client, **params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["payload"]
    return found


def figures(entry: dict[str, Any]) -> tuple[int, int, int, Decimal]:
    assert entry["totalSales"]["currencyCode"] == entry["averageUnitPrice"]["currencyCode"] == "EUR"
    return entry["orderCount"], entry["orderItemCount"], entry["unitCount"], Decimal(entry["totalSales"]["amount"])


@pytest.mark.parametrize(
    ("params", "which"),
    [
        ({}, OrderFilter()),
        ({"buyerType": "B2B"}, OrderFilter(buyer_type="B2B")),
        ({"buyerType": "B2C"}, OrderFilter(buyer_type="B2C")),
        ({"fulfillmentNetwork": "AFN"}, OrderFilter(network="AFN")),
        ({"fulfillmentNetwork": "MFN"}, OrderFilter(network="MFN")),
    ],
    ids=str,
)
def test_days_are_the_truth(europe: Any, server: SimulatorServer, params: dict[str, str], which: OrderFilter) -> None:
    known = truth_sales.order_metrics(server.world, "EUROPE", NOW, which)
    entries = payload(europe, **params)
    assert [entry["interval"] for entry in entries] == [
        f"2026-01-{day}T00:00+01:00--2026-01-{day + 1}T00:00+01:00" for day in (20, 21, 22)
    ]
    for entry, day in zip(entries, (20, 21, 22), strict=True):
        told = known[date(2026, 1, day), DE]
        assert figures(entry) == (told.orders, told.order_items, told.units, told.sales)


def test_sums_are_of_single_orders_that_are_not_cancelled(europe: Any, server: SimulatorServer) -> None:
    own = [
        order
        for order in truth.orders(server.world, "EUROPE", NOW)
        if order.marketplace_id == DE and order.local_day == date(2026, 1, 21) and order.status != "CANCELLED"
    ]
    entry = payload(europe)[1]
    assert figures(entry) == (
        len(own),
        sum(len(order.items) for order in own),
        sum(item.quantity for order in own for item in order.items),
        sum((item.sales for order in own for item in order.items), Decimal()),
    )
    assert Decimal(entry["averageUnitPrice"]["amount"]) == round(figures(entry)[3] / figures(entry)[2], 2)
    sku = own[0].items[0].sku
    asin = own[0].items[0].asin
    by_sku, by_asin = (payload(europe, **{name: value})[1] for name, value in (("sku", sku), ("asin", asin)))
    assert 0 < by_sku["unitCount"] <= by_asin["unitCount"] < entry["unitCount"]


def test_hours_and_the_total_add_up_to_the_days(europe: Any) -> None:
    days = payload(europe)
    hours = payload(europe, granularity="Hour")
    (total,) = payload(europe, granularity="Total", granularityTimeZone=None)
    assert len(hours) == 72
    for name in ("unitCount", "orderItemCount", "orderCount"):
        assert sum(e[name] for e in days) == sum(e[name] for e in hours) == total[name] > 0
    assert total["interval"] == "2026-01-20T00:00+01:00--2026-01-23T00:00+01:00"


def test_edges_that_cut_a_day_give_parts_of_it(europe: Any) -> None:
    entries = payload(europe, interval="2026-01-20T18:00:00+01:00--2026-01-22T06:00:00+01:00")
    assert [entry["interval"].partition("--")[0] for entry in entries] == [
        "2026-01-20T18:00+01:00",
        "2026-01-21T00:00+01:00",
        "2026-01-22T00:00+01:00",
    ]
    whole = payload(europe)
    assert entries[1]["orderCount"] == whole[1]["orderCount"] and entries[0]["orderCount"] < whole[0]["orderCount"]


def test_utc_is_written_as_z(europe: Any) -> None:
    interval = "2026-01-20T00:00:00Z--2026-01-21T00:00:00Z"
    (entry,) = payload(europe, interval=interval, granularityTimeZone="UTC")
    assert entry["interval"] == "2026-01-20T00:00Z--2026-01-21T00:00Z"


@pytest.mark.parametrize(
    "params",
    [
        {"marketplaceIds": None},
        {"marketplaceIds": f"{DE},A1F83G8C2ARO7P"},
        {"granularity": None},
        {"granularity": "Fortnight"},
        {"granularityTimeZone": None},
        {"granularityTimeZone": "Europe/Atlantis"},
        {"granularityTimeZone": "America/Los_Angeles"},
        {"interval": "2026-01-20T00:00:00--2026-01-23T00:00:00"},
        {"interval": "2026-01-20T00:00:00+01:00"},
        {"interval": "yesterday--today"},
        {"interval": "2026-01-23T00:00:00+01:00--2026-01-20T00:00:00+01:00"},
        {"interval": "2026-01-20T00:00:00Z--2026-01-23T00:00:00Z"},
        {"interval": "2026-01-20T00:00:00+02:00--2026-01-23T00:00:00+01:00"},
        {"interval": "2023-01-20T00:00:00+01:00--2026-01-23T00:00:00+01:00"},
        {"granularity": "Hour", "interval": "2025-12-20T00:00:00+01:00--2026-01-23T00:00:00+01:00"},
        {"buyerType": "Friends"},
        {"fulfillmentNetwork": "Pigeons"},
        {"asin": "B000000000", "sku": "SKU-1"},
    ],
    ids=str,
)
def test_what_amazon_refuses_is_refused(europe: Any, params: dict[str, Any]) -> None:
    assert asked(europe, **params).status_code == 400


def test_other_marketplaces_are_denied(north: Any) -> None:
    assert asked(north).status_code == 403


def test_what_is_cancelled_later_is_taken_off_later(europe: Any, server: SimulatorServer) -> None:
    before = {k: t.orders for k, t in truth_sales.order_metrics(server.world, "EUROPE", NOW).items()}
    after = {k: t.orders for k, t in truth_sales.order_metrics(server.world, "EUROPE", NOW + timedelta(days=9)).items()}
    assert any(after[key] < count for key, count in before.items() if key[0] < NOW.date())
    assert not any(after[key] > count for key, count in before.items() if key[0] < NOW.date())
