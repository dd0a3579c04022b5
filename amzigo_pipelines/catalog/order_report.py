"""The report of all orders by last update: its columns, and what its words mean in terms of the Orders API.

Belongs here: facts about the report. Does not belong here: from lines to rows (`assets/extraction/order_lines.py`).

Its rows go into the datasets `orders` and `order_items`, which have one schema whichever way they come. The report says
less than the API: nothing of buyers but the postal code and the purchase order number, no promised times, no parcels,
no condition of the product, not who cancelled. These columns are null in rows that came this way. Which order another
one replaces it says in some accounts only; see `assets/extraction/replacements.py`.

Source: "Order reports" in Amazon's report type values, and its models of Orders 2026-01-01.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

REPORT_TYPE = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL"
MOST_DAYS = 30
"""More days in one report make it DONE with a sentence instead of a table, or empty."""
COOLDOWN = timedelta(minutes=30)

REQUIRED = ("amazon-order-id", "purchase-date", "last-updated-date", "order-status", "sku", "quantity")
"""Without one of these a line can't be told from another, or has no day, status or units."""
USED = (
    *REQUIRED,
    "order-item-id",
    "fulfillment-channel",
    "sales-channel",
    "ship-service-level",
    "product-name",
    "asin",
    "item-status",
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
    "is-business-order",
    "purchase-order-number",
    "price-designation",
    "is-replacement-order",
    "original-order-id",
)
OPTIONAL = frozenset({"order-item-id", "is-replacement-order", "original-order-id"})
"""Columns that Amazon gives in some accounts and not in others; their absence is no drift."""
LEFT_OUT = (
    "merchant-order-id",
    "order-channel",
    "url",
    "cpf",
    "signature-confirmation-recommended",
    "buyer-company-name",
    "customized-url",
    "customized-page",
    "is-heavy-or-bulky",
    "is-exchange-order",
    "fulfilled-by",
    "buyer-tax-registration-id",
    "buyer-tax-registration-country",
    "buyer-tax-registration-type",
)
"""Columns that are known and not stored: tax registrations are never kept, of the others nothing is made here."""

STATUSES: Mapping[str, str] = {
    "Pending": "PENDING",
    "Pending - Waiting for Pick Up": "PENDING",
    "Unshipped": "UNSHIPPED",
    "Shipping": "PARTIALLY_SHIPPED",
    "Shipped": "SHIPPED",
    "Shipped - Delivered to Buyer": "SHIPPED",
    "Shipped - Returned to Seller": "SHIPPED",
    "Shipped - Returning to Seller": "SHIPPED",
    "Shipped - Rejected by Buyer": "SHIPPED",
    "Shipped - Undeliverable": "SHIPPED",
    "Shipped - Lost in Transit": "SHIPPED",
    "Shipped - Damaged": "SHIPPED",
    "Shipped - Picked Up": "SHIPPED",
    "Shipped - Out for Delivery": "SHIPPED",
    "Cancelled": "CANCELLED",
}
"""`FulfillmentStatus` for each `order-status`. Another word is an error: the status decides when personal data dies."""
FULFILLED_BY: Mapping[str, str] = {"Amazon": "AMAZON", "Merchant": "MERCHANT"}

NON_AMAZON = "Non-Amazon"
SALES_CHANNELS: Mapping[str, str] = {
    "Amazon.com": "US",
    "Amazon.ca": "CA",
    "Amazon.com.mx": "MX",
    "Amazon.com.br": "BR",
    "Amazon.co.uk": "GB",
    "Amazon.de": "DE",
    "Amazon.fr": "FR",
    "Amazon.it": "IT",
    "Amazon.es": "ES",
    "Amazon.nl": "NL",
    "Amazon.com.be": "BE",
    "Amazon.ie": "IE",
    "Amazon.se": "SE",
    "Amazon.pl": "PL",
    "Amazon.com.tr": "TR",
    "Amazon.sa": "SA",
    "Amazon.ae": "AE",
    "Amazon.eg": "EG",
    "Amazon.co.za": "ZA",
    "Amazon.in": "IN",
    "Amazon.co.jp": "JP",
    "Amazon.com.au": "AU",
    "Amazon.sg": "SG",
}
"""Country of the marketplace for each `sales-channel`; one that begins with `Non-Amazon` is a shop elsewhere."""
