"""The report's section about traffic: from page views to units, and how it changes.

Belongs here: which numbers of `traffic_daily` are shown. Does not belong here: what they mean
(`marts/traffic_daily.sql`).
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
    count,
    country,
    rate,
)
from amzigo_pipelines.assets.report.svg import for_page

DAYS = 30
STAGES = (
    ("page views", "page_views"),
    ("with featured offer", "featured_offer_page_views"),
    ("visits", "sessions"),
    ("order items", "order_items"),
)


def funnel(marts: Marts) -> Section:
    """How many looked, and how many of them bought."""
    rows = marts.rows(
        """
        SELECT day, marketplace_id, currency, page_views, featured_offer_page_views, sessions, order_items,
            units_ordered, ordered_product_sales
        FROM traffic_daily
        WHERE day > (SELECT MAX(day) FROM traffic_daily) - ?
        ORDER BY day
        """,
        2 * DAYS,
    )
    title = "Traffic"
    lead = (
        f"How many looked at the products in the last {DAYS} days, and how many bought, as Amazon counts them. Amazon "
        "adds late visits for up to 72 hours."
    )
    if not rows:
        return Section(title, lead, missing=marts.why("traffic_daily") or ["nobody looked at the products yet"])
    newest = max(row["day"] for row in rows)
    blocks = []
    for marketplace_id, currency, days in by_marketplace(rows):
        recent = [row for row in days if (newest - row["day"]).days < DAYS]
        former = [row for row in days if (newest - row["day"]).days >= DAYS]
        if any(row["sessions"] for row in recent):
            blocks += _blocks(marts, f"{country(marketplace_id)}, {currency}", currency, days, recent, former)
    missing = [] if blocks else [f"nobody looked at the products in the last {DAYS} days"]
    return Section(title, lead, blocks, missing)


def _blocks(
    marts: Marts,
    name: str,
    currency: str,
    days: list[Row],
    recent: list[Row],
    former: list[Row],
) -> list[Block]:
    now, before = _sums(recent), _sums(former)
    bought = now["order_items"] / now["sessions"]
    says = (
        f"Of 100 visits {100 * bought:.1f} ended in an order item, and a visit brought "
        f"{marts.price(now['ordered_product_sales'] / now['sessions'], currency)}"
    )
    # Less than a week says more about weekdays than about a change.
    comparable = len(former) >= 7 and before["sessions"] > 0
    if comparable:
        says += f"; in the {len(former)} days before it were {100 * before['order_items'] / before['sessions']:.1f}"
    featured = now["featured_offer_page_views"] / now["page_views"] if now["page_views"] else None
    if featured is not None:
        says += f". On {rate(featured, 0)} of the page views the featured offer was the seller's"
    stages = [
        Bar(stage, now[column], f"{count(now[column])} ({rate(now[column] / now['page_views'], 0)})")
        for stage, column in STAGES
        if now["page_views"]
    ]
    cells = [
        [stage, count(now[column]), *([count(before[column])] if comparable else [])]
        for stage, column in (*STAGES, ("units", "units_ordered"))
    ]
    columns = ["", f"last {len(recent)} days", *([f"{len(former)} days before"] if comparable else [])]
    shares = [100 * row["order_items"] / row["sessions"] if row["sessions"] else None for row in days]
    best = max((share for share in shares if share is not None), default=0.0)
    told = f"Between {min((s for s in shares if s is not None), default=0):.1f} and {best:.1f} of 100 visits a day"
    values = [
        [str(row["day"]), count(row["sessions"]), NOTHING if share is None else f"{share:.1f}%"]
        for row, share in zip(reversed(days), reversed(shares), strict=True)
    ]
    line = [Line("order items of 100 visits", [None if share is None else float(share) for share in shares])]
    return [
        Block(
            name,
            f"{says}.",
            for_page(bars(stages), f"From page views to orders, {name}", says),
            [Table(columns, cells)],
        ),
        Block(
            f"{name}: order items of 100 visits, day by day",
            f"{told} ended in an order item.",
            for_page(trend([row["day"] for row in days], line), f"Order items of 100 visits a day, {name}", told),
            [Table(["day", "visits", "with an order item"], values, is_folded=True)],
        ),
    ]


def _sums(rows: list[Row]) -> dict[str, float]:
    names = [*(column for _, column in STAGES), "units_ordered", "ordered_product_sales"]
    return {name: float(sum(row[name] or 0 for row in rows)) for name in names}
