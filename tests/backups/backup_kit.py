"""What the backup tests share: an installation of two sellers on a virtual clock, and looking at a restored one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from amzigo_pipelines.catalog.model import Dataset, RetentionClass
from amzigo_pipelines.catalog.order_items import ORDER_ITEMS
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.backup_places import FolderPlace
from amzigo_pipelines.resources.home import Home, Kind, create_home, load_home
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.backups import BackupReport, make_backup
from amzigo_pipelines.retention.certificates import ensure_signing_key

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY = NOW.date()
SELLER, OTHER = "A1SELLER", "B2SELLER"
DAYS = [TODAY - timedelta(days=n) for n in (3, 2, 1)]
DIES = TODAY + timedelta(days=10)
# Every PII value of the tests holds this.
MARK = "Quuxwright"


def make_platform(path: Path) -> Platform:
    create_home(Home(path, Kind.TEST, date(2026, 1, 1), endpoint="http://127.0.0.1:1"))
    platform = open_platform(path)
    platform.control.create()
    platform.keys.prepare()
    ensure_signing_key(platform)
    for seller_id in (SELLER, OTHER):
        platform.sellers.add(seller_id, f"Shop {seller_id}", ("ATVPDKIKX0DER",), f"Atzr|token-of-{seller_id}")
        for day in DAYS:
            write_day(platform, seller_id, day, "first")
        platform.keys.pseudonymiser(seller_id)
    platform.audit.record("tester", "look", None, "the audit trail", "to have an entry")
    return platform


def open_platform(path: Path, now: datetime = NOW) -> Platform:
    """The installation, opened anew as another process would."""
    return Platform(load_home(path), VirtualClock(now))


def write_day(
    platform: Platform, seller_id: str, day: date, tag: str, deaths: Sequence[date] = (DIES,), each: int = 3
) -> None:
    """A day's orders and items, all carrying `tag`."""
    count = each * len(deaths)
    expires_on = pa.array([death for death in deaths for _ in range(each)], pa.date32())
    with platform.lake.writer(seller_id, day, [ORDERS, ORDER_ITEMS], {"operation": "test"}) as writer:
        for dataset in (ORDERS, ORDER_ITEMS):
            writer.append(dataset, rows(dataset, count, tag), expires_on)


def rows(dataset: Dataset, count: int, tag: str) -> pa.Table:
    columns = []
    for column in dataset.schema:
        is_pii = dataset.retention_of(column.name) is RetentionClass.PII
        if pa.types.is_string(column.type):
            values = [f"{MARK if is_pii else column.name}-{tag}-{n}" for n in range(count)]
            columns.append(pa.array(values, column.type))
        else:
            columns.append(pa.nulls(count, column.type))
    return pa.table(columns, schema=dataset.schema)


def content(platform: Platform, seller_id: str) -> dict[str, list[dict[str, Any]]]:
    """All business and pseudonymous rows of a seller, by dataset."""
    found = {}
    for dataset in (ORDERS, ORDER_ITEMS):
        for family in (RetentionClass.BUSINESS, RetentionClass.PSEUDONYM):
            if family in dataset.families:
                scan = platform.lake.scan(dataset, seller_id, families=(family,))
                table = [] if scan is None else scan.to_table().to_pylist()
                found[f"{dataset.name}/{family}"] = sorted(table, key=lambda row: (row["day"], row["order_id"]))
    return found


def tags_by_day(platform: Platform, seller_id: str) -> dict[date, set[str]]:
    """The tags that a day's orders and items carry: one, if the day is of one write."""
    found: dict[date, set[str]] = {}
    for dataset in (ORDERS, ORDER_ITEMS):
        scan = platform.lake.scan(dataset, seller_id)
        for row in [] if scan is None else scan.to_table().to_pylist():
            found.setdefault(row["day"], set()).add(row["order_id"].split("-")[1])
    return found


def back_up(platform: Platform, folder: Path, keep_days: int = 35) -> BackupReport:
    folder.mkdir(exist_ok=True)
    return make_backup(platform, FolderPlace(folder), keep_days=keep_days, actor="tester")


def take_keys(platform: Platform, to: Path) -> None:
    """The backup keys alone, as an operator keeps them apart, put where a restore looks for them."""
    to.mkdir(parents=True)
    to.chmod(0o700)
    for file in platform.home.kek_dir.glob("backup-*"):
        (to / file.name).write_bytes(file.read_bytes())
        (to / file.name).chmod(0o600)


def everything_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
