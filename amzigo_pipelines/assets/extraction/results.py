"""What an extraction reports, what it may refuse, and the rules about days.

Belongs here: what all datasets share. Does not belong here: any one dataset.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

import pyarrow as pa

from amzigo_pipelines.catalog.model import Dataset
from amzigo_pipelines.clock import Clock, today
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.lake.files import PartitionCommit
from amzigo_pipelines.resources.quarantine.structure import raise_if_any
from amzigo_pipelines.resources.spapi.calls import Usage
from amzigo_pipelines.resources.spapi.client import SellingPartner

if TYPE_CHECKING:
    from amzigo_pipelines.resources.lake.store import Lake
    from amzigo_pipelines.resources.lake.writer import LakeWriter
    from amzigo_pipelines.resources.platform import Platform
    from amzigo_pipelines.resources.reports.desk import ReportDesk

# Amazon tells of a change after up to two minutes.
SETTLING = timedelta(minutes=2)


class ExtractionRefused(AmzigoError):
    """A partition can't be extracted as asked: the day isn't over, or is past for a snapshot."""


class SourceSkipped(AmzigoError):
    """A source that this seller has not connected, or is known not to get: nothing was written. No failure."""


class Client(Protocol):
    """Whatever a source asks, as far as results tell of it."""

    @property
    def usage(self) -> Usage:
        """What was asked so far."""
        ...


@dataclass(frozen=True)
class Extraction:
    """What a source is handed.

    Attributes:
        platform: the installation.
        partner: acts for the seller.
        key: the seller's own key for pseudonyms, 32 bytes.
        restating: days that are fetched again only in case Amazon changed them: what is as before is not written.
        at: the instant at which Amazon was asked, where a batch out of quarantine is played back; None for now.
        being_written: days whose partitions are being written at this moment.
    """

    platform: Platform
    partner: SellingPartner
    key: bytes = field(repr=False)
    restating: frozenset[date] = frozenset()
    at: Clock | None = None
    being_written: set[date] = field(default_factory=set)

    @property
    def lake(self) -> Lake:
        """Where to store."""
        return self.platform.lake

    @property
    def clock(self) -> Clock:
        """The time."""
        return self.at or self.platform.clock

    @property
    def pii_days(self) -> int:
        """How long PII may live here."""
        return self.platform.home.retention.pii_days

    @property
    def desk(self) -> ReportDesk:
        """Asks for reports and keeps track of them."""
        return self.platform.desk

    @contextmanager
    def writer(self, day: date, datasets: Sequence[Dataset], origin: Mapping[str, str]) -> Iterator[LakeWriter]:
        """A writer of the seller's partitions of one day.

        Raises:
            StructureBroken: (on leaving) faults were collected: nothing is stored.
        """
        self.being_written.add(day)
        unchanged = day in self.restating
        with self.lake.writer(self.partner.seller_id, day, datasets, origin, keep_unchanged=unchanged) as writer:
            yield writer
            raise_if_any()
        self.being_written.discard(day)


@dataclass(frozen=True)
class ExtractionResult:
    """What came of one dataset's partition.

    Attributes:
        dataset: its name.
        day: the partition's day.
        rows: rows that were stored.
        pii_rows: rows stored with personal data.
        pii_rows_dropped: rows whose personal data was past its date already and was not stored.
        requests: requests sent to Amazon for it, retries included; shared by datasets that are extracted together.
        pages: pages and reports that came; likewise shared.
        bytes: size of the encrypted files.
        warnings: what a person should know, though nothing failed.
        window: what time it covers, as text.
        is_unchanged: True where Amazon says what is stored already, and nothing was written.
        way: which of several ways the rows came, and why; empty where there is one way only.
        asked_again: orders near their date of death that were asked for once more and are among the rows.
    """

    dataset: str
    day: date
    rows: int
    pii_rows: int
    pii_rows_dropped: int
    requests: int
    pages: int
    bytes: int
    warnings: tuple[str, ...]
    window: str
    is_unchanged: bool = False
    way: str = ""
    asked_again: int = 0


def results_of(
    commits: Sequence[PartitionCommit],
    partner: Client,
    warnings: Sequence[str],
    window: str,
    *,
    way: str = "",
    asked_again: int = 0,
) -> list[ExtractionResult]:
    """The results of what was committed together."""
    return [
        ExtractionResult(
            dataset=commit.dataset,
            day=commit.day,
            rows=commit.rows,
            pii_rows=commit.pii_rows,
            pii_rows_dropped=commit.pii_rows_dropped,
            requests=partner.usage.requests,
            pages=partner.usage.pages,
            bytes=commit.bytes,
            warnings=tuple(warnings),
            window=window,
            is_unchanged=commit.is_unchanged,
            way=way,
            asked_again=asked_again,
        )
        for commit in commits
    ]


def window_of(day: date, clock: Clock) -> tuple[datetime, datetime]:
    """First instant of a UTC day and of the next, once Amazon knows all that happened in it.

    Raises:
        ExtractionRefused: the day is in the future, not over, or over for less than two minutes.
    """
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    end = start + timedelta(days=1)
    now = clock.now()
    if start > now:
        raise ExtractionRefused(f"{day} lies in the future (it is {now:%Y-%m-%d %H:%M} UTC): choose a day that is over")
    if now < end + SETTLING:
        raise ExtractionRefused(
            f"{day} isn't over: its orders are complete at {end + SETTLING:%Y-%m-%d %H:%M} UTC, and it is "
            f"{now:%Y-%m-%d %H:%M}; try again then"
        )
    return start, end


def local_midnight(day: date, time_zone: str) -> datetime:
    """The first instant of a day in a time zone (IANA), in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(time_zone)).astimezone(UTC)


def check_snapshot_day(dataset: str, day: date, clock: Clock) -> datetime:
    """The present instant, if a snapshot taken now may stand for a day: on that day or the day after.

    Raises:
        ExtractionRefused: any other day.
    """
    now_on = today(clock)
    if day > now_on:
        raise ExtractionRefused(f"{day} lies in the future (today is {now_on}): choose today or yesterday")
    if now_on > day + timedelta(days=1):
        raise ExtractionRefused(
            f"{dataset} of {day} can't be fetched on {now_on}: Amazon tells only the present and keeps no history of "
            f"it; it can be taken for {now_on - timedelta(days=1)} or {now_on}"
        )
    return clock.now()


def snapshot_window(taken_at: datetime) -> str:
    """The time that a snapshot covers, as text."""
    return f"taken at {taken_at:%Y-%m-%dT%H:%M:%SZ}"


def newest_rows(table: pa.Table, grain: Sequence[str], by: str) -> pa.Array | None:
    """Where a grain occurs more than once: which rows to keep, in order. None if it never does.

    The row with the latest `by` stays; among equals the last, which Amazon sent last.
    """
    if table.select(list(grain)).group_by(list(grain)).aggregate([]).num_rows == table.num_rows:
        return None
    keys = zip(*(table[name].to_pylist() for name in grain), strict=True)
    times = table[by].cast(pa.int64()).to_pylist()
    kept: dict[tuple[object, ...], int] = {}
    for row, key in enumerate(keys):
        other = kept.get(key)
        if other is None or (times[row] or 0) >= (times[other] or 0):
            kept[key] = row
    return pa.array(sorted(kept.values()), pa.int64())
