"""Which days of each dataset are there: present, empty, missing, late, failed.

Belongs here: the state of days, from the books alone; no row is read, and Great Expectations is not loaded. Does not
belong here: rules over rows (`rules.py`), showing states (`heat_map.py`, `freshness_checks.py`, `cli/status.py`).

Everything is worked out anew whenever it is asked for: what is mended is no trouble any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from amzigo_pipelines.catalog.model import Dataset
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.resources.control.failed_partitions import FailedPartition, FailedPartitions
from amzigo_pipelines.resources.control.known_refusals import KnownRefusals
from amzigo_pipelines.resources.lake.files import PartitionRecord

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

WINDOW_DAYS = 30
# What a partition's origin says of data that Amazon neither gave nor denied (`assets/extraction/reports.py`).
_UNCONFIRMED = "unconfirmed"


class DayState(StrEnum):
    """How a day of a dataset stands."""

    THERE = "there"
    EMPTY = "empty"
    UNCONFIRMED = "empty, unconfirmed"
    NOT_DUE = "not due yet"
    MISSING = "missing"
    LATE = "late"
    QUARANTINED = "quarantined"
    FAILED = "failed"


TROUBLE = frozenset({DayState.MISSING, DayState.LATE, DayState.QUARANTINED, DayState.FAILED})
"""States that somebody should look at."""


@dataclass(frozen=True)
class Completeness:
    """How a seller's dataset stands.

    Attributes:
        seller_id: whose.
        dataset: name of the dataset.
        newest: the newest day that is there, an empty one too; None where there is none.
        expected: the newest day that should be there by now.
        days: the state of each day of the window, from the first day that is there on.
    """

    seller_id: str
    dataset: str
    newest: date | None
    expected: date
    days: Mapping[date, DayState]

    @property
    def late_days(self) -> int:
        """By how many days the newest is behind what is expected; 0 when it is not."""
        late = sum(state is DayState.LATE for state in self.days.values())
        return max(late, (self.expected - self.newest).days) if self.newest else late

    def count(self, *states: DayState) -> int:
        """How many days of the window are in any of some states."""
        return sum(state in states for state in self.days.values())

    @property
    def is_in_trouble(self) -> bool:
        """Whether somebody should look."""
        return any(state in TROUBLE for state in self.days.values())


def expected_day(dataset: Dataset, now: datetime) -> date:
    """The newest day whose partition should be there, by the dataset's own lag."""
    today_began = datetime.combine(now.date(), time(), UTC)
    is_due = now >= today_began + dataset.source.expected_within
    return now.date() - timedelta(days=1 if is_due else 2)


def completeness(platform: Platform, seller_id: str, window_days: int = WINDOW_DAYS) -> list[Completeness]:
    """How every dataset of a seller stands, in the catalog's order.

    Args:
        platform: the installation.
        seller_id: whose.
        window_days: so many days back are looked at.
    """
    records: dict[str, dict[date, PartitionRecord]] = {}
    for record in platform.lake.partitions(seller_id):
        records.setdefault(record.dataset, {})[record.day] = record
    troubled = _troubled(platform, seller_id, records)
    refused = KnownRefusals(platform.control).of(seller_id)
    now, added_at = platform.clock.now(), platform.sellers.get(seller_id).added_at
    return [
        _of_dataset(
            seller_id, DATASETS[name], records.get(name, {}), troubled.get(name, {}), now, added_at.date(), window_days
        )
        for name in platform.connected_datasets(seller_id)
        # What Amazon refuses a seller by its nature is not late.
        if name not in refused
    ]


def standing_failures(platform: Platform, seller_id: str) -> list[FailedPartition]:
    """The partitions of a seller whose last extraction failed and has not succeeded since."""
    return FailedPartitions(platform.control).list(seller_id)


def _troubled(
    platform: Platform, seller_id: str, records: Mapping[str, Mapping[date, PartitionRecord]]
) -> dict[str, dict[date, DayState]]:
    found: dict[str, dict[date, DayState]] = {}
    for failed in standing_failures(platform, seller_id):
        found.setdefault(failed.dataset, {})[failed.day] = DayState.FAILED
    for batch in platform.quarantine.list(seller_id, only_open=True):
        for dataset in batch.datasets:
            for day in batch.days:
                # What was extracted since is mended, whatever still lies in quarantine.
                record = records.get(dataset, {}).get(day)
                if record is None or record.committed_at <= batch.taken_at:
                    found.setdefault(dataset, {})[day] = DayState.QUARANTINED
    return found


def _of_dataset(
    seller_id: str,
    dataset: Dataset,
    records: Mapping[date, PartitionRecord],
    troubled: Mapping[date, DayState],
    now: datetime,
    added_on: date,
    window_days: int,
) -> Completeness:
    yesterday = now.date() - timedelta(days=1)
    expected = expected_day(dataset, now)
    newest = max(records, default=None)
    begins = [now.date() - timedelta(days=window_days)]
    # Before the first day that is there, or was tried, nothing is missing: nobody asked for it. Of a seller who came
    # yesterday the first night's is expected.
    begins.append(min([*records, *troubled], default=max(added_on, yesterday)))
    days: dict[date, DayState] = {}
    day = max(begins)
    while day <= yesterday or (day in records and day <= now.date()):
        days[day] = _state(records.get(day), troubled.get(day), day, newest, expected)
        day += timedelta(days=1)
    return Completeness(seller_id, dataset.name, newest, expected, days)


def _state(
    record: PartitionRecord | None, trouble: DayState | None, day: date, newest: date | None, expected: date
) -> DayState:
    if trouble is not None:
        return trouble
    if record is not None:
        if record.rows:
            return DayState.THERE
        return DayState.UNCONFIRMED if record.origin.get("empty") == _UNCONFIRMED else DayState.EMPTY
    if day > expected:
        return DayState.NOT_DUE
    return DayState.MISSING if newest is not None and day < newest else DayState.LATE
