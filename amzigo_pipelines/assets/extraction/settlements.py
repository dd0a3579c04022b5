"""Extracting settlements: reports that Amazon makes by itself, listed, each settlement once.

Belongs here: which reports are read for which days, which of several reports counts, what is written. Does not belong
here: one report's lines (`settlement_rows.py`), Amazon's list of reports (`resources/reports/lists.py`).

A settlement belongs to the day on which it ended, which every report of it says alike: so a report that is listed
again, days later and under another id, replaces the settlement where it is, and never doubles it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from amzigo_pipelines.assets.extraction.report_rows import deaths_of_orders
from amzigo_pipelines.assets.extraction.results import (
    Extraction,
    ExtractionRefused,
    ExtractionResult,
    results_of,
    window_of,
)
from amzigo_pipelines.assets.extraction.settlement_rows import HEADERS, REQUIRED, SettlementReport
from amzigo_pipelines.catalog.model import DATE, RetentionClass
from amzigo_pipelines.catalog.settlements import (
    SETTLEMENT_HISTORY_DAYS,
    SETTLEMENT_LINES,
    SETTLEMENT_REPORT,
    SETTLEMENTS,
)
from amzigo_pipelines.resources.lake.files import PartitionCommit
from amzigo_pipelines.resources.lake.writer import LakeWriter
from amzigo_pipelines.resources.reports.documents import Report, report_table
from amzigo_pipelines.resources.spapi.errors import Asked, MissingRole, ReportDeferred
from amzigo_pipelines.resources.spapi.retries import Retries

_DATASETS = (SETTLEMENTS, SETTLEMENT_LINES)
# How often the download of the reports is begun; a torn one starts the write anew.
_DOWNLOAD_ATTEMPTS = 4
_DOWNLOAD_TIME_LIMIT_S = 600.0
_MARKETPLACES_A_LIST = 10
_ASK_AGAIN_AFTER = timedelta(hours=1)


def extract_settlements(extraction: Extraction, days: Sequence[date]) -> Iterator[ExtractionResult]:
    """Replace days' partitions of `settlements` and `settlement_lines` by the reports that Amazon lists now.

    Args:
        extraction: what it works with.
        days: UTC days without a gap, in order.

    Raises:
        ExtractionRefused: a day isn't over, and nothing was stored; or days are older than Amazon lists, and the others
            were.
        MissingRole: the application may not see them; the sentence names the role and what stays empty.
        SpApiError, FlattenError, LakeWriteError, PartitionBusy: nothing was stored of that window and the later ones.
    """
    for day in days:
        window_of(day, extraction.clock)
    # The list reaches back to an instant: of that day some reports may be gone already.
    first = extraction.clock.now().date() - timedelta(days=SETTLEMENT_HISTORY_DAYS - 1)
    kept = [day for day in days if day >= first]
    if kept:
        reports = _listed(extraction, kept[0])
        retries = Retries(extraction.partner.sleep, attempts=_DOWNLOAD_ATTEMPTS, time_limit_s=_DOWNLOAD_TIME_LIMIT_S)
        size = SETTLEMENTS.source.window_days
        for start in range(0, len(kept), size):
            window = kept[start : start + size]
            # Each attempt begins with nothing written.
            written = retries.call(lambda window=window: _write(extraction, window, reports))  # type: ignore[misc]
            for day in window:
                yield from results_of(
                    written.commits[day],
                    extraction.partner,
                    written.warnings,
                    f"settlements that ended on {day} (UTC)",
                )
    if len(kept) < len(days):
        raise ExtractionRefused(
            f"{days[0]} is too old for settlements: Amazon lists their reports for {SETTLEMENT_HISTORY_DAYS} days, so "
            f"only days from {first} on can be extracted"
        )


def _listed(extraction: Extraction, first: date) -> list[Report]:
    """The settlement reports that were made since a day, the latest first."""
    partner, since = extraction.partner, datetime(first.year, first.month, first.day, tzinfo=UTC)
    found: dict[str, Report] = {}
    try:
        for marketplace_ids in partner.regions.values():
            for start in range(0, len(marketplace_ids), _MARKETPLACES_A_LIST):
                asked = marketplace_ids[start : start + _MARKETPLACES_A_LIST]
                for report in extraction.desk.listed(partner, SETTLEMENT_REPORT, asked, since):
                    found.setdefault(report.report_id, report)
    except MissingRole as error:
        error.add(
            f"settlements need the role '{SETTLEMENTS.source.role}': add it in the developer console and let the "
            "seller authorise the application again. Until then settlements, settlement_lines and all columns made "
            "from them stay empty; nothing was stored"
        )
        raise
    return sorted(found.values(), key=_made, reverse=True)


def _made(report: Report) -> tuple[datetime, str]:
    assert report.asked_at is not None  # the list has no entry without
    return report.asked_at, report.report_id


@dataclass
class _Written:
    commits: Mapping[date, list[PartitionCommit]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def _write(extraction: Extraction, window: Sequence[date], reports: Sequence[Report]) -> _Written:
    warnings: list[str] = []
    known: set[str] = set()
    origin = {"operation": "getReports 2021-06-30", "report_type": SETTLEMENT_REPORT}
    with ExitStack() as stack:
        writers = {day: stack.enter_context(extraction.writer(day, _DATASETS, origin)) for day in window}
        for report in (report for report in reports if _may_be_of(report, window)):
            with report_table(extraction.partner, report, HEADERS, required=REQUIRED) as table:
                settlement = SettlementReport(report, table)
                totals = settlement.totals
                # The latest report of a settlement counts; what comes after it here is older.
                if totals.settlement_id in known or totals.day not in writers:
                    continue
                known.add(totals.settlement_id)
                _store(extraction, writers[totals.day], settlement, warnings)
        _refuse_contradiction(extraction, window, known)
    return _Written({day: writers[day].committed for day in window}, warnings)


def _refuse_contradiction(extraction: Extraction, window: Sequence[date], known: set[str]) -> None:
    """A settlement does not cease to be: a list without one that is stored is no reason to forget it.

    Raises:
        ReportDeferred: Amazon's list lacks settlements of which there is data.
    """
    stored = extraction.lake.scan(SETTLEMENTS, extraction.partner.seller_id, window)
    ids = set() if stored is None else set(stored.to_table(columns=["settlement_id"])["settlement_id"].to_pylist())
    if lacking := ids - known:
        raise ReportDeferred(
            Asked(extraction.partner.seller_id, f"report {SETTLEMENT_REPORT}"),
            f"Amazon's list lacks {len(lacking)} settlements that ended from {window[0]} to {window[-1]} and are "
            "stored: what is stored stays as it is",
            extraction.clock.now() + _ASK_AGAIN_AFTER,
        )


def _may_be_of(report: Report, window: Sequence[date]) -> bool:
    """Whether a report may hold a settlement that ended in a window; Amazon's list says when, but need not."""
    margin = timedelta(days=1)
    if report.end is not None:
        return window[0] - margin <= report.end.astimezone(UTC).date() <= window[-1] + margin
    assert report.asked_at is not None
    return report.asked_at.astimezone(UTC).date() >= window[0]


def _store(extraction: Extraction, writer: LakeWriter, settlement: SettlementReport, warnings: list[str]) -> None:
    for table in settlement.lines():
        table, expires_on = _with_deaths(extraction, table)
        writer.append(SETTLEMENT_LINES, table, expires_on)
    totals = settlement.totals
    writer.append(SETTLEMENTS, settlement.settlement())
    if settlement.lines_amount != totals.total_amount:
        warnings.append(
            f"the lines of settlement {totals.settlement_id} don't add up to its total: Amazon's own contradiction; "
            "both are stored as Amazon says"
        )
    if unknown := settlement.drift.unknown:
        warnings.append(
            f"new columns that nobody has classified yet: {', '.join(unknown)}; where their orders are known, their "
            "values are kept encrypted as PII in the column 'unclassified': add them to the catalog"
        )
    if missing := settlement.drift.missing:
        warnings.append(f"columns that Amazon does not send any more: {', '.join(missing)}; they are empty")


def _with_deaths(extraction: Extraction, table: pa.Table) -> tuple[pa.Table, pa.Array]:
    """Lines with the dates of death of their personal data, which dies with the order's; else it is not stored."""
    places = [n for n, c in enumerate(SETTLEMENT_LINES) if c.retention is RetentionClass.PII]
    if all(table.column(place).null_count == table.num_rows for place in places):
        return table, pa.nulls(table.num_rows, DATE)
    expires_on = deaths_of_orders(extraction, table["order_id"].combine_chunks())
    for place in places:
        kept = pc.if_else(pc.is_valid(expires_on), table.column(place).combine_chunks(), None)
        table = table.set_column(place, table.schema.field(place), kept)
    return table, expires_on
