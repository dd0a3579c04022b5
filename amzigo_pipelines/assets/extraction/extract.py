"""Extracting partitions: fetch from Amazon, flatten, write, each day all or nothing. Plain Python, nothing of Dagster.

Belongs here: which datasets come together, who extracts them, and which earlier days are fetched again. Does not belong
here: how (the module of each source; `reports.py` for all that come as plain reports).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from datetime import date, timedelta
from functools import partial

from amzigo_pipelines.assets.extraction.advertising import extract_advertising
from amzigo_pipelines.assets.extraction.inventory import extract_inventory
from amzigo_pipelines.assets.extraction.orders import extract_orders, reports_ahead
from amzigo_pipelines.assets.extraction.participations import extract_participations
from amzigo_pipelines.assets.extraction.quarantining import MISFITS, Quarantined, keep_back
from amzigo_pipelines.assets.extraction.reports import extract_report, orders_of, windows_of
from amzigo_pipelines.assets.extraction.results import Extraction, ExtractionRefused, ExtractionResult, SourceSkipped
from amzigo_pipelines.assets.extraction.reviews import extract_review_topics, extract_review_trends
from amzigo_pipelines.assets.extraction.sales_metrics import extract_sales_metrics
from amzigo_pipelines.assets.extraction.settlements import extract_settlements
from amzigo_pipelines.assets.extraction.transactions import extract_transactions
from amzigo_pipelines.catalog.model import Dataset
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.clock import VirtualClock, today
from amzigo_pipelines.errors import AmzigoError, told_of
from amzigo_pipelines.resources.control.failed_partitions import FailedPartitions
from amzigo_pipelines.resources.control.known_refusals import KnownRefusals
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.quarantine.store import REPLAYED, Batch
from amzigo_pipelines.resources.reports.desk import ReportOrder
from amzigo_pipelines.resources.sellers import UnknownSeller
from amzigo_pipelines.resources.spapi.errors import MissingRole

__all__ = [
    "LAST_SOURCES",
    "SOURCES",
    "ExtractionRefused",
    "ExtractionResult",
    "SourceSkipped",
    "extract_partition",
    "extract_partitions",
    "replay",
]

# Windows of a call that may go into quarantine; where more don't fit, the format has changed, and one tells it all.
_MOST_KEPT_BACK = 3
# Ads come from an API of their own, which no tape listens to: what does not fit fails, and nothing of it is kept.
_UNRECORDED = frozenset({("ads_campaigns", "ads_products")})

Extract = Callable[[Extraction, Sequence[date]], Iterator[ExtractionResult]]

# Sources with ways of their own; all others are plain reports.
_OWN: dict[tuple[str, ...], Extract] = {
    ("orders", "order_items"): extract_orders,
    ("fba_inventory",): extract_inventory,
    ("marketplaces",): extract_participations,
    ("sales_metrics",): extract_sales_metrics,
    ("transactions", "transaction_breakdowns"): extract_transactions,
    ("settlements", "settlement_lines"): extract_settlements,
    ("ads_campaigns", "ads_products"): extract_advertising,
}
# One call a product: slow, and after the listings, which say what to ask about.
_BY_PRODUCT: dict[tuple[str, ...], Extract] = {
    ("review_topics",): extract_review_topics,
    ("review_trends",): extract_review_trends,
}
_REPORTS: dict[tuple[str, ...], Extract] = {
    (dataset.name,): partial(extract_report, dataset)
    for dataset in DATASETS.values()
    if dataset.source.report is not None
}
_EXTRACTS = _OWN | _REPORTS | _BY_PRODUCT
SOURCES: tuple[tuple[str, ...], ...] = tuple(_EXTRACTS)
"""Datasets that come from the same calls and are committed together."""
LAST_SOURCES: frozenset[tuple[str, ...]] = frozenset(_BY_PRODUCT)
"""Sources that are best extracted after all others of a run: they hold nothing up, and profit from what is new."""


def extract_partitions(
    platform: Platform,
    seller_id: str,
    days: Sequence[date],
    datasets: Sequence[str],
    *,
    ahead: Collection[str] = (),
) -> Iterator[ExtractionResult]:
    """Replace the partitions of one seller and some days by what Amazon says now, each wholly or not at all.

    With the newest day that is over, the days before it are fetched again as far as the dataset looks back: what Amazon
    has added or restated meanwhile replaces them, what is as before stays untouched.

    Args:
        platform: the installation.
        seller_id: whose.
        days: days without a gap, in order; of the marketplace, or UTC, as the dataset's `partition_day` says.
        datasets: one of `SOURCES`, or some of its datasets: they are always extracted together.
        ahead: datasets that will be wanted next: their reports are asked for already, so that Amazon makes all at once.

    Yields:
        one result a day and dataset of the source, as each is stored.

    Raises:
        ExtractionRefused: a day isn't over or has no snapshot any more, or the datasets aren't of one source.
        UnknownSeller: there is no such seller.
        Quarantined: some days did not fit and are in quarantine; all others are stored.
        SpApiError, FlattenError, LakeWriteError, PartitionBusy: it failed; the sentence says why. What was yielded
            before is stored.
    """
    source = _source_of(datasets)
    earlier = _lookback(platform, [DATASETS[name] for name in source], days)
    failures = FailedPartitions(platform.control)
    refusals = KnownRefusals(platform.control)
    refused = refusals.of(seller_id)
    on_the_list = {(one.dataset, one.day) for one in failures.list(seller_id)}
    left = dict.fromkeys([*earlier, *days])
    kept_back: list[Batch] = []
    try:
        with platform.selling_partner(seller_id) as partner:
            extraction = Extraction(platform, partner, platform.keys.pseudonymiser(seller_id), frozenset(earlier))
            _ask_ahead(extraction, days, [name for name in ahead if name not in refused])
            for result in _extracted(extraction, source, left, kept_back):
                platform.audit.count("write_lake", seller_id, result.dataset, rows=result.rows, bytes_=result.bytes)
                left.pop(result.day, None)
                if (result.dataset, result.day) in on_the_list:
                    failures.remove(seller_id, result.dataset, result.day)
                if result.dataset in refused and result.requests:
                    refusals.remove(seller_id, result.dataset)
                yield result
    except MissingRole as error:
        if not all(DATASETS[name].source.needs_brand for name in source):
            _put_on_the_list(failures, platform, seller_id, source, left, error)
            raise
        if known := [name for name in source if name in refused]:
            told = f"refused to seller {seller_id} since {refused[known[0]]:%Y-%m-%d}, as was told then"
            raise SourceSkipped(f"{', '.join(source)}: {told}; asked for again each time it is due") from None
        for name in source:
            refusals.add(seller_id, name, platform.clock.now())
        error.add(
            "a seller without a registered brand never gets it: that is told this once, it is asked for again each "
            "time it is due, and only its answer is told"
        )
        raise
    except (SourceSkipped, ExtractionRefused, UnknownSeller):
        # Nothing failed: it was not to be done.
        raise
    except Exception as error:
        _put_on_the_list(failures, platform, seller_id, source, left, error)
        raise
    if kept_back:
        raise Quarantined(kept_back)


def _extracted(
    extraction: Extraction, source: tuple[str, ...], left: dict[date, None], kept_back: list[Batch]
) -> Iterator[ExtractionResult]:
    """Extract days; what does not fit goes into quarantine, window by window, and the days after it go on."""
    extract = _EXTRACTS[source]
    while left:
        try:
            yield from extract(extraction, list(left))
            return
        except MISFITS as misfit:
            if len(kept_back) >= _MOST_KEPT_BACK or source in _UNRECORDED:
                raise
            results, batch = keep_back(extraction, extract, source, list(left), misfit)
        yield from results
        if batch is None:
            # Read once more it fitted: the first answer was torn.
            return
        kept_back.append(batch)
        for day in batch.days:
            left.pop(day, None)


def replay(platform: Platform, batch: Batch) -> list[ExtractionResult]:
    """Have a batch in quarantine become its partitions, by the catalog as it is today.

    Raises:
        QuarantineError: there is nothing of it any more.
        FlattenError, ValueUnreadable, ReportError: it still does not fit; the batch stays.
        LakeWriteError, PartitionBusy: it could not be stored; the batch stays.
    """
    player = platform.quarantine.play(batch)
    source = _source_of(batch.datasets)
    with platform.selling_partner(batch.seller_id) as partner:
        partner.listen_to(player)
        key = platform.keys.pseudonymiser(batch.seller_id)
        extraction = Extraction(platform, partner, key, at=VirtualClock(batch.taken_at))
        results = list(_EXTRACTS[source](extraction, batch.days))
    failures = FailedPartitions(platform.control)
    for result in results:
        failures.remove(batch.seller_id, result.dataset, result.day)
    platform.quarantine.close(batch, REPLAYED)
    return results


def _put_on_the_list(
    failures: FailedPartitions,
    platform: Platform,
    seller_id: str,
    source: Sequence[str],
    days: Collection[date],
    error: Exception,
) -> None:
    # Where not even this can be written, the first error is still the one to tell.
    with suppress(AmzigoError):
        failures.add(seller_id, source, days, told_of(error), platform.clock.now())


def extract_partition(platform: Platform, seller_id: str, day: date, datasets: Sequence[str]) -> list[ExtractionResult]:
    """The partitions of one day; see `extract_partitions`.

    Returns:
        one result a dataset of the source, in its order; earlier days that were fetched again are not among them.
    """
    source = _source_of(datasets)
    by_name = {r.dataset: r for r in extract_partitions(platform, seller_id, [day], source) if r.day == day}
    return [by_name[name] for name in source]


def _ask_ahead(extraction: Extraction, days: Sequence[date], datasets: Collection[str]) -> None:
    """Ask for the reports of datasets to come, as far as Amazon's allowance goes without waiting for it."""
    orders: list[ReportOrder] = []
    for dataset in (DATASETS[name] for name in datasets):
        if dataset.source.report is not None:
            wanted = [*_lookback(extraction.platform, [dataset], days), *days]
            for window in windows_of(dataset, wanted[-1:] if dataset.source.is_snapshot else wanted):
                orders += orders_of(dataset, extraction, window)
    if ORDERS.name in datasets:
        orders += reports_ahead(extraction, days)
    extraction.desk.ask_ahead(extraction.partner, orders)


def _source_of(datasets: Sequence[str]) -> tuple[str, ...]:
    sources = [source for source in SOURCES if datasets and set(datasets) <= set(source)]
    if not sources:
        known = "; ".join(", ".join(source) for source in SOURCES)
        raise ExtractionRefused(
            f"{', '.join(datasets) or 'nothing'} can't be extracted in one go: choose from one of these groups: {known}"
        )
    return sources[0]


def _lookback(platform: Platform, datasets: Sequence[Dataset], days: Sequence[date]) -> list[date]:
    """The days before the asked ones that are fetched again: only beside yesterday, for history is settled."""
    if not days or days[-1] < today(platform.clock) - timedelta(days=1):
        return []
    reach = max(dataset.source.lookback_days for dataset in datasets)
    first = max(platform.home.first_day, days[-1] - timedelta(days=reach))
    return [first + timedelta(days=n) for n in range((days[0] - first).days)]
