"""Where every column of a mart comes from, and that none comes from personal data.

Belongs here: following columns through a mart's SQL down to other marts and the catalog. Does not belong here: what
else a mart must declare (`mart_parsing.py`), and how Dagster shows lineage (`mart_assets.py`).

Staging has no column of personal data, so DuckDB would refuse a mart that names one. This says so before, in words that
tell the way, and holds even if somebody widened staging. Two rules make it sound: no clause may name a column of class
`pii`, not even to filter or join by it; and a star stands only over the mart's own CTEs, as over a table it would take
whatever the catalog gets next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.registry import STORED
from amzigo_pipelines.errors import AmzigoError

Source = tuple[str, str]
"""A table as marts name it (`orders`, `staging.orders`) and a column of it."""
Schema = dict[str, dict[str, dict[str, str]]]
"""By schema and table, the types of the columns; the catalog's personal columns included."""

_MARTS = "main"
_STAGING = "staging"


class LineageError(AmzigoError):
    """A mart reaches personal data, or it can't be told where one of its columns comes from."""


def with_personal_columns(schema: Schema) -> Schema:
    """A schema of staging and marts, widened by the columns that staging leaves out, so that they can be named."""
    staged = schema.get(_STAGING, {})
    wide = {
        table: {**columns, **{c.name: "VARCHAR" for c in STORED[table]}} if table in STORED else dict(columns)
        for table, columns in staged.items()
    }
    return {**schema, _STAGING: wide}


def column_lineage(mart: str, sql: str, schema: Schema) -> dict[str, tuple[Source, ...]]:
    """The columns of tables that each output column of a mart is made of, sorted.

    Args:
        mart: its name, for messages.
        sql: its SELECT.
        schema: from `with_personal_columns`.

    Raises:
        LineageError: a column can't be followed, a star stands over a table, or personal data is named.
    """
    where = f"marts/{mart}.sql"
    try:
        tree = sqlglot.parse_one(sql, dialect="duckdb")
        _refuse_stars(where, tree)
        tree = qualify(
            tree, schema=dict(schema), dialect="duckdb", db=_MARTS, quote_identifiers=False, identify=False,
            validate_qualify_columns=True,
        )  # fmt: skip
        root = build_scope(tree)
    except SqlglotError as error:
        raise LineageError(f"{where}: its columns can't be followed to the catalog: {_first_line(error)}") from None
    if root is None:
        raise LineageError(f"{where} is no SELECT: its columns can't be followed to the catalog")
    walk = _Walk(where)
    found: dict[str, tuple[Source, ...]] = {}
    for name in _outputs(root):
        paths = walk.origins(root, name)
        for source, way in paths.items():
            if _is_personal(source):
                raise LineageError(
                    f"{where}: column {name} reaches personal data: "
                    f"{' <- '.join((f'marts.{mart}.{name}', *way, _said(source)))}. No mart may hold any: leave it out"
                )
        found[name] = tuple(sorted(paths))
    for scope in root.traverse():
        for column in scope.columns:
            table = scope.sources.get(column.table)
            if isinstance(table, exp.Table) and _is_personal(source := (_name(table), column.name)):
                raise LineageError(
                    f"{where} filters, joins or sorts by personal data: {_said(source)}. No mart may look at any"
                )
    return found


class _Walk:
    """Follows columns down through CTEs and subqueries; remembers what it found."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._known: dict[tuple[int, str], Mapping[Source, tuple[str, ...]]] = {}

    def origins(self, scope: Scope, column: str) -> Mapping[Source, tuple[str, ...]]:
        """What a scope's output column is made of, each with the columns of CTEs on the way."""
        key = (id(scope), column)
        if key not in self._known:
            self._known[key] = {}
            self._known[key] = dict(self._search(scope, column))
        return self._known[key]

    def _search(self, scope: Scope, column: str) -> Iterator[tuple[Source, tuple[str, ...]]]:
        if scope.set_operation_scopes:
            position = _outputs(scope).index(column)
            for part in scope.set_operation_scopes:
                yield from self.origins(part, _outputs(part)[position]).items()
            return
        if not isinstance(scope.expression, exp.Select):
            # A table function: whatever it is given may come out of it.
            yield from self._expression(scope, scope.expression)
            return
        for projection in scope.expression.selects:
            if projection.alias_or_name == column:
                yield from self._expression(scope, projection)
                return
        raise LineageError(f"{self._where}: it can't be told where column {column} comes from: name it in each SELECT")

    def _expression(self, scope: Scope, expression: exp.Expr) -> Iterator[tuple[Source, tuple[str, ...]]]:
        inner = {id(child.expression): child for child in scope.subquery_scopes}
        for node in expression.walk(prune=lambda n: id(n) in inner):
            if id(node) in inner:
                child = inner[id(node)]
                for name in _outputs(child):
                    yield from self.origins(child, name).items()
            elif isinstance(node, exp.Column):
                yield from self._column(scope, node)

    def _column(self, scope: Scope, column: exp.Column) -> Iterator[tuple[Source, tuple[str, ...]]]:
        source: exp.Expr | Scope | None = None
        outer: Scope | None = scope
        while outer is not None and source is None:
            source = outer.sources.get(column.table)
            outer = outer.parent
        if isinstance(source, exp.Table):
            yield (_name(source), column.name), ()
        elif isinstance(source, Scope):
            for origin, way in self.origins(source, column.name).items():
                yield origin, (f"{column.table}.{column.name}", *way)
        else:
            raise LineageError(f"{self._where}: it can't be told where {column.sql(dialect='duckdb')} comes from")


def _refuse_stars(where: str, tree: exp.Expr) -> None:
    ctes = {cte.alias for cte in tree.find_all(exp.CTE)}
    for select in tree.find_all(exp.Select):
        has_star = any(
            isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star))
            for node in select.expressions
        )
        is_final = select.parent is None
        joined = (join.this for join in select.args.get("joins") or ())
        tables = [node for node in (getattr(select.args.get("from_"), "this", None), *joined) if node is not None]
        over = next((t.sql("duckdb") for t in tables if not isinstance(t, exp.Table) or t.name not in ctes or t.db), "")
        if has_star and (is_final or over):
            what = "its last SELECT" if is_final else f"a SELECT from {over}"
            raise LineageError(f"{where}: {what} has a star: name the columns, so that none is taken unseen")


def _is_personal(source: Source) -> bool:
    table, column = source
    return column in _personal_columns().get(table, ())


@cache
def _personal_columns() -> dict[str, frozenset[str]]:
    return {
        f"{_STAGING}.{dataset.name}": frozenset(c.name for c in dataset if c.retention is RetentionClass.PII)
        for dataset in STORED.values()
    }


def _outputs(scope: Scope) -> list[str]:
    query = scope.expression
    return query.named_selects if isinstance(query, exp.Query) else []


def _name(table: exp.Table) -> str:
    return table.name if table.db in ("", _MARTS) else f"{table.db}.{table.name}"


def _said(source: Source) -> str:
    table, column = source
    return f"lake.{table.removeprefix(f'{_STAGING}.')}.{column} (class pii)"


def _first_line(error: SqlglotError) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0]
