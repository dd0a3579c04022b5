"""`amzigo incident`: a security incident from its opening to its end.

Belongs here: what the commands say. Does not belong here: the rules (`retention/incidents.py`) and the notice's words
(`retention/incident_notice.py`).
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amzigo_pipelines.cli.options import AsJson, parse_instant
from amzigo_pipelines.cli.output import print_json, print_records, say

if TYPE_CHECKING:
    from amzigo_pipelines.retention.incidents import Incident

app = typer.Typer(help="Security incidents: open, contain, notify, close.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="Such as I1, as 'amzigo incident list' shows it.")]


@app.command("open")
def open_(
    summary: Annotated[str, typer.Option(help="What happened, in one sentence; no buyer's data.")],
    seller: Annotated[list[str] | None, typer.Option("--seller", "-s", help="Affected seller; repeat it.")] = None,
    all_sellers: Annotated[bool, typer.Option("--all-sellers", help="All sellers are affected.")] = False,
    detected_at: Annotated[
        datetime | None,
        typer.Option("--detected", parser=parse_instant, metavar="MOMENT", help="When it was noticed. Default: now."),
    ] = None,
    exposed_from: Annotated[
        datetime | None,
        typer.Option("--from", parser=parse_instant, metavar="MOMENT", help="In danger since. Default: detection."),
    ] = None,
    exposed_until: Annotated[
        datetime | None,
        typer.Option("--until", parser=parse_instant, metavar="MOMENT", help="In danger until. Default: it goes on."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Register an incident.

    From its detection on Amazon must be told within 24 hours.

    Example: amzigo incident open --seller A1B2C3 --from 2026-11-20T08:00 --summary "A laptop with a token was stolen"
    """
    from amzigo_pipelines.resources.keys.roles import acting_user
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention.incidents import open_incident

    if bool(seller) == all_sellers:
        raise typer.BadParameter("name the affected sellers with --seller, or say --all-sellers")
    platform = open_platform()
    ids = [one.seller_id for one in platform.sellers.list()] if all_sellers else list(seller or [])
    noticed = detected_at or platform.clock.now()
    incident = open_incident(
        platform,
        ids,
        summary,
        detected_at=noticed,
        exposed_from=exposed_from or noticed,
        exposed_until=exposed_until,
        actor=acting_user(),
    )
    if as_json:
        print_json(_record(incident, platform.clock.now()))
        return
    say(f"opened {incident.incident_id}; {incident.clock_sentence(platform.clock.now())}")
    say(f"next: amzigo incident contain {incident.incident_id}")


@app.command()
def contain(incident: Id, as_json: AsJson = False) -> None:
    """Freeze the keys and tokens of the incident's sellers.

    At once and for every process: nothing of theirs is read, written or asked of Amazon until the incident is closed.
    Retention goes on. Tokens that somebody has copied stay good at Amazon: let the seller revoke them there.

    Example: amzigo incident contain I1
    """
    from amzigo_pipelines.resources.keys.roles import acting_user
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention.incidents import contain as contain_incident

    platform = open_platform()
    contained, refused = contain_incident(platform, incident, acting_user())
    if as_json:
        print_json({**_record(contained, platform.clock.now()), "refused": refused})
        return
    say(
        f"{contained.incident_id} is contained: {refused:,} keys and tokens of {', '.join(contained.seller_ids)} are "
        "refused from now on"
    )
    say("next: let each seller revoke the application's access in Seller Central if a token may have been copied")
    say(f"then: amzigo incident notify {contained.incident_id}; {contained.clock_sentence(platform.clock.now())}")


@app.command()
def notify(
    incident: Id,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the notice to this file.")] = None,
    sent: Annotated[bool, typer.Option("--sent", help="Take down that the notice was sent; drafts nothing.")] = False,
    sent_at: Annotated[
        datetime | None,
        typer.Option("--at", parser=parse_instant, metavar="MOMENT", help="With --sent: when. Default: now."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draft the notice for Amazon.

    What was in danger, by seller, dataset and class, without a name or a buyer; and how much is left of the 24 hours.
    Amzigo sends nothing: read it, complete it, send it to security@amazon.com, then run this with --sent.

    Example: amzigo incident notify I1 --output notice.txt
    """
    from amzigo_pipelines.resources.keys.roles import acting_user
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention.incident_notice import affected_data, draft_notice
    from amzigo_pipelines.retention.incidents import get, note_drafted, note_sent

    platform = open_platform()
    if sent:
        told = note_sent(platform, incident, acting_user(), sent_at)
        print_json(_record(told, platform.clock.now())) if as_json else say(
            f"{told.incident_id}: {told.clock_sentence(platform.clock.now())}"
        )
        return
    if sent_at is not None:
        raise typer.BadParameter("--at says when the notice was sent: give --sent, too")
    found = affected_data(platform, get(platform, incident))
    drafted = note_drafted(platform, incident, acting_user())
    notice = draft_notice(platform, drafted, found)
    if output is not None:
        output.write_text(notice, "utf-8")
    if as_json:
        affected = [vars(one) for one in found]
        print_json({**_record(drafted, platform.clock.now()), "affected": affected, "notice": notice})
        return
    if output is None:
        typer.echo(notice)
    say(
        f"{drafted.incident_id}: {drafted.clock_sentence(platform.clock.now())}; once it is sent: "
        f"amzigo incident notify {drafted.incident_id} --sent"
    )


@app.command()
def close(
    incident: Id,
    root_cause: Annotated[str, typer.Option("--root-cause", help="Why it happened.")],
    action: Annotated[list[str], typer.Option("--action", help="What was done against it; repeat it.")],
    no_notice: Annotated[
        str | None, typer.Option("--no-notice", metavar="REASON", help="Why Amazon need not be told.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Close an incident.

    With its root cause and what was done. Its sellers' keys and tokens may be used again.

    Example: amzigo incident close I1 --root-cause "A token was in a log" --action "Logs scrub tokens"
    """
    from amzigo_pipelines.resources.keys.roles import acting_user
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention.incidents import close_incident

    platform = open_platform()
    closed = close_incident(
        platform,
        incident,
        root_cause=root_cause,
        actions=action,
        no_notice_reason=no_notice,
        actor=acting_user(),
    )
    if as_json:
        print_json(_record(closed, platform.clock.now()))
        return
    say(f"closed {closed.incident_id}; {closed.clock_sentence(platform.clock.now())}")
    say("give new tokens where old ones may have been copied ('amzigo seller token'), then extract missed days")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List all incidents, with their times and their clock.

    Example: amzigo incident list --json
    """
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention.incidents import list_incidents

    platform = open_platform()
    now = platform.clock.now()
    found = list_incidents(platform)
    if as_json:
        print_json([_record(one, now) for one in found])
        return
    records = [
        {
            "incident": one.incident_id,
            "state": one.state,
            "sellers": ", ".join(one.seller_ids),
            "detected": one.detected_at,
            "contained": one.contained_at,
            "Amazon": one.clock_sentence(now),
            "summary": one.summary,
            "root cause": one.root_cause,
        }
        for one in found
    ]
    print_records("Incidents", records, as_json=False, empty="No incident was ever opened.")


def _record(incident: Incident, now: datetime) -> dict[str, Any]:
    values = {name: value for name, value in vars(incident).items() if name not in ("number", "actions")}
    return {
        "incident": incident.incident_id,
        **values,
        "actions": [vars(action) for action in incident.actions],
        "notice_due_at": incident.notice_due_at,
        "clock": incident.clock_sentence(now),
    }
