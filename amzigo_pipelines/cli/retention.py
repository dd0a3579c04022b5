"""`amzigo retention`: what dies when, what a sweep would destroy, and sweeping."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

import typer

from amzigo_pipelines.cli.options import AsJson, parse_day
from amzigo_pipelines.cli.output import print_json, print_records, say

app = typer.Typer(help="What dies when, and destroying it on its date.", no_args_is_help=True)

AsOf = Annotated[
    date | None,
    typer.Option("--as-of", parser=parse_day, metavar="DATE", help="Day of death (UTC). Default: today."),
]


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show which keys live and which are overdue.

    For every seller and class: how many keys are alive, the day the next one dies, and how many should be dead.
    """
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention.outlook import status as retention_status

    records = [
        {
            "seller": line.seller_id,
            "class": str(line.key_class),
            "keys alive": line.keys_alive,
            "next death": line.next_death,
            "overdue": line.overdue,
        }
        for line in retention_status(open_platform())
    ]
    print_records("Retention", records, as_json=as_json, empty="No keys yet: nothing has been extracted.")


@app.command()
def plan(as_of: AsOf = None, as_json: AsJson = False) -> None:
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
            "keys": line.keys,
            "files": line.files,
            "rows": line.rows,
            "bytes": line.bytes,
            "rows staying": line.rows_staying,
        }
        for line in retention_plan(platform, as_of=day)
    ]
    print_records(f"PII due on or before {day}", records, as_json=as_json, empty=f"Nothing is due on or before {day}.")


@app.command()
def run(as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Destroy the PII whose date has come.

    Runs the asset pii_retention: destroys keys and files, verifies that they are gone, and issues a certificate.
    """
    from amzigo_pipelines.automation import PII_RETENTION_JOB
    from amzigo_pipelines.cli.data import RequestRefused
    from amzigo_pipelines.cli.runs import Runner
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
    (event,) = Runner(platform).run(PII_RETENTION_JOB, partition_key=day.isoformat())
    values = event.facts
    if as_json:
        print_json({"as_of": day, **values})
    elif not values["keys_destroyed"]:
        say(f"nothing was due on or before {day}; nothing is overdue")
    else:
        say(
            f"destroyed {values['keys_destroyed']:,} keys, {values['files_removed']:,} files and "
            f"{values['dagster/row_count']:,} rows due on or before {day}; {values['verified']}; "
            f"certificate {values['certificate']}"
        )
    if as_of is None and not as_json:
        say(f"next: {day + timedelta(days=1)}, by itself if the Dagster daemon runs")
