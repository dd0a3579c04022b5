"""Traffic, review topics and repeat purchases: numbers worked out by hand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from tests.warehouse.conftest import DAY, NOW, US, World, money

WEEK = date(2026, 6, 13)


def test_percentages_of_several_asins_of_a_sku_are_weighted_by_page_views(world: World) -> None:
    def seen(asin: str, views: int, percentage: float) -> dict[str, Any]:
        return {
            "happened_on": DAY, "marketplace_id": US, "currency": "USD", "parent_asin": "P", "child_asin": asin,
            "sku": "SKU-1", "sessions": 10, "page_views": views, "units_ordered": 1,
            "ordered_product_sales": money(5), "featured_offer_percentage": percentage,
        }  # fmt: skip

    world.write(DAY, sales_and_traffic_by_sku=[seen("A", 90, 100.0), seen("B", 10, 0.0)])
    world.publish()
    row = world.one("FROM traffic_by_sku")
    assert (row["asin"], row["sessions"], row["page_views"], row["units_ordered"]) == ("A", 20, 100, 2)
    assert (row["featured_offer_percentage"], row["featured_offer_page_views"]) == (90.0, 90)
    assert row["unit_session_percentage"] == 10.0


def test_a_day_without_visits_has_no_percentages(world: World) -> None:
    quiet = {"happened_on": DAY, "marketplace_id": US, "currency": "USD", "sessions": 0, "page_views": 0}
    world.write(DAY, sales_and_traffic_daily=[quiet])
    world.publish()
    row = world.one("FROM traffic_daily")
    assert (row["sessions"], row["unit_session_percentage"], row["page_views_per_session"]) == (0, None, None)


def test_review_topics_are_the_newest_snapshot_with_their_trend(world: World) -> None:
    def topic(name: str, mentions: int, percent: float) -> dict[str, Any]:
        return {
            "marketplace_id": US, "asin": "B1", "sentiment": "positive", "topic": name, "taken_at": NOW,
            "position": 1, "mentions": mentions, "occurrence_percent": percent, "browse_node_occurrence_percent": 10.0,
        }  # fmt: skip

    def month(starts_on: date, percent: float) -> dict[str, Any]:
        return {
            "marketplace_id": US, "asin": "B1", "sentiment": "positive", "topic": "size", "taken_at": NOW,
            "month_starts_on": starts_on, "occurrence_percent": percent,
        }  # fmt: skip

    world.write(DAY, review_topics=[topic("size", 4, 20.0), topic("smell", 9, 45.0)])
    world.write(DAY + timedelta(days=1), review_topics=[topic("size", 5, 25.0)])
    world.write(DAY, review_trends=[month(date(2026, 5, 1), 30.0), month(date(2026, 4, 1), 24.0)])
    world.publish()
    row = world.one("FROM review_topics")
    assert (row["topic"], row["mentions"], row["as_of"]) == ("size", 5, DAY + timedelta(days=1))
    assert (row["more_than_others"], row["month"], row["month_change"]) == (15.0, date(2026, 5, 1), 6.0)


def test_repeat_purchases_beside_those_of_the_week_before(world: World) -> None:
    def week(ends_on: date, share: float) -> dict[str, Any]:
        return {
            "marketplace_id": US, "asin": "B1", "week_starts_on": ends_on - timedelta(days=6), "week_ends_on": ends_on,
            "orders": 12, "customers": 10, "repeat_customer_share": share, "currency": "USD",
            "repeat_revenue": money(30), "repeat_revenue_share": 0.3,
        }  # fmt: skip

    for ends_on, share in ((WEEK - timedelta(days=7), 0.2), (WEEK, 0.3)):
        world.write(ends_on, repeat_purchase=[week(ends_on, share)])
    world.publish()
    row = world.one(f"FROM repeat_purchase WHERE week_ends_on = '{WEEK}'")
    assert (row["repeat_customers"], row["repeat_customer_share_week_before"]) == (3, 0.2)
    assert row["orders_per_customer"] == pytest.approx(1.2)
