"""Days side by side that came by different ways: Amazon's inclusive edges double no order and lose none."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from amzigo_pipelines.assets.extraction import orders as choosing
from amzigo_pipelines.assets.extraction.extract import extract_partitions
from amzigo_pipelines.catalog.order_items import ORDER_ITEMS
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.simulator import truth
from amzigo_pipelines.simulator.world import World
from tests.extraction.conftest import DAY, NOW, SELLER, Platform

DAYS = [DAY - timedelta(days=n) for n in reversed(range(4))]


@pytest.mark.parametrize("by_report_first", [True, False])
def test_no_order_is_doubled_or_lost_between_the_ways(
    platform: Platform, world: World, monkeypatch: pytest.MonkeyPatch, by_report_first: bool
) -> None:
    def way_of(_: object, day: date) -> str:
        return "of the test" if (DAYS.index(day) % 2 == 0) == by_report_first else ""

    monkeypatch.setattr(choosing, "way_of", way_of)
    results = list(extract_partitions(platform, SELLER, DAYS, [ORDERS.name, ORDER_ITEMS.name]))  # type: ignore[arg-type]
    ways = [result.way for result in results if result.dataset == ORDERS.name]
    assert sorted(ways) == ["bulk report: of the test"] * 2 + ["searchOrders"] * 2

    first = datetime(DAYS[0].year, DAYS[0].month, DAYS[0].day, tzinfo=UTC)
    expected = {
        order.order_id: len(order.items)
        for order in truth.orders(world, SELLER, NOW)
        if first <= order.last_updated_at < first + timedelta(days=len(DAYS))
    }
    stored, items = platform.lake.scan(ORDERS, SELLER, DAYS), platform.lake.scan(ORDER_ITEMS, SELLER, DAYS)
    assert stored is not None and items is not None
    assert Counter(stored.to_table()["order_id"].to_pylist()) == Counter(expected.keys())
    assert Counter(items.to_table()["order_id"].to_pylist()) == Counter(expected)
    assert len(expected) > 300
