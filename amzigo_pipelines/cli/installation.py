"""`amzigo init` and `amzigo doctor`: making an installation, and saying what ails one."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

import typer

from amzigo_pipelines.cli.options import AsJson, parse_day
from amzigo_pipelines.cli.output import print_json, print_table, say
from amzigo_pipelines.errors import AmzigoError


class Unhealthy(AmzigoError):
    """At least one check of `amzigo doctor` failed."""


def init(
    simulator: Annotated[
        bool, typer.Option("--simulator", help="A test home: synthetic sellers from the local simulator, never Amazon.")
    ] = False,
    first_day: Annotated[
        date | None,
        typer.Option(parser=parse_day, metavar="DATE", help="First day of history (UTC); 90 days ago if left out."),
    ] = None,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="With --simulator: the port that it will listen on.")
    ] = 8571,
) -> None:
    """Make a new home in AMZIGO_HOME.

    Its folders, keys, control database and Dagster's settings. Without --simulator it is a production home, which
    talks to Amazon only.

    Example: amzigo init --simulator
    """
    from amzigo_pipelines.cli.initialise import initialise
    from amzigo_pipelines.clock import SystemClock, today
    from amzigo_pipelines.resources.home import Home, Kind, home_path

    start = first_day or today(SystemClock()) - timedelta(days=90)
    home = Home(
        path=home_path(),
        kind=Kind.TEST if simulator else Kind.PRODUCTION,
        first_day=start,
        endpoint=f"http://127.0.0.1:{port}" if simulator else "",
    )
    initialise(home)
    say(f"made a {home.kind} home in {home.path}")
    say(f"keys are in {home.kek_dir}: back up the home without them")
    if simulator:
        say("next: amzigo simulator (in another terminal; it prints its sellers), then amzigo seller add --help")
    else:
        say("next: set AMZIGO_LWA_CLIENT_ID and AMZIGO_LWA_CLIENT_SECRET, then amzigo seller add --help")


def doctor(
    compliance: Annotated[
        bool, typer.Option("--compliance", help="Instead: every promise of the data policy with today's evidence.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check this installation.

    Each line is one check: what was found, and what to do about it if it is a trouble. With --compliance each line is
    a promise: green, red, or left to the deployment. Exit code 1 if anything is wrong or red.

    Example: amzigo doctor --compliance
    """
    from amzigo_pipelines.cli.checks import check_installation

    if compliance:
        _show_compliance(as_json)
        return

    findings = check_installation()
    if as_json:
        print_json([{"check": f.check, "ok": f.is_ok, "warning": f.is_warning, "finding": f.finding} for f in findings])
    else:
        rows = [[f.check, "soon not" if f.is_warning else f.is_ok, f.finding] for f in findings]
        print_table("", ["check", "ok", "finding"], rows)
    bad = [f.check for f in findings if not f.is_ok]
    if bad:
        raise Unhealthy(f"{len(bad)} of {len(findings)} checks failed: {', '.join(bad)}")


def _show_compliance(as_json: bool) -> None:
    from amzigo_pipelines.compliance.evidence import State
    from amzigo_pipelines.compliance.table import look
    from amzigo_pipelines.resources.platform import open_platform

    found = look(open_platform())
    if as_json:
        print_json(
            [
                {
                    "clause": one.promise.clause,
                    "promise": one.promise.promise,
                    "state": one.state,
                    "finding": one.finding,
                    "kept_by": one.promise.kept_by,
                    "proof": one.promise.proof,
                    "deployment": one.promise.deployment or None,
                }
                for one in found
            ]
        )
    else:
        colours = {State.GREEN: "green", State.RED: "red", State.DEPLOYMENT: "yellow"}
        rows = [[one.promise.clause, one.promise.promise, one.state, one.finding] for one in found]
        print_table("", ["clause", "promise", "today", "evidence"], rows, colours={2: colours})
    red = [one.promise.clause for one in found if one.state is State.RED]
    if red:
        raise Unhealthy(f"{len(red)} of {len(found)} promises lack evidence today: {', '.join(dict.fromkeys(red))}")
