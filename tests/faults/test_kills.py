"""kill -9 anywhere in an extraction, and a restart: each partition is the old one or the new one, and then the new one.

At each step of a write: `tests/storage/test_crashes.py`. While a report is asked for: `tests/extraction/`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World
from tests.extraction.conftest import Platform
from tests.faults.kit import NOW, SELLER, SOURCES, Truth, extract, facts, on_disk, versions

CHILD = Path(__file__).with_name("child.py")
LATER = NOW + timedelta(hours=5)


@pytest.fixture
def process(platform: Platform, server: SimulatorServer) -> Iterator[subprocess.Popen[str]]:
    """Something is stored already; hours later a process extracts it again."""
    for source in SOURCES:
        extract(platform, source)
    for clock in (platform.clock, server.clock):
        clock.set(LATER)  # type: ignore[attr-defined]
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, str(CHILD), str(platform.home.path.parent), LATER.isoformat()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    ) as child:
        yield child
        assert child.stdin is not None
        child.stdin.close()


def killed_at(process: subprocess.Popen[str], number: int) -> int:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{number}\n")
    process.stdin.flush()
    return int(process.stdout.readline())


def test_killed_at_any_request_and_restarted(process: subprocess.Popen[str], platform: Platform, world: World) -> None:
    old = {source: (versions(platform, source), Truth(world, NOW).of(source)) for source in SOURCES}
    new = {source: Truth(world, LATER).of(source) for source in SOURCES}
    assert all(old[source][1] != new[source] for source in SOURCES[:3])
    kills, number = 0, 1
    while (code := killed_at(process, number)) != 0:
        assert code == -signal.SIGKILL
        kills += 1
        for source in SOURCES:
            expected = old[source][1] if versions(platform, source) == old[source][0] else new[source]
            assert facts(platform, source) == expected, (number, source)
        # The first requests one by one, then further apart: each is another place on the way.
        number += 1 if number < 8 else 3
    assert kills >= 8
    for source in SOURCES:
        assert facts(platform, source) == new[source]
    platform.lake.sweep()
    assert on_disk(platform) == {file.path for file in platform.lake.files(seller_id=SELLER, state="current")}
    assert not [path for path in platform.home.path.rglob("*") if path.name.startswith(".tmp")]
