"""What must hold of a published mart, made from its declaration, and what must hold of it as business.

Belongs here: which rules there are. Does not belong here: evaluating them (`marts.py`, `suite.py`), what a mart's file
declares and how (`assets/mart_parsing.py`).

From the declaration: columns and their types, the grain, whole numbers that count, sets of values, those of the dataset
too from which a column is taken as it is. By hand: what an accountant would add up again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.model import Column
from amzigo_pipelines.catalog.registry import STORED
from amzigo_pipelines.quality.rules import DAY, Kind, Rule, Severity, stored_column

_STAGING = "staging."
_WHOLE_NUMBERS = frozenset({"INTEGER", "BIGINT", "HUGEINT"})
# What concerns a seller's whole account has no marketplace.
_WHOLE_ACCOUNT = "(account)"


class DeclaredMart(Protocol):
    """What a suite needs of a mart's definition (`assets/mart_parsing.py`)."""

    @property
    def name(self) -> str:
        """Table name."""
        ...

    @property
    def grain(self) -> tuple[str, ...]:
        """Columns that identify a row."""
        ...

    @property
    def types(self) -> Mapping[str, str]:
        """DuckDB type of each column."""
        ...

    @property
    def lineage(self) -> Mapping[str, tuple[tuple[str, str], ...]]:
        """By column the (table, column) pairs that it is made of."""
        ...

    @property
    def signed(self) -> tuple[str, ...]:
        """Whole numbers that may be below 0."""
        ...

    @property
    def one_of(self) -> Mapping[str, tuple[str, ...]]:
        """By column all values that it may have."""
        ...


_LEDGER_KEY = "marketplace_id, fn_sku, sku, disposition, location"
EXPECTATIONS: dict[str, tuple[Rule, ...]] = {
    "ledger_balance": (
        Rule(
            Kind.HOLDS,
            ("start_units", "end_units"),
            Severity.WARN,
            told="the ledger balances: opening + movements = closing",
            sql="end_units = expected_end_units",
            must_see=True,
        ),
        Rule(
            Kind.HOLDS,
            ("start_units", "end_units"),
            Severity.WARN,
            told="the ledger goes on: a day opens as the day before closed",
            sql=f"CASE WHEN LAG(day) OVER key = day - 1 THEN start_units = LAG(end_units) OVER key END "
            f"WINDOW key AS (PARTITION BY {_LEDGER_KEY} ORDER BY day)",
        ),
    ),
    "sales_reconciliation": (
        # Pending orders are in Amazon's sums with a price that nobody else is shown: such a day proves nothing.
        Rule(
            Kind.HOLDS,
            ("sales", "metrics_sales"),
            Severity.WARN,
            told="order totals are Amazon's own (sales_metrics)",
            sql="CASE WHEN is_settled AND pending_units = 0 THEN metrics_unexplained = 0 END",
            must_see=True,
        ),
    ),
    "order_items": (
        Rule(
            Kind.HOLDS,
            ("order_id",),
            Severity.ERROR,
            told="refers in orders: order_id",
            sql="order_id IN (SELECT order_id FROM orders)",
        ),
    ),
    "profit_by_sku": (
        Rule(
            Kind.HOLDS,
            ("net_units",),
            Severity.ERROR,
            told="net_units = units_shipped - units_refunded",
            sql="net_units = units_shipped - units_refunded",
        ),
    ),
}
"""What must hold as business, by mart."""


def rules_of_mart(mart: DeclaredMart) -> list[Rule]:
    """All rules of a mart: structure first, then values, then business."""
    stored = tuple(stored_column(name, kind) for name, kind in mart.types.items())
    rules = [
        Rule(Kind.COLUMNS, stored, Severity.ERROR),
        *(Rule(Kind.NOT_NULL, (name,), Severity.ERROR) for name in mart.grain),
        # Told by the warehouse, over all rows: those that are looked at come in pieces.
        Rule(Kind.HOLDS, mart.grain, Severity.ERROR, told=f"{Kind.UNIQUE}: {', '.join(mart.grain)}"),
    ]
    for name, kind in mart.types.items():
        rules += _of_values(mart, name, kind)
    return [*rules, *EXPECTATIONS.get(mart.name, ())]


def _of_values(mart: DeclaredMart, name: str, kind: str) -> Iterator[Rule]:
    of, taken = (name,), _taken_as_it_is(mart, name)
    values = mart.one_of.get(name) or (taken.one_of if taken else ())
    if name == "marketplace_id":
        values = (*MARKETPLACES, _WHOLE_ACCOUNT)
    if values:
        yield Rule(Kind.ONE_OF, of, Severity.WARN, values=tuple(values))
    if kind in _WHOLE_NUMBERS and name not in mart.signed:
        yield Rule(Kind.AT_LEAST, of, Severity.WARN)
    if kind == "VARCHAR" and (name == "currency" or name.endswith("_currency")):
        yield Rule(Kind.MATCHES, of, Severity.ERROR, pattern=r"^[A-Z]{3}$")
    if name == DAY and kind == "DATE":
        yield Rule(Kind.NOT_LATER, of, Severity.WARN)


def _taken_as_it_is(mart: DeclaredMart, name: str) -> Column | None:
    """The dataset's column of the same name, where a column is made of nothing else."""
    sources = mart.lineage.get(name, ())
    if len(sources) != 1:
        return None
    table, column = sources[0]
    dataset = STORED.get(table.removeprefix(_STAGING)) if table.startswith(_STAGING) else None
    # Staging has columns of its own beside the dataset's.
    is_taken = dataset is not None and column == name and column in dataset.schema.names
    return dataset.column(column) if dataset is not None and is_taken else None
