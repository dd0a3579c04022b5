"""Extracting history: the runs that long ranges of days take, what is there already, and how long the rest takes.

Belongs here: plans and estimates, from the lake's books and the catalog. Does not belong here: starting runs and
showing progress (`cli/extraction.py`), how a dataset is extracted (`extract.py`).

A plan needs no books of its own: what is there and settled is left out, so a history that was stopped, by whatever, is
gone on with by making the same plan again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from amzigo_pipelines.assets.extraction.extract import SOURCES
from amzigo_pipelines.assets.extraction.reports import UNCONFIRMED, windows_of
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.catalog.rates import RATES
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.clock import today
from amzigo_pipelines.resources.lake.files import PartitionRecord, expires_on_of_partition
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.dates import earliest_pii_day

# Amazon's reports span as many days at most, orders' among them.
WINDOW_DAYS = 30


@dataclass(frozen=True)
class Stretch:
    """What one run extracts: some datasets over days without a gap."""

    first: date
    last: date
    datasets: tuple[str, ...]

    @property
    def days(self) -> int:
        """How many."""
        return (self.last - self.first).days + 1

    @property
    def partitions(self) -> int:
        """How many it replaces."""
        return self.days * len(self.datasets)


@dataclass(frozen=True)
class Plan:
    """The runs of a history, oldest first.

    Attributes:
        stretches: what is still to be extracted.
        settled: partitions that are there already and that Amazon does not change any more.
    """

    stretches: tuple[Stretch, ...]
    settled: int

    @property
    def partitions(self) -> int:
        """How many are still to be extracted."""
        return sum(stretch.partitions for stretch in self.stretches)


def lanes_of(plan: Plan) -> list[tuple[Stretch, ...]]:
    """The runs of a plan in lanes that may go side by side, each lane in order.

    What draws on the same allowance of Amazon's stands in one lane: side by side it would only wait for itself. What
    is taken of the present is one more, since reviews are asked for by what listings tell. A single day stays one run.
    """
    if len(plan.stretches) == 1 and plan.stretches[0].days == 1:
        return [plan.stretches]
    lanes: dict[str, list[Stretch]] = {}
    for stretch in plan.stretches:
        of_lane: dict[str, list[str]] = {}
        for name in stretch.datasets:
            of_lane.setdefault(_allowance_of(name), []).append(name)
        for lane, names in of_lane.items():
            lanes.setdefault(lane, []).append(Stretch(stretch.first, stretch.last, tuple(names)))
    return [tuple(lane) for lane in lanes.values()]


def _allowance_of(name: str) -> str:
    source = DATASETS[name].source
    if source.is_snapshot:
        return "the present"
    if source.report is not None:
        return "createReport" if source.report.query is None else "createQuery"
    return source.operation


def oldest_day(now_on: date, business_days: int) -> date:
    """The first day that may still be stored: whole months go, see `expires_on_of_partition`."""
    day = now_on.replace(day=1)
    while expires_on_of_partition(before := (day - timedelta(days=1)).replace(day=1), business_days) > now_on:
        day = before
    return day


def plan_history(
    platform: Platform, seller_id: str, first: date, last: date, names: Sequence[str], *, anew: bool = False
) -> Plan:
    """What a range of days still lacks.

    Windows begin at `first` and every 30 days after it, whatever is there already: so reports that were asked for
    before an interruption are those that are asked for after it.

    Args:
        platform: the installation.
        seller_id: whose.
        first: the first day.
        last: the last day, included.
        names: datasets, without snapshots.
        anew: leave nothing out.
    """
    there = {} if anew else _settled(platform, seller_id, first, last)
    groups = [group for source in SOURCES if (group := tuple(name for name in source if name in names))]
    stretches: list[Stretch] = []
    settled = 0
    start = first
    while start <= last:
        end = min(start + timedelta(days=WINDOW_DAYS - 1), last)
        lacking: dict[tuple[date, date], list[str]] = {}
        for group in groups:
            # Datasets of one source are committed together.
            wanted = [
                day
                for day in (start + timedelta(days=n) for n in range((end - start).days + 1))
                if not all(day in there.get(name, ()) for name in group)
            ]
            settled += ((end - start).days + 1 - len(wanted)) * len(group)
            for bounds in _unbroken(wanted):
                lacking.setdefault(bounds, []).extend(group)
        stretches += [Stretch(*bounds, tuple(found)) for bounds, found in sorted(lacking.items())]
        start = end + timedelta(days=1)
    return Plan(tuple(stretches), settled)


def seconds_by_rates(
    stretches: Sequence[Stretch], marketplace_ids: Sequence[str], first_personal: date, rate_scale: float = 1.0
) -> float:
    """How long Amazon's rates make stretches take at least: that of the operation that runs out first.

    Args:
        stretches: what is to be extracted.
        marketplace_ids: the seller's.
        first_personal: orders of days before come by the bulk report.
        rate_scale: how many times Amazon's rates there are.
    """
    calls: Counter[tuple[str, str]] = Counter()
    for stretch in stretches:
        for name in stretch.datasets:
            calls.update(_calls(name, stretch, marketplace_ids, first_personal))
    return max((_wait_s(operation, count, rate_scale) for (operation, _), count in calls.items()), default=0.0)


def estimate_s(left_by_rates_s: float, done: int, spent_s: float, left: int) -> float:
    """Seconds to the end: at the pace so far, and no sooner than Amazon's rates allow.

    Args:
        left_by_rates_s: see `seconds_by_rates`.
        done: partitions that were extracted.
        spent_s: seconds that they took.
        left: partitions that are left.
    """
    by_pace = spent_s / done * left if done else 0.0
    return max(by_pace, left_by_rates_s)


def _settled(platform: Platform, seller_id: str, first: date, last: date) -> Mapping[str, set[date]]:
    with_pii = {
        (file.dataset, file.day)
        for file in platform.lake.files(seller_id=seller_id, families=[RetentionClass.PII])
        if first <= file.day <= last
    }
    first_personal = earliest_pii_day(today(platform.clock), platform.home.retention.pii_days)
    found: dict[str, set[date]] = {}
    for record in platform.lake.partitions(seller_id):
        if record.dataset not in DATASETS or not first <= record.day <= last:
            continue
        # A restored backup has no buyers' data: what may still be known is asked for again.
        lost = record.day >= first_personal and record.pii_rows and (record.dataset, record.day) not in with_pii
        if _is_settled(record) and not lost:
            found.setdefault(record.dataset, set()).add(record.day)
    return found


def _is_settled(record: PartitionRecord) -> bool:
    """Whether Amazon had stopped changing the day when it was extracted, and said what is in it."""
    restated_until = record.day + timedelta(days=DATASETS[record.dataset].source.lookback_days)
    return record.committed_at.date() > restated_until and record.origin.get("empty") != UNCONFIRMED


def _unbroken(days: Sequence[date]) -> list[tuple[date, date]]:
    ranges: list[tuple[date, date]] = []
    for day in days:
        if ranges and day - ranges[-1][1] == timedelta(days=1):
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges


def _calls(
    name: str, stretch: Stretch, marketplace_ids: Sequence[str], first_personal: date
) -> Counter[tuple[str, str]]:
    """The calls that a dataset's days take at least, by operation and region."""
    dataset = DATASETS[name]
    days = [stretch.first + timedelta(days=n) for n in range(stretch.days)]
    markets = Counter(MARKETPLACES[marketplace_id].region for marketplace_id in marketplace_ids)
    regions = Counter(set(markets))
    shape = dataset.source.report
    calls: Counter[tuple[str, str]] = Counter()

    def add(operations: Sequence[str], per_region: Counter[str], times: int) -> None:
        for operation in operations:
            for region, count in per_region.items():
                calls[operation, region] += count * times

    if shape is not None:
        made = ("createReport", "getReportDocument") if shape.query is None else ("createQuery", "getDocument")
        add(made, regions if shape.is_for_account else markets, len(windows_of(dataset, days)))
    elif name == ORDERS.name:
        recent = sum(day >= first_personal for day in days)
        add(("searchOrders",), regions, recent)
        add(("createReport", "getReportDocument"), regions, -(-(len(days) - recent) // WINDOW_DAYS))
    elif dataset.source.operation in RATES and name != "order_items":
        add((dataset.source.operation,), markets, -(-len(days) // dataset.source.window_days))
    return calls


def _wait_s(operation: str, count: int, rate_scale: float) -> float:
    rate = RATES[operation].scaled(rate_scale)
    return max(0.0, count - rate.burst) / rate.per_s
