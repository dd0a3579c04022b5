"""Where backups lie: a folder, or a prefix of an S3 bucket. A backup appears there whole or not at all.

Belongs here: folders, and telling the two apart. Does not belong here: S3 (`s3.py`), what a backup is
(`retention/backups.py`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, Protocol

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.backup_settings import S3_SCHEME, BackupSettings
from amzigo_pipelines.resources.durability import sync_folder
from amzigo_pipelines.resources.home import Home
from amzigo_pipelines.resources.steps import OnStep

# What a killed process began is removed by a later backup.
ABANDONED_AFTER = timedelta(days=2)
_TEMPORARY = ".tmp-"


class BackupPlaceError(AmzigoError):
    """The place can't be written, read or found; what was there before is there still."""


class BackupPlace(Protocol):
    """A place that holds backups."""

    def check(self, home: Home) -> None:
        """Make sure that backups of a home can go there.

        Raises:
            AmzigoError: it is not there, or would be lost together with the home.
        """
        ...

    def where(self, name: str) -> str:
        """A backup's full name, by which `open_backup` finds it."""
        ...

    def names(self) -> list[str]:
        """What lies there, in order."""
        ...

    def write(self, name: str, step: OnStep) -> AbstractContextManager[BinaryIO]:
        """A new file, written from its beginning to its end; there when the block ends well, and not at all otherwise.

        Raises:
            AmzigoError: it can't be written, or there is one of that name: nothing is overwritten.
        """
        ...

    def open(self, name: str) -> BinaryIO:
        """A file, to be read from its beginning to its end.

        Raises:
            AmzigoError: it isn't there, or can't be read.
        """
        ...

    def remove(self, name: str) -> None:
        """Remove a file for good, with all its versions. Harmless when it is gone already.

        Raises:
            AmzigoError: it can't be removed.
        """
        ...


def backup_place(home: Home, text: str, settings: BackupSettings | None = None) -> BackupPlace:
    """The place that a setting or an argument names.

    Args:
        home: whose backups, and whose `[backup]` says where S3 is.
        text: a folder, or `s3://bucket/prefix`.
        settings: region and endpoint in place of the home's.

    Raises:
        AmzigoError: it is no such place.
    """
    if not text.startswith(S3_SCHEME):
        return FolderPlace(Path(text))
    from amzigo_pipelines.resources.s3 import S3Prefix, split_address

    return S3Prefix(home, *split_address(text), settings or home.backup)


def open_backup(home: Home, text: str, settings: BackupSettings | None = None) -> BinaryIO:
    """A backup by its full name: a file's path, or `s3://bucket/prefix/name`.

    Raises:
        AmzigoError: it isn't there, or can't be read.
    """
    folder, _, name = text.rpartition("/")
    return backup_place(home, folder or ("/" if text.startswith("/") else "."), settings).open(name)


class FolderPlace:
    """A folder.

    Args:
        folder: on another disk than the home, best on another machine's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def check(self, home: Home) -> None:
        """See `BackupPlace`. Removes what killed processes left, too."""
        if not self._folder.is_dir():
            raise BackupPlaceError(f"the folder {self._folder} is not there: make it, or mount it")
        if self._folder.is_relative_to(home.path):
            raise BackupPlaceError(
                f"{self._folder} is inside the home, with which it would be lost: name a folder elsewhere"
            )
        for left in self._folder.glob(f"{_TEMPORARY}*"):
            # Of a process that was killed; nobody writes at one for so long.
            with suppress(OSError):
                if time.time() - left.stat().st_mtime > ABANDONED_AFTER.total_seconds():
                    left.unlink()

    def where(self, name: str) -> str:
        """See `BackupPlace`."""
        return str(self._folder / name)

    def names(self) -> list[str]:
        """See `BackupPlace`."""
        return sorted(path.name for path in self._folder.iterdir() if path.is_file())

    @contextmanager
    def write(self, name: str, step: OnStep) -> Iterator[BinaryIO]:
        """See `BackupPlace`."""
        path, temporary = self._folder / name, self._folder / f"{_TEMPORARY}{name}"
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            step("written")
            # A link refuses to replace.
            os.link(temporary, path)
            temporary.unlink()
            sync_folder(self._folder)
            step("renamed")
        except OSError as error:
            raise BackupPlaceError(
                f"the backup could not be written to {self._folder} ({error.strerror}): free space or mend its "
                "permissions; nothing was left behind"
            ) from None
        finally:
            temporary.unlink(missing_ok=True)

    def open(self, name: str) -> BinaryIO:
        """See `BackupPlace`."""
        path = self._folder / name
        try:
            return path.open("rb")
        except OSError as error:
            raise BackupPlaceError(
                f"{path} can't be read ({error.strerror}): name a backup that 'amzigo backup' made"
            ) from None

    def remove(self, name: str) -> None:
        """See `BackupPlace`."""
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise BackupPlaceError(f"{self._folder / name} can't be removed ({error.strerror})") from None
