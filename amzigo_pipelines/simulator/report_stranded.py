"""The report GET_STRANDED_INVENTORY_UI_DATA: stock at Amazon whose listing cannot be bought.

Belongs here: its columns. Does not belong here: what gets stranded (`stranding.py`).
"""

from __future__ import annotations

from amzigo_pipelines.simulator.catalogue import Listing
from amzigo_pipelines.simulator.marketplaces import Marketplace
from amzigo_pipelines.simulator.report_request import DAY_S, ReportRequest, local_day, tab_separated
from amzigo_pipelines.simulator.stock import Levels
from amzigo_pipelines.simulator.stranding import cause, stranded_since

HEADER = (
    "primary-action",
    "date-stranded",
    "date-classified-as-unsellable",
    "status-primary",
    "status-secondary",
    "error-message",
    "stranded-reason",
    "asin",
    "sku",
    "fnsku",
    "product-name",
    "condition",
    "fulfilled-by",
    "fulfillable-qty",
    "your-price",
    "unfulfillable-qty",
    "reserved-quantity",
    "inbound-shipped-qty",
)
_UNSELLABLE_AFTER_S = 30 * DAY_S


def build(request: ReportRequest) -> str | None:
    """The report's content, one line a stranded listing with stock, ordered by marketplace and SKU."""
    rows = []
    for market in request.markets:
        for (_, market_id), listing in sorted(request.seller.catalogue.listings.items()):
            since = stranded_since(listing, request.as_of) if market_id == market.marketplace_id else None
            if since is not None:
                levels = request.seller.pool_of(listing).levels(request.as_of)
                if levels.on_hand:
                    rows.append(_row(listing, market, since, levels))
    return tab_separated(HEADER, rows) if rows else None


def _row(listing: Listing, market: Marketplace, since: int, levels: Levels) -> tuple[object, ...]:
    why = cause(listing)
    return (
        why.action,
        local_day(since, market).isoformat(),
        local_day(since + _UNSELLABLE_AFTER_S, market).isoformat(),
        "Inactive",
        "Listing closed" if not why.message else "Blocked",
        why.message,
        why.reason,
        listing.asin,
        listing.sku,
        listing.fnsku,
        listing.title,
        "New",
        "Amazon",
        levels.fulfillable,
        market.amount(listing.price),
        levels.unfulfillable,
        levels.reserved,
        levels.inbound_shipped,
    )
