"""The band of row counts: what is odd for its weekday is told, what is usual is not; silent while little is known."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.quality.bands import LEAST_WEEKS, band_findings, usual_band
from amzigo_pipelines.resources.lake.files import PartitionRecord

DAY = date(2026, 11, 2)


def record(day: date, rows: int, empty: str = "", delay_days: int = 1) -> PartitionRecord:
    origin = {"empty": empty} if empty else {}
    committed_at = datetime.combine(day + timedelta(days=delay_days), time(1), UTC)
    return PartitionRecord("orders", "ASELLER01", day, 1, rows, 0, 0, origin, committed_at)


def held(counts: list[int], today: int, dataset: str = "orders") -> bool | None:
    """Whether a day with so many rows fits with the same weekday of earlier weeks, the newest first."""
    records = {DAY - timedelta(weeks=n): record(DAY - timedelta(weeks=n), rows) for n, rows in enumerate(counts, 1)}
    records[DAY] = record(DAY, today)
    found = band_findings(DATASETS[dataset], records, [DAY])
    return found[DAY].held if DAY in found else None


@pytest.mark.parametrize(
    ("counts", "today", "expected"),
    [
        ([1000] * (LEAST_WEEKS - 1), 1, None),
        ([1000] * LEAST_WEEKS, 1000, True),
        ([1000] * LEAST_WEEKS, 760, True),
        ([1000] * LEAST_WEEKS, 700, False),
        ([1000] * LEAST_WEEKS, 1300, False),
        # One odd week does not widen the band, as it would that of a standard deviation.
        ([1000, 980, 1020, 50_000, 1010, 990], 2_000, False),
        ([1000, 980, 1020, 0, 1010, 990], 500, False),
        ([600, 1000, 1400, 900, 1200, 800], 1_700, True),
        ([3, 5, 2, 4], 0, True),
        ([0, 0, 0, 0], 5, True),
        ([0, 0, 0, 0], 500, False),
    ],
)
def test_what_is_usual(counts: list[int], today: int, expected: bool | None) -> None:
    assert held(counts, today) is expected


def test_weeks_of_which_nothing_is_known_do_not_count() -> None:
    days = [DAY - timedelta(weeks=n) for n in range(1, LEAST_WEEKS + 1)]
    records = {day: record(day, 1000) for day in days} | {DAY: record(DAY, 5)}
    assert not band_findings(DATASETS["orders"], records, [DAY])[DAY].held
    records[days[0]] = record(days[0], 0, empty="unconfirmed")
    assert band_findings(DATASETS["orders"], records, [DAY]) == {}


def test_days_that_were_caught_up_with_are_not_compared_with_those_of_the_next_night() -> None:
    days = [DAY - timedelta(weeks=n) for n in range(1, LEAST_WEEKS + 1)]
    in_time = {day: record(day, 1000) for day in days}
    assert band_findings(DATASETS["orders"], in_time | {DAY: record(DAY, 300, delay_days=20)}, [DAY]) == {}
    late = {day: record(day, 300, delay_days=20) for day in days}
    assert band_findings(DATASETS["orders"], late | {DAY: record(DAY, 1000)}, [DAY]) == {}
    # What is restated for a month is as complete on any of those nights.
    restated = {day: record(day, 1000, delay_days=20) for day in days}
    assert not band_findings(DATASETS["sales_metrics"], restated | {DAY: record(DAY, 5)}, [DAY])[DAY].held


def test_other_weekdays_and_weekly_datasets_are_left_out() -> None:
    records = {DAY - timedelta(days=n): record(DAY - timedelta(days=n), 1000) for n in range(1, 7)}
    assert band_findings(DATASETS["orders"], records | {DAY: record(DAY, 1)}, [DAY]) == {}
    assert held([1000] * 8, 1, "repeat_purchase") is None
    assert usual_band([]) is None
