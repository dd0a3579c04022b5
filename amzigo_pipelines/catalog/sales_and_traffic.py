"""The datasets of sales and traffic: what was ordered and how many looked, by day and by SKU. Declarations only.

From Data Kiosk's `analytics_salesAndTraffic_2024_04_24`; the fields that are asked for are the sources of the columns.
Data Kiosk is preferred to the report of the same name, of which Amazon makes one in 15 minutes for a whole application.

Amazon tells of a day once it is over, some hours later, and restates it: late visits are added for up to 72 hours, what
is cancelled is taken off for days. A query by day spans 31 days at the price of one. One by SKU sums up its whole
window, so it is asked for each day, and Amazon takes 15 queries at once: hence the shorter look-back.
"""

from __future__ import annotations

from datetime import timedelta

from amzigo_pipelines.catalog.model import (
    DATE,
    INTEGER,
    MONEY,
    RATIO,
    STRING,
    Column,
    Dataset,
    QueryShape,
    ReportShape,
    Source,
    business,
)

SCHEMA = "analytics_salesAndTraffic_2024_04_24"
# Every operation of Data Kiosk wants it. Source: "Roles for the Data Kiosk API" in Amazon's documentation.
_ROLE = "Brand Analytics"
_PURPOSE = "sales and traffic analysis"
_PARTITION_DAY = "the marketplace's local day on which it was ordered and looked at"


def _source(view: str, aggregate_by: str, window_days: int, lookback_days: int) -> Source:
    query = QueryShape(SCHEMA, view, aggregate_by)
    return Source(
        operation="createQuery",
        report_type=query.name,
        lookback_days=lookback_days,
        window_days=window_days,
        role=_ROLE,
        report=ReportShape(day_column="happened_on", is_for_account=True, query=query),
        expected_within=timedelta(hours=12),
    )


def _count(name: str, what: str, source: str) -> tuple[Column, Column]:
    return (
        business(name, INTEGER, f"{what}.", source),
        business(f"{name}_b2b", INTEGER, f"{what}, of business customers; null if not told.", f"{source}B2B"),
    )


def _percentage(name: str, what: str, source: str) -> tuple[Column, Column]:
    return (
        business(name, RATIO, f"{what}, 0 to 100.", source),
        business(f"{name}_b2b", RATIO, f"{what}, of business customers; null if not told.", f"{source}B2B"),
    )


def _amount(name: str, what: str, source: str) -> tuple[Column, Column]:
    return (
        business(name, MONEY, f"{what}.", f"{source}.amount"),
        business(
            f"{name}_b2b",
            MONEY,
            f"{what}, of business customers; null if not told.",
            f"{source}B2B.amount",
        ),
    )


_WHEN_AND_WHERE = (
    business("happened_on", DATE, "Local day of the marketplace.", "startDate"),
    business("marketplace_id", STRING, "Marketplace.", "marketplaceId"),
)

_SALES = (
    business("currency", STRING, "ISO 4217 currency of all amounts.", "sales.orderedProductSales.currencyCode"),
    *_amount(
        "ordered_product_sales",
        "Price times units of what was ordered that day, without tax and shipping",
        "sales.orderedProductSales",
    ),
    *_count("units_ordered", "Units ordered", "sales.unitsOrdered"),
    *_count("order_items", "Order items", "sales.totalOrderItems"),
    *_count("orders_shipped", "Orders shipped that day", "sales.ordersShipped"),
    *_count("units_shipped", "Units shipped that day", "sales.unitsShipped"),
    *_amount("shipped_product_sales", "Price times units of what was shipped that day", "sales.shippedProductSales"),
    *_count("units_refunded", "Units refunded that day", "sales.unitsRefunded"),
    *_percentage("refund_rate", "Units refunded for units ordered", "sales.refundRate"),
)

_TRAFFIC = (
    *_count("sessions", "Visits within 24 hours of the browser and the app", "traffic.sessions"),
    *_count("browser_sessions", "Visits by browser", "traffic.browserSessions"),
    *_count("mobile_app_sessions", "Visits by app", "traffic.mobileAppSessions"),
    *_count("page_views", "Pages looked at", "traffic.pageViews"),
    *_count("browser_page_views", "Pages looked at by browser", "traffic.browserPageViews"),
    *_count("mobile_app_page_views", "Pages looked at by app", "traffic.mobileAppPageViews"),
    *_percentage(
        "featured_offer_percentage",
        "Page views on which the featured offer (buy box) was the seller's",
        "traffic.buyBoxPercentage",
    ),
    *_percentage("unit_session_percentage", "Units ordered for visits", "traffic.unitSessionPercentage"),
)

SALES_AND_TRAFFIC_DAILY = Dataset(
    name="sales_and_traffic_daily",
    description="One row a local day and marketplace: what was ordered, shipped and refunded, visits and page views.",
    grain=("happened_on", "marketplace_id"),
    source=_source("salesAndTrafficByDate", "DAY", window_days=31, lookback_days=30),
    purpose=_PURPOSE,
    legal_basis="contract",
    partition_day=_PARTITION_DAY,
    columns=(
        *_WHEN_AND_WHERE,
        *_SALES,
        *_count("claims_granted", "A-to-z guarantee claims granted", "sales.claimsGranted"),
        *_amount("claims_amount", "What they cost", "sales.claimsAmount"),
        *_TRAFFIC,
        *_percentage("order_item_session_percentage", "Order items for visits", "traffic.orderItemSessionPercentage"),
        business("average_offer_count", INTEGER, "Offers listed.", "traffic.averageOfferCount"),
        business("average_parent_items", INTEGER, "Parent products listed.", "traffic.averageParentItems"),
        *_count("feedback_received", "Buyers' feedback", "traffic.feedbackReceived"),
        *_count("negative_feedback_received", "Buyers' negative feedback", "traffic.negativeFeedbackReceived"),
        *_percentage(
            "received_negative_feedback_rate", "Negative feedback for orders", "traffic.receivedNegativeFeedbackRate"
        ),
    ),
)

SALES_AND_TRAFFIC_BY_SKU = Dataset(
    name="sales_and_traffic_by_sku",
    description=(
        "One row a local day, marketplace and SKU that was ordered or looked at. Sales, units and page views add up to "
        "the day's; visits don't, for one visit may look at several SKUs."
    ),
    grain=("happened_on", "marketplace_id", "parent_asin", "child_asin", "sku"),
    source=_source("salesAndTrafficByAsin", "SKU", window_days=1, lookback_days=7),
    purpose=_PURPOSE,
    legal_basis="contract",
    partition_day=_PARTITION_DAY,
    columns=(
        *_WHEN_AND_WHERE,
        business("parent_asin", STRING, "ASIN of the parent product.", "parentAsin"),
        business("child_asin", STRING, "ASIN of the product.", "childAsin"),
        business("sku", STRING, "The seller's SKU.", "sku"),
        *_SALES,
        *_TRAFFIC,
        *_percentage("session_percentage", "Visits that looked at it, of all visits", "traffic.sessionPercentage"),
        *_percentage("page_views_percentage", "Its page views, of all page views", "traffic.pageViewsPercentage"),
    ),
)
