"""What Amazon's analytics say of a seller's days in a marketplace: sales, shipments, refunds, visits, page views.

Belongs here: counting the world's orders by local day and SKU, and drawing who looked. Does not belong here: GraphQL
and JSON (`kiosk_rows.py`), HTTP (`api_kiosk.py`).

Nothing is kept: all follows from the seed and the world's orders. A day is told once it is over. What was cancelled is
taken off for `SALES_SETTLE_DAYS`, then the day's sales stay as they are; on some days part of the visits is told up to
`TRAFFIC_SETTLES_DAYS` late. Sales and page views of all SKUs add up to the day's; visits do not, because one visit may
look at several SKUs.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from datetime import date, timedelta

from amzigo_pipelines.simulator.catalogue import AMAZON, Listing
from amzigo_pipelines.simulator.marketplaces import Marketplace
from amzigo_pipelines.simulator.orders import CANCELLED, Order
from amzigo_pipelines.simulator.profiles import WorldConfig
from amzigo_pipelines.simulator.report_request import DAY_S, local_day, local_midnight
from amzigo_pipelines.simulator.seller_world import SellerWorld

SALES_SETTLE_DAYS = 7
TRAFFIC_SETTLES_DAYS = 3

_LATE_SHARE = 0.6
# Share of the visits that is told, in percent, by full days since the day's end.
_TOLD_BY_AGE = (88, 95, 99)
_LONGEST_LIFE_S = 130 * DAY_S  # between the placing of an order and the last that is heard of it
_VISITS_PER_UNIT_OF_DEMAND = 8.0
_BUSINESS_PERCENT = 6
_BAD_RATING = 2


@dataclass
class Figures:
    """Counts of a day, or of a SKU's day. Money is in minor units; `offer_views` are views with the seller's offer."""

    orders: int = 0
    order_items: int = 0
    units: int = 0
    sales: int = 0
    shipped_orders: int = 0
    shipped_units: int = 0
    shipped_sales: int = 0
    refunded_units: int = 0
    feedback: int = 0
    bad_feedback: int = 0
    browser_sessions: int = 0
    app_sessions: int = 0
    browser_views: int = 0
    app_views: int = 0
    offer_views: int = 0

    @property
    def sessions(self) -> int:
        """Visits."""
        return self.browser_sessions + self.app_sessions

    @property
    def page_views(self) -> int:
        """Pages looked at."""
        return self.browser_views + self.app_views

    def add(self, **counts: int) -> None:
        """Count more."""
        for name, count in counts.items():
            setattr(self, name, getattr(self, name) + count)

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened."""
        return not any(getattr(self, field.name) for field in fields(self))


@dataclass
class Both:
    """Figures of all customers, and of business customers among them."""

    everybody: Figures
    business: Figures

    @classmethod
    def none(cls) -> Both:
        """Nothing counted yet."""
        return cls(Figures(), Figures())

    def add(self, is_business: bool, **counts: int) -> None:
        """Count for everybody, and for business customers where it is one."""
        self.everybody.add(**counts)
        if is_business:
            self.business.add(**counts)


@dataclass
class Day:
    """One local day of a marketplace: its totals, and by listing what of it concerns a SKU."""

    total: Both
    by_sku: dict[str, tuple[Listing, Both]]

    def of(self, listing: Listing) -> Both:
        """The figures of a SKU."""
        return self.by_sku.setdefault(listing.sku, (listing, Both.none()))[1]


def sales_and_traffic(
    config: WorldConfig, seller: SellerWorld, market: Marketplace, first: date, last: date, as_of: int
) -> dict[date, Day]:
    """The figures of local days, both included, as Amazon tells them at an instant (epoch second).

    Days that are not over by then, or that lie before the seller's first, are left out.
    """
    found: dict[date, Day] = {}
    day = first
    while day <= last:
        if day >= config.first_day and local_midnight(day + timedelta(days=1), market) <= as_of:
            found[day] = Day(Both.none(), {})
        day += timedelta(days=1)
    if not found:
        return found
    start, end = local_midnight(min(found), market), local_midnight(max(found) + timedelta(days=1), market) - 1
    bought: dict[tuple[date, str], int] = {}
    for order, _ in seller.created_between(start - _LONGEST_LIFE_S, end, as_of, (0, "")):
        if order.market.marketplace_id != market.marketplace_id:
            continue
        _count_order(found, order, as_of, bought)
        _count_parcels(found, order, as_of)
        _count_afterwards(found, order, as_of)
    seed = f"{config.seed}/{seller.profile.seller_id}/{market.marketplace_id}/traffic"
    for on, figures in found.items():
        _draw_traffic(seed, seller, market, on, as_of, figures, bought)
    return found


def _count_order(found: dict[date, Day], order: Order, as_of: int, bought: dict[tuple[date, str], int]) -> None:
    on = local_day(order.created_at, order.market)
    day = found.get(on)
    if day is None:
        return
    for item in order.items:
        # Whoever bought has looked, whatever became of the order.
        bought[on, item.listing.sku] = bought.get((on, item.listing.sku), 0) + 1
    settled = local_midnight(on + timedelta(days=1 + SALES_SETTLE_DAYS), order.market)
    version = order.version_at(min(as_of, settled))
    if version is None or order.versions[version].status == CANCELLED:
        return
    day.total.add(order.is_business, orders=1)
    for item in order.items:
        day.of(item.listing).add(order.is_business, orders=1)
        for both in (day.total, day.of(item.listing)):
            both.add(order.is_business, order_items=1, units=item.quantity, sales=item.goods)


def _count_parcels(found: dict[date, Day], order: Order, as_of: int) -> None:
    for parcel in order.parcels:
        day = found.get(local_day(parcel.shipped_at, order.market)) if parcel.shipped_at <= as_of else None
        if day is None:
            continue
        is_first = parcel is order.parcels[0]
        day.total.add(order.is_business, shipped_orders=int(is_first))
        for position, quantity in parcel.contents:
            item = order.items[position]
            day.of(item.listing).add(order.is_business, shipped_orders=int(is_first))
            for both in (day.total, day.of(item.listing)):
                both.add(order.is_business, shipped_units=quantity, shipped_sales=item.unit_price * quantity)


def _count_afterwards(found: dict[date, Day], order: Order, as_of: int) -> None:
    for back in order.returns:
        day = found.get(local_day(back.at, order.market)) if back.at <= as_of else None
        if day is not None:
            for both in (day.total, day.of(order.items[back.item].listing)):
                both.add(order.is_business, refunded_units=back.quantity)
    if order.feedback is not None and order.feedback.at <= as_of:
        day = found.get(local_day(order.feedback.at, order.market))
        if day is not None:
            day.total.add(order.is_business, feedback=1, bad_feedback=int(order.feedback.rating <= _BAD_RATING))


def _draw_traffic(
    seed: str,
    seller: SellerWorld,
    market: Marketplace,
    on: date,
    as_of: int,
    day: Day,
    bought: dict[tuple[date, str], int],
) -> None:
    age_days = (as_of - local_midnight(on + timedelta(days=1), market)) // DAY_S
    is_late = random.Random(f"{seed}/{on}/late").random() < _LATE_SHARE
    told = _TOLD_BY_AGE[age_days] if is_late and age_days < len(_TOLD_BY_AGE) else 100
    per_day = seller.profile.orders_per_day / len(seller.markets) * _VISITS_PER_UNIT_OF_DEMAND
    for product in seller.catalogue.offered(market.marketplace_id):
        for (marketplace_id, channel), listing in product.listings.items():
            if marketplace_id != market.marketplace_id:
                continue
            rng = random.Random(f"{seed}/{on}/{listing.sku}")
            mean = per_day * product.weight * (1.0 if channel == AMAZON else 0.4)
            visits = max(0, round(rng.gauss(mean, mean**0.5))) + bought.get((on, listing.sku), 0) * rng.randint(2, 6)
            by_app = round(visits * rng.uniform(0.45, 0.65))
            per_visit, share = rng.uniform(1.1, 1.6), rng.uniform(0.7, 1.0)
            counts = {
                "browser_sessions": (visits - by_app) * told // 100,
                "app_sessions": by_app * told // 100,
                "browser_views": round((visits - by_app) * per_visit) * told // 100,
                "app_views": round(by_app * per_visit) * told // 100,
            }
            counts["offer_views"] = round((counts["browser_views"] + counts["app_views"]) * share)
            if not any(counts.values()):
                continue
            business = {name: count * _BUSINESS_PERCENT // 100 for name, count in counts.items()}
            for both in (day.total, day.of(listing)):
                both.everybody.add(**counts)
                both.business.add(**business)
    for figures in (day.total.everybody, day.total.business):
        # A visit that looked at several SKUs was counted for each.
        figures.add(browser_sessions=-(figures.browser_sessions // 12), app_sessions=-(figures.app_sessions // 12))
