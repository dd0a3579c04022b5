"""The errors that a user is meant to read: one clear sentence that says what is wrong and what to do.

Belongs here: the base class, the classification that every retry mechanism obeys, and what may be told of an error that
is not ours. Does not belong here: an error of one module alone (derive it there).
"""

from __future__ import annotations

import errno
import traceback

# What a machine refuses of its own accord: its words name a file and a cause, never what is in a file.
_MACHINE_REFUSALS = {
    errno.ENOSPC: "free space",
    errno.EDQUOT: "free space",
    errno.EROFS: "make it writable again",
    errno.EACCES: "mend its permissions",
    errno.EPERM: "mend its permissions",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "allow more open files",
}
# The same from SQLite, under Dagster's history: its names for causes, without what they are extended with.
_SQLITE_REFUSALS = {
    "SQLITE_FULL": "the disk is full: free space",
    "SQLITE_IOERR": "the disk can't be read or written: free space or mend it",
    "SQLITE_READONLY": "it is read-only: mend its permissions or make the disk writable",
    "SQLITE_CANTOPEN": "it can't be opened: mend its permissions or free space",
    "SQLITE_BUSY": "another process keeps it busy: wait a minute",
    "SQLITE_CORRUPT": "it is damaged: restore it from a backup, or move it away",
    "SQLITE_NOTADB": "it is no database: restore it from a backup, or move it away",
}


class AmzigoError(Exception):
    """Something was refused or failed, and the message tells a person what and what to do about it.

    The message never holds a row, a token, a presigned link or a buyer's data: it ends up in logs and event logs.
    The command line prints it alone, without a traceback, and exits with 1.

    Attributes:
        is_retryable: True where the same call may succeed later with nothing changed by a person.
    """

    is_retryable: bool = False


def machine_refusal(error: BaseException) -> str | None:
    """The sentence for a full or read-only disk, missing permissions and the like; None for any other error."""
    # SQLAlchemy's error holds SQLite's as `orig`.
    name = getattr(getattr(error, "orig", error), "sqlite_errorname", None)
    if isinstance(name, str):
        advice = _SQLITE_REFUSALS.get("_".join(name.split("_")[:2]))
        return None if advice is None else f"Dagster's history in DAGSTER_HOME can't be used, {advice} and try again"
    if not isinstance(error, OSError) or error.errno not in _MACHINE_REFUSALS:
        return None
    place = error.filename if isinstance(error.filename, str) else "a file or the output"
    return f"{place} can't be used ({error.strerror}): {_MACHINE_REFUSALS[error.errno]} and try again"


def told_of(error: BaseException) -> str:
    """What may be kept and shown of any error: our own sentence, the machine's refusal, or the type alone."""
    if isinstance(error, AmzigoError):
        return str(error)
    return machine_refusal(error) or f"an unexpected {type(error).__name__} (its text is withheld, it could hold data)"


def places_in_code(error: BaseException) -> list[str]:
    """Where an exception passed through, outermost first: file, line and function, and no value of any."""
    return [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
