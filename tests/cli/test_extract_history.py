"""`amzigo extract` over a range: refused, stopped, gone on with."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections import Counter
from datetime import date, timedelta

from amzigo_pipelines.cli.side_by_side import in_words
from amzigo_pipelines.resources.home import Home
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.simulator.server import SimulatorServer
from tests.cli.conftest import DAYS, Amzigo

ORDERS = ("--dataset", "orders", "--dataset", "order_items")


def arguments(home: Home, seller: str, yesterday: date) -> tuple[str, ...]:
    return ("extract", "-s", seller, "--from", str(home.first_day), "--to", str(yesterday), *ORDERS)


def test_a_range_that_is_there_asks_amazon_for_nothing(
    amzigo: Amzigo, home: Home, seller: str, yesterday: date, simulator: SimulatorServer
) -> None:
    first = json.loads(amzigo(*arguments(home, seller, yesterday), "--json").out)
    assert first["settled_partitions"] == 0 and first["extracted_partitions"] == 2 * DAYS
    asked = simulator.requests["searchOrders"]
    again = amzigo(*arguments(home, seller, yesterday))
    assert again.code == 0 and f"{2 * DAYS} partitions were there already" in again.out
    assert simulator.requests["searchOrders"] == asked > 0
    anew = json.loads(amzigo(*arguments(home, seller, yesterday), "--anew", "--json").out)
    assert anew["rows"] == first["rows"] and simulator.requests["searchOrders"] > asked


def test_killed_and_started_again_it_goes_on(
    amzigo: Amzigo, home: Home, seller: str, yesterday: date, simulator: SimulatorServer
) -> None:
    # The second day's answers take so long that the process is killed between two days.
    simulator.faults.add("searchOrders", "slow_body", times=9, after=1, seconds=30)
    environment = {**os.environ, "AMZIGO_HOME": str(home.path)}
    command = [sys.executable, "-m", "amzigo_pipelines.cli", *arguments(home, seller, yesterday)]
    platform = Platform(home)
    try:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not platform.lake.partitions(seller) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    finally:
        simulator.faults.clear()
    there = {record.day: record.version for record in platform.lake.partitions(seller, "orders")}
    assert 0 < len(there) < DAYS
    told = json.loads(amzigo(*arguments(home, seller, yesterday), "--json").out)
    assert told["settled_partitions"] == 2 * len(there)
    assert told["extracted_partitions"] == 2 * (DAYS - len(there))
    after = {record.day: record.version for record in platform.lake.partitions(seller, "orders")}
    assert len(after) == DAYS and after.items() >= there.items()


def test_datasets_go_side_by_side_and_ctrl_c_loses_nothing(
    amzigo: Amzigo, home: Home, seller: str, yesterday: date, simulator: SimulatorServer
) -> None:
    both = (*arguments(home, seller, yesterday), "--dataset", "fba_shipments")
    platform, screen = Platform(home), b""
    # The shipments' report hangs; orders have an allowance, and so a lane, of their own.
    simulator.faults.add("getReport", "slow_body", times=9, seconds=120)
    process, terminal = _in_a_terminal([sys.executable, "-m", "amzigo_pipelines.cli", *both], home)
    try:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and f"{2 * DAYS}/{3 * DAYS}".encode() not in screen:
            screen += _read(terminal)
        assert _there(platform, seller) == {"orders": DAYS, "order_items": DAYS}, screen.decode()[-1500:]
        os.write(terminal, b"\x03")
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            screen += _read(terminal)
        assert process.poll() == 130
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
        simulator.faults.clear()
    shown = screen.decode()
    # Of one lane no run has ended, so the estimate is a lower bound; nobody sees a traceback.
    assert f"{2 * DAYS}/{3 * DAYS}" in shown and "at least a minute, by Amazon's rates" in shown
    assert "Traceback" not in shown and "amzigo: stopped; what was committed stays" in shown, shown[-3000:]
    versions = {(r.dataset, r.day): r.version for r in platform.lake.partitions(seller)}
    told = json.loads(amzigo(*both, "--json").out)
    assert (told["settled_partitions"], told["extracted_partitions"]) == (2 * DAYS, DAYS)
    after = {(r.dataset, r.day): r.version for r in platform.lake.partitions(seller)}
    assert len(after) == 3 * DAYS and versions.items() < after.items()


def _there(platform: Platform, seller: str) -> dict[str, int]:
    """How many days of each dataset; only of those that are whole."""
    counts = Counter(record.dataset for record in platform.lake.partitions(seller))
    return {name: count for name, count in counts.items() if count == DAYS}


def _in_a_terminal(command: list[str], home: Home) -> tuple[subprocess.Popen[bytes], int]:
    """A process whose terminal we hold: what we type reaches it as a person's keys do."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    environment = {**os.environ, "AMZIGO_HOME": str(home.path), "TERM": "xterm", "COLUMNS": "160"}
    process = subprocess.Popen(
        command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=take_terminal
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    return process, ours


def _read(terminal: int) -> bytes:
    if select.select([terminal], [], [], 0.1)[0]:
        try:
            return os.read(terminal, 65_536)
        except OSError:  # the other end is closed
            return b""
    return b""


def test_days_older_than_eighteen_months_are_refused(amzigo: Amzigo, seller: str, yesterday: date) -> None:
    day = yesterday - timedelta(days=600)
    sentence = amzigo("extract", "-s", seller, "--from", str(day), "--to", str(yesterday)).sentence
    assert f"{day} is too old" in sentence and "18 months" in sentence and "the oldest day to extract is" in sentence


def test_a_time_to_come_in_words() -> None:
    assert in_words(30, True) == "about a minute left"
    assert in_words(600, True) == "about 10 minutes left"
    assert in_words(9 * 3600 + 60, False) == "at least 9 h 01 min, by Amazon's rates"
