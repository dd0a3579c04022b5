"""The marts as declared in `marts/*.sql`: reading the files, checking them, putting them in order.

Belongs here: which marts there are, and that their declarations fit their SQL. Does not belong here: what a file must
declare and how (`mart_parsing.py`), where columns come from (`mart_lineage.py`), what the marts say (the files
themselves), how they are built and published (`resources/marts/warehouse.py`), how Dagster shows them
(`mart_assets.py`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import resources
from typing import Any

import duckdb

from amzigo_pipelines.assets.mart_lineage import Schema, column_lineage, with_personal_columns
from amzigo_pipelines.assets.mart_parsing import Mart, MartError, parse_mart
from amzigo_pipelines.catalog.registry import STORED
from amzigo_pipelines.resources.marts.duckdb_session import first_line, open_sealed_memory, text_literal
from amzigo_pipelines.resources.marts.staging import create_staging

__all__ = ["Mart", "MartError", "check_marts", "in_order", "load_marts", "parse_mart", "tables_read"]


def load_marts() -> list[Mart]:
    """All marts of `marts/*.sql` in dependency order, checked against their own SQL.

    Read and checked once a process: following every column takes a second, and a publish asks for them too.

    Raises:
        MartError: a file lacks a declaration, or reads or returns something else than it declares.
    """
    return list(_load())


@cache
def _load() -> tuple[Mart, ...]:
    folder = resources.files("amzigo_pipelines.assets") / "marts"
    marts = [parse_mart(name, (folder / f"{name}.sql").read_text("utf-8")) for name in mart_names()]
    return tuple(check_marts(in_order(marts)))


def mart_names() -> list[str]:
    """Names of all marts, from their files alone."""
    folder = resources.files("amzigo_pipelines.assets") / "marts"
    return sorted(file.name.removesuffix(".sql") for file in folder.iterdir() if file.name.endswith(".sql"))


def in_order(marts: Iterable[Mart]) -> list[Mart]:
    """Marts sorted so that each comes after those it reads; otherwise by name.

    Raises:
        MartError: one reads a mart that there is not, or they read each other in a circle.
    """
    by_name = {mart.name: mart for mart in sorted(marts, key=lambda mart: mart.name)}
    for mart in by_name.values():
        for name in mart.depends_on:
            if name not in by_name:
                raise MartError(f"marts/{mart.name}.sql reads {name!r}, but there is no such mart")
    try:
        order = list(TopologicalSorter({name: mart.depends_on for name, mart in by_name.items()}).static_order())
    except CycleError as error:
        raise MartError(f"marts read each other in a circle: {' -> '.join(error.args[1])}") from None
    return [by_name[name] for name in order]


def check_marts(marts: Sequence[Mart]) -> list[Mart]:
    """Follow every mart's columns, and bind its SQL against an empty warehouse that can open no file.

    What a mart can reach is staging and earlier marts, and staging holds no PII by construction.

    Returns:
        The marts with their types and lineage.

    Raises:
        LineageError: a mart names personal data, or columns that can't be followed.
        MartError: SQL that does not bind, or that reads or returns something else than declared.
    """
    checked: list[Mart] = []
    with open_sealed_memory() as connection:
        create_staging(connection, "memory")
        connection.execute("CREATE SCHEMA changed")
        schema = with_personal_columns(_schema(connection))
        for name in STORED:
            connection.execute(f'CREATE TABLE changed."staging_{name}" AS FROM staging."{name}"')
        for mart in marts:
            upserted = {earlier.name for earlier in checked if earlier.upsert is not None and not earlier.is_view}
            checked.append(_check(connection, mart, schema, upserted))
            schema["main"] = {**schema.get("main", {}), mart.name: dict(checked[-1].types)}
    return checked


def _schema(connection: duckdb.DuckDBPyConnection) -> Schema:
    found: Schema = {}
    for schema, table, column, kind in connection.execute(
        "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal"
    ).fetchall():
        found.setdefault(schema, {}).setdefault(table, {})[column] = kind
    return found


def _check(connection: duckdb.DuckDBPyConnection, mart: Mart, schema: Schema, upserted: Collection[str]) -> Mart:
    where = f"marts/{mart.name}.sql"
    try:
        reads = tables_read(connection, mart.sql)
        lineage = column_lineage(mart.name, mart.sql, schema)
        connection.execute(f'CREATE TABLE main."{mart.name}" AS {mart.sql}')
        described = connection.execute(f'DESCRIBE main."{mart.name}"').fetchall()
        if mart.upsert is not None:
            if not mart.is_view:
                connection.execute(f'CREATE TABLE changed."{mart.name}" AS FROM main."{mart.name}"')
            connection.execute(mart.upsert.affected)
            for table, column in mart.upsert.slices.items():
                connection.execute(f"SELECT {column} FROM {table}")
    except duckdb.Error as error:
        raise MartError(f"{where} is refused by DuckDB: {first_line(error)}") from None
    if set(reads) != set(mart.reads):
        said = ", ".join(sorted(mart.reads))
        raise MartError(f"{where} reads {', '.join(sorted(reads))}, but its @reads line says {said}")
    if mart.upsert is not None:
        whole = [name for name in mart.depends_on if name not in upserted]
        if whole:
            raise MartError(
                f"{where} has @upsert and reads {whole[0]}, which has none (or is a view): give it one, or leave it out"
            )
    types = {row[0]: row[1] for row in described}
    if list(types) != list(mart.columns):
        wrong = sorted(set(types) ^ set(mart.columns)) or ["the order"]
        raise MartError(f"{where}: its '-- @column' lines and its output columns differ in {', '.join(wrong)}")
    return replace(mart, types=types, lineage=lineage)


def tables_read(connection: duckdb.DuckDBPyConnection, sql: str) -> set[str]:
    """The tables that a SELECT reads, `schema.table` where it says a schema; its own CTEs left out.

    From DuckDB's own syntax tree: `get_table_names` binds without the catalog and fails on `USING` over a CTE.
    """
    row = connection.execute(f"SELECT json_serialize_sql({text_literal(sql)})").fetchone()
    tree = json.loads(row[0]) if row else {}
    if tree.get("error"):
        raise duckdb.ParserException(str(tree.get("error_message")))
    tables: set[str] = set()
    ctes: set[str] = set()
    nodes: list[Any] = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, list):
            nodes += node
        elif isinstance(node, dict):
            if node.get("type") == "BASE_TABLE":
                tables.add(".".join(filter(None, (node["catalog_name"], node["schema_name"], node["table_name"]))))
            if isinstance(node.get("cte_map"), dict):
                ctes |= {entry["key"] for entry in node["cte_map"]["map"]}
            nodes += node.values()
    return tables - ctes
