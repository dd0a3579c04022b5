"""Plans of history: what is there and settled is left out, and nothing else; estimates keep to Amazon's rates."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from amzigo_pipelines.assets.extraction.extract import extract_partitions
from amzigo_pipelines.assets.extraction.history import (
    Plan,
    Stretch,
    estimate_s,
    lanes_of,
    oldest_day,
    plan_history,
    seconds_by_rates,
)
from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.resources.lake.files import expires_on_of_partition
from amzigo_pipelines.simulator.server import SimulatorServer
from tests.extraction.conftest import DAY, FIRST_DAY, JP, NOW, SELLER, US, Platform

ORDERS_SOURCE = ("orders", "order_items")


def days(first: date, count: int) -> list[date]:
    return [first + timedelta(days=n) for n in range(count)]


def test_windows_are_of_thirty_days_from_the_first_day_on(platform: Platform) -> None:
    plan = plan_history(platform, SELLER, date(2026, 1, 1), date(2026, 3, 5), ["orders", "order_items", "fba_returns"])
    assert [(s.first, s.last) for s in plan.stretches] == [
        (date(2026, 1, 1), date(2026, 1, 30)),
        (date(2026, 1, 31), date(2026, 3, 1)),
        (date(2026, 3, 2), date(2026, 3, 5)),
    ]
    assert {s.datasets for s in plan.stretches} == {("orders", "order_items", "fba_returns")}
    assert (plan.partitions, plan.settled) == (64 * 3, 0)


def test_what_is_there_is_left_out_and_a_gap_is_not(platform: Platform) -> None:
    gap = FIRST_DAY + timedelta(days=2)
    for day in days(FIRST_DAY, 5):
        if day != gap:
            list(extract_partitions(platform, SELLER, [day], ORDERS_SOURCE))  # type: ignore[arg-type]
    last = FIRST_DAY + timedelta(days=6)
    plan = plan_history(platform, SELLER, FIRST_DAY, last, ORDERS_SOURCE)  # type: ignore[arg-type]
    assert plan.stretches == (
        Stretch(gap, gap, ORDERS_SOURCE),
        Stretch(FIRST_DAY + timedelta(days=5), last, ORDERS_SOURCE),
    )
    assert plan.settled == 8
    anew = plan_history(platform, SELLER, FIRST_DAY, last, ORDERS_SOURCE, anew=True)  # type: ignore[arg-type]
    assert anew.stretches == (Stretch(FIRST_DAY, last, ORDERS_SOURCE),) and anew.settled == 0


def test_a_day_that_amazon_still_restates_is_not_settled(platform: Platform, server: SimulatorServer) -> None:
    early, late = DAY - timedelta(days=9), DAY
    list(extract_partitions(platform, SELLER, days(early, 10), ["fba_shipments"]))  # type: ignore[arg-type]
    plan = plan_history(platform, SELLER, early, late, ["fba_shipments"])  # type: ignore[arg-type]
    # It looks back 3 days: what was taken within them may have been incomplete.
    assert plan.stretches == (Stretch(DAY - timedelta(days=2), DAY, ("fba_shipments",)),)


def test_what_amazon_cancelled_is_asked_for_again(platform: Platform, server: SimulatorServer) -> None:
    now = NOW + timedelta(days=40)
    server.clock.set(now)  # type: ignore[attr-defined]
    platform.clock.set(now)
    server.faults.add("createReport", "cancelled", times=9)
    list(extract_partitions(platform, SELLER, [DAY], ORDERS_SOURCE))  # type: ignore[arg-type]
    assert platform.lake.partitions(SELLER, ORDERS)[0].origin["empty"] == "unconfirmed"
    assert plan_history(platform, SELLER, DAY, DAY, ORDERS_SOURCE).partitions == 2  # type: ignore[arg-type]


def test_days_that_lost_their_buyers_are_asked_for_again(platform: Platform) -> None:
    list(extract_partitions(platform, SELLER, [DAY], ORDERS_SOURCE))  # type: ignore[arg-type]
    assert plan_history(platform, SELLER, DAY, DAY, ORDERS_SOURCE).settled == 2  # type: ignore[arg-type]
    files = platform.lake.files(ORDERS, seller_id=SELLER, families=[RetentionClass.PII])
    assert files
    platform.lake.destroy_files(files)
    assert plan_history(platform, SELLER, DAY, DAY, ORDERS_SOURCE).partitions == 2  # type: ignore[arg-type]


def test_lanes_are_what_draws_on_the_same_allowance(platform: Platform) -> None:
    of_reports, of_queries = ("fba_returns", "fba_shipments"), ("sales_and_traffic_by_sku", "sales_and_traffic_daily")
    names = [*ORDERS_SOURCE, *of_reports, *of_queries, "transactions", "transaction_breakdowns"]
    plan = plan_history(platform, SELLER, date(2026, 1, 1), date(2026, 3, 1), names)
    lanes = [[(s.first, tuple(sorted(s.datasets))) for s in lane] for lane in lanes_of(plan)]
    first, second = date(2026, 1, 1), date(2026, 1, 31)
    groups = (tuple(sorted(ORDERS_SOURCE)), of_reports, of_queries, ("transaction_breakdowns", "transactions"))
    assert sorted(lanes) == sorted([(first, group), (second, group)] for group in groups)
    assert sum(s.partitions for lane in lanes_of(plan) for s in lane) == plan.partitions
    one_day = Plan((Stretch(DAY, DAY, ("orders", "order_items", "listings", "fba_returns")),), 0)
    assert lanes_of(one_day) == [one_day.stretches]


@pytest.mark.parametrize("now_on", [date(2026, 11, 25), date(2026, 1, 31), date(2028, 3, 1)])
def test_the_oldest_day_is_the_first_that_the_lake_takes(now_on: date) -> None:
    oldest = oldest_day(now_on, 548)
    assert expires_on_of_partition(oldest, 548) > now_on >= expires_on_of_partition(oldest - timedelta(days=1), 548)


def test_rates_of_the_scarcest_operation_decide() -> None:
    old = date(2030, 1, 1)
    year = [Stretch(date(2026, 1, 1) + timedelta(days=30 * n), date(2026, 1, 30) + timedelta(days=30 * n), ("orders",))
            for n in range(24)]  # fmt: skip
    # 24 reports in one region, 15 of them at once, then one a minute.
    assert seconds_by_rates(year, [US], old) == pytest.approx((24 - 15) / 0.0167)
    # Another region has an allowance of its own.
    assert seconds_by_rates(year, [US, JP], old) == pytest.approx((24 - 15) / 0.0167)
    assert seconds_by_rates(year, [US], old, rate_scale=1000) == 0
    by_sku = [Stretch(date(2026, 1, 1), date(2026, 1, 30), ("sales_and_traffic_by_sku",))]
    assert seconds_by_rates(by_sku, [US], old) == pytest.approx((30 - 15) / 0.0167)
    # Recent days come by searchOrders: one page a day at least.
    assert seconds_by_rates(year[:1], [US], date(2026, 1, 1)) == pytest.approx((30 - 20) / 0.0056)


def test_an_estimate_is_the_pace_but_never_faster_than_the_rates() -> None:
    assert estimate_s(600.0, 0, 0.0, 100) == 600.0
    assert estimate_s(600.0, 50, 10.0, 100) == 600.0
    assert estimate_s(600.0, 50, 1_000.0, 100) == 2_000.0
