"""The report GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL: items of orders by their last update.

Belongs here: its columns, Amazon's words in them, and blowing it up for benchmarks. Does not belong here: what the
Orders API says of the same orders (`order_json.py`), with which every amount agrees.

Amazon gave no identifier of the order item here until May 2026, and does not document that it does now; nor does the
report keep to the marketplaces asked for in every account. Both are settings. Discounts are positive, while the Orders
API has them negative. Sources: github.com/amzn/selling-partner-api-models issue 5249, selling-partner-api-docs 1404.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from amzigo_pipelines.simulator.catalogue import AMAZON
from amzigo_pipelines.simulator.marketplaces import Marketplace
from amzigo_pipelines.simulator.orders import CANCELLED, PARTIALLY_SHIPPED, PENDING, SHIPPED, UNSHIPPED, Item, Order
from amzigo_pipelines.simulator.report_request import (
    OrderReportQuirks,
    ReportRequest,
    offset_instant,
    tab_separated,
    too_long,
)
from amzigo_pipelines.simulator.seller_world import SellerWorld

HEADER = (
    "amazon-order-id",
    "merchant-order-id",
    "purchase-date",
    "last-updated-date",
    "order-status",
    "fulfillment-channel",
    "sales-channel",
    "order-channel",
    "url",
    "ship-service-level",
    "product-name",
    "sku",
    "asin",
    "item-status",
    "quantity",
    "currency",
    "item-price",
    "item-tax",
    "shipping-price",
    "shipping-tax",
    "gift-wrap-price",
    "gift-wrap-tax",
    "item-promotion-discount",
    "ship-promotion-discount",
    "ship-city",
    "ship-state",
    "ship-postal-code",
    "ship-country",
    "promotion-ids",
    "cpf",
    "is-business-order",
    "purchase-order-number",
    "price-designation",
    "signature-confirmation-recommended",
)

ITEM_ID = "order-item-id"
"""Stands behind `order-status` where it is given."""

MAX_DAYS = 30

STATUSES = {
    PENDING: "Pending",
    UNSHIPPED: "Unshipped",
    PARTIALLY_SHIPPED: "Shipping",
    SHIPPED: "Shipped",
    CANCELLED: "Cancelled",
}
"""Amazon's word in `order-status` for a fulfilment status of the Orders API."""


def build(request: ReportRequest) -> str | None:
    """The report's content, one line an item, ordered by last update and order id."""
    if request.is_longer_than(MAX_DAYS):
        return too_long(MAX_DAYS)
    if request.quirks.bulk_lines:
        return _bulk(request.seller, tuple(request.markets), *request.window(), request.as_of, request.quirks)
    rows = [row for _, lines in _orders(request) for row in lines]
    return tab_separated(_header(request), rows) if rows else None


def _header(request: ReportRequest) -> tuple[str, ...]:
    at = HEADER.index("order-status") + 1
    return (*HEADER[:at], ITEM_ID, *HEADER[at:]) if request.quirks.has_item_ids else HEADER


def _orders(request: ReportRequest) -> Iterator[tuple[Order, list[tuple[object, ...]]]]:
    start, end = request.window()
    header, market_ids = _header(request), request.market_ids
    for order, version in request.seller.updated_between(start, end, request.as_of, (0, "")):
        if request.quirks.is_regional or order.market.marketplace_id in market_ids:
            yield order, [_row(header, order, version, position, item) for position, item in enumerate(order.items)]


def _row(header: tuple[str, ...], order: Order, version: int, position: int, item: Item) -> tuple[object, ...]:
    state = order.versions[version]
    is_known = state.status != PENDING
    is_priced = order.was_priced(version)
    values: dict[str, object] = {
        "amazon-order-id": order.order_id,
        "merchant-order-id": order.seller_alias,
        "purchase-date": offset_instant(order.created_at),
        "last-updated-date": offset_instant(state.at),
        "order-status": STATUSES[state.status],
        ITEM_ID: item.item_id,
        "fulfillment-channel": "Amazon" if order.channel == AMAZON else "Merchant",
        "sales-channel": order.market.name,
        "ship-service-level": order.service_level.capitalize(),
        "product-name": item.listing.title,
        "sku": item.listing.sku,
        "asin": item.listing.asin,
        "item-status": _item_status(state.status, state.shipped[position], item.quantity),
        "quantity": item.quantity,
        "promotion-ids": ",".join(item.promotions),
        "is-business-order": "true" if order.is_business else "false",
        "signature-confirmation-recommended": "false",
    }
    if is_priced:
        amount = order.market.amount
        values |= {
            "currency": order.market.currency,
            "item-price": amount(item.goods),
            "item-tax": amount(item.tax),
            "price-designation": "Business Price" if item.is_business_price else "",
        }
        # What does not apply is left empty rather than 0.
        extras = {
            "shipping-price": item.shipping,
            "shipping-tax": item.shipping_tax,
            "gift-wrap-price": item.gift_wrap,
            "item-promotion-discount": item.discount,
            "ship-promotion-discount": item.shipping_discount,
        }
        values |= {name: amount(minor) for name, minor in extras.items() if minor}
    if is_known:
        values |= {
            "ship-city": order.recipient.city,
            "ship-state": order.recipient.region,
            "ship-postal-code": order.recipient.postal_code,
            "ship-country": order.recipient.country,
            "purchase-order-number": order.purchase_order,
        }
    return tuple(values.get(name, "") for name in header)


def _item_status(status: str, shipped: int, ordered: int) -> str:
    if status == CANCELLED:
        return "Cancelled"
    return "Shipped" if shipped == ordered else "Shipping" if shipped else "Unshipped"


@lru_cache(maxsize=2)
def _bulk(
    seller: SellerWorld,
    markets: tuple[Marketplace, ...],
    start: float,
    end: float,
    as_of: int,
    quirks: OrderReportQuirks,
) -> str | None:
    """The window's orders, and then again under other order ids, until there are as many lines as wanted."""
    request = ReportRequest(seller, as_of, markets, start, end, quirks=quirks)
    templates = []
    for order, rows in _orders(request):
        lines = tab_separated((), rows).splitlines()[1:]
        templates.append((order.order_id, [line.partition("\t")[2] for line in lines]))
    if not templates:
        return None
    out = ["\t".join(_header(request))]
    copy = 0
    while len(out) <= quirks.bulk_lines:
        for order_id, lines in templates:
            # The last group of an order id is the order's own within its marketplace: copies never meet.
            made = order_id if not copy else f"{order_id[:4]}{copy:07d}-{order_id[-7:]}"
            out += [f"{made}\t{line}" for line in lines]
        copy += 1
    return "\n".join(out[: quirks.bulk_lines + 1]) + "\n"
