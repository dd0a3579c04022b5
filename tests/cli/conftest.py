"""A home of its own for each test, and the command line called in this process."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from amzigo_pipelines.assets.extraction.extract import extract_partition
from amzigo_pipelines.assets.mart_definitions import load_marts
from amzigo_pipelines.cli import main as command
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.clock import SystemClock
from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.simulator.calls import SimulatorSettings
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World, demo_config

DAYS = 3


@dataclass(frozen=True)
class Outcome:
    """What a command did: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one sentence of a refusal; fails when there was anything else."""
        lines = self.err.strip().splitlines()
        assert self.code == 1 and len(lines) == 1 and lines[0].startswith("amzigo: "), (self.code, self.out, self.err)
        assert "Traceback" not in self.out + self.err
        return lines[0].removeprefix("amzigo: ")


class Published(NamedTuple):
    """A home, and the id of its one seller, whose marts are published."""

    home: Home
    seller: str


def _home_at(path: Path, simulator: SimulatorServer) -> Home:
    return Home(path=path, kind=Kind.TEST, first_day=simulator.world.config.first_day, endpoint=simulator.url)


Amzigo = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _steady_day(steady_day: None) -> None:
    """Commands look at the machine's clock."""


@pytest.fixture
def amzigo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Amzigo:
    """Call the command line with AMZIGO_HOME in this test's folder."""
    monkeypatch.setenv("AMZIGO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("DAGSTER_HOME", raising=False)

    def call(*arguments: str) -> Outcome:
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
        monkeypatch.setattr("sys.argv", ["amzigo", *arguments])
        code: object = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                command.main()
            except SystemExit as exit_:
                code = exit_.code
        out.flush()
        printed = out.buffer.getvalue().decode()
        return Outcome(code if isinstance(code, int) else 0, printed, err.getvalue())

    return call


@pytest.fixture(scope="session")
def simulator() -> Iterator[SimulatorServer]:
    """A small world up to this moment, on a free port."""
    first_day = datetime.now(UTC).date() - timedelta(days=DAYS)
    world = World(demo_config(first_day, orders_per_day=5))
    with SimulatorServer(world, SystemClock(), SimulatorSettings(rate_scale=1000)) as server:
        yield server


@pytest.fixture
def home(tmp_path: Path, simulator: SimulatorServer) -> Home:
    """An initialised test home without sellers."""
    made = _home_at(tmp_path / "home", simulator)
    initialise(made)
    return made


@pytest.fixture
def seller(home: Home, simulator: SimulatorServer) -> str:
    """The id of a connected seller of that home."""
    profile = simulator.world.profile(simulator.world.seller_ids[0])
    Platform(home).sellers.add(profile.seller_id, "Test", profile.marketplace_ids, profile.refresh_token)
    return profile.seller_id


@pytest.fixture(scope="session")
def published_template(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorServer) -> Path:
    """A home whose seller has yesterday extracted and published; to be copied, never used itself."""
    path = tmp_path_factory.mktemp("template") / "home"
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("DAGSTER_HOME", raising=False)
        platform = initialise(_home_at(path, simulator))
    profile = simulator.world.profile(simulator.world.seller_ids[0])
    platform.sellers.add(profile.seller_id, "Test", profile.marketplace_ids, profile.refresh_token)
    for source in (("orders", "order_items"), ("fba_inventory",), ("listings",)):
        extract_partition(platform, profile.seller_id, datetime.now(UTC).date() - timedelta(days=1), source)
    platform.warehouse.publish(profile.seller_id, load_marts())
    return path


@pytest.fixture
def published(published_template: Path, simulator: SimulatorServer, tmp_path: Path) -> Published:
    """A home of this test's own with a seller whose yesterday is extracted and published."""
    shutil.copytree(published_template, tmp_path / "home")
    return Published(_home_at(tmp_path / "home", simulator), simulator.world.seller_ids[0])


@pytest.fixture
def yesterday() -> date:
    """The newest day that is over."""
    return datetime.now(UTC).date() - timedelta(days=1)
