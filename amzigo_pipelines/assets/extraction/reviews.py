"""Extracting `review_topics` and `review_trends`: one call a product and marketplace, one partition a day.

Belongs here: which products are asked about, and what an answer without data or a refusal means. Does not belong here:
the calls (`resources/spapi/feedback.py`), columns (the catalog).

A partition is written once all products are through: with hundreds of them that takes minutes, at one call a second,
and whatever happens on the way leaves the old partition. What was answered by then is kept (`kept_answers.py`), so that
the next run goes on with the next product.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from amzigo_pipelines.assets.extraction.flatten import table_of
from amzigo_pipelines.assets.extraction.paths import Flattener, FlattenError, Path
from amzigo_pipelines.assets.extraction.results import (
    Extraction,
    ExtractionRefused,
    ExtractionResult,
    check_snapshot_day,
    results_of,
    snapshot_window,
)
from amzigo_pipelines.catalog.customer_feedback import COUNTRIES, NEGATIVE, POSITIVE, REVIEW_TOPICS, REVIEW_TRENDS
from amzigo_pipelines.catalog.listings import LISTINGS
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.model import Dataset
from amzigo_pipelines.resources.lake.files import expires_on_of_partition
from amzigo_pipelines.resources.lake.kept_answers import Kept, KeptAnswers
from amzigo_pipelines.resources.spapi.client import SellingPartner
from amzigo_pipelines.resources.spapi.errors import BadRequest, MissingRole, SpApiError
from amzigo_pipelines.resources.spapi.feedback import review_topics, review_trends

# Listings change slowly: a night on which they did not come costs no reviews.
LISTINGS_DAYS = 7
# Answers that are turned into columns and kept at a time: at Amazon's one a second a kill loses five.
_KEPT_TOGETHER = 100
_KEPT_EVERY_S = 5.0
_SIDES = (("positiveTopics", POSITIVE), ("negativeTopics", NEGATIVE))
# Answers to a request for a product that Amazon does not know (any more), or not as a child ASIN.
_UNKNOWN_PRODUCT = (400, 404)

Ask = Callable[[SellingPartner, str, str], dict[str, Any] | None]
Rows = Callable[[dict[str, Any]], list[dict[str, Any]]]


@dataclass
class _Asked:
    """How the products of a day were answered."""

    products: int = 0
    without_data: int = 0
    taken_over: set[tuple[str, str]] = field(default_factory=set)
    refusals: list[BadRequest] = field(default_factory=list)


def extract_review_topics(extraction: Extraction, days: Sequence[date]) -> Iterator[ExtractionResult]:
    """Replace a day's partition of `review_topics`; raises as `_extract`."""
    return _extract(REVIEW_TOPICS, review_topics, _topics, extraction, days)


def extract_review_trends(extraction: Extraction, days: Sequence[date]) -> Iterator[ExtractionResult]:
    """Replace a day's partition of `review_trends`; raises as `_extract`."""
    return _extract(REVIEW_TRENDS, review_trends, _trends, extraction, days)


def _extract(
    dataset: Dataset, ask: Ask, rows_of: Rows, extraction: Extraction, days: Sequence[date]
) -> Iterator[ExtractionResult]:
    """Ask about every product that the seller lists.

    Raises:
        ExtractionRefused: no snapshot of that day can be had any more, or the lake knows no listings.
        MissingRole: the sentence names the role and what stays empty.
        SpApiError, FlattenError, LakeWriteError, PartitionBusy: nothing was stored.
    """
    partner = extraction.partner
    for day in days:
        taken_at = check_snapshot_day(dataset.name, day, extraction.clock)
        products, warnings = products_of(extraction, dataset, day)
        asked = _Asked()
        kept = _kept_answers(extraction, dataset, day)
        tables = _taken_over(extraction, dataset, day, kept, products, asked)
        try:
            tables += _tables(dataset, ask, rows_of, partner, products, taken_at, asked, kept)
        except MissingRole as error:
            error.add(
                f"{dataset.name} needs the role '{dataset.source.role}': add it in the developer console and let the "
                f"seller authorise the application again. Until then {dataset.name} and all columns made from it stay "
                "empty; nothing was stored"
            )
            raise
        if asked.refusals:
            warnings.append(
                f"Amazon knows {len(asked.refusals)} of {asked.products} ASINs not, or not as child ASINs: there are "
                "no rows of them"
            )
        told = f"{asked.products} ASINs asked, {asked.without_data} with too few reviews"
        origin = {
            "operation": f"{dataset.source.operation} 2024-06-01",
            "window": snapshot_window(taken_at),
            "asins": str(asked.products),
            "asins_without_data": str(asked.without_data),
            "asins_refused": str(len(asked.refusals)),
        }
        with extraction.writer(day, [dataset], origin) as writer:
            for table in tables:
                writer.append(dataset, table)
        kept.clear()
        yield from results_of(writer.committed, partner, warnings, f"{snapshot_window(taken_at)}: {told}")


def _kept_answers(extraction: Extraction, dataset: Dataset, day: date) -> KeptAnswers:
    platform = extraction.platform
    expires_on = expires_on_of_partition(day, platform.home.retention.business_days)
    return KeptAnswers(
        platform.control, platform.keys, platform.clock, dataset, extraction.partner.seller_id, day, expires_on
    )


def _taken_over(
    extraction: Extraction,
    dataset: Dataset,
    day: date,
    kept: KeptAnswers,
    products: Sequence[tuple[str, str]],
    asked: _Asked,
) -> list[pa.Table]:
    """What a run that came to no end has been answered, of products that are still listed."""
    records = extraction.lake.partitions(extraction.partner.seller_id, dataset)
    written_at = next((record.committed_at for record in records if record.day == day), None)
    listed, tables = set(products), []
    for one in kept.list(written_at):
        subjects = {(marketplace_id, asin) for marketplace_id, asin in one.subjects}
        if subjects <= listed and subjects.isdisjoint(asked.taken_over):
            asked.taken_over |= subjects
            asked.products += len(subjects)
            asked.without_data += one.without_data
            tables.append(one.rows)
    return tables


def products_of(extraction: Extraction, dataset: Dataset, day: date) -> tuple[list[tuple[str, str]], list[str]]:
    """The (marketplace, ASIN) pairs of the newest listings up to a day, and what a person should know of them.

    Raises:
        ExtractionRefused: the lake has no listings of the last days.
    """
    seller_id, lake = extraction.partner.seller_id, extraction.lake
    known = [
        record
        for record in lake.partitions(seller_id, LISTINGS)
        if day - timedelta(days=LISTINGS_DAYS) <= record.day <= day + timedelta(days=1)
    ]
    if not known:
        raise ExtractionRefused(
            f"{dataset.name} is asked for by the ASINs of listings, and the lake has no listings of seller {seller_id} "
            f"of the {LISTINGS_DAYS} days up to {day}: extract listings first"
        )
    newest = max(known, key=lambda record: (record.rows > 0, record.day))
    warnings, unknown = [], set(newest.origin.get("cancelled_for", "").split(",")) - {""}
    if unknown:
        warnings.append(f"the listings of {_countries(unknown)} are empty, unconfirmed: no ASIN there was asked about")
    elsewhere = {m for m in extraction.partner.marketplace_ids if MARKETPLACES[m].country not in COUNTRIES}
    if elsewhere:
        warnings.append(f"Amazon tells nothing of reviews in {_countries(elsewhere)}: not asked for")
    stored = lake.scan(LISTINGS, seller_id, [newest.day])
    if stored is None:
        return [], warnings
    asked_in = [m for m in extraction.partner.marketplace_ids if m not in elsewhere]
    wanted = ds.field("marketplace_id").isin(pa.array(asked_in, pa.string())) & ds.field("asin").is_valid()
    table = stored.to_table(columns=["marketplace_id", "asin"], filter=wanted)
    pairs = zip(table["marketplace_id"].to_pylist(), table["asin"].to_pylist(), strict=True)
    return sorted(set(pairs)), warnings


def _tables(
    dataset: Dataset,
    ask: Ask,
    rows_of: Rows,
    partner: SellingPartner,
    products: Sequence[tuple[str, str]],
    taken_at: datetime,
    asked: _Asked,
    kept: KeptAnswers,
) -> list[pa.Table]:
    """Ask about all products but those that were taken over, and keep the answers as they come."""
    flattener = Flattener(dataset.name, [Path.parse(c.name, c.source, c.type) for c in dataset])
    context = {"takenAt": taken_at.isoformat()}
    waiting: list[dict[str, Any]] = []
    answered: list[tuple[str, str]] = []
    tables: list[pa.Table] = []
    without_data = 0

    def keep() -> None:
        nonlocal waiting, answered, without_data
        if answered:
            tables.append(table_of(dataset, flattener.columns(waiting)))
            kept.add(Kept(tuple(answered), without_data, tables[-1]))
        waiting, answered, without_data = [], [], 0

    kept_at = time.monotonic()
    try:
        for marketplace_id, asin in products:
            if (marketplace_id, asin) in asked.taken_over:
                continue
            asked.products += 1
            try:
                answer = ask(partner, marketplace_id, asin)
            except BadRequest as error:
                if error.status not in _UNKNOWN_PRODUCT:
                    raise
                asked.refusals.append(error)
                continue
            rows = [] if answer is None else [row | context for row in rows_of(answer)]
            answered.append((marketplace_id, asin))
            if answer is None:
                asked.without_data += 1
                without_data += 1
            else:
                partner.usage.pages += 1
                waiting += rows
            if len(answered) >= _KEPT_TOGETHER or time.monotonic() > kept_at + _KEPT_EVERY_S:
                keep()
                kept_at = time.monotonic()
    except SpApiError:
        # What came is good, whatever did not come.
        keep()
        raise
    keep()
    if asked.refusals and len(asked.refusals) == asked.products:
        # One product may be gone. That all are is no fact about products but about our requests.
        raise asked.refusals[-1]
    return tables


def _topics(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {**_head(answer), "sentiment": sentiment, "topic": topic, "position": position}
        for side, sentiment in _SIDES
        for position, topic in enumerate(_list(REVIEW_TOPICS, answer["topics"].get(side)), start=1)
    ]


def _trends(answer: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for side, sentiment in _SIDES:
        for topic in _list(REVIEW_TRENDS, answer["reviewTrends"].get(side)):
            for point in _list(REVIEW_TRENDS, topic.get("trendMetrics")):
                start = (point.get("dateRange") or {}).get("startDate")
                month = f"{start[:7]}-01" if isinstance(start, str) else None
                rows.append(
                    {
                        **_head(answer),
                        "sentiment": sentiment,
                        "topic": {"topic": topic.get("topic")},
                        "monthStartsOn": month,
                        "point": point,
                    }
                )
    return rows


def _head(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: answer[name] for name in ("marketplaceId", "asin", "dateRange")}


def _list(dataset: Dataset, values: Any) -> list[dict[str, Any]]:
    """A list of Amazon's; null stands for one without enough data."""
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise FlattenError(
            f"an answer for dataset {dataset.name} has something else where its topics should be: Amazon's format has "
            "changed, or the answer is damaged; nothing was stored"
        )
    return values


def _countries(marketplace_ids: set[str]) -> str:
    return ", ".join(sorted(MARKETPLACES[m].country for m in marketplace_ids))
