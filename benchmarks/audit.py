"""What the audit trail costs: checking a million entries, and its share of an extraction.

Run `python -m benchmarks.audit [--entries 1000000]`. The trail is filled as runs fill it (in batches, sealed, chained,
its head signed), then checked whole; memory is what the process holds at most meanwhile, over what it held before. The
share of a run is measured within that run: the CPU seconds of all that the trail does, over those of the whole
extraction of one seller's day and its publish. The instruments' own time counts for the trail.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from amzigo_pipelines.assets.extraction.extract import SOURCES, extract_partition
from amzigo_pipelines.assets.mart_definitions import load_marts
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.clock import SystemClock
from amzigo_pipelines.resources.audit.chain import Draft, append
from amzigo_pipelines.resources.audit.sums import Sums
from amzigo_pipelines.resources.audit.trail import AuditTrail, microseconds
from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.simulator.calls import SimulatorSettings
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World, demo_config

_BATCH = 20_000


@dataclass(frozen=True)
class Verification:
    """Seconds (by the clock and of CPU) and bytes of checking a trail."""

    entries: int
    seconds: float
    cpu_s: float
    peak_bytes: int


@dataclass(frozen=True)
class Share:
    """CPU seconds of a run, of them the trail's, and how many entries it wrote."""

    run_s: float
    trail_s: float
    entries: int

    @property
    def ratio(self) -> float:
        """What the trail adds: its seconds over those of the run without it."""
        return self.trail_s / (self.run_s - self.trail_s)


def fill(platform: Platform, entries: int) -> None:
    """Write so many entries of calls, in batches."""
    at_us = microseconds(datetime(2026, 11, 1, tzinfo=UTC))
    acting = platform.audit.acting.facts | {"run_id": "0" * 36, "job": "daily_extraction"}
    with platform.control.transaction() as connection:
        sealer = platform.audit.sealer(connection)
    for start in range(0, entries, _BATCH):
        drafts = [
            Draft(
                at_us + n * 1_000_000,
                "call_api",
                f"SELLER{n % 50:04}",
                {
                    "actor": "run " + "0" * 36,
                    "subject": "SP-API searchOrders",
                    "purpose": "daily_extraction",
                    "bytes": 1000 + n,
                    "outcome": "200",
                    "acting": acting,
                    "detail": {"minute": "2026-11-01T00:00+00:00", "count": 7},
                },
            )
            for n in range(start, min(start + _BATCH, entries))
        ]
        with platform.control.transaction() as connection:
            append(connection, sealer, drafts)
        platform.audit.sign()


def verification(entries: int) -> Verification:
    """Fill a trail and check it."""
    with tempfile.TemporaryDirectory() as folder:
        platform = initialise(Home(Path(folder) / "home", Kind.TEST, date(2026, 11, 1), "http://127.0.0.1:1"))
        fill(platform, entries)
        # Linux: from here on the highest resident memory counts anew.
        Path("/proc/self/clear_refs").write_text("5")
        before = _peak_rss()
        started, started_cpu = time.perf_counter(), time.process_time()
        found = platform.audit.verify()
        seconds, cpu_s = time.perf_counter() - started, time.process_time() - started_cpu
        return Verification(found, seconds, cpu_s, _peak_rss() - before)


def _peak_rss() -> int:
    """The process's highest resident memory, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def share() -> Share:
    """One seller's day of 200 orders: all datasets, and the publish."""
    spent = [0.0]
    with tempfile.TemporaryDirectory() as folder, _measured(spent):
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        world = World(demo_config(yesterday - timedelta(days=10), orders_per_day=200))
        with SimulatorServer(world, SystemClock(), SimulatorSettings(rate_scale=1000)) as server:
            home = Home(Path(folder) / "home", Kind.TEST, yesterday - timedelta(days=10), server.url)
            platform = initialise(home)
            profile = world.profile(world.seller_ids[0])
            platform.sellers.add(profile.seller_id, "bench", profile.marketplace_ids, profile.refresh_token)
            for _ in range(2):  # the first makes the simulator's world and loads the libraries
                spent[0], before, started = 0.0, platform.audit.head().number, _own_cpu()
                connected = set(platform.connected_datasets(profile.seller_id))
                for source in (source for source in SOURCES if connected.issuperset(source)):
                    extract_partition(platform, profile.seller_id, yesterday, source)
                platform.warehouse.publish(profile.seller_id, load_marts())
                platform.audit.flush()
                run_s = _own_cpu() - started
            return Share(run_s, spent[0], platform.audit.head().number - before)


def _own_cpu() -> float:
    # The simulator lives in threads of this process, so a process's seconds would count it: this thread's alone.
    return time.thread_time()


@contextlib.contextmanager
def _measured(spent: list[float]) -> Iterator[None]:
    """Add up this thread's CPU seconds in all that the trail does; nested calls count once."""
    depth = [0]

    def timed(work: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if depth[0]:
                return work(*args, **kwargs)
            depth[0] = 1
            began = time.thread_time()
            try:
                return work(*args, **kwargs)
            finally:
                spent[0] += time.thread_time() - began
                depth[0] = 0

        return wrapper

    wrapped = [(Sums, "add"), *((AuditTrail, name) for name in ("record", "record_in", "flush", "flush_if_due"))]
    originals = [(kind, name, getattr(kind, name)) for kind, name in wrapped]
    for kind, name, work in originals:
        setattr(kind, name, timed(work))
    try:
        yield
    finally:
        for kind, name, work in originals:
            setattr(kind, name, work)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    options = parser.parse_args(arguments)
    run = share()
    print(
        f"share of a run            {100 * run.ratio:5.2f} %   promised: at most 2 % "
        f"({1000 * run.trail_s:.0f} ms of {run.run_s:.2f} s CPU, {run.entries} entries)"
    )
    checked = verification(options.entries)
    print(
        f"checking {checked.entries:>9,} entries  {checked.seconds:5.1f} s   promised: a million in under 10 s "
        f"({checked.cpu_s:.1f} s CPU; memory: {checked.peak_bytes / 2**20:+.0f} MB)"
    )


if __name__ == "__main__":
    main()
