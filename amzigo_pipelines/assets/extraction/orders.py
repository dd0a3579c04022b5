"""Extracting orders and order items: which way each day comes, and the way by the Orders API.

Belongs here: choosing the way, and writing a day that comes by `searchOrders`. Does not belong here: the way by the
bulk report (`bulk_orders.py`), rows (`order_rows.py`), orders that are asked for again (`near_due.py`).

Amazon allows 20 pages of 100 orders at once, and then one in three minutes. So a day with up to 2,000 changed orders
comes by the API, a busier one by the bulk report; a day too old for buyers' data by the report in any case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby

from amzigo_pipelines.assets.extraction.bulk_orders import extract_bulk, reports_of
from amzigo_pipelines.assets.extraction.near_due import append_again, asked_again
from amzigo_pipelines.assets.extraction.order_rows import (
    IMPERSONAL_SECTIONS,
    MoreOrdersThanAtOnce,
    append_orders,
    at_the_api,
    window_told,
)
from amzigo_pipelines.assets.extraction.results import Extraction, ExtractionResult, results_of, window_of
from amzigo_pipelines.catalog.order_items import ORDER_ITEMS
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.catalog.rates import RATES
from amzigo_pipelines.clock import today
from amzigo_pipelines.resources.reports.desk import ReportOrder
from amzigo_pipelines.resources.spapi.client import ORDERS_PER_PAGE, PERSONAL_SECTIONS
from amzigo_pipelines.retention.dates import earliest_pii_day

MOST_AT_ONCE = int(RATES["searchOrders"].burst) * ORDERS_PER_PAGE
"""Orders that Amazon gives without a wait: the burst of `searchOrders`, 2,000."""
# How busy a seller is shows in the days before; two weeks, so that a holiday doesn't hide it.
_LOOKED_AT_DAYS = 14

_BY_API, _OLD = "", "days too old for buyers' data"


def extract_orders(extraction: Extraction, days: Sequence[date]) -> Iterator[ExtractionResult]:
    """Replace days' partitions of `orders` and `order_items` by what Amazon says now.

    Args:
        extraction: what it works with.
        days: UTC days, each stored as it is complete.

    Raises:
        ExtractionRefused: a day isn't over.
        ReportDeferred, ReportLate: a day comes by the bulk report, and Amazon does not make it now.
        SpApiError, FlattenError, LakeWriteError, PartitionBusy: nothing was stored of that day and the later ones.
    """
    for day in days:
        window_of(day, extraction.clock)
    for reason, stretch in groupby(days, key=lambda day: way_of(extraction, day)):
        if reason != _BY_API:
            yield from extract_bulk(extraction, list(stretch), reason)
            continue
        for day in stretch:
            try:
                results = _by_api(extraction, day)
            except MoreOrdersThanAtOnce:
                results = list(extract_bulk(extraction, [day], f"more than {MOST_AT_ONCE:,} orders changed on the day"))
            yield from results


def reports_ahead(extraction: Extraction, days: Sequence[date]) -> list[ReportOrder]:
    """The bulk reports that `extract_orders` will want for days."""
    stretches = groupby(days, key=lambda day: way_of(extraction, day))
    return [order for reason, stretch in stretches if reason for order in reports_of(extraction, list(stretch))]


def way_of(extraction: Extraction, day: date) -> str:
    """Why a day comes by the bulk report; empty for days that come by the API."""
    if day < earliest_pii_day(today(extraction.clock), extraction.pii_days):
        return _OLD
    records = extraction.lake.partitions(extraction.partner.seller_id, ORDERS)
    before = (day - timedelta(days=n) for n in range(1, _LOOKED_AT_DAYS + 1))
    rows = {record.day: record.rows for record in records}
    busiest = max((rows.get(one, 0) for one in before), default=0)
    if busiest > MOST_AT_ONCE:
        return f"more than {MOST_AT_ONCE:,} orders changed on one of the {_LOOKED_AT_DAYS} days before"
    return _BY_API


def _by_api(extraction: Extraction, day: date) -> list[ExtractionResult]:
    window = window_told(*window_of(day, extraction.clock))
    origin = {
        "operation": "searchOrders 2026-01-01",
        "window": window,
        "included_data": ",".join((*PERSONAL_SECTIONS, *IMPERSONAL_SECTIONS)),
        "personal_data": "asked for",
    }
    with extraction.writer(day, [ORDERS, ORDER_ITEMS], origin) as writer:
        flat, warnings = at_the_api(extraction, day, most=MOST_AT_ONCE)
        append_orders(extraction, writer, flat)
        again = asked_again(extraction, day, flat.orders["order_id"])
        append_again(extraction, writer, again)
    return results_of(
        writer.committed,
        extraction.partner,
        warnings,
        window,
        way="searchOrders",
        asked_again=again.orders.num_rows,
    )
