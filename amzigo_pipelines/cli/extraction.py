"""`amzigo extract`: a day, a range or years of a seller's data from Amazon.

Belongs here: what the command refuses, and its words. Does not belong here: which runs a range takes and what is there
already (`assets/extraction/history.py`), running them side by side and showing how far they are (`side_by_side.py`).
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

import typer

from amzigo_pipelines.cli.data import RequestRefused
from amzigo_pipelines.cli.options import AsJson, Seller, parse_day
from amzigo_pipelines.cli.output import print_json, say


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
    from amzigo_pipelines.assets.extraction.history import Plan, Stretch, lanes_of, oldest_day, plan_history
    from amzigo_pipelines.catalog.registry import DATASETS
    from amzigo_pipelines.catalog.registry import dataset as dataset_named
    from amzigo_pipelines.cli.runs import Runner
    from amzigo_pipelines.cli.side_by_side import SideBySide
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
    outcome = SideBySide(platform, Runner(platform), seller_id, lanes_of(plan)).carry_out()
    rows, failures = outcome.rows, outcome.failures
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
