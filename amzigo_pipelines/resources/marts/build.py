"""Making the marts inside an open mart file: tables from SQL, their grain asserted, their comments, what they lack.

Belongs here: what happens between staging and a finished file. Does not belong here: staging itself (`staging.py`),
bringing marts up to date without making them anew (`update.py`), the file's way to the analysts (`warehouse.py`),
and what the marts say (`assets/marts/*.sql`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import duckdb

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.marts.duckdb_session import first_line, quoted, text_literal

# From so many rows on a mart is committed before others read it: from rows that are not, they take twice as long. Each
# commit waits for the disk, so small ones go together.
_MANY_ROWS = 50_000

# Errors whose message speaks of the SQL alone. Others may quote a value, which must not get into logs.
_ABOUT_SQL = (duckdb.ParserException, duckdb.CatalogException, duckdb.BinderException)


class MartBuildError(AmzigoError):
    """A mart can't be built, or breaks its own grain; nothing was published."""


class Upsert(Protocol):
    """How a mart is brought up to date by key (`assets/mart_parsing.py`)."""

    @property
    def key(self) -> str:
        """Column of the grain that picks rows."""
        ...

    @property
    def affected(self) -> str:
        """A SELECT of the key's values whose rows may differ."""
        ...

    @property
    def slices(self) -> Mapping[str, str]:
        """By input the column, or expression, that has the key's values."""
        ...


class Gap(Protocol):
    """Columns that are null while nothing of a dataset has been extracted (`assets/mart_parsing.py`)."""

    @property
    def dataset(self) -> str:
        """The dataset."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns."""
        ...

    @property
    def reason(self) -> str:
        """Why they are null, for analysts."""
        ...


class Mart(Protocol):
    """What building a mart needs of its definition (`assets/mart_parsing.py`)."""

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
    def depends_on(self) -> tuple[str, ...]:
        """The marts that it reads."""
        ...

    @property
    def datasets(self) -> tuple[str, ...]:
        """Datasets of the catalog that it reads from staging."""
        ...

    @property
    def reads(self) -> tuple[str, ...]:
        """All that it reads: marts by name, `staging.<table>` else."""
        ...

    @property
    def upsert(self) -> Upsert | None:
        """How it is brought up to date; None: by making it anew."""
        ...

    @property
    def is_view(self) -> bool:
        """Whether it is a view of what it reads, and no table."""
        ...

    @property
    def gaps(self) -> Sequence[Gap]:
        """What is null for lack of a dataset."""
        ...


def build_marts(connection: duckdb.DuckDBPyConnection, database: str, marts: Sequence[Mart]) -> dict[str, int]:
    """Build marts, in the order given, from the staging of an attached file; in a few transactions of its own.

    Returns:
        Rows by mart.

    Raises:
        MartBuildError: SQL that fails, or a mart with two rows, or a null, in its grain.
    """
    read_by_others = {name for mart in marts for name in mart.depends_on}
    found: dict[str, int] = {}
    connection.execute(f"USE {quoted(database)}")
    connection.execute("BEGIN")
    for mart in marts:
        found[mart.name] = build_mart(connection, mart)
        if found[mart.name] >= _MANY_ROWS and mart.name in read_by_others and not mart.is_view:
            connection.execute("COMMIT")
            connection.execute("BEGIN")
    note_gaps(connection, marts)
    connection.execute("COMMIT")
    connection.execute("USE memory")
    return found


def build_mart(connection: duckdb.DuckDBPyConnection, mart: Mart) -> int:
    """Make one mart, or make it anew, in the database in use; returns its rows.

    Raises:
        MartBuildError: SQL that fails, or two rows, or a null, in its grain.
    """
    table = f"main.{quoted(mart.name)}"
    with explained(mart):
        kind = "VIEW" if mart.is_view else "TABLE"
        connection.execute(f"CREATE OR REPLACE {kind} {table} AS {mart.sql}")
        rows = assert_grain(connection, mart, table)
        comments = [f"COMMENT ON {kind} {table} IS {text_literal(_table_comment(mart))}"]
        comments += [
            f"COMMENT ON COLUMN {table}.{quoted(c)} IS {text_literal(text)}" for c, text in mart.columns.items()
        ]
        connection.execute(";".join(comments))
        return rows


def note_gaps(connection: duckdb.DuckDBPyConnection, marts: Sequence[Mart]) -> None:
    """Make `mart_notes` in the database in use: which columns are null for lack of a dataset, and why."""
    there = {
        name for (name,) in connection.execute("SELECT DISTINCT dataset FROM staging.loaded_partitions").fetchall()
    }
    missing = [
        (mart.name, column, gap.dataset, gap.reason)
        for mart in marts
        for gap in mart.gaps
        if gap.dataset not in there
        for column in gap.columns
    ]
    connection.execute(
        "CREATE OR REPLACE TABLE main.mart_notes "
        "(mart VARCHAR, column_name VARCHAR, missing_dataset VARCHAR, reason VARCHAR)"
    )
    if missing:
        rows = ", ".join(f"({', '.join(map(text_literal, row))})" for row in missing)
        connection.execute(f"INSERT INTO main.mart_notes VALUES {rows}")
    comments = {
        "mart": "The mart.",
        "column_name": "Its column that is null.",
        "missing_dataset": "The dataset of which nothing has been extracted.",
        "reason": "Why, and what to do about it.",
    }
    what = "Columns of marts that are null because nothing of a dataset is there yet. One row per mart, column_name."
    connection.execute(f"COMMENT ON TABLE main.mart_notes IS {text_literal(what)}")
    for name, meaning in comments.items():
        connection.execute(f"COMMENT ON COLUMN main.mart_notes.{name} IS {text_literal(meaning)}")


def count_rows(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """How many rows a table has."""
    row = connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()
    return int(row[0]) if row else 0


@contextmanager
def explained(mart: Mart) -> Iterator[None]:
    """Turns what DuckDB says about a mart's SQL into our own sentence.

    Raises:
        MartBuildError: the SQL is wrong.
    """
    try:
        yield
    except _ABOUT_SQL as error:
        raise MartBuildError(f"mart {mart.name} can't be built: {first_line(error)}; nothing was published") from None


def assert_grain(connection: duckdb.DuckDBPyConnection, mart: Mart, table: str) -> int:
    """Check that the rows of a table are told apart by the mart's grain; returns how many there are.

    Raises:
        MartBuildError: two rows, or a null, in it.
    """
    names = [quoted(column) for column in mart.grain]
    keys = ", ".join(names)
    # Rows whose hashes differ all differ; only where some don't, the costlier look says whether the rows do.
    are_there = " AND ".join(f"{name} IS NOT NULL" for name in names)
    quick = connection.execute(
        f"SELECT COUNT(*), COUNT(DISTINCT hash({keys})), BOOL_AND({are_there}) FROM {table}"
    ).fetchone()
    rows, hashes, is_filled = quick or (0, 0, None)
    if rows == hashes and is_filled in (True, None):
        return int(rows)
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
    return int(rows)


def _table_comment(mart: Mart) -> str:
    return f"{mart.description}\n\nOne row per {', '.join(mart.grain)}."
