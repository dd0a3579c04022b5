"""Installations and rows for the tests of storage, in the test process and in the processes that it kills."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.audit.trail import AuditTrail
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.home import Home, Kind, create_home
from amzigo_pipelines.resources.keys.keks import KekStore
from amzigo_pipelines.resources.keys.store import KeyStore
from amzigo_pipelines.resources.lake.store import Lake
from amzigo_pipelines.resources.sellers import SellerRegistry

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY = NOW.date()
DAY = date(2026, 11, 20)
SELLER = "A1SELLER"
ORDERS, ITEMS, INVENTORY = DATASETS["orders"], DATASETS["order_items"], DATASETS["fba_inventory"]
# Every PII value of the tests holds this; no byte of it may ever be on disk in the clear.
MARK = "Quuxwright"


@dataclass
class Store:
    """An installation's storage, opened."""

    home: Home
    clock: VirtualClock
    control: ControlDatabase
    keks: KekStore
    keys: KeyStore
    lake: Lake
    sellers: SellerRegistry
    audit: AuditTrail

    @property
    def database_file(self) -> Path:
        return self.home.path / "control.db"

    def write(self, tag: str, day: date = DAY, seller_id: str = SELLER, rows: int = 4) -> None:
        """Replace a day's orders and items by rows that carry `tag`."""
        with self.lake.writer(seller_id, day, [ORDERS, ITEMS], {"operation": "test"}) as writer:
            writer.append(ORDERS, *orders(tag, rows))
            writer.append(ITEMS, *items(tag, rows))

    def tags(self, seller_id: str = SELLER) -> tuple[set[str], set[str]]:
        """The tags that the business rows of orders and of items carry, read through the lake."""
        found = []
        for dataset in (ORDERS, ITEMS):
            scan = self.lake.scan(dataset, seller_id)
            ids = [] if scan is None else scan.to_table(["order_id"]).column(0).to_pylist()
            found.append({order_id.partition("-")[0] for order_id in ids})
        return found[0], found[1]

    def pii_names(self) -> list[str]:
        table = self.lake.read_pii(ORDERS, SELLER, purpose="test", actor="tester")
        return sorted(table.column("buyer_name").to_pylist())

    def on_disk(self) -> set[str]:
        """All files under the lake's folder, relative to it."""
        lake_dir = self.home.lake_dir
        return {path.relative_to(lake_dir).as_posix() for path in lake_dir.rglob("*") if path.is_file()}

    def current(self) -> set[str]:
        return {file.path for file in self.lake.files()}


def open_store(
    path: Path,
    now: datetime = NOW,
    on_step: Callable[[str], None] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Store:
    """Open the storage of a home anew, as another process would."""
    home = Home(path, Kind.TEST, date(2026, 1, 1))
    clock = VirtualClock(now)
    control = ControlDatabase(home.database_url)
    keks = KekStore(home, environment={} if environment is None else environment)
    keys = KeyStore(control, keks, clock)
    return Store(
        home,
        clock,
        control,
        keks,
        keys,
        Lake(home, control, keys, clock, on_step),
        SellerRegistry(control, keys, clock),
        AuditTrail(control, keys, clock, home),
    )


def make_store(path: Path, environment: Mapping[str, str] | None = None) -> Store:
    """Make a home and open its storage."""
    create_home(Home(path, Kind.TEST, date(2026, 1, 1)))
    store = open_store(path, environment=environment)
    store.control.create()
    store.keys.prepare()
    return store


def orders(tag: str, rows: int = 4, dies_in_days: Sequence[int] = (10, 20)) -> tuple[pa.Table, pa.Array]:
    """Orders `<tag>-<n>`, each with a buyer, and dates of death that take turns."""
    values: dict[str, list[Any]] = {
        "order_id": [f"{tag}-{n}" for n in range(rows)],
        "status": ["SHIPPED"] * rows,
        "units_ordered": list(range(rows)),
        "buyer_key": [f"key-{tag}-{n}" for n in range(rows)],
        "buyer_name": [f"{MARK} {tag} {n}" for n in range(rows)],
        "address_line_1": [f"{n} {MARK} Street" for n in range(rows)],
    }
    return table_of(ORDERS, values, rows), dates(rows, dies_in_days)


def items(tag: str, rows: int = 4) -> tuple[pa.Table, pa.Array]:
    """One item an order; one of them with a gift message."""
    values: dict[str, list[Any]] = {
        "order_id": [f"{tag}-{n}" for n in range(rows)],
        "order_item_id": [f"{n}" for n in range(rows)],
        "gift_message": [f"Love, {MARK}", *[None] * (rows - 1)],
    }
    return table_of(ITEMS, values, rows), dates(rows, (15,))


def table_of(dataset: Any, values: Mapping[str, list[Any]], rows: int) -> pa.Table:
    columns = [pa.array(values.get(field.name, [None] * rows), field.type) for field in dataset.schema]
    return pa.table(columns, schema=dataset.schema)


def dates(rows: int, dies_in_days: Sequence[int]) -> pa.Array:
    days = [TODAY + timedelta(days=dies_in_days[n % len(dies_in_days)]) for n in range(rows)]
    return pa.array(days, pa.date32())


def marks(folder: Path) -> list[str]:
    """Files below a folder in which the mark of PII can be read."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            if MARK.encode() in content or MARK.encode("utf-16-le") in content:
                found.append(path.name)
    return found
