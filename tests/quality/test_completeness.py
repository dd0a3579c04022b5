"""Which days are there: every state, the checks in Dagster, `amzigo status`, the standing list of failures."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import dagster as dg
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from amzigo_pipelines.assets.extraction.extract import extract_partition
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.cli.main import app
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.quality.completeness import Completeness, DayState, completeness, expected_day
from amzigo_pipelines.quality.freshness_checks import COMPLETE, FRESH, freshness_results
from amzigo_pipelines.resources import platform as platform_module
from amzigo_pipelines.resources.control.failed_partitions import FailedPartitions
from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.labels import lake_key
from amzigo_pipelines.resources.platform import Platform

SELLER = "ASELLER01"
DE = "A1PA6795UKMFR9"
NOW = datetime(2026, 10, 13, 9, tzinfo=UTC)
YESTERDAY = date(2026, 10, 12)
NAME = "sales_metrics"


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    home = Home(path=tmp_path / "home", kind=Kind.TEST, first_day=date(2026, 9, 1), endpoint="http://127.0.0.1:9")
    initialise(home)
    platform = Platform(home, VirtualClock(NOW))
    platform.sellers.add(SELLER, "Test", (DE,), "Atzr|test")
    monkeypatch.setenv("AMZIGO_HOME", str(home.path))
    monkeypatch.setattr(platform_module, "open_platform", lambda clock=None: platform)
    return platform


def write(platform: Platform, day: date, rows: int = 1, **origin: str) -> None:
    dataset = DATASETS[NAME]
    made = [{"ordered_on": day, "marketplace_id": f"M{n}", "orders": 1} for n in range(rows)]
    with platform.lake.writer(SELLER, day, [dataset], origin) as writer:
        writer.append(dataset, pa.Table.from_pylist(made, dataset.schema))


def state(platform: Platform) -> Completeness:
    (found,) = [one for one in completeness(platform, SELLER) if one.dataset == NAME]
    return found


def day(back: int) -> date:
    return YESTERDAY - timedelta(days=back)


def test_every_state_of_a_day(platform: Platform) -> None:
    write(platform, day(6))
    write(platform, day(5), 0)
    write(platform, day(4), 0, empty="unconfirmed")
    write(platform, day(2))
    FailedPartitions(platform.control).add(SELLER, [NAME], [day(2)], "it failed", NOW)
    found = state(platform)
    assert list(found.days.items()) == [
        (day(6), DayState.THERE),
        (day(5), DayState.EMPTY),
        (day(4), DayState.UNCONFIRMED),
        (day(3), DayState.MISSING),
        (day(2), DayState.FAILED),
        (day(1), DayState.LATE),
        (day(0), DayState.LATE),
    ]
    assert (found.newest, found.expected, found.late_days, found.is_in_trouble) == (day(2), day(0), 2, True)
    for back in (3, 1, 0):
        write(platform, day(back))
    FailedPartitions(platform.control).remove(SELLER, NAME, day(2))
    assert not state(platform).is_in_trouble and state(platform).late_days == 0


def test_a_day_is_due_by_the_datasets_own_lag(platform: Platform) -> None:
    write(platform, day(1))
    clock = platform.clock
    assert isinstance(clock, VirtualClock)
    clock.set(NOW.replace(hour=5, minute=59))
    assert state(platform).days[day(0)] is DayState.NOT_DUE and not state(platform).is_in_trouble
    clock.set(NOW.replace(hour=6))
    assert state(platform).days[day(0)] is DayState.LATE
    # What Amazon tells later is expected later.
    late, early = DATASETS["sales_and_traffic_daily"], DATASETS["orders"]
    assert (expected_day(early, NOW), expected_day(late, NOW)) == (day(0), day(1))


def test_of_a_new_seller_only_the_first_night_is_expected(platform: Platform) -> None:
    states = completeness(platform, SELLER)
    assert {one.dataset for one in states} == set(platform.connected_datasets(SELLER))
    assert not any(one.is_in_trouble for one in states)
    clock = platform.clock
    assert isinstance(clock, VirtualClock)
    clock.set(NOW + timedelta(days=2))
    assert state(platform).newest is None and state(platform).late_days > 0


def test_the_checks_tell_all_sellers_and_show_a_picture_without_amounts(platform: Platform) -> None:
    write(platform, day(3), 4711 % 50)
    write(platform, day(1))
    found = freshness_results(platform)
    fresh = found[dg.AssetCheckKey(lake_key(NAME), FRESH)]
    complete = found[dg.AssetCheckKey(lake_key(NAME), COMPLETE)]
    assert not fresh.passed and fresh.severity is dg.AssetCheckSeverity.WARN
    assert fresh.description == f"{SELLER}: newest day {day(1)}, 1 days late"
    assert not complete.passed and complete.description == f"{SELLER}: 1 missing ({day(2)})"
    picture = str(fresh.metadata["days_by_seller"].value)
    match = re.search(r"base64,([^)]+)\)", picture)
    assert match is not None
    svg = ElementTree.fromstring(base64.b64decode(match[1]))
    titles = [one.text for one in svg.iter("{http://www.w3.org/2000/svg}title")]
    assert f"{SELLER}, {day(2)}: missing" in titles and f"{SELLER}, {day(0)}: late" in titles
    write(platform, day(2))
    write(platform, day(0))
    found = freshness_results(platform)
    assert found[dg.AssetCheckKey(lake_key(NAME), FRESH)].passed
    assert found[dg.AssetCheckKey(lake_key(NAME), COMPLETE)].passed


def test_without_a_seller_no_check_passes(tmp_path: Path) -> None:
    home = Home(path=tmp_path / "other", kind=Kind.TEST, first_day=date(2026, 9, 1), endpoint="http://127.0.0.1:9")
    initialise(home)
    results = freshness_results(Platform(home, VirtualClock(NOW)))
    assert len(results) == 2 * len(DATASETS)
    assert not any(result.passed for result in results.values())


def status(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["status", *arguments])


def test_the_command_tells_what_is_late_and_why_it_failed(platform: Platform) -> None:
    for name in platform.connected_datasets(SELLER):
        dataset = DATASETS[name]
        with platform.lake.writer(SELLER, day(0), [dataset], {}):
            pass
    result = status("--check")
    assert result.exit_code == 0, result.output
    assert "Nothing is late, missing or failed." in result.output
    # An extraction that fails says so until one succeeds.
    platform.keys.destroy_secret(f"refresh-token/{SELLER}")
    with pytest.raises(Exception) as caught:
        extract_partition(platform, SELLER, day(0), [NAME])
    result = status("--check", "--json")
    assert result.exit_code == 1
    told = json.loads(result.output)
    assert told["is_in_trouble"]
    failed = [one for one in told["failed_partitions"] if one["last_day"] == str(day(0))]
    assert [one["dataset"] for one in failed] == [NAME] and failed[0]["why"] == str(caught.value)
    (own,) = [one for one in told["datasets"] if one["dataset"] == NAME]
    assert own["days"][str(day(0))] == "failed" and own["failed"] >= 1
    shown = status()
    assert shown.exit_code == 0 and " ".join(str(caught.value).split()) in " ".join(shown.output.split())
