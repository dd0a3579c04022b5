"""The catalog's `source` paths, compiled: from JSON objects to Arrow columns.

Belongs here: paths and types. Does not belong here: any dataset's own rules (`flatten.py`).

All rows are converted at once by Arrow's C++ into one struct array that holds just the fields that some path names;
columns are then taken from it. That is ten times as fast as following each path in Python. Only when the conversion
fails are values looked at one by one, to name the column: Arrow's own message would quote the value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from amzigo_pipelines.catalog.model import BOOLEAN, DATE, INSTANT, INTEGER, MONEY, RATIO, STRING
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.quarantine.structure import is_collecting, is_counted, salvaged

_STEP = re.compile(r"(?P<name>[A-Za-z0-9_]+)(?P<each>\[(?:(?P<key>\w+)=(?P<value>\w+))?\])?")
# Arrow cuts fractions off on the way to an integer; on the way to a decimal without places it refuses them.
_EXACT_INTEGER = pa.decimal128(19, 0)
_READ_AS = {
    STRING: STRING,
    INSTANT: STRING,
    DATE: STRING,
    MONEY: STRING,
    RATIO: STRING,
    INTEGER: _EXACT_INTEGER,
    BOOLEAN: BOOLEAN,
}
_KINDS: dict[pa.DataType | None, str] = {
    STRING: "a text",
    INSTANT: "an ISO 8601 instant with a time zone",
    DATE: "an ISO 8601 date",
    MONEY: "an amount with at most four decimals",
    RATIO: "a number",
    INTEGER: "a whole number",
    BOOLEAN: "true or false",
    None: "of the shape that the catalog expects",
}
_CONVERSION_ERRORS = (ValueError, TypeError, OverflowError, KeyError)


class FlattenError(AmzigoError):
    """Amazon's data does not have the shape or the types that the catalog declares."""


@dataclass(frozen=True)
class Step:
    """One step of a path: a field, or all elements of a list, or those with `key` = `value`."""

    name: str
    is_list: bool = False
    key: str = ""
    value: str = ""


@dataclass(frozen=True)
class Path:
    """Where one column's values stand.

    Attributes:
        column: name of the column, or of a helper that a dataset's own rules use.
        source: as the catalog writes it, without `^`.
        type: the column's Arrow type.
        steps: the source, taken apart.
    """

    column: str
    source: str
    type: pa.DataType
    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, column: str, source: str, type_: pa.DataType) -> Path:
        """Compile a source.

        Raises:
            ValueError: it isn't written as the catalog allows.
        """
        steps = []
        for text in source.split("."):
            match = _STEP.fullmatch(text)
            if match is None:
                raise ValueError(
                    f"the source {source!r} of column {column} is no path: write a.b, a[].b or a[type=X].b"
                )
            steps.append(Step(match["name"], match["each"] is not None, match["key"] or "", match["value"] or ""))
        return cls(column, source, type_, tuple(steps))


@dataclass
class _Node:
    """What is needed of one JSON object, array or value."""

    is_list: bool = False
    leaf: pa.DataType | None = None
    children: dict[str, _Node] = field(default_factory=dict)

    def add(self, steps: Sequence[Step], leaf: pa.DataType) -> None:
        if not steps:
            self.leaf = leaf
            return
        step, *rest = steps
        child = self.children.setdefault(step.name, _Node(step.is_list))
        if child.is_list != step.is_list:
            raise ValueError(f"{step.name} is a list for one column and not for another")
        if step.key:
            child.children.setdefault(step.key, _Node(leaf=STRING))
        child.add(rest, leaf)

    def type(self) -> pa.DataType:
        own = self.leaf or pa.struct([(name, child.type()) for name, child in self.children.items()])
        return pa.list_(own) if self.is_list else own


class Flattener:
    """Turns JSON objects into columns.

    Args:
        dataset: name of the dataset, for errors.
        paths: the columns.
    """

    def __init__(self, dataset: str, paths: Sequence[Path]) -> None:
        self._dataset = dataset
        self._paths = list(paths)

    @cached_property
    def _type(self) -> pa.DataType:
        root = _Node()
        for path in self._paths:
            root.add(path.steps, _READ_AS[path.type])
        return root.type()

    @cached_property
    def _leaf_lists(self) -> list[Path]:
        # A text is a sequence of characters to Arrow, and would become a list of them.
        return [path for path in self._paths if path.steps[-1].is_list]

    def columns(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, pa.Array]:
        """The columns of rows, typed, one value a row; empty texts are null.

        Raises:
            FlattenError: a value of the wrong type, naming dataset and column, never the value.
        """
        for path in self._leaf_lists:
            for row in rows:
                self._look(path, row, only_lists=True)
        try:
            struct = pa.array(rows, type=self._type)
        except _CONVERSION_ERRORS:
            rows = [self._repaired(row) for row in rows]
            try:
                struct = pa.array(rows, type=self._type)
            except _CONVERSION_ERRORS:
                raise self._culprit(rows) from None
        return {path.column: self._column(struct, path) for path in self._paths}

    def _column(self, struct: pa.Array, path: Path) -> pa.Array:
        values = _follow(struct, path.steps, path.type)
        return typed(self._dataset, path.column, values, path.type)

    def _repaired(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """The row with whole amounts that came as JSON numbers written as text; nothing is lost by that."""
        for path in self._paths:
            if path.type in (MONEY, RATIO):
                _write_numbers(row, path.steps)
        return row

    def _culprit(self, rows: Sequence[Mapping[str, Any]]) -> FlattenError:
        first: FlattenError | None = None
        for path in self._paths:
            for row in rows:
                try:
                    self._look(path, row)
                except FlattenError as error:
                    if not is_counted(self._dataset, path.column, "not of the declared shape or type", 1):
                        return error
                    first = first or error
        if first is not None:
            return first
        return FlattenError(f"rows for dataset {self._dataset} hold a value that no column can take: report this")

    def _look(self, path: Path, value: Any, at: int = 0, only_lists: bool = False) -> None:
        """Raise for the first value on a path that is not what it should be."""
        if value is None:
            return
        if at == len(path.steps):
            if not only_lists and not _fits(value, path.type):
                raise wrong_value(self._dataset, path.column, path.source, path.type)
            return
        if not isinstance(value, dict):
            raise wrong_value(self._dataset, path.column, path.source, None)
        step, inner = path.steps[at], value.get(path.steps[at].name)
        if not step.is_list or inner is None:
            self._look(path, inner, at + 1, only_lists)
        elif isinstance(inner, list):
            for element in inner:
                self._look(path, element, at + 1, only_lists)
        else:
            raise wrong_value(self._dataset, path.column, path.source, None)


def typed(dataset: str, column: str, values: pa.Array | pa.ChunkedArray, type_: pa.DataType) -> Any:
    """Values as a column's type: exact, empty texts as null.

    Raises:
        FlattenError: one of them is no such value, or has more decimals than the column holds.
    """
    if pa.types.is_string(values.type):
        if pc.any(pc.equal(values, "")).as_py():
            values = pc.if_else(pc.equal(values, ""), pa.scalar(None, STRING), values)
        if type_ == STRING:
            return values
    if is_collecting():
        cast, wrong = salvaged(_one_array(values), lambda some: _cast(some, type_), type_)
        if wrong:
            is_counted(dataset, column, f"not {_KINDS[type_]}", wrong)
        return cast
    try:
        return _cast(values, type_)
    except pa.ArrowInvalid:
        raise wrong_value(dataset, column, "", type_) from None


def _cast(values: Any, type_: pa.DataType) -> Any:
    cast = pc.cast(values, type_)
    if type_ == RATIO and not pc.all(pc.is_finite(cast)).as_py() and cast.null_count < len(cast):
        raise pa.ArrowInvalid
    return cast


def _one_array(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def wrong_value(dataset: str, column: str, source: str, type_: pa.DataType | None) -> FlattenError:
    """The error for a value of a column; None as type for a path that doesn't lead where it should."""
    where = f" ({source})" if source else ""
    return FlattenError(
        f"column {column}{where} of dataset {dataset} has a value that is not {_KINDS[type_]}: Amazon's format has "
        "changed, or the answer is damaged; nothing of this partition was stored"
    )


def per_parent(parents: np.ndarray[Any, Any], rows: int) -> np.ndarray[Any, Any]:
    """Offsets of each parent's elements, for elements in order of their parents."""
    offsets = np.zeros(rows + 1, dtype=np.int32)
    np.cumsum(np.bincount(parents, minlength=rows), out=offsets[1:])
    return offsets


def _follow(array: pa.Array, steps: Sequence[Step], type_: pa.DataType) -> pa.Array:
    for at, step in enumerate(steps):
        # Not array.field(): under a null object Arrow keeps zeros and empty texts, and that would hand them out.
        array = pc.struct_field(array, [step.name])
        if step.is_list:
            return _elements(array, step, steps[at + 1 :], type_)
    return array


def _elements(lists: pa.ListArray, step: Step, rest: Sequence[Step], type_: pa.DataType) -> pa.Array:
    """One value a row out of a list a row: texts joined by commas, numbers and amounts added up."""
    rows = len(lists)
    parents = pc.list_parent_indices(lists)
    elements = lists.flatten()
    if step.key:
        is_wanted = pc.fill_null(pc.equal(pc.struct_field(elements, [step.key]), step.value), False)
        elements, parents = elements.filter(is_wanted), parents.filter(is_wanted)
    values = _follow(elements, rest, type_) if rest else elements
    is_there = pc.is_valid(values)
    if pa.types.is_string(values.type):
        is_there = pc.and_(is_there, pc.fill_null(pc.not_equal(values, ""), False))
    values, parents = values.filter(is_there), parents.filter(is_there).to_numpy(zero_copy_only=False)
    if len(parents) == len(np.unique(parents)):
        places = np.full(rows, -1, dtype=np.int64)
        places[parents] = np.arange(len(parents))
        return values.take(pa.array(places, mask=places < 0))
    if type_ == STRING:
        joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(per_parent(parents, rows)), values), ",")
        return pc.if_else(pc.equal(joined, ""), pa.scalar(None, STRING), joined)
    if type_ == MONEY:
        values = typed("", "", values, MONEY)
    sums = pa.table({"p": parents, "v": values}).group_by("p").aggregate([("v", "sum")])
    places = np.full(rows, -1, dtype=np.int64)
    places[sums["p"].to_numpy()] = np.arange(len(sums))
    added = sums["v_sum"].combine_chunks().take(pa.array(places, mask=places < 0))
    return pc.cast(added, MONEY if type_ == MONEY else _EXACT_INTEGER)


def _fits(value: Any, type_: pa.DataType) -> bool:
    if type_ == BOOLEAN:
        return isinstance(value, bool)
    if type_ == INTEGER:
        return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _write_numbers(value: Any, steps: Sequence[Step]) -> None:
    if not isinstance(value, dict):
        return
    step, rest = steps[0], steps[1:]
    inner = value.get(step.name)
    if not rest:
        if isinstance(inner, int) and not isinstance(inner, bool):
            value[step.name] = str(inner)
        return
    for element in inner if isinstance(inner, list) else [inner]:
        _write_numbers(element, rest)
