"""What the retention tests share: an installation on a virtual clock, with data that dies on chosen days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from amzigo_pipelines.catalog.model import Dataset
from amzigo_pipelines.catalog.order_items import ORDER_ITEMS
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.home import Home, Kind, create_home
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.certificates import ensure_signing_key

DAY = date(2026, 11, 1)
SELLER, OTHER = "A1SELLER", "B2SELLER"


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


def home_at(path: Path) -> Home:
    return Home(path, Kind.TEST, date(2026, 1, 1), endpoint="http://127.0.0.1:1")


def make_platform(path: Path, today: date = DAY) -> Platform:
    create_home(home_at(path))
    platform = open_platform(path, today)
    platform.control.create()
    platform.keys.prepare()
    ensure_signing_key(platform)
    return platform


def open_platform(path: Path, today: date) -> Platform:
    return Platform(home_at(path), VirtualClock(noon(today)))


def move(platform: Platform, day: date) -> None:
    assert isinstance(platform.clock, VirtualClock)
    platform.clock.set(noon(day))


def rows(dataset: Dataset, count: int, tag: str = "") -> pa.Table:
    def value(name: str, type_: pa.DataType, i: int) -> Any:
        if pa.types.is_string(type_):
            return f"{name}-{tag}-{i}"
        if pa.types.is_timestamp(type_):
            return noon(DAY)
        if pa.types.is_decimal(type_):
            return Decimal(i)
        return i

    columns = {f.name: [value(f.name, f.type, i) for i in range(count)] for f in dataset.schema}
    return pa.table(columns, dataset.schema)


def write_day(platform: Platform, seller: str, day: date, deaths: Sequence[date], tag: str = "", each: int = 3) -> None:
    """Write `each` orders and items for each date of death; the clock must show `day` or later."""
    count = each * len(deaths)
    expires_on = pa.array([death for death in deaths for _ in range(each)], pa.date32())
    with platform.lake.writer(seller, day, [ORDERS, ORDER_ITEMS], {"operation": "test"}) as writer:
        for dataset in (ORDERS, ORDER_ITEMS):
            writer.append(dataset, rows(dataset, count, tag), expires_on)


def days(first: date, count: int) -> list[date]:
    return [first + timedelta(days=i) for i in range(count)]


def on_disk(platform: Platform, seller: str = "*", family: str = "pii") -> list[str]:
    lake_dir = platform.home.lake_dir
    found = lake_dir.glob(f"*/seller={seller}/day=*/*{family}-*")
    return sorted(path.relative_to(lake_dir).as_posix() for path in found)


def business_rows(platform: Platform, seller: str) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for dataset in (ORDERS, ORDER_ITEMS):
        scan = platform.lake.scan(dataset, seller)
        found[dataset.name] = [] if scan is None else scan.to_table().to_pylist()
    return found


def pii_count(platform: Platform, seller: str) -> int:
    return int(platform.lake.read_pii(ORDERS, seller, purpose="test", actor="tester").num_rows)
