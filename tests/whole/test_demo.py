"""The whole way, as a newcomer sees it: the demo is run as a command, and what it leaves behind is examined.

45 days of two sellers at 30 orders a day; nothing is replaced by a stand-in. What Amazon's simulator knows to be true
is compared with what analysts read, and every byte on disk is searched for every person of that world.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from pathlib import Path

import pytest

from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.cli.output import shown
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.home import load_home
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.certificates import verify_chain
from amzigo_pipelines.simulator import truth
from amzigo_pipelines.simulator.world import World, demo_config

from .byte_scan import ByteScan

ORDERS_PER_DAY = 30
SAID_BY_NO_ONE = "amzigo: "
# The demo extracts its last days night by night, the earlier ones in ranges.
NIGHTS_ONE_BY_ONE = 7


@dataclass(frozen=True)
class Demo:
    """A finished demo: its home, its output, its world, and the instant at which it ended."""

    path: Path
    output: str
    world: World
    ended_at: datetime
    platform: Platform

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run(self.path, *arguments)


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "AMZIGO_HOME": str(home), "COLUMNS": "200"}
    environment.pop("DAGSTER_HOME", None)
    return subprocess.run(
        [sys.executable, "-m", "amzigo_pipelines.cli", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    path = tmp_path_factory.mktemp("demo") / "home"
    result = run(path, "demo", "--orders-per-day", str(ORDERS_PER_DAY))
    assert result.returncode == 0, result.stderr
    home = load_home(path)
    ended_at = datetime.combine(home.first_day + timedelta(days=45), time_of_day(0, 30), UTC)
    world = World(demo_config(home.first_day, orders_per_day=ORDERS_PER_DAY, seed=home.simulator_seed))
    yield Demo(path, result.stdout, world, ended_at, Platform(home, VirtualClock(ended_at)))


def people_of(demo: Demo) -> list[str]:
    return [text for seller_id in demo.world.seller_ids for text in truth.people(demo.world, seller_id, demo.ended_at)]


def test_it_tells_what_happened(demo: Demo) -> None:
    for expected in ("PII keys destroyed", "signed certificates of destruction", "seconds: all", "make dev"):
        assert expected in demo.output
    assert SAID_BY_NO_ONE not in demo.output


def test_no_person_is_on_disk_in_any_writing(demo: Demo) -> None:
    people = people_of(demo)
    assert len(people) > 1000
    scan = ByteScan(people)
    assert scan.files(demo.path) == []
    assert scan.files_read > 500
    assert scan.bytes_read > 10_000_000


def test_no_person_is_in_what_was_printed(demo: Demo) -> None:
    assert ByteScan(people_of(demo)).data(demo.output.encode()) == set()


def test_living_pii_opens_and_is_amazons(demo: Demo) -> None:
    people = set(people_of(demo))
    for seller_id in demo.world.seller_ids:
        table = demo.platform.lake.read_pii(DATASETS["orders"], seller_id, purpose="test", actor="test")
        assert table.num_rows > 100
        names = {name for name in table["recipient_name"].to_pylist() if name and len(name) >= 10}
        assert names and names <= people


def test_what_is_past_its_date_is_gone_and_nothing_else(demo: Demo) -> None:
    today = demo.ended_at.date()
    destroyed = demo.platform.lake.files(families=["pii"], state="destroyed")
    alive = demo.platform.lake.files(families=["pii"])
    assert destroyed and alive
    assert max(file.expires_on for file in destroyed) <= today < min(file.expires_on for file in alive)
    assert not [file.path for file in destroyed if (demo.platform.home.lake_dir / file.path).exists()]
    # No order keeps its PII for more than 30 days after it truly arrived.
    for seller_id in demo.world.seller_ids:
        delivered_at = truth.deliveries(demo.world, seller_id, demo.ended_at)
        readable = demo.platform.lake.read_pii(DATASETS["orders"], seller_id, purpose="test", actor="test")
        for order_id in readable["order_id"].to_pylist():
            if order_id in delivered_at:
                assert demo.ended_at <= delivered_at[order_id] + timedelta(days=30)


def test_every_certificate_holds(demo: Demo) -> None:
    checked = verify_chain(demo.platform)
    # One for each of the chapters in which something died: the second, the third and the last two days.
    assert len(checked) == 4
    assert len(list(demo.platform.home.certificate_dir.glob("*.json"))) == len(checked)


def test_sales_are_amazons_to_the_cent(demo: Demo) -> None:
    for seller_id in demo.world.seller_ids:
        expected: dict[tuple[date, str, str], list[Decimal | int]] = defaultdict(lambda: [Decimal(0), 0, 0, 0])
        for order in _extracted(demo, seller_id):
            line = expected[(order.local_day, order.marketplace_id, order.currency)]
            if order.status == "CANCELLED":
                line[3] += 1 if not order.replaces else 0
            elif order.has_prices and not order.replaces:
                line[0] += sum((item.sales for item in order.items), Decimal(0))
                line[1] += 1
                line[2] += sum(item.quantity for item in order.items)
        columns = "day, marketplace_id, currency, ordered_product_sales, orders, units, cancelled_orders"
        sql = f"SELECT {columns} FROM sales_daily"
        rows = demo.platform.warehouse.query(seller_id, sql).read_all().to_pylist()
        got = {tuple(row.values())[:3]: list(row.values())[3:] for row in rows}
        assert {key: got.get(key) for key in expected} == dict(expected)
        assert not [key for key, line in got.items() if key not in expected and any(line)]


def test_orders_are_amazons_one_by_one(demo: Demo) -> None:
    for seller_id in demo.world.seller_ids:
        sql = "SELECT order_id, status, fulfilled_by, marketplace_id, units_ordered FROM orders"
        rows = demo.platform.warehouse.query(seller_id, sql).read_all().to_pylist()
        got = {row["order_id"]: row for row in rows}
        expected = {order.order_id: order for order in _extracted(demo, seller_id)}
        assert got.keys() == expected.keys()
        for order_id, order in expected.items():
            row = got[order_id]
            assert (row["status"], row["marketplace_id"]) == (order.status, order.marketplace_id)
            assert row["units_ordered"] == sum(item.quantity for item in order.items)


def test_stock_is_amazons(demo: Demo) -> None:
    for seller_id in demo.world.seller_ids:
        expected = truth.stock(demo.world, seller_id, demo.ended_at)
        rows = demo.platform.warehouse.query(
            seller_id, "SELECT marketplace_id, sku, fulfillable_units FROM inventory_position"
        )
        got = {(row["marketplace_id"], row["sku"]): row["fulfillable_units"] for row in rows.read_all().to_pylist()}
        assert got
        for (marketplace_id, sku), units in got.items():
            assert units == _level(expected, marketplace_id, sku)


def test_dagster_knows_every_partition(demo: Demo) -> None:
    days = [demo.platform.home.first_day + timedelta(days=n) for n in range(45)]
    code = (
        "import dagster as dg, json, sys\n"
        "instance = dg.DagsterInstance.get()\n"
        "keys = instance.get_materialized_partitions(dg.AssetKey(['lake', 'orders']))\n"
        "runs = instance.get_runs()\n"
        "json.dump({'keys': sorted(keys), 'failed': [r.run_id for r in runs if r.is_failure]}, sys.stdout)\n"
    )
    environment = {**os.environ, "DAGSTER_HOME": str(demo.path / "dagster")}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["failed"] == []
    assert found["keys"] == sorted(f"{day}|{seller_id}" for day in days for seller_id in demo.world.seller_ids)


def test_an_analyst_can_ask_in_every_format(demo: Demo, tmp_path: Path) -> None:
    import pyarrow.parquet

    seller_id = demo.world.seller_ids[0]
    query = "SELECT day, currency, ordered_product_sales FROM sales_daily ORDER BY day, currency LIMIT 3"
    table = demo.cli("sql", "-s", seller_id, query)
    csv = demo.cli("sql", "-s", seller_id, "--format", "csv", query)
    records = demo.cli("sql", "-s", seller_id, "--format", "json", query)
    file = tmp_path / "rows.parquet"
    parquet = demo.cli("sql", "-s", seller_id, "--format", "parquet", "--output", str(file), query)
    assert [r.returncode for r in (table, csv, records, parquet)] == [0, 0, 0, 0], table.stderr + csv.stderr
    values = [row["ordered_product_sales"] for row in json.loads(records.stdout)]
    assert len(values) == 3
    assert csv.stdout.splitlines()[0] == '"day","currency","ordered_product_sales"'
    assert [line.split(",")[2] for line in csv.stdout.splitlines()[1:]] == values
    assert [str(v) for v in pyarrow.parquet.read_table(file)["ordered_product_sales"].to_pylist()] == values
    assert all(shown(Decimal(value)) in table.stdout for value in values)


def test_status_and_plan_speak_of_the_living(demo: Demo) -> None:
    status = demo.cli("retention", "status", "--json")
    assert status.returncode == 0, status.stderr
    pii = [line for line in json.loads(status.stdout) if line["class"] == "pii"]
    assert {line["seller"] for line in pii} == set(demo.world.seller_ids)
    assert all(line["keys alive"] > 20 and line["overdue"] == 0 for line in pii)
    later = (demo.ended_at.date() + timedelta(days=40)).isoformat()
    plan = demo.cli("retention", "plan", "--as-of", later, "--json")
    assert plan.returncode == 0, plan.stderr
    assert all(line["rows"] > 0 for line in json.loads(plan.stdout))


def _extracted(demo: Demo, seller_id: str) -> list[truth.OrderTruth]:
    """Each order in its newest version that a night's extraction could see.

    Amazon shows an order only as it is now: one that was updated between midnight and that night's 00:30 has left the
    window of the day before, and comes with the next day. Until then the lake holds what an earlier night saw of it.
    """
    seen: dict[str, truth.OrderTruth] = {}
    for nights_ago in range(NIGHTS_ONE_BY_ONE):
        night = demo.ended_at - timedelta(days=nights_ago)
        midnight = datetime.combine(night.date(), time_of_day(0), UTC)
        for order in truth.orders(demo.world, seller_id, night):
            if order.last_updated_at < midnight:
                seen.setdefault(order.order_id, order)
    return list(seen.values())


def _level(stock: dict[tuple[str, str], truth.Levels], marketplace_id: str, sku: str) -> int:
    return stock[(sku, marketplace_id)].fulfillable if (sku, marketplace_id) in stock else -1
