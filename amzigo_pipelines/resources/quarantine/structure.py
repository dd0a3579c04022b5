"""Counting what does not fit, instead of stopping at the first of it.

Belongs here: how faults are collected while a batch that failed is read once more. Does not belong here: what counts as
a fault (each place that checks structure), what becomes of the batch (`store.py`).

An extraction stops at the first value that does not fit. For a batch that goes into quarantine a person wants to know
all of it: so it is read once more while faults are collected, and each place that would raise counts instead and goes
on, with nulls in the place of what does not fit. Nothing of such a reading may be stored: `raise_if_any` sees to it.

Counts by dataset and column, never a value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from amzigo_pipelines.errors import AmzigoError


class StructureBroken(AmzigoError):
    """A batch was read to its end and does not fit; what does not is in the faults."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a column.

    Attributes:
        dataset: name of the dataset.
        column: of it; empty for the batch as a whole.
        problem: in words.
        rows: how many rows have it.
    """

    dataset: str
    column: str
    problem: str
    rows: int


@dataclass
class Faults:
    """What does not fit of a batch."""

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def list(self) -> list[Fault]:
        """All, by dataset and column."""
        return [Fault(*key, rows) for key, rows in sorted(self.counts.items())]


_collected: ContextVar[Faults | None] = ContextVar("structure_faults", default=None)


@contextmanager
def collecting() -> Iterator[Faults]:
    """Within the block faults are counted. Not around a `yield` of a generator: its caller would collect too."""
    faults = Faults()
    token = _collected.set(faults)
    try:
        yield faults
    finally:
        _collected.reset(token)


def is_counted(dataset: str, column: str, problem: str, rows: int) -> bool:
    """Count a fault where faults are collected; False where they are not, and the caller has to raise."""
    faults = _collected.get()
    if faults is None:
        return False
    faults.counts[dataset, column, problem] += rows
    return True


def is_collecting() -> bool:
    """Whether faults are collected."""
    return _collected.get() is not None


def raise_if_any() -> None:
    """End a reading whose faults were collected, before anything of it is stored.

    Raises:
        StructureBroken: there are some.
    """
    faults = _collected.get()
    if faults is not None and faults.counts:
        raise StructureBroken("the batch does not fit the catalog: nothing of it was stored")


def salvaged(values: Any, convert: Callable[[Any], Any], type_: pa.DataType) -> tuple[pa.Array, int]:
    """Values converted as far as they can be: what can't is null, and how many that are.

    Args:
        values: an Arrow array.
        convert: raises where any of the values it is given does not fit.
        type_: of the result.
    """
    try:
        converted = convert(values)
    except (AmzigoError, pa.ArrowInvalid):
        if len(values) == 1:
            return pa.nulls(1, type_), 1
        middle = len(values) // 2
        left, wrong_left = salvaged(values.slice(0, middle), convert, type_)
        right, wrong_right = salvaged(values.slice(middle), convert, type_)
        return pa.concat_arrays([left, right]), wrong_left + wrong_right
    return (converted.combine_chunks() if isinstance(converted, pa.ChunkedArray) else converted), 0


def placeholders(values: pa.Array) -> pa.Array:
    """Values without nulls, for a grain column that lacks some: such rows are never stored."""
    type_ = values.type
    empty = pa.scalar("", type_) if pa.types.is_string(type_) else pa.scalar(0).cast(pa.int64()).cast(type_)
    return values.fill_null(empty)
