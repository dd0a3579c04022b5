"""`amzigo extract`: a day, a range or years of a seller's data from Amazon.

Belongs here: what the command refuses, its progress and its words. Does not belong here: which runs a range takes and
what is there already (`assets/extraction/history.py`).
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from amzigo_pipelines.cli.data import RequestRefused
from amzigo_pipelines.cli.options import AsJson, Seller, parse_day
from amzigo_pipelines.cli.output import print_json, say, stderr

if TYPE_CHECKING:
    from amzigo_pipelines.assets.extraction.history import Plan, Stretch
    from amzigo_pipelines.cli.runs import Materialised, Runner
    from amzigo_pipelines.resources.platform import Platform


def extract(
    seller: Seller,
    first: Annotated[
        date | None,
        typer.Option("--from", parser=parse_day, metavar="DATE", help="First day (UTC). Default: yesterday."),
    ] = None,
    last: Annotated[
        date | None, typer.Option("--to", parser=parse_day, metavar="DATE", help="Last day (UTC). Default: the first.")
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option("--dataset", "-d", help="One dataset; repeat for several. Default: all.")
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Of a range, extract also days that are there and settled.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Extract a seller's days from Amazon.

    They land in the encrypted lake. A single day is extracted again if it is there; of a range, days that are there and
    that Amazon does not change any more are left as they are: stopped and started again, it goes on where it was.
    Snapshots (fba_inventory, listings) exist for the present only: over a range they are taken for yesterday alone.

    Example: amzigo extract --seller ASYNTHETICNORTH1 --from 2026-11-01 --to 2026-11-20
    """
    from amzigo_pipelines.assets.extraction.history import Plan, Stretch, oldest_day, plan_history
    from amzigo_pipelines.catalog.registry import DATASETS
    from amzigo_pipelines.catalog.registry import dataset as dataset_named
    from amzigo_pipelines.cli.runs import Runner
    from amzigo_pipelines.cli.simulation import require_simulator
    from amzigo_pipelines.clock import today
    from amzigo_pipelines.resources.home import Kind
    from amzigo_pipelines.resources.platform import open_platform

    platform = open_platform()
    seller_id = platform.sellers.get(seller).seller_id
    now = today(platform.clock)
    start = first or now - timedelta(days=1)
    end = last or start
    if end < start:
        raise RequestRefused(f"--to {end} is before --from {start}: swap them")
    if end >= now:
        raise RequestRefused(
            f"{end} isn't over yet (it is {now} UTC): the newest day to extract is {now - timedelta(1)}"
        )
    kept_days = platform.home.retention.business_days
    if start < (oldest := oldest_day(now, kept_days)):
        raise RequestRefused(
            f"{start} is too old: Amazon's data may be kept for 18 months ({kept_days} days from the first of a "
            f"month), so days before {oldest} would have to go at once; the oldest day to extract is {oldest}"
        )
    if start < platform.home.first_day:
        raise RequestRefused(
            f"{start} is before the first day of this home, {platform.home.first_day}: set first_day in "
            f"{platform.home.settings_file} to an earlier day"
        )
    names = [dataset_named(name).name for name in dataset] if dataset else platform.connected_datasets(seller_id)
    of_past = [name for name in names if not DATASETS[name].source.is_snapshot]
    if start == end:
        # Named datasets are taken at their word; the extraction itself refuses a snapshot of a day long gone.
        alone = names if dataset or end == now - timedelta(days=1) else of_past
        plan = Plan((Stretch(end, end, tuple(alone)),), 0)
    else:
        plan = plan_history(platform, seller_id, start, end, of_past, anew=anew)
        alone = [name for name in names if name not in of_past]
        if alone and (dataset or end == now - timedelta(days=1)):
            plan = Plan((*plan.stretches, Stretch(end, end, tuple(alone))), plan.settled)
    if platform.home.kind is Kind.TEST:
        require_simulator(platform.home)
    rows, failures = _carried_out(platform, Runner(platform), seller_id, plan)
    if as_json and not failures:
        facts = {"settled_partitions": plan.settled, "extracted_partitions": plan.partitions}
        print_json({"seller": seller_id, "from": start, "to": end, "rows": rows, **facts})
        return
    if not as_json:
        if plan.settled:
            say(f"{plan.settled:,} partitions were there already and stay as they are; --anew extracts them again")
        if rows or not plan.settled:
            told = ", ".join(f"{name} {n:,} rows" for name, n in rows.items())
            say(f"{seller_id}, {start} to {end}: {told or 'nothing came'}")
        if not dataset and end < now - timedelta(days=1):
            skipped = ", ".join(name for name in names if DATASETS[name].source.is_snapshot)
            say(f"not taken: {skipped} (Amazon tells only the present, and {end} is past)")
    if failures:
        again = "" if start == end else " (what came is stored; the same command goes on with the rest)"
        raise RequestRefused("; ".join(dict.fromkeys(failures)) + again)


def _carried_out(platform: Platform, runner: Runner, seller_id: str, plan: Plan) -> tuple[Counter[str], list[str]]:
    """Run a plan, one stretch after the other; the rows by dataset, and the sentences of what failed.

    A dataset that fails holds up no other. Where a whole run brings nothing, so would the next: it is the last.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from amzigo_pipelines.cli.runs import RunFailed, rows_by_asset

    rows: Counter[str] = Counter()
    failures: list[str] = []
    done, started, shown_on = 0, time.monotonic(), stderr()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=shown_on, transient=True, disable=not shown_on.is_terminal) as progress:
        task = progress.add_task(f"extracting {seller_id}", total=plan.partitions, left="")
        for place, stretch in enumerate(plan.stretches):
            left = _left(platform, seller_id, plan.stretches[place:], done, time.monotonic() - started)
            days = str(stretch.first) if stretch.days == 1 else f"{stretch.first} to {stretch.last}"
            progress.update(task, description=f"{seller_id}, {days}", left=left)
            try:
                materialised = _run(runner, seller_id, stretch)
            except RunFailed as failure:
                failures.append(str(failure))
                materialised = failure.materialised
                rows.update(rows_by_asset(materialised))
                if not materialised:
                    break
            else:
                rows.update(rows_by_asset(materialised))
            done += stretch.partitions
            progress.advance(task, stretch.partitions)
    return rows, failures


def _run(runner: Runner, seller_id: str, stretch: Stretch) -> list[Materialised]:
    from amzigo_pipelines.assets.partitions import partition_key, range_tags
    from amzigo_pipelines.resources.labels import EXTRACTION_JOB, SELLER_TAG, lake_key

    is_range = stretch.first != stretch.last
    return runner.run(
        EXTRACTION_JOB,
        partition_key=None if is_range else partition_key(stretch.first, seller_id),
        tags=range_tags(stretch.first, stretch.last, seller_id) if is_range else {SELLER_TAG: seller_id},
        selection=[lake_key(name) for name in stretch.datasets],
    )


def _left(platform: Platform, seller_id: str, stretches: tuple[Stretch, ...], done: int, spent_s: float) -> str:
    from amzigo_pipelines.assets.extraction.history import estimate_s, seconds_by_rates
    from amzigo_pipelines.clock import today
    from amzigo_pipelines.retention.dates import earliest_pii_day

    by_rates = seconds_by_rates(
        stretches,
        platform.sellers.get(seller_id).marketplace_ids,
        earliest_pii_day(today(platform.clock), platform.home.retention.pii_days),
        platform.home.rate_scale_in_force,
    )
    return in_words(estimate_s(by_rates, done, spent_s, sum(stretch.partitions for stretch in stretches)), done > 0)


def in_words(seconds: float, is_measured: bool) -> str:
    """A time to come as a person says it; before anything was measured only a lower bound is known."""
    minutes = -(-int(seconds) // 60)
    if minutes < 2:
        amount = "about a minute" if is_measured else "a minute"
    elif minutes < 120:
        amount = f"{'about ' if is_measured else ''}{minutes} minutes"
    else:
        amount = f"{'about ' if is_measured else ''}{minutes // 60} h {minutes % 60:02} min"
    return f"{amount} left" if is_measured else f"at least {amount}, by Amazon's rates"
