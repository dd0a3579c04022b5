"""The datasets of returns: to Amazon's warehouses, and to the seller's own. Declarations only.

What a buyer writes when returning is personal. A return comes after the delivery, so its own date proves nothing: the
clock is the order's, and where the order is not known, the buyer's words are not stored.
"""

from __future__ import annotations

from amzigo_pipelines.catalog.model import (
    DATE,
    FROM_ORDER,
    INSTANT,
    INTEGER,
    MONEY,
    STRING,
    Dataset,
    ReportShape,
    Source,
    business,
    pii,
    unclassified,
)

_LEARN = "order management: handling the return (contract)"
# Amazon adds to a return for as long as it is handled.
_LOOKBACK_DAYS = 30


FBA_RETURNS = Dataset(
    name="fba_returns",
    description="One row a unit that a buyer sent back to Amazon.",
    grain=("marketplace_id", "returned_at", "order_id", "sku", "occurrence"),
    source=Source(
        operation="createReport",
        report_type="GET_FBA_FULFILLMENT_CUSTOMER_RETURNS_DATA",
        lookback_days=_LOOKBACK_DAYS,
        role="Amazon Fulfillment",
        report=ReportShape(day_column="returned_at", pii_from=(FROM_ORDER,)),
    ),
    purpose="sales analysis, inventory tracking",
    legal_basis="contract",
    partition_day="the marketplace's local day of the return",
    columns=(
        business("marketplace_id", STRING, "Marketplace that was asked.", "@marketplace_id"),
        business("returned_at", INSTANT, "When Amazon received it (UTC).", "return-date"),
        business("order_id", STRING, "Amazon's order identifier.", "order-id"),
        business("sku", STRING, "The seller's own identifier of the listing.", "sku"),
        business("license_plate_number", STRING, "Amazon's number of the unit.", "license-plate-number"),
        business(
            "occurrence", INTEGER, "Counts lines that are alike in all of this, from 1.", "@occurrence", at_least=0
        ),
        business("asin", STRING, "Amazon Standard Identification Number.", "asin"),
        business("fn_sku", STRING, "Amazon's identifier of the SKU in its fulfilment network.", "fnsku"),
        business("title", STRING, "Product title.", "product-name"),
        business("units", INTEGER, "Units.", "quantity", at_least=0),
        business("fulfillment_center", STRING, "Warehouse that received it.", "fulfillment-center-id"),
        business("disposition", STRING, "State in which it came: SELLABLE, DEFECTIVE, ...", "detailed-disposition"),
        business("reason", STRING, "Amazon's code of the buyer's reason.", "reason"),
        business("status", STRING, "What became of it.", "status"),
        pii("customer_comments", STRING, "What the buyer wrote.", "customer-comments", _LEARN),
        unclassified(),
    ),
)


MERCHANT_RETURNS = Dataset(
    name="merchant_returns",
    description="One row an item of a return to the seller's own address.",
    grain=("marketplace_id", "requested_on", "order_id", "sku", "occurrence"),
    source=Source(
        operation="createReport",
        report_type="GET_FLAT_FILE_RETURNS_DATA_BY_RETURN_DATE",
        lookback_days=_LOOKBACK_DAYS,
        report=ReportShape(day_column="requested_on", pii_from=(FROM_ORDER, "ordered_on")),
    ),
    purpose="sales analysis, order management",
    legal_basis="contract",
    partition_day="the marketplace's local day on which the return was asked for",
    columns=(
        business("marketplace_id", STRING, "Marketplace that was asked.", "@marketplace_id"),
        business("requested_on", DATE, "Day on which the buyer asked for the return.", "Return request date"),
        business("order_id", STRING, "Amazon's order identifier.", "Order ID"),
        business("sku", STRING, "The seller's own identifier of the listing.", "Merchant SKU"),
        business("amazon_rma_id", STRING, "Amazon's number of the return.", "Amazon RMA ID"),
        business(
            "occurrence", INTEGER, "Counts lines that are alike in all of this, from 1.", "@occurrence", at_least=0
        ),
        business("ordered_on", DATE, "Day of the order.", "Order date"),
        business("status", STRING, "State of the request.", "Return request status"),
        business("merchant_rma_id", STRING, "The seller's number of the return.", "Merchant RMA ID"),
        business("label_type", STRING, "Kind of return label.", "Label type"),
        business("label_cost", MONEY, "Cost of the label.", "Label cost"),
        business("currency", STRING, "ISO 4217 currency of the amounts.", "Currency code"),
        business("carrier", STRING, "Carrier of the return.", "Return carrier"),
        business("label_paid_by", STRING, "Who pays for the label.", "Label to be paid by"),
        business("a_to_z_claim", STRING, "Whether an A-to-z claim was made.", "A-to-Z Claim"),
        business("is_prime", STRING, "Whether the order was a Prime one.", "Is prime"),
        business("asin", STRING, "Amazon Standard Identification Number.", "ASIN"),
        business("title", STRING, "Product title.", "Item Name"),
        business("units", INTEGER, "Units.", "Return quantity", at_least=0),
        business("reason", STRING, "Amazon's code of the buyer's reason.", "Return Reason"),
        business("in_policy", STRING, "Whether Amazon's policy covers it.", "In policy"),
        business("return_type", STRING, "Kind of return.", "Return type"),
        business("resolution", STRING, "How it was resolved.", "Resolution"),
        business("delivered_on", DATE, "Day on which it came back.", "Return delivery date"),
        business("order_amount", MONEY, "Amount of the order.", "Order Amount"),
        business("order_units", INTEGER, "Units of the order.", "Order quantity", at_least=0),
        business("refunded_amount", MONEY, "Amount refunded.", "Refunded Amount"),
        business("safe_t_reason", STRING, "Why a SAFE-T claim was made.", "SafeT Action reason"),
        business("safe_t_claim_id", STRING, "Number of the SAFE-T claim.", "SafeT claim id"),
        business("safe_t_state", STRING, "State of the SAFE-T claim.", "SafeT claim state"),
        business("safe_t_created_on", DATE, "Day of the SAFE-T claim.", "SafeT claim creation time"),
        business("safe_t_amount", MONEY, "Amount of the SAFE-T claim.", "SafeT claim reimbursement amount"),
        pii("tracking_number", STRING, "Tracking number of the return.", "Tracking ID", _LEARN),
        pii("invoice_number", STRING, "Number of the buyer's invoice.", "Invoice number", _LEARN),
        unclassified(),
    ),
)
