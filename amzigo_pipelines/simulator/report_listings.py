"""The report GET_MERCHANT_LISTINGS_ALL_DATA: every listing of the seller in the marketplaces asked for.

Belongs here: its columns. Does not belong here: the catalogue itself, and other languages (`report_headers.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime

from amzigo_pipelines.simulator.catalogue import AMAZON, Listing
from amzigo_pipelines.simulator.marketplaces import Marketplace
from amzigo_pipelines.simulator.report_headers import LISTINGS
from amzigo_pipelines.simulator.report_request import ReportRequest, tab_separated
from amzigo_pipelines.simulator.stranding import stranded_since

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
_DATES = {"DE": "%d/%m/%Y %H:%M:%S %Z", "GB": "%d/%m/%Y %H:%M:%S %Z", "JP": "%Y/%m/%d %H:%M:%S %Z"}
_NEW = 11  # Amazon's number for a new item
_ASIN = 1  # Amazon's number for a product id that is an ASIN


def build(request: ReportRequest) -> str | None:
    """The report's content, one line a listing, ordered by marketplace and SKU."""
    rows = []
    for market in request.markets:
        for (_, market_id), listing in sorted(request.seller.catalogue.listings.items()):
            if market_id == market.marketplace_id:
                rows.append(_row(request, listing, market))
    if not rows:
        return None
    language = request.markets[0].language if request.is_localised else "en"
    names = LISTINGS.get(language, {})
    kept = [n for n, name in enumerate(HEADER) if language != "ja" or name in names]
    header = [names.get(HEADER[n], HEADER[n]) for n in kept]
    return tab_separated(header, ([row[n] for n in kept] for row in rows))


def _row(request: ReportRequest, listing: Listing, market: Marketplace) -> tuple[object, ...]:
    quantity = request.seller.pool_of(listing).levels(request.as_of).fulfillable
    is_stranded = stranded_since(listing, request.as_of) is not None
    is_fba = listing.channel == AMAZON
    values: dict[str, object] = {
        "item-name": listing.title,
        "item-description": listing.description,
        "listing-id": listing.listing_id,
        "seller-sku": listing.sku,
        "price": market.amount(listing.price),
        # Amazon leaves the quantity of its own stock empty here; the inventory operation has it.
        "quantity": "" if is_fba else quantity,
        "open-date": _opened(listing, market, request.is_localised),
        "item-is-marketplace": "y",
        "product-id-type": _ASIN,
        "item-condition": _NEW,
        "asin1": listing.asin,
        "product-id": listing.asin,
        "pending-quantity": 0,
        "fulfillment-channel": _FBA_CHANNEL[market.region] if is_fba else "DEFAULT",
        "merchant-shipping-group": "" if is_fba else "Synthetic Template",
        "status": "Active" if (is_fba and not is_stranded) or (quantity and not is_fba) else "Inactive",
    }
    return tuple(values.get(name, "") for name in HEADER)


def _opened(listing: Listing, market: Marketplace, is_localised: bool) -> str:
    if not is_localised:
        return datetime.fromtimestamp(listing.opened_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    local = datetime.fromtimestamp(listing.opened_at, market.zone)
    return local.strftime(_DATES.get(market.country, "%Y-%m-%d %H:%M:%S %Z"))
