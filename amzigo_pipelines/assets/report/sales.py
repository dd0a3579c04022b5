"""The report's sections about selling: trend, products.

Belongs here: which numbers of the sales marts are shown. Does not belong here: what they mean (`marts/*.sql`) and how a
chart looks (`charts.py`).
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from amzigo_pipelines.assets.report.charts import Line, as_svg, bars, trend
from amzigo_pipelines.assets.report.model import NOTHING, Block, Marts, Section, Table, count, money, rate

TREND_DAYS = 90
TOP = 10


def sales_trend(marts: Marts) -> Section:
    """Ordered product sales a day, against the week before (and the year before once there is one)."""
    rows = marts.rows(
        """
        SELECT day, marketplace, currency, ordered_product_sales, orders, units,
            ordered_product_sales_week_before AS week_before, ordered_product_sales_year_before AS year_before
        FROM sales_daily
        WHERE day > (SELECT MAX(day) FROM sales_daily) - ? AND day < (SELECT MAX(day) FROM sales_daily)
        ORDER BY marketplace, currency, day
        """,
        TREND_DAYS,
    )
    section = Section(
        "Sales",
        "Ordered product sales: unit price times units on the day of the order, without tax and shipping; days are the "
        "marketplace's own, and today, which is not over, is left out. Currencies are never added up.",
    )
    if not rows:
        return Section(section.title, section.lead, missing="there are no orders yet")
    blocks = []
    for (marketplace, currency), group in groupby(rows, key=lambda row: (row["marketplace"], row["currency"])):
        blocks.append(_trend_of(f"{marketplace}, {currency}", currency, list(group)))
    return Section(section.title, section.lead, blocks)


def _trend_of(name: str, currency: str, rows: list[dict[str, Any]]) -> Block:
    days = [row["day"] for row in rows]
    lines = [Line("ordered product sales", _floats(rows, "ordered_product_sales"))]
    if any(row["week_before"] is not None for row in rows):
        lines.append(Line("7 days before", _floats(rows, "week_before"), is_comparison=True))
    if any(row["year_before"] is not None for row in rows):
        lines.append(Line("a year before", _floats(rows, "year_before"), is_comparison=True))
    recent, former = _sum(rows[-7:]), _sum(rows[-14:-7])
    facts = [["last 7 days", money(recent[0]), count(recent[1]), count(recent[2])]]
    if len(rows) >= 14:
        facts.append(["7 days before", money(former[0]), count(former[1]), count(former[2])])
        change = [rate(new / old - 1) if old else NOTHING for new, old in zip(recent, former, strict=True)]
        facts.append(["change", *change])
    return Block(
        name,
        as_svg(trend(days, lines, currency), f"Ordered product sales a day, {name}"),
        Table(["", f"sales, {currency}", "orders", "units"], facts),
    )


def _sum(rows: list[dict[str, Any]]) -> tuple[float, float, float]:
    names = ("ordered_product_sales", "orders", "units")
    sales, orders, units = (float(sum(row[name] or 0 for row in rows)) for name in names)
    return sales, orders, units


def _floats(rows: list[dict[str, Any]], name: str) -> list[float | None]:
    return [None if row[name] is None else float(row[name]) for row in rows]


def top_products(marts: Marts) -> Section:
    """What sold most in the last 30 days, a currency at a time."""
    rows = marts.rows(
        """
        WITH recent AS (
            SELECT currency, marketplace, sku, ANY_VALUE(title) AS title, SUM(ordered_product_sales) AS sales,
                SUM(units) AS units
            FROM sales_by_sku_daily
            WHERE day > (SELECT MAX(day) FROM sales_by_sku_daily) - 30
            GROUP BY currency, marketplace, sku
        )
        SELECT *, sales / NULLIF(SUM(sales) OVER (PARTITION BY currency, marketplace), 0) AS share
        FROM recent
        WHERE sales > 0
        QUALIFY ROW_NUMBER() OVER (PARTITION BY currency, marketplace ORDER BY sales DESC, sku) <= ?
        ORDER BY marketplace, currency, sales DESC, sku
        """,
        TOP,
    )
    title, lead = "Top products", f"The {TOP} SKUs with the most ordered product sales of the last 30 days."
    if not rows:
        return Section(title, lead, missing="nothing was sold in the last 30 days")
    blocks = []
    for (marketplace, currency), group in groupby(rows, key=lambda row: (row["marketplace"], row["currency"])):
        top = list(group)
        name = f"{marketplace}, {currency}"
        chart = bars([row["sku"] for row in top], [float(row["sales"]) for row in top], currency)
        cells = [
            [row["sku"], row["title"] or "", money(row["sales"]), rate(row["share"]), count(row["units"])]
            for row in top
        ]
        blocks.append(
            Block(
                name,
                as_svg(chart, f"Sales by SKU, {name}"),
                Table(["SKU", "title", f"sales, {currency}", "share", "units"], cells),
            )
        )
    return Section(title, lead, blocks)
