"""Fixtures of the incident tests."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

# incident_child.py runs by path and imports the kit beside it; the tests import the same module.
sys.path.insert(0, str(Path(__file__).parent))

from incident_kit import make_platform, open_platform

from amzigo_pipelines.resources.platform import Platform


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AMZIGO_")] + ["DAGSTER_HOME"]:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_platform(tmp_path_factory.mktemp("new") / "home").home.path


@pytest.fixture
def platform(new_home: Path, tmp_path: Path) -> Platform:
    shutil.copytree(new_home, tmp_path / "home")
    return open_platform(tmp_path / "home")
