"""The report GET_MERCHANT_LISTINGS_ALL_DATA: every listing of the seller in the marketplaces asked for.

Belongs here: its columns. Does not belong here: the catalogue itself.
"""

from __future__ import annotations

from datetime import UTC, datetime

from amzigo_pipelines.simulator.catalogue import AMAZON, Listing
from amzigo_pipelines.simulator.report_request import ReportRequest, tab_separated

HEADER = (
    "item-name",
    "item-description",
    "listing-id",
    "seller-sku",
    "price",
    "quantity",
    "open-date",
    "image-url",
    "item-is-marketplace",
    "product-id-type",
    "zshop-shipping-fee",
    "item-note",
    "item-condition",
    "zshop-category1",
    "zshop-browse-path",
    "zshop-storefront-feature",
    "asin1",
    "asin2",
    "asin3",
    "will-ship-internationally",
    "expedited-shipping",
    "zshop-boldface",
    "product-id",
    "bid-for-featured-placement",
    "add-delete",
    "pending-quantity",
    "fulfillment-channel",
    "merchant-shipping-group",
    "status",
)

_FBA_CHANNEL = {"NA": "AMAZON_NA", "EU": "AMAZON_EU", "FE": "AMAZON_JP"}
_NEW = 11  # Amazon's number for a new item
_ASIN = 1  # Amazon's number for a product id that is an ASIN


def build(request: ReportRequest) -> str | None:
    """The report's content, one line a listing, ordered by marketplace and SKU."""
    rows = []
    for market in request.markets:
        for (_, market_id), listing in sorted(request.seller.catalogue.listings.items()):
            if market_id == market.marketplace_id:
                quantity = request.seller.pool_of(listing).levels(request.as_of).fulfillable
                rows.append(_row(listing, market.amount(listing.price), quantity, market.region))
    return tab_separated(HEADER, rows) if rows else None


def _row(listing: Listing, price: str, quantity: int, region: str) -> tuple[object, ...]:
    is_fba = listing.channel == AMAZON
    values: dict[str, object] = {
        "item-name": listing.title,
        "item-description": listing.description,
        "listing-id": listing.listing_id,
        "seller-sku": listing.sku,
        "price": price,
        # Amazon leaves the quantity of its own stock empty here; the inventory operation has it.
        "quantity": "" if is_fba else quantity,
        "open-date": datetime.fromtimestamp(listing.opened_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "item-is-marketplace": "y",
        "product-id-type": _ASIN,
        "item-condition": _NEW,
        "asin1": listing.asin,
        "product-id": listing.asin,
        "pending-quantity": 0,
        "fulfillment-channel": _FBA_CHANNEL[region] if is_fba else "DEFAULT",
        "merchant-shipping-group": "" if is_fba else "Synthetic Template",
        "status": "Active" if is_fba or quantity else "Inactive",
    }
    return tuple(values.get(name, "") for name in HEADER)
