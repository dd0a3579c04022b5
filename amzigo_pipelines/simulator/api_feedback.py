"""The operations of the Customer Feedback API 2024-06-01 that are about one item: getItemReviewTopics and -Trends.

Belongs here: parameters and what Amazon makes of reviews: counts, shares, months. Does not belong here: who reviews
what (`reviews.py`).

Amazon refreshes its figures weekly; here they are as of the moment. Star rating impacts are Amazon's own estimate, and
here the distance between the mean rating with and without the topic. Parents, siblings and browse nodes do not exist in
this world, so their figures are null, as Amazon has them where there is too little data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from amzigo_pipelines.catalog.customer_feedback import COUNTRIES
from amzigo_pipelines.simulator.answers import Answer, Refusal, as_json, instant, invalid
from amzigo_pipelines.simulator.calls import Call
from amzigo_pipelines.simulator.catalogue import Listing
from amzigo_pipelines.simulator.marketplaces import MARKETPLACES
from amzigo_pipelines.simulator.reviews import Review, reviews_of

FEWEST_REVIEWS = 3
"""With fewer the answer is 204: not enough data."""
MONTHS = 6
_MOST_TOPICS = 10
_SORTS = ("MENTIONS", "STAR_RATING_IMPACT")

_Sides = tuple[tuple[str, Callable[[Review], tuple[str, ...]]], ...]
_SIDES: _Sides = (("positiveTopics", lambda review: review.liked), ("negativeTopics", lambda review: review.disliked))


def get_item_review_topics(call: Call) -> Answer:
    """`GET /customerFeedback/2024-06-01/items/{asin}/reviews/topics`."""
    sort_by = call.query.get("sortBy")
    if sort_by not in _SORTS:
        raise invalid("sortBy must be MENTIONS or STAR_RATING_IMPACT.")
    listing = _listing(call)
    starts = _months(call.now)
    found = _reviews_of(call, listing, starts[0])
    if len(found) < FEWEST_REVIEWS:
        return Answer(204, b"")
    topics: dict[str, Any] = {}
    for side, mentioned in _SIDES:
        entries = [_topic(topic, found, mentioned) for topic in _mentioned(found, mentioned)]
        key = "numberOfMentions" if sort_by == "MENTIONS" else "starRatingImpact"
        entries.sort(key=lambda entry: (-abs(entry["asinMetrics"][key] or 0), entry["topic"]))
        topics[side] = entries[:_MOST_TOPICS] or None
    return as_json(_head(listing, starts[0], call) | {"topics": topics})


def get_item_review_trends(call: Call) -> Answer:
    """`GET /customerFeedback/2024-06-01/items/{asin}/reviews/trends`."""
    listing = _listing(call)
    starts = _months(call.now)
    found = _reviews_of(call, listing, starts[0])
    if len(found) < FEWEST_REVIEWS:
        return Answer(204, b"")
    edges = [*starts, call.epoch + 1]
    trends: dict[str, Any] = {}
    for side, mentioned in _SIDES:
        topics = sorted(_mentioned(found, mentioned), key=lambda topic: (-_mentions(topic, found, mentioned), topic))
        trends[side] = [
            {"topic": topic, "trendMetrics": _points(topic, found, mentioned, edges)} for topic in topics[:_MOST_TOPICS]
        ] or None
    return as_json(_head(listing, starts[0], call) | {"reviewTrends": trends})


def _listing(call: Call) -> Listing:
    marketplace_id = call.query.get("marketplaceId", "")
    if marketplace_id not in call.profile.marketplace_ids:
        raise Refusal(403, "Unauthorized", "Access to requested resource is denied.")
    if MARKETPLACES[marketplace_id].country not in COUNTRIES:
        raise invalid("The marketplace is not supported.")
    asin = call.path["asin"]
    for product in call.seller().catalogue.products:
        if product.asin == asin:
            for listing in product.listings.values():
                if listing.marketplace_id == marketplace_id:
                    return listing
    raise Refusal(404, "NotFound", "The resource specified does not exist.")


def _reviews_of(call: Call, listing: Listing, since: int) -> list[Review]:
    return reviews_of(call.seller(), listing.marketplace_id, listing.asin, since, call.epoch)


def _months(now: datetime) -> list[int]:
    """The first instants of this month and of the five before it (UTC), oldest first."""
    starts = []
    for back in range(MONTHS - 1, -1, -1):
        years, month = divmod(now.month - 1 - back, 12)
        starts.append(int(datetime(now.year + years, month + 1, 1, tzinfo=UTC).timestamp()))
    return starts


def _head(listing: Listing, since: int, call: Call) -> dict[str, Any]:
    return {
        "asin": listing.asin,
        "itemName": listing.title,
        "marketplaceId": listing.marketplace_id,
        "countryCode": MARKETPLACES[listing.marketplace_id].country,
        "dateRange": {"startDate": instant(since), "endDate": instant(call.epoch)},
    }


def _mentioned(found: Sequence[Review], mentioned: Callable[[Review], tuple[str, ...]]) -> set[str]:
    return {topic for review in found for topic in mentioned(review)}


def _mentions(topic: str, found: Sequence[Review], mentioned: Callable[[Review], tuple[str, ...]]) -> int:
    return sum(topic in mentioned(review) for review in found)


def _topic(topic: str, found: Sequence[Review], mentioned: Callable[[Review], tuple[str, ...]]) -> dict[str, Any]:
    mentions = _mentions(topic, found, mentioned)
    having = [review.rating for review in found if topic in mentioned(review)]
    others = [review.rating for review in found if topic not in mentioned(review)]
    impact = sum(having) / len(having) - sum(others) / len(others) if others else None
    return {
        "topic": topic,
        "asinMetrics": {
            "numberOfMentions": mentions,
            "occurrencePercentage": round(100 * mentions / len(found), 2),
            "starRatingImpact": None if impact is None else round(impact, 2),
        },
        "parentAsinMetrics": None,
        "browseNodeMetrics": None,
        "childAsinMetrics": None,
        # Amazon quotes reviews here. A quotation made up is a quotation all the same: whoever stores it is found out.
        "reviewSnippets": [f"SYNTHETIC-SNIPPET about {topic}"],
        "subtopics": None,
    }


def _points(
    topic: str, found: Sequence[Review], mentioned: Callable[[Review], tuple[str, ...]], edges: Sequence[int]
) -> list[dict[str, Any]]:
    points = []
    for start, end in pairwise(edges):
        month = [review for review in found if start <= review.at < end]
        if month:
            share = round(100 * _mentions(topic, month, mentioned) / len(month), 2)
            points.append(
                {
                    "dateRange": {"startDate": instant(start), "endDate": instant(end - 1)},
                    "asinMetrics": {"occurrencePercentage": share},
                    "parentAsinMetrics": None,
                    "browseNodeMetrics": None,
                }
            )
    return points
