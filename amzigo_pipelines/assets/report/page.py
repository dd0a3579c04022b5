"""The HTML report of a seller: all sections on one page that needs nothing from anywhere.

Belongs here: the order of the sections and the page. Does not belong here: what a section shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from importlib import resources
from typing import TYPE_CHECKING

from amzigo_pipelines.assets.report.model import Marts, Section

if TYPE_CHECKING:
    import duckdb


def report_sections() -> list[Callable[[Marts], Section]]:
    """All sections in reading order. Imported here, because Matplotlib takes its time to load."""
    from amzigo_pipelines.assets.report import account, buyers, profit, returns, sales, stock, traffic

    return [
        sales.sales_trend,
        sales.top_products,
        profit.waterfall_of_profit,
        traffic.funnel,
        stock.cover,
        stock.reorder,
        stock.ageing,
        returns.returns,
        buyers.cohorts,
        account.health,
    ]


def make_report(connection: duckdb.DuckDBPyConnection, seller: str, published_at: datetime) -> str:
    """The report as one HTML page without any link to elsewhere.

    Args:
        connection: read-only, to the seller's published marts.
        seller: how the seller is called.
        published_at: when the marts were published.
    """
    marts = Marts(connection)
    lead = f"Sales and inventory, from the marts published {published_at:%Y-%m-%d %H:%M} UTC. No personal data."
    return render([section(marts) for section in report_sections()], seller, "sales and inventory", lead)


def render(sections: Sequence[Section], seller: str, topic: str, lead: str) -> str:
    """Sections as a page.

    Args:
        sections: in reading order.
        seller: how the seller is called.
        topic: what the page is about, for its title.
        lead: sentences below the seller's name.
    """
    from jinja2 import Environment, StrictUndefined

    template = resources.files("amzigo_pipelines.assets.report").joinpath("report.html.j2").read_text("utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(sections=sections, seller=seller, topic=topic, lead=lead)
