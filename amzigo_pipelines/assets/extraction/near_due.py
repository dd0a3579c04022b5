"""Orders that are near their date of death and still unshipped: asked for once more.

Belongs here: which orders those are, and what their new version proves. Does not belong here: the retention clock
(`retention/dates.py`) and the rest of a day's extraction (`orders.py`, `bulk_orders.py`).

An order that is not shipped was not delivered, so at the moment at which Amazon says so its data may live another 30
days. The new version goes into the partition of the night's day, although the order did not change on it, and carries
its own, later date; the older version keeps its own and dies on it.
"""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from amzigo_pipelines.assets.extraction.flatten import FlatOrders
from amzigo_pipelines.assets.extraction.order_rows import IMPERSONAL_SECTIONS, append_orders, flat_orders_of
from amzigo_pipelines.assets.extraction.results import Extraction
from amzigo_pipelines.catalog.model import DATE, INSTANT
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.clock import today
from amzigo_pipelines.resources.lake.writer import LakeWriter
from amzigo_pipelines.resources.spapi.client import PERSONAL_SECTIONS
from amzigo_pipelines.retention.dates import BEFORE_SHIPPING, earliest_pii_day

DAYS_BEFORE = 5
"""So many days before its date an order is asked for again, each night until it is shipped or answered."""


def asked_again(extraction: Extraction, day: date, but: pa.ChunkedArray) -> FlatOrders:
    """The near-due orders of a seller as they are now; none unless `day` is yesterday, the night's own day.

    Args:
        extraction: what it works with.
        day: the partition that is being written.
        but: ids of orders that it holds already.

    Raises:
        SpApiError: an order can't be had.
    """
    if day != today(extraction.clock) - timedelta(days=1):
        return flat_orders_of([], extraction.key)
    sections = (*PERSONAL_SECTIONS, *IMPERSONAL_SECTIONS)
    held = set(but.to_pylist())
    found = [
        extraction.partner.get_order(order_id, sections, marketplace_id)
        for order_id, marketplace_id in near_due(extraction, day)
        if order_id not in held
    ]
    return flat_orders_of(found, extraction.key)


def append_again(extraction: Extraction, writer: LakeWriter, again: FlatOrders) -> None:
    """Write orders that were asked for again, with the date that the present moment proves."""
    if not again.orders.num_rows:
        return
    updated = again.orders["last_updated_at"]
    still = pc.fill_null(pc.is_in(again.orders["status"], pa.array(BEFORE_SHIPPING)), False)
    proven = pc.if_else(still, pa.scalar(extraction.clock.now(), INSTANT), updated)
    place = again.orders.schema.get_field_index("last_updated_at")
    dated = again.orders.set_column(place, again.orders.schema.field(place), proven)
    append_orders(extraction, writer, again, dated)


def near_due(extraction: Extraction, day: date) -> list[tuple[str, str | None]]:
    """Ids and marketplaces of orders that are unshipped as the lake knows them and die within `DAYS_BEFORE` days."""
    now_on = today(extraction.clock)
    first = earliest_pii_day(now_on, extraction.pii_days)
    days = [first + timedelta(days=n) for n in range((day - first).days)]
    stored = extraction.lake.scan(ORDERS, extraction.partner.seller_id, days)
    if stored is None:
        return []
    versions = stored.to_table(columns=["order_id", "marketplace_id", "status", "last_updated_at", "day"])
    dies_by = pa.scalar(now_on + timedelta(days=DAYS_BEFORE - extraction.pii_days), DATE)
    known_on = _known_on(versions)
    is_due = pc.and_(pc.is_in(versions["status"], pa.array(BEFORE_SHIPPING)), pc.less_equal(known_on, dies_by))
    # Few are; only of those it matters which version is the newest.
    of_due = pc.is_in(versions["order_id"], versions["order_id"].filter(is_due).combine_chunks())
    versions = versions.append_column("is_due", is_due).filter(of_due)
    versions = versions.sort_by([("last_updated_at", "ascending"), ("day", "ascending")])
    ids, markets, due = (versions[name].to_pylist() for name in ("order_id", "marketplace_id", "is_due"))
    newest = {order_id: (market, is_) for order_id, market, is_ in zip(ids, markets, due, strict=True)}
    return sorted((order_id, market) for order_id, (market, is_) in newest.items() if is_)


def _known_on(versions: pa.Table) -> pa.ChunkedArray:
    """The day on which each version was known not to be delivered: of its last update, or of being asked again."""
    updated = versions["last_updated_at"].cast(pa.timestamp("us")).cast(DATE, safe=False)
    return pc.max_element_wise(updated, versions["day"])
