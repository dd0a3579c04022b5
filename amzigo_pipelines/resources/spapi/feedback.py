"""Customer feedback of one product: the operations, each an answer, "not enough data", or an error.

Belongs here: their parameters, and what their answers must have. Does not belong here: calling (`calls.py`),
which products are asked about and what becomes rows (`assets/extraction/reviews.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.resources.spapi.client import SellingPartner
from amzigo_pipelines.resources.spapi.errors import Asked, BadAnswer

if TYPE_CHECKING:
    from amzigo_pipelines.resources.spapi.library import Answer


def review_topics(partner: SellingPartner, marketplace_id: str, asin: str) -> dict[str, Any] | None:
    """The topics that reviews of a product mention most: `getItemReviewTopics`, sorted by mentions.

    Returns:
        Amazon's answer; None where Amazon says that there is not enough data (204), and then only.

    Raises:
        BadRequest: with status 404 or 400, if Amazon knows no such child ASIN in that marketplace.
        MissingRole: access is denied.
        SpApiError: anything else, after retries.
    """
    feedback = partner.feedback_of(marketplace_id)
    return _asked(
        partner,
        "getItemReviewTopics",
        lambda: feedback.get_item_review_topics(asin, marketplaceId=marketplace_id, sortBy="MENTIONS"),
        "topics",
        marketplace_id,
        asin,
    )


def review_trends(partner: SellingPartner, marketplace_id: str, asin: str) -> dict[str, Any] | None:
    """How often reviews of a product mentioned topics in each of six months: `getItemReviewTrends`.

    Returns, raises: as `review_topics`.
    """
    feedback = partner.feedback_of(marketplace_id)
    return _asked(
        partner,
        "getItemReviewTrends",
        lambda: feedback.get_item_review_trends(asin, marketplaceId=marketplace_id),
        "reviewTrends",
        marketplace_id,
        asin,
    )


def _asked(
    partner: SellingPartner, operation: str, ask: Callable[[], Answer], part: str, marketplace_id: str, asin: str
) -> dict[str, Any] | None:
    required: dict[str, type] = {"asin": str, "marketplaceId": str, "dateRange": dict, part: dict}
    answer = partner.call(operation, ask, required, MARKETPLACES[marketplace_id].region)
    if answer.is_without_data:
        return None
    if (answer.payload["asin"], answer.payload["marketplaceId"]) != (asin, marketplace_id):
        raise BadAnswer(Asked(partner.seller_id, operation), "the answer is about another product than was asked for")
    return answer.payload
