"""What it costs to extract orders: by the bulk report, by the Orders API, and under Amazon's true rates.

Run `python -m benchmarks.orders [--lines 400000] [--orders-per-day 1300]`. The simulator is in this process, the work
in processes of their own (`orders_child.py`), so that neither its time nor its memory counts. "Our time" is processor
time of that process, all threads, from asking for the report (or the first page) until all is committed, so without the
start of Python and imports; download, TLS set-up, gunzip, decoding, encryption, fsync and books included. Memory is the
process's peak resident size (VmHWM), Python and all libraries included. The report's content is made before and only
served while we measure; of three measurements the shortest counts. Beside it stands what one would write
instead: pandas from the same bytes to plaintext Parquet, a plain loop over pages to JSON lines. Neither encrypts, keeps
books, or makes anything durable.

Does not belong here: what encryption costs (`lake.py`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import cast

from amzigo_pipelines.catalog.rates import RATES, Rate
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.clock import SystemClock
from amzigo_pipelines.resources.home import Home, Kind, load_home
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.spapi.client import SellingPartner
from amzigo_pipelines.simulator.calls import SimulatorSettings
from amzigo_pipelines.simulator.lwa import CLIENT_ID, CLIENT_SECRET
from amzigo_pipelines.simulator.marketplaces import BY_COUNTRY
from amzigo_pipelines.simulator.profiles import SellerProfile, WorldConfig
from amzigo_pipelines.simulator.rates import RATES as AMAZONS_RATES
from amzigo_pipelines.simulator.report_all_orders import build
from amzigo_pipelines.simulator.report_request import OrderReportQuirks, ReportRequest
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World

SELLER = "ABENCHSELLER1"
TOKEN = "Atzr|synthetic-bench"
_UNLIMITED = 1e6
# Beyond the burst, so that the bucket's refill decides.
_PACED_CALLS_BEYOND_BURST = 6
_PACED_ORDERS_A_DAY = 1_250
_PAGES_SCALE = 50.0


@dataclass(frozen=True)
class Spent:
    """What a process spent on its work, and how many rows came of it."""

    rows: int
    wall_s: float
    cpu_s: float
    before_mb: float
    peak_mb: float


@contextmanager
def simulated(first_day: date, orders_per_day: float, **settings: float) -> Iterator[tuple[SimulatorServer, Home]]:
    """A simulator with one seller, and a home connected to it."""
    profile = SellerProfile(SELLER, TOKEN, (BY_COUNTRY["US"].marketplace_id,), orders_per_day=orders_per_day)
    world = World(WorldConfig(seed=1, first_day=first_day, sellers=(profile,)))
    chosen = SimulatorSettings(**{"rate_scale": _UNLIMITED, **settings})  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder, SimulatorServer(world, SystemClock(), chosen) as server:
        home = Home(Path(folder) / "home", Kind.TEST, first_day, server.url, rate_scale=chosen.rate_scale)
        initialise(home).sellers.add(SELLER, "bench", profile.marketplace_ids, TOKEN)
        yield server, home


def by_report(lines: int) -> tuple[Spent, Spent]:
    """A report of so many lines into the lake, and by pandas into plaintext Parquet."""
    now = datetime.now(UTC)
    day = now.date() - timedelta(days=40)
    with simulated(day - timedelta(days=5), 60, bulk_order_lines=lines) as (server, home):
        # The first time makes the content; the report is then used again, as after an interruption.
        _child("extract", home.path, day, day)
        ours = _best("extract", home.path, day, day)
        world: World = server.world
        start = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
        request = ReportRequest(
            world.seller(SELLER, now),
            int(now.timestamp()),
            [BY_COUNTRY["US"]],
            start,
            start + 86_399,
            quirks=OrderReportQuirks(lines),
        )
        content = home.path / "report.txt"
        content.write_text(build(request) or "", "utf-8")
        theirs = _child("pandas", content, day, day)
    return ours, theirs


def by_api(orders_per_day: float, days: int) -> tuple[Spent, Spent]:
    """Days of orders with their items by `searchOrders` into the lake, and by a plain loop into JSON lines."""
    last = datetime.now(UTC).date() - timedelta(days=1)
    first = last - timedelta(days=days - 1)
    with simulated(first, orders_per_day) as (server, home):
        _child("extract", home.path, first, last)  # the first time makes the world
        return _best("extract", home.path, first, last), _child("loop", home.path, first, last, server.url)


@dataclass(frozen=True)
class Paced:
    """Calls of one operation with the bucket's burst and then some."""

    operation: str
    calls: int
    refused: int
    allowed_s: float
    taken_s: float

    def told(self, scale: float) -> str:
        """One line of the outcome."""
        at = "Amazon's true rate" if scale == 1 else f"a bucket filled {scale:g} times as fast, the true burst"
        return (
            f"{self.operation:<14} {self.taken_s / self.allowed_s:12.3f} of what the bucket allows "
            f"({self.taken_s:.1f} s for {self.calls} calls, {at})   promised: at most 1.05\n"
            f"  refused with 429 {self.refused / self.calls:13.1%}   promised: under 1 %"
        )


def paced_orders() -> Paced:
    """`getOrder` one by one, under Amazon's true rate."""
    last = datetime.now(UTC).date() - timedelta(days=1)
    with simulated(last, 80, rate_scale=1.0) as (server, home), partner_of(home) as partner:
        start = datetime(last.year, last.month, last.day, tzinfo=UTC)
        found = next(iter(partner.search_orders(start, start + timedelta(days=1), ["FULFILLMENT"]))).rows
        ids = [str(order["orderId"]) for order in found]
        began = time.perf_counter()
        for number in range(int(RATES["getOrder"].burst) + _PACED_CALLS_BEYOND_BURST):
            partner.get_order(ids[number % len(ids)], ["FULFILLMENT"])
        return _paced(server, "getOrder", time.perf_counter() - began)


def paced_pages() -> Paced:
    """A sweep of `searchOrders` over more pages than its burst, with a bucket that fills faster.

    At the true rate each page beyond the burst takes three minutes. The burst is Amazon's own.
    """
    last = datetime.now(UTC).date() - timedelta(days=1)
    first = last - timedelta(days=1)
    with (
        _filled_faster("searchOrders", _PAGES_SCALE),
        simulated(first, _PACED_ORDERS_A_DAY, rate_scale=1.0) as (server, home),
        partner_of(home) as partner,
    ):
        server.world.seller(SELLER, datetime.now(UTC))  # made before the clock runs
        start, began = datetime(first.year, first.month, first.day, tzinfo=UTC), time.perf_counter()
        for _ in partner.search_orders(start, start + timedelta(days=2), ["FULFILLMENT"]):
            pass
        return _paced(server, "searchOrders", time.perf_counter() - began)


@contextmanager
def partner_of(home: Home) -> Iterator[SellingPartner]:
    """The client, with the rate buckets of a home's control database."""
    with Platform(load_home(home.path)).selling_partner(SELLER) as partner:
        yield partner


@contextmanager
def _filled_faster(operation: str, scale: float) -> Iterator[None]:
    """For both sides: the simulator's bucket, and ours."""
    ours = cast(dict[str, Rate], RATES)
    rate, theirs = ours[operation], AMAZONS_RATES[operation]
    ours[operation] = replace(rate, per_s=rate.per_s * scale)
    AMAZONS_RATES[operation] = (theirs[0] * scale, theirs[1])
    try:
        yield
    finally:
        ours[operation], AMAZONS_RATES[operation] = rate, theirs


def _paced(server: SimulatorServer, operation: str, taken_s: float) -> Paced:
    refused = sum(status == 429 for name, status in server.log if name == operation)
    calls, rate = server.requests[operation], RATES[operation]
    if calls <= rate.burst:
        raise RuntimeError(f"{calls} calls of {operation} are within its burst: nothing was measured")
    return Paced(operation, calls, refused, (calls - refused - rate.burst) / rate.per_s, taken_s)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lines", type=int, default=400_000, help="of the bulk report; a tenth of it is measured too")
    parser.add_argument("--orders-per-day", type=float, default=1_300, help="by the API, over ten days and over one")
    options = parser.parse_args(arguments)
    small, _ = by_report(options.lines // 10)
    ours, theirs = by_report(options.lines)
    print(
        f"bulk report, {options.lines:,} lines  {ours.cpu_s:6.2f} s of our time ({ours.wall_s:.2f} s elapsed)   "
        f"promised: at most 3 s at 400,000\n"
        f"  memory                  {ours.peak_mb:6.0f} MB at most, of which {ours.before_mb:.0f} MB are Python and "
        f"libraries before it began   promised: at most 300 MB\n"
        f"  pandas, plaintext       {theirs.cpu_s:6.2f} s, {theirs.peak_mb:.0f} MB   ours / theirs: time "
        f"{ours.cpu_s / theirs.cpu_s:.2f}, memory {ours.peak_mb / theirs.peak_mb:.2f}\n"
        f"  10 times the data       {ours.cpu_s / small.cpu_s:6.1f} times the time, {ours.peak_mb / small.peak_mb:.1f} "
        f"times the memory (against {options.lines // 10:,} lines: {small.cpu_s:.2f} s, {small.peak_mb:.0f} MB)"
    )
    few, _ = by_api(options.orders_per_day, 1)
    ours, theirs = by_api(options.orders_per_day, 10)
    scaled = ours.cpu_s / ours.rows * 20_000
    print(
        f"API, {ours.rows:,} orders       {ours.cpu_s:6.2f} s of our time ({ours.wall_s:.2f} s elapsed), "
        f"{scaled:.2f} s for 20,000   promised: at most 4 s\n"
        f"  plain loop, JSON lines  {theirs.cpu_s:6.2f} s for {theirs.rows:,}   ours / theirs an order: "
        f"{ours.cpu_s / ours.rows / (theirs.cpu_s / theirs.rows):.2f}\n"
        f"  10 times the days       {ours.cpu_s / few.cpu_s:6.1f} times the time for {ours.rows / few.rows:.1f} times "
        "the orders"
    )
    print(paced_orders().told(1.0))
    print(paced_pages().told(_PAGES_SCALE))


def _best(kind: str, place: Path, first: date, last: date) -> Spent:
    """Of three: whatever else runs on the machine makes processor time longer, and nothing makes it shorter."""
    return min((_child(kind, place, first, last) for _ in range(3)), key=lambda spent: spent.cpu_s)


def _child(kind: str, place: Path, first: date, last: date, endpoint: str = "") -> Spent:
    facts = {
        "seller_id": SELLER,
        "marketplace_id": BY_COUNTRY["US"].marketplace_id,
        "endpoint": endpoint,
        "form": {
            "grant_type": "refresh_token",
            "refresh_token": TOKEN,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        },
    }
    command = [sys.executable, "-m", "benchmarks.orders_child", kind, str(place), str(first), str(last)]
    done = subprocess.run([*command, json.dumps(facts)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the process that should {kind} failed: {done.stderr[-2000:]}")
    return Spent(**json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
