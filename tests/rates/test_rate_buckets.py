"""Buckets: arithmetic against a model, and rows that processes share."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amzigo_pipelines.catalog.rates import RATES, Rate
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.spapi.rate_buckets import Account, Bucket, RateBuckets
from amzigo_pipelines.simulator import rates as amazons
from tests.rates.conftest import START, Time

ACCOUNT = Account("a" * 16, "ATESTSELLER1", "searchOrders")
CHILD = Path(__file__).parent / "child.py"


def test_our_rates_are_those_that_the_simulator_enforces() -> None:
    # Budgets of single report types are no usage plan of an operation: test_report_budget.py has them.
    operations = {name: rate for name, rate in RATES.items() if " " not in name}
    assert operations
    for operation, rate in operations.items():
        assert (rate.per_s, rate.burst) == amazons.RATES[operation]


@settings(max_examples=200, deadline=None)
@given(
    rate=st.floats(0.001, 50),
    burst=st.integers(1, 40),
    gaps=st.lists(st.floats(0, 400), min_size=1, max_size=60),
)
def test_turns_are_the_earliest_that_amazon_allows(rate: float, burst: int, gaps: list[float]) -> None:
    # The model: a turn comes no earlier than asked, nor before the tokens of all turns before it have come.
    bucket, asked_s = Bucket(burst, rate, burst, START), 0.0
    level, level_at = float(burst), 0.0
    for gap in gaps:
        asked_s += gap
        bucket = bucket.at(START + timedelta(seconds=asked_s))
        turn_s = asked_s + bucket.wait_s
        bucket = replace(bucket, tokens=bucket.tokens - 1)

        at = max(asked_s, level_at)
        level = min(float(burst), level + (at - level_at) * rate)
        if level < 1:
            at, level = at + (1 - level) / rate, 1.0
        level, level_at = level - 1, at
        assert turn_s == pytest.approx(at, abs=1e-3 + 1e-4 / rate)


def test_the_burst_comes_at_once_and_then_the_rate(control: ControlDatabase, time: Time) -> None:
    buckets, limit = RateBuckets(control, time), RATES["searchOrders"]
    waits = [buckets.reserve(ACCOUNT, limit).wait_s for _ in range(23)]
    assert waits[:20] == [0.0] * 20
    assert waits[20:] == pytest.approx([n / 0.0056 for n in (1, 2, 3)])


def test_a_bucket_fills_up_to_its_burst_and_no_further(control: ControlDatabase, time: Time) -> None:
    buckets, limit = RateBuckets(control, time), Rate(1.0, 3)
    buckets.reserve(ACCOUNT, limit)
    time.passed_s += 1_000
    assert [buckets.reserve(ACCOUNT, limit).wait_s for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]


def test_a_restart_remembers(control: ControlDatabase, time: Time, tmp_path: Path) -> None:
    limit = Rate(0.5, 2)
    for _ in range(3):
        RateBuckets(control, time).reserve(ACCOUNT, limit)
    again = RateBuckets(ControlDatabase(f"sqlite:///{tmp_path / 'control.db'}"), time)
    assert again.reserve(ACCOUNT, limit).wait_s == 4.0


def test_a_learned_rate_is_kept_and_the_burst_is_the_tables(control: ControlDatabase, time: Time) -> None:
    buckets, limit = RateBuckets(control, time), Rate(0.5, 1)
    buckets.reserve(ACCOUNT, limit)
    buckets.correct_rate(ACCOUNT, limit, 4.0)
    assert RateBuckets(control, time).reserve(ACCOUNT, limit).wait_s == 0.25
    time.passed_s += 100
    assert buckets.read(ACCOUNT, Rate(0.5, 7)).burst == 7


def test_a_drained_bucket_is_empty_for_everybody_and_debts_stay(control: ControlDatabase, time: Time) -> None:
    buckets, limit = RateBuckets(control, time), Rate(0.5, 20)
    buckets.reserve(ACCOUNT, limit)
    buckets.drain(ACCOUNT, limit)
    assert RateBuckets(control, time).reserve(ACCOUNT, limit).wait_s == 2.0
    buckets.drain(ACCOUNT, limit)
    assert buckets.reserve(ACCOUNT, limit).wait_s == 4.0


def test_a_turn_too_far_off_reserves_nothing(control: ControlDatabase, time: Time) -> None:
    buckets, limit = RateBuckets(control, time), Rate(0.1, 1)
    buckets.reserve(ACCOUNT, limit)
    assert [buckets.reserve(ACCOUNT, limit, 9.0).tokens for _ in range(3)] == [0, 0, 0]
    assert buckets.reserve(ACCOUNT, limit).wait_s == 10.0


def test_a_lagging_clock_wins_nothing_and_one_set_back_stalls_nothing(control: ControlDatabase, time: Time) -> None:
    buckets, limit = RateBuckets(control, time), Rate(1.0, 1)
    buckets.reserve(ACCOUNT, limit)
    for lag in (-5, 5, -5, 5):  # two machines, five seconds apart
        time.passed_s += lag
        buckets.read(ACCOUNT, limit)
    assert buckets.reserve(ACCOUNT, limit).wait_s == 1.0
    time.passed_s -= 86_400
    assert buckets.reserve(ACCOUNT, limit).wait_s == 2.0
    time.passed_s += 3
    assert buckets.reserve(ACCOUNT, limit).wait_s == 0.0


def test_one_token_at_a_time_of_amazons_bursts_and_many_of_a_scaled_one(control: ControlDatabase, time: Time) -> None:
    buckets = RateBuckets(control, time)
    assert all(buckets.reserve(replace(ACCOUNT, operation=name), RATES[name]).tokens == 1 for name in RATES)
    large = replace(ACCOUNT, seller_id="ATESTSELLER2")
    assert buckets.reserve(large, RATES["searchOrders"].scaled(10_000)).tokens > 1_000


def test_processes_share_a_bucket_for_real(tmp_path: Path, control: ControlDatabase) -> None:
    rate, burst, run_s = 20.0, 10, 1.0
    command = [sys.executable, str(CHILD), str(tmp_path / "control.db"), str(rate), str(burst), str(run_s)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    by_child = [[float(line) for line in child.communicate(timeout=60)[0].split()] for child in children]
    assert all(child.returncode == 0 for child in children)
    begin = min(child_began for child_began, *_ in by_child)
    sent = sorted(instant for _, *instants in by_child for instant in instants)
    for count, instant in enumerate(sent, 1):
        assert count <= burst + rate * (instant - begin) + 1e-3
    # And it is used: whoever asked until the end got all there was.
    assert len(sent) >= burst + rate * run_s * 0.8
