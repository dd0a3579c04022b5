"""The report's sections about selling: trend, products.

Belongs here: which numbers of the sales marts are shown. Does not belong here: what they mean (`marts/*.sql`) and how a
chart looks (`charts.py`).
"""

from __future__ import annotations

from amzigo_pipelines.assets.report.charts import Bar, Line, bars, trend
from amzigo_pipelines.assets.report.model import (
    NOTHING,
    Block,
    Marts,
    Row,
    Section,
    Table,
    by_marketplace,
    change,
    count,
    country,
    rate,
    things,
)
from amzigo_pipelines.assets.report.svg import for_page

TREND_DAYS = 90
TOP = 10


def sales_trend(marts: Marts) -> Section:
    """Ordered product sales a day, against the week before (and the year before once there is one)."""
    rows = marts.rows(
        """
        SELECT day, marketplace_id, currency, ordered_product_sales, orders, units, pending_units,
            pending_sales_estimated, ordered_product_sales_week_before AS week_before,
            ordered_product_sales_year_before AS year_before
        FROM sales_daily
        WHERE day > (SELECT MAX(day) FROM sales_daily) - ? AND day < (SELECT MAX(day) FROM sales_daily)
        ORDER BY day
        """,
        TREND_DAYS,
    )
    title = "Sales"
    lead = (
        "Ordered product sales: unit price times units on the day of the order, without tax and shipping. Days are the "
        "marketplace's own; the newest, which may not be over, is left out. Currencies are never added up."
    )
    if not rows:
        return Section(title, lead, missing=["there are no orders of a whole day yet"])
    blocks = [_trend_of(marts, f"{country(m)}, {currency}", currency, own) for m, currency, own in by_marketplace(rows)]
    return Section(title, lead, blocks)


def _trend_of(marts: Marts, name: str, currency: str, rows: list[Row]) -> Block:
    days = [row["day"] for row in rows]
    lines = [Line("ordered product sales", _floats(rows, "ordered_product_sales"))]
    if any(row["week_before"] is not None for row in rows):
        lines.append(Line("7 days before", _floats(rows, "week_before"), is_comparison=True))
    if any(row["year_before"] is not None for row in rows):
        lines.append(Line("a year before", _floats(rows, "year_before"), is_comparison=True))
    recent, former = _sum(rows[-7:]), _sum(rows[-14:-7])
    facts = [[f"last {len(rows[-7:])} days", marts.money(recent[0], currency), count(recent[1]), count(recent[2])]]
    says = (
        f"{marts.price(recent[0], currency)} in the last {len(rows[-7:])} days, "
        f"with {things(recent[1], 'order')} of {things(recent[2], 'unit')}"
    )
    if len(rows) >= 14:
        facts.append(["7 days before", marts.money(former[0], currency), count(former[1]), count(former[2])])
        shares = [rate(new / old - 1) if old else NOTHING for new, old in zip(recent, former, strict=True)]
        facts.append(["change", *shares])
        if told := change(recent[0], former[0]):
            gap = marts.price(abs(recent[0] - former[0]), currency)
            says += f": {gap} or {told} than in the 7 days before"
    pending = sum(float(row["pending_sales_estimated"] or 0) for row in rows)
    units = sum(row["pending_units"] or 0 for row in rows)
    note = (
        f"Beside that, pending orders of {things(units, 'unit')} are estimated at {marts.price(pending, currency)}: "
        "Amazon tells their price once they are paid."
        if pending
        else ""
    )
    columns = ["day", f"sales, {currency}", "7 days before", "orders", "units"]
    values = [
        [
            str(row["day"]),
            marts.money(row["ordered_product_sales"], currency),
            marts.money(row["week_before"], currency),
            count(row["orders"]),
            count(row["units"]),
        ]
        for row in reversed(rows)
    ]
    return Block(
        name,
        f"{says}.",
        for_page(trend(days, lines, currency), f"Ordered product sales a day, {name}", says),
        [Table(["", f"sales, {currency}", "orders", "units"], facts), Table(columns, values, is_folded=True)],
        note,
    )


def _sum(rows: list[Row]) -> tuple[float, float, float]:
    names = ("ordered_product_sales", "orders", "units")
    sales, orders, units = (float(sum(row[name] or 0 for row in rows)) for name in names)
    return sales, orders, units


def _floats(rows: list[Row], name: str) -> list[float | None]:
    return [None if row[name] is None else float(row[name]) for row in rows]


def top_products(marts: Marts) -> Section:
    """What sold most in the last 30 days, a marketplace and currency at a time."""
    rows = marts.rows(
        """
        WITH recent AS (
            SELECT currency, marketplace_id, sku, ANY_VALUE(title) AS title, SUM(ordered_product_sales) AS sales,
                SUM(units) AS units
            FROM sales_by_sku_daily
            WHERE day > (SELECT MAX(day) FROM sales_by_sku_daily) - 30
            GROUP BY currency, marketplace_id, sku
        )
        SELECT *, sales / NULLIF(SUM(sales) OVER (PARTITION BY currency, marketplace_id), 0) AS share,
            COUNT(*) OVER (PARTITION BY currency, marketplace_id) AS skus
        FROM recent
        WHERE sales > 0
        QUALIFY ROW_NUMBER() OVER (PARTITION BY currency, marketplace_id ORDER BY sales DESC, sku) <= ?
        ORDER BY sales DESC, sku
        """,
        TOP,
    )
    title = "Top products"
    lead = f"The SKUs with the most ordered product sales of the last 30 days, {TOP} at most in a marketplace."
    if not rows:
        return Section(title, lead, missing=["nothing was sold in the last 30 days"])
    blocks = []
    for marketplace_id, currency, top in by_marketplace(rows):
        name = f"{country(marketplace_id)}, {currency}"
        sold = marts.price(sum(row["sales"] for row in top), currency)
        says = (
            f"{things(len(top), 'SKU')} of the {top[0]['skus']} that sold brought {sold}, "
            f"{rate(sum(row['share'] for row in top), 0)} of all sales; {top[0]['sku']} alone brought "
            f"{rate(top[0]['share'], 0)}"
        )
        chart = bars(
            [Bar(row["sku"], float(row["sales"]), marts.money(row["sales"], currency)) for row in top], currency
        )
        cells = [
            [
                row["sku"],
                row["title"] or "",
                marts.money(row["sales"], currency),
                rate(row["share"]),
                count(row["units"]),
            ]
            for row in top
        ]
        columns = ["SKU", "title", f"sales, {currency}", "share", "units"]
        markup = for_page(chart, f"Sales by SKU, {name}", says)
        blocks.append(Block(name, f"{says}.", markup, [Table(columns, cells)]))
    return Section(title, lead, blocks)
