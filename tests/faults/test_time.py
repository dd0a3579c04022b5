"""Faults of time: tokens that run out between pages and in mid-run, clocks that differ, orders that change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from amzigo_pipelines.assets.extraction.extract import ExtractionRefused
from amzigo_pipelines.resources.spapi.client import SellingPartner
from amzigo_pipelines.resources.spapi.errors import PageTokenRefused, ReportLate, SpApiError
from amzigo_pipelines.resources.spapi.pages import Page
from amzigo_pipelines.simulator import truth
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World
from tests.extraction.conftest import Platform
from tests.faults.kit import (
    DAY,
    INVENTORY,
    LISTINGS,
    NOW,
    ORDERS,
    SELLER,
    SHIPMENTS,
    Truth,
    extract,
    facts,
    make_platform,
    rows,
    versions,
)


def after_a_page(monkeypatch: pytest.MonkeyPatch, listing: str, happens: Callable[[int], None]) -> None:
    """Something happens between the pages of a listing; it is told the number of the page that came, from 1."""
    real = getattr(SellingPartner, listing)
    came = 0

    def pages(self: SellingPartner, *arguments: Any, **settings: Any) -> Iterator[Page]:
        nonlocal came
        for page in real(self, *arguments, **settings):
            yield page
            came += 1
            happens(came)

    monkeypatch.setattr(SellingPartner, listing, pages)


def move(server: SimulatorServer, now: datetime) -> None:
    server.clock.set(now)  # type: ignore[attr-defined]


# -- page tokens -------------------------------------------------------------------------------------------------------


def test_orders_page_tokens_live_24_hours(
    platform: Platform, server: SimulatorServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract(platform, ORDERS)
    before = versions(platform, ORDERS)
    after_a_page(monkeypatch, "search_orders", lambda _: move(server, NOW + timedelta(hours=24, seconds=1)))
    with pytest.raises(PageTokenRefused, match="start again from the first page"):
        extract(platform, ORDERS)
    assert versions(platform, ORDERS) == before
    # From the first page again, with nothing running out: a later day's changes have left this one.
    monkeypatch.undo()
    extract(platform, ORDERS)
    assert facts(platform, ORDERS) == Truth(world, NOW + timedelta(hours=24, seconds=1)).of(ORDERS)


@pytest.mark.parametrize(("late_s", "starts"), [(29, 1), (31, 2)])
def test_inventory_page_tokens_live_30_seconds(
    platform: Platform,
    server: SimulatorServer,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    late_s: int,
    starts: int,
) -> None:
    later = NOW + timedelta(seconds=late_s)
    after_a_page(monkeypatch, "inventory_summaries", lambda came: move(server, later) if came == 1 else None)
    extract(platform, INVENTORY)
    assert facts(platform, INVENTORY) == Truth(world, later).of(INVENTORY)
    marketplaces, pages = 2, server.requests["getInventorySummaries"]
    assert pages > 3
    server.requests.clear()
    monkeypatch.undo()
    extract(platform, INVENTORY)
    undisturbed = server.requests["getInventorySummaries"]
    # What the first start had got as far as the refusal is asked for again.
    assert pages == undisturbed + (starts - 1) * 2
    assert undisturbed >= marketplaces + 1


# -- access tokens -----------------------------------------------------------------------------------------------------


def test_an_access_token_that_runs_out_again_and_again(
    simulator_with: Callable[..., SimulatorServer], tmp_path: Path, world: World
) -> None:
    server = simulator_with(token_lifetime_s=0.95)
    platform = make_platform(tmp_path, server.url)
    for source in (ORDERS, INVENTORY, LISTINGS):
        extract(platform, source)
        assert facts(platform, source) == Truth(world, NOW).of(source)
    assert server.requests["token"] >= 10


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("source", [ORDERS, INVENTORY, LISTINGS], ids=lambda source: source[0])
def test_an_access_token_that_amazon_takes_for_over_in_mid_run(
    platform: Platform, server: SimulatorServer, world: World, source: tuple[str, ...], status: int
) -> None:
    for operation in ("searchOrders", "getInventorySummaries", "createReport", "getReport", "getReportDocument"):
        server.faults.add(operation, "expired_token", status=status, after=1)
    extract(platform, source)
    assert facts(platform, source) == Truth(world, NOW).of(source)
    # Both regions share the first one; each refusal costs one more.
    struck = sum(fault["struck"] for fault in server.faults.describe())
    assert server.requests["token"] == 1 + struck >= 2


# -- clocks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behind", [timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=3), timedelta(days=2)])
def test_a_clock_ahead_of_amazons_stores_no_unfinished_day(
    platform: Platform, server: SimulatorServer, world: World, behind: timedelta
) -> None:
    """We think that the day is over, and at Amazon it is not, or only just."""
    platform.clock.set(datetime.fromisoformat("2026-09-21T00:02:00+00:00"))
    move(server, platform.clock.now() - behind)
    with pytest.raises(SpApiError):
        extract(platform, ORDERS)
    assert versions(platform, ORDERS) == {}
    move(server, NOW)
    extract(platform, ORDERS)
    assert facts(platform, ORDERS) == Truth(world, NOW).of(ORDERS)


def test_a_clock_behind_amazons_waits(platform: Platform, server: SimulatorServer, world: World) -> None:
    platform.clock.set(NOW - timedelta(hours=1))
    with pytest.raises(ExtractionRefused, match="isn't over"):
        extract(platform, ORDERS)
    platform.clock.set(NOW)
    extract(platform, ORDERS)
    assert facts(platform, ORDERS) == Truth(world, NOW).of(ORDERS)


@pytest.mark.parametrize("off", [timedelta(minutes=-20), timedelta(minutes=20)])
@pytest.mark.parametrize("source", [INVENTORY, LISTINGS, SHIPMENTS], ids=lambda source: source[0])
def test_clocks_that_differ_change_no_facts(
    platform: Platform, server: SimulatorServer, world: World, source: tuple[str, ...], off: timedelta
) -> None:
    platform.clock.set(NOW + off)
    extract(platform, source)
    assert facts(platform, source) == Truth(world, NOW).of(source)


# -- what moves while it is read ---------------------------------------------------------------------------------------


def test_orders_that_change_while_paging_are_in_one_day_and_in_their_newest_version(
    platform: Platform, server: SimulatorServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours pass between two pages: orders of later pages change, and so leave the day for the next."""
    after_a_page(monkeypatch, "search_orders", lambda came: move(server, NOW + timedelta(hours=8 * came)))
    extract(platform, ORDERS)
    monkeypatch.undo()
    tomorrow = NOW + timedelta(days=1)
    for clock in (platform.clock, server.clock):
        clock.set(tomorrow)  # type: ignore[attr-defined]
    extract(platform, ORDERS, DAY + timedelta(days=1))
    newest: dict[str, dict[str, Any]] = {}
    for day in (DAY, DAY + timedelta(days=1)):
        for row in rows(platform, "orders", day):
            if row["order_id"] not in newest or newest[row["order_id"]]["last_updated_at"] < row["last_updated_at"]:
                newest[row["order_id"]] = row
    start, end = tomorrow.replace(hour=0, minute=0) - timedelta(days=2), tomorrow.replace(hour=0, minute=0)
    expected = {o.order_id: o for o in truth.orders(world, SELLER, tomorrow) if start <= o.last_updated_at < end}
    assert len(expected) > 200
    for order_id, order in expected.items():
        assert (newest[order_id]["status"], newest[order_id]["last_updated_at"]) == (
            order.status,
            order.last_updated_at,
        )
    # Orders that changed once more, just after the second day, are the only others.
    others = {o.order_id for o in truth.orders(world, SELLER, tomorrow) if o.last_updated_at >= end}
    assert newest.keys() - expected.keys() <= others


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(("operation", "source"), [("searchOrders", ORDERS), ("getInventorySummaries", INVENTORY)])
def test_pages_that_repeat_double_and_lose_nothing(
    platform: Platform, server: SimulatorServer, world: World, operation: str, source: tuple[str, ...], times: int
) -> None:
    server.faults.add(operation, "repeat_page", times=times, after=1)
    extract(platform, source)
    assert server.faults.describe()[0]["struck"] == times
    assert facts(platform, source) == Truth(world, NOW).of(source)


def test_a_report_that_never_ends_holds_up_nothing_and_comes_in_the_end(
    platform: Platform, server: SimulatorServer, world: World
) -> None:
    server.faults.add("createReport/GET_AMAZON_FULFILLED_SHIPMENTS_DATA_GENERAL", "never_ends", times=None)
    platform.client = {"sleep": platform.waited.append}
    with pytest.raises(ReportLate, match="30 minutes"):
        extract(platform, SHIPMENTS)
    assert sum(platform.waited) <= 1_800
    platform.client = {}
    extract(platform, LISTINGS)
    assert versions(platform, SHIPMENTS) == {} and versions(platform, LISTINGS)
    server.faults.clear()
    # Amazon has a day for it; then it is asked for anew.
    later = NOW + timedelta(hours=25)
    for clock in (platform.clock, server.clock):
        clock.set(later)  # type: ignore[attr-defined]
    extract(platform, SHIPMENTS)
    assert facts(platform, SHIPMENTS) == Truth(world, later).of(SHIPMENTS)
