"""The simulator of the fault tests over real HTTP, without any fault left over, at NOW."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.spapi.auth import TOKENS
from amzigo_pipelines.simulator.server import SimulatorServer, SimulatorSettings
from amzigo_pipelines.simulator.world import World
from tests.extraction.conftest import Platform
from tests.faults.kit import CONFIG, NOW, SELLER, make_platform


@pytest.fixture(autouse=True)
def _no_tokens_left() -> Iterator[None]:
    TOKENS.clear()
    yield
    TOKENS.clear()


@pytest.fixture(scope="session")
def world() -> World:
    world = World(CONFIG)
    world.seller(SELLER, NOW + timedelta(days=3))
    return world


@pytest.fixture(scope="session")
def session_server(world: World) -> Iterator[SimulatorServer]:
    # Reports are ready at once: waiting for them is tested elsewhere.
    settings = SimulatorSettings(rate_scale=100_000, report_queue_s=0.0, report_work_s=0.0)
    with SimulatorServer(world, VirtualClock(NOW), settings) as server:
        yield server


@pytest.fixture
def server(session_server: SimulatorServer) -> Iterator[SimulatorServer]:
    session_server.faults.clear()
    session_server.clock.set(NOW)  # type: ignore[attr-defined]
    session_server.requests.clear()
    yield session_server
    session_server.faults.clear()


@pytest.fixture
def platform(tmp_path: Path, server: SimulatorServer) -> Platform:
    return make_platform(tmp_path, server.url)


@pytest.fixture
def simulator_with(world: World) -> Iterator[Callable[..., SimulatorServer]]:
    """Starts a simulator with other settings than usual."""
    started: list[SimulatorServer] = []

    def start(**settings: Any) -> SimulatorServer:
        chosen = SimulatorSettings(**{"rate_scale": 100_000, **settings})
        server = SimulatorServer(world, VirtualClock(NOW), chosen).__enter__()
        started.append(server)
        return server

    yield start
    for server in started:
        server.__exit__(None, None, None)
