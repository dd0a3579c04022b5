"""Every command that opens an installation gets an entry in its audit trail: who ran which command.

Belongs here: finding out the command's name, and the entry. Does not belong here: arguments, which may name a buyer's
order: the trail knows the command only.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from amzigo_pipelines.cli.output import complain
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources import platform as opening

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform


class LoggedCommands(TyperGroup):
    """The root of all commands: takes note of which one is run."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command, as always."""
        name, command, rest = super().resolve_command(ctx, args)
        is_group = isinstance(command, TyperGroup) and bool(rest) and rest[0] in command.commands
        words = ["amzigo", name or "", *(rest[:1] if is_group else [])]
        opening.on_open = lambda platform: log_in(platform, " ".join(words), ctx)
        ctx.call_on_close(_forget)
        return name, command, rest


def log_in(platform: Platform, command: str, context: typer.Context) -> None:
    """Write down that a command was begun; what it counts is written when it ends.

    Raises:
        ControlError: the trail can't be written: nothing is done that nobody will know of.
    """
    from amzigo_pipelines.resources.audit.settings import note_settings

    audit = platform.audit
    audit.acting = replace(audit.acting, command=command)
    audit.record(audit.acting.label, "log_in", None, command, "command line")
    note_settings(platform.control, audit, platform.home)
    context.call_on_close(lambda: _close(platform))


def note_export(platform: Platform, seller_id: str, form: str) -> None:
    """Write down, before it is done, that a seller's data is taken out of the platform's protection."""
    acting = platform.audit.acting
    platform.audit.record(acting.label, "export", seller_id, form, acting.reason)


def _forget() -> None:
    opening.on_open = None


def _close(platform: Platform) -> None:
    try:
        platform.audit.flush()
    except AmzigoError as error:
        # What went wrong before has its own sentence and exit code.
        with contextlib.suppress(BrokenPipeError):
            complain(f"amzigo: what was counted is not in the audit trail: {error}")
