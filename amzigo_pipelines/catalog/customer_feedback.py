"""The datasets `review_topics` and `review_trends`: what customers' reviews of a product are about. Declarations only.

Amazon gives topics, counts and shares, by ASIN. It quotes reviews too: the quotations are never stored, since they are
customers' own words. Of the two orders in which Amazon names its ten topics each way, by mentions is the one asked for.

Amazon's percentages are of 100. It refreshes its figures weekly.
"""

from __future__ import annotations

from amzigo_pipelines.catalog.model import (
    DATE,
    INSTANT,
    INTEGER,
    RATIO,
    STRING,
    Column,
    Dataset,
    Source,
    business,
)

ROLE = "Selling Partner Insights"
# Source: Amazon's "Customer Feedback API v2024-06-01 Use Case Guide".
COUNTRIES = ("US", "GB", "FR", "IT", "DE", "ES", "JP")
"""Where Amazon has the Customer Feedback API."""
POSITIVE, NEGATIVE = "positive", "negative"


def _identity() -> tuple[Column, ...]:
    return (
        business("marketplace_id", STRING, "Marketplace that was asked.", "marketplaceId"),
        business("asin", STRING, "Amazon Standard Identification Number, of a child.", "asin"),
        business("sentiment", STRING, "`positive` or `negative`: how reviews speak of the topic.", "sentiment"),
        business("topic", STRING, "What the reviews speak of, in English.", "topic.topic"),
    )


REVIEW_TOPICS = Dataset(
    name="review_topics",
    description=(
        "One row an ASIN, marketplace and topic: the ten topics each that reviews praise and blame most often, a "
        "snapshot. ASINs with too few reviews have no rows."
    ),
    grain=("marketplace_id", "asin", "sentiment", "topic"),
    source=Source(operation="getItemReviewTopics", is_snapshot=True, role=ROLE),
    purpose="product analysis",
    legal_basis="contract",
    partition_day="the day whose closing state it is: Amazon is asked on that day or the day after",
    columns=(
        *_identity(),
        business("taken_at", INSTANT, "When Amazon was asked (UTC).", "takenAt"),
        business("position", INTEGER, "Place among the topics of this sentiment, 1 is mentioned most.", "position"),
        business("reviews_from", INSTANT, "First instant of the reviews that count (UTC).", "dateRange.startDate"),
        business("reviews_to", INSTANT, "Last instant of the reviews that count (UTC).", "dateRange.endDate"),
        business("mentions", INTEGER, "Reviews that mention the topic.", "topic.asinMetrics.numberOfMentions"),
        business(
            "occurrence_percent",
            RATIO,
            "Share of the reviews that mention the topic, in percent.",
            "topic.asinMetrics.occurrencePercentage",
        ),
        business(
            "star_rating_impact",
            RATIO,
            "Amazon's estimate of the topic's effect on the product's star rating, in stars.",
            "topic.asinMetrics.starRatingImpact",
        ),
        business(
            "parent_occurrence_percent",
            RATIO,
            "The same share for the parent ASIN, in percent.",
            "topic.parentAsinMetrics.occurrencePercentage",
        ),
        business(
            "browse_node_occurrence_percent",
            RATIO,
            "The same share for all products of the browse node, in percent.",
            "topic.browseNodeMetrics.occurrencePercentage.allProducts",
        ),
        business(
            "browse_node_star_rating_impact",
            RATIO,
            "The same effect for all products of the browse node, in stars.",
            "topic.browseNodeMetrics.starRatingImpact.allProducts",
        ),
        business("subtopics", STRING, "Names of the topic's top subtopics, by commas.", "topic.subtopics[].subtopic"),
    ),
)

REVIEW_TRENDS = Dataset(
    name="review_trends",
    description=(
        "One row an ASIN, marketplace, topic and month of the last six: how many of the reviews mention the topic, a "
        "snapshot. ASINs with too few reviews have no rows."
    ),
    grain=("marketplace_id", "asin", "sentiment", "topic", "month_starts_on"),
    source=Source(operation="getItemReviewTrends", is_snapshot=True, role=ROLE),
    purpose="product analysis",
    legal_basis="contract",
    partition_day="the day whose closing state it is: Amazon is asked on that day or the day after",
    columns=(
        *_identity(),
        business("month_starts_on", DATE, "First day of the month (UTC).", "monthStartsOn"),
        business("taken_at", INSTANT, "When Amazon was asked (UTC).", "takenAt"),
        business(
            "reviews_from", INSTANT, "First instant of the reviews that count (UTC).", "point.dateRange.startDate"
        ),
        business("reviews_to", INSTANT, "Last instant of the reviews that count (UTC).", "point.dateRange.endDate"),
        business(
            "occurrence_percent",
            RATIO,
            "Share of the month's reviews that mention the topic, in percent.",
            "point.asinMetrics.occurrencePercentage",
        ),
        business(
            "parent_occurrence_percent",
            RATIO,
            "The same share for the parent ASIN, in percent.",
            "point.parentAsinMetrics.occurrencePercentage",
        ),
        business(
            "browse_node_occurrence_percent",
            RATIO,
            "The same share for all products of the browse node, in percent.",
            "point.browseNodeMetrics.occurrencePercentage.allProducts",
        ),
    ),
)
