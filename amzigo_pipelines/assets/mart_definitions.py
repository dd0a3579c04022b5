"""The marts as declared in `marts/*.sql`: reading the files, checking them, putting them in order.

Belongs here: what a mart's file must say about itself. Does not belong here: what the marts say (the files themselves),
how they are built and published (`resources/warehouse.py`), how Dagster shows them (`mart_assets.py`).

A file begins with comment lines: the meaning in free text, then `-- @grain a, b`, `-- @reads x, staging.y` and one
`-- @column name: meaning` for each output column in order (more lines of the same are indented by two more spaces).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from importlib import resources
from typing import Any

import duckdb

from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.duckdb_session import first_line, open_sealed_memory, text_literal
from amzigo_pipelines.resources.staging import create_staging

_STAGING = "staging."
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class MartError(AmzigoError):
    """A mart's file is not fully declared, or says other things than its SQL; the message names file and place."""


@dataclass(frozen=True)
class Mart:
    """One mart.

    Attributes:
        name: table name: the file's name without `.sql`.
        sql: one SELECT, with its leading comment.
        description: what a row is and how the numbers are meant.
        grain: columns that identify a row; unique and never null.
        columns: what each output column means, in order.
        reads: what the SQL reads, as declared and checked: marts by name, `staging.<table>` else.
        types: DuckDB type of each output column; filled by `load_marts`.
    """

    name: str
    sql: str
    description: str
    grain: tuple[str, ...]
    columns: Mapping[str, str]
    reads: tuple[str, ...]
    types: Mapping[str, str] = field(default_factory=dict)

    @property
    def depends_on(self) -> tuple[str, ...]:
        """The marts that must be built before."""
        return tuple(name for name in self.reads if not name.startswith(_STAGING))

    @property
    def datasets(self) -> tuple[str, ...]:
        """The catalog's datasets that are read directly."""
        names = (name.removeprefix(_STAGING) for name in self.reads if name.startswith(_STAGING))
        return tuple(name for name in names if name in DATASETS)


def load_marts() -> list[Mart]:
    """All marts of `marts/*.sql` in dependency order, checked against their own SQL.

    Raises:
        MartError: a file lacks a declaration, or reads or returns something else than it declares.
    """
    folder = resources.files("amzigo_pipelines.assets") / "marts"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    marts = [parse_mart(file.name.removesuffix(".sql"), file.read_text("utf-8")) for file in files]
    return check_marts(in_order(marts))


def parse_mart(name: str, text: str) -> Mart:
    """Read one file.

    Raises:
        MartError: the leading comment lacks something.
    """
    if not _NAME.fullmatch(name):
        raise MartError(f"marts/{name}.sql: a mart's name is lower-case letters, digits and underscores")
    free: list[str] = []
    tags: list[tuple[str, str]] = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        content = line.removeprefix("--")
        if content.startswith("   ") and tags:
            tags[-1] = (tags[-1][0], f"{tags[-1][1]} {content.strip()}")
        elif content.strip().startswith("@"):
            tag, _, value = content.strip()[1:].partition(" ")
            tags.append((tag, value.strip()))
        elif tags and content.strip():
            raise MartError(f"marts/{name}.sql: indent what continues a @ line by two more spaces: {line!r}")
        else:
            free.append(content.strip())
    columns: dict[str, str] = {}
    lists: dict[str, tuple[str, ...]] = {}
    for tag, value in tags:
        if tag == "column":
            column, _, meaning = value.partition(":")
            if not meaning.strip():
                raise MartError(f"marts/{name}.sql: column {column!r} has no meaning: write '-- @column {column}: ...'")
            if column in columns:
                raise MartError(f"marts/{name}.sql: column {column!r} is declared twice")
            columns[column] = meaning.strip()
        elif tag in ("grain", "reads") and tag not in lists:
            lists[tag] = tuple(part.strip() for part in value.split(",") if part.strip())
        else:
            raise MartError(f"marts/{name}.sql: unknown or repeated line '-- @{tag}'")
    description = _paragraphs(free)
    for what, is_there in (
        ("a description in its leading comment", bool(description)),
        ("a '-- @grain' line", bool(lists.get("grain"))),
        ("a '-- @reads' line", bool(lists.get("reads"))),
    ):
        if not is_there:
            raise MartError(f"marts/{name}.sql has no {what.removeprefix('a ')}: add it")
    unknown = [column for column in lists["grain"] if column not in columns]
    if unknown:
        raise MartError(f"marts/{name}.sql: grain column {unknown[0]!r} has no '-- @column' line")
    return Mart(name, text, description, lists["grain"], columns, lists["reads"])


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
    """Bind every mart's SQL against an empty warehouse that can open no file; returns the marts with their types.

    What a mart can reach is staging and earlier marts, and staging holds no PII by construction.

    Raises:
        MartError: SQL that does not bind, or that reads or returns something else than declared.
    """
    checked: list[Mart] = []
    with open_sealed_memory() as connection:
        create_staging(connection, "memory")
        for mart in marts:
            checked.append(_check(connection, mart))
    return checked


def _check(connection: duckdb.DuckDBPyConnection, mart: Mart) -> Mart:
    try:
        reads = tables_read(connection, mart.sql)
        connection.execute(f'CREATE TABLE main."{mart.name}" AS {mart.sql}')
        described = connection.execute(f'DESCRIBE main."{mart.name}"').fetchall()
    except duckdb.Error as error:
        raise MartError(f"marts/{mart.name}.sql is refused by DuckDB: {first_line(error)}") from None
    if set(reads) != set(mart.reads):
        said = ", ".join(sorted(mart.reads))
        raise MartError(f"marts/{mart.name}.sql reads {', '.join(sorted(reads))}, but its @reads line says {said}")
    types = {row[0]: row[1] for row in described}
    if list(types) != list(mart.columns):
        wrong = sorted(set(types) ^ set(mart.columns)) or ["the order"]
        raise MartError(
            f"marts/{mart.name}.sql: its '-- @column' lines and its output columns differ in {', '.join(wrong)}"
        )
    return Mart(mart.name, mart.sql, mart.description, mart.grain, mart.columns, mart.reads, types)


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


def _paragraphs(lines: Iterable[str]) -> str:
    text = "\n".join(lines).strip()
    return "\n\n".join(" ".join(part.split("\n")) for part in re.split(r"\n{2,}", text) if part)
