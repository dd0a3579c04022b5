"""Extracting any dataset that is a plain report or query of Data Kiosk: the catalog says which, this says how.

Belongs here: which reports are ordered for which days, and what is written when they come, or don't. Does not belong
here: the life of a report (`resources/reports/desk.py`), from lines to rows (`report_rows.py`), any one report: a
further one is a module in the catalog and a line in its registry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import pyarrow.dataset as ds

from amzigo_pipelines.assets.extraction.query_text import query_text
from amzigo_pipelines.assets.extraction.report_rows import RowMaker
from amzigo_pipelines.assets.extraction.results import (
    Extraction,
    ExtractionResult,
    check_snapshot_day,
    local_midnight,
    results_of,
    snapshot_window,
    window_of,
)
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.model import Dataset, ReportShape
from amzigo_pipelines.resources.lake.files import PartitionCommit
from amzigo_pipelines.resources.lake.writer import LakeWriter
from amzigo_pipelines.resources.reports.desk import EmptyUnconfirmed, ReportOrder
from amzigo_pipelines.resources.reports.documents import Report
from amzigo_pipelines.resources.spapi.client import SellingPartner
from amzigo_pipelines.resources.spapi.errors import (
    Asked,
    BadRequest,
    MissingRole,
    ReportDeferred,
    ReportNotTabular,
)
from amzigo_pipelines.resources.spapi.retries import Retries

# How often the download of ready reports is begun; a torn one starts the write anew.
_DOWNLOAD_ATTEMPTS = 4
_DOWNLOAD_TIME_LIMIT_S = 600.0
# A report is used again instead of asked for anew: of the present for a moment, of the past for as long as a history
# that was interrupted may take to be gone on with. Amazon keeps documents for longer.
_PRESENT_FRESH_FOR = timedelta(minutes=30)
_PAST_FRESH_FOR = timedelta(hours=24)
# Amazon's weeks end on Saturdays, as `date.weekday()` counts.
_LAST_OF_WEEK = 5
# What a partition's origin says of data that Amazon neither gave nor denied.
UNCONFIRMED = "unconfirmed"
# What it says where Amazon answered that there is none.
CONFIRMED = "confirmed"


@dataclass
class _Collected:
    """The reports of one window: those that came, and those that Amazon cancelled."""

    reports: list[Report] = field(default_factory=list)
    unconfirmed: list[tuple[ReportOrder, EmptyUnconfirmed]] = field(default_factory=list)


def extract_report(dataset: Dataset, extraction: Extraction, days: Sequence[date]) -> Iterator[ExtractionResult]:
    """Replace days' partitions of a report's dataset by what Amazon says now.

    Args:
        dataset: one whose source has a `report`.
        extraction: what it works with.
        days: days without a gap, in order: local days of each marketplace; for snapshots UTC, today or yesterday.

    Raises:
        ExtractionRefused: a day isn't over, or has no snapshot any more.
        ReportDeferred, ReportLate: Amazon does not make the report now; ask again later.
        MissingRole: the application may not have it; the sentence names the role and what stays empty.
        SpApiError, FlattenError, LakeWriteError, PartitionBusy: nothing was stored of that window and the later ones.
    """
    shape = _shape_of(dataset)
    if shape.is_weekly:
        yield from _extract_weeks(dataset, extraction, days)
        return
    windows = windows_of(dataset, days)
    if shape.query is not None:
        # Amazon makes the answers to queries of different windows side by side, and has no cooldown for them.
        extraction.desk.ask_ahead(extraction.partner, [o for w in windows for o in orders_of(dataset, extraction, w)])
    for window in windows:
        yield from _extract_window(dataset, extraction, window)


def windows_of(dataset: Dataset, days: Sequence[date]) -> list[list[date]]:
    """Days as they are asked for together: at most `window_days`; snapshots one by one, of weeks the last days."""
    if _shape_of(dataset).is_weekly:
        return [[day] for day in days if day.weekday() == _LAST_OF_WEEK]
    size = 1 if dataset.source.is_snapshot else dataset.source.window_days
    return [list(days[start : start + size]) for start in range(0, len(days), size)]


def orders_of(dataset: Dataset, extraction: Extraction, window: Sequence[date]) -> list[ReportOrder]:
    """The reports that a window needs: one a marketplace, or one a region."""
    shape, now = _shape_of(dataset), extraction.clock.now()
    orders = []
    for marketplace_ids in _scopes(extraction.partner, shape):
        zone = MARKETPLACES[marketplace_ids[0]].time_zone
        start, end, not_before, fresh_for = None, None, None, _PRESENT_FRESH_FOR
        if dataset.source.is_snapshot:
            not_before = local_midnight(window[0], "UTC")
        elif shape.is_weekly:
            if not _is_over(window[-1], marketplace_ids, now):
                continue
            # Amazon takes the dates alone, and takes them in UTC.
            start = local_midnight(window[-1] - timedelta(days=6), "UTC")
            end = local_midnight(window[-1] + timedelta(days=1), "UTC") - timedelta(seconds=1)
        else:
            zones = [MARKETPLACES[marketplace_id].time_zone for marketplace_id in marketplace_ids]
            start, after = local_midnight(window[0], zone), local_midnight(window[-1] + timedelta(days=1), zone)
            if shape.query is not None:
                # One query names days, and the last of its marketplaces to end them decides whether they are over.
                after = max(local_midnight(window[-1] + timedelta(days=1), zone) for zone in zones)
            # Both edges are inclusive. Without an end the report goes up to the moment at which it is made.
            end = after - timedelta(seconds=1) if after <= now else None
            if window[-1] < now.date() - timedelta(days=dataset.source.lookback_days + 1):
                fresh_for = _PAST_FRESH_FOR
        orders.append(
            ReportOrder(
                report_type=dataset.source.report_type,
                marketplace_ids=marketplace_ids,
                start=start,
                end=end,
                options=shape.options,
                query=query_text(dataset, marketplace_ids, window[0], window[-1]) if shape.query is not None else "",
                cooldown=shape.cooldown,
                fresh_for=fresh_for,
                not_before=not_before,
            )
        )
    return orders


def _extract_weeks(dataset: Dataset, extraction: Extraction, days: Sequence[date]) -> Iterator[ExtractionResult]:
    """Whole weeks, in the partitions of their last days. The other days' are empty and say why, so none is missing."""
    for day in days:
        window_of(day, extraction.clock)
        if day.weekday() == _LAST_OF_WEEK:
            told = f"{day - timedelta(days=6)} to {day}, in the time zone of each marketplace"
            yield from _extract_window(dataset, extraction, [day], {day: told})
        else:
            told = f"no week ends on {day} (a {day:%A}, weeks end on Saturdays): nothing was asked for"
            with extraction.writer(day, [dataset], {"empty": "no week ends on this day"}) as writer:
                pass
            yield from results_of(writer.committed, extraction.partner, (), told)


def _extract_window(
    dataset: Dataset, extraction: Extraction, window: Sequence[date], told: Mapping[date, str] | None = None
) -> Iterator[ExtractionResult]:
    if told is not None:
        pass
    elif dataset.source.is_snapshot:
        told = {day: snapshot_window(check_snapshot_day(dataset.name, day, extraction.clock)) for day in window}
    else:
        for day in window:
            window_of(day, extraction.clock)
        told = {day: f"{day}, in the time zone of each marketplace" for day in window}
    collected = _collect(dataset, extraction, window)
    warnings = _unfinished(extraction, window) if not dataset.source.is_snapshot else {}
    _refuse_contradiction(dataset, extraction, window, collected)
    retries = Retries(extraction.partner.sleep, attempts=_DOWNLOAD_ATTEMPTS, time_limit_s=_DOWNLOAD_TIME_LIMIT_S)
    rows = retries.call(lambda: _write(dataset, extraction, window, collected))
    for commit in rows.commits:
        day = commit.day
        found = [*warnings.get(day, ()), *rows.warnings.get(day, ())]
        found += [cancelled_told(order, outcome) for order, outcome in collected.unconfirmed]
        yield from results_of([commit], extraction.partner, found, told[day])


def _collect(dataset: Dataset, extraction: Extraction, window: Sequence[date]) -> _Collected:
    """Have all reports made before anything is written.

    To ask again for one that is ready would be refused for hours; to download it again costs nothing.
    """
    collected = _Collected()
    orders = orders_of(dataset, extraction, window)
    try:
        extraction.desk.ask_ahead(extraction.partner, orders)
        for order in orders:
            while True:
                outcome = extraction.desk.collect(extraction.partner, order)
                if not isinstance(outcome, Report):
                    collected.unconfirmed.append((order, outcome))
                    break
                collected.reports.append(outcome)
                if not outcome.next_token:
                    break
                # The next page of a query's answer is another query, asked once and remembered like the first.
                order = replace(order, page_token=outcome.next_token)
    except MissingRole as error:
        role = f"the role '{dataset.source.role}'" if dataset.source.role else "a role"
        error.add(
            f"{dataset.name} needs {role}: add it in the developer console and let the seller authorise the "
            f"application again. Until then {dataset.name} and all columns made from it stay empty; nothing was stored"
        )
        raise
    return collected


@dataclass
class _Written:
    commits: list[PartitionCommit]
    warnings: Mapping[date, list[str]]


def _write(dataset: Dataset, extraction: Extraction, window: Sequence[date], collected: _Collected) -> _Written:
    source = dataset.source
    is_query = _shape_of(dataset).query is not None
    operation = "createQuery 2023-11-15" if is_query else "createReport 2021-06-30"
    origin = {"operation": operation, "report_type": source.report_type}
    if collected.unconfirmed:
        origin["empty"] = UNCONFIRMED
        origin["cancelled_for"] = ",".join(m for order, _ in collected.unconfirmed for m in order.marketplace_ids)
    if collected.reports:
        origin["reports"] = ",".join(report.report_id for report in collected.reports)
        if not collected.unconfirmed and not any(report.document_id for report in collected.reports):
            origin["empty"] = CONFIRMED
    maker = RowMaker(dataset, extraction, window)
    with ExitStack() as stack:
        writers: Mapping[date, LakeWriter] = {
            day: stack.enter_context(extraction.writer(day, [dataset], origin)) for day in window
        }
        for report in collected.reports:
            if not report.document_id:
                continue  # Amazon answered, and has no data
            try:
                for day, table, expires_on in maker.rows_of(report):
                    writers[day].append(dataset, table, expires_on)
            except (ReportNotTabular, BadRequest):
                # A refusal in place of data, or a document that is gone: the next attempt shall not get it again.
                extraction.desk.discard(extraction.partner, report)
                raise
    warnings = {day: [*maker.warnings(), *_without_figures(dataset, extraction, maker, day)] for day in window}
    return _Written([commit for day in window for commit in writers[day].committed], warnings)


def _without_figures(dataset: Dataset, extraction: Extraction, maker: RowMaker, day: date) -> list[str]:
    """Where a query tells nothing of a day that is over: no sales and no visit, or Amazon is late with them."""
    if _shape_of(dataset).query is None:
        return []
    now: datetime = extraction.clock.now()
    silent = [
        MARKETPLACES[m].country
        for m in extraction.partner.marketplace_ids
        if m not in maker.seen_in(day) and local_midnight(day + timedelta(days=1), MARKETPLACES[m].time_zone) <= now
    ]
    return (
        [f"Amazon has no figures for {', '.join(silent)}: nothing happened there, or they come later"] if silent else []
    )


def _refuse_contradiction(
    dataset: Dataset, extraction: Extraction, window: Sequence[date], collected: _Collected
) -> None:
    """Data that is there is not replaced by an answer that may only mean "too soon".

    Raises:
        ReportDeferred: Amazon cancelled the report of a marketplace of which there is data.
    """
    seller_id = extraction.partner.seller_id
    for order, outcome in collected.unconfirmed:
        stored = extraction.lake.scan(dataset, seller_id, window)
        if stored is None:
            return
        if stored.count_rows(filter=ds.field("marketplace_id").isin(order.marketplace_ids)):
            raise ReportDeferred(
                Asked(seller_id, order.title),
                f"{cancelled_told(order, outcome)}; "
                f"what was stored of {window[0]} to {window[-1]} before stays as it is",
                outcome.retry_at,
            )


def cancelled_told(order: ReportOrder, outcome: EmptyUnconfirmed) -> str:
    """What is told of a partition for which Amazon cancelled a report: neither data nor their absence is known."""
    countries = ", ".join(MARKETPLACES[m].country for m in order.marketplace_ids)
    what = (
        "query for {}, so it is not known whether there is data"
        if order.query
        else "report for {}, so there is no data or it was asked for too soon"
    )
    return (
        f"empty, unconfirmed: Amazon cancelled the {what.format(countries)}; it is asked for again after "
        f"{outcome.retry_at:%Y-%m-%d %H:%M} UTC"
    )


def _unfinished(extraction: Extraction, window: Iterable[date]) -> dict[date, list[str]]:
    """For days that are not over everywhere: where not. The next night's look-back completes them."""
    now: datetime = extraction.clock.now()
    found: dict[date, list[str]] = {}
    for day in window:
        open_in = [MARKETPLACES[m].country for m in extraction.partner.marketplace_ids if not _is_over(day, (m,), now)]
        if open_in:
            found[day] = [f"not over yet in {', '.join(open_in)}: the rest comes with the next day's extraction"]
    return found


def _is_over(day: date, marketplace_ids: Iterable[str], now: datetime) -> bool:
    """Whether a day has ended in all of some marketplaces."""
    return all(local_midnight(day + timedelta(days=1), MARKETPLACES[m].time_zone) <= now for m in marketplace_ids)


def _scopes(partner: SellingPartner, shape: ReportShape) -> list[tuple[str, ...]]:
    if not shape.is_for_account:
        return [(marketplace_id,) for marketplace_id in partner.marketplace_ids]
    return list(partner.regions.values())


def _shape_of(dataset: Dataset) -> ReportShape:
    if dataset.source.report is None:
        raise ValueError(f"dataset {dataset.name} is no plain report: its source has no `report`")
    return dataset.source.report
