"""`amzigo extract` over a range: refused, stopped, gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import date, timedelta

from amzigo_pipelines.cli.extraction import in_words
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


def test_days_older_than_eighteen_months_are_refused(amzigo: Amzigo, seller: str, yesterday: date) -> None:
    day = yesterday - timedelta(days=600)
    sentence = amzigo("extract", "-s", seller, "--from", str(day), "--to", str(yesterday)).sentence
    assert f"{day} is too old" in sentence and "18 months" in sentence and "the oldest day to extract is" in sentence


def test_a_time_to_come_in_words() -> None:
    assert in_words(30, True) == "about a minute left"
    assert in_words(600, True) == "about 10 minutes left"
    assert in_words(9 * 3600 + 60, False) == "at least 9 h 01 min, by Amazon's rates"
