"""Extracting orders by the bulk report: history, and days with more orders than the Orders API gives at once.

Belongs here: which reports are asked for, what of the Orders API is added for the sake of buyers, what is written. Does
not belong here: which way a day is extracted (`orders.py`), lines (`order_lines.py`), the life of a report
(`resources/reports/desk.py`).

The report says nothing of buyers but a postal code. Within the period in which their data may live, the orders that the
seller ships himself are asked for at the API too: those are the ones whose buyers Amazon tells. Older ones never are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from amzigo_pipelines.assets.extraction.flatten import FlatOrders
from amzigo_pipelines.assets.extraction.near_due import append_again, asked_again
from amzigo_pipelines.assets.extraction.order_lines import Scattered, flat_orders, gathered
from amzigo_pipelines.assets.extraction.order_rows import (
    IMPERSONAL_SECTIONS,
    append_orders,
    at_the_api,
    taken,
    window_told,
)
from amzigo_pipelines.assets.extraction.replacements import Replacements
from amzigo_pipelines.assets.extraction.report_rows import drift_told
from amzigo_pipelines.assets.extraction.reports import UNCONFIRMED, cancelled_told
from amzigo_pipelines.assets.extraction.results import (
    Extraction,
    ExtractionResult,
    local_midnight,
    results_of,
    window_of,
)
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.order_items import ORDER_ITEMS
from amzigo_pipelines.catalog.order_report import COOLDOWN, LEFT_OUT, MOST_DAYS, OPTIONAL, REPORT_TYPE, REQUIRED, USED
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.clock import today
from amzigo_pipelines.resources.lake.writer import LakeWriter
from amzigo_pipelines.resources.reports.desk import EmptyUnconfirmed, ReportOrder
from amzigo_pipelines.resources.reports.documents import Report, report_table
from amzigo_pipelines.resources.spapi.client import PERSONAL_SECTIONS
from amzigo_pipelines.resources.spapi.errors import Asked, BadRequest, ReportDeferred, ReportNotTabular
from amzigo_pipelines.resources.spapi.retries import Retries
from amzigo_pipelines.retention.dates import earliest_pii_day

_DOWNLOAD_ATTEMPTS = 4
_DOWNLOAD_TIME_LIMIT_S = 600.0
# History that was interrupted is gone on with by the reports that were made already.
_FRESH_FOR = timedelta(hours=24)
_PII = tuple(c.name for c in ORDERS if c.retention is RetentionClass.PII)


@dataclass
class _Bulk:
    """What is known of one window while it is extracted."""

    days: Sequence[date]
    replacements: Replacements
    reports: list[Report] = field(default_factory=list)
    unconfirmed: list[str] = field(default_factory=list)
    of_buyers: dict[date, FlatOrders] = field(default_factory=dict)
    again: dict[date, FlatOrders] = field(default_factory=dict)
    drift: set[str] = field(default_factory=set)
    is_scattered: bool = False


def extract_bulk(extraction: Extraction, days: Sequence[date], reason: str) -> Iterator[ExtractionResult]:
    """Replace days' partitions of `orders` and `order_items` by what the bulk report says.

    Args:
        extraction: what it works with.
        days: UTC days without a gap, in order.
        reason: why this way, for the metadata.

    Raises:
        ExtractionRefused: a day isn't over.
        ReportDeferred, ReportLate: Amazon does not make the report now; ask again later.
        SpApiError, FlattenError, LakeWriteError, PartitionBusy: nothing was stored of that window and the later ones.
    """
    for day in days:
        window_of(day, extraction.clock)
    # All before the first is waited for: Amazon works on them side by side.
    extraction.desk.ask_ahead(extraction.partner, reports_of(extraction, days))
    for window in _windows(days):
        yield from _extract_window(extraction, window, reason)


def reports_of(extraction: Extraction, days: Sequence[date]) -> list[ReportOrder]:
    """The reports that days need."""
    return [order for window in _windows(days) for order in _orders(extraction, window)]


def _windows(days: Sequence[date]) -> list[Sequence[date]]:
    return [days[start : start + MOST_DAYS] for start in range(0, len(days), MOST_DAYS)]


def _orders(extraction: Extraction, window: Sequence[date]) -> list[ReportOrder]:
    """One report a region: in many accounts it has the region's orders whichever marketplace is asked for."""
    return [
        ReportOrder(
            report_type=REPORT_TYPE,
            marketplace_ids=marketplace_ids,
            start=local_midnight(window[0], "UTC"),
            # Both edges are inclusive; Amazon's instants here are whole seconds.
            end=local_midnight(window[-1] + timedelta(days=1), "UTC") - timedelta(seconds=1),
            options=(),
            cooldown=COOLDOWN,
            fresh_for=_FRESH_FOR,
            not_before=None,
        )
        for marketplace_ids in extraction.partner.regions.values()
    ]


def _extract_window(extraction: Extraction, window: Sequence[date], reason: str) -> list[ExtractionResult]:
    bulk = _Bulk(window, Replacements(extraction))
    cancelled: list[tuple[ReportOrder, EmptyUnconfirmed]] = []
    for order in _orders(extraction, window):
        outcome = extraction.desk.collect(extraction.partner, order)
        if isinstance(outcome, Report):
            bulk.reports.append(outcome)
        else:
            _refuse_contradiction(extraction, window, order, outcome)
            bulk.unconfirmed.append(cancelled_told(order, outcome))
            cancelled.append((order, outcome))
    first_personal = earliest_pii_day(today(extraction.clock), extraction.pii_days)
    warnings: dict[date, list[str]] = {day: [] for day in window}
    for day in window:
        if day >= first_personal:
            bulk.of_buyers[day], warnings[day] = at_the_api(extraction, day, fulfilled_by="MERCHANT")
            bulk.again[day] = asked_again(extraction, day, bulk.of_buyers[day].orders["order_id"])
        else:
            warnings[day].append("buyers and recipients were not asked for: their data would be past its date")
    for order, outcome in cancelled:
        _refuse_contradiction(extraction, window, order, outcome, bulk.of_buyers.values())
    retries = Retries(extraction.partner.sleep, attempts=_DOWNLOAD_ATTEMPTS, time_limit_s=_DOWNLOAD_TIME_LIMIT_S)
    try:
        written = retries.call(lambda: _write(extraction, bulk, reason))
    except Scattered:
        bulk.is_scattered = True
        written = retries.call(lambda: _write(extraction, bulk, reason))
    found = []
    for day, writer in written.items():
        told = [*warnings[day], *bulk.unconfirmed, *sorted(bulk.drift), *bulk.replacements.warnings()]
        found += results_of(
            writer.committed,
            extraction.partner,
            told,
            window_told(*window_of(day, extraction.clock)),
            way=f"bulk report: {reason}",
            asked_again=bulk.again[day].orders.num_rows if day in bulk.again else 0,
        )
    return found


def _write(extraction: Extraction, bulk: _Bulk, reason: str) -> dict[date, LakeWriter]:
    bulk.drift.clear()
    origin = {"operation": "createReport 2021-06-30", "report_type": REPORT_TYPE, "way": reason}
    if bulk.reports:
        origin["reports"] = ",".join(report.report_id for report in bulk.reports)
    if bulk.unconfirmed:
        origin["empty"] = UNCONFIRMED
    waiting: list[tuple[date, FlatOrders]] = []
    with ExitStack() as stack:
        writers = {}
        for day in bulk.days:
            is_personal = day in bulk.of_buyers
            of_day = {
                **origin,
                "personal_data": "asked for, of orders shipped by the seller" if is_personal else "not asked for",
                "included_data": ",".join((*PERSONAL_SECTIONS, *IMPERSONAL_SECTIONS)) if is_personal else "",
            }
            writers[day] = stack.enter_context(extraction.writer(day, [ORDERS, ORDER_ITEMS], of_day))
        for day, flat in bulk.of_buyers.items():
            append_orders(extraction, writers[day], flat)
            append_again(extraction, writers[day], bulk.again[day])
        for report in bulk.reports:
            try:
                for flat in _flat(extraction, report, bulk):
                    for day, orders in _by_day(extraction, flat, bulk):
                        mask = bulk.replacements.may_be(orders)
                        if pc.any(mask).as_py():
                            # Asked for when the download is over, which must not wait.
                            waiting.append((day, taken(orders, mask)))
                            orders = taken(orders, pc.invert(mask))
                        append_orders(extraction, writers[day], orders)
            except (ReportNotTabular, BadRequest):
                # A refusal in place of data, or a document that is gone: the next attempt shall not get it again.
                extraction.desk.discard(extraction.partner, report)
                raise
        for day, orders in waiting:
            append_orders(extraction, writers[day], bulk.replacements.told(orders))
    return writers


def _flat(extraction: Extraction, report: Report, bulk: _Bulk) -> Iterator[FlatOrders]:
    market = MARKETPLACES[report.marketplace_id]
    with report_table(extraction.partner, report, [*USED, *LEFT_OUT], required=REQUIRED) as table:
        if bulk.is_scattered:
            yield gathered(table.batches(), market)
        else:
            yield from flat_orders(table.batches(), market)
        bulk.drift.update(drift_told(table.drift.unknown, set(table.drift.missing) - OPTIONAL - set(LEFT_OUT)))


def _by_day(extraction: Extraction, flat: FlatOrders, bulk: _Bulk) -> Iterator[tuple[date, FlatOrders]]:
    """The orders of each of the window's days, but for those that came by the API."""
    updated = flat.orders["last_updated_at"].combine_chunks().cast(pa.timestamp("us")).cast(pa.date32(), safe=False)
    # Orders of marketplaces that are not connected come along in some accounts.
    connected = pa.array(extraction.partner.marketplace_ids)
    is_ours = pc.or_(pc.is_in(flat.orders["marketplace_id"], connected), pc.is_null(flat.orders["marketplace_id"]))
    for day in pc.unique(updated).to_pylist():
        if day not in bulk.days:
            continue
        mask = pc.and_(is_ours, pc.equal(updated, pa.scalar(day, pa.date32())))
        for known in (bulk.of_buyers.get(day), bulk.again.get(day)):
            if known is not None:
                ids = known.orders["order_id"].combine_chunks()
                mask = pc.and_(mask, pc.invert(pc.is_in(flat.orders["order_id"], ids)))
        own = flat if pc.all(mask).as_py() else taken(flat, mask)
        if day not in bulk.of_buyers:
            own = _without_pii(own)
        if own.orders.num_rows:
            yield day, own


def _without_pii(flat: FlatOrders) -> FlatOrders:
    """Of days whose personal data would be past its date none is stored, not even to be refused by the lake."""
    orders = flat.orders
    for name in _PII:
        place = orders.schema.get_field_index(name)
        if orders.column(place).null_count < orders.num_rows:
            field_ = orders.schema.field(place)
            orders = orders.set_column(place, field_, pa.nulls(orders.num_rows, field_.type))
    return FlatOrders(orders, flat.items, flat.parents)


def _refuse_contradiction(
    extraction: Extraction,
    window: Sequence[date],
    order: ReportOrder,
    outcome: EmptyUnconfirmed,
    known: Iterable[FlatOrders] = (),
) -> None:
    """An answer that may only mean "too soon" replaces no orders that are there, nor stands beside some of the same."""
    of_region = ds.field("marketplace_id").isin(order.marketplace_ids)
    stored = extraction.lake.scan(ORDERS, extraction.partner.seller_id, window)
    is_stored = stored is not None and stored.count_rows(filter=of_region)
    if is_stored or any(flat.orders.filter(of_region).num_rows for flat in known):
        raise ReportDeferred(
            Asked(extraction.partner.seller_id, f"report {REPORT_TYPE}"),
            f"Amazon cancelled the report of all orders of {window[0]} to {window[-1]}, of which there are some; "
            f"{'they stay as they are' if is_stored else 'nothing was stored'}",
            outcome.retry_at,
        )
