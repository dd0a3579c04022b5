"""The dataset `product_costs`: what a seller knows of its products and Amazon does not. Declarations only.

It comes from a file that the seller keeps (`amzigo costs import`), not from Amazon: it is stored and forgotten like any
other data of the seller, but nothing extracts it. Each import replaces the one before.
"""

from __future__ import annotations

from amzigo_pipelines.catalog.model import INTEGER, MONEY, RATIO, STRING, Dataset, Source, business

PRODUCT_COSTS = Dataset(
    name="product_costs",
    description="One row a SKU and marketplace: unit cost, lead time and targets, from the file that the seller keeps.",
    grain=("marketplace_id", "sku"),
    source=Source(operation="amzigo costs import", is_snapshot=True),
    purpose="sales analysis, inventory tracking",
    legal_basis="contract",
    partition_day="the day of the import; the newest import holds, as a whole",
    columns=(
        business("marketplace_id", STRING, "Marketplace in which the SKU is listed."),
        business("sku", STRING, "The seller's own identifier of the listing."),
        business("currency", STRING, "ISO 4217 currency of the cost: the marketplace's own."),
        business("unit_cost", MONEY, "What one unit costs the seller, landed, without Amazon's fees."),
        business("lead_time_days", INTEGER, "Days from ordering more to having it on sale; null if not told."),
        business("lead_time_deviation_days", RATIO, "Standard deviation of the lead time, in days; 0 if not told."),
        business("service_level", RATIO, "Share of replenishment cycles that shall not run out, 0.5 to 0.999."),
        business("service_factor", RATIO, "Standard normal quantile of the service level: z of the safety stock."),
        business("target_days", INTEGER, "Days that an order shall last for beyond the lead time."),
        business("minimum_order_units", INTEGER, "Fewest units that can be ordered; orders are rounded up to it."),
    ),
)
