"""Who was erased, kept beside the KEKs: what a restore must know, though the control database is lost.

Belongs here: files of tombstones (keyed hashes, no names) in the KEK folder. Does not belong here: tombstones in the
control database (`lake/tombstones.py`), and making them true of a restored lake (`retention/reapplying.py`).

They lie where a restore must come anyway, for the backup's keys: so none can be done without them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.durability import write_whole

_PATTERN = "erased-*.json"


class JournalError(AmzigoError):
    """The journal of the erased can't be written or read: nothing may be certified or restored without it."""


def note_erased(folder: Path, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write down the tombstones of an erasure, durable when this returns. Safe to repeat.

    Args:
        folder: the KEK folder.
        name: the request's, such as `E5`.
        rows: as `tombstones.rows_of_request` gives them.

    Raises:
        JournalError: it can't be written.
    """
    text = json.dumps([{**row, "erased_at": row["erased_at"].isoformat()} for row in rows], sort_keys=True)
    path = folder / f"erased-{name}.json"
    try:
        write_whole(path, (text + "\n").encode(), 0o640)
    except OSError as error:
        raise JournalError(f"{path} can't be written ({error.strerror}): free space, then run it again") from None


def read_erased(folder: Path) -> list[dict[str, Any]]:
    """All tombstones that were written down.

    Raises:
        JournalError: one can't be read.
    """
    found: list[dict[str, Any]] = []
    for path in sorted(folder.glob(_PATTERN)):
        try:
            rows = json.loads(path.read_text("utf-8"))
            found += [{**row, "erased_at": datetime.fromisoformat(row["erased_at"])} for row in rows]
        except (OSError, ValueError, KeyError, TypeError):
            raise JournalError(
                f"{path} can't be read: put the right file back, for it says who must not come back"
            ) from None
    return found
