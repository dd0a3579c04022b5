"""`amzigo credentials`: where the application's client secret is kept, how old it is, exchanging it.

Belongs here: what the commands say. Does not belong here: rotation itself (`resources/spapi/secret_rotation.py`). No
command prints a secret.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Annotated

import typer

from amzigo_pipelines.cli.options import AsJson, parse_day
from amzigo_pipelines.cli.output import print_json, print_table, say
from amzigo_pipelines.errors import AmzigoError

app = typer.Typer(help="The application's client secret: its age, exchanging it.", no_args_is_help=True)


class DayRefused(AmzigoError):
    """A day on which nothing can have been exchanged."""


@app.command()
def status(as_json: AsJson = False) -> None:
    """Say where the secret is kept and how old it is.

    Amazon ends a client secret after 180 days. A secret that Amzigo has never seen before counts from its first sight;
    'amzigo credentials rotated' corrects that.

    Example: amzigo credentials status
    """
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.resources.spapi.auth import credentials_for
    from amzigo_pipelines.resources.spapi.secret_rotation import LIVES_DAYS

    platform = open_platform()
    credentials = credentials_for(platform.home)
    age = platform.client_secrets.age(credentials)
    record = {
        "kept in": str(platform.home.secrets.provider),
        "client id": credentials.client_id,
        "in force since": age.since,
        "since when is": "known" if age.is_exact else "an estimate: first seen then",
        "days old": age.days,
        "days left": LIVES_DAYS - age.days,
        "new one asked for": age.asked_at,
    }
    if as_json:
        print_json(record)
    else:
        print_table("", ["", ""], [[name, value] for name, value in record.items()])


@app.command()
def rotate(
    wait: Annotated[int, typer.Option(min=0, max=86_400, help="Seconds to wait for the new secret.")] = 600,
) -> None:
    """Exchange the client secret for a new one.

    Asks Amazon, receives the new secret from the queue of rotation_queue_url, logs in with it, and stores it in AWS
    Secrets Manager. Running processes take it over within minutes; the old one stays good for 7 days.

    Example: amzigo credentials rotate
    """
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.resources.spapi.secret_rotation import rotate_client_secret

    platform = open_platform()
    rotate_client_secret(platform.home, platform.client_secrets, platform.clock, float(wait), say)


@app.command()
def rotated(
    on: Annotated[
        date, typer.Option("--on", parser=parse_day, metavar="DATE", help="Since when it is in force (UTC).")
    ],
) -> None:
    """Say since when the secret is in force.

    After it was exchanged in the developer console, and set where Amzigo reads it.

    Example: amzigo credentials rotated --on 2026-11-20
    """
    from amzigo_pipelines.clock import today
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.resources.spapi.auth import renewed_credentials

    platform = open_platform()
    if on > today(platform.clock):
        raise DayRefused(f"{on} has not come yet: give the day on which the secret was exchanged")
    platform.client_secrets.note_rotated(renewed_credentials(platform.home), datetime.combine(on, time(), UTC))
    say(f"noted: the client secret is in force since {on}")
