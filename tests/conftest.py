"""What all tests share."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

# A command looks at the machine's own clock: across midnight the same words mean another day, and for two minutes after
# it yesterday isn't complete at Amazon yet.
_BEFORE_MIDNIGHT = timedelta(seconds=90)
_AFTER_MIDNIGHT = timedelta(seconds=130)

# The suite commits some ten thousand times, each with an fsync: milliseconds on a disk, nothing in memory. What a
# killed process leaves is the same in both.
_MEMORY, _ENOUGH_BYTES = Path("/dev/shm"), 8_000_000_000


def pytest_configure(config: pytest.Config) -> None:
    """Put all temporary folders into memory where there is enough of it and nobody chose another place."""
    is_chosen = config.option.basetemp or any(name in os.environ for name in ("TMPDIR", "PYTEST_DEBUG_TEMPROOT"))
    if not is_chosen and _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ENOUGH_BYTES:
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None


@pytest.fixture
def steady_day() -> None:
    """Wait over midnight UTC, should it be now."""
    now = datetime.now(UTC)
    later = now + _BEFORE_MIDNIGHT
    midnight = later.replace(hour=0, minute=0, second=0, microsecond=0)
    if now < midnight + _AFTER_MIDNIGHT:
        time.sleep((midnight + _AFTER_MIDNIGHT - now).total_seconds())


@pytest.fixture(autouse=True)
def _no_instance_left() -> Iterator[None]:
    """Make Dagster forget the instance of the test that ran before.

    A test that gives its instance to `build_sensor_context` enters it twice, and Dagster forgets only one of the two:
    the next test of the process would ask an instance that is no more.
    """
    yield
    base = sys.modules.get("dagster._core.storage.defs_state.base")
    if base is not None:
        base._current_storage.set(None)


@pytest.fixture(autouse=True)
def _no_home_left() -> Iterator[None]:
    """Take back what a command called in this process set: the next test's home would lie in this one's folder."""
    names = ("AMZIGO_HOME", "DAGSTER_HOME")
    before = {name: os.environ.get(name) for name in names}
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
