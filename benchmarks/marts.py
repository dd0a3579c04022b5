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
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
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

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SELLER = "ABENCHMARKSELLER"
MARKETS = (("ATVPDKIKX0DER", "USD"), ("A1PA6795UKMFR9", "EUR"), ("A1VC38T7YXB528", "JPY"))
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
    """What came out; seconds and megabytes; `cpu` is processor time over all cores, which tells more than the clock on a busy machine."""

    orders: int
    items: int
    from_nothing_s: float
    from_nothing_mb: float
    one_day_s: float
    plaintext_s: float
    query_s: float

    @property
    def ratio(self) -> float:
        """From nothing over the same SQL in the clear; 1.0: encryption and the lake's books are free."""
        return self.from_nothing_s / self.plaintext_s


class MadeUp:
    """A seller's year, day by day, with values of realistic width and variety."""

    def __init__(self, orders_per_day: int, skus: int) -> None:
        self._per_day, self._skus = orders_per_day, skus
        self._random = np.random.default_rng(1)

    def day(self, day: date) -> dict[str, pa.Table]:
        """The tables of orders, their items (two on average) and stock of a day."""
        draw, count = self._random, self._per_day
        names = [f"{day:%j}-{n:07}-{day:%Y%m%d}" for n in range(count)]
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        created = [start + timedelta(seconds=int(s)) for s in np.sort(draw.integers(0, 80_000, count))]
        market = draw.choice(3, count, p=(0.6, 0.3, 0.1))
        # Orders are open for days, not for months.
        is_new = day >= NOW.date() - timedelta(days=3)
        status = draw.choice(["SHIPPED"] * 5 + ["UNSHIPPED" if is_new else "CANCELLED"], count)
        lines = draw.integers(1, 4, count)
        of = np.repeat(np.arange(count), lines)
        popular = (draw.pareto(1.2, len(of)) * self._skus / 20).astype(int) % self._skus
        price = (1000 + popular * 7 % 4000) / 100
        orders = {
            "order_id": names,
            "marketplace_id": [MARKETS[m][0] for m in market],
            "sales_channel": ["AMAZON"] * count,
            "created_at": created,
            "last_updated_at": created,
            "status": status.tolist(),
            "fulfilled_by": np.where(draw.random(count) < 0.7, "AMAZON", "MERCHANT").tolist(),
            "currency": [MARKETS[m][1] for m in market],
            "item_amount": np.bincount(of, price, count).round(2),
            "ship_by_latest_at": [at + timedelta(days=2) for at in created],
            "deliver_by_latest_at": [at + timedelta(days=5) for at in created],
            "last_shipped_at": [at + timedelta(days=1) for at in created],
            "ship_state": [f"State {n}" for n in draw.integers(0, 60, count)],
            "ship_country": [MARKETS[m][1][:2] for m in market],
            "units_ordered": lines,
            "buyer_key": [f"{n:064x}" if n < 150_000 else None for n in draw.integers(0, 250_000, count)],
        }
        items = {
            "order_id": [names[n] for n in of],
            "order_item_id": [f"{n:014}" for n in draw.integers(0, 10**13, len(of))],
            "marketplace_id": [orders["marketplace_id"][n] for n in of],
            "order_created_at": [created[n] for n in of],
            "last_updated_at": [created[n] for n in of],
            "sku": [f"SKU-{n:05}" for n in popular],
            "asin": [f"B{n:09}" for n in popular],
            "title": [f"A product of some sort, number {n}, in a title of usual length" for n in popular],
            "quantity_ordered": draw.choice((1, 1, 1, 2), len(of)),
            "currency": [orders["currency"][n] for n in of],
            "unit_price": price,
        }
        stock = {
            "marketplace_id": [MARKETS[0][0]] * self._skus,
            "sku": [f"SKU-{n:05}" for n in range(self._skus)],
            "taken_at": [start] * self._skus,
            "asin": [f"B{n:09}" for n in range(self._skus)],
            "fulfillable_units": draw.integers(0, 90, self._skus),
        }
        return {"orders": _table("orders", orders), "order_items": _table("order_items", items),
                "fba_inventory": _table("fba_inventory", stock)}  # fmt: skip


def _table(name: str, columns: dict[str, object]) -> pa.Table:
    rows = len(next(iter(columns.values())))  # type: ignore[arg-type]
    arrays = []
    for field in DATASETS[name].schema:
        values = columns.get(field.name)
        if values is None:
            arrays.append(pa.nulls(rows, field.type))
        elif pa.types.is_decimal(field.type):
            arrays.append(pa.array(np.asarray(values, float)).cast(pa.decimal128(18, 4)))
        else:
            arrays.append(pa.array(values, field.type))
    return pa.table(arrays, schema=DATASETS[name].schema)


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
    report = warehouse.publish(SELLER, marts)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _BYTES_PER_UNIT_OF_RSS / 1e6
    return {"seconds": report.duration_s, "peak_mb": peak_mb, "updated": report.is_updated, "bytes": report.bytes}


def publish_plaintext(plain: Path, days: list[date]) -> dict[str, float]:
    """The same SQL over plaintext Parquet into an unencrypted file, in this process."""
    marts = load_marts()
    began = time.perf_counter()
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
        build_marts(connection, "fresh", marts)
        connection.execute("CHECKPOINT fresh; DETACH fresh")
    with (plain / "plain.duckdb").open("rb") as file:
        os.fsync(file.fileno())
    return {"seconds": time.perf_counter() - began}


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
            *counts, nothing["seconds"], nothing["peak_mb"], one_day["seconds"], plaintext["seconds"], queries(folder)
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
    print(f"all marts from nothing    {found.from_nothing_s:6.2f} s   promised: under 10 s")
    print(f"  memory                  {found.from_nothing_mb:6.0f} MB  promised: under 2,000 MB")
    print(f"one more day              {found.one_day_s:6.2f} s   promised: under 1.5 s")
    print(f"the same SQL in the clear {found.plaintext_s:6.2f} s   ratio {found.ratio:.2f}, promised: at most 1.3")
    print(f"a typical query           {found.query_s * 1000:6.1f} ms  promised: under 50 ms (median)")
    return found


if __name__ == "__main__":
    main()
