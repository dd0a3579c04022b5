"""One settlement report as rows: the totals of its first line, and the lines that add up to them.

Belongs here: what a settlement report must look like, and how its values are read. Does not belong here: which reports
are read (`settlements.py`), bytes and headers (`resources/reports/text.py`).

The header is English everywhere, dates and decimals are not: `2026-01-31 10:00:00 UTC` or `31.01.2026 10:00:00 UTC`,
`12.34` or `12,34`. A date with slashes, and a report that mixes decimal points and commas, can be read in two ways and
are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from amzigo_pipelines.assets.extraction.paths import FlattenError
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.model import DATE, INTEGER, MONEY, STRING, UNCLASSIFIED, Column, Dataset
from amzigo_pipelines.catalog.settlements import MARKETPLACE_NAMES, SETTLEMENT_LINES, SETTLEMENTS
from amzigo_pipelines.resources.reports.documents import Report
from amzigo_pipelines.resources.reports.headers import Drift
from amzigo_pipelines.resources.reports.text import ReportTable
from amzigo_pipelines.resources.reports.values import ValueUnreadable, parse_values

# Without these a report can't be told apart, dated or added up.
REQUIRED = (
    "settlement-id",
    "settlement-start-date",
    "settlement-end-date",
    "total-amount",
    "currency",
    "transaction-type",
    "amount",
)
HEADERS = tuple(dict.fromkeys(c.source for c in (*SETTLEMENTS, *SETTLEMENT_LINES) if c.source))
_NEEDED = ("settlement_id", "started_at", "ended_at", "currency", "total_amount")


@dataclass(frozen=True)
class Totals:
    """The first line of a report."""

    settlement_id: str
    started_at: datetime
    ended_at: datetime
    deposited_at: datetime | None
    currency: str
    total_amount: Decimal

    @property
    def day(self) -> date:
        """The UTC day on which the settlement ended."""
        return self.ended_at.date()


class SettlementReport:
    """A settlement report while it is read, once.

    Attributes:
        totals: of its first line.
        line_count, lines_amount: of the lines that were read so far.

    Args:
        report: where it comes from.
        table: its lines.

    Raises:
        FlattenError, ValueUnreadable, ReportUnreadable: the first line has no totals.
    """

    def __init__(self, report: Report, table: ReportTable) -> None:
        self._report, self._table = report, table
        self._market = MARKETPLACES[report.marketplace_id]
        self._batches = table.batches()
        self._has_points = self._has_commas = False
        first = next((batch for batch in self._batches if batch.num_rows), None)
        if first is None:
            raise _damaged("it has no line of totals")
        self.totals = self._totals_of(first.slice(0, 1))
        self._rest: pa.RecordBatch | None = first.slice(1)
        self.line_count, self.lines_amount = 0, Decimal()

    @property
    def drift(self) -> Drift:
        """Columns that are new or missing."""
        return self._table.drift

    def lines(self) -> Iterator[pa.Table]:
        """All lines but the totals, as rows of `settlement_lines`.

        Raises:
            FlattenError, ValueUnreadable, ReportUnreadable: a line is not what it should be.
        """
        if self._rest is not None and self._rest.num_rows:
            yield self._lines_of(self._rest)
        self._rest = None
        for batch in self._batches:
            yield self._lines_of(batch)

    def settlement(self) -> pa.Table:
        """The row of `settlements`, once all lines were read."""
        row = {
            **vars(self.totals),
            "line_count": self.line_count,
            "lines_amount": self.lines_amount,
            "report_id": self._report.report_id,
            "reported_at": self._report.asked_at,
        }
        return pa.Table.from_pylist([row], schema=SETTLEMENTS.schema)

    def _totals_of(self, line: pa.RecordBatch) -> Totals:
        values = {c.name: self._values(SETTLEMENTS, c, line)[0].as_py() for c in SETTLEMENTS if c.source}
        if lacking := [name for name in _NEEDED if values[name] is None]:
            raise _damaged(f"its first line, the totals, has no {', '.join(lacking)}")
        if line.column("amount")[0].is_valid or values["ended_at"] <= values["started_at"]:
            raise _damaged("its first line is no line of totals")
        return Totals(**values)

    def _lines_of(self, batch: pa.RecordBatch) -> pa.Table:
        rows = batch.num_rows
        columns = {c.name: self._values(SETTLEMENT_LINES, c, batch) for c in SETTLEMENT_LINES if c.source}
        is_own = pc.fill_null(pc.equal(columns["settlement_id"], self.totals.settlement_id), False)
        if not pc.all(is_own).as_py() or batch.column("total-amount").null_count < rows:
            raise _damaged("it has lines of another settlement, or totals more than once")
        if columns["amount"].null_count:
            raise _damaged(f"{columns['amount'].null_count} of its lines have no amount")
        first = self.line_count + 1
        columns["line_number"] = pa.array(range(first, first + rows), INTEGER)
        columns["currency"] = pa.repeat(pa.scalar(self.totals.currency, STRING), rows)
        names = [None if name is None else name.lower() for name in columns["marketplace_name"].to_pylist()]
        columns["marketplace_id"] = pa.array([MARKETPLACE_NAMES.get(name or "") for name in names], STRING)
        columns[UNCLASSIFIED] = (
            batch.column(UNCLASSIFIED) if UNCLASSIFIED in batch.schema.names else pa.nulls(rows, STRING)
        )
        self.line_count += rows
        self.lines_amount += pc.sum(columns["amount"]).as_py() or 0
        return pa.Table.from_arrays([columns[c.name] for c in SETTLEMENT_LINES], schema=SETTLEMENT_LINES.schema)

    def _values(self, dataset: Dataset, column: Column, batch: pa.RecordBatch) -> Any:
        texts = batch.column(column.source)
        if column.type == MONEY:
            self._refuse_mixed_decimals(texts)
        elif (pa.types.is_timestamp(column.type) or column.type == DATE) and _any_with(texts, "/"):
            raise ValueUnreadable(
                f"column {column.name} of dataset {dataset.name} has a date with slashes, which can be read in two "
                "ways: Amazon's format has changed; nothing of the report was stored"
            )
        return parse_values(dataset.name, column.name, texts, column.type, self._market)

    def _refuse_mixed_decimals(self, texts: pa.Array) -> None:
        self._has_points |= bool(pc.any(pc.match_substring_regex(texts, r"\.\d{1,2}$")).as_py())
        self._has_commas |= bool(pc.any(pc.match_substring_regex(texts, r",\d{1,2}$")).as_py())
        if self._has_points and self._has_commas:
            raise ValueUnreadable(
                "a settlement report has amounts with a decimal comma and others with a decimal point, so which is "
                "which can't be told: nothing of it was stored, report this"
            )


def _any_with(texts: pa.Array, mark: str) -> bool:
    return bool(pc.any(pc.match_substring(texts, mark)).as_py())


def _damaged(what: str) -> FlattenError:
    return FlattenError(
        f"a settlement report is not what it should be: {what}. Amazon's format has changed, or the report is damaged; "
        "nothing of it was stored"
    )
