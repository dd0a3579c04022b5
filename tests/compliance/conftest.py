"""A home in which every promise is kept, to be copied: two days of one seller, swept, backed up, tried out."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from amzigo_pipelines.assets.mart_definitions import load_marts
from amzigo_pipelines.catalog.model import Dataset, RetentionClass
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.backup_places import FolderPlace
from amzigo_pipelines.resources.home import Home, Kind, load_home
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.backups import make_backup
from amzigo_pipelines.retention.drill import run_drill
from amzigo_pipelines.retention.sweep import sweep

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SELLER = "A1SELLER"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AMZIGO_")] + ["DAGSTER_HOME"]:
        monkeypatch.delenv(name, raising=False)


def _row(dataset: Dataset, number: int) -> dict[str, object]:
    def value(field: pa.Field) -> object:
        if pa.types.is_timestamp(field.type):
            return NOW - timedelta(days=2)
        if pa.types.is_date(field.type):
            return NOW.date() - timedelta(days=2)
        if pa.types.is_boolean(field.type):
            return False
        return f"{field.name} {number}" if pa.types.is_string(field.type) else pa.scalar(number, field.type).as_py()

    return {field.name: value(field) for field in dataset.schema}


@pytest.fixture(scope="session")
def kept_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    platform = initialise(Home(folder / "home", Kind.TEST, date(2026, 1, 1), endpoint="http://127.0.0.1:1"))
    clock = VirtualClock(NOW - timedelta(days=1))
    platform = Platform(platform.home, clock)
    platform.sellers.add(SELLER, "Shop", ("ATVPDKIKX0DER",), "Atzr|token")
    orders = DATASETS["orders"]
    rows = pa.Table.from_pylist([_row(orders, n) for n in range(3)], schema=orders.schema)
    with platform.lake.writer(SELLER, NOW.date() - timedelta(days=2), [orders], {"operation": "test"}) as writer:
        # One dies today, and is swept and certified below.
        deaths = [NOW.date(), *[NOW.date() + timedelta(days=20)] * 2]
        writer.append(orders, rows, pa.array(deaths, pa.date32()))
    clock.set(NOW)
    platform.warehouse.publish(SELLER, load_marts())
    for one in RetentionClass:
        sweep(platform, as_of=NOW.date(), retention_class=one)
    (folder / "backups").mkdir()
    make_backup(platform, FolderPlace(folder / "backups"), keep_days=35, actor="test")
    run_drill(platform, "test")
    return platform.home.path


@pytest.fixture
def platform(kept_home: Path, tmp_path: Path) -> Platform:
    shutil.copytree(kept_home, tmp_path / "home")
    return Platform(load_home(tmp_path / "home"), VirtualClock(NOW))
