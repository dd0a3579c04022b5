"""Evaluating rules with Great Expectations: counts out, never a value.

Belongs here: from a rule to an expectation, and from its result to counts. Does not belong here: which rules there are
(`rules.py`), where results are kept (`results.py`).

Great Expectations takes seconds and 300 MB to import, so it is imported when the first rule is evaluated. Its results
are asked for without examples, and of its own errors the type is kept and not the text: both could quote a row.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from typing import Any

import pyarrow as pa

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.quality.rules import Kind, Rule

# No examples of what was found, no rows, no queries: counts.
_COUNTS_ONLY = {"result_format": "BASIC", "partial_unexpected_count": 0, "include_unexpected_rows": False}


class CheckBroken(AmzigoError):
    """A rule could not be evaluated, which is not the same as having held."""


@dataclass(frozen=True)
class Finding:
    """What came of one rule.

    Attributes:
        rule: which.
        held: whether all rows keep it.
        rows: how many were looked at.
        unexpected: how many break it; for rules about columns 0 or 1.
    """

    rule: Rule
    held: bool
    rows: int
    unexpected: int


def evaluate(table: pa.Table, stored: Sequence[str], rules: Sequence[Rule], now: datetime) -> list[Finding]:
    """Evaluate rules over rows.

    Args:
        table: the rows, with all columns that rules name; for a rule that refers or holds, its column from
            `helper_column`.
        stored: the columns that the files themselves have, with their types, for rules about columns.
        rules: what must hold.
        now: the present, for rules about the future.

    Returns:
        one finding a rule, in their order.

    Raises:
        CheckBroken: a rule could not be evaluated; the sentence names rule and type of error.
    """
    # Rules about columns need no row; Great Expectations hashes whatever it is given.
    of_columns = [rule for rule in rules if rule.kind is Kind.COLUMNS]
    of_rows = [rule for rule in rules if rule.kind is not Kind.COLUMNS]
    names = [name for rule in of_rows for name in columns_looked_at(rule)]
    limit = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
    found = {
        **_validated(pa.table({name: pa.array([], pa.string()) for name in stored}), of_columns, limit, table.num_rows),
        **_validated(table.select(list(dict.fromkeys(names))), of_rows, limit, table.num_rows),
    }
    return [found[rule] for rule in rules]


def _validated(table: pa.Table, rules: Sequence[Rule], limit: datetime, rows: int) -> dict[Rule, Finding]:
    if not rules:
        return {}
    gx = _great_expectations()
    batch = _definition().get_batch(batch_parameters={"dataframe": table.to_pandas(date_as_object=False)})
    dates = {field.name for field in table.schema if pa.types.is_date(field.type)}
    expectations = [
        # Dates have no time zone, and are compared with nothing that has one.
        _expectation(gx.expectations, rule, limit.replace(tzinfo=None) if rule.columns[0] in dates else limit, place)
        for place, rule in enumerate(rules)
    ]
    # All at once: rules over the same column share what is computed of it.
    results = batch.validate(gx.ExpectationSuite("rules", expectations=expectations), result_format=_COUNTS_ONLY)
    by_place = {result.expectation_config.meta["place"]: result for result in results.results}
    return {rule: _finding(rule, by_place[place], rows) for place, rule in enumerate(rules)}


def columns_looked_at(rule: Rule) -> tuple[str, ...]:
    """The columns of the rows that a rule is evaluated on."""
    return (helper_column(rule),) if rule.kind in (Kind.REFERS, Kind.HOLDS) else rule.columns


def helper_column(rule: Rule) -> str:
    """The name of the column that says of each row whether it keeps a rule that refers or holds."""
    return f"keeps {rule.name}"


def _great_expectations() -> Any:
    # Before the import, which would send its first message.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations

    return great_expectations


@cache
def _definition() -> Any:
    """What rows are made a batch by; the same for all of a process, since making one costs as much as a check."""
    context = _great_expectations().get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("rows")


def _expectation(gxe: Any, rule: Rule, limit: datetime, place: int) -> Any:
    named: dict[str, Any] = {"column": rule.columns[0], "meta": {"place": place}}
    if rule.kind is Kind.COLUMNS:
        wanted = {"column_set": list(rule.columns), "exact_match": True}
        return gxe.ExpectTableColumnsToMatchSet(**wanted, meta=named["meta"])
    if rule.kind is Kind.NOT_NULL:
        return gxe.ExpectColumnValuesToNotBeNull(**named)
    if rule.kind is Kind.UNIQUE:
        return gxe.ExpectCompoundColumnsToBeUnique(column_list=list(rule.columns), meta=named["meta"])
    if rule.kind is Kind.AT_LEAST:
        return gxe.ExpectColumnValuesToBeBetween(**named, min_value=rule.low)
    if rule.kind is Kind.ONE_OF:
        return gxe.ExpectColumnValuesToBeInSet(**named, value_set=list(rule.values))
    if rule.kind is Kind.MATCHES:
        return gxe.ExpectColumnValuesToMatchRegex(**named, regex=rule.pattern)
    if rule.kind is Kind.NOT_LATER:
        return gxe.ExpectColumnValuesToBeBetween(**named, max_value=limit)
    return gxe.ExpectColumnValuesToBeInSet(**{**named, "column": helper_column(rule)}, value_set=[True])


def _finding(rule: Rule, result: Any, rows: int) -> Finding:
    broken = result.exception_info or {}
    # One dictionary, or one for each metric.
    parts = [broken] if "raised_exception" in broken else list(broken.values())
    if any(part.get("raised_exception") for part in parts):
        raise CheckBroken(f"the rule '{rule.name}' could not be evaluated: nothing is known of its rows; report this")
    unexpected = int(result.result.get("unexpected_count", 0 if result.success else 1))
    return Finding(rule, bool(result.success), rows, unexpected)
