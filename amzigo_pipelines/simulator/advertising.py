"""What a synthetic seller advertises: campaigns, what ads are shown and clicked, which orders they bring.

Belongs here: the truth of advertising. Does not belong here: reports (`ads_report_types.py`), HTTP (`api_ads.py`).

Nothing is kept: all follows from the seed and the world's orders. What an ad shows and costs on a day doesn't depend on
when it is asked; what it brings grows for weeks, because an order counts for the day of the click that led to it.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from amzigo_pipelines.simulator.catalogue import Product
from amzigo_pipelines.simulator.marketplaces import Marketplace
from amzigo_pipelines.simulator.profiles import WorldConfig
from amzigo_pipelines.simulator.seller_world import SellerWorld

PRODUCTS = "SPONSORED_PRODUCTS"
BRANDS = "SPONSORED_BRANDS"
DISPLAY = "SPONSORED_DISPLAY"

LONGEST_LAG_DAYS = 29
"""An order comes at most so many days after the click that it counts for."""
VALIDATION_DAYS = 3
"""Clicks that Amazon finds invalid are taken off within so many days."""

_ATTRIBUTED_SHARE = 0.35
_VIEW_SHARE = 0.2
_CLICKS_PER_UNIT = 2.5
_CAMPAIGN_PRODUCTS = 12
# Days between click and order, and how often.
_LAGS = ((0, 0, 0.6), (1, 6, 0.25), (7, 13, 0.1), (14, LONGEST_LAG_DAYS, 0.05))


@dataclass(frozen=True)
class Campaign:
    """One campaign. `budget` is a day's, in minor units."""

    campaign_id: int
    name: str
    ad_product: str
    budget: int


@dataclass(frozen=True)
class Ad:
    """One ad. Those of sponsored brands show several products; the others one, with its SKU.

    Attributes:
        clicks_per_day: on an average day.
    """

    ad_id: int
    ad_group_id: int
    ad_group_name: str
    campaign: Campaign
    asins: tuple[str, ...]
    sku: str
    clicks_per_day: float


class Traffic(NamedTuple):
    """What an ad did on a day. `cost` is in minor units."""

    impressions: int
    clicks: int
    cost: int


@dataclass
class Conversions:
    """Orders that count for a day of an ad, by how long after the click they came. `sales` is in minor units."""

    purchases: dict[int, int] = field(default_factory=dict)
    units: dict[int, int] = field(default_factory=dict)
    sales: dict[int, int] = field(default_factory=dict)
    view_purchases: int = 0
    view_units: int = 0
    view_sales: int = 0

    def add(self, lag: int, units: int, sales: int, is_view: bool) -> None:
        """Count an order, `lag` days after the click, or after the ad was merely seen."""
        if is_view:
            self.view_purchases += 1
            self.view_units += units
            self.view_sales += sales
            return
        for counts, number in ((self.purchases, 1), (self.units, units), (self.sales, sales)):
            counts[lag] = counts.get(lag, 0) + number


class Advertising:
    """The advertising of one seller in one marketplace.

    Args:
        config: the world's.
        seller: the seller's world.
        market: where.
    """

    def __init__(self, config: WorldConfig, seller: SellerWorld, market: Marketplace) -> None:
        self._first_day = config.first_day
        self._seed = f"{config.seed}/{seller.profile.seller_id}/{market.marketplace_id}/ads"
        self._seller = seller
        self.market = market
        self.ads: list[Ad] = []
        products = sorted(seller.catalogue.offered(market.marketplace_id), key=lambda p: -p.weight)
        advertised = products[: max(1, round(len(products) * 0.7))]
        count = max(1, len(advertised) // _CAMPAIGN_PRODUCTS)
        for number in range(count):
            self._add(PRODUCTS, number, [(p,) for p in advertised[number::count]])
        self._add(BRANDS, 0, [tuple(advertised[start::2][:3]) for start in range(min(2, len(advertised)))])
        self._add(DISPLAY, 0, [(p,) for p in advertised[:6]])

    def _add(self, ad_product: str, number: int, shown: list[tuple[Product, ...]]) -> None:
        name = f"{ad_product.replace('_', ' ').title()} {number + 1}, {self.market.country}"
        campaign = Campaign(self._id(f"campaign/{ad_product}/{number}"), name, ad_product, 2_500 + 500 * number)
        per_day = self._seller.profile.orders_per_day / len(self._seller.markets) * _CLICKS_PER_UNIT
        for position, products in enumerate(shown):
            group = position % 2
            listings = [
                next(x for key, x in p.listings.items() if key[0] == self.market.marketplace_id) for p in products
            ]
            clicks = per_day * sum(p.weight for p in products) * (1.0 if ad_product == PRODUCTS else 0.25)
            self.ads.append(
                Ad(
                    ad_id=self._id(f"ad/{ad_product}/{number}/{position}"),
                    ad_group_id=self._id(f"group/{ad_product}/{number}/{group}"),
                    ad_group_name=f"Group {group + 1}",
                    campaign=campaign,
                    asins=tuple(p.asin for p in products),
                    sku="" if ad_product == BRANDS else listings[0].sku,
                    clicks_per_day=clicks,
                )
            )

    def traffic(self, ad: Ad, day: date, now: datetime) -> Traffic:
        """What an ad did on a local day, as Amazon counts it at an instant.

        The running day is counted as far as it has gone. Invalid clicks stay in for some days, and cost.
        """
        start = datetime(day.year, day.month, day.day, tzinfo=self.market.zone)
        gone = min(1.0, (now - start.astimezone(UTC)) / timedelta(days=1))
        if gone <= 0 or day < self._first_day:
            return Traffic(0, 0, 0)
        rng = random.Random(f"{self._seed}/{ad.ad_id}/{day.isoformat()}")
        clicks = max(0, round(rng.gauss(ad.clicks_per_day, ad.clicks_per_day**0.5)))
        impressions = round((clicks + rng.random()) * rng.uniform(90, 220))
        price = round(self.market.price_factor * rng.uniform(30, 140) * (1 if self.market.decimals else 0.01))
        if clicks and rng.random() < 0.3 and now < start.astimezone(UTC) + timedelta(days=VALIDATION_DAYS):
            clicks += 1
        return Traffic(round(impressions * gone), round(clicks * gone), round(clicks * gone) * price)

    def conversions(self, first: date, last: date, now: datetime) -> dict[tuple[int, date], Conversions]:
        """What came of the clicks of some local days until an instant, by (ad id, day of the click)."""
        found: dict[tuple[int, date], Conversions] = {}
        for ad, day, lag, units, sales, is_view in self._attributed(first, last, now):
            found.setdefault((ad.ad_id, day), Conversions()).add(lag, units, sales, is_view)
        return found

    def _attributed(self, first: date, last: date, now: datetime) -> Iterator[tuple[Ad, date, int, int, int, bool]]:
        by_asin: dict[str, list[Ad]] = {}
        for ad in self.ads:
            for asin in ad.asins:
                by_asin.setdefault(asin, []).append(ad)
        epoch = int(now.timestamp())
        for order in self._seller.orders:
            if order.created_at > epoch:
                return
            if order.market.marketplace_id != self.market.marketplace_id or order.replaces:
                continue
            ordered_on = datetime.fromtimestamp(order.created_at, UTC).astimezone(self.market.zone).date()
            if not first <= ordered_on <= last + timedelta(days=LONGEST_LAG_DAYS):
                continue
            for item in order.items:
                ads = by_asin.get(item.listing.asin)
                rng = random.Random(f"{self._seed}/order/{item.item_id}")
                if ads is None or rng.random() > _ATTRIBUTED_SHARE:
                    continue
                ad = rng.choice(ads)
                shortest, longest, _ = rng.choices(_LAGS, [share for _, _, share in _LAGS])[0]
                lag = rng.randint(shortest, longest)
                day = ordered_on - timedelta(days=lag)
                is_view = ad.campaign.ad_product == DISPLAY and rng.random() < _VIEW_SHARE
                # Nothing comes of an ad that nobody clicked; counted once all invalid clicks are off.
                settled = now + timedelta(days=VALIDATION_DAYS + LONGEST_LAG_DAYS)
                if first <= day <= last and self.traffic(ad, day, settled).clicks:
                    yield ad, day, lag, item.quantity, item.goods, is_view

    def _id(self, what: str) -> int:
        digest = hashlib.sha256(f"{self._seed}/{what}".encode()).digest()
        return 10**14 + int.from_bytes(digest[:6], "big") % (9 * 10**14)
