"""The report's section about returns: what comes back, why, and in what state.

Belongs here: which numbers of the marts of returns are shown. Does not belong here: what they mean (`marts/*.sql`).
"""

from __future__ import annotations

from amzigo_pipelines.assets.report.charts import Bar, bars
from amzigo_pipelines.assets.report.model import (
    Block,
    Marts,
    Row,
    Section,
    Table,
    by_marketplace,
    count,
    country,
    rate,
    things,
)
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
        ORDER BY returned DESC, sku
        """
    )
    title = "Returns"
    lead = (
        f"Units that came back, of orders placed in the last {MONTHS} months: the rate still grows, as buyers have "
        "weeks to return. Amazon's own returns are known by the day they are received."
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
        ORDER BY units DESC, reason
        """
    )
    blocks = []
    for marketplace_id, _, skus in by_marketplace(rows):
        own = [row for row in reasons if row["marketplace_id"] == marketplace_id]
        blocks += _blocks(marts, country(marketplace_id), skus, own)
    return Section(title, lead, blocks)


def _blocks(marts: Marts, name: str, rows: list[Row], reasons: list[Row]) -> list[Block]:
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
    return [first, *(_why(marts, name, currency, _by_words(own)) for _, currency, own in by_marketplace(reasons))]


def _by_words(rows: list[Row]) -> list[Row]:
    """Rows by reason; Amazon's own returns and the seller's have different codes for the same."""
    found: dict[str, Row] = {}
    for row in rows:
        one = found.setdefault(_words(row["reason"]), {"units": 0, "sellable": 0, "sales": 0})
        for name in one:
            one[name] += row[name] or 0
    return sorted(({"reason": words, **one} for words, one in found.items()), key=lambda row: -row["units"])


def _why(marts: Marts, name: str, currency: str, rows: list[Row]) -> Block:
    units = sum(row["units"] for row in rows)
    sellable = sum(row["sellable"] or 0 for row in rows)
    sales = sum(row["sales"] or 0 for row in rows)
    # XXX stands for no currency: the order is older than the data.
    worth = f", sold for {marts.price(sales, currency)}" if currency != "XXX" else ", of orders older than the data"
    says = (
        f"{things(units, 'unit')} came back{worth}; {rate(sellable / units if units else 0, 0)} of them could be sold "
        f"again, and the most frequent reason was: {rows[0]['reason']}"
    )
    shown = [
        Bar(row["reason"], float(row["units"]), f"{count(row['units'])} ({rate(row['units'] / units, 0)})")
        for row in rows[:TOP]
    ]
    heading = f"{name}, {currency}: why" if currency != "XXX" else f"{name}: why, of older orders"
    cells = [[row["reason"], count(row["units"]), count(row["sellable"])] for row in rows]
    return Block(
        heading,
        f"{says}.",
        for_page(bars(shown, "units"), f"Reasons of returns, {heading}", says),
        [Table(["reason", "units", "back on sale"], cells, is_folded=True)],
    )


def _rate(row: Row) -> float | None:
    return float(row["returned"] / row["ordered"]) if row["ordered"] else None


def _words(reason: str) -> str:
    return "no reason given" if reason == "(none)" else reason.removeprefix("CR-").replace("_", " ").lower()
