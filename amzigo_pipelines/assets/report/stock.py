"""The report's sections about stock: cover.

Belongs here: which numbers of the inventory marts are shown. Does not belong here: what they mean (`marts/*.sql`) and
how a chart looks (`charts.py`).
"""

from __future__ import annotations

from amzigo_pipelines.assets.report.model import Block, Marts, Section, Table, count, one_decimal

SHORTEST = 15


def cover(marts: Marts) -> Section:
    """Which SKUs run out first."""
    rows = marts.rows(
        """
        SELECT marketplace, sku, product_name, fulfillable_units, inbound_units, velocity_30d, days_of_cover,
            days_of_cover_with_inbound
        FROM inventory_cover
        WHERE days_of_cover IS NOT NULL
        ORDER BY days_of_cover, sku, marketplace
        LIMIT ?
        """,
        SHORTEST,
    )
    title = "Inventory cover"
    lead = (
        f"The {SHORTEST} SKUs that run out first: units that can be shipped, divided by units ordered a day over the "
        "last 30 days without those out of stock."
    )
    if not rows:
        return Section(title, lead, missing="there is no stock at Amazon that sells")
    cells = [
        [
            row["marketplace"],
            row["sku"],
            row["product_name"] or "",
            count(row["fulfillable_units"]),
            count(row["inbound_units"]),
            one_decimal(row["velocity_30d"]),
            one_decimal(row["days_of_cover"]),
            one_decimal(row["days_of_cover_with_inbound"]),
        ]
        for row in rows
    ]
    columns = ["marketplace", "SKU", "product", "fulfillable", "inbound", "units a day", "days", "days with inbound"]
    return Section(title, lead, [Block("", table=Table(columns, cells))])
