"""What must hold of a dataset's rows, made from the catalog: plain declarations, nothing of Great Expectations.

Belongs here: which rules there are and how much each weighs. Does not belong here: evaluating them (`suite.py`), rules
of marts (`mart_rules.py`), which days there are (`completeness.py`) and how many rows they usually have (`bands.py`).

Only business columns are looked at: no check ever opens personal data or pseudonyms. An error means that the rows
can't be what the catalog says, and stops what comes after; a warning means that Amazon sent something unusual.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.model import DATE, INSTANT, STRING, Column, Dataset, Reference, RetentionClass

DAY = "day"


class Severity(StrEnum):
    """How much a broken rule weighs; Dagster's words."""

    ERROR = "ERROR"
    WARN = "WARN"


class Kind(StrEnum):
    """What a rule demands."""

    COLUMNS = "columns"
    NOT_NULL = "not null"
    UNIQUE = "unique"
    AT_LEAST = "at least"
    ONE_OF = "one of"
    MATCHES = "matches"
    NOT_LATER = "not later than today"
    REFERS = "refers"
    HOLDS = "holds"
    BAND = "row count"


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        kind: what it demands.
        columns: of which columns; for `COLUMNS` all that there are, each with its type.
        severity: how much it weighs.
        low: the smallest value, for `AT_LEAST`.
        values: the values, for `ONE_OF`.
        pattern: the regular expression, for `MATCHES`.
        reference: what must be there, for `REFERS`.
        sql: for `HOLDS` what must be true of each row of a mart, in its SQL; NULL for rows that it says nothing of.
        told: its name, where the kind doesn't give one.
        must_see: whether having had nothing to look at is worth telling.
    """

    kind: Kind
    columns: tuple[str, ...]
    severity: Severity
    low: int = 0
    values: tuple[str, ...] = ()
    pattern: str = ""
    reference: Reference | None = None
    sql: str = ""
    told: str = ""
    must_see: bool = False

    @property
    def name(self) -> str:
        """What is stored and shown of it, such as `unique: order_id`."""
        if self.told:
            return self.told
        if self.kind is Kind.COLUMNS:
            return "columns as declared"
        what = (
            f" in {self.reference.dataset}" if self.reference else f" {self.low}" if self.kind is Kind.AT_LEAST else ""
        )
        return f"{self.kind}{what}: {', '.join(self.columns)}"


def rules_of(dataset: Dataset) -> list[Rule]:
    """All rules of a dataset: structure first, then values."""
    columns = [c for c in dataset.columns if c.retention is RetentionClass.BUSINESS]
    rules = [
        Rule(Kind.COLUMNS, tuple(stored_column(c.name, c.type) for c in columns), Severity.ERROR),
        *(Rule(Kind.NOT_NULL, (name,), Severity.ERROR) for name in dataset.grain),
        Rule(Kind.UNIQUE, (*dataset.grain, DAY), Severity.ERROR),
    ]
    rules += [rule for column in columns for rule in _of_values(column)]
    rules += [Rule(Kind.REFERS, r.columns, Severity.ERROR, reference=r) for r in dataset.references]
    return rules


def stored_column(name: str, type_: object) -> str:
    """A column as `COLUMNS` compares it: name and type."""
    return f"{name}: {type_}"


def _of_values(column: Column) -> list[Rule]:
    name = (column.name,)
    found = []
    if column.name == "marketplace_id":
        found.append(Rule(Kind.ONE_OF, name, Severity.WARN, values=tuple(MARKETPLACES)))
    if column.one_of:
        found.append(Rule(Kind.ONE_OF, name, Severity.WARN, values=column.one_of))
    if column.at_least is not None:
        found.append(Rule(Kind.AT_LEAST, name, Severity.WARN, low=column.at_least))
    if _is_currency(column):
        found.append(Rule(Kind.MATCHES, name, Severity.ERROR, pattern=r"^[A-Z]{3}$"))
    if column.type in (INSTANT, DATE) and column.name.endswith(("created_at", "last_updated_at", "taken_at")):
        found.append(Rule(Kind.NOT_LATER, name, Severity.WARN))
    return found


def _is_currency(column: Column) -> bool:
    is_text: bool = column.type == STRING
    return is_text and (column.name == "currency" or column.name.endswith("_currency"))
