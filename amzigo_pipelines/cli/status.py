"""`amzigo status`: which data is there, what is late, and what failed.

Belongs here: the command's table and words. Does not belong here: how a day's state is found
(`quality/completeness.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from amzigo_pipelines.cli.options import AsJson
from amzigo_pipelines.cli.output import print_json, print_records, say

if TYPE_CHECKING:
    from amzigo_pipelines.quality.completeness import Completeness
    from amzigo_pipelines.resources.control.failed_partitions import FailedPartition


def status(
    seller: Annotated[str | None, typer.Option("--seller", "-s", help="One seller. Default: all.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 1 when something is late, failed or missing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show which days of data are there, late, missing or failed.

    Over the last 30 days, by seller and dataset, with the partitions whose last extraction failed and why. A failed
    partition leaves the list by itself once it is extracted.

    Example: amzigo status --check
    """
    from rich.markup import escape

    from amzigo_pipelines.quality.completeness import WINDOW_DAYS, completeness, standing_failures
    from amzigo_pipelines.resources.platform import open_platform

    platform = open_platform()
    sellers = [platform.sellers.get(seller)] if seller else platform.sellers.list()
    states = [one for each in sellers for one in completeness(platform, each.seller_id)]
    failures = [one for each in sellers for one in standing_failures(platform, each.seller_id)]
    in_trouble = any(one.is_in_trouble for one in states)
    if as_json:
        print_json(
            {
                "datasets": [_record(one) | {"days": dict(_days(one))} for one in states],
                "failed_partitions": _failed(failures),
                "is_in_trouble": in_trouble,
            }
        )
    else:
        for each in sellers:
            rows = [_row(one) for one in states if one.seller_id == each.seller_id]
            print_records(f"{each.seller_id}, the last {WINDOW_DAYS} days", rows, as_json=False, empty="")
        if not sellers:
            say("No seller is connected.")
        for one in _failed(failures):
            # Sentences, not a table: they are as long as what they have to say.
            days = f"{one['first_day']}" + (f" to {one['last_day']}" if one["days"] > 1 else "")
            when = f"{one['failed_at']:%Y-%m-%d %H:%M}"
            say(escape(f"{one['seller']}: {one['dataset']} of {days} failed at {when}: {one['why']}"))
        say("Something is late, missing or failed." if in_trouble else "Nothing is late, missing or failed.")
    if check and in_trouble:
        raise typer.Exit(1)


def _row(one: Completeness) -> dict[str, Any]:
    from amzigo_pipelines.quality.completeness import TROUBLE, DayState

    shown = [state for state in DayState if state in TROUBLE or state is DayState.UNCONFIRMED]
    troubles = [f"{one.count(state)} {state}" for state in shown if one.count(state)]
    return {
        "dataset": one.dataset,
        "newest day": one.newest,
        "days late": one.late_days,
        "days there": one.count(DayState.THERE, DayState.EMPTY),
        "trouble": ", ".join(troubles),
    }


def _record(one: Completeness) -> dict[str, Any]:
    from amzigo_pipelines.quality.completeness import DayState

    return {
        "seller": one.seller_id,
        "dataset": one.dataset,
        "newest_day": one.newest,
        "days_late": one.late_days,
        "missing": one.count(DayState.MISSING),
        "unconfirmed": one.count(DayState.UNCONFIRMED),
        "quarantined": one.count(DayState.QUARANTINED),
        "failed": one.count(DayState.FAILED),
    }


def _days(one: Completeness) -> list[tuple[str, str]]:
    return [(day.isoformat(), str(state)) for day, state in one.days.items()]


def _failed(failures: list[FailedPartition]) -> list[dict[str, Any]]:
    """Failures with the same sentence as one entry, by seller and dataset."""
    grouped: dict[tuple[str, str, str], list[FailedPartition]] = {}
    for one in failures:
        grouped.setdefault((one.seller_id, one.dataset, one.sentence), []).append(one)
    return [
        {
            "seller": seller_id,
            "dataset": dataset,
            "first_day": min(one.day for one in group),
            "last_day": max(one.day for one in group),
            "days": len(group),
            "failed_at": max(one.failed_at for one in group),
            "why": sentence,
        }
        for (seller_id, dataset, sentence), group in grouped.items()
    ]
