"""The report's section about buyers who come back, by the month of their first order.

Belongs here: which numbers of `buyer_cohorts` are shown. Does not belong here: what they mean, and which of them are
hidden because too few buyers are behind them (`marts/buyer_cohorts.sql`).
"""

from __future__ import annotations

from datetime import date

from amzigo_pipelines.assets.report.charts import heat_map
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
    rate,
)
from amzigo_pipelines.assets.report.svg import for_page

COHORTS, MONTHS_LATER = 12, 6
HIDDEN = "<5"

Cell = float | str | None


def cohorts(marts: Marts) -> Section:
    """Which share of new buyers ordered again, month by month after their first order."""
    rows = marts.rows(
        """
        SELECT marketplace_id, first_month, months_later, buyers, active_buyers, retention, is_hidden, coverage,
            DATE_DIFF('month', first_month, MAX(first_month) OVER ()) AS age
        FROM buyer_cohorts
        ORDER BY first_month, months_later
        """
    )
    title = "Buyers who come back"
    lead = (
        "Buyers by the month of their first order in the data, and the share that ordered again in a later month. Only "
        "buyers that Amazon lets us tell apart, by a pseudonym; cells of fewer than 5 buyers are not shown."
    )
    if not rows:
        missing = ["Amazon gave no order by which buyers can be told apart; mostly merchant-fulfilled ones have it"]
        return Section(title, lead, missing=missing)
    blocks, missing = [], []
    for marketplace_id, _, own in by_marketplace(rows):
        name = country(marketplace_id)
        if own[0]["age"] < 1:
            first = f"{own[0]['first_month']:%Y-%m}"
            missing.append(f"{name}, for no month after the buyers' first one ({first}) is there")
        elif all(row["is_hidden"] for row in own):
            missing.append(f"{name}, for it has fewer than 5 buyers in every month")
        else:
            blocks.append(_block(name, own))
    return Section(title, lead, blocks, missing)


def _block(name: str, rows: list[Row]) -> Block:
    found = {(row["first_month"], row["months_later"]): row for row in rows}
    firsts = sorted({row["first_month"] for row in rows})[-COHORTS:]
    ages = {row["first_month"]: row["age"] for row in rows}
    # The newest first month has no later one yet.
    shown = [first for first in firsts if ages[first] >= 1]
    width = min(MONTHS_LATER, max(ages[first] for first in shown))
    later = range(1, width + 1)
    cells = [[_cell(found, first, months, ages[first]) for months in later] for first in shown]
    labels = [f"{first:%Y-%m} ({_buyers(found, first)})" for first in shown]
    chart = heat_map(labels, [f"+{months} mo." for months in later], cells)
    known = [(first, cell[0]) for first, cell in zip(shown, cells, strict=True) if isinstance(cell[0], float)]
    told = (
        f"Of the buyers who first ordered in {known[-1][0]:%Y-%m} {rate(known[-1][1])} ordered again in the month after"
        if known
        else "How many ordered again in the month after is hidden, for they are fewer than 5"
    )
    coverage = found[shown[-1], 0]["coverage"] if (shown[-1], 0) in found else None
    says = told + (f"; these are buyers of {rate(coverage, 0)} of that month's orders" if coverage is not None else "")
    columns = ["first order", "buyers", *(f"+{months} months" for months in later)]
    values = [
        [f"{first:%Y-%m}", _buyers(found, first), *(_text(cell) for cell in line)]
        for first, line in zip(shown, cells, strict=True)
    ]
    note = "In brackets the buyers of the month. The newest month may not be over, and its last column still grows."
    markup = for_page(chart, f"Buyers who ordered again, {name}", says)
    return Block(name, f"{says}.", markup, [Table(columns, values, is_folded=True)], note)


def _cell(found: dict[tuple[date, int], Row], first: date, months: int, age: int) -> Cell:
    if months > age:
        return None
    row = found.get((first, months))
    if row is None:
        # No row says that nobody ordered; unless the whole month is hidden.
        whole = found.get((first, 0))
        return HIDDEN if whole is not None and whole["is_hidden"] else 0.0
    return HIDDEN if row["is_hidden"] else float(row["retention"])


def _buyers(found: dict[tuple[date, int], Row], first: date) -> str:
    row = found.get((first, 0))
    return HIDDEN if row is None or row["is_hidden"] else count(row["buyers"])


def _text(cell: Cell) -> str:
    return NOTHING if cell is None else cell if isinstance(cell, str) else rate(cell)
