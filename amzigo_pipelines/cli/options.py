"""Options that several commands share, declared once."""

from __future__ import annotations

import getpass
import os
from datetime import UTC, date, datetime
from typing import Annotated

import typer


def operator() -> str:
    """Who works at this terminal, for the audit trail."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container's user need not have a name.
        return f"user {os.getuid()}"


def parse_day(text: str) -> date:
    """A day given as YYYY-MM-DD.

    Raises:
        typer.BadParameter: it is no such day; exit code 2.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day: write it as 2026-11-20") from None


def parse_instant(text: str) -> datetime:
    """A moment such as 2026-11-20T14:30; in UTC unless it says otherwise.

    Raises:
        typer.BadParameter: it is no such moment; exit code 2.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no moment: write it as 2026-11-20T14:30 (UTC)") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Seller = Annotated[str, typer.Option("--seller", "-s", help="Seller id, as 'amzigo seller list' shows it.")]
Day = Annotated[date | None, typer.Option(parser=parse_day, metavar="DATE", help="A day, such as 2026-11-20.")]
RevealPii = Annotated[
    bool, typer.Option("--reveal-pii", help="Print personal data. Written into the audit trail, with --purpose.")
]
Purpose = Annotated[str, typer.Option("--purpose", help="What the personal data is needed for.")]


def check_purpose(reveal_pii: bool, purpose: str) -> None:
    """Make sure that personal data is asked for with a purpose.

    Raises:
        typer.BadParameter: it isn't; exit code 2.
    """
    if reveal_pii and not purpose.strip():
        raise typer.BadParameter("--reveal-pii needs --purpose: say what the personal data is needed for")
