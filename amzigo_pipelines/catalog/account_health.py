"""The dataset `account_health`: the seller's performance against Amazon's limits. Declarations only.

Amazon's documents write the pre-fulfilment cancellation rate in two ways; both are read.
"""

from __future__ import annotations

from datetime import timedelta

from amzigo_pipelines.catalog.model import (
    INSTANT,
    INTEGER,
    RATIO,
    STRING,
    Column,
    Dataset,
    ReportShape,
    Source,
    business,
)


def _rate(name: str, what: str, *paths: str) -> tuple[Column, Column, Column]:
    def source(leaf: str) -> str:
        return "|".join(f"{path}.{leaf}" for path in paths)

    return (
        business(name, RATIO, f"The {what}, 0 to 1.", source("rate")),
        business(f"{name}_limit", RATIO, f"Amazon's limit for the {what}.", source("targetValue")),
        business(f"{name}_status", STRING, f"Amazon's verdict on the {what}.", source("status")),
    )


def _count(name: str, path: str) -> Column:
    return business(name, INTEGER, f"Open {name.replace('_', ' ')}.", f"{path}.defectsCount")


ACCOUNT_HEALTH = Dataset(
    name="account_health",
    description="One row a marketplace: performance rates, limits, policy violations, a snapshot of the day's close.",
    grain=("marketplace_id",),
    source=Source(
        operation="createReport",
        report_type="GET_V2_SELLER_PERFORMANCE_REPORT",
        is_snapshot=True,
        role="Selling Partner Insights",
        report=ReportShape(records="performanceMetrics", cooldown=timedelta(minutes=30)),
    ),
    purpose="account performance",
    legal_basis="contract",
    partition_day="the day whose closing state it is: the report is asked for on that day or the day after",
    columns=(
        business("marketplace_id", STRING, "Marketplace that was asked.", "@marketplace_id"),
        business("taken_at", INSTANT, "When the report was asked for (UTC).", "@taken_at"),
        business("account_status", STRING, "State of the account in the marketplace.", "^accountStatuses[].status"),
        business(
            "account_health_rating_status",
            STRING,
            "Amazon's verdict on the account as a whole.",
            "accountHealthRating.accountHealthRatingStatus",
        ),
        *_rate("order_defect_rate_afn", "order defect rate of orders that Amazon ships", "orderDefectRate.afn"),
        *_rate("order_defect_rate_mfn", "order defect rate of orders that the seller ships", "orderDefectRate.mfn"),
        *_rate("late_shipment_rate", "late shipment rate", "lateShipmentRate"),
        *_rate(
            "cancellation_rate",
            "pre-fulfilment cancellation rate",
            "preFulfillmentCancellationRate",
            "preFulfillmentCancelRate",
        ),
        *_rate("valid_tracking_rate", "valid tracking rate", "validTrackingRate"),
        *_rate("on_time_delivery_rate", "on-time delivery rate", "onTimeDeliveryRate"),
        *_rate("invoice_defect_rate", "invoice defect rate", "invoiceDefectRate"),
        _count("listing_policy_violations", "listingPolicyViolations"),
        _count("product_authenticity_customer_complaints", "productAuthenticityCustomerComplaints"),
        _count("product_condition_customer_complaints", "productConditionCustomerComplaints"),
        _count("product_safety_customer_complaints", "productSafetyCustomerComplaints"),
        _count("received_intellectual_property_complaints", "receivedIntellectualPropertyComplaints"),
        _count("restricted_product_policy_violations", "restrictedProductPolicyViolations"),
        _count("suspected_intellectual_property_violations", "suspectedIntellectualPropertyViolations"),
        _count("food_and_product_safety_issues", "foodAndProductSafetyIssues"),
        _count("other_policy_violations", "otherPolicyViolations"),
        _count("document_requests", "documentRequests"),
    ),
)
