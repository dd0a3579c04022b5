"""What the tests of erasure share: an installation with sellers, and days of orders whose buyers are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from amzigo_pipelines.catalog.model import Dataset
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.home import Home, Kind, create_home
from amzigo_pipelines.resources.lake.row_match import buyer_key_of
from amzigo_pipelines.resources.lake.tombstones import ensure_hash_key
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.certificates import ensure_signing_key

DAY = date(2026, 11, 10)
SELLER, OTHER = "A1SELLER", "B2SELLER"
ORDERS, ITEMS, SHIPMENTS = DATASETS["orders"], DATASETS["order_items"], DATASETS["fba_shipments"]
# Every PII value of a person holds the person's mark: no byte of it may be found once the person is erased.
ANNA, BORIS = "anna.quuxwright@marketplace.example", "boris.zyxholm@marketplace.example"


@dataclass(frozen=True)
class Sold:
    """One order of the tests: its id, who bought, and the date of death of its personal data."""

    order_id: str
    email: str | None
    dies_on: date


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


def home_at(path: Path) -> Home:
    return Home(path, Kind.TEST, date(2026, 1, 1), endpoint="http://127.0.0.1:1")


def open_platform(path: Path, today: date = DAY) -> Platform:
    return Platform(home_at(path), VirtualClock(noon(today)))


def make_platform(path: Path) -> Platform:
    create_home(home_at(path))
    platform = open_platform(path)
    platform.control.create()
    platform.keys.prepare()
    ensure_signing_key(platform)
    ensure_hash_key(platform.control, platform.keys, platform.home.lock_dir)
    for seller in (SELLER, OTHER):
        platform.sellers.add(seller, seller, ("ATVPDKIKX0DER",), "Atzr|token")
    return platform


def move(platform: Platform, day: date) -> None:
    assert isinstance(platform.clock, VirtualClock)
    platform.clock.set(noon(day))


def table(dataset: Dataset, values: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows with the given values; what is not given is filled with something of the right type."""

    def filled(row: dict[str, Any], number: int, field: pa.Field) -> Any:
        if field.name in row:
            return row[field.name]
        mark = row["mark"]
        if pa.types.is_string(field.type):
            return f"{field.name} {mark}"
        if pa.types.is_timestamp(field.type):
            return noon(DAY)
        if pa.types.is_date(field.type):
            return DAY
        if pa.types.is_boolean(field.type):
            return False
        if pa.types.is_decimal(field.type):
            return Decimal(number)
        return number

    columns = {f.name: [filled(row, n, f) for n, row in enumerate(values)] for f in dataset.schema}
    return pa.table(columns, dataset.schema)


def write(platform: Platform, day: date, sold: Sequence[Sold], seller: str = SELLER) -> None:
    """Replace a day of orders, their items and FBA shipments, as an extraction would."""
    key = platform.keys.pseudonymiser(seller)
    deaths = pa.array([one.dies_on for one in sold], pa.date32())

    def rows(**named: Any) -> list[dict[str, Any]]:
        found = []
        for one in sold:
            mark = (one.email or "nobody").partition("@")[0]
            own = {name: value(one) for name, value in named.items()}
            found.append({"mark": mark, "order_id": one.order_id, "buyer_email": one.email, **own})
        return found

    with platform.lake.writer(seller, day, [ORDERS, ITEMS], {"operation": "test"}) as writer:
        keyed = rows(buyer_key=lambda one: buyer_key_of(one.email, key) if one.email else None)
        writer.append(ORDERS, table(ORDERS, keyed), deaths)
        writer.append(ITEMS, table(ITEMS, rows(order_item_id=lambda one: f"{one.order_id}-1")), deaths)
    with platform.lake.writer(seller, day, [SHIPMENTS], {"operation": "test"}) as writer:
        ids = rows(shipment_id=lambda one: f"S{one.order_id}", shipment_item_id=lambda one: f"I{one.order_id}")
        writer.append(SHIPMENTS, table(SHIPMENTS, ids), deaths)


def days(first: date, count: int) -> list[date]:
    return [first + timedelta(days=n) for n in range(count)]


def fill(platform: Platform, seller: str = SELLER) -> None:
    """Three days: Anna has an order on the first and on the last, the latter with a date of death of its own."""
    first, second, third = days(DAY - timedelta(days=3), 3)
    dies = DAY + timedelta(days=20)
    write(platform, first, [Sold("111-A", ANNA, dies), Sold("111-B", BORIS, dies), Sold("111-N", None, dies)], seller)
    write(platform, second, [Sold("222-B", BORIS, dies)], seller)
    later = dies + timedelta(days=2)
    write(platform, third, [Sold("333-A", ANNA.upper(), later), Sold("333-B", BORIS, later)], seller)


def people(platform: Platform, seller: str = SELLER) -> dict[str, set[str]]:
    """The orders that still have personal data, by dataset."""
    found = {}
    for dataset in (ORDERS, ITEMS):
        rows = platform.lake.read_pii(dataset, seller, purpose="test", actor="tester")
        found[dataset.name] = set(rows.column("order_id").to_pylist())
    rows = platform.lake.read_pii(SHIPMENTS, seller, purpose="test", actor="tester")
    found[SHIPMENTS.name] = {name.removeprefix("S") for name in rows.column("shipment_id").to_pylist()}
    scan = platform.lake.scan(ORDERS, seller, families=(ORDERS_PSEUDONYM,))
    pseudonyms = [] if scan is None else scan.to_table().to_pylist()
    found["pseudonyms"] = {row["order_id"] for row in pseudonyms if row["buyer_key"] or row["postal_area"]}
    return found


ORDERS_PSEUDONYM = next(family for family in ORDERS.families if family == "pseudonym")


def business(platform: Platform, seller: str = SELLER) -> dict[str, list[dict[str, Any]]]:
    """All business rows, in order."""
    found = {}
    for dataset in (ORDERS, ITEMS, SHIPMENTS):
        scan = platform.lake.scan(dataset, seller)
        rows = [] if scan is None else scan.to_table().to_pylist()
        found[dataset.name] = sorted(rows, key=lambda row: tuple(str(row[name]) for name in ("day", *dataset.grain)))
    return found


def lake_bytes(platform: Platform) -> dict[str, bytes]:
    """Every file of the lake, as a copy of the disk would have it."""
    lake_dir = platform.home.lake_dir
    return {p.relative_to(lake_dir).as_posix(): p.read_bytes() for p in lake_dir.rglob("*") if p.is_file()}


def no_publish(seller_id: str) -> None:
    """Nothing was published, so nothing has to be."""
