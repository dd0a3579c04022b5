"""What buyers write about the products: which order item is reviewed when, with how many stars, about what.

Belongs here: the chances of a review. Does not belong here: what Amazon makes of reviews (`api_feedback.py`).

A review follows the delivery. It is drawn from the order item's own id, so that no other chance shifts by it. No words
are made up: Amazon's API tells topics and counts, and its snippets are never asked for by us.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple
from weakref import WeakKeyDictionary

from amzigo_pipelines.simulator.seller_world import SellerWorld

TOPICS = (
    "quality",
    "value for money",
    "ease of use",
    "appearance",
    "size",
    "durability",
    "packaging",
    "functionality",
    "smell",
    "material",
    "colour",
    "weight",
)
_SHARE = 0.3
_DAY_S = 86_400


class Review(NamedTuple):
    """A review of one product.

    Attributes:
        at: epoch second.
        rating: 1 to 5 stars.
        liked, disliked: the topics that it praises and blames.
    """

    asin: str
    marketplace_id: str
    at: int
    rating: int
    liked: tuple[str, ...]
    disliked: tuple[str, ...]


# Reviews of a seller by (marketplace, ASIN), as of how far its world is made: a product is asked about again and again.
_MADE: WeakKeyDictionary[SellerWorld, tuple[int, dict[tuple[str, str], list[Review]]]] = WeakKeyDictionary()


def reviews_of(seller: SellerWorld, marketplace_id: str, asin: str, since: float, until: float) -> list[Review]:
    """The reviews of a product within two instants, both included."""
    made_until, found = _MADE.get(seller, (-1, {}))
    if made_until != seller.made_until:
        made_until, found = seller.made_until, {}
        for review in reviews(seller, made_until):
            found.setdefault((review.marketplace_id, review.asin), []).append(review)
        _MADE[seller] = made_until, found
    return [review for review in found.get((marketplace_id, asin), ()) if since <= review.at <= until]


def reviews(seller: SellerWorld, until: float) -> Iterator[Review]:
    """All reviews up to an instant, included, by the order that they are about."""
    for order in seller.orders:
        if order.created_at > until:
            return
        delivered_at = order.delivered_at
        if delivered_at is None or delivered_at >= until:
            continue
        for item in order.items:
            rng = random.Random(f"review/{item.item_id}")
            if rng.random() >= _SHARE:
                continue
            at = delivered_at + int(rng.uniform(0.1, 6) * _DAY_S)
            rating = rng.choices((1, 2, 3, 4, 5), (8, 6, 11, 25, 50))[0]
            topics = rng.sample(TOPICS, rng.randint(1, 4))
            praised = sum(rng.random() < rating / 5 for _ in topics)
            if at <= until:
                listing = item.listing
                yield Review(
                    listing.asin,
                    listing.marketplace_id,
                    at,
                    rating,
                    tuple(topics[:praised]),
                    tuple(topics[praised:]),
                )
