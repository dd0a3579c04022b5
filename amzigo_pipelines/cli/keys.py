"""`amzigo keys`: which key-encryption keys there are, how old they are, exchanging them.

Belongs here: what the commands say. Does not belong here: rotation itself (`resources/keys/rotation.py`). No command
prints a key.
"""

from __future__ import annotations

from typing import Annotated

import typer

from amzigo_pipelines.cli.options import AsJson
from amzigo_pipelines.cli.output import print_json, print_records, say

app = typer.Typer(help="Key-encryption keys: age, exchanging them.", no_args_is_help=True)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the key-encryption keys.

    For every purpose: the version in force, its age (365 days at most), what protects its file, how many data keys and
    secrets are alive under it, whether your role (AMZIGO_ROLE) may open it, and what is wrong with it.

    Example: amzigo keys list --json
    """
    from amzigo_pipelines.resources.keys.kek_status import LIVES_DAYS, kek_status
    from amzigo_pipelines.resources.keys.roles import MAY_OPEN, role_of
    from amzigo_pipelines.resources.platform import open_platform

    platform = open_platform()
    role = role_of()
    records = [
        {
            "purpose": str(status.purpose),
            "version": status.version,
            "made": status.created_at,
            "days old": status.days,
            "days left": LIVES_DAYS - status.days,
            "keys under it": status.keys,
            "protected by": str(platform.home.keys.provider),
            "yours to open": role is None or status.purpose in MAY_OPEN[role],
            "trouble": status.trouble or None,
        }
        for status in kek_status(platform)
    ]
    print_records("Key-encryption keys", records, as_json=as_json, empty="No keys yet: run 'amzigo init'.")


@app.command()
def rotate(
    purposes: Annotated[
        list[str] | None, typer.Argument(metavar="[PURPOSE]...", help="Such as pii or business. Default: all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Exchange key-encryption keys.

    Every data key and secret is wrapped anew, and the old version destroyed; no data file is touched. It may be
    interrupted at any point and run again.

    Example: amzigo keys rotate business
    """
    from amzigo_pipelines.cli.output import complain
    from amzigo_pipelines.resources.keys.roles import KekPurpose, acting_user, check_may_open
    from amzigo_pipelines.resources.platform import open_platform

    try:
        wanted = [KekPurpose(name) for name in dict.fromkeys(purposes or KekPurpose)]
    except ValueError as error:
        raise typer.BadParameter(f"{error}: choose from {', '.join(KekPurpose)}") from None
    for purpose in wanted:
        check_may_open(purpose)
    platform = open_platform()
    records = []
    for number, purpose in enumerate(wanted, 1):
        platform.audit.record(acting_user(), "rotate_kek", None, f"key-encryption key {purpose}", "keys rotate")
        report = platform.keys.rotate(purpose)
        destroyed = ", ".join(map(str, report.destroyed_versions))
        sentence = (
            f"{number} of {len(wanted)}: {purpose} keys are under version {report.version}: {report.rewrapped:,} "
            f"wrapped anew; {f'destroyed version {destroyed}' if destroyed else 'there was no older version'}"
        )
        # Told as it goes: with --json on the other stream.
        complain(sentence) if as_json else say(sentence)
        records.append(
            {
                "purpose": str(purpose),
                "version": report.version,
                "rewrapped": report.rewrapped,
                "destroyed_versions": list(report.destroyed_versions),
            }
        )
    if as_json:
        print_json(records)
