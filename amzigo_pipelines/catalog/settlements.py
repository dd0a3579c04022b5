"""The datasets of settlements: what Amazon paid out, every two weeks or so, and the lines it adds up from.

Declarations only. Source: the settlement report V2 as a flat file. Its header is English everywhere; its first line has
the totals, the columns of `settlements`, and all others are lines.
"""

from __future__ import annotations

from collections.abc import Mapping

from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.model import (
    DATE,
    INSTANT,
    INTEGER,
    MONEY,
    STRING,
    Dataset,
    Reference,
    Source,
    business,
    pii,
    unclassified,
)
from amzigo_pipelines.catalog.transactions import FINANCE_ROLE

SETTLEMENT_REPORT = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2"
SETTLEMENT_HISTORY_DAYS = 90
"""So far back Amazon lists reports."""

# A report appears up to some days after the settlement has ended, and now and then again.
_SOURCE = Source(operation="getReports", report_type=SETTLEMENT_REPORT, lookback_days=7, role=FINANCE_ROLE)
# A seller may put anything into them, a buyer's name included.
_OWN_NUMBERS = "order management: finding the order in the seller's own system (contract)"
_DAY = "the UTC day on which the settlement ended, whenever its report appeared"

_DOMAINS = {
    "US": "com", "CA": "ca", "MX": "com.mx", "BR": "com.br", "GB": "co.uk", "DE": "de", "FR": "fr", "IT": "it",
    "ES": "es", "NL": "nl", "BE": "com.be", "IE": "ie", "SE": "se", "PL": "pl", "TR": "com.tr", "SA": "sa", "AE": "ae",
    "EG": "eg", "ZA": "co.za", "IN": "in", "JP": "co.jp", "AU": "com.au", "SG": "sg",
}  # fmt: skip
MARKETPLACE_NAMES: Mapping[str, str] = {
    f"amazon.{_DOMAINS[m.country]}": m.marketplace_id for m in MARKETPLACES.values() if m.country in _DOMAINS
}
"""Marketplace ids by what the report calls them, in lower case. Others, as Non-Amazon, are none of Amazon's."""


SETTLEMENTS = Dataset(
    name="settlements",
    description="One row a settlement: what Amazon paid out for some two weeks in one currency.",
    grain=("settlement_id",),
    source=_SOURCE,
    purpose="reconciliation of settlements",
    legal_basis="contract",
    partition_day=_DAY,
    columns=(
        business("settlement_id", STRING, "Amazon's identifier of the settlement.", "settlement-id"),
        business("started_at", INSTANT, "First instant that it covers (UTC).", "settlement-start-date"),
        business("ended_at", INSTANT, "Where it ends (UTC).", "settlement-end-date"),
        business("deposited_at", INSTANT, "When the money went to the bank (UTC); may be missing.", "deposit-date"),
        business("currency", STRING, "ISO 4217 currency of all amounts.", "currency"),
        business("total_amount", MONEY, "Paid out; negative where the seller owes Amazon.", "total-amount"),
        business("line_count", INTEGER, "Lines of settlement_lines that belong to it."),
        business("lines_amount", MONEY, "What the lines add up to: the total, or Amazon's report contradicts itself."),
        business("report_id", STRING, "Amazon's report that told of it; the latest where there are several."),
        business("reported_at", INSTANT, "When Amazon made that report (UTC)."),
    ),
)


SETTLEMENT_LINES = Dataset(
    name="settlement_lines",
    description="One row a line of a settlement: one amount of one transaction.",
    grain=("settlement_id", "line_number"),
    source=_SOURCE,
    purpose="fees and profit, reconciliation of settlements",
    legal_basis="contract",
    partition_day=_DAY,
    references=(Reference(("settlement_id",), "settlements"),),
    columns=(
        business("settlement_id", STRING, "Amazon's identifier of the settlement.", "settlement-id"),
        business("line_number", INTEGER, "Place in the report, from 1; the totals are not counted."),
        business("currency", STRING, "ISO 4217 currency of the amount, from the totals."),
        business("transaction_type", STRING, "Order, Refund, other-transaction, ...", "transaction-type"),
        business("order_id", STRING, "Amazon's order identifier.", "order-id"),
        pii("merchant_order_id", STRING, "The seller's own number of the order.", "merchant-order-id", _OWN_NUMBERS),
        business("adjustment_id", STRING, "Amazon's identifier of the adjustment.", "adjustment-id"),
        business("shipment_id", STRING, "Amazon's identifier of the parcel.", "shipment-id"),
        business("marketplace_name", STRING, "Amazon.com, Amazon.de, Non-Amazon, ...", "marketplace-name"),
        business("marketplace_id", STRING, "The marketplace of that name; null where it is none of Amazon's."),
        business("amount_type", STRING, "ItemPrice, ItemFees, Promotion, ...", "amount-type"),
        business("amount_description", STRING, "Principal, Commission, ...", "amount-description"),
        business("amount", MONEY, "Positive in the seller's favour.", "amount"),
        business("fulfillment_id", STRING, "AFN by Amazon, MFN by the merchant.", "fulfillment-id"),
        business("posted_on", DATE, "Day on which it was posted, as the report has it.", "posted-date"),
        business("posted_at", INSTANT, "When it was posted (UTC).", "posted-date-time"),
        business("order_item_id", STRING, "Amazon's identifier of the order item.", "order-item-code"),
        pii(
            "merchant_order_item_id",
            STRING,
            "The seller's own number of the item.",
            "merchant-order-item-id",
            _OWN_NUMBERS,
        ),
        pii(
            "merchant_adjustment_item_id",
            STRING,
            "The seller's own number of the adjusted item.",
            "merchant-adjustment-item-id",
            _OWN_NUMBERS,
        ),
        business("sku", STRING, "The seller's own identifier of the listing.", "sku"),
        business("quantity", INTEGER, "Units: don't add up, each line of an item has them.", "quantity-purchased"),
        business("promotion_id", STRING, "The promotion.", "promotion-id"),
        unclassified(),
    ),
)
