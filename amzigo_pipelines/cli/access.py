"""`amzigo access`: who can open what, and the quarterly review of it.

Belongs here: what the commands say. Does not belong here: looking (`review/access.py`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from amzigo_pipelines.cli.options import AsJson
from amzigo_pipelines.cli.output import print_json, print_table, say

app = typer.Typer(help="Who can open what, and used it when; quarterly review.", no_args_is_help=True)


@app.command()
def report(as_json: AsJson = False) -> None:
    """Show who can open what, and when that was last used.

    Roles and the keys that each may use; everybody whom the audit trail knows; files and folders and whom the operating
    system lets read them; grants in AWS KMS, where that protects the keys.

    Example: amzigo access report --json
    """
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.review.access import access_report

    found = access_report(open_platform())
    if as_json:
        print_json(found)
        return
    last = [[r["role"], ", ".join(r["may_open"]), ", ".join(r["users"]) or None, _last(r)] for r in found["roles"]]
    print_table("Roles: AMZIGO_ROLE", ["role", "may open keys of", "seen as", "last used"], last)
    users = [
        [u["user"], u["login"], ", ".join(u["roles"]), u["entries"], u["last_seen"][:16], u["last_pii_read"]]
        for u in found["users"]
    ]
    print_table("Seen in the trail", ["user", "login", "roles", "entries", "last seen", "last PII read"], users)
    paths = [[p["path"], p["mode"], ", ".join(p["readers"]), p["protected_by"]] for p in found["paths"]]
    print_table("Files and folders", ["path", "mode", "read by", "protected by"], paths)
    if found["kms"]:
        kms = [[k["key"], ", ".join(k["purposes"]), "; ".join(k["grants"]) or None, k["trouble"]] for k in found["kms"]]
        print_table("AWS KMS", ["key", "purposes", "grants", "trouble"], kms)


@app.command()
def sign(
    note: Annotated[str, typer.Option("--note", help="What was looked at, and whose access was taken away.")],
) -> None:
    """Keep the report as this quarter's review, signed off by you.

    Example: amzigo access sign --note "carl left: login removed, AMZIGO_KEK_PII exchanged"
    """
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.review.access import review_access

    platform = open_platform()
    review = review_access(platform, note)
    say(
        f"{review.review_id}: access in the quarter from {review.starts_at:%Y-%m-%d} is reviewed by "
        f"{platform.audit.acting.label}"
    )


def _last(role: dict[str, dict[str, str]]) -> str | None:
    return ", ".join(f"{purpose} {at[:16]}" for purpose, at in role["last_used"].items()) or None
