"""Orders of a day at the Orders API, as rows: one sweep of `searchOrders`.

Belongs here: what is asked for, and which version of an order belongs to the day. Does not belong here: which way a
day is extracted (`orders.py`), paging and retries (`resources/spapi/`), columns (`flatten.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from amzigo_pipelines.assets.extraction.flatten import FlatOrders, flatten_orders
from amzigo_pipelines.assets.extraction.paths import FlattenError
from amzigo_pipelines.assets.extraction.results import Extraction, newest_rows, window_of
from amzigo_pipelines.catalog.model import INSTANT
from amzigo_pipelines.catalog.order_items import ORDER_ITEMS
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.resources.lake.writer import LakeWriter
from amzigo_pipelines.resources.quarantine.structure import is_counted
from amzigo_pipelines.resources.spapi.client import PERSONAL_SECTIONS
from amzigo_pipelines.resources.spapi.collection import collection_paused
from amzigo_pipelines.resources.spapi.pages import Page
from amzigo_pipelines.retention.dates import expires_on_of

# TAX, PAYMENT, EXPENSE and FULFILLMENT_ORDERS are never asked for, see the catalog.
IMPERSONAL_SECTIONS = ("PROCEEDS", "PROMOTION", "CANCELLATION", "FULFILLMENT", "PACKAGES")
# Orders turned into columns at a time: large enough for Arrow, small enough that their JSON is soon gone.
_BATCH_ORDERS = 2_000
# Columns of which one at least is there on every shipped order of a merchant, if the section is given at all.
_SECTION_COLUMNS = {
    "BUYER": ("buyer_email", "buyer_name"),
    "RECIPIENT": ("recipient_name", "address_line_1", "postal_code"),
}


class MoreOrdersThanAtOnce(Exception):
    """A day has more orders than were allowed for; what came is thrown away. For our neighbours, not for a person."""


def at_the_api(
    extraction: Extraction, day: date, *, fulfilled_by: str = "", most: int | None = None
) -> tuple[FlatOrders, list[str]]:
    """A day's orders with buyers and recipients, and what a person should know of them.

    An order belongs to the day of its last update. Both edges of Amazon's window are inclusive, so the sweep goes up to
    midnight and what carries that very instant is left to the next day; that holds for any precision of its clock.

    Args:
        extraction: what it works with.
        day: UTC day.
        fulfilled_by: `MERCHANT` or `AMAZON`; empty for both.
        most: give up when there are more.

    Raises:
        MoreOrdersThanAtOnce: there are more than `most`.
        ExtractionRefused: the day isn't over.
        SpApiError, FlattenError: as the name says.
    """
    start, end = window_of(day, extraction.clock)
    sections = (*PERSONAL_SECTIONS, *IMPERSONAL_SECTIONS)
    pages = extraction.partner.search_orders(start, end, sections, fulfilled_by=fulfilled_by)
    flat = _newest(_joined(_flattened(_at_most(pages, most), extraction.key)))
    flat, later = within(flat, start, end)
    warnings = []
    if later:
        warnings.append(f"{later} orders changed after the day while it was read: they belong to a later day")
    return flat, [*warnings, *_silently_missing(flat.orders)]


def flat_orders_of(orders: list[dict[str, Any]], key: bytes) -> FlatOrders:
    """Orders as `getOrder` gave them, one by one."""
    return _joined([_flat(orders, key)])


def window_told(start: datetime, end: datetime) -> str:
    """What time a day's orders cover, as text."""
    return f"{start:%Y-%m-%dT%H:%M:%SZ} <= last update < {end:%Y-%m-%dT%H:%M:%SZ}"


def append_orders(
    extraction: Extraction, writer: LakeWriter, flat: FlatOrders, dated_by: pa.Table | None = None
) -> None:
    """Write orders and their items, each with the date of death that the retention clock gives the order.

    Args:
        extraction: what it works with.
        writer: of a day's `orders` and `order_items`.
        flat: what is written.
        dated_by: the same orders with what is known of them besides, for the clock to look at; `flat` itself when None.
    """
    orders = flat.orders if dated_by is None else dated_by
    expires_on = expires_on_of(orders, extraction.clock.now(), extraction.pii_days)
    writer.append(ORDERS, flat.orders, expires_on)
    writer.append(ORDER_ITEMS, flat.items, expires_on.take(flat.parents))


def _at_most(pages: Iterable[Page], most: int | None) -> Iterator[Page]:
    found = 0
    for page in pages:
        found += len(page.rows)
        if most is not None and found > most:
            raise MoreOrdersThanAtOnce
        yield page


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
            is_counted(ORDERS.name, name, "missing, so its rows belong to no day", joined[name].null_count)
            raise FlattenError(
                f"{joined[name].null_count} orders have no {name}, so they belong to no day: Amazon's format has "
                "changed, or the answer is damaged; nothing was stored"
            )
    return FlatOrders(joined, pa.concat_tables(items).combine_chunks(), pa.concat_arrays(parents))


def _newest(flat: FlatOrders) -> FlatOrders:
    """Each order once: pages repeat themselves, and an order that changes while paging comes again."""
    kept = newest_rows(flat.orders, ORDERS.grain, "last_updated_at")
    if kept is not None:
        flat = taken(flat, pc.is_in(pa.array(range(flat.orders.num_rows), pa.int64()), kept))
    kept = newest_rows(flat.items, ORDER_ITEMS.grain, "last_updated_at")
    if kept is not None:
        flat = FlatOrders(flat.orders, flat.items.take(kept), flat.parents.take(kept))
    return flat


def within(flat: FlatOrders, start: datetime, end: datetime) -> tuple[FlatOrders, int]:
    """The orders of the window, and how many were later than its end."""
    updated = flat.orders["last_updated_at"]
    first, edge = pa.scalar(start, INSTANT), pa.scalar(end, INSTANT)
    is_within = pc.and_(pc.greater_equal(updated, first), pc.less(updated, edge))
    later = pc.sum(pc.greater(updated, edge)).as_py() or 0
    return (flat if pc.all(is_within).as_py() else taken(flat, is_within)), later


def taken(flat: FlatOrders, mask: pa.Array | pa.ChunkedArray) -> FlatOrders:
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
