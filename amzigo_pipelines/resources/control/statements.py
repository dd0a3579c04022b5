"""Statements that any table of the control database may need, in words that SQLite and PostgreSQL both understand.

Belongs here: patterns without a table of their own. Does not belong here: connections (`database.py`), tables
(`schema.py`), and the statements of one table (the module that owns the rows).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

# How many values go into one statement: SQLite takes 32,766 parameters at most.
_CHUNK = 10_000
T = TypeVar("T")


def put_row(connection: Connection, table: sa.Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Write the row of a key, new or in place of the old one. Only within a write transaction."""
    these = sa.and_(*(table.c[name] == value for name, value in key.items()))
    if connection.execute(table.update().where(these).values(**values)).rowcount == 0:
        connection.execute(table.insert().values(**key, **values))


def next_number(connection: Connection, table: sa.Table) -> int:
    """The number that follows the highest of a table's. Only within a write transaction, where writers take turns."""
    return int(connection.execute(sa.select(sa.func.max(table.c.number))).scalar() or 0) + 1


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in pieces that fit into one statement's `IN`."""
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]
