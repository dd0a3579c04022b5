"""The report GET_AMAZON_FULFILLED_SHIPMENTS_DATA_GENERAL: what Amazon sent for the seller, by the time it left.

Belongs here: its columns and who may see them. Does not belong here: parcels (`fulfilment.py`).

Buyer and recipient come by role and are empty without it. Discounts are negative here, unlike in the report of all
orders. A parcel is known only some time after it left.
"""

from __future__ import annotations

from amzigo_pipelines.simulator.fulfilment import ShippedItem, centre, shipped_items
from amzigo_pipelines.simulator.report_request import (
    DAY_S,
    ReportRequest,
    offset_instant,
    tab_separated,
    too_long,
)

HEADER = (
    "amazon-order-id",
    "merchant-order-id",
    "shipment-id",
    "shipment-item-id",
    "amazon-order-item-id",
    "merchant-order-item-id",
    "purchase-date",
    "payments-date",
    "shipment-date",
    "reporting-date",
    "buyer-email",
    "buyer-name",
    "buyer-phone-number",
    "sku",
    "product-name",
    "quantity-shipped",
    "currency",
    "item-price",
    "item-tax",
    "shipping-price",
    "shipping-tax",
    "gift-wrap-price",
    "gift-wrap-tax",
    "ship-service-level",
    "recipient-name",
    "ship-address-1",
    "ship-address-2",
    "ship-address-3",
    "ship-city",
    "ship-state",
    "ship-postal-code",
    "ship-country",
    "ship-phone-number",
    "bill-address-1",
    "bill-address-2",
    "bill-address-3",
    "bill-city",
    "bill-state",
    "bill-postal-code",
    "bill-country",
    "item-promotion-discount",
    "ship-promotion-discount",
    "carrier",
    "tracking-number",
    "estimated-arrival-date",
    "fulfillment-center-id",
    "fulfillment-channel",
    "sales-channel",
)

MAX_DAYS = 31
_LONGEST_LIFE_S = 90 * DAY_S  # between the placing of an order and its last parcel


def build(request: ReportRequest) -> str | None:
    """The report's content, one line a shipped item, ordered by the time it left."""
    if request.is_longer_than(MAX_DAYS):
        return too_long(MAX_DAYS)
    start, end = request.window()
    found = [
        shipped
        for order, _ in request.seller.created_between(start - _LONGEST_LIFE_S, end, request.as_of, (0, ""))
        if order.market.marketplace_id in request.market_ids
        for shipped in shipped_items(order)
        if start <= shipped.parcel.shipped_at <= end and shipped.reported_at <= request.as_of
    ]
    found.sort(key=lambda shipped: (shipped.parcel.shipped_at, shipped.shipment_item_id))
    return tab_separated(HEADER, (_row(request, shipped) for shipped in found)) if found else None


def _row(request: ReportRequest, shipped: ShippedItem) -> tuple[object, ...]:
    order, parcel, person = shipped.order, shipped.parcel, shipped.order.recipient
    amount = order.market.amount
    values: dict[str, object] = {
        "amazon-order-id": order.order_id,
        "shipment-id": shipped.shipment_id,
        "shipment-item-id": shipped.shipment_item_id,
        "amazon-order-item-id": shipped.item.item_id,
        "purchase-date": offset_instant(order.created_at),
        "payments-date": offset_instant(order.versions[1].at),
        "shipment-date": offset_instant(parcel.shipped_at),
        "reporting-date": offset_instant(shipped.reported_at),
        "sku": shipped.item.listing.sku,
        "product-name": shipped.item.listing.title,
        "quantity-shipped": shipped.quantity,
        "currency": order.market.currency,
        "item-price": amount(shipped.goods),
        "item-tax": amount(shipped.tax),
        "shipping-price": amount(shipped.shipping),
        "shipping-tax": amount(shipped.shipping_tax),
        "gift-wrap-price": amount(shipped.gift_wrap),
        "gift-wrap-tax": amount(0),
        "ship-service-level": order.service_level.capitalize(),
        "ship-city": person.city,
        "ship-state": person.region,
        "ship-country": person.country,
        "item-promotion-discount": amount(-shipped.discount),
        "ship-promotion-discount": amount(-shipped.shipping_discount),
        "carrier": parcel.carrier,
        "estimated-arrival-date": offset_instant(max(order.deliver_by[1], parcel.shipped_at + DAY_S)),
        "fulfillment-center-id": centre(order.market.country, shipped.item.listing.fnsku),
        "fulfillment-channel": "AFN",
        "sales-channel": order.market.name,
    }
    if request.sees("BUYER"):
        buyer = order.buyer
        values |= {
            "buyer-email": buyer.email,
            "buyer-name": buyer.name,
            "buyer-phone-number": buyer.phone,
            "bill-address-1": buyer.address_line_1,
            "bill-address-2": buyer.address_line_2,
            "bill-address-3": buyer.address_line_3,
            "bill-city": buyer.city,
            "bill-state": buyer.region,
            "bill-postal-code": buyer.postal_code,
            "bill-country": buyer.country,
        }
    if request.sees("RECIPIENT"):
        values |= {
            "recipient-name": person.name,
            "ship-address-1": person.address_line_1,
            "ship-address-2": person.address_line_2,
            "ship-address-3": person.address_line_3,
            "ship-postal-code": person.postal_code,
            "ship-phone-number": person.phone,
            "tracking-number": parcel.tracking_number,
        }
    return tuple(values.get(name, "") for name in HEADER)
