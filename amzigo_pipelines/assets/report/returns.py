"""The report's section about returns: what comes back, why, and in what state.

Belongs here: which numbers of the marts of returns are shown. Does not belong here: what they mean (`marts/*.sql`).
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from amzigo_pipelines.assets.report.charts import Bar, bars
from amzigo_pipelines.assets.report.model import Block, Marts, Section, Table, count, country, rate, things
from amzigo_pipelines.assets.report.svg import for_page

MONTHS = 3
TOP = 10


def returns(marts: Marts) -> Section:
    """The SKUs that come back most, and the reasons."""
    rows = marts.rows(
        f"""
        WITH recent AS (
            SELECT * FROM returns_by_sku
            WHERE month > (SELECT MAX(month) FROM returns_by_sku) - INTERVAL ({MONTHS}) MONTH
        )
        SELECT marketplace_id, sku, SUM(units_ordered) AS ordered, SUM(returned_units_of_orders) AS returned,
            SUM(sellable_units) AS sellable, SUM(returned_units) AS came_back,
            SUM(SUM(units_ordered)) OVER (PARTITION BY marketplace_id) AS all_ordered,
            SUM(SUM(returned_units_of_orders)) OVER (PARTITION BY marketplace_id) AS all_returned
        FROM recent
        GROUP BY marketplace_id, sku
        HAVING SUM(returned_units_of_orders) > 0
        ORDER BY marketplace_id, returned DESC, sku
        """
    )
    title = "Returns"
    lead = (
        f"Units that came back, of orders placed in the last {MONTHS} months: the rate still grows, as buyers have weeks "
        "to return. Amazon's own returns are known by the day they are received."
    )
    if not rows:
        missing = marts.why("returns_by_sku") or ["nothing came back, or no reports of returns were extracted"]
        return Section(title, lead, missing=missing)
    reasons = marts.rows(
        f"""
        SELECT marketplace_id, currency, reason, SUM(units) AS units, SUM(sellable_units) AS sellable,
            SUM(returned_sales) AS sales
        FROM returns
        WHERE returned_on >= (SELECT MAX(month) FROM returns_by_sku) - INTERVAL ({MONTHS - 1}) MONTH
        GROUP BY marketplace_id, currency, reason
        ORDER BY marketplace_id, currency, units DESC, reason
        """
    )
    blocks = []
    for marketplace_id, group in groupby(rows, key=lambda row: row["marketplace_id"]):
        own = [row for row in reasons if row["marketplace_id"] == marketplace_id]
        blocks += _blocks(marts, country(marketplace_id), list(group), own)
    return Section(title, lead, blocks)


def _blocks(marts: Marts, name: str, rows: list[dict[str, Any]], reasons: list[dict[str, Any]]) -> list[Block]:
    top = rows[:TOP]
    ordered = sum(row["ordered"] for row in rows)
    says = (
        f"{things(rows[0]['all_returned'], 'unit')} came back of {things(rows[0]['all_ordered'], 'unit')} ordered, "
        f"{rate(rows[0]['all_returned'] / rows[0]['all_ordered'])}"
        if rows[0]["all_ordered"]
        else f"{things(rows[0]['all_returned'], 'unit')} came back"
    )
    worst = max((row for row in top if row["ordered"]), key=lambda row: row["returned"] / row["ordered"], default=None)
    if worst and ordered:
        says += f"; of the {len(top)} SKUs that came back most, {worst['sku']} has the highest rate"
    chart = bars(
        [
            Bar(
                row["sku"],
                100 * float(row["returned"] / row["ordered"]) if row["ordered"] else 0.0,
                f"{rate(_rate(row))} ({count(row['returned'])} of {count(row['ordered'])})",
            )
            for row in top
        ],
        "% of the units ordered",
    )
    cells = [
        [row["sku"], count(row["ordered"]), count(row["returned"]), rate(_rate(row)), count(row["sellable"])]
        for row in top
    ]
    columns = ["SKU", "ordered", "came back", "rate", "back on sale"]
    first = Block(
        f"{name}: the {len(top)} SKUs that came back most" if len(top) > 1 else name,
        f"{says}.",
        for_page(chart, f"Return rate by SKU, {name}", says),
        [Table(columns, cells)],
    )
    return [first, *(_why(marts, name, currency, list(own)) for currency, own in _by_currency(reasons))]


def _by_currency(reasons: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    return [(currency, list(own)) for currency, own in groupby(reasons, key=lambda row: row["currency"])]


def _why(marts: Marts, name: str, currency: str, rows: list[dict[str, Any]]) -> Block:
    units = sum(row["units"] for row in rows)
    sellable = sum(row["sellable"] or 0 for row in rows)
    sales = sum(row["sales"] or 0 for row in rows)
    # XXX stands for no currency: the order is older than the data.
    worth = f", sold for {marts.price(sales, currency)}" if currency != "XXX" else ", of orders older than the data"
    says = (
        f"{things(units, 'unit')} came back{worth}; {rate(sellable / units if units else 0, 0)} of them could be sold "
        f"again, and {_words(rows[0]['reason'])} was the most frequent reason"
    )
    shown = [
        Bar(_words(row["reason"]), float(row["units"]), f"{count(row['units'])} ({rate(row['units'] / units, 0)})")
        for row in rows[:TOP]
    ]
    heading = f"{name}, {currency}: why" if currency != "XXX" else f"{name}: why, of older orders"
    cells = [[_words(row["reason"]), count(row["units"]), count(row["sellable"])] for row in rows]
    return Block(
        heading,
        f"{says}.",
        for_page(bars(shown, "units"), f"Reasons of returns, {heading}", says),
        [Table(["reason", "units", "back on sale"], cells, is_folded=True)],
    )


def _rate(row: dict[str, Any]) -> float | None:
    return float(row["returned"] / row["ordered"]) if row["ordered"] else None


def _words(reason: str) -> str:
    return "no reason given" if reason == "(none)" else reason.replace("_", " ").lower()
