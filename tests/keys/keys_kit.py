"""What the key tests share: an installation on a virtual clock with every kind of key, and another one's view of it."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.home import Home, Kind, create_home, load_home
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.certificates import ensure_signing_key

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY = NOW.date()
DIES = TODAY + timedelta(days=10)
SELLER, OTHER = "A1SELLER", "B2SELLER"
CLASSES = ("pii", "pseudonym", "business", "mart")


def make_platform(path: Path, settings: str = "") -> Platform:
    """A new installation; `settings` are appended to its amzigo.toml."""
    create_home(Home(path, Kind.TEST, date(2026, 1, 1), endpoint="http://127.0.0.1:1"))
    file = path / "amzigo.toml"
    file.write_text(file.read_text() + settings)
    platform = open_platform(path)
    platform.control.create()
    platform.keys.prepare()
    ensure_signing_key(platform)
    for seller_id in (SELLER, OTHER):
        platform.sellers.add(seller_id, seller_id, ("ATVPDKIKX0DER",), f"Atzr|token-of-{seller_id}")
    return platform


def open_platform(path: Path, now: datetime = NOW) -> Platform:
    """The installation, opened anew as another process would."""
    return Platform(load_home(path), VirtualClock(now))


def key_ids(platform: Platform, seller_id: str = SELLER) -> dict[str, str]:
    """A living key of each class, by class."""
    return {name: platform.keys.key_for(seller_id, name, DIES).key_id for name in CLASSES}


def write_orders(
    platform: Platform, day: date, deaths: list[date], seller_id: str = SELLER, tag: str = "", each: int = 3
) -> None:
    """A day's orders, `each` for each date of death."""
    count = each * len(deaths)
    columns = []
    for column in ORDERS.schema:
        if pa.types.is_string(column.type):
            columns.append(pa.array([f"{column.name}-{tag}-{n}" for n in range(count)], column.type))
        else:
            columns.append(pa.nulls(count, column.type))
    expires_on = pa.array([death for death in deaths for _ in range(each)], pa.date32())
    with platform.lake.writer(seller_id, day, [ORDERS], {"operation": "test"}) as writer:
        writer.append(ORDERS, pa.table(columns, schema=ORDERS.schema), expires_on)


def order_ids(platform: Platform, seller_id: str = SELLER) -> list[str]:
    scan = platform.lake.scan(ORDERS, seller_id)
    return [] if scan is None else sorted(scan.to_table(["order_id"]).column(0).to_pylist())


def copy_database(platform: Platform, to: Path) -> None:
    shutil.copy(platform.home.path / "control.db", to)


def put_database(platform: Platform, copy: Path) -> None:
    shutil.copy(copy, platform.home.path / "control.db")


def use_credentials(monkeypatch: pytest.MonkeyPatch, access_key_id: str) -> None:
    """Act at AWS as the user of that access key."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
