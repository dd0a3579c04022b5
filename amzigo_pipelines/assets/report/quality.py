"""The quality page of a seller: days, checks and their history, what is broken now, what was looked at when.

Belongs here: which facts are shown. Does not belong here: how they come about (`quality/`), the page around them
(`page.py`), pictures of days (`quality/heat_map.py`).

Counts by rule and day, and no value of any row; so the page may be handed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from amzigo_pipelines.assets.report.model import NOTHING, Block, Section, Table, count
from amzigo_pipelines.assets.report.page import render
from amzigo_pipelines.quality.completeness import TROUBLE, DayState, completeness, standing_failures
from amzigo_pipelines.quality.heat_map import BROKEN, HELD, UNCHECKED, WARNED, Square, grid, heat_map
from amzigo_pipelines.quality.mart_results import MartQuality, MartResults
from amzigo_pipelines.quality.results import PartitionQuality, QualityResults
from amzigo_pipelines.resources.durability import write_whole

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

HISTORY_DAYS = 60
_SHOWN = 200


def make_quality_page(platform: Platform, seller_id: str) -> str:
    """The page as HTML without any link to elsewhere."""
    now: datetime = platform.clock.now()
    results = QualityResults(platform.control)
    since = now.date() - timedelta(days=HISTORY_DAYS - 1)
    history = [one for one in results.history(seller_id) if one.day >= since]
    current = [one for one in results.current(seller_id) if one.day >= since]
    waiting = {(dataset, day) for (_, dataset), versions in results.unchecked(seller_id).items() for day in versions}
    marts = MartResults(platform.control).current(seller_id)
    sections = [
        _days(platform, seller_id),
        _broken_now(current, marts),
        _history(history, current, waiting, since),
        _looked_at(current, waiting, marts),
    ]
    name = platform.sellers.get(seller_id).name
    lead = f"Quality of the data, as it stood {now:%Y-%m-%d %H:%M} UTC. Counts by rule and day, no value of any row."
    return render(sections, name, "data quality", lead)


def write_quality_page(platform: Platform, seller_id: str) -> Path:
    """Write a seller's page into the home, in place of the one before.

    Raises:
        OSError: it can't be written.
    """
    path = platform.home.path / "quality" / f"{seller_id}.html"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_whole(path, make_quality_page(platform, seller_id).encode(), 0o600)
    return path


def _days(platform: Platform, seller_id: str) -> Section:
    states = completeness(platform, seller_id)
    troubled = [one for one in states if one.is_in_trouble]
    failures = [
        [one.dataset, str(one.day), f"{one.failed_at:%Y-%m-%d %H:%M}", one.sentence]
        for one in standing_failures(platform, seller_id)
    ]
    batches = [
        [
            batch.name,
            ", ".join(batch.datasets),
            f"{batch.first_day} to {batch.last_day}",
            str(batch.expires_on),
            "; ".join(f"{one.column or 'all'} {one.problem}: {one.rows:,} rows" for one in batch.faults),
        ]
        for batch in platform.quarantine.list(seller_id, only_open=True)
    ]
    tables = []
    if failures:
        tables.append(Table(["failed", "day", "when", "why"], failures[:_SHOWN]))
    if batches:
        tables.append(Table(["quarantined", "datasets", "days", "dies on", "what does not fit"], batches))
    said = []
    for one in troubled:
        counts = [f"{one.count(state)} {state}" for state in DayState if state in TROUBLE and one.count(state)]
        said.append(f"{one.dataset} ({', '.join(counts)})")
    says = f"Somebody should look at {', '.join(said)}." if said else "No day is late, missing, failed or quarantined."
    picture = heat_map([(one.dataset, one) for one in states], "How each day of each dataset stands")
    return Section(
        "Days",
        "Which days of each dataset are there, over the last 30 days. Point at a square for its day.",
        [Block("Freshness and completeness", says, picture, tables)],
    )


def _broken_now(current: Sequence[PartitionQuality], marts: Sequence[MartQuality]) -> Section:
    of_lake = [
        [one.dataset, str(one.day), rule, count(rows), count(one.rows), f"{one.checked_at:%Y-%m-%d %H:%M}"]
        for one in current
        for rule, rows in one.broken.items()
    ]
    of_marts = [
        [one.mart, str(one.version), rule, count(rows), count(one.rows), f"{one.checked_at:%Y-%m-%d %H:%M}"]
        for one in marts
        for rule, rows in [*one.broken.items(), *((f"{rule} (nothing to look at)", 0) for rule in one.unseen)]
    ]
    title, lead = (
        "What is broken now",
        "Rules that do not hold of what is current: versions of partitions, and the marts published now.",
    )
    missing = []
    if not current:
        missing.append("no partition was looked at yet: amzigo quality run")
    if not marts:
        missing.append("no published mart was looked at yet: amzigo quality run")
    blocks = [
        _table("Partitions of the lake", ["dataset", "day", "rule", "rows that break it", "of", "looked at"], of_lake),
        _table("Published marts", ["mart", "version", "rule", "rows that break it", "of", "looked at"], of_marts),
    ]
    shown = [block for block, seen in zip(blocks, (current, marts), strict=True) if seen]
    return Section(title, lead, shown, missing)


def _history(
    history: Sequence[PartitionQuality],
    current: Sequence[PartitionQuality],
    waiting: set[tuple[str, date]],
    since: date,
) -> Section:
    title = "History of checks"
    lead = (
        f"By dataset and day of the data, since {since}: how the newest look at each day ended. A number says how many "
        "versions of the day were looked at, where it was more than one."
    )
    if not history and not waiting:
        return Section(title, lead, missing=["no partition was looked at yet: amzigo quality run"])
    rows: dict[str, dict[date, Square]] = {}
    looks: dict[tuple[str, date], list[PartitionQuality]] = {}
    for one in history:
        looks.setdefault((one.dataset, one.day), []).append(one)
    for (dataset, day), own in looks.items():
        newest = max(own, key=lambda one: one.version)
        square = BROKEN if newest.errors else WARNED if newest.warnings else HELD
        mark = str(len(own)) if len(own) > 1 else ""
        told = f"{newest.rows:,} rows, {newest.rules} rules, {len(newest.broken)} broken"
        rows.setdefault(dataset, {})[day] = square.of(f"{dataset}, {day}: {told}", mark)
    for dataset, day in waiting:
        if day >= since:
            rows.setdefault(dataset, {})[day] = UNCHECKED.of(f"{dataset}, {day}: not looked at yet")
    versions = {(one.dataset, one.day): one.version for one in current}
    mended = [
        [
            f"{one.checked_at:%Y-%m-%d %H:%M}",
            one.dataset,
            str(one.day),
            rule,
            count(broken),
            "stands" if versions.get((one.dataset, one.day)) == one.version else "replaced by a newer version",
        ]
        for one in sorted(history, key=lambda one: one.checked_at, reverse=True)
        for rule, broken in one.broken.items()
    ]
    legend = (HELD, WARNED, BROKEN, UNCHECKED)
    picture = grid(sorted(rows.items()), "How the checks of each day of each dataset ended", legend)
    broken_looks = len({(one.dataset, one.day, one.version) for one in history if one.broken})
    says = f"{len(history):,} looks at partitions, {broken_looks:,} of which found a broken rule."
    tables = [Table(["looked at", "dataset", "day", "rule", "rows", "today"], mended[:_SHOWN])] if mended else []
    note = f"The newest {_SHOWN} of {len(mended):,}." if len(mended) > _SHOWN else ""
    return Section(title, lead, [Block("Looks by dataset and day", says, picture, tables, note)])


def _looked_at(
    current: Sequence[PartitionQuality], waiting: set[tuple[str, date]], marts: Sequence[MartQuality]
) -> Section:
    datasets = dict.fromkeys([*(one.dataset for one in current), *sorted(dataset for dataset, _ in waiting)])
    lines = []
    for dataset in datasets:
        own = [one for one in current if one.dataset == dataset]
        newest = max((one.checked_at for one in own), default=None)
        left = sum(name == dataset for name, _ in waiting)
        lines.append(
            [
                dataset,
                count(len(own)),
                count(sum(one.rows for one in own)),
                count(max((one.rules for one in own), default=0)),
                f"{newest:%Y-%m-%d %H:%M}" if newest else NOTHING,
                count(left),
            ]
        )
    of_marts = [
        [one.mart, str(one.version), count(one.rows), count(one.rules), f"{one.checked_at:%Y-%m-%d %H:%M}"]
        for one in marts
    ]
    blocks = [
        _table("Datasets", ["dataset", "days", "rows", "rules", "last look", "not looked at yet"], lines, "listed"),
        _table("Marts", ["mart", "version", "rows", "rules", "last look"], of_marts, "listed"),
    ]
    return Section("What was looked at when", "The versions that are current now, and their last look.", blocks)


def _table(heading: str, columns: Sequence[str], rows: Iterable[Sequence[str]], what: str = "broken") -> Block:
    found = list(rows)
    if not found:
        nothing = "No rule is broken." if what == "broken" else "Nothing was looked at yet: amzigo quality run"
        return Block(heading, nothing)
    note = f"The first {_SHOWN} of {len(found):,}: amzigo quality status" if len(found) > _SHOWN else ""
    return Block(heading, f"{len(found):,} {what}.", tables=[Table(columns, found[:_SHOWN])], note=note)
