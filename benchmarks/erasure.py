"""How long it takes to erase one buyer from a seller with a million orders, from approval to certificate.

Run `python -m benchmarks.erasure [--orders 1000000] [--marts]`. A year of one seller's orders is made up and written
through the lake: pseudonyms of all, personal data of the last thirty days, items and FBA shipments beside those. The
buyer has orders in three months, two of them with living personal data. What is measured is `erase()` itself: finding,
tombstones, rewriting under fresh keys, exchange of KEKs, verification, certificate. The marts are built anew at its
end; with --marts they are published before, and their rebuilding is told apart. All people are made up, and all files
are in a temporary folder that goes away.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from amzigo_pipelines.assets.mart_definitions import load_marts
from amzigo_pipelines.catalog.model import Dataset, RetentionClass
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.home import Home, Kind, create_home
from amzigo_pipelines.resources.lake.row_match import buyer_key_of
from amzigo_pipelines.resources.lake.tombstones import ensure_hash_key
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention import erasures
from amzigo_pipelines.retention.certificates import ensure_signing_key
from amzigo_pipelines.retention.erasing import erase

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SELLER, EMAIL = "BENCH1", "made.up@marketplace.example"
DAYS, PII_DAYS = 365, 30
# Days ago on which the buyer has an order.
BOUGHT = (200, 20, 3)
ORDERS, ITEMS, SHIPMENTS = DATASETS["orders"], DATASETS["order_items"], DATASETS["fba_shipments"]
_FIXED = {
    "marketplace_id": "ATVPDKIKX0DER",
    "currency": "USD",
    "status": "SHIPPED",
    "fulfilled_by": "AMAZON",
    "order_item_id": "1",
    "shipment_item_id": "1",
}


@dataclass(frozen=True)
class Erasure:
    """Seconds of an erasure (by the clock and of CPU), those of building the marts anew, and what it did."""

    orders: int
    files: int
    seconds: float
    cpu_s: float
    marts_s: float
    rows: int
    rows_moved: int
    keys: int


@cache
def sample(dataset: Dataset, rows: int, with_pii: bool) -> pa.Table:
    """Rows with values of realistic width and variety, the same every day."""
    rng = np.random.default_rng(1)
    columns = []
    for column in dataset:
        if column.name in _FIXED:
            columns.append(pa.repeat(pa.scalar(_FIXED[column.name], column.type), rows))
        elif column.retention is RetentionClass.PII and not with_pii:
            columns.append(pa.nulls(rows, column.type))
        elif pa.types.is_string(column.type):
            numbers = rng.integers(0, 50_000, rows).tolist()
            columns.append(pa.array([f"{column.name} {number}" for number in numbers], column.type))
        elif pa.types.is_timestamp(column.type):
            columns.append(pa.repeat(pa.scalar(NOW - timedelta(days=400), column.type), rows))
        elif pa.types.is_date(column.type):
            columns.append(pa.repeat(pa.scalar(NOW.date(), column.type), rows))
        elif pa.types.is_boolean(column.type):
            columns.append(pa.repeat(pa.scalar(False), rows))
        else:
            number = Decimal(19) if pa.types.is_decimal(column.type) else 19
            columns.append(pa.array([number] * rows, column.type))
    return pa.Table.from_arrays(columns, schema=dataset.schema)


def day_of(dataset: Dataset, rows: int, day: date, with_pii: bool, buyer: dict[str, str]) -> pa.Table:
    """A day's rows: ids and buyers differ from day to day; the first row is the buyer's, where one is given."""
    table = sample(dataset, rows, with_pii)
    rng = np.random.default_rng(day.toordinal())
    own = {
        "order_id": [f"902-{day.toordinal():07}-{n:07}" for n in range(rows)],
        "shipment_id": [f"S{day.toordinal():07}{n:07}" for n in range(rows)],
        "buyer_key": [f"{number:064x}" for number in rng.integers(0, 2**62, rows).tolist()],
    }
    if with_pii:
        own["buyer_email"] = [f"{number:x}@marketplace.example" for number in rng.integers(0, 2**62, rows).tolist()]
    for name, values in own.items():
        if name in table.column_names:
            values[0] = buyer.get(name, values[0])
            index = table.column_names.index(name)
            table = table.set_column(index, table.schema.field(index), pa.array(values, pa.string()))
    return table


def fill(platform: Platform, orders: int) -> None:
    """A year of one seller; the buyer is in it on the days of `BOUGHT`."""
    rng, per_day = random.Random(1), orders // DAYS
    buyer_key = buyer_key_of(EMAIL, platform.keys.pseudonymiser(SELLER))
    for ago in range(DAYS, 0, -1):
        day = NOW.date() - timedelta(days=ago)
        with_pii = ago < PII_DAYS
        datasets = [ORDERS, ITEMS, SHIPMENTS] if with_pii else [ORDERS]
        # Shipped on the day of the last update or up to a week before.
        deaths = pa.array([day + timedelta(days=30 - rng.randrange(8)) for _ in range(per_day)], pa.date32())
        with platform.lake.writer(SELLER, day, datasets, {"operation": "benchmark"}) as writer:
            for dataset in datasets:
                buyer = {"buyer_key": buyer_key, "buyer_email": EMAIL} if ago in BOUGHT else {}
                writer.append(dataset, day_of(dataset, per_day, day, with_pii, buyer), deaths)


def measure(orders: int, with_marts: bool) -> Erasure:
    """Make the lake, erase the buyer, and time that."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home", Kind.TEST, date(2025, 1, 1))
        create_home(home)
        platform = Platform(home, VirtualClock(NOW))
        platform.control.create()
        platform.keys.prepare()
        ensure_signing_key(platform)
        ensure_hash_key(platform.control, platform.keys, home.lock_dir)
        platform.sellers.add(SELLER, SELLER, ("ATVPDKIKX0DER",), "made-up")
        fill(platform, orders)
        marts_s = 0.0
        if with_marts:
            platform.warehouse.publish(SELLER, load_marts())

        def publish(seller_id: str) -> None:
            nonlocal marts_s
            began = time.perf_counter()
            platform.warehouse.publish(seller_id, load_marts())
            marts_s = time.perf_counter() - began

        request = erasures.receive_buyer(platform, SELLER, email=EMAIL, actor="benchmark").request
        erasures.approve(platform, request.request_id, "benchmark")
        files = len(platform.lake.files(seller_id=SELLER))
        began, cpu = time.perf_counter(), time.process_time()
        done = erase(platform, request.request_id, publish=publish, actor="benchmark")
        seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu
        removed = done.detail["removed"]
        rows = sum(sum(entry["rows"].values()) for entry in removed)
        moved = sum(entry["rows_moved"] for entry in removed)
        return Erasure(orders // DAYS * DAYS, files, seconds - marts_s, cpu_s, marts_s, rows, moved, len(removed))


def main(arguments: list[str] | None = None) -> Erasure:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--orders", type=int, default=1_000_000, help="orders of the seller, over a year")
    parser.add_argument("--marts", action="store_true", help="with published marts, which are built anew")
    options = parser.parse_args(arguments)
    found = measure(options.orders, options.marts)
    print(
        f"erasing one buyer of {found.orders:,} orders in {found.files:,} files: {found.seconds:.2f} s   promised: "
        f"under 5 s ({found.cpu_s:.2f} s of CPU, {found.rows} rows erased under {found.keys} keys, "
        f"{found.rows_moved:,} rows of others written anew, {os.cpu_count()} cores)"
    )
    if found.marts_s:
        print(f"building the marts anew beside that: {found.marts_s:.1f} s")
    return found


if __name__ == "__main__":
    main()
