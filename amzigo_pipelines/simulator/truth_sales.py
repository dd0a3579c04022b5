"""What really happened in the synthetic world, as Amazon's analytics add it up, for tests to compare with.

Belongs here: sales, traffic and sums of orders by local day. Does not belong here: single orders (`truth.py`), reports
(`truth_reports.py`). Money is Decimal in the marketplace's currency.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from amzigo_pipelines.simulator.marketplaces import Marketplace
from amzigo_pipelines.simulator.order_sums import OrderFilter, order_sums
from amzigo_pipelines.simulator.report_request import local_day, local_midnight
from amzigo_pipelines.simulator.sales_and_traffic import Both, Day, Figures, sales_and_traffic
from amzigo_pipelines.simulator.world import World


@dataclass(frozen=True)
class TrafficTruth:
    """A local day of a marketplace, or of a SKU in it, as Amazon tells it at the instant asked about.

    Attributes:
        sales: price times units of what was ordered and not cancelled, without tax and shipping.
        offer_views: page views on which the featured offer was the seller's.
    """

    currency: str
    sales: Decimal
    units: int
    order_items: int
    shipped_units: int
    refunded_units: int
    sessions: int
    page_views: int
    offer_views: int
    business_units: int
    business_sessions: int


@dataclass(frozen=True)
class OrderMetricsTruth:
    """Orders placed on a local day of a marketplace that are not cancelled, pending ones included."""

    currency: str
    orders: int
    order_items: int
    units: int
    sales: Decimal


def traffic_daily(world: World, seller_id: str, now: datetime) -> dict[tuple[date, str], TrafficTruth]:
    """All days that are over, by (local day, marketplace id)."""
    return {
        (day, market.marketplace_id): _traffic(market, figures.total)
        for market, days in _days(world, seller_id, now)
        for day, figures in days.items()
    }


def traffic_by_sku(world: World, seller_id: str, now: datetime) -> dict[tuple[date, str, str], TrafficTruth]:
    """All days that are over, by (local day, marketplace id, SKU); what nobody saw or bought is left out."""
    return {
        (day, market.marketplace_id, sku): _traffic(market, both)
        for market, days in _days(world, seller_id, now)
        for day, figures in days.items()
        for sku, (_, both) in figures.by_sku.items()
    }


def order_metrics(
    world: World, seller_id: str, now: datetime, which: OrderFilter | None = None
) -> dict[tuple[date, str], OrderMetricsTruth]:
    """All days that have begun, by (local day, marketplace id)."""
    seller, epoch = world.seller(seller_id, now), int(now.timestamp())
    found = {}
    for market in seller.markets:
        last = local_day(epoch, market)
        days = [world.config.first_day + timedelta(days=n) for n in range((last - world.config.first_day).days + 1)]
        edges = [local_midnight(day, market) for day in [*days, last + timedelta(days=1)]]
        for day, sums in zip(days, order_sums(seller, market, edges, epoch, which or OrderFilter()), strict=True):
            found[day, market.marketplace_id] = OrderMetricsTruth(
                currency=market.currency,
                orders=sums.orders,
                order_items=sums.order_items,
                units=sums.units,
                sales=Decimal(market.amount(sums.sales)),
            )
    return found


def _days(world: World, seller_id: str, now: datetime) -> Iterator[tuple[Marketplace, dict[date, Day]]]:
    seller, epoch = world.seller(seller_id, now), int(now.timestamp())
    for market in seller.markets:
        last = local_day(epoch, market)
        yield market, sales_and_traffic(world.config, seller, market, world.config.first_day, last, epoch)


def _traffic(market: Marketplace, both: Both) -> TrafficTruth:
    of: Figures = both.everybody
    return TrafficTruth(
        currency=market.currency,
        sales=Decimal(market.amount(of.sales)),
        units=of.units,
        order_items=of.order_items,
        shipped_units=of.shipped_units,
        refunded_units=of.refunded_units,
        sessions=of.sessions,
        page_views=of.page_views,
        offer_views=of.offer_views,
        business_units=both.business.units,
        business_sessions=both.business.sessions,
    )
