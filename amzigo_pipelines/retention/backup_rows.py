"""Rows of the control database as they stand in a backup: which tables, and values as JSON and back.

Belongs here: what of the books goes into a backup. Does not belong here: key material (`backup_contents.py` hands it
over apart, under each owner's key) and the archive (`resources/archive.py`).

A table that somebody adds is in the backup unless it is named here: the control database holds no PII, ever.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from amzigo_pipelines.resources.control import schema

# Handed over by seller (files, partitions, secrets), made anew by a restore (KEK versions, marts), about files that are
# in no backup (a hold's vault holds PII), or of no use later.
_ELSEWHERE = frozenset(
    {
        "lake_files",
        "partitions",
        "secrets",
        "kek_versions",
        "marts",
        "vault_files",
        "rate_buckets",
        "authorisation_states",
        # Halves of partitions that the next run asks for again.
        "kept_answers",
        # Where the trail ends is found anew: the rows may have been read a moment later.
        "audit_head",
    }
)
# Written down last: an erasure that is over before a seller's data is copied must be known to the backup.
_LATE = frozenset({"tombstones", "erasure_requests"})


def early_tables() -> list[sa.Table]:
    """The tables that a backup begins with, those first that others refer to."""
    return [table for table in schema.metadata.sorted_tables if table.name not in _ELSEWHERE | _LATE]


def late_tables() -> list[sa.Table]:
    """The tables that it ends with."""
    return [table for table in schema.metadata.sorted_tables if table.name in _LATE]


def table_named(name: str) -> sa.Table | None:
    """The table of that name, if a backup may hold it."""
    table = schema.metadata.tables.get(name)
    return None if table is None or name in _ELSEWHERE else table


def rows_of(connection: Connection, table: sa.Table) -> Iterator[dict[str, Any]]:
    """All rows of a table as JSON values; of a data key never its wrapping."""
    for row in connection.execute(sa.select(table)).mappings():
        values = dict(row)
        if table is schema.data_keys:
            values["wrapped"] = None
        yield to_json(values)


def to_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """A row's values as JSON can hold them."""
    return {name: _plain(value) for name, value in values.items()}


def from_json(table: sa.Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """A row's values as the table takes them; columns that are no more are left out."""
    return {name: _typed(table.c[name], value) for name, value in values.items() if name in table.c}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, date) else value


def _typed(column: sa.Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, schema.Instant):
        return datetime.fromisoformat(value)
    if isinstance(column.type, sa.Date):
        return date.fromisoformat(value)
    return base64.b64decode(value) if isinstance(column.type, sa.LargeBinary) else value
