"""The section `[backup]` of the settings: where backups go, and how long they live.

Belongs here: the figures and their limits. Does not belong here: making backups (`retention/backups.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_DAYS = 365


@dataclass(frozen=True)
class BackupSettings:
    """Where and how long.

    Attributes:
        folder: absolute path of the folder that the daily backup goes to; empty: no backup is made by itself.
        keep_days: days until a backup dies: its keys are destroyed then.
    """

    folder: str = ""
    keep_days: int = 35


def read_backup_settings(section: Any) -> BackupSettings:
    """The settings from the section as TOML has it.

    Raises:
        ValueError: with the sentence for the user.
    """
    if not isinstance(section, Mapping):
        raise ValueError("backup must be a section: write [backup] on a line of its own")
    if unknown := sorted(section.keys() - BackupSettings.__dataclass_fields__.keys()):
        raise ValueError(f"[backup] has {', '.join(unknown)}, which Amzigo does not know")
    settings = BackupSettings(**section)
    if not isinstance(settings.folder, str) or (settings.folder and not settings.folder.startswith("/")):
        raise ValueError(f"folder of [backup] must be an absolute path, it is {settings.folder!r}")
    return BackupSettings(settings.folder, check_keep_days(settings.keep_days))


def check_keep_days(days: Any) -> int:
    """How many days a backup lives.

    Raises:
        ValueError: it is no whole number, or out of bounds.
    """
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= LONGEST_DAYS:
        raise ValueError(f"keep_days must be a whole number from 1 to {LONGEST_DAYS}, it is {days!r}")
    return days
