"""Checking published marts: their rows out of the file that analysts read, through the rules, into the results.

Belongs here: what is read for a check, in pieces. Does not belong here: the rules (`mart_rules.py`), their results
(`mart_results.py`), when checks run (`automation/`).

What takes all rows together to tell (whether a grain is unique, what the row before says) DuckDB tells of each row in
a column of its own; so a mart of any size goes through Great Expectations piece by piece.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from amzigo_pipelines.quality.mart_results import MartResults
from amzigo_pipelines.quality.mart_rules import DeclaredMart, rules_of_mart
from amzigo_pipelines.quality.rules import Kind, Rule, stored_column
from amzigo_pipelines.quality.suite import CheckBroken, Finding, columns_looked_at, evaluate, helper_column
from amzigo_pipelines.resources.marts.duckdb_session import quoted

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

ROWS_AT_ONCE = 200_000


def check_published(platform: Platform, seller_id: str, marts: Iterable[DeclaredMart]) -> int:
    """Look at a seller's published marts, those that were not looked at in the version that is published now.

    Returns:
        how many marts were checked; 0 where nothing is published.

    Raises:
        CheckBroken: a rule could not be evaluated.
        WarehouseError: the published file can't be read.
    """
    results = MartResults(platform.control)
    published = platform.warehouse.published(seller_id)
    if published is None:
        return 0
    known = results.looked_at(seller_id, published.version)
    waiting = [mart for mart in marts if mart.name not in known]
    if not waiting:
        return 0
    with platform.warehouse.connect(seller_id) as connection:
        row = connection.execute("SELECT version FROM staging.build").fetchone()
        version = int(row[0]) if row else published.version
        for mart in waiting:
            findings = check_mart(connection, mart, platform)
            results.store(seller_id, mart.name, version, findings, platform.clock.now())
    return len(waiting)


def check_mart(connection: duckdb.DuckDBPyConnection, mart: DeclaredMart, platform: Platform) -> list[Finding]:
    """Evaluate a mart's rules over its rows.

    Raises:
        CheckBroken: a rule could not be evaluated.
    """
    rules = rules_of_mart(mart)
    stored = [stored_column(name, kind) for name, kind, *_ in _described(connection, mart)]
    now = platform.clock.now()
    of_columns = [rule for rule in rules if rule.kind is Kind.COLUMNS]
    found = {finding.rule: finding for finding in evaluate(pa.table({}), stored, of_columns, now)}
    if not all(finding.held for finding in found.values()):
        # Other rules name columns that need not be there: that they can't be evaluated is no news.
        return [*found.values()]
    of_rows = [rule for rule in rules if rule.kind is not Kind.COLUMNS]
    for piece in _pieces(connection, mart, of_rows):
        for finding in evaluate(piece, (), of_rows, now):
            seen = _seen(piece, finding.rule)
            one = replace(finding, rows=seen)
            found[finding.rule] = _added(found[finding.rule], one) if finding.rule in found else one
    rows = int((connection.execute(f"SELECT COUNT(*) FROM {quoted(mart.name)}").fetchone() or (0,))[0])
    return [replace(found[rule], rows=rows) if rule in of_columns else found[rule] for rule in rules if rule in found]


def _described(connection: duckdb.DuckDBPyConnection, mart: DeclaredMart) -> list[tuple[str, ...]]:
    try:
        return connection.execute(f"DESCRIBE {quoted(mart.name)}").fetchall()
    except duckdb.CatalogException:
        return []


def _pieces(connection: duckdb.DuckDBPyConnection, mart: DeclaredMart, rules: Sequence[Rule]) -> Iterable[pa.Table]:
    columns = list(dict.fromkeys(name for rule in rules for name in columns_looked_at(rule)))
    helpers = {helper_column(rule): _told_by_sql(connection, mart, rule) for rule in rules if rule.kind is Kind.HOLDS}
    shown, windows = [], []
    for name in columns:
        sql, _, window = helpers.get(name, quoted(name)).partition(" WINDOW ")
        shown.append(f"({sql}) AS {quoted(name)}")
        windows += [window] if window else []
    named = f" WINDOW {', '.join(windows)}" if windows else ""
    try:
        reader = connection.execute(f"SELECT {', '.join(shown)} FROM {quoted(mart.name)}{named}").to_arrow_reader(
            ROWS_AT_ONCE
        )
        for batch in reader:
            yield pa.Table.from_batches([batch])
    except (duckdb.Error, OSError, pa.ArrowException) as error:
        raise CheckBroken(
            f"the rows of mart {mart.name} could not be looked at ({type(error).__name__}): nothing is known of them; "
            "publish again, and report it if it stays"
        ) from None


def _told_by_sql(connection: duckdb.DuckDBPyConnection, mart: DeclaredMart, rule: Rule) -> str:
    if rule.sql:
        return rule.sql
    keys = ", ".join(quoted(name) for name in rule.columns)
    doubled = connection.execute(
        f"SELECT 1 FROM {quoted(mart.name)} GROUP BY hash({keys}) HAVING COUNT(*) > 1 LIMIT 1"
    ).fetchone()
    # Rows whose hashes differ all differ; only where some don't, the costlier look says which.
    return f"COUNT(*) OVER (PARTITION BY {keys}) = 1" if doubled else "TRUE"


def _seen(piece: pa.Table, rule: Rule) -> int:
    """How many rows a rule says something of."""
    if rule.kind is not Kind.HOLDS:
        return int(piece.num_rows)
    nulls: int = piece[helper_column(rule)].null_count
    return int(piece.num_rows) - nulls


def _added(one: Finding, other: Finding) -> Finding:
    return replace(
        one, held=one.held and other.held, rows=one.rows + other.rows, unexpected=one.unexpected + other.unexpected
    )
