"""An order as the Orders API 2026-01-01 writes it down.

Belongs here: field names, sections, what is left out when. Does not belong here: which orders are asked for
(`api_orders.py`).

What Amazon leaves out and this leaves out too: sections that `includedData` does not name; prices, buyer and recipient
while payment is pending; parcels of orders that Amazon ships; name, e-mail and street of nearly all of their buyers.
Discounts are negative, so that every total is the sum of its breakdowns.
"""

from __future__ import annotations

from typing import Any

from amzigo_pipelines.simulator.answers import instant
from amzigo_pipelines.simulator.catalogue import AMAZON, MERCHANT
from amzigo_pipelines.simulator.orders import CANCELLED, PENDING, Item, Order, Version
from amzigo_pipelines.simulator.people import Person

SECTIONS = frozenset(
    {
        "BUYER",
        "RECIPIENT",
        "PROCEEDS",
        "EXPENSE",
        "PROMOTION",
        "CANCELLATION",
        "FULFILLMENT",
        "PACKAGES",
        "TAX",
        "PAYMENT",
        "FULFILLMENT_ORDERS",
    }
)
"""What `includedData` may name. `FULFILLMENT_ORDERS` exists for Easy Ship orders only, of which there are none."""

_NAMED_FBA_BUYERS = 20  # one buyer in so many lets Amazon pass on the name of an order that Amazon ships


def render(order: Order, version: int, sections: frozenset[str], roles: frozenset[str]) -> dict[str, Any]:
    """One version of an order.

    Args:
        order: the order.
        version: position among its versions.
        sections: what `includedData` named.
        roles: `BUYER`, `RECIPIENT`: what the application may see; the rest is left out without a word.
    """
    state = order.versions[version]
    priced = order.was_priced(version)
    known = state.status != PENDING
    out: dict[str, Any] = {
        "orderId": order.order_id,
        "createdTime": instant(order.created_at),
        "lastUpdatedTime": instant(state.at),
        "salesChannel": {
            "channelName": "AMAZON",
            "marketplaceId": order.market.marketplace_id,
            "marketplaceName": order.market.name,
        },
    }
    if order.seller_alias:
        out["orderAliases"] = [{"aliasId": order.seller_alias, "aliasType": "SELLER_ORDER_ID"}]
    if order.programs:
        out["programs"] = list(order.programs)
    if order.replaces:
        out["associatedOrders"] = [{"orderId": order.replaces, "associationType": "REPLACEMENT_ORIGINAL_ID"}]
    if known and "BUYER" in sections and "BUYER" in roles:
        out["buyer"] = _buyer(order)
    if known and "RECIPIENT" in sections and "RECIPIENT" in roles:
        out["recipient"] = _recipient(order)
    if priced and "PROCEEDS" in sections:
        out["proceeds"] = _order_proceeds(order)
    if priced and "PAYMENT" in sections:
        out["payment"] = _payment(order)
    if known and "TAX" in sections and order.buyer.tax_number and order.is_business:
        out["tax"] = _tax(order, "BUYER" in roles)
    if "FULFILLMENT" in sections:
        out["fulfillment"] = {
            "fulfillmentStatus": state.status,
            "fulfilledBy": order.channel,
            "fulfillmentServiceLevel": order.service_level,
            "shipByWindow": _window(order.ship_by),
            "deliverByWindow": _window(order.deliver_by),
        }
    out["orderItems"] = [
        _item(order, state, position, item, priced, sections, roles) for position, item in enumerate(order.items)
    ]
    if "PACKAGES" in sections and order.channel == MERCHANT and state.parcel_states:
        out["packages"] = _packages(order, state, "RECIPIENT" in roles)
    return out


def _money(order: Order, minor: int) -> dict[str, str]:
    return {"amount": order.market.amount(minor), "currencyCode": order.market.currency}


def _window(window: tuple[int, int]) -> dict[str, str]:
    return {"earliestDateTime": instant(window[0]), "latestDateTime": instant(window[1])}


def _buyer(order: Order) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if order.channel == MERCHANT:
        out["buyerName"] = order.buyer.name
        out["buyerEmail"] = order.buyer.email
    elif order.buyer.number % _NAMED_FBA_BUYERS == 0:
        out["buyerName"] = order.buyer.name
    if order.is_business:
        out["buyerCompanyName"] = order.buyer.company
        if order.purchase_order:
            out["buyerPurchaseOrderNumber"] = order.purchase_order
    return out


def _recipient(order: Order) -> dict[str, Any]:
    person = order.recipient
    if order.channel == AMAZON:
        return {
            "deliveryAddress": {
                "city": person.city,
                "stateOrRegion": person.region,
                "postalCode": person.postal_code,
                "countryCode": person.country,
            }
        }
    out: dict[str, Any] = {"deliveryAddress": _address(person, order.is_business)}
    if person.instruction:
        out["deliveryPreference"] = {"dropOffLocation": "Front door", "addressInstruction": person.instruction}
    return out


def _address(person: Person, is_business: bool) -> dict[str, Any]:
    out: dict[str, Any] = {"name": person.name, "addressLine1": person.address_line_1}
    if is_business and person.company:
        out["companyName"] = person.company
    if person.address_line_2:
        out["addressLine2"] = person.address_line_2
    if person.address_line_3:
        out["addressLine3"] = person.address_line_3
    if person.district:
        out["districtOrCounty"] = person.district
    if person.country == "MX":
        # The whole line as the street's name: each personal string stays long enough to search for.
        out["extendedFields"] = {"streetName": person.address_line_1}
        if person.district:
            out["municipality"] = person.district
    out |= {
        "city": person.city,
        "stateOrRegion": person.region,
        "postalCode": person.postal_code,
        "countryCode": person.country,
        "phone": person.phone,
        "addressType": "COMMERCIAL" if is_business else "RESIDENTIAL",
    }
    return out


def _order_proceeds(order: Order) -> dict[str, Any]:
    sums = {
        "ITEM": sum(item.goods for item in order.items),
        "SHIPPING": sum(item.shipping for item in order.items),
        "GIFT_WRAP": sum(item.gift_wrap for item in order.items),
        "TAX": sum(item.tax + item.shipping_tax for item in order.items),
        "DISCOUNT": -sum(item.discount + item.shipping_discount for item in order.items),
    }
    return {
        "grandTotal": _money(order, order.total),
        "breakdowns": [
            {"type": kind, "subtotal": _money(order, amount)}
            for kind, amount in sums.items()
            if amount or kind == "ITEM"
        ],
    }


def _breakdown(item: Item) -> list[tuple[str, int, list[tuple[str, int]]]]:
    """(type, subtotal, [(subtype, amount)]) in minor units; they add up to the item's total."""
    out: list[tuple[str, int, list[tuple[str, int]]]] = [("ITEM", item.goods, [])]
    if item.shipping:
        out.append(("SHIPPING", item.shipping, []))
    if item.gift_wrap:
        out.append(("GIFT_WRAP", item.gift_wrap, []))
    if item.tax or item.shipping_tax:
        parts = [("ITEM", item.tax), ("SHIPPING", item.shipping_tax)]
        out.append(("TAX", item.tax + item.shipping_tax, [part for part in parts if part[1]]))
    if item.discount or item.shipping_discount:
        parts = [("ITEM", -item.discount), ("SHIPPING", -item.shipping_discount)]
        out.append(("DISCOUNT", -item.discount - item.shipping_discount, [part for part in parts if part[1]]))
    return out


def _payment(order: Order) -> dict[str, Any]:
    execution: dict[str, Any] = {
        "paymentMethod": "Invoice" if order.is_business else "CreditCard",
        "paymentAmount": _money(order, order.total),
    }
    if order.payment_code:
        execution |= {
            "acquirerId": "SYNTHETIC-BANK",
            "cardBrand": "Examplecard",
            "authorizationCode": order.payment_code,
        }
    return {"paymentExecutions": [execution]}


def _tax(order: Order, may_see_buyer: bool) -> dict[str, Any]:
    registration: dict[str, Any] = {"entityType": "BUYER", "taxRegistrationType": "VAT"}
    if may_see_buyer:
        registration |= {
            "legalName": order.buyer.company,
            "taxRegistrationNumber": order.buyer.tax_number,
            "taxRegistrationAddress": _address(order.buyer, True),
        }
    return {"taxRegistrations": [registration]}


def _item(
    order: Order,
    state: Version,
    position: int,
    item: Item,
    priced: bool,
    sections: frozenset[str],
    roles: frozenset[str],
) -> dict[str, Any]:
    listing = item.listing
    product: dict[str, Any] = {
        "asin": listing.asin,
        "title": listing.title,
        "sellerSku": listing.sku,
        "condition": {"conditionType": "NEW", "conditionSubtype": "NEW"},
    }
    if priced:
        product["price"] = {"unitPrice": _money(order, item.unit_price)}
        if item.is_business_price:
            product["price"]["priceDesignation"] = "BUSINESS_PRICE"
    if item.customised_url and state.status != PENDING and "BUYER" in roles:
        product["customization"] = {"customizedUrl": item.customised_url}
    out: dict[str, Any] = {"orderItemId": item.item_id, "quantityOrdered": item.quantity, "product": product}
    if priced and "PROCEEDS" in sections:
        out["proceeds"] = _item_proceeds(order, item)
    if priced and "EXPENSE" in sections and order.market.country == "JP":
        points = item.goods // 100
        out["expense"] = {
            "pointsCost": {"pointsGranted": {"pointsNumber": points, "pointsMonetaryValue": _money(order, points)}}
        }
    if "PROMOTION" in sections and item.promotions:
        out["promotion"] = {"breakdowns": [{"promotionId": promotion} for promotion in item.promotions]}
    if "CANCELLATION" in sections and state.status == CANCELLED:
        out["cancellation"] = _cancellation(order, "BUYER" in roles)
    if "FULFILLMENT" in sections:
        out["fulfillment"] = _item_fulfillment(state, position, item, roles)
    if "TAX" in sections and (item.tax or item.shipping_tax) and priced:
        out["tax"] = {
            "taxCollections": [{"model": "MARKETPLACE_FACILITATOR", "responsibleParty": "Amazon Services, Inc."}]
        }
    return out


def _item_proceeds(order: Order, item: Item) -> dict[str, Any]:
    breakdowns = []
    for kind, amount, details in _breakdown(item):
        line: dict[str, Any] = {"type": kind, "subtotal": _money(order, amount)}
        if details:
            line["detailedBreakdowns"] = [
                {"subtype": subtype, "value": _money(order, value)} for subtype, value in details
            ]
        breakdowns.append(line)
    return {"proceedsTotal": _money(order, item.total), "breakdowns": breakdowns}


def _cancellation(order: Order, may_see_buyer: bool) -> dict[str, Any]:
    out: dict[str, Any] = {
        "cancellationExecution": {"cancelledBy": order.cancelled_by, "cancelReason": order.cancel_reason},
    }
    if order.cancel_request:
        request = {"requester": "BUYER"}
        if may_see_buyer:
            request["cancelReason"] = order.cancel_request
        out["cancellationRequest"] = request
    return out


def _item_fulfillment(state: Version, position: int, item: Item, roles: frozenset[str]) -> dict[str, Any]:
    shipped = state.shipped[position]
    out: dict[str, Any] = {
        "quantityFulfilled": shipped,
        "quantityUnfulfilled": 0 if state.status == CANCELLED else item.quantity - shipped,
    }
    if item.gift_message and state.status != PENDING:
        gift = {"giftWrapLevel": "Synthetic Classic"}
        if "BUYER" in roles:
            gift["giftMessage"] = item.gift_message
        out["packing"] = {"giftOption": gift}
    return out


def _packages(order: Order, state: Version, may_see_recipient: bool) -> list[dict[str, Any]]:
    out = []
    for parcel, (status, detail) in zip(order.parcels, state.parcel_states, strict=True):
        package: dict[str, Any] = {
            "packageReferenceId": str(parcel.number),
            "createdTime": instant(parcel.packed_at),
            "packageStatus": {"status": status, "detailedStatus": detail},
            "carrier": parcel.carrier,
            "shippingService": parcel.service,
            "shipFromAddress": {
                "name": "Synthetic Warehouse",
                "addressLine1": "1 Example Dock",
                "city": "Sampleton",
                "countryCode": order.market.country,
            },
            "packageItems": [
                {"orderItemId": order.items[position].item_id, "quantity": quantity}
                for position, quantity in parcel.contents
            ],
        }
        if status != "PENDING":
            package["shipTime"] = instant(parcel.shipped_at)
            if may_see_recipient:
                package["trackingNumber"] = parcel.tracking_number
        out.append(package)
    return out
