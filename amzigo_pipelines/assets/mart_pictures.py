"""Pictures of key marts for Dagster's metadata: shapes without amounts.

Belongs here: which mart has a picture, and how it is drawn. Does not belong here: the report with its amounts
(`report/`).

Dagster's event log is not encrypted and outlives the marts' keys. So a picture tells no amount, no count and no SKU:
lines are an index whose highest day is 100, bars are shares in whole percents. They are drawn by hand as SVG of some
kilobytes: loading a library for charts would cost each publish half a second.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import dagster as dg

from amzigo_pipelines.catalog.marketplaces import MARKETPLACES

if TYPE_CHECKING:
    import duckdb

# Readable on white and on the dark mode's grey alike, and told apart by people who see no red or no green.
INK, AXIS, COLOURS = "#808894", "#9aa3b0", ("#3f82cf", "#c98a2b", "#b0568f", "#14909a")
DASHES = ("", "6 3", "2 3", "8 3 2 3")
WIDTH, LEFT = 560, 150
MAX_BYTES = 20_000
_WHY = "No amounts, as this log is not encrypted: `amzigo report` shows them."

Rows = list[tuple[str, str, float]]


@dataclass(frozen=True)
class Picture:
    """A picture of a mart.

    Attributes:
        caption: what is seen, and in which unit.
        sql: the rows `group_id, name, value`; names follow each other in order, groups are marketplaces.
        draw: how.
    """

    caption: str
    sql: str
    draw: Callable[[Rows], str]


def picture(connection: duckdb.DuckDBPyConnection, mart: str) -> dg.MarkdownMetadataValue | None:
    """The picture of a mart as metadata; None for marts without one, or with nothing to be seen.

    Args:
        connection: read-only, to the published marts of one seller.
        mart: its name.
    """
    one = PICTURES.get(mart)
    rows = [row for row in connection.execute(one.sql).fetchall() if row[2] is not None] if one else []
    if one is None or not rows:
        return None
    svg = base64.b64encode(one.draw(rows).encode()).decode()
    return dg.MetadataValue.md(f"![{one.caption}](data:image/svg+xml;base64,{svg})\n\n{one.caption} {_WHY}")


def lines(rows: Rows) -> str:
    """A line for each marketplace, its highest value 100."""
    groups = _groups(rows)
    names = sorted({str(name) for _, name, _ in rows})
    places = {name: 34 + n * (WIDTH - 44) / max(len(names) - 1, 1) for n, name in enumerate(names)}
    parts = [_text(28, 44, "100", "end"), _text(28, 144, "0", "end")]
    parts += [f'<path d="M34 {y}H{WIDTH - 10}" stroke="{AXIS}" stroke-opacity=".5"/>' for y in (40, 140)]
    for n, (group, values) in enumerate(groups.items()):
        top = max((value for _, value in values), default=0.0) or 1.0
        points = " ".join(f"{places[name]:.0f},{140 - 100 * value / top:.0f}" for name, value in values)
        style = f'stroke="{COLOURS[n % 4]}" stroke-dasharray="{DASHES[n % 4]}"'
        parts.append(f'<polyline points="{points}" fill="none" stroke-width="2" {style}/>')
        parts.append(f'<path d="M{34 + 90 * n} 18h24" stroke-width="2" {style}/>' + _text(64 + 90 * n, 22, group))
    parts += [_text(34, 160, names[0]), _text(WIDTH - 10, 160, names[-1], "end")]
    return _svg(170, parts)


def shares(rows: Rows) -> str:
    """Bars of 0 to 1 for each name, by marketplace; longer ones are cut at 1 and say how long they are."""
    parts, y = [], 8
    for group, values in _groups(rows).items():
        parts.append(_text(8, y + 12, group, weight="bold"))
        y += 18
        for name, value in values:
            length = (WIDTH - LEFT - 60) * min(max(value, 0.0), 1.0)
            bar = f'<rect x="{LEFT}" y="{y + 2}" width="{length:.0f}" height="12" fill="{COLOURS[0]}"/>'
            parts += [_text(LEFT - 6, y + 12, name, "end"), bar, _text(LEFT + length + 5, y + 12, f"{value:.0%}")]
            y += 17
        y += 6
    return _svg(y, parts)


def _groups(rows: Rows) -> dict[str, list[tuple[str, float]]]:
    found: dict[str, list[tuple[str, float]]] = {}
    for group_id, name, value in rows:
        known = MARKETPLACES.get(group_id)
        found.setdefault(known.country if known else group_id, []).append((str(name), float(value)))
    return dict(sorted(found.items()))


def _text(x: float, y: float, text: str, anchor: str = "start", weight: str = "normal") -> str:
    style = f'text-anchor="{anchor}" font-weight="{weight}" font-size="11" font-family="sans-serif" fill="{INK}"'
    return f'<text x="{x:.0f}" y="{y:.0f}" {style}>{escape(text)}</text>'


def _svg(height: int, parts: Sequence[str]) -> str:
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(parts)}</svg>'


PICTURES: Mapping[str, Picture] = {
    "sales_daily": Picture(
        "Ordered product sales a day, the highest day of each marketplace is 100; the last 90 days.",
        """
        SELECT marketplace_id, day, SUM(ordered_product_sales) FROM sales_daily
        WHERE day > (SELECT MAX(day) FROM sales_daily) - 90 AND day < (SELECT MAX(day) FROM sales_daily)
        GROUP BY marketplace_id, currency, day
        -- Currencies are never added up: a marketplace has one but for strays, which are left out.
        QUALIFY currency = MODE(currency) OVER (PARTITION BY marketplace_id)
        ORDER BY marketplace_id, day
        """,
        lines,
    ),
    "traffic_daily": Picture(
        "From page views to order items, as shares of the page views of the last 30 days.",
        """
        WITH recent AS (
            SELECT marketplace_id, SUM(page_views) AS views, SUM(featured_offer_page_views) AS featured,
                SUM(sessions) AS visits, SUM(order_items) AS items
            FROM traffic_daily WHERE day > (SELECT MAX(day) FROM traffic_daily) - 30
            GROUP BY marketplace_id HAVING SUM(page_views) > 0
        )
        SELECT marketplace_id, UNNEST(['page views', 'with featured offer', 'visits', 'order items']),
            UNNEST([1, featured / views, visits / views, items / views])
        FROM recent
        """,
        shares,
    ),
    "profit_by_sku": Picture(
        "Parts of the newest month's net sales: fees, advertising where it is known, and what is left before the "
        "products' cost.",
        """
        WITH newest AS (
            SELECT marketplace_id, SUM(net_sales) AS net, SUM(fees) AS fees, SUM(ad_spend) AS ads,
                SUM(net_sales + reimbursements + other_income - fees) - COALESCE(SUM(ad_spend), 0) AS rest
            FROM profit_by_sku
            WHERE month = (SELECT MAX(month) FROM profit_by_sku) AND marketplace_id <> '(account)'
            GROUP BY marketplace_id, currency HAVING SUM(net_sales) > 0
        )
        SELECT marketplace_id, UNNEST(['net sales', 'fees', 'advertising', 'left']),
            UNNEST([1, fees / net, ads / net, rest / net])
        FROM newest
        """,
        shares,
    ),
    "inventory_cover": Picture(
        "Shares of the SKUs that sell, by how long their stock lasts.",
        """
        WITH known AS (
            SELECT marketplace_id, days_of_cover AS days FROM inventory_cover WHERE days_of_cover IS NOT NULL
        ), counted AS (
            SELECT marketplace_id, COUNT(*) AS skus, COUNT(*) FILTER (days = 0) AS a,
                COUNT(*) FILTER (days > 0 AND days < 14) AS b, COUNT(*) FILTER (days >= 14 AND days < 30) AS c,
                COUNT(*) FILTER (days >= 30 AND days < 90) AS d, COUNT(*) FILTER (days >= 90) AS e
            FROM known GROUP BY marketplace_id
        )
        SELECT marketplace_id,
            UNNEST(['out of stock', 'under 14 days', '14 to 29 days', '30 to 89 days', '90 days and more']),
            UNNEST([a / skus, b / skus, c / skus, d / skus, e / skus])
        FROM counted
        """,
        shares,
    ),
    "inventory_aging": Picture(
        "Shares of the units in Amazon's warehouses by age; from 181 days on they cost a surcharge.",
        """
        SELECT marketplace_id, age_band || ' days', SUM(units) / SUM(SUM(units)) OVER (PARTITION BY marketplace_id)
        FROM inventory_aging GROUP BY marketplace_id, age_band
        QUALIFY SUM(SUM(units)) OVER (PARTITION BY marketplace_id) > 0
        ORDER BY marketplace_id, CAST(REGEXP_EXTRACT(age_band, '^\\d+') AS INTEGER), age_band
        """,
        shares,
    ),
    "returns_by_sku": Picture(
        "Share of the units ordered in a month that came back so far.",
        """
        SELECT marketplace_id, STRFTIME(month, '%Y-%m'), SUM(returned_units_of_orders) / SUM(units_ordered)
        FROM returns_by_sku WHERE month > (SELECT MAX(month) FROM returns_by_sku) - INTERVAL 12 MONTH
        GROUP BY marketplace_id, month HAVING SUM(units_ordered) > 0
        ORDER BY marketplace_id, month
        """,
        shares,
    ),
    "buyer_cohorts": Picture(
        "Share of the buyers of a month who ordered again in the next one; hidden where they are fewer than 5.",
        """
        SELECT marketplace_id, STRFTIME(first_month, '%Y-%m'), retention
        FROM buyer_cohorts WHERE months_later = 1 AND NOT is_hidden
        ORDER BY marketplace_id, first_month DESC LIMIT 24
        """,
        shares,
    ),
    "account_health": Picture(
        "How much of what Amazon's limit allows each rate uses; at 100 % the limit is reached.",
        """
        WITH newest AS (
            SELECT *, IF(is_minimum, 1 - rate, rate) AS bad, IF(is_minimum, 1 - rate_limit, rate_limit) AS allowed
            FROM account_health QUALIFY day = MAX(day) OVER (PARTITION BY marketplace_id)
        )
        SELECT marketplace_id, REPLACE(metric, '_', ' '), bad / allowed FROM newest
        WHERE bad IS NOT NULL AND allowed > 0 ORDER BY marketplace_id, metric
        """,
        shares,
    ),
}
