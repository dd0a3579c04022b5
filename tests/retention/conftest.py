"""Fixtures of the retention tests."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

# sweep_child.py runs by path and imports the kit beside it; the tests import the same module.
sys.path.insert(0, str(Path(__file__).parent))

from retention_kit import DAY, make_platform, open_platform

from amzigo_pipelines.resources.platform import Platform


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AMZIGO_HOME", "AMZIGO_KEK", "AMZIGO_KEK_DIR", "AMZIGO_DATABASE_URL", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_platform(tmp_path_factory.mktemp("new") / "home").home.path


@pytest.fixture
def platform(new_home: Path, tmp_path: Path) -> Platform:
    """A new installation, a copy of one made once: on the first day of the tests."""
    shutil.copytree(new_home, tmp_path / "home")
    return open_platform(tmp_path / "home", DAY)
