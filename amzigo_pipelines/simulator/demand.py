"""Who orders what and when: the orders of a day in a marketplace, drawn by chance.

Belongs here: counts, times of day, baskets, amounts, buyers who come again. Does not belong here: whether there is
stock (the caller says what can be had) and what becomes of the order (`journeys.py`).
"""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate

from amzigo_pipelines.simulator import people
from amzigo_pipelines.simulator.catalogue import AMAZON, MERCHANT, Catalogue, Listing, Product
from amzigo_pipelines.simulator.marketplaces import Marketplace
from amzigo_pipelines.simulator.orders import Item, Order
from amzigo_pipelines.simulator.people import People, Person

_BY_HOUR = (2, 1, 1, 1, 1, 2, 3, 5, 6, 7, 7, 7, 8, 7, 6, 6, 6, 7, 8, 10, 11, 10, 7, 4)
_BY_WEEKDAY = (1.10, 1.05, 1.00, 0.95, 0.90, 0.95, 1.05)
_MEAN_BY_HOUR = sum(_BY_HOUR)
_REPEAT_SHARE = 0.28
_BUSINESS_SHARE = 0.07

Available = Callable[[Listing], int]


def season(day: date) -> float:
    """The factor by which a day of the year differs from the average: low in summer, high before Christmas."""
    position = day.timetuple().tm_yday / 365.25
    christmas = math.exp(-(((position - 0.93) / 0.06) ** 2))
    return 0.92 + 0.08 * math.cos(2 * math.pi * position) + 0.55 * christmas


def times_of_day(rng: random.Random, market: Marketplace, day: date, mean: float) -> list[int]:
    """When orders come in during a UTC day, in epoch seconds, by the customs of the marketplace's local hours.

    Args:
        rng: the day's source of chance.
        market: where.
        day: the UTC day.
        mean: orders on an average day.
    """
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    weights = []
    for hour in range(24):
        local = (midnight + timedelta(hours=hour)).astimezone(market.zone)
        weights.append(_BY_HOUR[local.hour] * _BY_WEEKDAY[local.weekday()] / _MEAN_BY_HOUR)
    expected = mean * season(day) * sum(weights)
    count = max(0, round(rng.gauss(expected, math.sqrt(expected))))
    start = int(midnight.timestamp())
    return [start + hour * 3_600 + rng.randrange(3_600) for hour in rng.choices(range(24), weights, k=count)]


class Shoppers:
    """The buyers of one seller in one marketplace, and what they put in their baskets.

    Args:
        seller_id: the seller.
        market: the marketplace.
        catalogue: what is on offer.
        seed: the world's seed.
    """

    def __init__(self, seller_id: str, market: Marketplace, catalogue: Catalogue, seed: int) -> None:
        self.market = market
        self._people = People(seller_id, market, seed)
        self._buyers: list[Person] = []
        self._people_made = 0
        self._products = catalogue.offered(market.marketplace_id)
        self._cumulative = list(accumulate(product.weight for product in self._products))
        self._salt = zlib.crc32(f"{seller_id}/{market.marketplace_id}/{seed}".encode())

    def order(self, rng: random.Random, at: int, number: int, available: Available) -> Order | None:
        """One order, or None if nothing that the buyer wanted can be had.

        Args:
            rng: the day's source of chance.
            at: when, epoch second.
            number: the seller's running number of orders.
            available: how many units of a listing can be sold now.
        """
        wanted = rng.choices((1, 2, 3, 4), cum_weights=(78, 93, 98, 100))[0]
        products: list[Product] = []
        for product in rng.choices(self._products, cum_weights=self._cumulative, k=wanted):
            if product not in products:
                products.append(product)
        channel = self._channel(products[0], available)
        if channel is None:
            return None
        listings = [product.listings.get((self.market.marketplace_id, channel)) for product in products]
        lines: list[tuple[Listing, int]] = []
        for listing in listings:
            if listing is not None:
                quantity = min(rng.choices((1, 2, 3, 5), cum_weights=(83, 94, 98, 100))[0], available(listing))
                if quantity:
                    lines.append((listing, quantity))
        buyer, is_business = self._buyer(rng)
        is_gift = rng.random() < 0.06
        recipient = self._new_person(False) if is_gift and rng.random() < 0.7 else buyer
        is_prime = rng.random() < (0.65 if channel == AMAZON else 0.05)
        order = self._frame(rng, at, number, channel, buyer, recipient, is_business, is_prime)
        for position, (listing, quantity) in enumerate(lines):
            order.items.append(self._item(rng, order, position, listing, quantity, is_gift, is_prime))
        return order

    def replacement(
        self, rng: random.Random, at: int, number: int, original: Order, available: Available
    ) -> Order | None:
        """A replacement at no price for the first line of an order, or None if there is no stock for it."""
        item = original.items[0]
        if available(item.listing) < 1:
            return None
        order = self._frame(rng, at, number, original.channel, original.buyer, original.recipient, False, False)
        order.replaces = original.order_id
        order.items.append(Item(self._item_id(number, 0), item.listing, 1, 0, 0, 0, 0, 0, 0, 0, (), False, "", ""))
        return order

    def _channel(self, product: Product, available: Available) -> str | None:
        """Amazon's stock first; the seller's own twin when that has run out."""
        for channel in (AMAZON, MERCHANT):
            listing = product.listings.get((self.market.marketplace_id, channel))
            if listing is not None and available(listing) > 0:
                return channel
        return None

    def _new_person(self, is_business: bool) -> Person:
        person = self._people.person(self._people_made, is_business)
        self._people_made += 1
        return person

    def _buyer(self, rng: random.Random) -> tuple[Person, bool]:
        if self._buyers and rng.random() < _REPEAT_SHARE:
            # Early buyers come again more often: a few buy a lot, as in life.
            buyer = self._buyers[int(len(self._buyers) * rng.random() ** 1.6)]
        else:
            buyer = self._new_person(rng.random() < _BUSINESS_SHARE)
            self._buyers.append(buyer)
        return buyer, bool(buyer.company)

    def _item_id(self, number: int, position: int) -> str:
        return f"{(number * 6_700_417 + self._salt) % 10**11:011d}{position + 1:03d}"

    def _frame(
        self,
        rng: random.Random,
        at: int,
        number: int,
        channel: str,
        buyer: Person,
        recipient: Person,
        is_business: bool,
        is_prime: bool,
    ) -> Order:
        programs = [name for name, wanted in (("AMAZON_BUSINESS", is_business), ("PRIME", is_prime)) if wanted]
        speed = "EXPEDITED" if is_prime and rng.random() < 0.3 else "STANDARD"
        ship_by = at + rng.choice((1, 2, 2, 3)) * 86_400
        deliver_by = ship_by + rng.choice((1, 2, 4, 6)) * 86_400
        prefix = self.market.order_prefixes[(number + self._salt) % len(self.market.order_prefixes)]
        tail = (number * 7_368_787 + self._salt) % 10**7  # one-to-one: two orders never share it
        return Order(
            number=number,
            order_id=f"{prefix}-{rng.randrange(10**7):07d}-{tail:07d}",
            market=self.market,
            buyer=buyer,
            recipient=recipient,
            created_at=at,
            channel=channel,
            items=[],
            programs=tuple(programs),
            service_level=speed,
            ship_by=(at, ship_by),
            deliver_by=(ship_by, deliver_by),
            purchase_order=f"PO-{buyer.number:05d}-{number:05d}" if is_business and rng.random() < 0.6 else "",
            payment_code=f"AUTH-{rng.randrange(10**10):010d}" if self.market.country == "MX" else "",
            seller_alias=f"SHOP-{number:07d}" if channel == MERCHANT and rng.random() < 0.3 else "",
        )

    def _item(
        self,
        rng: random.Random,
        order: Order,
        position: int,
        listing: Listing,
        quantity: int,
        is_gift: bool,
        is_prime: bool,
    ) -> Item:
        market = self.market
        is_business_price = order.is_business and rng.random() < 0.5
        unit_price = listing.price * 95 // 100 if is_business_price else listing.price
        goods = unit_price * quantity
        promotions: list[str] = []
        discount = shipping = shipping_discount = 0
        if rng.random() < 0.09:
            discount = goods // rng.choice((5, 10, 20))
            promotions.append(f"SYNTH-SAVE-{rng.randrange(1000):03d}")
        if not is_prime:
            shipping = int(4.99 * market.price_factor * (100 if market.decimals else 1))
            if rng.random() < 0.5:
                shipping_discount = shipping
                promotions.append("SYNTH Free Shipping")
        gift_wrap = int(3.49 * market.price_factor * (100 if market.decimals else 1)) if is_gift else 0
        return Item(
            item_id=self._item_id(order.number, position),
            listing=listing,
            quantity=quantity,
            unit_price=unit_price,
            shipping=shipping,
            gift_wrap=gift_wrap,
            discount=discount,
            shipping_discount=shipping_discount,
            tax=round((goods - discount + gift_wrap) * market.tax_rate),
            shipping_tax=round((shipping - shipping_discount) * market.tax_rate),
            promotions=tuple(promotions),
            is_business_price=is_business_price,
            gift_message=people.gift_message(rng, order.buyer, order.recipient) if is_gift else "",
            customised_url=(
                f"https://customisation.example/{order.order_id}/{rng.randrange(10**12):012d}.zip"
                if listing.is_customisable and rng.random() < 0.4
                else ""
            ),
        )
