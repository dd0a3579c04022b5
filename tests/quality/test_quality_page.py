"""The quality page: what is broken, what was and is no more, what was looked at when; nothing from the network."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.cli.main import app
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.quality.mart_results import MartResults
from amzigo_pipelines.quality.mart_rules import EXPECTATIONS
from amzigo_pipelines.quality.results import QualityResults
from amzigo_pipelines.quality.rules import rules_of
from amzigo_pipelines.quality.suite import Finding
from amzigo_pipelines.resources import platform as platform_module
from amzigo_pipelines.resources.control.schema import marts
from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.keys.store import KeyClass
from amzigo_pipelines.resources.platform import Platform

SELLER = "ASELLER01"
NOW = datetime(2026, 10, 13, 9, tzinfo=UTC)
DAY = date(2026, 10, 12)
NAME = "sales_metrics"


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    home = Home(path=tmp_path / "home", kind=Kind.TEST, first_day=date(2026, 9, 1), endpoint="http://127.0.0.1:9")
    initialise(home)
    platform = Platform(home, VirtualClock(NOW))
    platform.sellers.add(SELLER, "Seller <b>Bold</b>", ("A1PA6795UKMFR9",), "Atzr|test")
    monkeypatch.setattr(platform_module, "open_platform", lambda clock=None: platform)
    return platform


def write(platform: Platform, day: date, orders: int) -> None:
    dataset = DATASETS[NAME]
    row = {"ordered_on": day, "marketplace_id": "A1PA6795UKMFR9", "orders": orders}
    with platform.lake.writer(SELLER, day, [dataset], {}) as writer:
        writer.append(dataset, pa.Table.from_pylist([row], dataset.schema))


def look(platform: Platform, day: date, version: int, broken: int) -> None:
    """What a check of the partition found."""
    rules = rules_of(DATASETS[NAME])
    findings = [Finding(rule, True, 1, 0) for rule in rules[1:]] + [Finding(rules[0], not broken, 1, broken)]
    QualityResults(platform.control).store(SELLER, NAME, day, version, findings, NOW)


def page(platform: Platform, tmp_path: Path) -> str:
    output = tmp_path / "quality.html"
    result = CliRunner().invoke(app, ["quality", "report", "-s", SELLER, "-o", str(output)])
    assert result.exit_code == 0, result.output
    return output.read_text("utf-8")


def test_the_page_tells_what_is_and_what_was(platform: Platform, tmp_path: Path) -> None:
    write(platform, DAY, 987_654)
    look(platform, DAY, 1, 1)
    write(platform, DAY, 987_655)
    look(platform, DAY, 2, 0)
    write(platform, DAY - timedelta(days=1), 1)
    look(platform, DAY - timedelta(days=1), 1, 3)
    write(platform, DAY - timedelta(days=3), 1)
    key = platform.keys.key_for(SELLER, KeyClass.MART, date(2026, 12, 1))
    with platform.control.transaction() as connection:
        connection.execute(
            marts.insert().values(
                seller_id=SELLER, path="x", version=7, key_id=key.key_id, rows=1, bytes=1, published_at=NOW, detail="{}"
            )
        )
    (rule,) = EXPECTATIONS["sales_reconciliation"]
    MartResults(platform.control).store(SELLER, "sales_reconciliation", 7, [Finding(rule, False, 9, 4)], NOW)
    told = page(platform, tmp_path)
    broken_now, history = told.split("What is broken now</h2>")[1].split("History of checks</h2>")
    assert str(DAY - timedelta(days=1)) in broken_now and "columns as declared" in broken_now
    assert f"<td>{DAY}</td>" not in broken_now.replace(' class="long"', "")
    assert "order totals are Amazon&#39;s own (sales_metrics)" in broken_now
    assert "replaced by a newer version" in history and "stands" in history
    # The picture: two looks at one day, one day that nobody looked at, one that is missing.
    assert f"{NAME}, {DAY}: 1 rows" in history and ">2</text>" in history
    assert f"{NAME}, {DAY - timedelta(days=3)}: not looked at yet" in history
    assert f"{NAME}, {DAY - timedelta(days=2)}: missing" in told
    assert "Somebody should look at" in told and f"{NAME} (1 missing)" in told
    # Counts alone, nothing from elsewhere, and names are text.
    assert "987" not in told and "<b>Bold" not in told
    addresses = set(re.findall(r"(?:https?:)?//[^\"'\s<>]+", told))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<(script|link|img|iframe)|@import|url\(", told)


def test_where_nothing_was_looked_at_nothing_is_said_to_hold(platform: Platform, tmp_path: Path) -> None:
    told = page(platform, tmp_path)
    assert "no partition was looked at yet" in told and "no published mart was looked at yet" in told
    assert "No rule is broken" not in told
