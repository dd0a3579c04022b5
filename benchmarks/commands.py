"""How long whole commands take, and how much memory, measured from outside.

Belongs here: starting a command in a home of its own and watching its processes. Linux only: memory is read from /proc,
as the proportional set size of the command and all its children, so that shared pages count once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from amzigo_pipelines.assets.extraction.extract import SOURCES, extract_partition
from amzigo_pipelines.assets.mart_definitions import load_marts
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.clock import SystemClock
from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.simulator.calls import SimulatorSettings
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World, demo_config

SAMPLE_SECONDS = 0.25


@dataclass(frozen=True)
class Cost:
    """What a command took: wall-clock seconds, and the highest memory of all its processes together (MB)."""

    seconds: float
    peak_mb: float


def timed(arguments: list[str], home: str = "") -> Cost:
    """Run `amzigo` with arguments, its output thrown away.

    Raises:
        RuntimeError: it failed.
    """
    environment = {**os.environ, "AMZIGO_HOME": home} if home else dict(os.environ)
    environment.pop("DAGSTER_HOME", None)
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "amzigo_pipelines.cli", *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    peak = 0.0
    while True:
        try:
            process.wait(SAMPLE_SECONDS)
            break
        except subprocess.TimeoutExpired:
            peak = max(peak, sum(_megabytes(pid) for pid in _family(process.pid)))
    if process.returncode:
        raise RuntimeError(
            f"amzigo {' '.join(arguments)} failed: {process.stderr.read().decode() if process.stderr else ''}"
        )
    return Cost(time.perf_counter() - started, peak)


def demo() -> Cost:
    """The demo as `make demo` runs it."""
    with tempfile.TemporaryDirectory() as folder:
        return timed(["demo"], f"{folder}/home")


def one_day() -> list[tuple[str, float]]:
    """Own work of one seller's one day of 200 orders: extraction of all datasets, and publishing. Without Dagster."""
    with tempfile.TemporaryDirectory() as folder:
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        world = World(demo_config(yesterday - timedelta(days=10), orders_per_day=200))
        with SimulatorServer(world, SystemClock(), SimulatorSettings(rate_scale=1000)) as server:
            home = Home(Path(folder) / "home", Kind.TEST, yesterday - timedelta(days=10), server.url)
            platform = initialise(home)
            profile = world.profile(world.seller_ids[0])
            platform.sellers.add(profile.seller_id, "bench", profile.marketplace_ids, profile.refresh_token)
            times = []
            for round_ in range(2):  # the first makes the simulator's world and loads the libraries
                started = time.perf_counter()
                connected = set(platform.connected_datasets(profile.seller_id))
                for source in (source for source in SOURCES if connected.issuperset(source)):
                    extract_partition(platform, profile.seller_id, yesterday, source)
                extracted = time.perf_counter()
                platform.warehouse.publish(profile.seller_id, load_marts())
                if round_:
                    times += [
                        ("one seller, one day", extracted - started),
                        ("  and its publish", time.perf_counter() - extracted),
                    ]
            return times


def _family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            text = children.read_text()
        except OSError:
            continue  # it has just ended
        for child in text.split():
            yield from _family(int(child))


def _megabytes(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        return 0.0  # it has just ended
    return 0.0
