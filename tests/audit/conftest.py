"""Fixtures of the audit tests."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

# audit_child.py runs by path beside this module.
sys.path.insert(0, str(Path(__file__).parent))

from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.platform import Platform

NOW = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "KEK", "KEK_DIR", "DATABASE_URL", "ROLE", "USER"):
        monkeypatch.delenv(f"AMZIGO_{name}", raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


@pytest.fixture(scope="session")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new installation; to be copied, never used itself."""
    path = tmp_path_factory.mktemp("new") / "home"
    platform = initialise(Home(path, Kind.TEST, date(2026, 11, 1), "http://127.0.0.1:1"))
    platform.sellers.add("A1SELLER", "one", ["ATVPDKIKX0DER"], "Atzr|one")
    platform.sellers.add("B2SELLER", "two", ["ATVPDKIKX0DER"], "Atzr|two")
    return path


@pytest.fixture
def home(new_home: Path, tmp_path: Path) -> Path:
    shutil.copytree(new_home, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def platform(home: Path) -> Platform:
    from amzigo_pipelines.resources.home import load_home

    return Platform(load_home(home), VirtualClock(NOW))
