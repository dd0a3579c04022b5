"""The dataset `sales_metrics`: Amazon's own sums of orders a day, to check ours against. Declarations only.

Orders are counted for the day they were placed, by the Sales API, which counts them anew whenever it is asked: what is
cancelled weeks later is taken off weeks later. One request spans 31 days, so looking back 30 days costs none more.
"""

from __future__ import annotations

from amzigo_pipelines.catalog.model import DATE, INTEGER, MONEY, STRING, Column, Dataset, Source, business

# By prefix of the columns: what it says, and Amazon's filter. The rest is the difference.
SLICES: dict[str, tuple[str, dict[str, str]]] = {
    "": ("", {}),
    "fba_": (" that Amazon fulfils", {"fulfillmentNetwork": "AFN"}),
    "b2b_": (" of business buyers", {"buyerType": "B2B"}),
}


def _columns(prefix: str, which: str) -> tuple[Column, ...]:
    return (
        business(f"{prefix}orders", INTEGER, f"Orders{which} placed that day, pending ones too.", "orderCount"),
        business(f"{prefix}order_items", INTEGER, f"Their items{which}.", "orderItemCount"),
        business(f"{prefix}units", INTEGER, f"Their units{which}.", "unitCount"),
        business(
            f"{prefix}sales",
            MONEY,
            f"Ordered product sales{which}: price times units, without tax and shipping.",
            "totalSales.amount",
        ),
    )


SALES_METRICS = Dataset(
    name="sales_metrics",
    description="One row a local day and marketplace: orders, items, units and sales as Amazon itself adds them up.",
    grain=("ordered_on", "marketplace_id"),
    # Source of the role: "Roles for the Sales API v1" in Amazon's documentation; this one serves all regions.
    source=Source(operation="getOrderMetrics", lookback_days=30, window_days=31, role="Inventory and Order Tracking"),
    purpose="reconciliation of sales",
    legal_basis="contract",
    partition_day="the marketplace's local day on which the orders were placed",
    columns=(
        business("ordered_on", DATE, "Local day of the marketplace.", "interval"),
        business("marketplace_id", STRING, "Marketplace.", "@marketplace_id"),
        business("currency", STRING, "ISO 4217 currency of all amounts.", "totalSales.currencyCode"),
        *(column for prefix, (which, _) in SLICES.items() for column in _columns(prefix, which)),
        business("average_unit_price", MONEY, "Sales for units.", "averageUnitPrice.amount"),
    ),
)
