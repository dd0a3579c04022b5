"""`amzigo upgrade`: bringing the control database to this release's tables.

Belongs here: what the command says. Does not belong here: migrations (`resources/control/upgrade.py`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from amzigo_pipelines.cli.output import say


def upgrade(
    to: Annotated[
        str, typer.Option("--to", metavar="REVISION", help="An earlier release's revision, to go back to that release.")
    ] = "head",
) -> None:
    """Bring the control database to the tables of this release.

    Stop all processes first. It is one transaction: done, or nothing was changed.

    Example: amzigo upgrade
    """
    from amzigo_pipelines.resources.control import upgrade as control
    from amzigo_pipelines.resources.platform import open_platform

    database = open_platform().control
    before = control.revision_of(database)
    after = control.upgrade(database, to)
    said = "is as this release wants it" if before == after else f"was at revision {before}"
    say(f"the control database {database.place} {said}: revision {after}")
