"""Extracting one partition: fetch from Amazon, flatten, write, all or nothing. Plain Python, nothing of Dagster.

Belongs here: which datasets come together and who extracts them. Does not belong here: how (the module of each source).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from amzigo_pipelines.assets.extraction.inventory import extract_inventory
from amzigo_pipelines.assets.extraction.listings import extract_listings
from amzigo_pipelines.assets.extraction.orders import extract_orders
from amzigo_pipelines.assets.extraction.results import ExtractionRefused, ExtractionResult
from amzigo_pipelines.clock import Clock
from amzigo_pipelines.resources.lake import Lake
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.spapi import SellingPartner

__all__ = ["SOURCES", "ExtractionRefused", "ExtractionResult", "extract_partition"]

Extract = Callable[[SellingPartner, Lake, bytes, Clock, date], list[ExtractionResult]]

_EXTRACTS: dict[tuple[str, ...], Extract] = {
    ("orders", "order_items"): extract_orders,
    ("fba_inventory",): extract_inventory,
    ("listings",): extract_listings,
}
SOURCES: tuple[tuple[str, ...], ...] = tuple(_EXTRACTS)
"""Datasets that come from the same calls and are committed together."""


def extract_partition(platform: Platform, seller_id: str, day: date, datasets: Sequence[str]) -> list[ExtractionResult]:
    """Replace the partitions of one seller and day by what Amazon says now, or leave them as they are.

    Args:
        platform: the installation.
        seller_id: whose.
        day: UTC day.
        datasets: one of `SOURCES`, or some of its datasets: they are always extracted together.

    Returns:
        one result a dataset of the source.

    Raises:
        ExtractionRefused: the day isn't over or has no snapshot any more, or the datasets aren't of one source.
        UnknownSeller: there is no such seller.
        SpApiError, FlattenError, LakeWriteError, PartitionBusy: it failed; the sentence says why.
    """
    sources = [source for source in SOURCES if datasets and set(datasets) <= set(source)]
    if not sources:
        known = "; ".join(", ".join(source) for source in SOURCES)
        raise ExtractionRefused(
            f"{', '.join(datasets) or 'nothing'} can't be extracted in one go: choose from one of these groups: {known}"
        )
    with platform.selling_partner(seller_id) as partner:
        key = platform.keys.pseudonymiser(seller_id)
        results = _EXTRACTS[sources[0]](partner, platform.lake, key, platform.clock, day)
    by_name = {result.dataset: result for result in results}
    return [by_name[name] for name in sources[0]]
