"""What checks add to a partition: 100,000 orders and their items through all rules, from the lake to the results.

Run `python benchmarks/quality.py [--rows 100000] [--repetitions 5]`. Great Expectations is loaded before, as it is once
a process; its loading is told apart. Seconds of CPU time are those of this process: other work on the machine does not
count. All people are made up, and all files are in a temporary folder that goes away.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.quality.partitions import check_unchecked
from amzigo_pipelines.quality.results import QualityResults
from amzigo_pipelines.resources.control.schema import quality_results
from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.platform import Platform
from benchmarks.lake import DAY, NOW, SELLER, made_up_orders

DE = "A1PA6795UKMFR9"
ORDERS, ITEMS = DATASETS["orders"], DATASETS["order_items"]


def made_up_items(orders: pa.Table) -> pa.Table:
    """An item for each order."""
    rows = orders.num_rows
    taken = {"order_id", "marketplace_id", "currency", "created_at", "last_updated_at"}
    columns = {name: orders[name] for name in taken if name in ITEMS.schema.names}
    columns["order_item_id"] = orders["order_id"]
    columns["quantity_ordered"] = pa.array([1] * rows, pa.int64())
    arrays = [columns.get(field.name, pa.nulls(rows, field.type)) for field in ITEMS.schema]
    return pa.Table.from_arrays(arrays, schema=ITEMS.schema)


def measured(rows: int, repetitions: int) -> dict[str, tuple[float, float]]:
    """Median seconds (by the clock, and of CPU) that checking a partition of each dataset takes."""
    orders, dates = made_up_orders(rows)
    place = orders.schema.get_field_index
    for name, value in (("marketplace_id", DE), ("currency", "EUR"), ("status", "SHIPPED")):
        orders = orders.set_column(place(name), orders.schema.field(name), pa.repeat(pa.scalar(value), rows))
    found: dict[str, list[tuple[float, float]]] = {ORDERS.name: [], ITEMS.name: []}
    with tempfile.TemporaryDirectory() as folder:
        home = Home(
            path=Path(folder) / "home", kind=Kind.TEST, first_day=DAY - timedelta(days=9), endpoint="http://127.0.0.1:9"
        )
        initialise(home)
        platform = Platform(home, VirtualClock(NOW))
        platform.sellers.add(SELLER, "Benchmark", (DE,), "Atzr|benchmark")
        with platform.lake.writer(SELLER, DAY, [ORDERS, ITEMS], {"operation": "benchmark"}) as writer:
            writer.append(ORDERS, orders, dates)
            writer.append(ITEMS, made_up_items(orders), pa.nulls(rows, pa.date32()))
        for _ in range(repetitions):
            for name in found:
                _forget_but(platform, name)
                began, cpu = time.perf_counter(), time.process_time()
                assert check_unchecked(platform, SELLER) == 1
                found[name].append((time.perf_counter() - began, time.process_time() - cpu))
        looked_at = QualityResults(platform.control).current(SELLER)
        assert {one.rows for one in looked_at} == {rows}
    return {
        name: (statistics.median(one[0] for one in times), statistics.median(one[1] for one in times))
        for name, times in found.items()
    }


def _forget_but(platform: Platform, name: str) -> None:
    """Have one dataset's partition unchecked, and the other's not."""
    with platform.control.transaction() as connection:
        known = connection.execute(sa.select(quality_results.c.dataset)).scalars().all()
    if len(known) < 2:
        check_unchecked(platform, SELLER)
    with platform.control.transaction() as connection:
        connection.execute(quality_results.delete().where(quality_results.c.dataset == name))


def main(arguments: list[str] | None = None) -> None:
    """Print what checking costs."""
    parser = argparse.ArgumentParser(description="What checks add to a partition.")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repetitions", type=int, default=5)
    chosen = parser.parse_args(arguments)
    began = time.perf_counter()
    import great_expectations  # noqa: F401

    print(f"loading Great Expectations          {time.perf_counter() - began:6.2f} s   once a process")
    for name, (seconds, cpu_s) in measured(chosen.rows, chosen.repetitions).items():
        print(f"{name:11} {chosen.rows:9,} rows checked  {seconds:6.2f} s   {cpu_s:5.2f} s CPU   promised: at most 1 s")


if __name__ == "__main__":
    main()
