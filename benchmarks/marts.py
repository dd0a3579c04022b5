"""How long publishing takes: half a million orders of a year, all marts from nothing, then one more day.

Run `python -m benchmarks.marts [--orders 500000] [--days 365] [--skus 5000]`. The lake is filled by its own writer; the
publishes run in processes of their own, so that their memory is theirs. The other side runs the very same SQL over
plaintext Parquet files of the same rows into an unencrypted file. All people and products are made up, and all files
are in a temporary folder that goes away.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from amzigo_pipelines.assets.mart_definitions import load_marts
from amzigo_pipelines.catalog.model import Dataset, RetentionClass
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.home import Home, Kind, create_home
from amzigo_pipelines.resources.keys.keks import KekStore
from amzigo_pipelines.resources.keys.store import KeyStore
from amzigo_pipelines.resources.lake.store import Lake
from amzigo_pipelines.resources.marts import staging
from amzigo_pipelines.resources.marts.build import build_marts
from amzigo_pipelines.resources.marts.warehouse import Warehouse
from benchmarks.made_up_year import NOW, MadeUp

SELLER = "ABENCHMARKSELLER"
QUERIES = (
    "SELECT day, SUM(ordered_product_sales) FROM sales_daily WHERE currency = 'USD' GROUP BY day ORDER BY day",
    "SELECT sku, SUM(units) AS units FROM sales_by_sku_daily WHERE day >= DATE '2026-10-24' GROUP BY sku "
    "ORDER BY units DESC LIMIT 20",
    "SELECT ship_state, COUNT(*) AS orders FROM orders WHERE ordered_on >= DATE '2026-10-24' GROUP BY ALL "
    "ORDER BY orders DESC LIMIT 10",
    "SELECT * FROM reorder_plan WHERE is_due ORDER BY order_by_on LIMIT 50",
)
_BYTES_PER_UNIT_OF_RSS = 1024


@dataclass(frozen=True)
class Figures:
    """What came out; seconds and megabytes. On a busy machine processor time (`cpu`) tells more than the clock."""

    orders: int
    items: int
    from_nothing_s: float
    from_nothing_cpu_s: float
    from_nothing_mb: float
    one_day_s: float
    one_day_cpu_s: float
    plaintext_s: float
    plaintext_cpu_s: float
    plaintext_load_s: float
    plaintext_load_cpu_s: float
    copy_s: float
    query_s: float

    @property
    def ratio(self) -> float:
        """From nothing over the same SQL in the clear; 1.0: encryption and the lake's books are free."""
        return self.from_nothing_s / self.plaintext_s


def open_warehouse(folder: Path, now: datetime = NOW) -> tuple[Lake, Warehouse]:
    """The installation in a folder, made when it is not there yet."""
    home, clock = Home(folder, Kind.TEST, date(2025, 1, 1)), VirtualClock(now)
    is_new = not home.settings_file.exists()
    if is_new:
        create_home(home)
    control = ControlDatabase(home.database_url)
    if is_new:
        control.create()
    keys = KeyStore(control, KekStore(home), clock)
    lake = Lake(home, control, keys, clock)
    return lake, Warehouse(home, control, keys, lake, clock)


def write_day(lake: Lake, plain: Path, day: date, tables: dict[str, pa.Table]) -> None:
    """The same rows into the lake and into plaintext files."""
    groups: tuple[tuple[str, ...], ...] = (("orders", "order_items"), ("fba_inventory",))
    for names in groups:
        with lake.writer(SELLER, day, [DATASETS[name] for name in names], {"operation": "benchmark"}) as writer:
            for name in names:
                has_pii = RetentionClass.PII in DATASETS[name].families
                dies_on = pa.array([NOW.date()] * tables[name].num_rows, pa.date32()) if has_pii else None
                writer.append(DATASETS[name], tables[name], dies_on)
    for name, table in tables.items():
        (plain / name).mkdir(exist_ok=True)
        with_day = table.select(_staged(DATASETS[name])).append_column(
            "day", pa.array([day] * table.num_rows, pa.date32())
        )
        pq.write_table(with_day, plain / name / f"{day}.parquet", compression="zstd")


def publish(folder: Path) -> dict[str, float]:
    """Publish in this process; for a process of its own."""
    marts = load_marts()
    _, warehouse = open_warehouse(folder)
    cpu_before = time.process_time()
    report = warehouse.publish(SELLER, marts)
    cpu_s = time.process_time() - cpu_before
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _BYTES_PER_UNIT_OF_RSS / 1e6
    return {
        "seconds": report.duration_s,
        "cpu_s": cpu_s,
        "peak_mb": peak_mb,
        "updated": report.is_updated,
        "bytes": report.bytes,
    }


def publish_plaintext(plain: Path, days: list[date]) -> dict[str, float]:
    """The same SQL over plaintext Parquet into an unencrypted file, in this process.

    What of it is only reading the files into the database is told apart: no way of making marts is faster than that.
    """
    marts = load_marts()
    began, cpu_before = time.perf_counter(), time.process_time()
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET preserve_insertion_order = false; SET memory_limit = '1GB'; SET TimeZone = 'UTC'")
        connection.execute(f"SET temp_directory = '{plain / 'spill'}'; SET checkpoint_threshold = '1KB'")
        connection.execute(f"ATTACH '{plain / 'plain.duckdb'}' AS fresh")
        connection.execute("BEGIN")
        staging.create_staging(connection, "fresh", staging.datasets_of(marts))
        names = ("orders", "order_items", "fba_inventory")
        for name in names:
            columns = ", ".join(_staged(DATASETS[name]))
            connection.execute(
                f"INSERT INTO fresh.staging.{name} SELECT {columns}, day FROM '{plain / name}/*.parquet'"
            )
        partitions = {(name, day): staging.Partition(1, "") for name in names for day in days}
        staging.record(connection, "fresh", SELLER, 1, partitions, marts)
        connection.execute("COMMIT")
        load_s, load_cpu_s = time.perf_counter() - began, time.process_time() - cpu_before
        build_marts(connection, "fresh", marts)
        connection.execute("CHECKPOINT fresh; DETACH fresh")
    with (plain / "plain.duckdb").open("rb") as file:
        os.fsync(file.fileno())
    return {
        "seconds": time.perf_counter() - began,
        "cpu_s": time.process_time() - cpu_before,
        "load_s": load_s,
        "load_cpu_s": load_cpu_s,
    }


def copy(folder: Path) -> float:
    """Seconds to copy the published file and make the copy durable: what one more day can't be faster than."""
    (file,) = folder.glob("marts/**/*.duckdb")
    began = time.perf_counter()
    shutil.copyfile(file, folder / "copy")
    with (folder / "copy").open("rb") as copied:
        os.fsync(copied.fileno())
    return time.perf_counter() - began


def _staged(dataset: Dataset) -> list[str]:
    return [column.name for column in dataset if column.retention in staging.STAGED_FAMILIES]


def queries(folder: Path) -> float:
    """Median seconds of a typical query on the published file."""
    _, warehouse = open_warehouse(folder)
    spent = []
    with warehouse.connect(SELLER) as connection:
        for sql in random.Random(1).sample(QUERIES * 8, 32):
            began = time.perf_counter()
            connection.execute(sql).fetchall()
            spent.append(time.perf_counter() - began)
    return statistics.median(spent)


def measure(orders: int, days: int, skus: int) -> Figures:
    """Make a year up and publish it, once from nothing and then with one more day."""
    with tempfile.TemporaryDirectory() as name:
        folder, plain = Path(name) / "home", Path(name) / "plain"
        plain.mkdir()
        lake, _ = open_warehouse(folder)
        made_up, counts = MadeUp(orders // days, skus), [0, 0]
        all_days = [NOW.date() - timedelta(days=days + 1 - n) for n in range(days)]
        for day in all_days:
            tables = made_up.day(day)
            write_day(lake, plain, day, tables)
            counts = [counts[0] + tables["orders"].num_rows, counts[1] + tables["order_items"].num_rows]
        nothing = _child("publish", folder)
        plaintext = _child("plaintext", plain, all_days[0], all_days[-1])
        last = NOW.date() - timedelta(days=1)
        write_day(lake, plain, last, made_up.day(last))
        one_day = _child("publish", folder)
        if not one_day["updated"]:
            raise SystemExit("one more day was not applied to a copy: the figure would be of something else")
        return Figures(
            *counts,
            nothing["seconds"],
            nothing["cpu_s"],
            nothing["peak_mb"],
            one_day["seconds"],
            one_day["cpu_s"],
            plaintext["seconds"],
            plaintext["cpu_s"],
            plaintext["load_s"],
            plaintext["load_cpu_s"],
            copy(folder),
            queries(folder),
        )


def _child(what: str, folder: Path, *days: date) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.marts", "--child", what, str(folder), *map(str, days)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the child that should {what} failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _as_child(what: str, folder: str, *span: str) -> None:
    if what == "publish":
        print(json.dumps(publish(Path(folder))))
    else:
        first, last = map(date.fromisoformat, span)
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        print(json.dumps(publish_plaintext(Path(folder), days)))


def main(arguments: list[str] | None = None) -> Figures | None:
    """Measure and print."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["--child"]:
        _as_child(*given[1:])
        return None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--orders", type=int, default=500_000, help="orders in all")
    parser.add_argument("--days", type=int, default=365, help="days that they spread over")
    parser.add_argument("--skus", type=int, default=5_000, help="products, each with a snapshot of stock a day")
    options = parser.parse_args(given)
    found = measure(options.orders, options.days, options.skus)
    print(f"{found.orders:,} orders, {found.items:,} items, {options.days} days, {options.skus:,} SKUs, "
          f"{options.days * options.skus:,} rows of stock, {os.cpu_count()} cores")  # fmt: skip
    print(f"all marts from nothing    {found.from_nothing_s:6.2f} s   promised: under 10 s "
          f"({found.from_nothing_cpu_s:.1f} s of processor time)")  # fmt: skip
    print(f"  memory                  {found.from_nothing_mb:6.0f} MB  promised: under 2,000 MB")
    print(f"one more day              {found.one_day_s:6.2f} s   promised: under 1.5 s "
          f"({found.one_day_cpu_s:.1f} s of processor time; a mere copy of the file {found.copy_s:.2f} s)")  # fmt: skip
    print(f"the same SQL in the clear {found.plaintext_s:6.2f} s   ratio {found.ratio:.2f}, promised: at most 1.3 "
          f"({found.plaintext_cpu_s:.1f} s of processor time)")  # fmt: skip
    print(f"  of it loading alone     {found.plaintext_load_s:6.2f} s   "
          f"({found.plaintext_load_cpu_s:.1f} s of processor time)")  # fmt: skip
    print(f"a typical query           {found.query_s * 1000:6.1f} ms  promised: under 50 ms (median)")
    print(f"load of the machine       {os.getloadavg()[0]:6.1f}")
    return found


if __name__ == "__main__":
    main()
