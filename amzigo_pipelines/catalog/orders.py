"""The dataset `orders`: one row an order, from `searchOrders`. Declarations only.

TAX, PAYMENT, EXPENSE and FULFILLMENT_ORDERS are never asked for: nothing here needs a buyer's tax registration or
payment authorisation, and what is not asked for can't leak.
"""

from __future__ import annotations

from amzigo_pipelines.catalog.model import INSTANT, INTEGER, MONEY, STRING, Dataset, Source, business, pii, pseudonym

_LINK = "linking orders with buyers (contract)"
_TRACK = "tracking fulfilment (contract)"
_ADDRESS = "recipient.deliveryAddress"


def subtotal(kind: str) -> str:
    """Path of the subtotal of one kind of proceeds (`ITEM`, `TAX`, ...), of an order as of an item."""
    return f"proceeds.breakdowns[type={kind}].subtotal.amount"


# `FulfillmentStatus` of Amazon's model orders_2026-01-01.
FULFILLMENT_STATUSES = (
    "PENDING_AVAILABILITY",
    "PENDING",
    "UNSHIPPED",
    "PARTIALLY_SHIPPED",
    "SHIPPED",
    "CANCELLED",
    "UNFULFILLABLE",
)

ORDERS = Dataset(
    name="orders",
    description="One row an order: its newest version within the partition's day, from Amazon's Orders API 2026-01-01.",
    grain=("order_id",),
    source=Source(operation="searchOrders"),
    purpose="sales analysis, order management, tracking fulfilment",
    legal_basis="contract",
    partition_day="the UTC day of the order's last update",
    columns=(
        business("order_id", STRING, "Amazon's order identifier.", "orderId"),
        business("marketplace_id", STRING, "Marketplace in which the order was placed.", "salesChannel.marketplaceId"),
        business("sales_channel", STRING, "AMAZON or NON_AMAZON.", "salesChannel.channelName"),
        business("created_at", INSTANT, "When the buyer placed the order (UTC).", "createdTime"),
        business(
            "last_updated_at", INSTANT, "When Amazon or the seller last changed the order (UTC).", "lastUpdatedTime"
        ),
        business(
            "status",
            STRING,
            "Fulfilment status, from PENDING to SHIPPED or CANCELLED.",
            "fulfillment.fulfillmentStatus",
            one_of=FULFILLMENT_STATUSES,
        ),
        business(
            "fulfilled_by",
            STRING,
            "AMAZON (FBA) or MERCHANT.",
            "fulfillment.fulfilledBy",
            one_of=("AMAZON", "MERCHANT"),
        ),
        business(
            "service_level", STRING, "Shipping speed that the buyer chose.", "fulfillment.fulfillmentServiceLevel"
        ),
        business(
            "programs",
            STRING,
            "Amazon's programmes for the order (PRIME, AMAZON_BUSINESS, ...), comma-separated.",
            "programs[]",
        ),
        business(
            "replaced_order_id",
            STRING,
            "The order that this one replaces free of charge.",
            "associatedOrders[associationType=REPLACEMENT_ORIGINAL_ID].orderId",
        ),
        business(
            "ship_by_earliest_at",
            INSTANT,
            "Start of the window to ship in (UTC).",
            "fulfillment.shipByWindow.earliestDateTime",
        ),
        business(
            "ship_by_latest_at",
            INSTANT,
            "End of the window to ship in: the promise (UTC).",
            "fulfillment.shipByWindow.latestDateTime",
        ),
        business(
            "deliver_by_earliest_at",
            INSTANT,
            "Start of the promised delivery window (UTC).",
            "fulfillment.deliverByWindow.earliestDateTime",
        ),
        business(
            "deliver_by_latest_at",
            INSTANT,
            "End of the promised delivery window (UTC).",
            "fulfillment.deliverByWindow.latestDateTime",
        ),
        business(
            "currency",
            STRING,
            "ISO 4217 currency of the order's amounts; null while pending.",
            "proceeds.grandTotal.currencyCode",
        ),
        business("grand_total", MONEY, "What the buyer pays; null while pending.", "proceeds.grandTotal.amount"),
        business("item_amount", MONEY, "Price x units of all items, without tax.", subtotal("ITEM")),
        business("shipping_amount", MONEY, "Shipping charged, without tax.", subtotal("SHIPPING")),
        business("gift_wrap_amount", MONEY, "Gift wrapping charged, without tax.", subtotal("GIFT_WRAP")),
        business("tax_amount", MONEY, "Tax of all charges.", subtotal("TAX")),
        business("discount_amount", MONEY, "Discounts as Amazon states them.", subtotal("DISCOUNT")),
        business("other_amount", MONEY, "Other charges.", subtotal("OTHER")),
        business("ship_city", STRING, "City of delivery.", f"{_ADDRESS}.city"),
        business("ship_state", STRING, "State or region of delivery.", f"{_ADDRESS}.stateOrRegion"),
        business("ship_country", STRING, "Country of delivery, ISO 3166-1 alpha-2.", f"{_ADDRESS}.countryCode"),
        business("package_count", INTEGER, "Packages known to Amazon.", at_least=0),
        business("carriers", STRING, "Carriers of the packages, comma-separated.", "packages[].carrier"),
        business(
            "package_statuses", STRING, "Status of each package, comma-separated.", "packages[].packageStatus.status"
        ),
        business("first_shipped_at", INSTANT, "Ship time of the first package (UTC)."),
        business("last_shipped_at", INSTANT, "Ship time of the last package (UTC)."),
        business("item_count", INTEGER, "Order items (lines).", at_least=0),
        business("units_ordered", INTEGER, "Units over all items.", at_least=0),
        pseudonym(
            "buyer_key",
            STRING,
            "HMAC-SHA256 of the lower-cased buyer e-mail under the seller's own key; "
            "null where Amazon gives no e-mail.",
        ),
        pseudonym("postal_area", STRING, "Coarse postal area: the first part of the postal code."),
        pii("buyer_email", STRING, "Buyer's e-mail alias at Amazon.", "buyer.buyerEmail", _LINK),
        pii("buyer_name", STRING, "Buyer's name.", "buyer.buyerName", _LINK),
        pii("buyer_company_name", STRING, "Buyer's company.", "buyer.buyerCompanyName", _LINK),
        pii("purchase_order_number", STRING, "Buyer's own order number.", "buyer.buyerPurchaseOrderNumber", _LINK),
        pii("recipient_name", STRING, "Name on the parcel.", f"{_ADDRESS}.name", _TRACK),
        pii("recipient_company_name", STRING, "Company on the parcel.", f"{_ADDRESS}.companyName", _TRACK),
        pii("address_line_1", STRING, "First address line.", f"{_ADDRESS}.addressLine1", _TRACK),
        pii("address_line_2", STRING, "Second address line.", f"{_ADDRESS}.addressLine2", _TRACK),
        pii("address_line_3", STRING, "Third address line.", f"{_ADDRESS}.addressLine3", _TRACK),
        pii("district_or_county", STRING, "District or county.", f"{_ADDRESS}.districtOrCounty", _TRACK),
        pii("municipality", STRING, "Municipality.", f"{_ADDRESS}.municipality", _TRACK),
        pii("postal_code", STRING, "Full postal code.", f"{_ADDRESS}.postalCode", _TRACK),
        pii("phone", STRING, "Recipient's phone.", f"{_ADDRESS}.phone", _TRACK),
        pii(
            "street_name",
            STRING,
            "Street, where the address is split up (Brazil).",
            f"{_ADDRESS}.extendedFields.streetName",
            _TRACK,
        ),
        pii(
            "street_number", STRING, "House number, where split up.", f"{_ADDRESS}.extendedFields.streetNumber", _TRACK
        ),
        pii(
            "complement",
            STRING,
            "Addition to the address, where split up.",
            f"{_ADDRESS}.extendedFields.complement",
            _TRACK,
        ),
        pii(
            "neighborhood", STRING, "Neighbourhood, where split up.", f"{_ADDRESS}.extendedFields.neighborhood", _TRACK
        ),
        pii(
            "drop_off_location",
            STRING,
            "Where to leave the parcel.",
            "recipient.deliveryPreference.dropOffLocation",
            _TRACK,
        ),
        pii(
            "delivery_instructions",
            STRING,
            "Buyer's instructions to the carrier.",
            "recipient.deliveryPreference.addressInstruction",
            _TRACK,
        ),
        pii(
            "tracking_numbers",
            STRING,
            "Tracking numbers of the packages, comma-separated.",
            "packages[].trackingNumber",
            _TRACK,
        ),
    ),
)
