"""Taking the snapshot of FBA stock: `getInventorySummaries`, one marketplace after the other.

Belongs here: what is asked for, and what happens when a page token dies. Does not belong here: columns (`flatten.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from amzigo_pipelines.assets.extraction.flatten import flatten_inventory
from amzigo_pipelines.assets.extraction.results import (
    Extraction,
    ExtractionResult,
    check_snapshot_day,
    newest_rows,
    results_of,
    snapshot_window,
)
from amzigo_pipelines.catalog.fba_inventory import FBA_INVENTORY
from amzigo_pipelines.resources.spapi.client import SellingPartner
from amzigo_pipelines.resources.spapi.errors import PageTokenRefused

# How often one marketplace's listing is begun; each time its page tokens have 30 seconds.
_STARTS = 3


def extract_inventory(extraction: Extraction, days: Sequence[date]) -> Iterator[ExtractionResult]:
    """Replace a day's partition of `fba_inventory` by the stock of this moment.

    Args:
        extraction: what it works with.
        days: UTC days; today or yesterday.

    Raises:
        ExtractionRefused: another day.
        SpApiError, FlattenError, LakeWriteError, PartitionBusy: nothing was stored.
    """
    partner = extraction.partner
    for day in days:
        taken_at = check_snapshot_day(FBA_INVENTORY.name, day, extraction.clock)
        window = snapshot_window(taken_at)
        origin = {"operation": "getInventorySummaries v1", "window": window}
        with extraction.writer(day, [FBA_INVENTORY], origin) as writer:
            for marketplace_id in partner.marketplace_ids:
                writer.append(FBA_INVENTORY, _stock_of(partner, marketplace_id, taken_at))
        yield from results_of(writer.committed, partner, (), window)


def _stock_of(partner: SellingPartner, marketplace_id: str, taken_at: datetime) -> pa.Table:
    def fetch() -> list[dict[str, Any]]:
        # All pages before any work with them: the tokens die soon.
        return [row for page in partner.inventory_summaries(marketplace_id) for row in page.rows]

    table = flatten_inventory(_started_again(fetch), marketplace_id, taken_at)
    kept = newest_rows(table, FBA_INVENTORY.grain, "stock_updated_at")
    return table if kept is None else table.take(kept)


def _started_again(fetch: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    for _ in range(_STARTS - 1):
        try:
            return fetch()
        except PageTokenRefused:
            continue
    return fetch()
