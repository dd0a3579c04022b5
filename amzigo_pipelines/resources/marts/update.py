"""Bringing a copy of a published file up to date: changed partitions are applied, marts follow row by row.

Belongs here: what of a publish is done again, and what is left as it is. Does not belong here: making a file from
nothing (`fill.py`), making a whole mart (`build.py`), and which rows a change concerns (the marts' own
`@upsert` lines, see `assets/mart_parsing.py`).

The rows that a publish changes are kept in memory, in the schema `changed`: of each dataset, and of each mart that is
upserted, those that came or went. A mart that is upserted runs its own SQL, the very text that makes it from nothing,
on inputs that are cut down to the affected values of its key: views of the inputs' names stand before them in the
search path. Its other inputs are read in full. A mart without `@upsert` is made anew if anything that it reads changed.
A view follows by itself; its changed rows are checked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import duckdb

from amzigo_pipelines.catalog.registry import STORED
from amzigo_pipelines.resources.marts import staging
from amzigo_pipelines.resources.marts.build import (
    Mart,
    Upsert,
    assert_grain,
    build_mart,
    count_rows,
    explained,
    note_gaps,
)
from amzigo_pipelines.resources.marts.duckdb_session import quoted

if TYPE_CHECKING:
    from amzigo_pipelines.resources.lake.store import Lake

_CHANGED = "memory.changed"


def can_update(
    connection: duckdb.DuckDBPyConnection, former: str, plan: staging.Plan, marts: Sequence[Mart]
) -> Mapping[tuple[str, date], staging.Partition] | None:
    """What an attached published file has staged, if a copy of it may be brought up to date; None if it may not.

    What is deleted from a DuckDB file stays in its free blocks, under the same key. So a file whose data has to be
    forgotten is made anew by rows: where a partition left it, and where one with pseudonyms was replaced, as that may
    be somebody's erasure.
    """
    there = staging.loaded(connection, former)
    build = connection.execute(f"SELECT marts_fingerprint FROM {quoted(former)}.staging.build").fetchone()
    if not there or build is None or build[0] != staging.marts_fingerprint(marts):
        return None
    for key, partition in there.items():
        now = plan.partitions.get(key)
        if now is None or (now != partition and "pseudonym" in partition.families):
            return None
    return there


def apply_changes(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    lake: Lake,
    seller_id: str,
    changed: Mapping[tuple[str, date], staging.Partition],
    datasets: Collection[str],
    there: Collection[tuple[str, date]],
) -> set[str]:
    """Replace partitions in an attached file's staging, and keep in memory what came and went.

    Args:
        connection: a session with the file attached.
        database: its name.
        lake: has the partitions as they are now.
        seller_id: whose.
        changed: the partitions to replace.
        datasets: all that are staged.
        there: the partitions that are staged already.

    Returns:
        The tables of staging that really changed, as marts read them (`staging.<dataset>`).

    Raises:
        LakeDamaged: a file of the lake is missing or does not open.
    """
    connection.execute(f"CREATE SCHEMA {_CHANGED}")
    for name in datasets:
        connection.execute(
            f"CREATE TABLE {_CHANGED}.{quoted(f'staging_{name}')} AS FROM {database}.staging.{quoted(name)} LIMIT 0"
        )
    found: set[str] = set()
    for name, days in staging.by_dataset(changed).items():
        table, difference = f"{database}.staging.{quoted(name)}", f"{_CHANGED}.{quoted(f'staging_{name}')}"
        incoming = f"{_CHANGED}.incoming"
        connection.execute(f"CREATE OR REPLACE TABLE {incoming} AS FROM {table} LIMIT 0")
        full = [day for day in days if changed[name, day].families]
        if full:
            staging.load_days(connection, incoming, lake, seller_id, STORED[name], full, changed)
        replaced = staging.days_list(day for day in days if (name, day) in there)
        former = f"(FROM {table} WHERE day IN ({replaced}))" if replaced else f"(FROM {table} LIMIT 0)"
        connection.execute(
            f"INSERT INTO {difference} (FROM {former} EXCEPT ALL FROM {incoming}) "
            f"UNION ALL (FROM {incoming} EXCEPT ALL FROM {former})"
        )
        if count_rows(connection, difference):
            found.add(f"staging.{name}")
            connection.execute("BEGIN")
            if replaced:
                connection.execute(f"DELETE FROM {table} WHERE day IN ({replaced})")
            connection.execute(f"INSERT INTO {table} FROM {incoming}")
            connection.execute("COMMIT")
        connection.execute(f"DROP TABLE {incoming}")
    return found


def update_marts(
    connection: duckdb.DuckDBPyConnection, database: str, marts: Sequence[Mart], changed: Collection[str]
) -> dict[str, int]:
    """Bring the marts of an attached file up to date with its staging.

    Args:
        connection: a session with the file attached, after `apply_changes`.
        database: its name.
        marts: all of them, in dependency order.
        changed: the tables of staging that changed.

    Returns:
        Rows by mart.

    Raises:
        MartBuildError: SQL that fails, or a mart with two rows, or a null, in its grain.
    """
    touched = {*changed, "staging.loaded_partitions"}
    rows: dict[str, int] = {}
    connection.execute("CREATE SCHEMA memory.staging")
    # Those by key read each other only, so they can all go first.
    for mart in marts:
        if mart.upsert is not None:
            if mart.is_view:
                if not touched.isdisjoint(mart.reads):
                    _check_view(connection, database, mart, mart.upsert)
                    touched.add(mart.name)
            elif touched.isdisjoint(mart.reads):
                table = f"{_CHANGED}.{quoted(mart.name)}"
                connection.execute(f"CREATE TABLE {table} AS FROM {_table(database, mart)} LIMIT 0")
            elif _upsert(connection, database, mart, mart.upsert):
                touched.add(mart.name)
    connection.execute(f"USE {quoted(database)}")
    # One transaction, as each commit waits for the disk, and straight into the file instead of first into a log.
    connection.execute("SET checkpoint_threshold = '1KB'")
    connection.execute("BEGIN")
    for mart in marts:
        if mart.upsert is None and not touched.isdisjoint(mart.reads):
            if mart.is_view:
                rows[mart.name] = assert_grain(connection, mart, _table(database, mart))
            else:
                rows[mart.name] = build_mart(connection, mart)
            touched.add(mart.name)
    note_gaps(connection, marts)
    connection.execute("COMMIT")
    connection.execute("USE memory")
    for mart in marts:
        if mart.name not in rows:
            rows[mart.name] = count_rows(connection, _table(database, mart))
    return rows


def _upsert(connection: duckdb.DuckDBPyConnection, database: str, mart: Mart, upsert: Upsert) -> bool:
    """Make a mart's affected rows anew; returns whether any differs from what it was."""
    table, key = _table(database, mart), quoted(upsert.key)
    fresh, former, difference = f"{_CHANGED}.fresh", f"{_CHANGED}.former", f"{_CHANGED}.{quoted(mart.name)}"
    with explained(mart):
        affected = _affected(connection, database, upsert)
        views = {f"memory.{name if '.' in name else f'main.{name}'}": name for name in upsert.slices}
        for view, name in views.items():
            source = f"{database}.{name if '.' in name else f'main.{name}'}"
            connection.execute(f"CREATE VIEW {view} AS FROM {source} WHERE {upsert.slices[name]} IN ({affected})")
        # Inputs that are read in full may bring rows of other values too, and these would be made of cut down ones.
        connection.execute(f"CREATE OR REPLACE TEMP VIEW remade AS {mart.sql}")
        connection.execute(f"CREATE OR REPLACE TABLE {fresh} AS FROM remade WHERE {key} IN ({affected})")
        connection.execute("DROP VIEW remade")
        for view in views:
            connection.execute(f"DROP VIEW {view}")
        assert_grain(connection, mart, fresh)
        connection.execute(f"CREATE OR REPLACE TABLE {former} AS FROM {table} WHERE {key} IN ({affected})")
        # Both are told apart by their grain, so what is there twice is there in both, and did not change.
        connection.execute(
            f"CREATE TABLE {difference} AS SELECT * FROM (FROM {former} UNION ALL FROM {fresh}) "
            "GROUP BY ALL HAVING COUNT(*) = 1"
        )
        differs = count_rows(connection, difference) > 0
        if differs:
            connection.execute("BEGIN")
            connection.execute(f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {difference})")
            connection.execute(f"INSERT INTO {table} FROM {fresh} WHERE {key} IN (SELECT {key} FROM {difference})")
            connection.execute("COMMIT")
        connection.execute(f"DROP TABLE {fresh}")
        connection.execute(f"DROP TABLE {former}")
    return differs


def _check_view(connection: duckdb.DuckDBPyConnection, database: str, mart: Mart, upsert: Upsert) -> None:
    """Check the grain of those rows of a view that may be new."""
    with explained(mart):
        affected = _affected(connection, database, upsert)
        assert_grain(connection, mart, f"(FROM {_table(database, mart)} WHERE {quoted(upsert.key)} IN ({affected}))")


def _affected(connection: duckdb.DuckDBPyConnection, database: str, upsert: Upsert) -> str:
    """Look up which values of a mart's key a change concerns; gives a SELECT of them."""
    # Marts before staging, and `changed` last: a name without a schema is a mart.
    schemas = ("memory.main", f"{database}.main", "memory.staging", f"{database}.staging", "memory.changed")
    connection.execute(f"SET search_path = '{','.join(schemas)}'")
    connection.execute(f"CREATE OR REPLACE TABLE {_CHANGED}.affected AS SELECT DISTINCT * FROM ({upsert.affected})")
    column = quoted(connection.execute(f"DESCRIBE {_CHANGED}.affected").fetchall()[0][0])
    return f"SELECT {column} FROM {_CHANGED}.affected"


def _table(database: str, mart: Mart) -> str:
    return f"{database}.main.{quoted(mart.name)}"
