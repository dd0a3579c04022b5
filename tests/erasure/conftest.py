"""Fixtures of the erasure tests."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

# erasure_child.py runs by path and imports the kit beside it; the tests import the same module.
sys.path.insert(0, str(Path(__file__).parent))

from erasure_kit import fill, make_platform, open_platform

from amzigo_pipelines.resources.platform import Platform


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "KEK", "KEK_DIR", "DATABASE_URL", "ROLE"):
        monkeypatch.delenv(f"AMZIGO_{name}", raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


@pytest.fixture(scope="session")
def filled_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two sellers and three days of orders of each; to be copied, never used itself."""
    platform = make_platform(tmp_path_factory.mktemp("filled") / "home")
    for seller in platform.sellers.list():
        fill(platform, seller.seller_id)
    return platform.home.path


@pytest.fixture
def platform(filled_home: Path, tmp_path: Path) -> Platform:
    shutil.copytree(filled_home, tmp_path / "home")
    return open_platform(tmp_path / "home")
