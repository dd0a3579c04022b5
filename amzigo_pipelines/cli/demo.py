"""`amzigo demo`: 45 days in the life of two synthetic sellers, lived through on a virtual clock.

Belongs here: the story and its numbers. Does not belong here: anything that a real installation would do otherwise. The
demo runs the same jobs, over real HTTP, into the same storage; only the clock is moved by hand and the simulator's
rates are scaled up, so that days take seconds.
"""

from __future__ import annotations

import multiprocessing
import shutil
import time
from collections import Counter, defaultdict
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day

from amzigo_pipelines.assets.partitions import key_range_tags
from amzigo_pipelines.automation.retention import job_name
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.cli import demo_worker
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.cli.output import print_table, say
from amzigo_pipelines.cli.runs import Runner
from amzigo_pipelines.cli.simulation import free_port, move_clock, running_simulator
from amzigo_pipelines.clock import SystemClock, VirtualClock, today
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.home import Home, HomeError, Kind, home_path, load_home
from amzigo_pipelines.resources.keys.store import KeyDead
from amzigo_pipelines.resources.lake.files import DESTROYED
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.simulator.world import demo_config

RATE_SCALE = 10_000.0
# Most days are caught up with in runs over a range; the last two are lived one by one, as the schedules would.
CATCH_UP_DAYS = 15
DAYS_ONE_BY_ONE = 2
# Orders, stock and listings are there for every day. The last night brings all other datasets, with so many days before
# it: more would take longer than a newcomer waits, and shows nothing new.
DAYS_OF_EVERYTHING = 8
EXTRACT_AT = time_of_day(0, 30, tzinfo=UTC)
MARKER = "demo"

Tasks = dict[str, Future[demo_worker.Outcome]]

QUERY = """
SELECT day, marketplace, currency, ordered_product_sales, orders, units
FROM sales_daily
WHERE day >= (SELECT max(day) - 3 FROM sales_daily)
ORDER BY day DESC, marketplace, currency
"""


class DemoFailed(AmzigoError):
    """The demo found something that must not be."""


@dataclass
class Tally:
    """What the demo counts as it goes."""

    rows: Counter[str] = field(default_factory=Counter)
    marts: dict[str, dict[str, int]] = field(default_factory=dict)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    keys_destroyed: int = 0
    files_removed: int = 0
    pii_rows_destroyed: int = 0
    certificates: int = 0


def run_demo(*, days: int, orders_per_day: int) -> None:
    """Make a demo home and live through it.

    Args:
        days: how many; the last one is yesterday, so that `amzigo dev` goes on where the demo ends.
        orders_per_day: for each of the two sellers.

    Raises:
        HomeError: AMZIGO_HOME holds something that no demo made.
    """
    began = time.perf_counter()
    path = home_path()
    _clear_earlier_demo()
    first_day = today(SystemClock()) - timedelta(days=days)
    home = Home(
        path=path,
        kind=Kind.TEST,
        first_day=first_day,
        endpoint=f"http://127.0.0.1:{free_port()}",
        orders_per_day=orders_per_day,
        rate_scale=RATE_SCALE,
    )
    initialise(home)
    (path / MARKER).touch()
    clock = VirtualClock(datetime.combine(first_day, EXTRACT_AT))
    platform = Platform(home, clock)
    config = demo_config(first_day, orders_per_day=orders_per_day, seed=home.simulator_seed)
    say(
        f"[bold]Amzigo demo[/]: {len(config.sellers)} sellers, {days} days from {first_day}, {orders_per_day} orders a "
        f"seller and day, into {path}\n"
        f"Synthetic people; Amazon's rates scaled up {RATE_SCALE:,.0f} times; virtual clock.",
    )
    for profile in config.sellers:
        platform.sellers.add(
            profile.seller_id, _name_of(profile.marketplace_ids), profile.marketplace_ids, profile.refresh_token
        )
    tally = Tally()
    with (
        running_simulator(home, virtual_now=clock.now(), rate_scale=home.rate_scale),
        ProcessPoolExecutor(
            max_workers=2,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=demo_worker.start,
            initargs=(path, clock.now()),
        ) as workers,
    ):
        runner = Runner(platform)
        runner.know_sellers()
        tally.seconds["start"] = time.perf_counter() - began
        for first, last in _chapters(first_day, days):
            morning = last + timedelta(days=1)
            clock.set(datetime.combine(morning, EXTRACT_AT))
            move_clock(home.endpoint, clock.now())
            is_last = last == first_day + timedelta(days=days - 1)
            since = max(first_day, last - timedelta(days=DAYS_OF_EVERYTHING - 1)) if is_last else None
            tasks = _start_extraction(workers, platform, first, last, clock, since)
            # Meanwhile, as on a real morning when the sweep takes longer: neither waits for the other.
            _sweep(runner, first, last, tally)
            orders = _finish_extraction(tasks, tally)
            _tell(platform, first, last, orders, tally)
    _summary(platform, tally, time.perf_counter() - began)


def _chapters(first_day: date, days: int) -> list[tuple[date, date]]:
    in_ranges = days - DAYS_ONE_BY_ONE
    starts = range(0, in_ranges, CATCH_UP_DAYS)
    bounds = [(n, min(n + CATCH_UP_DAYS, in_ranges) - 1) for n in starts] + [(n, n) for n in range(in_ranges, days)]
    return [(first_day + timedelta(days=first), first_day + timedelta(days=last)) for first, last in bounds]


def _name_of(marketplace_ids: tuple[str, ...]) -> str:
    return "Synthetic seller in " + " and ".join(MARKETPLACES[m].country for m in marketplace_ids)


def _clear_earlier_demo() -> None:
    path = home_path()
    if path.exists() and not path.is_dir():
        raise HomeError(f"{path} is no folder: set AMZIGO_HOME to another one for the demo")
    if not path.exists() or not any(path.iterdir()):
        return
    if not (path / MARKER).exists():
        raise HomeError(f"{path} holds something that no demo made: set AMZIGO_HOME to another folder for the demo")
    load_home(path)
    shutil.rmtree(path)


def _sweep(runner: Runner, first: date, last: date, tally: Tally) -> None:
    started = time.perf_counter()
    # The mornings after the chapter's days.
    bounds = [(day + timedelta(days=1)).isoformat() for day in (first, last)]
    *_, event = runner.run(job_name(RetentionClass.PII), tags=key_range_tags(*bounds))
    tally.seconds["retention"] += time.perf_counter() - started
    tally.keys_destroyed += event.facts["keys_destroyed"]
    tally.files_removed += event.facts["files_removed"]
    tally.pii_rows_destroyed += event.rows
    tally.certificates += bool(event.facts["keys_destroyed"])


def _start_extraction(
    workers: ProcessPoolExecutor,
    platform: Platform,
    first: date,
    last: date,
    clock: VirtualClock,
    everything_since: date | None,
) -> Tasks:
    return {
        seller.seller_id: workers.submit(
            demo_worker.extract_and_publish, seller.seller_id, first, last, clock.now(), everything_since
        )
        for seller in platform.sellers.list()
    }


def _finish_extraction(tasks: Tasks, tally: Tally) -> int:
    orders = 0
    for seller_id, task in tasks.items():
        outcome = task.result()
        orders += outcome.rows["orders"]
        tally.rows.update(outcome.rows)
        tally.marts[seller_id] = outcome.marts
        tally.seconds["extraction (both sellers)"] += outcome.extract_s
        tally.seconds["publishing (both sellers)"] += outcome.publish_s
    return orders


def _tell(platform: Platform, first: date, last: date, orders: int, tally: Tally) -> None:
    alive = len([record for record in platform.keys.alive() if record.key_class == "pii"])
    days = str(last) if first == last else f"{first} to {last}"
    say(
        f"  {days}: {orders:,} order versions in, marts published; PII keys alive {alive}, destroyed so far "
        f"{tally.keys_destroyed} ({tally.pii_rows_destroyed:,} rows of people's data gone)",
    )


def _summary(platform: Platform, tally: Tally, total_s: float) -> None:
    files = platform.lake.files()
    say()
    print_table(
        "What is there now",
        ["what", "rows"],
        [
            *((f"lake: {name} (versions extracted)", count) for name, count in sorted(tally.rows.items())),
            *(
                (f"mart: {name} (both sellers)", sum(marts[name] for marts in tally.marts.values()))
                for name in next(iter(tally.marts.values()))
            ),
        ],
    )
    alive = Counter(str(record.key_class) for record in platform.keys.alive())
    print_table(
        "Keys, files, time",
        ["what", "figure"],
        [
            ("encrypted lake files", len(files)),
            ("their size, MB", f"{sum(file.bytes for file in files) / 1e6:.1f}"),
            ("PII keys alive", alive["pii"]),
            ("PII keys destroyed", tally.keys_destroyed),
            ("PII files unlinked", tally.files_removed),
            ("rows of PII destroyed", tally.pii_rows_destroyed),
            ("signed certificates of destruction", tally.certificates),
            *((f"seconds: {stage}", f"{seconds:.1f}") for stage, seconds in tally.seconds.items()),
            ("seconds: all", f"{total_s:.1f}"),
        ],
    )
    _show_a_dead_key(platform)
    seller = platform.sellers.list()[0]
    rows = platform.warehouse.query(seller.seller_id, QUERY).read_all()
    print_table(
        f"sales_daily of {seller.name}, the last four days",
        rows.column_names,
        [list(record.values()) for record in rows.to_pylist()],
    )
    say(
        "Try next (after: source .venv/bin/activate):\n"
        "  make dev                                    the Dagster UI on this data and its history\n"
        f'  amzigo sql -s {seller.seller_id} "SELECT * FROM inventory_cover LIMIT 10"\n'
        "  amzigo retention status                     which keys are alive, and when the next one dies\n"
        f"  ls {platform.home.certificate_dir}/*.json   what was destroyed, signed",
    )


def _show_a_dead_key(platform: Platform) -> None:
    gone = platform.lake.files(families=[RetentionClass.PII], state=DESTROYED)
    if not gone:
        return
    first = min(gone, key=lambda file: (file.expires_on, file.day))
    try:
        platform.keys.open(first.key_id)
    except KeyDead as refusal:
        say(f"Asked for the buyers of {first.day} ({first.rows} rows): {refusal}.")
    else:
        raise DemoFailed(f"the key {first.key_id} opens although it was destroyed: report this")
    alive = platform.lake.files(families=[RetentionClass.PII])
    rows = sum(file.rows for file in alive)
    say(f"Still readable, for those who may: {rows:,} rows of people's data, each until its own date.\n")
