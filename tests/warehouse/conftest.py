"""A small installation in a temporary folder, and rows that say only what a test is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from amzigo_pipelines.assets.mart_definitions import Mart, load_marts
from amzigo_pipelines.catalog.model import PERIOD_DAYS, RetentionClass
from amzigo_pipelines.catalog.registry import STORED
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.home import Home, Kind, create_home
from amzigo_pipelines.resources.keys.keks import KekStore
from amzigo_pipelines.resources.keys.store import KeyStore
from amzigo_pipelines.resources.lake.store import Lake
from amzigo_pipelines.resources.marts.warehouse import Warehouse

US, DE, JP = "ATVPDKIKX0DER", "A1PA6795UKMFR9", "A1VC38T7YXB528"
CURRENCY = {US: "USD", DE: "EUR", JP: "JPY"}
SELLER = "A2TESTSELLER"
DAY = date(2026, 6, 10)
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
MONEY = Decimal("0.0001")


@pytest.fixture(scope="session")
def marts() -> list[Mart]:
    return load_marts()


@dataclass
class World:
    """An installation with a clock that a test moves."""

    home: Home
    clock: VirtualClock
    control: ControlDatabase
    keys: KeyStore
    lake: Lake
    warehouse: Warehouse
    marts: list[Mart]

    def write(self, day: date, seller_id: str = SELLER, **rows: Iterable[dict[str, Any]]) -> None:
        """Write a day's partitions: `write(day, orders=[order(...)], order_items=[item(...)])`."""
        datasets = [STORED[name] for name in rows]
        with self.lake.writer(seller_id, day, datasets, {"operation": "test"}) as writer:
            for dataset in datasets:
                data = list(rows[dataset.name])
                if not data:
                    continue
                table = pa.table(
                    {f.name: pa.array([row.get(f.name) for row in data], f.type) for f in dataset.schema},
                    schema=dataset.schema,
                )
                dies = self.clock.now().date() + timedelta(days=PERIOD_DAYS[RetentionClass.PII])
                has_pii = RetentionClass.PII in dataset.families
                writer.append(dataset, table, pa.array([dies] * len(data), pa.date32()) if has_pii else None)

    def publish(self, seller_id: str = SELLER, **options: Any) -> Any:
        return self.warehouse.publish(seller_id, self.marts, **options)

    def rows(self, sql: str, seller_id: str = SELLER) -> list[dict[str, Any]]:
        return self.warehouse.query(seller_id, sql).read_all().to_pylist()

    def one(self, sql: str, seller_id: str = SELLER) -> dict[str, Any]:
        (row,) = self.rows(sql, seller_id)
        return row

    def dump(self, seller_id: str = SELLER) -> dict[str, list[tuple[Any, ...]]]:
        """Every table and view of the published file but which version it is, in an order of its own."""
        connection = self.warehouse.connect(seller_id)
        try:
            names = connection.execute(
                "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = $1 UNION ALL "
                "SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = $1 AND NOT internal",
                [seller_id],
            ).fetchall()
            tables = {f"{s}.{t}": connection.execute(f'SELECT * FROM "{s}"."{t}"').fetchall() for s, t in names}
        finally:
            connection.close()
        del tables["staging.build"]
        return {name: sorted(rows, key=repr) for name, rows in tables.items()}


def open_world(path: Path, marts: list[Mart], **options: Any) -> World:
    """The installation in a folder, made when it is not there yet."""
    clock = VirtualClock(NOW)
    home = Home(path, Kind.TEST, date(2026, 1, 1))
    is_new = not home.settings_file.exists()
    if is_new:
        create_home(home)
    control = ControlDatabase(f"sqlite:///{path / 'control.db'}")
    keys = KeyStore(control, KekStore(home), clock)
    if is_new:
        control.create()
        keys.prepare()
    lake = Lake(home, control, keys, clock)
    return World(home, clock, control, keys, lake, Warehouse(home, control, keys, lake, clock, **options), marts)


@pytest.fixture
def world(tmp_path: Path, marts: list[Mart]) -> World:
    return open_world(tmp_path / "home", marts)


def order(order_id: str, created: str, **values: Any) -> dict[str, Any]:
    """An order row: shipped, in the USA, unless said otherwise. Instants are ISO text in UTC."""
    at = instant(created)
    marketplace = values.get("marketplace_id", US)
    row = {
        "order_id": order_id,
        "marketplace_id": marketplace,
        "sales_channel": "AMAZON",
        "created_at": at,
        "last_updated_at": at,
        "status": "SHIPPED",
        "fulfilled_by": "AMAZON",
        "currency": CURRENCY.get(marketplace),
        **values,
    }
    return {
        name: instant(value) if name.endswith("_at") and isinstance(value, str) else value
        for name, value in row.items()
    }


def item(of: dict[str, Any], number: int = 1, **values: Any) -> dict[str, Any]:
    """An item row of an order: one unit at 10.00 unless said otherwise."""
    return {
        "order_id": of["order_id"],
        "order_item_id": f"{of['order_id']}-{number}",
        "marketplace_id": of["marketplace_id"],
        "order_created_at": of["created_at"],
        "last_updated_at": of["last_updated_at"],
        "sku": "SKU-1",
        "asin": "B000000001",
        "title": "Thing",
        "quantity_ordered": 1,
        "currency": of["currency"],
        **{"unit_price": money(10), **values},
    }


def stock(sku: str, units: int, marketplace_id: str = US, **values: Any) -> dict[str, Any]:
    """A row of a stock snapshot."""
    return {"marketplace_id": marketplace_id, "sku": sku, "taken_at": NOW, "fulfillable_units": units, **values}


def listing(sku: str, price: object, marketplace_id: str = US) -> dict[str, Any]:
    """A row of a listings snapshot."""
    return {
        "marketplace_id": marketplace_id,
        "sku": sku,
        "taken_at": NOW,
        "currency": CURRENCY[marketplace_id],
        "price": money(price),
    }


def simple(world: World, day: date = DAY, count: int = 1, **values: Any) -> None:
    """Write a day of orders with one item each."""
    orders = [order(f"{day}-{n}", f"{day}T20:00:00", **values) for n in range(count)]
    world.write(day, orders=orders, order_items=[item(o) for o in orders])


def publish_two(world: World) -> str:
    """Write and publish a day of `SELLER`'s and of another seller's; returns the other's id."""
    simple(world)
    other = "A2OTHERSELLER"
    o = order("OTHER", "2026-06-10T12:00:00")
    world.write(DAY, seller_id=other, orders=[o], order_items=[item(o)])
    world.publish()
    world.publish(other)
    return other


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def money(value: object) -> Decimal:
    return Decimal(str(value)).quantize(MONEY)
