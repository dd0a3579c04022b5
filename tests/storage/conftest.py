"""Fixtures of the storage tests: an installation, and a way to do things in another process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# child.py runs by path and imports the kit beside it; the tests import the same module.
sys.path.insert(0, str(HERE))

from storage_kit import Store, make_store  # noqa: E402

Child = Callable[[str, Path], subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AMZIGO_HOME", "AMZIGO_KEK", "AMZIGO_KEK_DIR", "AMZIGO_DATABASE_URL", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "home")


def child_command(action: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AMZIGO_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parent.parent), environment.get("PYTHONPATH", "")])
    return [sys.executable, str(HERE / "child.py"), action, str(folder)], environment


@pytest.fixture(scope="session")
def child() -> Child:
    """Run an action of child.py on a folder, to its end."""

    def run(action: str, folder: Path) -> subprocess.CompletedProcess[str]:
        command, environment = child_command(action, folder)
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    return run


@pytest.fixture(scope="session")
def start_child() -> Callable[[str, Path], subprocess.Popen[str]]:
    """Start an action of child.py on a folder, with pipes."""

    def start(action: str, folder: Path) -> subprocess.Popen[str]:
        command, environment = child_command(action, folder)
        return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    return start
