"""Splitting a table of rows into column families, and PII by its date of death.

Belongs here: which rows and columns go into which family. Does not belong here: files, keys, transactions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from amzigo_pipelines.catalog.model import PERIOD_DAYS, Dataset, RetentionClass
from amzigo_pipelines.resources.lake.files import LakeInputError


@dataclass(frozen=True)
class PiiSplit:
    """PII rows by their date of death, in order of dates, and how many rows' PII was too old to be kept."""

    parts: list[tuple[date, pa.Table]]
    dropped_rows: int


def check_table(dataset: Dataset, table: pa.Table, expires_on: pa.Array | pa.ChunkedArray | None) -> None:
    """Refuse rows that aren't what the dataset is declared to be.

    Raises:
        LakeInputError: other columns or types, a null in the grain, or dates of death missing or out of place.
    """
    if not table.schema.equals(dataset.schema):
        raise LakeInputError(f"rows for dataset {dataset.name} don't fit its schema: {_difference(dataset, table)}")
    for name in dataset.grain:
        if table.column(name).null_count:
            raise LakeInputError(f"rows for dataset {dataset.name} have no {name}: it is part of what identifies a row")
    if RetentionClass.PII not in dataset.families:
        if expires_on is not None:
            raise LakeInputError(f"dataset {dataset.name} has no PII, so its rows take no date of death")
        return
    if expires_on is None:
        raise LakeInputError(f"dataset {dataset.name} has PII: give the date of death of each row (expires_on)")
    if expires_on.type != pa.date32() or len(expires_on) != table.num_rows:
        raise LakeInputError(
            f"dates of death for dataset {dataset.name} must be one date32 a row: "
            f"there are {len(expires_on)} of type {expires_on.type} for {table.num_rows} rows"
        )


def family_rows(dataset: Dataset, family: RetentionClass, table: pa.Table) -> pa.Table:
    """The family's columns; but for `business`, only of the rows that have a value in one of them."""
    columns = table.select(dataset.families[family].names)
    if family is RetentionClass.BUSINESS:
        return columns
    return columns.filter(_has_any(columns, len(dataset.grain)))


def split_pii(
    dataset: Dataset,
    table: pa.Table,
    expires_on: pa.Array | pa.ChunkedArray,
    now_on: date,
    period_days: int = PERIOD_DAYS[RetentionClass.PII],
) -> PiiSplit:
    """PII columns of the rows that have any, by date of death; rows whose date has come are left out and counted.

    Args:
        dataset: one with PII.
        table: rows of it.
        expires_on: date32, one a row; may be null only where the row has no PII.
        now_on: today.
        period_days: how long PII may live here.

    Raises:
        LakeInputError: PII without a date of death, or with one later than the longest that PII may live.
    """
    columns = table.select(dataset.families[RetentionClass.PII].names)
    has_pii = _has_any(columns, len(dataset.grain))
    columns, dates = columns.filter(has_pii), expires_on.filter(has_pii)
    if dates.null_count:
        raise LakeInputError(f"{dates.null_count} rows of dataset {dataset.name} have PII without a date of death")
    # A day of grace, since Amazon's clock may be past midnight when ours isn't yet.
    latest = now_on + timedelta(days=period_days + 1)
    if dates and pc.max(dates).as_py() > latest:
        raise LakeInputError(
            f"rows of dataset {dataset.name} ask for PII to live until {pc.max(dates).as_py()}: "
            f"{period_days} days from today is the most; mend the retention clock"
        )
    is_alive = pc.greater(dates, pa.scalar(now_on))
    dropped = len(dates) - (pc.sum(is_alive).as_py() or 0)
    return PiiSplit(list(_by_date(columns.filter(is_alive), dates.filter(is_alive))), dropped)


def _by_date(columns: pa.Table, dates: pa.Array | pa.ChunkedArray) -> Iterator[tuple[date, pa.Table]]:
    counts = sorted((entry["values"], entry["counts"]) for entry in pc.value_counts(dates).to_pylist())
    if len(counts) <= 1:
        yield from ((day, columns) for day, _ in counts)
        return
    # One stable sort instead of a filter for each of some thirty dates.
    ordered = columns.take(pc.array_sort_indices(_combined(dates)))
    start = 0
    for day, count in counts:
        yield day, ordered.slice(start, count)
        start += count


def _combined(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _has_any(columns: pa.Table, grain_width: int) -> pa.ChunkedArray:
    own = columns.columns[grain_width:]
    found = pc.is_valid(own[0])
    for column in own[1:]:
        if column.null_count < len(column):
            found = pc.or_(found, pc.is_valid(column))
    return found


def _difference(dataset: Dataset, table: pa.Table) -> str:
    expected, given = dataset.schema, table.schema
    missing = [name for name in expected.names if name not in given.names]
    extra = [name for name in given.names if name not in expected.names]
    if missing or extra:
        return f"missing columns: {', '.join(missing) or 'none'}; unknown columns: {', '.join(extra) or 'none'}"
    for name in expected.names:
        if expected.field(name).type != given.field(name).type:
            return f"column {name} is {given.field(name).type} and should be {expected.field(name).type}"
    return "columns are in another order or differ in nullability; build the table with dataset.schema"
