"""Extracting what ads did and cost: six reports a marketplace, asked for at once, several days in each.

Belongs here: which reports are asked for which days, from their rows to ours, what is written. Does not belong here:
the life of a report (`resources/ads/reports.py`), which reports and fields there are (`catalog/advertising.py`).

The source is optional: a seller without an advertising account has no partitions of it, not empty ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from amzigo_pipelines.assets.extraction.paths import FlattenError
from amzigo_pipelines.assets.extraction.results import (
    Extraction,
    ExtractionRefused,
    ExtractionResult,
    SourceSkipped,
    results_of,
    window_of,
)
from amzigo_pipelines.catalog.advertising import ADS_CAMPAIGNS, ADS_HISTORY_DAYS, ADS_PRODUCTS, ADS_REPORTS
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.model import DATE, INTEGER, MONEY, STRING, Column, Dataset
from amzigo_pipelines.resources.ads.client import AdsPartner
from amzigo_pipelines.resources.ads.reports import AdsReport, ask_for_report, report_rows, wait_for_reports
from amzigo_pipelines.resources.lake.files import PartitionCommit
from amzigo_pipelines.resources.spapi.retries import Retries

ADS_DATASETS = (ADS_CAMPAIGNS, ADS_PRODUCTS)
# How often the download of ready reports is begun; a torn one starts the write anew.
_DOWNLOAD_ATTEMPTS = 4
_DOWNLOAD_TIME_LIMIT_S = 600.0
_ROWS_AT_ONCE = 5_000
_FOUR_DECIMALS = Decimal("0.0001")
_TOO_LARGE = 10**14  # for money in the catalog
# A row without these says nothing; of the others Amazon leaves empty what it doesn't know.
_METRICS = frozenset({"impressions", "clicks", "cost"})


def extract_advertising(extraction: Extraction, days: Sequence[date]) -> Iterator[ExtractionResult]:
    """Replace days' partitions of `ads_campaigns` and `ads_products` by what Amazon says now.

    Args:
        extraction: what it works with.
        days: days without a gap, in order: local days of each marketplace.

    Raises:
        SourceSkipped: the seller has no advertising account connected.
        ExtractionRefused: a day isn't over, and nothing was stored; or days are older than Amazon keeps, and the others
            were.
        SpApiError, FlattenError, LakeWriteError, PartitionBusy: nothing was stored of that window and the later ones.
    """
    seller_id = extraction.partner.seller_id
    partner = extraction.platform.ads_partner(seller_id)
    if partner is None:
        raise SourceSkipped(
            f"seller {seller_id} has no advertising account connected, so its ads_campaigns and ads_products are not "
            f"extracted: connect one with 'amzigo seller ads {seller_id}'"
        )
    with partner:
        for day in days:
            window_of(day, extraction.clock)
        first = _first_day_kept(partner, extraction.clock.now())
        kept, size = [day for day in days if day >= first], ADS_CAMPAIGNS.source.window_days
        windows = [kept[start : start + size] for start in range(0, len(kept), size)]
        # All before any is waited for: Amazon makes them side by side.
        asked = [_ask(partner, window) for window in windows]
        for window, reports in zip(windows, asked, strict=True):
            wait_for_reports(partner, reports)
            yield from _collect(extraction, partner, window, reports)
    if days and days[0] < first:
        raise ExtractionRefused(
            f"{days[0]} is too old for advertising: Amazon keeps its reports for {ADS_HISTORY_DAYS} days, so only days "
            f"from {first} on can be extracted"
        )


def _first_day_kept(partner: AdsPartner, now: datetime) -> date:
    """Amazon forgets brands and display first. A day without them would look as if those ads had rested."""
    zones = (ZoneInfo(MARKETPLACES[m].time_zone) for m in partner.profiles)
    return max(now.astimezone(zone).date() for zone in zones) - timedelta(days=ADS_HISTORY_DAYS)


def _ask(partner: AdsPartner, window: Sequence[date]) -> list[AdsReport]:
    return [
        ask_for_report(partner, kind, marketplace_id, window[0], window[-1])
        for marketplace_id in partner.profiles
        for kind in ADS_REPORTS
    ]


def _collect(
    extraction: Extraction, partner: AdsPartner, window: Sequence[date], reports: Sequence[AdsReport]
) -> Iterator[ExtractionResult]:
    retries = Retries(partner.sleep, attempts=_DOWNLOAD_ATTEMPTS, time_limit_s=_DOWNLOAD_TIME_LIMIT_S)
    commits, drift = retries.call(lambda: _write(extraction, partner, window, reports))
    for commit in commits:
        warnings = [*_warnings(extraction, partner, commit.day), *drift]
        yield from results_of([commit], partner, warnings, f"{commit.day}, in the time zone of each marketplace")


def _write(
    extraction: Extraction, partner: AdsPartner, window: Sequence[date], reports: Sequence[AdsReport]
) -> tuple[list[PartitionCommit], list[str]]:
    drift: list[str] = []
    origin = {
        "operation": "createAsyncReport v3",
        "report_types": ",".join(kind.report_type_id for kind in ADS_REPORTS),
        "marketplaces": ",".join(sorted(partner.profiles)),
    }
    with ExitStack() as stack:
        writers = {day: stack.enter_context(extraction.writer(day, ADS_DATASETS, origin)) for day in window}
        for report in reports:
            for day, table in _by_day(report, report_rows(partner, report), drift):
                writers[day].append(report.kind.dataset, table)
    return [commit for day in window for commit in writers[day].committed], drift


def _by_day(report: AdsReport, rows: Iterator[dict[str, Any]], drift: list[str]) -> Iterator[tuple[date, pa.Table]]:
    """A report's rows by day, sorted: Amazon's order is its own, and what has not changed must look the same.

    Held as Arrow meanwhile, some hundred bytes a row: reports are sums by day and ad, 31 days at most. Fields that no
    row has, or that nobody asked for, are told in `drift`.
    """
    schema, fields = report.kind.dataset.schema, set(report.kind.fields.values())
    given: set[str] = set()
    tables: dict[date, list[pa.Table]] = {}
    seen: set[tuple[object, ...]] = set()
    while batch := list(islice(rows, _ROWS_AT_ONCE)):
        found: dict[date, list[dict[str, Any]]] = {}
        for raw in batch:
            given |= raw.keys()
            row = ours(report, raw)
            _refuse_double(report, row, seen)
            found.setdefault(row["performed_on"], []).append(row)
        for day, own in found.items():
            tables.setdefault(day, []).append(pa.Table.from_pylist(own, schema=schema))
    if lacking := sorted(fields - given) if seen else []:
        drift.append(f"{report.kind.report_type_id} lacks {', '.join(lacking)}: its columns are null, report this")
    if surplus := given - fields:
        drift.append(f"{report.kind.report_type_id} has {len(surplus)} fields that nobody asked for: they are left out")
    for day in sorted(tables):
        yield day, pa.concat_tables(tables[day]).sort_by([(name, "ascending") for name in report.kind.dataset.grain])


def ours(report: AdsReport, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a report as one of its dataset.

    Raises:
        FlattenError: a value of the wrong type, a row without what identifies it, or of a day that nobody asked for.
    """
    dataset = report.kind.dataset
    values: dict[str, Any] = {
        "marketplace_id": report.marketplace_id,
        "ad_product": report.kind.ad_product,
    }
    for name, field in report.kind.fields.items():
        column = dataset.column(name)
        value = _typed(dataset, column, field, row.get(field))
        if value is None and (name in _METRICS or name in dataset.grain):
            raise FlattenError(
                f"{dataset.name}: a row of {report.kind.report_type_id} has no {field}: Amazon changed the report, "
                "report this"
            )
        values[name] = value
    # A profile has one currency, its marketplace's.
    values["currency"] = values["currency"] or MARKETPLACES[report.marketplace_id].currency
    if not report.first <= values["performed_on"] <= report.last:
        raise FlattenError(
            f"{dataset.name}: {report.kind.report_type_id} of {report.first} to {report.last} has a row of another "
            "day: nothing of it was used, report this"
        )
    return values


def _typed(dataset: Dataset, column: Column, field: str, value: Any) -> Any:
    if value is None:
        return None
    if column.type == DATE and isinstance(value, str):
        with suppress(ValueError):
            return date.fromisoformat(value)
    elif column.type == STRING and isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    elif isinstance(value, int | Decimal) and not isinstance(value, bool):
        number = Decimal(value)
        if column.type == MONEY and abs(number) < _TOO_LARGE:
            # Amazon adds amounts up as binary fractions and writes all of their digits.
            return number.quantize(_FOUR_DECIMALS, ROUND_HALF_EVEN)
        if column.type == INTEGER and abs(number) < _TOO_LARGE and number == int(number):
            return int(number)
    # Never the value itself.
    raise FlattenError(
        f"{dataset.name}.{column.name}: Amazon's {field} is no {column.type}: it changed the report, report this"
    )


def _refuse_double(report: AdsReport, row: Mapping[str, Any], seen: set[tuple[object, ...]]) -> None:
    key = tuple(row[name] for name in report.kind.dataset.grain)
    if key in seen:
        raise FlattenError(
            f"{report.kind.dataset.name}: {report.kind.report_type_id} has two rows for the same day and "
            f"{'ad' if 'ad_id' in row else 'campaign'}, which would count twice: nothing of it was used, report this"
        )
    seen.add(key)


def _warnings(extraction: Extraction, partner: AdsPartner, day: date) -> list[str]:
    found = []
    now = extraction.clock.now().astimezone(UTC)
    open_in = [
        MARKETPLACES[m].country
        for m in partner.profiles
        if now.astimezone(ZoneInfo(MARKETPLACES[m].time_zone)).date() <= day
    ]
    if open_in:
        found.append(f"not over yet in {', '.join(open_in)}: the rest comes with the next day's extraction")
    without = [MARKETPLACES[m].country for m in extraction.partner.marketplace_ids if m not in partner.profiles]
    if without:
        found.append(f"no advertising profile is connected for {', '.join(without)}: nothing is known of ads there")
    return found
