"""How assets are partitioned: by seller, and by day and seller.

Belongs here: partition definitions and the keys made from them. Does not belong here: which days are asked for when
(`automation/`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import dagster as dg
from dagster import MultiPartitionKey
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from amzigo_pipelines.resources.labels import SELLER_TAG

SELLERS = dg.DynamicPartitionsDefinition(name="seller")

# Days that go into one run over a range.
DAYS_PER_RUN = 30


def day_and_seller(first_day: date) -> dg.MultiPartitionsDefinition:
    """Partitions of extraction: the UTC day and the seller. Days run from `first_day` to yesterday."""
    return dg.MultiPartitionsDefinition(
        {"day": dg.DailyPartitionsDefinition(start_date=first_day.isoformat()), "seller": SELLERS}
    )


def partition_key(day: date, seller_id: str) -> MultiPartitionKey:
    """The key of one day of one seller."""
    return MultiPartitionKey({"day": day.isoformat(), "seller": seller_id})


def range_tags(first: date, last: date, seller_id: str) -> dict[str, str]:
    """Tags of a run over all days from `first` to `last` of one seller."""
    bounds = key_range_tags(str(partition_key(first, seller_id)), str(partition_key(last, seller_id)))
    return {**bounds, SELLER_TAG: seller_id}


def key_range_tags(first: str, last: str) -> dict[str, str]:
    """Tags of a run over all partitions from one key to another."""
    return {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}


def ranges_of(days: Iterable[date]) -> list[tuple[date, date]]:
    """Unbroken ranges of days, in order: what can be asked for in one run each."""
    ranges: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if ranges and day - ranges[-1][1] == timedelta(days=1):
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges


def day_and_seller_of(key: str) -> tuple[date, str]:
    """Day and seller of a partition key such as `2026-11-20|A1B2C3`."""
    day, seller_id = key.split("|", 1)
    return date.fromisoformat(day), seller_id
