"""`amzigo alerts`: what stands, what could not be told, and whether telling works.

Belongs here: what the commands say. Does not belong here: the book (`resources/alerts/book.py`) and sending
(`resources/alerts/channels.py`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from amzigo_pipelines.cli.options import AsJson
from amzigo_pipelines.cli.output import print_json, print_table, say

app = typer.Typer(help="Failed runs and checks, and who is told of them.", no_args_is_help=True)


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="With those of the last 90 days that are over.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the alerts that stand, and the messages that nobody has taken yet.

    Example: amzigo alerts list --all
    """
    from amzigo_pipelines.resources.platform import open_platform

    platform = open_platform()
    alerts = platform.alerts.list(with_resolved=everything)
    waiting = platform.alert_delivery.undelivered()
    if as_json:
        print_json(
            {
                "alerts": [
                    {
                        "number": alert.number,
                        "severity": alert.condition.severity,
                        "owner": alert.condition.owner,
                        "title": alert.condition.title,
                        "sentence": alert.condition.sentence,
                        "opened_at": alert.opened_at,
                        "seen_at": alert.seen_at,
                        "resolved_at": alert.resolved_at,
                    }
                    for alert in alerts
                ],
                "undelivered": [vars(message) for message in waiting],
            }
        )
        return
    if not alerts:
        say("no alert stands" + ("" if everything else "; 'amzigo alerts list --all' shows those that are over"))
    else:
        rows = [
            [a.number, a.condition.severity, a.condition.title, a.condition.sentence, a.opened_at, a.resolved_at]
            for a in alerts
        ]
        print_table("", ["number", "severity", "about", "what and what to do", "since (UTC)", "over (UTC)"], rows)
    if waiting:
        rows = [[m.owner, m.channel, m.written_at, m.attempts, m.reason or "not tried yet"] for m in waiting]
        print_table("Not delivered", ["owner", "by", "written (UTC)", "attempts", "why"], rows)
    if not platform.home.alerts.routes:
        say(r"nobody is told: give routes under \[alerts] in amzigo.toml")


@app.command()
def test() -> None:
    """Send a message along every route, and say who took it.

    Exit code 1 if one was not taken.

    Example: amzigo alerts test
    """
    from amzigo_pipelines.errors import AmzigoError
    from amzigo_pipelines.resources.alerts.channels import NotDelivered
    from amzigo_pipelines.resources.platform import open_platform

    platform = open_platform()
    if not platform.home.alerts.routes:
        raise NotDelivered("there is nobody to tell: give a route, such as [alerts.routes.default], in amzigo.toml")
    failed = []
    for route, channel in platform.alert_delivery.ways():
        try:
            platform.alert_delivery.try_out(route, channel)
        except AmzigoError as error:
            failed.append(f"{route} by {channel}: {error}")
        else:
            say(f"{route} by {channel}: taken")
    if failed:
        raise NotDelivered("; ".join(failed))
