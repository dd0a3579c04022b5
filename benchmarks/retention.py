"""What destroying costs: the same for few rows and for many, and for many sellers at once.

Run `python -m benchmarks.retention [--rows 1000000] [--sellers 500]`. Beside the destruction of a partition's personal
data stands what everybody does who has no keys: the same partition, in one plaintext file, written anew without the
columns. All people are made up, and all files are in a temporary folder that goes away.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.parquet.encryption import create_encryption_properties

from amzigo_pipelines.catalog.model import Dataset, RetentionClass
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.control.schema import lake_files
from amzigo_pipelines.resources.durability import sync_file
from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.keys.store import DataKey
from amzigo_pipelines.resources.lake.files import CURRENT, LakeFile, file_path
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.sweep import SweepReport, sweep
from benchmarks.lake import made_up_orders

DAY = date(2026, 11, 1)
DEATH = DAY + timedelta(days=30)
ORDERS, ITEMS = DATASETS["orders"], DATASETS["order_items"]
PII, PSEUDONYM, BUSINESS = RetentionClass.PII, RetentionClass.PSEUDONYM, RetentionClass.BUSINESS


@dataclass(frozen=True)
class Destruction:
    """Destroying one partition's personal data: rows, seconds of the whole sweep, seconds of the rewrite beside it."""

    rows: int
    sweep_s: float
    rewrite_s: float


def one_partition(rows: int, times: int) -> Destruction:
    """Medians over some partitions of the same size, each swept alone, with verification and certificate."""
    sample, _ = made_up_orders(min(rows, 20_000))
    table = pa.concat_tables([sample] * max(1, rows // sample.num_rows))
    with tempfile.TemporaryDirectory() as folder:
        platform = _home(Path(folder) / "home", DAY)
        for n in range(times):
            expires_on = pa.repeat(pa.scalar(DEATH + timedelta(days=n), pa.date32()), sample.num_rows)
            with platform.lake.writer(
                "BENCH1", DAY - timedelta(days=n), [ORDERS], {"operation": "benchmark"}
            ) as writer:
                # Shorter lives for earlier days: no date may lie more than the period ahead.
                dies_on = (
                    expires_on
                    if n == 0
                    else pa.repeat(pa.scalar(DEATH - timedelta(days=n), pa.date32()), len(expires_on))
                )
                for _ in range(table.num_rows // sample.num_rows):
                    writer.append(ORDERS, sample, dies_on)
        plain = Path(folder) / "plain.parquet"
        pq.write_table(table, plain, compression="zstd")
        os.sync()
        sweeps, rewrites = [], []
        for n in reversed(range(times)):
            day = DEATH - timedelta(days=n)
            _move(platform, day)
            started = time.perf_counter()
            report = sweep(platform, as_of=day)
            sweeps.append(time.perf_counter() - started)
            assert report.rows == table.num_rows, report.sentence
            started = time.perf_counter()
            _rewrite(plain)
            rewrites.append(time.perf_counter() - started)
        return Destruction(table.num_rows, statistics.median(sweeps), statistics.median(rewrites))


@dataclass(frozen=True)
class Sweep:
    """A sweep over many sellers: seconds by the clock and of CPU, those of a second that finds nothing, what it did."""

    seconds: float
    cpu_s: float
    again_s: float
    report: SweepReport


def many_sellers(sellers: int, days: int = 30) -> Sweep:
    """A sweep of one day that finds something in every partition of the last days of all sellers."""
    with tempfile.TemporaryDirectory() as folder:
        platform = _home(Path(folder) / "home", DAY)
        tables = {
            (dataset.name, family): _tiny(dataset, family) for dataset in (ORDERS, ITEMS) for family in dataset.families
        }
        seller_ids = [f"BENCH{n:05d}" for n in range(sellers)]
        for seller_id in seller_ids:
            _fill(platform, seller_id, [DAY - timedelta(days=n) for n in range(days)], tables)
        os.sync()
        _move(platform, DEATH)
        started, cpu = time.perf_counter(), time.process_time()
        report = sweep(platform, as_of=DEATH)
        swept, cpu_s = time.perf_counter(), time.process_time() - cpu
        again = sweep(platform, as_of=DEATH)
        assert (report.keys_destroyed, again.keys_destroyed) == (sellers, 0)
        assert report.files_removed == sellers * days * 2
        return Sweep(swept - started, cpu_s, time.perf_counter() - swept, report)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000, help="orders in the large partition")
    parser.add_argument("--sellers", type=int, default=500, help="sellers of the large sweep; 0 leaves it out")
    parser.add_argument("--repetitions", type=int, default=3, help="partitions of each size")
    options = parser.parse_args(arguments)
    small, large = (one_partition(rows, options.repetitions) for rows in (1_000, options.rows))
    for one in (small, large):
        print(
            f"destroy {one.rows:>9,} rows    {one.sweep_s * 1000:8.1f} ms   promised: under 200 ms      "
            f"(rewrite without the columns: {one.rewrite_s * 1000:,.1f} ms)"
        )
    print(f"  many rows / few rows    {large.sweep_s / small.sweep_s:8.2f}      promised: at most 1.50")
    if options.sellers:
        many = many_sellers(options.sellers)
        print(
            f"sweep, {options.sellers} sellers, 30 days  {many.seconds:7.1f} s    promised: under 30 s for 500 sellers "
            f"({many.cpu_s:.1f} s of CPU, {os.cpu_count()} cores)"
        )
        print(f"  {many.report.keys_destroyed:,} keys, {many.report.files_removed:,} files; {many.report.verified}")
        print(f"  a second one, nothing due {many.again_s:6.2f} s")


def _home(path: Path, day: date) -> Platform:
    home = Home(path, Kind.TEST, date(2026, 1, 1), "http://127.0.0.1:9")
    initialise(home)
    return Platform(home, VirtualClock(_noon(day)))


def _noon(day: date) -> datetime:
    return datetime.combine(day, time_of_day(12), UTC)


def _move(platform: Platform, day: date) -> None:
    assert isinstance(platform.clock, VirtualClock)
    platform.clock.set(_noon(day))


def _rewrite(plain: Path) -> None:
    kept = [column.name for column in ORDERS if column.retention is not PII]
    fresh = plain.with_suffix(".new")
    pq.write_table(pq.read_table(plain, columns=kept), fresh, compression="zstd")
    sync_file(fresh)
    # The rewritten file takes the old one's place; the benchmark keeps the old one for the next repetition.
    shutil.move(fresh, plain.with_name("rewritten.parquet"))


def _tiny(dataset: Dataset, family: RetentionClass) -> pa.Table:
    schema = dataset.families[family]
    strings = {f.name: [f"{f.name} {n}" for n in range(5)] for f in schema if pa.types.is_string(f.type)}
    return pa.table(
        {f.name: pa.array(strings[f.name], f.type) if f.name in strings else pa.nulls(5, f.type) for f in schema},
        schema,
    )


def _fill(
    platform: Platform, seller_id: str, days: Iterable[date], tables: dict[tuple[str, RetentionClass], pa.Table]
) -> None:
    """Files as the lake writes them, and their rows in the books, in one transaction: the writer's locks take long."""
    rows: list[dict[str, object]] = []
    dates = {
        PSEUDONYM: [DAY + timedelta(days=365)],
        BUSINESS: [DAY + timedelta(days=548)],
        PII: [DEATH, DEATH + timedelta(days=1)],
    }
    wanted = [(family, dies_on) for family, all_of in dates.items() for dies_on in all_of]
    keys = dict(zip(wanted, platform.keys.keys_for(seller_id, wanted), strict=True))
    for day in days:
        for (dataset, family), table in tables.items():
            for dies_on in dates[family]:
                place = file_path(dataset, seller_id, day, family, dies_on, 1)
                size, digest = _write(platform.home.lake_dir / place, place, table, keys[family, dies_on])
                file = LakeFile(
                    place, dataset, seller_id, day, family, dies_on, 1, keys[family, dies_on].key_id, 5, size, digest,
                    CURRENT, _noon(DAY),
                )  # fmt: skip
                rows.append({**vars(file), "family": str(family)})
    with platform.control.transaction() as connection:
        connection.execute(lake_files.insert(), rows)


def _write(path: Path, place: str, table: pa.Table, key: DataKey) -> tuple[int, str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    encryption = create_encryption_properties(key.secret, aad_prefix=place.encode(), store_aad_prefix=False)
    with pq.ParquetWriter(path, table.schema, encryption_properties=encryption) as writer:
        writer.write_table(table)
    data = path.read_bytes()
    return len(data), hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    main()
