"""`amzigo retention`: what dies when, what a sweep would destroy, and sweeping."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amzigo_pipelines.catalog.periods import RetentionClass
from amzigo_pipelines.cli.options import AsJson, operator, parse_day
from amzigo_pipelines.cli.output import print_json, print_records, say

if TYPE_CHECKING:
    from amzigo_pipelines.cli.runs import Runner

app = typer.Typer(help="What dies when, and destroying it on its date.", no_args_is_help=True)

AsOf = Annotated[
    date | None,
    typer.Option("--as-of", parser=parse_day, metavar="DATE", help="Day of death (UTC). Default: today."),
]
Class = Annotated[RetentionClass | None, typer.Option("--class", help="Only this class. Default: all three.")]
Confirm = Annotated[
    list[str] | None,
    typer.Option(
        "--confirm",
        metavar="SELLER",
        help="Destroy all that is due of this seller, though the guard stopped. May be repeated.",
    ),
]


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show which keys live and which are overdue.

    For every seller and class: how many keys are alive, the day the next one dies, and what should be gone. A seller's
    legal holds keep copies in the vault; nothing here lives longer for them.
    """
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention import holds
    from amzigo_pipelines.retention.outlook import status as retention_status

    platform = open_platform()
    held = Counter(hold.seller_id for hold in holds.active(platform))
    records = [
        {
            "seller": line.seller_id,
            "class": str(line.key_class),
            "keys alive": line.keys_alive,
            "next death": line.next_death,
            "overdue": line.overdue,
            "files overdue": line.files_overdue,
            "unfinished sweeps": line.unfinished,
            "legal holds": held[line.seller_id],
        }
        for line in retention_status(platform)
    ]
    print_records("Retention", records, as_json=as_json, empty="No keys yet: nothing has been extracted.")


@app.command()
def plan(as_of: AsOf = None, retention_class: Class = None, as_json: AsJson = False) -> None:
    """Show what a sweep would destroy.

    And what would stay. Destroys nothing; a later day may be asked for.

    Example: amzigo retention plan --as-of 2026-12-24
    """
    from amzigo_pipelines.clock import today
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention.outlook import plan as retention_plan

    platform = open_platform()
    day = as_of or today(platform.clock)
    records = [
        {
            "seller": line.seller_id,
            "class": str(line.retention_class),
            "keys": line.keys,
            "marts' keys": line.mart_keys,
            "files": line.files,
            "rows": line.rows,
            "bytes": line.bytes,
            "files staying": line.files_staying,
            "rows staying": line.rows_staying,
            "needs --confirm": line.needs_confirmation,
        }
        for one in _classes(retention_class)
        for line in retention_plan(platform, as_of=day, retention_class=one)
    ]
    print_records(f"Due on or before {day}", records, as_json=as_json, empty=f"Nothing is due on or before {day}.")


@app.command()
def run(as_of: AsOf = None, retention_class: Class = None, confirm: Confirm = None, as_json: AsJson = False) -> None:
    """Destroy what has come to its date.

    Runs the assets pii_retention, pseudonym_retention and business_retention: each destroys keys and files, verifies
    that they are gone, and issues a certificate. Where most of a seller's keys are due at once it stops and asks.
    """
    from amzigo_pipelines.cli.data import RequestRefused
    from amzigo_pipelines.cli.runs import RunFailed, Runner
    from amzigo_pipelines.clock import today
    from amzigo_pipelines.resources.platform import open_platform

    platform = open_platform()
    now = today(platform.clock)
    day = as_of or now
    if day > now:
        raise RequestRefused(
            f"{day} has not come yet (it is {now} UTC): see what would die with 'amzigo retention plan'"
        )
    if day <= platform.home.first_day:
        raise RequestRefused(f"nothing can be due on {day}: this home begins on {platform.home.first_day}")
    runner = Runner(platform)
    results: list[dict[str, Any]] = []
    failures: list[str] = []
    for one in _classes(retention_class):
        try:
            results.append({"class": str(one), **_sweep(runner, one, day, confirm or [])})
        except RunFailed as error:
            # One class's trouble keeps no other from its date.
            failures.append(str(error))
    if as_json:
        print_json({"as_of": day, "classes": results})
    else:
        for result in results:
            say(_sentence(result, day))
    if failures:
        raise RunFailed("; ".join(dict.fromkeys(failures)))
    if as_of is None and not as_json:
        say(f"next: {day + timedelta(days=1)}, by itself if the Dagster daemon runs")


def _classes(retention_class: RetentionClass | None) -> list[RetentionClass]:
    return list(RetentionClass) if retention_class is None else [retention_class]


def _sweep(runner: Runner, retention_class: RetentionClass, day: date, confirm: list[str]) -> dict[str, Any]:
    from amzigo_pipelines.automation.retention import job_name
    from amzigo_pipelines.retention.assets import asset_name

    config = {"confirm": confirm, "confirmed_by": operator()} if confirm else {}
    (event,) = runner.run(
        job_name(retention_class), partition_key=day.isoformat(), config={asset_name(retention_class): config}
    )
    return event.facts


def _sentence(result: dict[str, Any], day: date) -> str:
    if not result["keys_destroyed"] and not result["files_removed"]:
        return f"{result['class']}: nothing was due on or before {day}; nothing is overdue"
    return (
        f"{result['class']}: destroyed {result['keys_destroyed']:,} keys, {result['files_removed']:,} files and "
        f"{result['dagster/row_count']:,} rows due on or before {day}; {result['verified']}; "
        f"certificate {result['certificate']}"
    )
