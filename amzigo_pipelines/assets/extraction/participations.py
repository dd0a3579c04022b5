"""Extracting `marketplaces`: where the seller may sell, of every region that it has connected.

Belongs here: which regions are asked, and what is said of marketplaces that don't fit what is connected here. Does not
belong here: Amazon's fixed facts (`catalog/marketplaces.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from amzigo_pipelines.assets.extraction.flatten import table_of
from amzigo_pipelines.assets.extraction.paths import Flattener, Path
from amzigo_pipelines.assets.extraction.results import (
    Extraction,
    ExtractionResult,
    check_snapshot_day,
    results_of,
    snapshot_window,
)
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.model import BOOLEAN, INSTANT, STRING
from amzigo_pipelines.catalog.participations import PARTICIPATIONS
from amzigo_pipelines.resources.spapi.client import SellingPartner


def extract_participations(extraction: Extraction, days: Sequence[date]) -> Iterator[ExtractionResult]:
    """Replace a day's partition of `marketplaces` by Amazon's list of this moment.

    Raises:
        ExtractionRefused: another day than today or yesterday.
        SpApiError, FlattenError, LakeWriteError, PartitionBusy: nothing was stored.
    """
    partner = extraction.partner
    for day in days:
        taken_at = check_snapshot_day(PARTICIPATIONS.name, day, extraction.clock)
        window = snapshot_window(taken_at)
        rows = _rows(partner)
        flat = Flattener(
            PARTICIPATIONS.name, [Path.parse(c.name, c.source, c.type) for c in PARTICIPATIONS if c.source]
        )
        columns = flat.columns(rows)
        known = [MARKETPLACES.get(m) for m in columns["marketplace_id"].to_pylist()]
        columns["taken_at"] = pa.repeat(pa.scalar(taken_at, INSTANT), len(rows))
        columns["region"] = pa.array([market and market.region for market in known], STRING)
        columns["time_zone"] = pa.array([market and market.time_zone for market in known], STRING)
        columns["is_extracted"] = pa.array(
            [market is not None and market.marketplace_id in partner.marketplace_ids for market in known], BOOLEAN
        )
        table = table_of(PARTICIPATIONS, columns)
        origin = {"operation": "getMarketplaceParticipations v1", "window": window}
        with extraction.writer(day, [PARTICIPATIONS], origin) as writer:
            writer.append(PARTICIPATIONS, table)
        yield from results_of(writer.committed, partner, _warnings(partner, table), window)


def _rows(partner: SellingPartner) -> list[dict[str, Any]]:
    """Amazon's entries, each marketplace once: a region's own answer goes before another region's."""
    regions = dict.fromkeys(MARKETPLACES[m].region for m in partner.marketplace_ids)
    found: dict[object, tuple[bool, dict[str, Any]]] = {}
    for region in regions:
        for row in partner.marketplace_participations(region):
            identity = row["marketplace"].get("id") if isinstance(row.get("marketplace"), dict) else None
            market = MARKETPLACES.get(identity) if isinstance(identity, str) else None
            is_own = market is not None and market.region == region
            if identity not in found or (is_own and not found[identity][0]):
                found[identity] = is_own, row
    return [row for _, row in found.values()]


def _warnings(partner: SellingPartner, table: pa.Table) -> list[str]:
    found = []
    taking_part = dict(zip(table["marketplace_id"].to_pylist(), table["is_participating"].to_pylist(), strict=True))
    currencies = dict(zip(table["marketplace_id"].to_pylist(), table["currency"].to_pylist(), strict=True))
    for marketplace_id in partner.marketplace_ids:
        market = MARKETPLACES[marketplace_id]
        if marketplace_id not in taking_part:
            found.append(
                f"Amazon does not list {market.country}, which is connected here: its data can't be complete. Let the "
                "seller authorise the application again, or connect it without that marketplace"
            )
        elif taking_part[marketplace_id] is False:
            found.append(f"the seller takes part in {market.country} no more: expect no new data from there")
        if currencies.get(marketplace_id, market.currency) != market.currency:
            found.append(
                f"Amazon counts {market.country} in {currencies[marketplace_id]}, and the catalog in "
                f"{market.currency}: report this, amounts of reports would be read wrongly"
            )
    elsewhere = sorted(
        MARKETPLACES[m].country
        for m, is_there in taking_part.items()
        if is_there and m in MARKETPLACES and m not in partner.marketplace_ids
    )
    if elsewhere:
        found.append(
            f"the seller sells in {', '.join(elsewhere)} too, which is not connected: no data of it is fetched"
        )
    return found
