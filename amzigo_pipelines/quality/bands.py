"""How many rows a day usually has: a band around what the same weekday had in the weeks before.

Belongs here: the band. Does not belong here: which days there are (`completeness.py`), rules over rows (`rules.py`).

By median and median absolute deviation, which a single odd week (a holiday, a day extracted too soon) does not move.
Source: Leys et al. 2013, "Detecting outliers: Do not use standard deviation around the mean, use absolute deviation
around the median". Until there are enough weeks nothing is said.

Only days that were extracted in time are judged, and judged by: Amazon tells of an order once, on the day of its last
change, so a day that is caught up with weeks later has far fewer rows than one that is extracted the next night.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from statistics import median

from amzigo_pipelines.catalog.model import Dataset
from amzigo_pipelines.quality.rules import Kind, Rule, Severity
from amzigo_pipelines.quality.suite import Finding
from amzigo_pipelines.resources.lake.files import PartitionRecord

WEEKS = 8
LEAST_WEEKS = 4
BAND = Rule(Kind.BAND, (), Severity.WARN, told="row count within the usual band of the weekday")
# Deviations of a normal distribution are 1.4826 times their median; beyond five of them lies one day in a million.
_DEVIATIONS = 5 * 1.4826
# Days that hardly differ would make a band of no width, and days of a few rows one of chance.
_LEAST_SHARE = 0.25
_LEAST_ROWS = 10
# The night after, or the one after that.
_IN_TIME_DAYS = 2


def usual_band(counts: Iterable[int]) -> tuple[float, float] | None:
    """The fewest and the most rows that fit with earlier counts; None where there are too few of them."""
    known = list(counts)
    if len(known) < LEAST_WEEKS:
        return None
    middle = median(known)
    spread = median(abs(count - middle) for count in known)
    half = max(_DEVIATIONS * spread, _LEAST_SHARE * middle, _LEAST_ROWS)
    return max(0.0, middle - half), middle + half


def band_findings(
    dataset: Dataset, records: Mapping[date, PartitionRecord], days: Iterable[date]
) -> dict[date, Finding]:
    """For each day of which enough weeks are known, whether its row count is within the band.

    Args:
        dataset: whose; one that comes by whole weeks has no weekdays to compare.
        records: the seller's partitions of the dataset.
        days: those to look at.
    """
    if dataset.source.report is not None and dataset.source.report.is_weekly:
        return {}
    found: dict[date, Finding] = {}
    for day in days:
        if day not in records or not _is_comparable(dataset, records[day]):
            continue
        before = (records.get(day - timedelta(weeks=week)) for week in range(1, WEEKS + 1))
        band = usual_band(one.rows for one in before if one is not None and _is_comparable(dataset, one))
        if band is not None:
            rows = records[day].rows
            held = band[0] <= rows <= band[1]
            found[day] = Finding(BAND, held, rows, 0 if held else 1)
    return found


def _is_comparable(dataset: Dataset, record: PartitionRecord) -> bool:
    # What Amazon neither gave nor denied says nothing of how much is usual.
    is_known = record.origin.get("empty") != "unconfirmed"
    delay = record.committed_at.date() - record.day
    return is_known and delay.days <= dataset.source.lookback_days + _IN_TIME_DAYS
