"""The pacer: who waits and how long, what it learns, and the simulator's true enforcement."""

from __future__ import annotations

import time as real_time
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from amzigo_pipelines.catalog.rates import RATES, Rate
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.home import Home, Kind, create_home, load_home
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.spapi.errors import TurnTooLate
from amzigo_pipelines.resources.spapi.pacing import SharedPacer
from amzigo_pipelines.resources.spapi.rate_buckets import RateBuckets
from amzigo_pipelines.simulator.marketplaces import BY_COUNTRY
from amzigo_pipelines.simulator.profiles import SellerProfile, WorldConfig
from amzigo_pipelines.simulator.server import SimulatorServer, SimulatorSettings
from amzigo_pipelines.simulator.world import World
from tests.rates.conftest import Time

US = BY_COUNTRY["US"].marketplace_id


def pacer(control: ControlDatabase, time: Time, seller_id: str = "A1", client_id: str = "app", **settings: object):  # type: ignore[no-untyped-def]
    return SharedPacer(RateBuckets(control, time), client_id, seller_id, sleep=time.sleep, **settings)  # type: ignore[arg-type]


def call(one: SharedPacer, times: int, operation: str = "searchOrders") -> None:
    for _ in range(times):
        one.before(operation)


def test_the_burst_is_used_at_once_and_then_the_rate(control: ControlDatabase, time: Time) -> None:
    one = pacer(control, time)
    call(one, 20)
    assert time.slept == []
    call(one, 5)
    # The margin shifts the queue once; it does not add up.
    assert time.passed_s == pytest.approx(5 / 0.0056, abs=1.01)


def test_sellers_and_applications_have_their_own_buckets(control: ControlDatabase, time: Time) -> None:
    for seller_id, client_id in (("A1", "app"), ("A2", "app"), ("A1", "other")):
        call(pacer(control, time, seller_id, client_id), 20)
    assert time.slept == []


def test_a_budget_across_sellers_is_one_bucket(control: ControlDatabase, time: Time) -> None:
    rates = {"madeUp": Rate(0.1, 2, is_across_sellers=True)}
    one, two = (pacer(control, time, seller_id, rates=rates) for seller_id in ("A1", "A2"))
    call(one, 1, "madeUp")
    call(two, 1, "madeUp")
    assert time.slept == []
    call(one, 1, "madeUp")
    assert time.passed_s == pytest.approx(10.5)
    with pytest.raises(TurnTooLate, match="the application has used up"):
        call(pacer(control, time, "A3", rates=rates, longest_wait_s=1), 1, "madeUp")


def test_a_rate_that_amazon_states_is_learned_for_all(control: ControlDatabase, time: Time) -> None:
    one = pacer(control, time)
    call(one, 20)
    for nonsense in (None, 0.0, -1.0, float("nan"), float("inf")):
        one.learn("searchOrders", nonsense)
    one.learn("searchOrders", 0.5)
    call(pacer(control, time), 1)
    assert time.passed_s == pytest.approx(2.1)


def test_the_same_rate_again_writes_nothing(control: ControlDatabase, time: Time, tmp_path: Path) -> None:
    one = pacer(control, time)
    call(one, 1)
    before = (tmp_path / "control.db").read_bytes()
    one.learn("searchOrders", 0.0056)
    assert (tmp_path / "control.db").read_bytes() == before


def test_a_429_drains_the_bucket_for_everybody(control: ControlDatabase, time: Time) -> None:
    one, other = pacer(control, time), pacer(control, time)
    call(one, 1)
    assert one.refused("searchOrders") == 0.0
    call(other, 1)
    assert time.passed_s == pytest.approx(1 / 0.0056, abs=1.01)


def test_a_turn_too_far_off_says_who_waits_and_how_long(control: ControlDatabase, time: Time) -> None:
    one = pacer(control, time, longest_wait_s=100)
    call(one, 20)
    with pytest.raises(TurnTooLate, match=r"searchOrders for seller A1: this seller .* comes in 179 s") as caught:
        call(one, 1)
    assert caught.value.is_retryable
    assert time.slept == []


def test_tokens_taken_together_are_few_transactions_and_never_more(control: ControlDatabase, time: Time) -> None:
    one = pacer(control, time, scale=10)
    call(one, 200)
    assert time.slept == []
    call(one, 5)
    assert time.passed_s == pytest.approx(5 / 0.056, abs=1.01)


def test_an_operation_without_a_published_rate_is_not_paced(control: ControlDatabase, time: Time) -> None:
    call(pacer(control, time), 100, "unheardOf")
    assert time.slept == []


# -- wired -----------------------------------------------------------------------------------------------------------


def test_a_production_home_never_scales(tmp_path: Path) -> None:
    create_home(Home(tmp_path, Kind.TEST, date(2026, 9, 1), "http://127.0.0.1:1", rate_scale=50.0))
    home = load_home(tmp_path)
    assert home.rate_scale == home.rate_scale_in_force == 50.0
    assert replace(home, kind=Kind.PRODUCTION).rate_scale_in_force == 1.0


def test_under_amazons_true_rate_calls_wait_for_their_turn_and_are_not_refused(tmp_path: Path) -> None:
    now, seller_id, token = datetime(2026, 9, 8, 0, 30, tzinfo=UTC), "ATESTRATES01", "Atzr|synthetic-rates"
    profile = SellerProfile(
        seller_id=seller_id, refresh_token=token, marketplace_ids=(US,), orders_per_day=5, sku_count=5
    )
    world = World(WorldConfig(seed=3, first_day=date(2026, 9, 1), sellers=(profile,)))
    world.seller(seller_id, now)
    with SimulatorServer(world, VirtualClock(now), SimulatorSettings(rate_scale=1.0)) as server:
        home = Home(tmp_path / "home", Kind.TEST, date(2026, 9, 1), server.url)
        create_home(home)
        platform = Platform(home, VirtualClock(now))
        platform.control.create()
        platform.keys.prepare()
        platform.sellers.add(seller_id, "Rates", (US,), token)
        began = 0.0
        # Two clients, as two runs have them: one bucket.
        with platform.selling_partner(seller_id) as one, platform.selling_partner(seller_id) as two:
            for number in range(8):
                list((one, two)[number % 2].inventory_summaries(US))
                began = began or real_time.perf_counter()
        elapsed_s = real_time.perf_counter() - began
    burst, rate = RATES["getInventorySummaries"].burst, RATES["getInventorySummaries"].per_s
    allowed_s = (8 - burst) / rate
    # No faster than Amazon allows; a busy machine may be slower, and then at most one call comes too early.
    assert elapsed_s > 0.95 * allowed_s
    assert 8 <= server.requests["getInventorySummaries"] <= 9
