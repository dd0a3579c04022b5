"""What is known of published mart files: records, errors, and whether a file is the one that was published.

Belongs here: the rows of `marts`, and checking a file against its row. Does not belong here: making files
(`fill.py`), publishing, reading and dropping them (`warehouse.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import duckdb
import sqlalchemy as sa

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import marts
from amzigo_pipelines.resources.control.statements import put_row
from amzigo_pipelines.resources.keys.store import KeyDead, KeyStore, KeyUnknown
from amzigo_pipelines.resources.marts.duckdb_session import CannotOpen, attach, quoted


class WarehouseError(AmzigoError):
    """Marts can't be built, published or opened."""


class NotPublished(WarehouseError):
    """The seller has no published marts, or nothing to make any from."""


class MartDamaged(WarehouseError):
    """The published file is missing, was changed, or is not the one that was published."""


class MartExpired(WarehouseError):
    """The published file's key is dead, because something in it had to be forgotten."""


class PublishBusy(WarehouseError):
    """Another publish of the same seller is running."""

    is_retryable = True


@dataclass(frozen=True)
class PublishedMart:
    """The published file of a seller, as the control database has it; dead on `expires_on`."""

    seller_id: str
    path: Path
    version: int
    key_id: str
    bytes: int
    published_at: datetime
    expires_on: date
    tables: dict[str, int] = field(default_factory=dict)


def select_published(control: ControlDatabase, marts_dir: Path, seller_id: str) -> PublishedMart | None:
    """What is published of a seller, whether or not it still opens; None where nothing is."""
    with control.read() as connection:
        row = connection.execute(sa.select(marts).where(marts.c.seller_id == seller_id)).first()
    if row is None:
        return None
    detail = json.loads(row.detail)
    expires_on = date.fromisoformat(detail["expires_on"])
    path = marts_dir / row.path
    return PublishedMart(
        seller_id, path, row.version, row.key_id, row.bytes, row.published_at, expires_on, detail["tables"]
    )


def make_current(control: ControlDatabase, marts_dir: Path, mart: PublishedMart, facts: dict[str, object]) -> None:
    """Make a file its seller's published one, with further facts about the publish; one transaction."""
    values = {
        "path": mart.path.relative_to(marts_dir).as_posix(),
        "version": mart.version,
        "key_id": mart.key_id,
        "rows": sum(mart.tables.values()),
        "bytes": mart.bytes,
        "published_at": mart.published_at,
        "detail": json.dumps({"tables": mart.tables, "expires_on": mart.expires_on.isoformat(), **facts}),
    }
    with control.transaction() as connection:
        put_row(connection, marts, {"seller_id": mart.seller_id}, values)


def forget_published(control: ControlDatabase, seller_id: str) -> None:
    """From now on nothing is published of a seller."""
    with control.transaction() as connection:
        connection.execute(marts.delete().where(marts.c.seller_id == seller_id))


def attach_published(
    connection: duckdb.DuckDBPyConnection, keys: KeyStore, published: PublishedMart, name: str
) -> None:
    """Attach a published file for reading under a name, if it is the one that was published.

    Raises:
        MartExpired: its key is dead.
        MartDamaged: it is missing or was changed.
    """
    again = f"run 'amzigo publish --seller {published.seller_id}' again"
    try:
        key = keys.open(published.key_id)
    except (KeyDead, KeyUnknown):
        raise MartExpired(
            f"the published marts of seller {published.seller_id} hold data whose time is over, so they no longer "
            f"open: {again}"
        ) from None
    try:
        size = published.path.stat().st_size
    except OSError as error:
        raise MartDamaged(f"the published marts {published.path} can't be read ({error.strerror}): {again}") from None
    damaged = f"the published marts {published.path} were changed or replaced since they were published: {again}"
    if size != published.bytes:
        raise MartDamaged(damaged)
    try:
        attach(connection, published.path, name, key.secret, is_read_only=True)
        build = connection.execute(f"SELECT seller_id, version FROM {quoted(name)}.staging.build").fetchone()
    except (CannotOpen, duckdb.Error):
        raise MartDamaged(damaged) from None
    if build != (published.seller_id, published.version):
        raise MartDamaged(damaged)
