"""The report's sections about stock: cover with the reorder list, and ageing.

Belongs here: which numbers of the inventory marts are shown. Does not belong here: what they mean (`marts/*.sql`) and
how a chart looks (`charts.py`).
"""

from __future__ import annotations

from amzigo_pipelines.assets.report.charts import Bar, bars
from amzigo_pipelines.assets.report.model import (
    NOTHING,
    Block,
    Marts,
    Row,
    Section,
    Table,
    by_marketplace,
    count,
    country,
    one_decimal,
    rate,
    things,
)
from amzigo_pipelines.assets.report.svg import for_page

SHORTEST = 12
SHORT_DAYS = 14
ORDERS_SHOWN = 25
OLDEST = 10
AGE_BANDS = ("0-90", "91-180", "181-270", "271-365", "365+")


def cover(marts: Marts) -> Section:
    """Which SKUs run out first, a marketplace at a time."""
    rows = marts.rows(
        """
        SELECT marketplace_id, sku, product_name, fulfillable_units, inbound_units, velocity_30d, days_of_cover,
            days_of_cover_with_inbound
        FROM inventory_cover
        WHERE days_of_cover IS NOT NULL
        ORDER BY days_of_cover, sku
        """
    )
    title = "Inventory cover"
    lead = (
        "Days that the stock in Amazon's warehouses lasts: units that can be shipped, divided by units ordered a day "
        f"over the last 30 days without those out of stock. The {SHORTEST} shortest of each marketplace are shown."
    )
    if not rows:
        return Section(title, lead, missing=["no stock in Amazon's warehouses sells, or none was extracted"])
    lost = marts.rows(
        """
        SELECT marketplace_id, ANY_VALUE(currency) AS currency, SUM(lost_sales) AS sales, SUM(lost_units) AS units,
            COUNT(*) AS skus
        FROM stockouts
        GROUP BY marketplace_id
        """
    )
    by_id = {row["marketplace_id"]: row for row in lost}
    blocks = [
        _cover_of(marts, marketplace_id, own, by_id.get(marketplace_id))
        for marketplace_id, _, own in by_marketplace(rows)
    ]
    return Section(title, lead, blocks)


def _cover_of(marts: Marts, marketplace_id: str, rows: list[Row], lost: Row | None) -> Block:
    empty = [row for row in rows if not row["fulfillable_units"]]
    short = [row for row in rows if row["fulfillable_units"] and row["days_of_cover"] < SHORT_DAYS]
    says = (
        f"Of {things(len(rows), 'SKU')} that sell, {len(empty)} are out of stock and {len(short)} run out within "
        f"{SHORT_DAYS} days"
    )
    if empty or short:
        a_day = sum(float(row["velocity_30d"]) for row in (*empty, *short))
        says += f": together they sell {things(a_day, 'unit')} a day"
    if lost and lost["sales"]:
        says += (
            f". Days out of stock in the last 90 cost an estimated {things(lost['units'], 'unit')} or "
            f"{marts.price(lost['sales'], lost['currency'])} of sales, on {things(lost['skus'], 'SKU')}"
        )
    shortest = rows[:SHORTEST]
    chart = bars(
        [
            Bar(
                row["sku"],
                float(row["days_of_cover"]),
                _days(row),
                float(row["days_of_cover_with_inbound"] - row["days_of_cover"]),
                is_bad=row["days_of_cover"] < SHORT_DAYS,
            )
            for row in shortest
        ],
        "days",
        SHORT_DAYS,
        f"{SHORT_DAYS} days",
    )
    cells = [
        [
            row["sku"],
            row["product_name"] or "",
            count(row["fulfillable_units"]),
            count(row["inbound_units"]),
            one_decimal(row["velocity_30d"]),
            one_decimal(row["days_of_cover"]),
            one_decimal(row["days_of_cover_with_inbound"]),
        ]
        for row in shortest
    ]
    columns = ["SKU", "product", "fulfillable", "inbound", "units a day", "days", "days with inbound"]
    name = country(marketplace_id)
    return Block(
        name,
        f"{says}.",
        for_page(chart, f"Days of cover, {name}", says),
        [Table(columns, cells)],
        "The paler part of a bar is stock on its way to Amazon.",
    )


def _days(row: Row) -> str:
    inbound = row["days_of_cover_with_inbound"] - row["days_of_cover"]
    return f"{row['days_of_cover']:,.1f}" + (f" + {inbound:,.1f}" if inbound >= 0.05 else "")


def reorder(marts: Marts) -> Section:
    """What to order again, by when and for how much."""
    rows = marts.rows(
        """
        SELECT marketplace_id, currency, sku, available_units, reorder_point_units, order_units, order_by_on,
            order_cost, is_due, plan_note, as_of
        FROM reorder_plan
        ORDER BY order_by_on, sku
        """
    )
    title = "Reorder list"
    lead = (
        "What is at or below its reorder point: demand over the lead time and a safety stock against chance. Order "
        "quantities last for the lead time and the target days. Costs, lead times and targets are the seller's own."
    )
    if not rows:
        return Section(title, lead, missing=["there is no stock in Amazon's warehouses to plan for"])
    if reasons := marts.why("reorder_plan"):
        return Section(title, lead, missing=[f"no plan can be made, for {reason}" for reason in reasons])
    blocks = [
        _orders_of(marts, f"{country(m)}, {currency}", currency, own) for m, currency, own in by_marketplace(rows)
    ]
    return Section(title, lead, blocks)


def _orders_of(marts: Marts, name: str, currency: str, rows: list[Row]) -> Block:
    due = [row for row in rows if row["is_due"] and row["order_units"]]
    unplanned = [row for row in rows if row["plan_note"]]
    note = f"No plan for {things(len(unplanned), 'SKU')}: {unplanned[0]['plan_note']}." if unplanned else ""
    if not due:
        soonest = min((row["order_by_on"] for row in rows if row["order_by_on"]), default=None)
        says = "Nothing has to be ordered now" + (f"; the next order is due on {soonest}" if soonest else "")
        return Block(name, f"{says}.", note=note)
    cost = sum(row["order_cost"] or 0 for row in due)
    late = [row for row in due if row["order_by_on"] and row["order_by_on"] < row["as_of"]]
    says = (
        f"{things(len(due), 'SKU')} to order now: {things(sum(row['order_units'] for row in due), 'unit')} for "
        f"{marts.price(cost, currency)}"
    )
    if late:
        says += f"; {'all' if len(late) == len(due) else len(late)} of them late, so that safety stock will be used"
    shown = due[:ORDERS_SHOWN]
    chart = bars(
        [
            Bar(row["sku"], float(row["order_units"]), f"{count(row['order_units'])} by {row['order_by_on']}")
            for row in shown[:SHORTEST]
        ],
        "units to order",
    )
    cells = [
        [
            row["sku"],
            str(row["order_by_on"] or NOTHING),
            count(row["order_units"]),
            marts.money(row["order_cost"], currency),
            count(row["available_units"]),
            count(row["reorder_point_units"]),
        ]
        for row in shown
    ]
    if len(due) > len(shown):
        note = f"{len(due) - len(shown)} more are in the mart reorder_plan. {note}".rstrip()
    columns = ["SKU", "order by", "units", f"cost, {currency}", "available", "reorder point"]
    markup = for_page(chart, f"Units to order by SKU, {name}", says)
    return Block(name, f"{says}.", markup, [Table(columns, cells)], note)


def ageing(marts: Marts) -> Section:
    """How old the stock is, and for how much of it Amazon charges more."""
    rows = marts.rows(
        """
        SELECT marketplace_id, currency, age_band, SUM(units) AS units, SUM(value_at_price) AS value_at_price,
            SUM(value_at_cost) AS value_at_cost, BOOL_OR(is_surcharged) AS is_surcharged
        FROM inventory_aging
        GROUP BY marketplace_id, currency, age_band
        """
    )
    title = "Age of stock"
    lead = "Units in Amazon's warehouses by the days since they came in. From 181 days on Amazon charges a surcharge."
    if not rows:
        missing = marts.why("inventory_aging", "units") or ["there is no stock in Amazon's warehouses"]
        return Section(title, lead, missing=missing)
    oldest = marts.rows(
        """
        SELECT marketplace_id, currency, sku, age_band, units, value_at_price FROM inventory_aging
        WHERE is_surcharged
        QUALIFY ROW_NUMBER() OVER (PARTITION BY marketplace_id, currency ORDER BY value_at_price DESC, sku) <= ?
        ORDER BY value_at_price DESC, sku
        """,
        OLDEST,
    )
    blocks = []
    for marketplace_id, currency, bands in by_marketplace(rows):
        own = [row for row in oldest if (row["marketplace_id"], row["currency"]) == (marketplace_id, currency)]
        blocks.append(_ages_of(marts, f"{country(marketplace_id)}, {currency}", currency, bands, own))
    missing = [f"value at cost, for {reason}" for reason in marts.why("inventory_aging", "value_at_cost")]
    return Section(title, lead, blocks, missing)


def _ages_of(marts: Marts, name: str, currency: str, rows: list[Row], old: list[Row]) -> Block:
    bands = {row["age_band"]: row for row in rows}
    units = sum(row["units"] for row in rows)
    charged = [row for row in rows if row["is_surcharged"]]
    aged = sum(row["units"] for row in charged)
    says = f"{things(units, 'unit')} worth {marts.price(_value(rows), currency)} at the price asked"
    says += (
        f"; {rate(aged / units if units else 0)} of them, worth {marts.price(_value(charged), currency)}, are older "
        "than 180 days and cost the surcharge"
        if aged
        else ", and none of them is older than 180 days"
    )
    chart_rows, cells = [], []
    for band in AGE_BANDS:
        row = bands.get(band, {"units": 0, "value_at_price": 0, "value_at_cost": 0, "is_surcharged": False})
        mark = ", surcharge" if row["is_surcharged"] and row["units"] else ""
        share = float(row["units"]) / float(units) if units else 0.0
        chart_rows.append(
            Bar(
                f"{band} days",
                float(row["units"]),
                f"{count(row['units'])} ({rate(share)}{mark})" if row["units"] else "none",
                is_bad=bool(mark),
            )
        )
        values = [marts.money(row[column], currency) for column in ("value_at_price", "value_at_cost")]
        cells.append([f"{band} days", count(row["units"]), *values])
    tables = [Table(["age", "units", f"at price, {currency}", f"at cost, {currency}"], cells)]
    if old:
        oldest = [
            [row["sku"], row["age_band"], count(row["units"]), marts.money(row["value_at_price"], currency)]
            for row in old
        ]
        tables.append(Table(["SKU with surcharge", "age, days", "units", f"at price, {currency}"], oldest))
    return Block(name, f"{says}.", for_page(bars(chart_rows, "units"), f"Age of stock, {name}", says), tables)


def _value(rows: list[Row]) -> float:
    return float(sum(row["value_at_price"] or 0 for row in rows))
