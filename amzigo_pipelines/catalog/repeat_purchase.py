"""The dataset `repeat_purchase`: products that are bought again, from Amazon's Brand Analytics. Declarations only.

Amazon counts whole weeks (Sunday to Saturday), months and quarters; weeks are what is fetched. It counts customers and
names none. Only brand owners have it.
"""

from __future__ import annotations

from amzigo_pipelines.catalog.model import (
    DATE,
    INTEGER,
    MONEY,
    RATIO,
    STRING,
    Dataset,
    ReportShape,
    Source,
    business,
)

REPEAT_PURCHASE = Dataset(
    name="repeat_purchase",
    description=(
        "One row an ASIN, marketplace and week: orders, customers, and the share of those who had bought it before. "
        "Rows stand in the partition of the week's last day, a Saturday; the other days have none."
    ),
    grain=("marketplace_id", "asin", "week_ends_on"),
    source=Source(
        operation="createReport",
        report_type="GET_BRAND_ANALYTICS_REPEAT_PURCHASE_REPORT",
        # Amazon has a week's figures some days after its end.
        lookback_days=8,
        role="Brand Analytics",
        needs_brand=True,
        report=ReportShape(
            day_column="week_ends_on",
            options=(("reportPeriod", "WEEK"),),
            records="dataByAsin",
            is_weekly=True,
        ),
    ),
    purpose="product analysis",
    legal_basis="contract",
    partition_day="the last day of the week in the marketplace, a Saturday; nothing is asked for on other days",
    columns=(
        business("marketplace_id", STRING, "Marketplace that was asked.", "@marketplace_id"),
        business("asin", STRING, "Amazon Standard Identification Number.", "asin"),
        business("week_starts_on", DATE, "First day of the week, a Sunday.", "startDate"),
        business("week_ends_on", DATE, "Last day of the week, a Saturday.", "endDate"),
        business("orders", INTEGER, "Orders that contain the ASIN.", "orders"),
        business("customers", INTEGER, "Different customers who ordered it.", "uniqueCustomers"),
        business(
            "repeat_customer_share",
            RATIO,
            "Share of these customers that had bought it before, 0 to 1.",
            "repeatCustomersPctTotal",
        ),
        business("currency", STRING, "ISO 4217 currency of the revenue.", "repeatPurchaseRevenue.currencyCode"),
        business(
            "repeat_revenue",
            MONEY,
            "Ordered revenue from repeat customers; returns are not taken off.",
            "repeatPurchaseRevenue.amount",
        ),
        business(
            "repeat_revenue_share",
            RATIO,
            "Share of that revenue in the ASIN's whole revenue, 0 to 1.",
            "repeatPurchaseRevenuePctTotal",
        ),
    ),
)
