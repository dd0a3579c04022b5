"""Extracting a day's orders and order items: one sweep of `searchOrders`, committed together.

Belongs here: what is asked for, and which version of an order belongs to the day. Does not belong here: paging and
retries (`resources/spapi*.py`), columns (`flatten.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from amzigo_pipelines.assets.extraction.flatten import FlatOrders, flatten_orders
from amzigo_pipelines.assets.extraction.paths import FlattenError
from amzigo_pipelines.assets.extraction.results import Extraction, ExtractionResult, newest_rows, results_of, window_of
from amzigo_pipelines.catalog.model import INSTANT
from amzigo_pipelines.catalog.order_items import ORDER_ITEMS
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.clock import today
from amzigo_pipelines.resources.collection import collection_paused
from amzigo_pipelines.resources.spapi import PERSONAL_SECTIONS
from amzigo_pipelines.resources.spapi_pages import Page
from amzigo_pipelines.retention.dates import earliest_pii_day, expires_on_of

# TAX, PAYMENT, EXPENSE and FULFILLMENT_ORDERS are never asked for, see the catalog.
IMPERSONAL_SECTIONS = ("PROCEEDS", "PROMOTION", "CANCELLATION", "FULFILLMENT", "PACKAGES")
# Orders turned into columns at a time: large enough for Arrow, small enough that their JSON is soon gone.
_BATCH_ORDERS = 2_000
# Columns of which one at least is there on every shipped order of a merchant, if the section is given at all.
_SECTION_COLUMNS = {
    "BUYER": ("buyer_email", "buyer_name"),
    "RECIPIENT": ("recipient_name", "address_line_1", "postal_code"),
}


def extract_orders(extraction: Extraction, days: Sequence[date]) -> Iterator[ExtractionResult]:
    """Replace days' partitions of `orders` and `order_items` by what Amazon says now.

    An order belongs to the day of its last update. Both edges of Amazon's window are inclusive, so the sweep goes up to
    midnight and what carries that very instant is left to the next day; that holds for any precision of its clock.

    Args:
        extraction: what it works with.
        days: UTC days, each stored as it is complete.

    Raises:
        ExtractionRefused: a day isn't over.
        SpApiError, FlattenError, LakeWriteError, PartitionBusy: nothing was stored of that day and the later ones.
    """
    for day in days:
        yield from _extract_day(extraction, day)


def _extract_day(extraction: Extraction, day: date) -> list[ExtractionResult]:
    partner, clock = extraction.partner, extraction.clock
    start, end = window_of(day, clock)
    # What is past its date on arrival isn't asked for: it could only be thrown away.
    is_personal = day >= earliest_pii_day(today(clock), extraction.pii_days)
    sections = (*PERSONAL_SECTIONS, *IMPERSONAL_SECTIONS) if is_personal else IMPERSONAL_SECTIONS
    window = f"{start:%Y-%m-%dT%H:%M:%SZ} <= last update < {end:%Y-%m-%dT%H:%M:%SZ}"
    warnings = [] if is_personal else ["buyers and recipients were not asked for: their data would be past its date"]
    origin = {
        "operation": "searchOrders 2026-01-01",
        "window": window,
        "included_data": ",".join(sections),
        "personal_data": "asked for" if is_personal else "not asked for: past its date",
    }
    with extraction.writer(day, [ORDERS, ORDER_ITEMS], origin) as writer:
        flat = _joined(_flattened(partner.search_orders(start, end, sections), extraction.key))
        flat = _newest(flat)
        flat, later = _within(flat, start, end)
        if later:
            warnings.append(f"{later} orders changed after the day while it was read: they belong to a later day")
        if is_personal:
            warnings += _silently_missing(flat.orders)
        expires_on = expires_on_of(flat.orders, clock.now(), extraction.pii_days)
        writer.append(ORDERS, flat.orders, expires_on)
        writer.append(ORDER_ITEMS, flat.items, expires_on.take(flat.parents))
    return results_of(writer.committed, partner, warnings, window)


def _flattened(pages: Iterable[Page], key: bytes) -> Iterator[FlatOrders]:
    waiting: list[dict[str, Any]] = []
    for page in pages:
        waiting += page.rows
        if len(waiting) >= _BATCH_ORDERS:
            yield _flat(waiting, key)
            waiting = []
    # Also when there is nothing, so that there is always a table.
    yield _flat(waiting, key)


def _flat(orders: list[dict[str, Any]], key: bytes) -> FlatOrders:
    with collection_paused():
        return flatten_orders(orders, key)


def _joined(parts: Iterable[FlatOrders]) -> FlatOrders:
    orders, items, parents, rows = [], [], [], 0
    for part in parts:
        orders.append(part.orders)
        items.append(part.items)
        parents.append(pc.add(part.parents, rows))
        rows += part.orders.num_rows
    joined = pa.concat_tables(orders).combine_chunks()
    for name in ("created_at", "last_updated_at"):
        if joined[name].null_count:
            raise FlattenError(
                f"{joined[name].null_count} orders have no {name}, so they belong to no day: Amazon's format has "
                "changed, or the answer is damaged; nothing was stored"
            )
    return FlatOrders(joined, pa.concat_tables(items).combine_chunks(), pa.concat_arrays(parents))


def _newest(flat: FlatOrders) -> FlatOrders:
    """Each order once: pages repeat themselves, and an order that changes while paging comes again."""
    kept = newest_rows(flat.orders, ORDERS.grain, "last_updated_at")
    if kept is not None:
        flat = _taken(flat, pc.is_in(pa.array(range(flat.orders.num_rows), pa.int64()), kept))
    kept = newest_rows(flat.items, ORDER_ITEMS.grain, "last_updated_at")
    if kept is not None:
        flat = FlatOrders(flat.orders, flat.items.take(kept), flat.parents.take(kept))
    return flat


def _within(flat: FlatOrders, start: datetime, end: datetime) -> tuple[FlatOrders, int]:
    """The orders of the window, and how many were later than its end."""
    updated = flat.orders["last_updated_at"]
    first, edge = pa.scalar(start, INSTANT), pa.scalar(end, INSTANT)
    is_within = pc.and_(pc.greater_equal(updated, first), pc.less(updated, edge))
    later = pc.sum(pc.greater(updated, edge)).as_py() or 0
    return (flat if pc.all(is_within).as_py() else _taken(flat, is_within)), later


def _taken(flat: FlatOrders, mask: pa.Array | pa.ChunkedArray) -> FlatOrders:
    """The orders of a mask with their items."""
    if isinstance(mask, pa.ChunkedArray):
        mask = mask.combine_chunks()
    of_items = mask.take(flat.parents)
    # Where each kept order stands afterwards: as many as are kept before it.
    places = pc.subtract(pc.cumulative_sum(mask.cast(pa.int64())), 1)
    return FlatOrders(
        flat.orders.filter(mask).combine_chunks(),
        flat.items.filter(of_items).combine_chunks(),
        places.take(flat.parents.filter(of_items)),
    )


def _silently_missing(orders: pa.Table) -> list[str]:
    """Amazon leaves a section out without a word where the role for it is missing: say so."""
    shipped = pc.and_(
        pc.fill_null(pc.equal(orders["fulfilled_by"], "MERCHANT"), False),
        pc.fill_null(pc.equal(orders["status"], "SHIPPED"), False),
    )
    orders = orders.filter(shipped)
    if not orders.num_rows:
        return []
    return [
        f"{section} was asked for and is missing from all {orders.num_rows} shipped orders of the seller's own: the "
        f"application probably lacks the role for it; {', '.join(columns)} and what is derived from them stay empty"
        for section, columns in _SECTION_COLUMNS.items()
        if all(orders[name].null_count == orders.num_rows for name in columns)
    ]
