"""Taking the snapshot of listings: one merchant listings report a marketplace.

Belongs here: what is asked for and in which order. Does not belong here: the life of a report (`resources/reports.py`),
columns (`flatten.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime

import pyarrow as pa

from amzigo_pipelines.assets.extraction.flatten import LISTING_HEADERS, flatten_listings
from amzigo_pipelines.assets.extraction.results import (
    Extraction,
    ExtractionResult,
    check_snapshot_day,
    results_of,
    snapshot_window,
)
from amzigo_pipelines.catalog.listings import LISTINGS
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.resources.lake import Lake
from amzigo_pipelines.resources.lake_files import PartitionCommit
from amzigo_pipelines.resources.reports import Report, report_batches, request_report
from amzigo_pipelines.resources.retries import Retries
from amzigo_pipelines.resources.spapi import SellingPartner

# How often the download of ready reports is begun; a torn one starts the partition's write anew.
_DOWNLOAD_ATTEMPTS = 4


def extract_listings(extraction: Extraction, days: Sequence[date]) -> Iterator[ExtractionResult]:
    """Replace a day's partition of `listings` by the listings of this moment.

    All reports are made ready before anything is written: asking again for a report that is ready already would be
    refused for hours, downloading it again costs nothing.

    Args:
        extraction: what it works with.
        days: UTC days; today or yesterday.

    Raises:
        ExtractionRefused: another day.
        SpApiError, FlattenError, LakeWriteError, PartitionBusy: nothing was stored.
    """
    for day in days:
        yield from _extract_day(extraction, day)


def _extract_day(extraction: Extraction, day: date) -> list[ExtractionResult]:
    partner, lake, clock = extraction.partner, extraction.lake, extraction.clock
    began_at = check_snapshot_day(LISTINGS.name, day, clock)
    window = snapshot_window(began_at)
    reports: list[tuple[Report, datetime]] = []
    for marketplace_id in partner.marketplace_ids:
        asked_at = clock.now()
        reports.append((request_report(partner, LISTINGS.source.report_type, [marketplace_id]), asked_at))
    origin = {"operation": "createReport 2021-06-30", "report_type": LISTINGS.source.report_type, "window": window}
    retries = Retries(partner.sleep, attempts=_DOWNLOAD_ATTEMPTS, time_limit_s=600.0)
    commits, warnings = retries.call(lambda: _write(partner, lake, day, origin, reports))
    return results_of(commits, partner, warnings, window)


def _write(
    partner: SellingPartner, lake: Lake, day: date, origin: dict[str, str], reports: Sequence[tuple[Report, datetime]]
) -> tuple[list[PartitionCommit], list[str]]:
    warnings = []
    with lake.writer(partner.seller_id, day, [LISTINGS], origin) as writer:
        for report, asked_at in reports:
            currency = MARKETPLACES[report.marketplace_id].currency
            seen: set[str] = set()
            doubles = 0
            for batch in report_batches(partner, report, LISTING_HEADERS):
                table = flatten_listings(batch, report.marketplace_id, currency, asked_at)
                fresh = [sku not in seen and not seen.add(sku) for sku in table["sku"].to_pylist()]  # type: ignore[func-returns-value]
                doubles += fresh.count(False)
                writer.append(LISTINGS, table if all(fresh) else table.filter(pa.array(fresh)))
            if doubles:
                warnings.append(
                    f"{doubles} lines of marketplace {report.marketplace_id} repeat a SKU: the first of each was kept"
                )
    return writer.committed, warnings
