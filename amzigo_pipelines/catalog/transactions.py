"""The datasets of transactions: what Amazon books on a seller's account, and what each amount is made of.

Declarations only. Source: Amazon's public model finances_2024-06-19.

Paths of `transaction_breakdowns` that begin with `^` are read from the transaction, with `items[].` from the item and
with `breakdowns[].` from the node of the tree, however deep it is. Not stored: descriptions of items (the listing has
the title), names of stores, references of payments and invoices: free text and other people's numbers.
"""

from __future__ import annotations

from amzigo_pipelines.catalog.model import (
    BOOLEAN,
    INSTANT,
    INTEGER,
    MONEY,
    STRING,
    Column,
    Dataset,
    Reference,
    Source,
    business,
)

FINANCE_ROLE = "Finance and Accounting"

_SOURCE = Source(operation="listTransactions", lookback_days=2, role=FINANCE_ROLE)
_DAY = (
    "the UTC day on which Amazon posted the transaction: a region is asked at once, since asking by marketplace leaves "
    "transactions out"
)


def related(name: str) -> str:
    """The path of one of a transaction's related identifiers."""
    return f"relatedIdentifiers[relatedIdentifierName={name}].relatedIdentifierValue"


def product(name: str) -> str:
    """The path of a fact about the product that a transaction or an item is about."""
    return f"contexts[contextType=ProductContext].{name}"


_POSTED = business("posted_at", INSTANT, "When Amazon posted it (UTC).", "postedDate")
_MARKETPLACE = business(
    "marketplace_id",
    STRING,
    "Marketplace in which it occurred; null for what concerns the whole account.",
    "marketplaceDetails.marketplaceId",
)
_TYPE = business(
    "transaction_type", STRING, "Shipment, Refund, ServiceFee, Adjustment, Transfer, ...", "transactionType"
)
_STATUS = business(
    "status",
    STRING,
    "RELEASED counts. DEFERRED is held back; DEFERRED_RELEASED was, and is repeated by a transaction of its own that "
    "is RELEASED: adding both up would count twice.",
    "transactionStatus",
)
_ORDER = business("order_id", STRING, "Amazon's order identifier.", related("ORDER_ID"))
_GROUP = business(
    "financial_event_group_id",
    STRING,
    "What is settled together.",
    related("FINANCIAL_EVENT_GROUP_ID"),
)


TRANSACTIONS = Dataset(
    name="transactions",
    description="One row a transaction on the seller's account: payment of an order, refund, fee, transfer to a bank.",
    grain=("transaction_id",),
    source=_SOURCE,
    purpose="sales analysis, fees and profit, reconciliation of settlements",
    legal_basis="contract",
    partition_day=_DAY,
    columns=(
        business("transaction_id", STRING, "Amazon's identifier of the transaction.", "transactionId"),
        _POSTED,
        _MARKETPLACE,
        _TYPE,
        _STATUS,
        business("description", STRING, "Amazon's reason in words: Order Payment, Refund Order, ...", "description"),
        business("account_type", STRING, "Kind of account, as Standard Orders.", "sellingPartnerMetadata.accountType"),
        _ORDER,
        business("shipment_id", STRING, "Amazon's identifier of the parcel.", related("SHIPMENT_ID")),
        business("refund_id", STRING, "Amazon's identifier of the refund.", related("REFUND_ID")),
        _GROUP,
        business(
            "settlement_id",
            STRING,
            "The settlement, as in the settlement report, where Amazon says it.",
            related("SETTLEMENT_ID"),
        ),
        business("disbursement_id", STRING, "Amazon's payment to the bank.", related("DISBURSEMENT_ID")),
        business("transfer_id", STRING, "Amazon's identifier of the transfer.", related("TRANSFER_ID")),
        business(
            "deferred_transaction_id",
            STRING,
            "For a release: the transaction that was held back and that this one repeats.",
            related("DEFERRED_TRANSACTION_ID"),
        ),
        business(
            "release_transaction_id",
            STRING,
            "For what was held back: the transaction that released it. Known from the first night after it was due.",
            related("RELEASE_TRANSACTION_ID"),
        ),
        business(
            "deferral_reason", STRING, "Why it is held back: B2B, DD7, ...",
            "contexts[contextType=DeferredContext].deferralReason",
        ),
        business(
            "matures_at", INSTANT, "When what is held back is due (UTC).",
            "contexts[contextType=DeferredContext].maturityDate",
        ),
        business("asin", STRING, "Of what it is about as a whole, if it says so; see the items.", product("asin")),
        business("sku", STRING, "Of what it is about as a whole, if it says so; see the items.", product("sku")),
        business("item_count", INTEGER, "Items that it names; their amounts are in transaction_breakdowns."),
        business("currency", STRING, "ISO 4217 currency of the amounts.", "totalAmount.currencyCode"),
        business("total_amount", MONEY, "Positive in the seller's favour.", "totalAmount.currencyAmount"),
    ),
)  # fmt: skip


def _inherited(column: Column) -> Column:
    return business(column.name, column.type, column.description, f"^{column.source}")


TRANSACTION_BREAKDOWNS = Dataset(
    name="transaction_breakdowns",
    description=(
        "One row a node of the trees that say what a transaction is made of, its own and its items'. Rows that are no "
        "summary add up to the transaction's total."
    ),
    grain=("transaction_id", "item_index", "path"),
    source=_SOURCE,
    purpose="fees and profit, reconciliation of settlements",
    legal_basis="contract",
    partition_day=_DAY,
    references=(Reference(("transaction_id",), "transactions"),),
    columns=(
        business("transaction_id", STRING, "Amazon's identifier of the transaction.", "^transactionId"),
        business("item_index", INTEGER, "Which of the transaction's items, from 1; 0 for the transaction itself."),
        business(
            "path",
            STRING,
            "Types from the top of the tree, with slashes: AmazonFees/Commission/Base. A type that its parent has "
            "before already is counted: Base#2.",
        ),
        business("depth", INTEGER, "Length of the path, from 1."),
        business("breakdown_type", STRING, "Amazon's type of the amount.", "breakdowns[].breakdownType"),
        business(
            "is_summary",
            BOOLEAN,
            "True where other rows of the transaction hold the same amount in more detail: leave these out of sums.",
        ),
        business(
            "currency", STRING, "ISO 4217 currency of the amount.", "breakdowns[].breakdownAmount.currencyCode"
        ),
        business(
            "amount", MONEY, "Positive in the seller's favour.", "breakdowns[].breakdownAmount.currencyAmount"
        ),
        *map(_inherited, (_POSTED, _MARKETPLACE, _TYPE, _STATUS, _ORDER, _GROUP)),
        business("asin", STRING, "Amazon Standard Identification Number of the item.", f"items[].{product('asin')}"),
        business("sku", STRING, "The seller's own identifier of the item's listing.", f"items[].{product('sku')}"),
        business(
            "quantity", INTEGER, "Units of the item: don't add up, each row has them.",
            f"items[].{product('quantityShipped')}",
        ),
        business(
            "fulfillment_network", STRING, "AFN by Amazon, MFN by the merchant.",
            f"items[].{product('fulfillmentNetwork')}",
        ),
        business(
            "order_adjustment_item_id",
            STRING,
            "Amazon's identifier of a refunded item.",
            "items[].relatedIdentifiers[itemRelatedIdentifierName=ORDER_ADJUSTMENT_ITEM_ID].itemRelatedIdentifierValue",
        ),
    ),
)  # fmt: skip
