"""Extracting Amazon's own sums of orders: three requests a marketplace for 31 days.

Belongs here: which days are asked for, and rows. Does not belong here: the request
(`resources/spapi/order_metrics.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from amzigo_pipelines.assets.extraction.paths import Flattener, FlattenError, Path
from amzigo_pipelines.assets.extraction.query_rows import round_amount
from amzigo_pipelines.assets.extraction.results import (
    Extraction,
    ExtractionResult,
    local_midnight,
    results_of,
    window_of,
)
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.model import DATE, MONEY, STRING
from amzigo_pipelines.catalog.sales_metrics import SALES_METRICS, SLICES
from amzigo_pipelines.resources.lake.files import PartitionCommit
from amzigo_pipelines.resources.spapi.errors import MissingRole
from amzigo_pipelines.resources.spapi.order_metrics import order_metrics

_BY_SLICE = {prefix: [f"{prefix}{name}" for name in ("orders", "order_items", "units", "sales")] for prefix in SLICES}


def extract_sales_metrics(extraction: Extraction, days: Sequence[date]) -> Iterator[ExtractionResult]:
    """Replace days' partitions of `sales_metrics` by what Amazon says now.

    Args:
        extraction: what it works with.
        days: days without a gap, in order: local days of each marketplace.

    Raises:
        ExtractionRefused: a day isn't over (UTC).
        MissingRole: the application may not have it; the sentence names the role and what stays empty.
        SpApiError, FlattenError, LakeWriteError, PartitionBusy: nothing was stored of that window and the later ones.
    """
    for day in days:
        window_of(day, extraction.clock)
    size = SALES_METRICS.source.window_days
    for start in range(0, len(days), size):
        window = days[start : start + size]
        try:
            commits = _write(extraction, window)
        except MissingRole as error:
            error.add(
                f"sales_metrics needs the role '{SALES_METRICS.source.role}': add it in the developer console and let "
                "the seller authorise the application again. Until then sales_metrics and all columns made from it "
                "stay empty; nothing was stored"
            )
            raise
        for commit in commits:
            told = f"{commit.day}, in the time zone of each marketplace"
            yield from results_of([commit], extraction.partner, _warnings(extraction, commit.day), told)


def _write(extraction: Extraction, window: Sequence[date]) -> list[PartitionCommit]:
    now: datetime = extraction.clock.now()
    tables = []
    for marketplace_id in extraction.partner.marketplace_ids:
        begun = [day for day in window if local_midnight(day, MARKETPLACES[marketplace_id].time_zone) < now]
        if begun:
            tables.append(_table(extraction, marketplace_id, begun, now))
    commits = []
    for day in window:
        with extraction.writer(
            day, [SALES_METRICS], {"operation": "getOrderMetrics v1", "granularity": "Day"}
        ) as writer:
            for table in tables:
                rows = table.filter(pc.equal(table["ordered_on"], pa.scalar(day, DATE)))
                if rows.num_rows:
                    writer.append(SALES_METRICS, rows)
        commits += writer.committed
    return commits


def _table(extraction: Extraction, marketplace_id: str, days: Sequence[date], now: datetime) -> pa.Table:
    """A marketplace's rows: its days' sums, and those of the orders that each filter leaves, side by side."""
    columns: dict[str, pa.Array] = {
        "ordered_on": pa.array(days, DATE),
        "marketplace_id": pa.repeat(pa.scalar(marketplace_id, STRING), len(days)),
    }
    for prefix, (_, filters) in SLICES.items():
        sums = order_metrics(extraction.partner, marketplace_id, days, now, filters)
        names = [*_BY_SLICE[prefix], *(() if prefix else ("currency", "average_unit_price"))]
        own = [SALES_METRICS.column(name) for name in names]
        rows: list[dict[str, Any]] = [sums[day] for day in days]
        for row in rows:
            for column in own:
                if column.type == MONEY:
                    round_amount(row, column.source.split("."))
        found = Flattener(SALES_METRICS.name, [Path.parse(c.name, c.source, c.type) for c in own]).columns(rows)
        for name, values in found.items():
            if values.null_count:
                raise FlattenError(
                    f"{SALES_METRICS.name}: Amazon's sums lack what {name} is made of: it changed them, report this"
                )
        columns |= found
    return pa.table([columns[column.name] for column in SALES_METRICS], schema=SALES_METRICS.schema)


def _warnings(extraction: Extraction, day: date) -> list[str]:
    now: datetime = extraction.clock.now()
    open_in = [
        MARKETPLACES[m].country
        for m in extraction.partner.marketplace_ids
        if local_midnight(day + timedelta(days=1), MARKETPLACES[m].time_zone) > now
    ]
    if not open_in:
        return []
    return [f"not over yet in {', '.join(open_in)}: the rest comes with the next day's extraction"]
