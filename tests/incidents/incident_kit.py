"""What the incident tests share: an installation with data of two sellers on a virtual clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.home import Home, Kind, create_home
from amzigo_pipelines.resources.lake.store import LakeWriter
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.certificates import ensure_signing_key

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY = NOW.date()
DAY = TODAY - timedelta(days=2)
SELLER, OTHER = "A1SELLER", "B2SELLER"
DIES = TODAY + timedelta(days=10)
# Every PII value of the tests holds this.
MARK = "Quuxwright"


def home_at(path: Path, endpoint: str = "http://127.0.0.1:1") -> Home:
    return Home(path, Kind.TEST, date(2026, 1, 1), endpoint=endpoint)


def make_platform(path: Path) -> Platform:
    create_home(home_at(path))
    platform = open_platform(path)
    platform.control.create()
    platform.keys.prepare()
    ensure_signing_key(platform)
    for seller_id in (SELLER, OTHER):
        platform.sellers.add(seller_id, f"Shop {seller_id}", ("ATVPDKIKX0DER",), f"Atzr|token-of-{seller_id}")
        write(platform, seller_id, DAY, [DIES, TODAY + timedelta(days=1)])
    return platform


def open_platform(path: Path, now: datetime = NOW) -> Platform:
    return Platform(home_at(path), VirtualClock(now))


def at(platform: Platform, moment: datetime) -> None:
    assert isinstance(platform.clock, VirtualClock)
    platform.clock.set(moment)


def write(platform: Platform, seller_id: str, day: date, deaths: Sequence[date], tag: str = "") -> None:
    """A day's orders, three for each date of death."""
    with platform.lake.writer(seller_id, day, [ORDERS], {"operation": "test"}) as writer:
        append(writer, deaths, tag)


def append(writer: LakeWriter, deaths: Sequence[date], tag: str = "") -> None:
    """Orders of a write, three for each date of death."""
    count = 3 * len(deaths)
    columns = []
    for column in ORDERS.schema:
        name = MARK if ORDERS.retention_of(column.name) is RetentionClass.PII else column.name
        if pa.types.is_string(column.type):
            columns.append(pa.array([f"{name}-{tag}-{n}" for n in range(count)], column.type))
        else:
            columns.append(pa.nulls(count, column.type))
    expires_on = pa.array([death for death in deaths for _ in range(3)], pa.date32())
    writer.append(ORDERS, pa.table(columns, schema=ORDERS.schema), expires_on)
