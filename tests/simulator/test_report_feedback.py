"""Feedback and account health against the truth; headers and dates in the languages that Amazon has."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from amzigo_pipelines.simulator import truth, truth_reports
from amzigo_pipelines.simulator.catalogue import MERCHANT
from amzigo_pipelines.simulator.marketplaces import BY_COUNTRY, MARKETPLACES
from amzigo_pipelines.simulator.report_listings import HEADER as LISTINGS_HEADER
from amzigo_pipelines.simulator.world import World, WorldConfig

from .conftest import Client, profile
from .report_kit import rows_of, running, text_of

FEEDBACK, HEALTH = "GET_SELLER_FEEDBACK_DATA", "GET_V2_SELLER_PERFORMANCE_REPORT"
LISTINGS = "GET_MERCHANT_LISTINGS_ALL_DATA"
START, LATER = datetime(2025, 10, 1, tzinfo=UTC), datetime(2026, 2, 2, 12, tzinfo=UTC)
ENGLISH = ["Date", "Rating", "Comments", "Your Response", "Order ID", "Rater Email"]


@pytest.fixture(scope="module")
def long_world() -> World:
    """Four months, because feedback is rare."""
    sellers = (
        profile("NORTH", "US", "CA", orders_per_day=60),
        profile("EUROPE", "DE", "GB", "FR", orders_per_day=60),
        profile("FAREAST", "JP", orders_per_day=40),
    )
    return World(WorldConfig(seed=5, first_day=START.date(), sellers=sellers))


def written(day: date, country: str) -> str:
    return {
        "US": f"{day.month}/{day.day}/{day:%y}",
        "DE": f"{day:%d.%m.%y}",
        "JP": f"{day:%Y/%m/%d}",
    }.get(country, f"{day:%d/%m/%y}")


@pytest.mark.parametrize(
    ("seller_id", "country", "header"),
    [
        ("NORTH", "US", ENGLISH),
        ("NORTH", "CA", ENGLISH),
        ("EUROPE", "GB", ENGLISH),
        (
            "EUROPE",
            "DE",
            ["Datum", "Bewertung", "Kommentare", "Ihre Antwort", "Bestellnummer", "E-Mail des Bewerters"],
        ),
        ("FAREAST", "JP", ["日付", "評価", "コメント", "返答", "注文番号", "評価者のEメール"]),
    ],
)
def test_feedback_is_the_truth_in_the_language_of_the_marketplace(
    long_world: World, seller_id: str, country: str, header: list[str]
) -> None:
    market = BY_COUNTRY[country]
    with running(long_world, seller_id, now=LATER) as (_, (client,)):
        rows = rows_of(client, FEEDBACK, START, LATER, marketplaceIds=[market.marketplace_id])
    expected = [
        f for f in truth_reports.feedback(long_world, seller_id, LATER) if f.marketplace_id == market.marketplace_id
    ]
    assert expected and list(rows[0]) == header
    found = [[row[name] for name in header] for row in rows]
    assert Counter((day, rating, comment, order, mail) for day, rating, comment, _, order, mail in found) == Counter(
        (written(f.at.astimezone(market.zone).date(), country), str(f.rating), f.comment, f.order_id, f.rater_email)
        for f in expected
    )
    assert all((answer == "") == (int(rating) > 3) for _, rating, _, answer, _, _ in found)


def test_about_one_delivered_order_in_a_hundred_gets_feedback_and_its_words_are_personal(long_world: World) -> None:
    given = truth_reports.feedback(long_world, "NORTH", LATER)
    delivered = truth.deliveries(long_world, "NORTH", LATER - timedelta(days=15))
    share = sum(f.order_id in delivered for f in given) / len(delivered)
    assert 0.005 < share < 0.02
    people = set(truth.people(long_world, "NORTH", LATER))
    assert all({f.comment, f.rater_email} <= people and len(f.comment) > 10 for f in given)
    delivered = truth.deliveries(long_world, "NORTH", LATER)
    assert all(f.at > delivered[f.order_id] for f in given)
    assert len({f.rating for f in given}) > 2


@pytest.mark.parametrize(("seller_id", "country"), [("EUROPE", "DE"), ("FAREAST", "JP"), ("EUROPE", "GB")])
def test_the_listings_report_is_translated_if_wanted(long_world: World, seller_id: str, country: str) -> None:
    asked = {"marketplaceIds": [BY_COUNTRY[country].marketplace_id]}
    with running(long_world, seller_id, now=LATER) as (_, (client,)):
        plain = rows_of(client, LISTINGS, **asked)
    with running(long_world, seller_id, now=LATER, report_localised=True) as (_, (client,)):
        translated = rows_of(client, LISTINGS, **asked)
    assert list(plain[0]) == list(LISTINGS_HEADER)
    sku, price = {"DE": ("Händler-SKU", "Preis"), "JP": ("出品者SKU", "価格")}.get(country, ("seller-sku", "price"))
    assert [(row["seller-sku"], row["price"]) for row in plain] == [(row[sku], row[price]) for row in translated]
    assert ("status" in translated[0]) == (country == "GB")


def health(client: Client) -> dict[str, dict[str, Any]]:
    text = text_of(client, HEALTH, marketplaceIds=list(client.seller.marketplace_ids))
    body = json.loads(text)
    assert set(body) == {"accountStatuses", "performanceMetrics"}
    assert {entry["status"] for entry in body["accountStatuses"]} == {"NORMAL"}
    return {entry["marketplaceId"]: entry for entry in body["performanceMetrics"]}


@pytest.mark.parametrize("seller_id", ["NORTH", "EUROPE", "FAREAST"])
def test_rates_are_counted_from_what_happened(long_world: World, seller_id: str) -> None:
    with running(long_world, seller_id, now=LATER) as (_, (client,)):
        found = health(client)
    now = int(LATER.timestamp())
    for market_id, entry in found.items():
        orders = [
            order
            for order in long_world.seller(seller_id, LATER).orders
            if order.market.marketplace_id == market_id and order.created_at <= now
        ]
        by_merchant = [order for order in orders if order.channel == MERCHANT]
        shipped = [o for o in by_merchant if o.parcels and 0 <= now - o.parcels[0].shipped_at < 30 * 86_400]
        late = [o for o in shipped if o.parcels[0].shipped_at > o.ship_by[1]]
        rate = entry["lateShipmentRate"]
        assert (rate["orderCount"], rate["lateShipmentCount"]) == (len(shipped), len(late))
        recent = [o for o in by_merchant if now - o.created_at < 7 * 86_400]
        assert entry["preFulfillmentCancellationRate"]["orderCount"] == len(recent)
        for channel, name in (("AMAZON", "afn"), ("MERCHANT", "mfn")):
            counted = [o for o in orders if o.channel == channel and now - o.created_at < 60 * 86_400]
            bad = sum(
                f.rating < 3
                for f in truth_reports.feedback(long_world, seller_id, LATER)
                if f.order_id in {o.order_id for o in counted}
            )
            defects = entry["orderDefectRate"][name]
            assert (defects["orderCount"], defects["orderWithDefects"]["count"]) == (len(counted), bad)
        for name in ("lateShipmentRate", "validTrackingRate", "onTimeDeliveryRate"):
            assert 0 <= entry[name]["rate"] <= 1 and entry[name]["status"] in ("GOOD", "BAD", "NONE")
        assert entry["validTrackingRate"]["rate"] > 0.9
    assert set(found) == set(client.seller.marketplace_ids) <= set(MARKETPLACES)
    assert any(entry["lateShipmentRate"]["rate"] > 0 for entry in found.values())


def test_account_health_has_amazons_shape(long_world: World) -> None:
    with running(long_world, "EUROPE", now=LATER) as (_, (client,)):
        entry = health(client)[BY_COUNTRY["DE"].marketplace_id]
    assert len(entry) == 20
    for name, value in entry.items():
        if name.endswith("Rate") and name != "orderDefectRate":
            assert {"reportingDateRange", "status", "rate", "targetValue", "targetCondition"} <= set(value)
        elif name.endswith(("Violations", "Complaints", "Issues", "Requests")):
            assert set(value) == {"reportingDateRange", "defectsCount", "status", "targetValue", "targetCondition"}
    assert set(entry["orderDefectRate"]) == {"afn", "mfn"}
    assert {"ahrStatus", "reportingDateRange"} <= set(entry["accountHealthRating"])
