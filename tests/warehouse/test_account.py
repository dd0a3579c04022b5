"""Feedback, account health and advertising: numbers worked out by hand."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.warehouse.conftest import NOW, US, World, item, money, order

DAY = date(2026, 6, 10)


def test_feedback_by_day_with_running_shares(world: World) -> None:
    def given(day: date, *ratings: int) -> None:
        rows = [
            {"marketplace_id": US, "given_on": day, "order_id": f"{day}-{n}", "occurrence": 1, "rating": rating}
            for n, rating in enumerate(ratings)
        ]
        world.write(day, seller_feedback=rows)

    given(DAY - timedelta(days=30), 1, 1)
    given(DAY - timedelta(days=29), 5)
    given(DAY, 4, 3, 2)
    world.publish()
    row = world.one("SELECT * FROM feedback_daily WHERE day = '2026-06-10'")
    assert (row["feedbacks"], row["positive"], row["neutral"], row["negative"], row["average_rating"]) == (
        3,
        1,
        1,
        1,
        3.0,
    )
    assert (row["feedbacks_30d"], row["positive_share_30d"], row["negative_share_30d"]) == (4, 0.5, 0.25)
    assert row["average_rating_365d"] == pytest.approx(16 / 6)


def test_health_is_judged_by_limits_that_are_most_or_least(world: World) -> None:
    def health(day: date, late: float, tracking: float) -> None:
        row = {
            "marketplace_id": US, "taken_at": NOW, "account_status": "NORMAL", "late_shipment_rate": late,
            "late_shipment_rate_limit": 0.04, "late_shipment_rate_status": "GOOD", "valid_tracking_rate": tracking,
            "valid_tracking_rate_limit": 0.95,
        }  # fmt: skip
        world.write(day, account_health=[row])

    health(DAY - timedelta(days=7), 0.01, 0.99)
    health(DAY, 0.05, 0.94)
    world.publish()
    rows = {r["metric"]: r for r in world.rows("SELECT * FROM account_health WHERE day = '2026-06-10'")}
    late, tracking, unknown = rows["late_shipment_rate"], rows["valid_tracking_rate"], rows["invoice_defect_rate"]
    assert (late["is_within_limit"], late["is_minimum"], late["rate_week_before"]) == (False, False, 0.01)
    assert late["change_over_week"] == pytest.approx(0.04)
    assert (tracking["is_within_limit"], tracking["is_minimum"]) == (False, True)
    assert (unknown["rate"], unknown["is_within_limit"]) == (None, None)
    before = world.rows("SELECT is_within_limit AS w FROM account_health WHERE day = '2026-06-03' AND rate IS NOT NULL")
    assert [r["w"] for r in before] == [True, True]


def campaign(day: date, cost: object, sales: object, **values: Any) -> dict[str, Any]:
    return {
        "performed_on": day, "marketplace_id": US, "ad_product": "SPONSORED_PRODUCTS", "campaign_id": "C",
        "currency": "USD", "impressions": 100, "clicks": 4, "cost": money(cost), "sales_14d": money(sales),
        "orders_14d": 2, "units_14d": 3, **values,
    }  # fmt: skip


def test_advertising_beside_all_sales_and_restated_days(world: World) -> None:
    for day in (DAY, DAY - timedelta(days=1)):
        o = order(f"O-{day}", f"{day}T19:00:00")
        world.write(day, orders=[o], order_items=[item(o, quantity_ordered=4)])
    other = campaign(DAY, "2.00", 0, campaign_id="D", ad_product="SPONSORED_BRANDS", clicks=0)
    world.write(DAY, ads_campaigns=[campaign(DAY, "6.00", "16.00"), other])
    world.publish()
    row = world.one("SELECT * FROM ads_daily WHERE day = '2026-06-10'")
    assert (row["spend"], row["clicks"], row["ad_sales"], row["ad_orders"], row["ad_units"]) == (8, 4, 16, 4, 6)
    assert (row["acos"], row["roas"], row["tacos"], row["cost_per_click"]) == (0.5, 2.0, 0.2, Decimal("2.00"))
    # A day that was not extracted is not known; a day that was, without a campaign, cost nothing.
    assert world.one("SELECT spend, tacos FROM ads_daily WHERE day = '2026-06-09'") == {"spend": None, "tacos": None}
    world.write(DAY - timedelta(days=1), ads_campaigns=[])
    world.write(DAY, ads_campaigns=[campaign(DAY, "6.00", "24.00")])
    assert world.publish().is_updated
    rows = world.rows("SELECT spend, acos, tacos FROM ads_daily ORDER BY day")
    assert rows == [{"spend": 0, "acos": None, "tacos": 0.0}, {"spend": 6, "acos": 0.25, "tacos": 0.15}]


def test_without_an_advertising_account_columns_are_null_and_the_reason_is_there(world: World) -> None:
    o = order("O", "2026-06-10T19:00:00")
    world.write(DAY, orders=[o], order_items=[item(o)])
    world.publish()
    row = world.one("SELECT spend, tacos, ordered_product_sales AS s FROM ads_daily")
    assert row == {"spend": None, "tacos": None, "s": 10}
    note = world.one("SELECT reason FROM mart_notes WHERE mart = 'ads_daily' AND column_name = 'spend'")
    assert "no advertising account is connected" in note["reason"]
    world.write(DAY, ads_campaigns=[])
    world.publish()
    assert world.rows("SELECT * FROM mart_notes WHERE mart = 'ads_daily'") == []
