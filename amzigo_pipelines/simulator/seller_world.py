"""One seller's part of the world: it runs day by day and keeps what happened.

Belongs here: the order of events, and booking orders into stock. Does not belong here: the chances (`demand.py`,
`journeys.py`, `supply.py`) or looking things up for the outside (`truth.py`, the API modules).

Days are made one after the other from `first_day`, each with its own source of chance, and within a day everything
happens in the order of time. So the same seed gives the same world however far it is asked for, and in whatever steps.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from heapq import heappop, heappush

from amzigo_pipelines.simulator import journeys, stock
from amzigo_pipelines.simulator.catalogue import AMAZON, Catalogue, Listing
from amzigo_pipelines.simulator.demand import Available, Shoppers, times_of_day
from amzigo_pipelines.simulator.marketplaces import MARKETPLACES
from amzigo_pipelines.simulator.orders import CANCELLED, Order
from amzigo_pipelines.simulator.profiles import SellerProfile
from amzigo_pipelines.simulator.stock import Pool
from amzigo_pipelines.simulator.stranding import stranded_since
from amzigo_pipelines.simulator.supply import Supply

OWN_WAREHOUSE = ""
"""The marketplace id of stock that lies with the seller: one pool serves every marketplace."""

_UNITS_PER_ORDER = 1.6
_REPLACEMENT_SHARE = 0.008


class SellerWorld:
    """One seller's orders, stock and buyers, made as far as somebody asked.

    Args:
        profile: the seller.
        seed: the world's seed.
        first_day: the UTC day on which the seller starts.

    Attributes:
        orders: every order, by the time it was placed.
        pools: stock by SKU and marketplace id; `OWN_WAREHOUSE` for what the seller ships.
        starts_at: the epoch second at which the seller starts.
    """

    def __init__(self, profile: SellerProfile, seed: int, first_day: date) -> None:
        self.profile = profile
        self.markets = [MARKETPLACES[marketplace_id] for marketplace_id in profile.marketplace_ids]
        self.orders: list[Order] = []
        self.by_id: dict[str, Order] = {}
        self.pools: dict[tuple[str, str], Pool] = {}
        self.starts_at = _midnight(first_day)
        self._seed = f"{seed}/{profile.seller_id}"
        self._next_day = first_day
        self._events: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
        self._event_count = 0
        self._versions: list[tuple[int, str, int]] = []  # (time, order id, version), sorted
        start = self.starts_at
        rng = random.Random(f"{self._seed}/start")
        self.catalogue = Catalogue(rng, self.markets, profile.sku_count, profile.fba_share, start)
        self._shoppers = {m.marketplace_id: Shoppers(profile.seller_id, m, self.catalogue, seed) for m in self.markets}
        self._shares = {m.marketplace_id: 1 / (position + 1) for position, m in enumerate(self.markets)}
        total = sum(self._shares.values())
        self._shares = {market_id: share / total for market_id, share in self._shares.items()}
        self._supplies = self._make_supplies()
        for supply in self._supplies:
            supply.start(rng, start)
        self._rng = rng

    @property
    def made_until(self) -> int:
        """The epoch second before which everything is known."""
        return _midnight(self._next_day)

    def extend(self, until: int) -> None:
        """Make further days, so that everything at or before an epoch second is known."""
        while self.made_until <= until:
            self._run_day(self._next_day)
            self._next_day += timedelta(days=1)

    def pool_of(self, listing: Listing) -> Pool:
        """The stock that a listing sells from."""
        return self.pools[listing.sku, listing.marketplace_id if listing.channel == AMAZON else OWN_WAREHOUSE]

    def updated_between(
        self, after: float, before: float, now: int, beyond: tuple[int, str]
    ) -> Iterator[tuple[Order, int]]:
        """Orders whose newest version is of a window, with the version's position, by time and order id.

        Args:
            after: epoch second from which on a version counts.
            before: the last epoch second that counts.
            now: the instant as of which versions are the newest.
            beyond: (time, order id) of the last order already seen: those up to it are left out.
        """
        start = max(bisect_left(self._versions, (after,)), bisect_right(self._versions, (*beyond, 1 << 30)))
        for at, order_id, version in self._versions[start:]:
            if at > before or at > now:
                return
            order = self.by_id[order_id]
            if order.version_at(now) == version:
                yield order, version

    def created_between(
        self, after: float, before: float, now: int, beyond: tuple[int, str]
    ) -> Iterator[tuple[Order, int]]:
        """Orders placed in a window, with the position of their version as of `now`; otherwise as `updated_between`."""
        start = bisect_left(self.orders, max(after, beyond[0]), key=_created_at)
        for order in self.orders[start:]:
            if order.created_at > before or order.created_at > now:
                return
            version = order.version_at(now)
            if version is not None and (order.created_at, order.order_id) > beyond:
                yield order, version

    # -- making a day ------------------------------------------------------------------------------------------------

    def _make_supplies(self) -> list[Supply]:
        velocities: dict[tuple[str, str], tuple[float, bool]] = {}
        for product in self.catalogue.products:
            for (market_id, channel), listing in product.listings.items():
                units = self.profile.orders_per_day * self._shares[market_id] * product.weight * _UNITS_PER_ORDER
                has_twin = (market_id, AMAZON) in product.listings and channel != AMAZON
                key = (listing.sku, market_id if channel == AMAZON else OWN_WAREHOUSE)
                before, _ = velocities.get(key, (0.0, False))
                velocities[key] = (before + units * (0.15 if has_twin else 1.0), product.is_neglected)
        supplies = []
        for (sku, market_id), (velocity, is_neglected) in velocities.items():
            pool = self.pools[sku, market_id] = Pool(sku, market_id)
            supplies.append(Supply(pool, velocity, is_neglected, market_id != OWN_WAREHOUSE))
        return supplies

    def _schedule(self, at: int, action: Callable[..., None], arguments: tuple[object, ...]) -> None:
        self._event_count += 1  # breaks ties in the order of scheduling, so that runs are repeatable
        heappush(self._events, (at, self._event_count, action, arguments))

    def _run_day(self, day: date) -> None:
        self._rng = rng = random.Random(f"{self._seed}/{day.isoformat()}")
        midnight = _midnight(day)
        for supply in self._supplies:
            supply.day(rng, midnight, self._schedule)
        for market in self.markets:
            for at in times_of_day(rng, market, day, self.profile.orders_per_day * self._shares[market.marketplace_id]):
                self._schedule(at, self._shop, (self._shoppers[market.marketplace_id],))
        first_new = len(self.orders)
        while self._events and self._events[0][0] < midnight + 86_400:
            at, _, action, arguments = heappop(self._events)
            action(at, *arguments)
        fresh = [
            (version.at, order.order_id, position)
            for order in self.orders[first_new:]
            for position, version in enumerate(order.versions)
        ]
        # A new list, not one sorted in place: another thread may be reading the old one.
        self._versions = sorted(self._versions + fresh)

    def _available(self, at: int) -> Available:
        def units(listing: Listing) -> int:
            return 0 if stranded_since(listing, at) is not None else self.pool_of(listing).fulfillable

        return units

    def _shop(self, at: int, shoppers: Shoppers) -> None:
        order = shoppers.order(self._rng, at, len(self.orders) + 1, self._available(at))
        if order is not None:
            self._take(order)

    def _replace(self, at: int, original: Order) -> None:
        shoppers = self._shoppers[original.market.marketplace_id]
        order = shoppers.replacement(self._rng, at, len(self.orders) + 1, original, self._available(at))
        if order is not None:
            self._take(order)

    def _take(self, order: Order) -> None:
        """Book a new order: reserve its stock, plan its life, schedule what that does to stock."""
        for item in order.items:
            self.pool_of(item.listing).move(order.created_at, stock.RESERVED, item.quantity, reference=order.order_id)
        journeys.plan(self._rng, order)
        self.orders.append(order)
        self.by_id[order.order_id] = order
        last = order.versions[-1]
        if last.status == CANCELLED:
            self._schedule(last.at, self._release, (order,))
            return
        for parcel in order.parcels:
            for position, quantity in parcel.contents:
                pool = self.pool_of(order.items[position].listing)
                self._schedule(parcel.shipped_at, _book, (pool, stock.SHIPPED, quantity, "", order.order_id))
        for back in order.returns:
            pool = self.pool_of(order.items[back.item].listing)
            self._schedule(back.at, _book, (pool, stock.RETURNED, back.quantity, back.disposition, order.order_id))
        delivered_at = order.delivered_at
        if delivered_at is not None and not order.replaces and self._rng.random() < _REPLACEMENT_SHARE:
            self._schedule(delivered_at + self._rng.randrange(86_400, 6 * 86_400), self._replace, (order,))

    def _release(self, at: int, order: Order) -> None:
        for item in order.items:
            self.pool_of(item.listing).move(at, stock.RELEASED, item.quantity, reference=order.order_id)


def _book(at: int, pool: Pool, kind: str, quantity: int, disposition: str, reference: str) -> None:
    pool.move(at, kind, quantity, disposition, reference)


def _created_at(order: Order) -> int:
    return order.created_at


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
