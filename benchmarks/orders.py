"""What it costs to extract orders: by the bulk report, by the Orders API, and under Amazon's true rates.

Run `python -m benchmarks.orders [--lines 400000] [--orders-per-day 1300]`. The simulator is in this process, the work
in processes of their own, so that neither its time nor its memory counts. "Our time" is processor time of that process,
all threads; the report's content is made before and only served while we measure. Beside it stands what one would write
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
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from amzigo_pipelines.assets.extraction.extract import extract_partitions
from amzigo_pipelines.catalog.order_items import ORDER_ITEMS
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.catalog.rates import RATES
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.clock import SystemClock
from amzigo_pipelines.resources.home import Home, Kind, load_home
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.simulator.calls import SimulatorSettings
from amzigo_pipelines.simulator.lwa import CLIENT_ID, CLIENT_SECRET
from amzigo_pipelines.simulator.marketplaces import BY_COUNTRY
from amzigo_pipelines.simulator.profiles import SellerProfile, WorldConfig
from amzigo_pipelines.simulator.report_all_orders import build
from amzigo_pipelines.simulator.report_request import OrderReportQuirks, ReportRequest
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World

SELLER = "ABENCHSELLER1"
TOKEN = "Atzr|synthetic-bench"
_UNLIMITED = 1e6
_PAGE_PATH = "/orders/2026-01-01/orders"
_SECTIONS = "BUYER,RECIPIENT,PROCEEDS,PROMOTION,CANCELLATION,FULFILLMENT,PACKAGES"
# Beyond the burst, so that the bucket's refill decides.
_PACED_CALLS_BEYOND_BURST = 6


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
        ours = _child("extract", home.path, day, day)
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
    with simulated(first, orders_per_day) as (_, home):
        _child("extract", home.path, first, last)  # the first time makes the world
        return _child("extract", home.path, first, last), _child("loop", home.path, first, last)


def paced() -> tuple[float, float, int, int]:
    """Calls of getOrder under Amazon's true rates: seconds allowed, seconds taken, calls, refused with 429."""
    last = datetime.now(UTC).date() - timedelta(days=1)
    with simulated(last, 80, rate_scale=1.0) as (server, home):
        platform = Platform(load_home(home.path))
        rate = RATES["getOrder"]
        with platform.selling_partner(SELLER) as partner:
            start = datetime(last.year, last.month, last.day, tzinfo=UTC)
            found = next(iter(partner.search_orders(start, start + timedelta(days=1), ["FULFILLMENT"]))).rows
            ids = [str(order["orderId"]) for order in found]
            calls = int(rate.burst) + _PACED_CALLS_BEYOND_BURST
            began = time.perf_counter()
            for number in range(calls):
                partner.get_order(ids[number % len(ids)], ["FULFILLMENT"])
            taken = time.perf_counter() - began
        refused = sum(status == 429 for operation, status in server.log if operation == "getOrder")
        asked = server.requests["getOrder"]
    return (calls - rate.burst) / rate.per_s, taken, asked, refused


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lines", type=int, default=400_000, help="of the bulk report; a tenth of it is measured too")
    parser.add_argument("--orders-per-day", type=float, default=1_300, help="by the API, over ten days and over one")
    options = parser.parse_args(arguments)
    small, _ = by_report(options.lines // 10)
    ours, theirs = by_report(options.lines)
    ours_more, small_more = ours.peak_mb - ours.before_mb, small.peak_mb - small.before_mb
    print(
        f"bulk report, {options.lines:,} lines  {ours.cpu_s:6.2f} s of our time ({ours.wall_s:.2f} s elapsed)   "
        f"promised: at most 3 s at 400,000\n"
        f"  memory                  {ours_more:6.0f} MB more than the {ours.before_mb:.0f} MB before it began   "
        f"promised: at most 300 MB more\n"
        f"  pandas, plaintext       {theirs.cpu_s:6.2f} s, {theirs.peak_mb:.0f} MB   ours / theirs: time "
        f"{ours.cpu_s / theirs.cpu_s:.2f}, memory {ours.peak_mb / theirs.peak_mb:.2f}\n"
        f"  10 times the data       {ours.cpu_s / small.cpu_s:6.1f} times the time, {ours_more / small_more:.1f} "
        f"times the memory (against {options.lines // 10:,} lines)"
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
    allowed, taken, asked, refused = paced()
    print(
        f"Amazon's true rates       {taken / allowed:6.3f} of what the buckets allow ({taken:.1f} s for {asked} calls "
        f"of getOrder)   promised: at most 1.05\n"
        f"  refused with 429        {refused / asked:6.1%}   promised: under 1 %"
    )


def _child(kind: str, place: Path, first: date, last: date) -> Spent:
    command = [sys.executable, "-m", "benchmarks.orders", "--child", kind, str(place), str(first), str(last)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the process that should {kind} failed: {done.stderr[-2000:]}")
    return Spent(**json.loads(done.stdout.splitlines()[-1]))


def _work(kind: str, place: Path, first: date, last: date) -> None:
    """What a child process does: one measured piece of work."""
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    if kind == "extract":
        platform = Platform(load_home(place))
        platform.control, platform.lake, platform.desk  # noqa: B018  opened before the clock runs
    elif kind == "pandas":
        import pandas as pd
    else:
        import httpx
    before, wall, cpu = _peak_mb(), time.perf_counter(), time.process_time()
    if kind == "extract":
        results = list(extract_partitions(platform, SELLER, days, [ORDERS.name, ORDER_ITEMS.name]))
        rows = sum(result.rows for result in results if result.dataset == ORDERS.name)
    elif kind == "pandas":
        frame = pd.read_csv(place, sep="\t", dtype=str)
        for name in ("purchase-date", "last-updated-date"):
            frame[name] = pd.to_datetime(frame[name], utc=True)
        frame["quantity"] = pd.to_numeric(frame["quantity"])
        frame.to_parquet(place.with_suffix(".parquet"), compression="zstd")
        rows = frame["amazon-order-id"].nunique()
    else:
        rows = 0
        with httpx.Client(base_url=load_home(place).endpoint) as client, (place / "plain.jsonl").open("w") as out:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": TOKEN,
                "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET,
            }
            token = client.post("/auth/o2/token", data=form).raise_for_status().json()["access_token"]
            asked = {
                "lastUpdatedAfter": f"{first}T00:00:00Z",
                "lastUpdatedBefore": f"{last}T23:59:59Z",
                "marketplaceIds": BY_COUNTRY["US"].marketplace_id,
                "includedData": _SECTIONS,
                "maxResultsPerPage": "100",
            }
            while True:
                page = client.get(_PAGE_PATH, params=asked, headers={"x-amz-access-token": token}).raise_for_status()
                answer = page.json()
                for order in answer["orders"]:
                    out.write(json.dumps(order) + "\n")
                    rows += 1
                next_token = answer.get("pagination", {}).get("nextToken")
                if not next_token:
                    break
                asked["paginationToken"] = next_token
    spent = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    print(json.dumps({"rows": rows, "before_mb": before, "peak_mb": _peak_mb(), **spent}))


def _peak_mb() -> float:
    # Not getrusage: its peak is inherited from the process that started this one.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status has no VmHWM: this runs on Linux only")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _work(sys.argv[2], Path(sys.argv[3]), *(date.fromisoformat(day) for day in sys.argv[4:6]))
    else:
        main()
