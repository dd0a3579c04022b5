"""A control database in a temporary folder, and time that a test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from amzigo_pipelines.resources.control.database import ControlDatabase

START = datetime(2026, 11, 20, tzinfo=UTC)


class Time:
    """Real time, as a test sees it: sleeping moves it and takes none."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed_s)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed_s += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def control(tmp_path: Path) -> ControlDatabase:
    control = ControlDatabase(f"sqlite:///{tmp_path / 'control.db'}")
    control.create()
    return control
