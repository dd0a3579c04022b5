"""Fixtures of the key tests."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# key_child.py runs by path and imports the kit beside it; the tests import the same module.
sys.path.insert(0, str(Path(__file__).parent))

from keys_kit import make_platform, open_platform, use_credentials
from kms_server import KmsServer

from amzigo_pipelines.resources.platform import Platform


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AMZIGO_", "AWS_"))] + ["DAGSTER_HOME"]:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_platform(tmp_path_factory.mktemp("new") / "home").home.path


@pytest.fixture
def platform(new_home: Path, tmp_path: Path) -> Platform:
    """A new installation with two sellers, a copy of one made once."""
    shutil.copytree(new_home, tmp_path / "home")
    return open_platform(tmp_path / "home")


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[KmsServer]:
    """A KMS with a key for each purpose, and credentials for it that may use all of them."""
    use_credentials(monkeypatch, "service")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with KmsServer() as server:
        for purpose in ("pii", "pseudonym", "business", "mart", "secret", "hold", "backup"):
            server.make(f"alias/amzigo-{purpose}")
        yield server
