"""The checks of the marts that compare: they run with a publish, warn when a difference grows, and fail unseeing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from amzigo_pipelines.assets.mart_definitions import load_marts
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.definitions import build_definitions
from amzigo_pipelines.quality.mart_checks import COMPARISONS, check_mart
from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.platform import Platform

SELLER = "ACHECKSELLER"
US = "ATVPDKIKX0DER"
DAY = date(2026, 10, 10)


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    home = Home(path=tmp_path / "home", kind=Kind.TEST, first_day=date(2026, 10, 1), endpoint="http://127.0.0.1:9")
    initialise(home)
    platform = Platform(home, VirtualClock(datetime(2026, 10, 11, 0, 30, tzinfo=UTC)))
    platform.sellers.add(SELLER, SELLER, (US,), "Atzr|token")
    return platform


def write(platform: Platform, end_units: int, day: date = DAY) -> None:
    """A day of the ledger that starts with five units and has no movements."""
    dataset = DATASETS["inventory_ledger_summary"]
    row = {
        "marketplace_id": US, "day_on": day, "fn_sku": "X1", "sku": "SKU-1", "disposition": "SELLABLE",
        "location": "US", "start_units": 5, "end_units": end_units,
    }  # fmt: skip
    with platform.lake.writer(SELLER, day, [dataset], {"operation": "test"}) as writer:
        writer.append(dataset, pa.Table.from_pylist([row], dataset.schema), pa.array([date(2026, 11, 1)]))


def test_a_publish_warns_when_a_difference_comes_and_when_it_grows(platform: Platform) -> None:
    publish: Callable[..., Any] = build_definitions(platform).resolve_job_def("publish_marts").execute_in_process

    def check(instance: dg.DagsterInstance, name: str = "ledger_balance") -> Any:
        result = publish(instance=instance, partition_key=SELLER)
        found = {e.asset_key.path[-1]: e for e in result.get_asset_check_evaluations()}
        assert found.keys() == COMPARISONS.keys()
        assert all(one.severity is dg.AssetCheckSeverity.WARN for one in found.values())
        unseen = found["settlement_reconciliation"]
        assert not unseen.passed and "nothing was looked at" in unseen.description
        return found[name]

    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("seller", [SELLER])
        write(platform, 5)
        seen = check(instance)
        assert seen.passed and seen.description == "1 comparisons: no difference grew"
        write(platform, 3)
        seen = check(instance)
        assert not seen.passed
        assert seen.description == f"{SELLER}: 2 units unexplained, 0 at the last look"
    for before, passes in (("3", True), ("2", True), ("1", False)):
        again = check_mart(platform, "ledger_balance", {SELLER: {"units": before}})
        assert again.passed is passes, before
    assert again.description == f"{SELLER}: 2 units unexplained, 1 at the last look"


def test_what_cannot_be_looked_at_is_told_and_keeps_what_it_was(platform: Platform) -> None:
    write(platform, 4)
    platform.warehouse.publish(SELLER, load_marts())
    published = platform.warehouse.published(SELLER)
    assert published is not None
    published.path.write_bytes(b"damaged")
    seen = check_mart(platform, "ledger_balance", {SELLER: {"units": "3"}})
    assert not seen.passed and f"{SELLER}: not looked at" in str(seen.description)
    assert "3" in str(seen.metadata["differences"].value)


def test_without_anything_published_a_check_fails(platform: Platform) -> None:
    for name in COMPARISONS:
        assert not check_mart(platform, name, {}).passed
