"""What the lake's encryption costs: the same rows through the lake and through plaintext Parquet.

Run `python benchmarks/lake.py [--rows 100000] [--repetitions 9]`. Both sides split the rows into the same files, write
them with the same settings, make them durable and rename them; the lake also makes keys, hashes files and keeps its
books. Both sides are queried by DuckDB through Arrow. Repetitions are interleaved, medians compared. All people are
made up, and all files are in a temporary folder that goes away.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow.fs import LocalFileSystem

from amzigo_pipelines.catalog.model import PERIOD_DAYS, RetentionClass
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.durability import sync_folder
from amzigo_pipelines.resources.home import Home, Kind, create_home
from amzigo_pipelines.resources.keys.keks import KekStore
from amzigo_pipelines.resources.keys.store import KeyStore
from amzigo_pipelines.resources.lake.files import expires_on_of_partition
from amzigo_pipelines.resources.lake.sink import ParquetSink
from amzigo_pipelines.resources.lake.split import family_rows, split_pii
from amzigo_pipelines.resources.lake.store import Lake

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = date(2026, 11, 22)
SELLER = "BENCH1"
ORDERS = DATASETS["orders"]
QUERY = (
    "SELECT marketplace_id, status, count(*), sum(item_amount), sum(units_ordered) FROM scanned "
    "WHERE units_ordered > 1 GROUP BY ALL"
)


@dataclass(frozen=True)
class Comparison:
    """Median seconds of both sides; `ratio` is encrypted over plaintext."""

    name: str
    encrypted_s: float
    plaintext_s: float

    @property
    def ratio(self) -> float:
        """1.0: encryption is free."""
        return self.encrypted_s / self.plaintext_s


def made_up_orders(rows: int) -> tuple[pa.Table, pa.Array]:
    """Orders with values of realistic width and variety, and the date of death of each (30 different ones)."""
    rng = random.Random(1)
    columns = {}
    for column in ORDERS:
        values: list[object]
        if column.name in ORDERS.grain:
            values = [f"{rng.randrange(1000):03}-{n:07}-{rng.randrange(10**7):07}" for n in range(rows)]
        elif pa.types.is_string(column.type):
            variety = 20 if column.retention is RetentionClass.BUSINESS else 50_000
            values = [f"{column.name} {rng.randrange(variety)}" if rng.random() < 0.8 else None for _ in range(rows)]
        elif pa.types.is_integer(column.type):
            values = [rng.randrange(1, 5) for _ in range(rows)]
        elif pa.types.is_decimal(column.type):
            values = [Decimal(rng.randrange(20_000)) / 100 for _ in range(rows)]
        else:
            values = [NOW - timedelta(seconds=rng.randrange(2_000_000)) for _ in range(rows)]
        columns[column.name] = pa.array(values, column.type)
    dies_on = [NOW.date() + timedelta(days=rng.randrange(1, 31)) for _ in range(rows)]
    return pa.table(columns, schema=ORDERS.schema), pa.array(dies_on, pa.date32())


def write_plaintext(folder: Path, table: pa.Table, expires_on: pa.Array) -> list[Path]:
    """The lake's way without its encryption and books: same split, same settings, durable, renamed."""
    parts = [
        (family, expires_on_of_partition(DAY, PERIOD_DAYS[family]), family_rows(ORDERS, family, table))
        for family in (RetentionClass.PSEUDONYM, RetentionClass.BUSINESS)
    ]
    split = split_pii(ORDERS, table, expires_on, NOW.date())
    parts += [(RetentionClass.PII, dies_on, rows) for dies_on, rows in split.parts]
    sinks = []
    for family, dies_on, rows in parts:
        path = folder / f".tmp-{family}-{dies_on}.parquet"
        path.unlink(missing_ok=True)
        sink = ParquetSink(
            path, ORDERS.families[family], None, {"amzigo.seller": SELLER}, family is not RetentionClass.PII
        )
        sink.append(rows)
        sinks.append(sink)
    for sink in sinks:
        sink.finish()
    finals = [folder / sink.path.name.removeprefix(".tmp-") for sink in sinks]
    for sink, final in zip(sinks, finals, strict=True):
        sink.path.rename(final)
    sync_folder(folder)
    return finals


def compare(name: str, encrypted: Callable[[], object], plaintext: Callable[[], object], times: int) -> Comparison:
    """Run both sides in turn, `times` each after one run to warm up, and take medians."""
    spent: tuple[list[float], list[float]] = ([], [])
    for repetition in range(times + 1):
        # Who goes first changes, so that neither side always pays for the other's dirty pages.
        order = ((0, encrypted), (1, plaintext)) if repetition % 2 else ((1, plaintext), (0, encrypted))
        for side, run in order:
            started = time.perf_counter()
            run()
            if repetition:
                spent[side].append(time.perf_counter() - started)
    return Comparison(name, statistics.median(spent[0]), statistics.median(spent[1]))


def measure(rows: int, repetitions: int, small_files: int) -> list[Comparison]:
    """Write and query one partition of `rows` orders, and query `small_files` partitions of 200 orders."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home", Kind.TEST, date(2025, 1, 1))
        create_home(home)
        clock = VirtualClock(NOW)
        control = ControlDatabase(home.database_url)
        control.create()
        lake = Lake(home, control, KeyStore(control, KekStore(home), clock), clock)
        plain = Path(folder) / "plain"
        plain.mkdir()
        table, expires_on = made_up_orders(rows)

        def write_encrypted() -> None:
            with lake.writer(SELLER, DAY, [ORDERS], {"operation": "benchmark"}) as writer:
                writer.append(ORDERS, table, expires_on)

        found = [compare("write", write_encrypted, lambda: write_plaintext(plain, table, expires_on), repetitions)]
        file = next(path for path in plain.iterdir() if path.name.startswith("business"))
        found.append(
            compare(
                "query", lambda: _query(lake.scan(ORDERS, SELLER)), lambda: _query(_plain_scan([file])), repetitions
            )
        )
        if small_files:
            small, small_expires_on = table.slice(0, 200), expires_on.slice(0, 200)
            days = [NOW.date() - timedelta(days=n) for n in range(small_files)]
            for day in days:
                with lake.writer("BENCH2", day, [ORDERS], {"operation": "benchmark"}) as writer:
                    writer.append(ORDERS, small, small_expires_on)
            copies = [plain / f"small-{n}.parquet" for n in range(small_files)]
            for path in copies:
                sink = ParquetSink(path, ORDERS.families[RetentionClass.BUSINESS], None, {}, True)
                sink.append(family_rows(ORDERS, RetentionClass.BUSINESS, small))
                sink.finish()
            found.append(
                compare(
                    f"query {small_files} small files",
                    lambda: _query(lake.scan(ORDERS, "BENCH2")),
                    lambda: _query(_plain_scan(copies)),
                    repetitions,
                )
            )
        return found


def main(arguments: list[str] | None = None) -> list[Comparison]:
    """Measure and print one line a comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=100_000, help="orders in the partition")
    parser.add_argument("--repetitions", type=int, default=9, help="of each side")
    parser.add_argument("--small-files", type=int, default=500, help="partitions of 200 orders; 0 leaves this out")
    options = parser.parse_args(arguments)
    found = measure(options.rows, options.repetitions, options.small_files)
    print(f"orders: {options.rows:,} rows, {os.cpu_count()} cores, median of {options.repetitions}")
    for one in found:
        print(
            f"{one.name:<24} encrypted {one.encrypted_s * 1000:8.1f} ms   plaintext {one.plaintext_s * 1000:8.1f} ms   "
            f"ratio {one.ratio:.2f}"
        )
    return found


def _plain_scan(files: list[Path]) -> ds.Dataset:
    format_, local = ds.ParquetFileFormat(), LocalFileSystem()
    fragments = [format_.make_fragment(str(file), local) for file in files]
    return ds.FileSystemDataset(fragments, ORDERS.families[RetentionClass.BUSINESS], format_, local)


def _query(scanned: ds.Dataset | None) -> list[tuple[object, ...]]:
    assert scanned is not None
    with duckdb.connect() as connection:
        return connection.execute(QUERY).fetchall()


if __name__ == "__main__":
    main()
