"""The report's section about profit: from what was sold to what is left.

Belongs here: which numbers of `profit_by_sku` are shown, and what they lack. Does not belong here: what they mean
(`marts/profit_by_sku.sql`).
"""

from __future__ import annotations

from typing import Any

from amzigo_pipelines.assets.report.charts import waterfall
from amzigo_pipelines.assets.report.model import (
    NOTHING,
    Block,
    Marts,
    Row,
    Section,
    Table,
    by_marketplace,
    country,
    rate,
    things,
)
from amzigo_pipelines.assets.report.svg import for_page

# Name in the chart, column of the mart, and whether it is taken off.
STEPS = (
    ("product sales", "product_sales", 1),
    ("shipping, gift wrap", "shipping_and_gift_wrap", 1),
    ("promotions", "promotions", 1),
    ("refunds", "refunds", 1),
    ("reimbursements", "reimbursements", 1),
    ("other income", "other_income", 1),
    ("Amazon's fees", "fees", -1),
    ("advertising", "ad_spend", -1),
    ("product cost", "product_cost", -1),
)
MONTHS = 3


def waterfall_of_profit(marts: Marts) -> Section:
    """What is left of the sales of a month after refunds, fees, advertising and what the products cost."""
    sums = ", ".join(f"SUM({column}) AS {column}" for _, column, _ in STEPS)
    rows = marts.rows(
        f"""
        WITH booked AS (
            SELECT DATE_TRUNC('month', day) AS month, marketplace_id, currency, MIN(day) AS first_day,
                MAX(day) AS last_day, COUNT(DISTINCT day) AS days
            FROM account_daily
            GROUP BY ALL
        )
        SELECT profit_by_sku.month, profit_by_sku.marketplace_id, profit_by_sku.currency, {sums},
            SUM(net_sales) AS net_sales, ANY_VALUE(first_day) AS first_day, ANY_VALUE(last_day) AS last_day,
            ANY_VALUE(days) AS days, COALESCE(MAX(ad_days_missing), 0) AS ad_days_missing,
            COUNT(*) FILTER (sku <> '(unallocated)' AND net_units <> 0) AS skus,
            COUNT(*) FILTER (sku <> '(unallocated)' AND net_units <> 0 AND unit_cost IS NULL) AS skus_without_cost
        FROM profit_by_sku
        LEFT JOIN booked USING (month, marketplace_id, currency)
        WHERE profit_by_sku.month > (SELECT MAX(month) FROM profit_by_sku) - INTERVAL ({MONTHS}) MONTH
        GROUP BY profit_by_sku.month, profit_by_sku.marketplace_id, profit_by_sku.currency
        ORDER BY month
        """
    )
    title = "Profit"
    lead = (
        "From product sales to what is left, by what Amazon booked on the account in the month: a refund counts in the "
        "month of the refund. Tax is left out, for it is not the seller's."
    )
    if not rows:
        return Section(title, lead, missing=marts.why("profit_by_sku", "net_sales") or ["nothing was booked yet"])
    blocks = [_block(marts, marketplace_id, currency, own) for marketplace_id, currency, own in by_marketplace(rows)]
    missing = [f"advertising, for {reason}" for reason in marts.why("profit_by_sku", "ad_spend")]
    missing += [f"product cost, for {reason}" for reason in marts.why("profit_by_sku", "unit_cost")]
    return Section(title, lead, blocks, missing)


def _block(marts: Marts, marketplace_id: str, currency: str, months: list[Row]) -> Block:
    newest = months[-1]
    steps = _steps(newest)
    lacks = _lacks(newest)
    total = "profit" if not lacks else "left"
    name = f"{country(marketplace_id)}, {currency}"
    month = f"{newest['month']:%Y-%m}"
    says = _sentence(marts, newest, steps, lacks)
    note = f"Bookings of {things(newest['days'] or 0, 'day')}"
    if newest["first_day"]:
        note += f", {newest['first_day']} to {newest['last_day']}"
    columns = ["step", *(f"{row['month']:%Y-%m}, {currency}" for row in reversed(months))]
    cells = [
        [step, *(_cell(marts, row[column], sign, currency) for row in reversed(months))] for step, column, sign in STEPS
    ]
    cells.append(["left", *(marts.money(sum(a for _, a in _steps(row)), currency) for row in reversed(months))])
    chart = for_page(
        waterfall(steps, total, lambda value: marts.money(value, currency), currency),
        f"From sales to what is left, {name}, {month}",
        says,
    )
    return Block(name, f"{says}.", chart if steps else "", [Table(columns, cells)], f"{note}.")


def _sentence(marts: Marts, row: Row, steps: list[tuple[str, float]], lacks: list[str]) -> str:
    currency, month = row["currency"], f"{row['month']:%Y-%m}"
    left, net = sum(amount for _, amount in steps), float(row["net_sales"] or 0)
    if not net:
        spent = -sum(amount for _, amount in steps if amount < 0)
        return f"{marts.price(spent, currency)} were booked in {month} for what belongs to no marketplace or SKU"
    of_sales = (
        f"{marts.price(net, currency)} net sales in {month}, {rate(left / net if lacks else abs(left / net))} of them"
    )
    if lacks:
        return f"{marts.price(left, currency)} are left of {of_sales}, before {' and '.join(lacks)}"
    if left < 0:
        return f"A loss of {marts.price(-left, currency)} on {of_sales}"
    return f"{marts.price(left, currency)} profit of {of_sales}"


def _steps(row: Row) -> list[tuple[str, float]]:
    found = [(name, float(row[column] or 0) * sign) for name, column, sign in STEPS]
    return [(name, amount) for name, amount in found if amount]


def _lacks(row: Row) -> list[str]:
    """What has to be taken off still, because nobody knows how much it is."""
    lacks = []
    if row["skus_without_cost"]:
        all_of_them = row["skus_without_cost"] == row["skus"]
        lacks.append("the products' cost" if all_of_them else f"the cost of {things(row['skus_without_cost'], 'SKU')}")
    if row["ad_spend"] is None and row["skus"]:
        lacks.append("advertising")
    elif row["ad_days_missing"]:
        lacks.append(f"{things(row['ad_days_missing'], 'day')} of advertising")
    return lacks


def _cell(marts: Marts, value: Any, sign: int, currency: str) -> str:
    return NOTHING if value is None else marts.money(float(value) * sign, currency).replace("-0.00", "0.00")
