"""Starting the simulator as a process of its own beside a command, and moving its clock.

Belongs here: the process and its health. Does not belong here: the simulated world (`simulator/`).
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from urllib.parse import urlsplit

import httpx

from amzigo_pipelines.cli.services import ServiceRefused
from amzigo_pipelines.resources.home import Home
from amzigo_pipelines.resources.spapi.auth import endpoint_for

START_SECONDS = 30.0
STOP_SECONDS = 15.0


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_simulator(home: Home, *, virtual_now: datetime | None = None, rate_scale: float = 1.0) -> Iterator[str]:
    """Run the home's simulator for the length of the block; yields its address.

    Args:
        home: a `test` home; its endpoint says where to listen.
        virtual_now: where its clock stands still; the machine's clock when None.
        rate_scale: multiplies Amazon's rates.

    Raises:
        ServiceRefused: it did not come up, for instance because the port is taken.
    """
    port = urlsplit(home.endpoint).port
    command = [sys.executable, "-m", "amzigo_pipelines.cli", "simulator", "--port", str(port)]
    command += ["--rate-scale", str(rate_scale)]
    if virtual_now is not None:
        command += ["--virtual-now", virtual_now.isoformat()]
    with running(command, subprocess.DEVNULL) as process:
        _wait_until_healthy(process, home.endpoint)
        yield home.endpoint


@contextmanager
def running(command: list[str], output: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process for the length of the block; at its end it is asked to end, and after a while made to."""
    process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def require_simulator(home: Home) -> None:
    """Make sure that the simulator of a `test` home answers: Amazon's client would ask again for minutes.

    Raises:
        EndpointRefused: the home's endpoint is not one on this machine.
        ServiceRefused: nothing answers there.
    """
    endpoint_for(home)  # refuses what is not on this machine, so that nothing is asked there
    try:
        httpx.get(f"{home.endpoint}/simulator/health", timeout=5).raise_for_status()
    except httpx.HTTPError:
        raise ServiceRefused(
            f"no simulator answers at {home.endpoint}: start it with 'amzigo simulator' in another terminal"
        ) from None


def move_clock(endpoint: str, now: datetime) -> None:
    """Set the virtual clock of a running simulator."""
    httpx.put(f"{endpoint}/simulator/clock", json={"now": now.isoformat()}, timeout=30).raise_for_status()


def _wait_until_healthy(process: subprocess.Popen[bytes], endpoint: str) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            httpx.get(f"{endpoint}/simulator/health", timeout=1).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise ServiceRefused(
        f"the simulator did not start at {endpoint}: is the port taken? Try 'amzigo simulator' by hand"
    )
