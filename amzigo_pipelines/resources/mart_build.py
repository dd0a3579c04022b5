"""Making the marts inside an open mart file: tables from SQL, their grain asserted, their comments.

Belongs here: what happens between staging and a finished file. Does not belong here: staging itself (`staging.py`), the
file's way to the analysts (`warehouse.py`), and what the marts say (`assets/marts/*.sql`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import duckdb

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.duckdb_session import first_line, quoted, text_literal

# Errors whose message speaks of the SQL alone. Others may quote a value, which must not get into logs.
_ABOUT_SQL = (duckdb.ParserException, duckdb.CatalogException, duckdb.BinderException)


class MartBuildError(AmzigoError):
    """A mart can't be built, or breaks its own grain; nothing was published."""


class Mart(Protocol):
    """What building a mart needs of its definition (`assets/mart_definitions.py`)."""

    @property
    def name(self) -> str:
        """Table name."""
        ...

    @property
    def sql(self) -> str:
        """One SELECT over staging and earlier marts."""
        ...

    @property
    def description(self) -> str:
        """The table's comment."""
        ...

    @property
    def grain(self) -> tuple[str, ...]:
        """Columns that identify a row."""
        ...

    @property
    def columns(self) -> Mapping[str, str]:
        """Comment of each column."""
        ...

    @property
    def datasets(self) -> tuple[str, ...]:
        """Datasets of the catalog that it reads from staging."""
        ...


def build_marts(connection: duckdb.DuckDBPyConnection, database: str, marts: Sequence[Mart]) -> dict[str, int]:
    """Build marts, in the order given, from the staging of an attached file.

    Returns:
        Rows by mart.

    Raises:
        MartBuildError: SQL that fails, or a mart with two rows, or a null, in its grain.
    """
    connection.execute(f"USE {quoted(database)}")
    try:
        return {mart.name: _build(connection, mart) for mart in marts}
    finally:
        connection.execute("USE memory")


def _build(connection: duckdb.DuckDBPyConnection, mart: Mart) -> int:
    table = f"main.{quoted(mart.name)}"
    try:
        connection.execute(f"CREATE TABLE {table} AS {mart.sql}")
        _assert_grain(connection, mart, table)
        connection.execute(f"COMMENT ON TABLE {table} IS {text_literal(_table_comment(mart))}")
        for column, meaning in mart.columns.items():
            connection.execute(f"COMMENT ON COLUMN {table}.{quoted(column)} IS {text_literal(meaning)}")
        row = connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()
    except _ABOUT_SQL as error:
        raise MartBuildError(f"mart {mart.name} can't be built: {first_line(error)}; nothing was published") from None
    return int(row[0]) if row else 0


def _assert_grain(connection: duckdb.DuckDBPyConnection, mart: Mart, table: str) -> None:
    names = [quoted(column) for column in mart.grain]
    keys = ", ".join(names)
    is_null = " OR ".join(f"{name} IS NULL" for name in names)
    found = connection.execute(
        f"SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM {table} GROUP BY {keys} HAVING COUNT(*) > 1)), "
        f"(SELECT COUNT(*) FROM {table} WHERE {is_null})"
    ).fetchone()
    doubled, nulls = found or (0, 0)
    if doubled or nulls:
        what = f"{doubled:,} doubled" if doubled else f"{nulls:,} missing"
        raise MartBuildError(
            f"mart {mart.name} has {what} values of its grain ({', '.join(mart.grain)}): its SQL or the lake is wrong; "
            "nothing was published, the former marts stand"
        )


def _table_comment(mart: Mart) -> str:
    return f"{mart.description}\n\nOne row per {', '.join(mart.grain)}."
