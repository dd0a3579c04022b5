"""The `amzigo` command: its groups, its exit codes, and the one place where an error becomes a sentence.

Belongs here: assembling the command. Does not belong here: what a command does (a module a topic beside this one).
Modules of ours that need Dagster, pyarrow or DuckDB are imported inside the commands: `amzigo --help` is quick.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import NoReturn

import typer

from amzigo_pipelines.cli import (
    access,
    advertising,
    alerts,
    audit,
    backups,
    certificates,
    costs,
    credentials,
    data,
    dictionary,
    erase,
    extraction,
    holds,
    incidents,
    installation,
    keys,
    orders,
    quality,
    report,
    retention,
    sellers,
    services,
    status,
    upgrade,
)
from amzigo_pipelines.cli.interrupts import keep_interrupts
from amzigo_pipelines.cli.login import LoggedCommands
from amzigo_pipelines.cli.output import complain
from amzigo_pipelines.errors import AmzigoError, machine_refusal, places_in_code
from amzigo_pipelines.resources.logs import log_to_stderr

INTERRUPTED = 130
# The innermost tell most; the outermost are the command line's own.
PLACES_SHOWN = 4

app = typer.Typer(
    name="amzigo",
    cls=LoggedCommands,
    help="Amazon sellers' data: extract it encrypted, analyse it, and destroy buyers' personal data on its date.",
    epilog="State lives in AMZIGO_HOME (default .amzigo). Exit codes: 0 done, 1 refused or failed, 2 wrong usage.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(installation.init)
app.command()(installation.doctor)
app.command()(upgrade.upgrade)
app.command()(services.demo)
app.command()(services.dev)
app.command()(services.simulator)
sellers.app.command()(advertising.ads)
app.add_typer(sellers.app, name="seller")
app.add_typer(credentials.app, name="credentials")
app.command()(extraction.extract)
app.command()(data.publish)
app.command()(data.sql)
app.add_typer(costs.app, name="costs")
app.command()(dictionary.dictionary)
app.command()(report.report)
app.command()(status.status)
app.add_typer(quality.app, name="quality")
app.add_typer(retention.app, name="retention")
app.add_typer(certificates.app, name="certificate")
app.add_typer(alerts.app, name="alerts")
app.add_typer(keys.app, name="keys")
app.add_typer(incidents.app, name="incident")
app.command()(backups.backup)
app.command()(backups.restore)
app.add_typer(orders.app, name="orders")
app.add_typer(erase.app, name="erase")
app.add_typer(holds.app, name="hold")
app.add_typer(audit.app, name="audit")
app.add_typer(access.app, name="access")


def main() -> None:
    """Run the command line; any error becomes one sentence on stderr and exit code 1."""
    _print_what_the_terminal_can()
    keep_interrupts()
    log_to_stderr()
    try:
        app(prog_name="amzigo")
    except SystemExit as exit_:
        # Typer's own way to end. It says nothing about an interrupt.
        if exit_.code == INTERRUPTED:
            complain("amzigo: stopped; what was committed stays, nothing is half done")
        _end(exit_.code if isinstance(exit_.code, int) else 0)
    except BrokenPipeError:
        _end(1)
    except AmzigoError as error:
        _end(1, str(error))
    except Exception as error:
        _end(1, machine_refusal(error) or _unexpected(error))


def _end(code: int, sentence: str | None = None) -> NoReturn:
    if sentence is not None:
        # One line, whatever a message holds: scripts and people read the last line.
        complain("amzigo: " + " ".join(sentence.split()))
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        code = code or 1
    except OSError as error:
        complain(f"amzigo: the output can't be written ({error.strerror}): free space or write it elsewhere")
        _drop_output()
        code = 1
    sys.exit(code)


def _drop_output() -> None:
    # Whoever read our output is gone. Python would try once more at its end, and complain.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unexpected(error: Exception) -> str:
    """The sentence for an error that nobody foresaw: its text could quote a buyer's data, so it is withheld."""
    places = "; ".join(places_in_code(error)[-PLACES_SHOWN:])
    return f"an unexpected {type(error).__name__} (its text is withheld, it could hold data): report it with {places}"


def _print_what_the_terminal_can() -> None:
    # A name with an umlaut must not end a command where the locale knows ASCII only.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
