"""Log records of every library, rid of secrets and of anybody's data before any handler sees them.

Belongs here: what a log record may say, and how it is written. Does not belong here: what is logged.

Every `LogRecord` of the process passes the record factory that `protect_logs()` installs, whichever logger makes it, at
whatever level, on its way to whichever handler. A library that is not known to speak of itself only may log headers
with tokens, presigned links, whole answers: of its records the constant text stays and each value becomes the name of
its type; a text that came ready-made is withheld. Refused rather than guessed: no pattern recognises a person's name.
What is known (ours, Dagster's) passes, with whatever looks like a secret or an address of a person cut out. Exceptions
are told by type and places in the code, without their text, unless it is one of our sentences.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

from amzigo_pipelines.errors import AmzigoError, places_in_code

# First parts of the names of loggers that speak of themselves, not of what they carry.
TRUSTED = frozenset({"amzigo_pipelines", "alembic", "celery", "dagster", "dagster_webserver", "py", "uvicorn"})
CUT = "[cut]"
_SECRETS = re.compile(
    r"Atz[ar]\|[^\s\"',;]+"  # LWA tokens
    r"|amzn1\.(?:oa2-cs|application-oa2-client|account)\.[\w.-]+"
    r"|(?i:bearer)\s+[\w.~+/|=-]+"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    # What follows ? in an address: presigned links carry their signature there.
    r"|(?<=\?)[^\s\"'<>]*(?i:signature|token|credential|x-amz)[^\s\"'<>]*"
    r"|(?i:x-amz-[a-z-]+|signature)=[^\s\"'<>]+"
    # The value behind the name of a secret, in a header, a form or JSON.
    r"|(?i:(?<=token)|(?<=secret)|(?<=password)|(?<=authorization))[\"']?\s*[:=]\s*[\"']?[^\s\"',;&}]+"
    # E-mail addresses, and passwords in the address of a database.
    r"|[\w.+-]+@[\w-]+\.[\w.-]+"
    r"|(?<=//)[^/\s:@]+:[^/\s@]+(?=@)"
)

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def scrubbed(text: str) -> str:
    """A text with everything that looks like a token, a presigned link, a password or an e-mail address cut out."""
    return _SECRETS.sub(CUT, text)


def protect_logs() -> None:
    """Let every log record of this process pass the scrubber from now on. Calling it again changes nothing."""
    former = logging.getLogRecordFactory()
    if getattr(former, "is_scrubber", False):
        return

    def make(*arguments: Any, **named: Any) -> logging.LogRecord:
        return _protected(former(*arguments, **named))

    make.is_scrubber = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make)


def log_to(stream: TextIO, level: int = logging.WARNING) -> None:
    """Write this process's log to a stream: as JSON lines for programs, as plain lines on a terminal."""
    protect_logs()
    handler = logging.StreamHandler(stream)
    is_terminal = stream.isatty()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s") if is_terminal else JsonFormatter())
    handler.setLevel(level)
    logging.getLogger().addHandler(handler)


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: `at`, `level`, `logger`, `message`, and `error` where there was one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        told = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_text:
            told["error"] = record.exc_text
        return json.dumps(told, ensure_ascii=False)


def _protected(record: logging.LogRecord) -> logging.LogRecord:
    if not record.name:
        # `logging.makeLogRecord`: an empty record, to be filled with another one, which has been here before.
        return record
    is_trusted = record.name.partition(".")[0] in TRUSTED
    if isinstance(record.exc_info, tuple) and record.exc_info[1] is not None:
        record.exc_text = _error_told(record.exc_info[1])
    record.exc_info = None
    record.stack_info = None
    record.msg, record.args = scrubbed(_told(record) if is_trusted else _outline(record)), ()
    return record


def _told(record: logging.LogRecord) -> str:
    try:
        return str(record.getMessage())
    except Exception:
        # A template that doesn't fit its values: logging would print both to stderr.
        return f"[a message of {record.name} that can't be put together]"


def _outline(record: logging.LogRecord) -> str:
    """A record's constant text with the types of its values; nothing but its level where it came ready-made."""
    if not record.args or not isinstance(record.msg, str):
        return f"[withheld: a ready-made text of {record.name}, which may quote what it carries]"
    values = record.args
    if isinstance(values, Mapping):
        # logging hands on a single dictionary as it is, whether the text names its keys or takes it whole.
        if "%(" not in record.msg:
            return _filled(record, (_Outlined(values),))
        return _filled(record, {name: _outlined(value) for name, value in values.items()})
    return _filled(record, tuple(_outlined(value) for value in values))


def _filled(record: logging.LogRecord, values: tuple[object, ...] | dict[str, object]) -> str:
    try:
        return f"{record.msg % values}"
    except Exception:
        return f"[withheld: a text of {record.name}]"


def _outlined(value: object) -> object:
    # Numbers fill %d; a library's own numbers are counts, sizes and states.
    return value if isinstance(value, int | float) and not _is_long(value) else _Outlined(value)


def _is_long(value: float) -> bool:
    # A number as long as this may be a telephone's.
    return abs(value) >= 10_000_000


class _Outlined:
    """Stands for a value: says its type, whatever it is asked for."""

    def __init__(self, value: object) -> None:
        self._name = type(value).__name__

    def __str__(self) -> str:
        return f"<{self._name}>"

    __repr__ = __str__


def _error_told(error: BaseException) -> str:
    text = f": {scrubbed(str(error))}" if isinstance(error, AmzigoError) else " (its text is withheld)"
    return f"{type(error).__name__}{text}; at " + "; ".join(places_in_code(error))


def log_to_stderr() -> None:
    """Write warnings and errors of this process to stderr."""
    log_to(sys.stderr)
