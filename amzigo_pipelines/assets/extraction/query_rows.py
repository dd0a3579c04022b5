"""From the rows of a Data Kiosk document to Arrow columns, with an eye on fields that come or go.

Belongs here: the fields of rows. Does not belong here: the document (`resources/reports/documents.py`), days and
doubles (`report_rows.py`), the query (`query_text.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from itertools import islice
from typing import Any

import pyarrow as pa

from amzigo_pipelines.assets.extraction.paths import Flattener, Path
from amzigo_pipelines.catalog.model import MONEY, Dataset

_ROWS_AT_ONCE = 5_000
_FOUR_DECIMALS = Decimal("0.0001")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}(\.[A-Za-z_][A-Za-z0-9_]{0,63})*")


class QueryRows:
    """Reads the rows of one dataset's queries.

    Args:
        dataset: one whose columns' sources are fields of a query.
    """

    def __init__(self, dataset: Dataset) -> None:
        own = [column for column in dataset if column.source and not column.source.startswith("@")]
        self._flattener = Flattener(dataset.name, [Path.parse(c.name, c.source, c.type) for c in own])
        self._asked = frozenset(column.source for column in own)
        self._amounts = [column.source.split(".") for column in own if column.type == MONEY]
        self._given: set[str] = set()

    def columns(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, pa.Array]]:
        """The columns of rows, some thousand at a time.

        Raises:
            FlattenError: a value of the wrong type, naming dataset and column, never the value.
        """
        while batch := list(islice(rows, _ROWS_AT_ONCE)):
            for row in batch:
                self._given.update(_leaves(row))
                for path in self._amounts:
                    round_amount(row, path)
            yield self._flattener.columns(batch)

    def warnings(self) -> list[str]:
        """Fields that nobody asked for, and fields that were asked for and that no row had."""
        if not self._given:
            return []
        found = []
        # Where a whole object is null, its fields are given too, as nulls.
        lacking = [
            source
            for source in sorted(self._asked)
            if source not in self._given and not any(source.startswith(f"{given}.") for given in self._given)
        ]
        surplus = [
            given
            for given in sorted(self._given - self._asked)
            if not any(source.startswith(f"{given}.") for source in self._asked)
        ]
        if surplus:
            # Named where they look like names: what Amazon writes must not get into a log as it stands.
            named = [given for given in surplus if _NAME.fullmatch(given)]
            told = f": {', '.join(named[:20])}" if named else ""
            found.append(f"{len(surplus)} fields that nobody asked for{told}; they are left out, report this")
        if lacking:
            found.append(f"fields that Amazon does not send any more: {', '.join(lacking)}; their columns are empty")
        return found


def _leaves(value: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _leaves(inner, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def round_amount(row: Any, path: list[str]) -> None:
    """Round an amount of a row, in place.

    Amazon adds amounts up as binary fractions and may write all of their digits: four decimals are kept.
    """
    *above, leaf = path
    for name in above:
        row = row.get(name) if isinstance(row, dict) else None
    if isinstance(row, dict) and isinstance(row.get(leaf), str):
        try:
            row[leaf] = str(Decimal(row[leaf]).quantize(_FOUR_DECIMALS, ROUND_HALF_EVEN))
        except InvalidOperation:
            return  # no number: the flattener says so
