"""Making files and folders last through a loss of power.

Belongs here: fsync, and files and folders made with it. Does not belong here: what is written, and in which order
things become durable (`lake/writer.py`, `marts/warehouse.py`, `keys/keks.py`).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_FEW_FOLDERS = 64
_FEW_FILES = 64
_UNLINKERS = 8


def sync_file(path: Path) -> None:
    """Make a closed file's content durable."""
    _sync(path)


def write_whole(path: Path, data: bytes, mode: int) -> None:
    """Put a file in the place of the one before, durably: a reader finds the old one or the new one, whole.

    Args:
        path: where, in a folder that is there.
        data: all of it.
        mode: its permissions.

    Raises:
        OSError: it can't be written; the one before stands.
    """
    temporary = path.with_name(f".tmp-{secrets.token_hex(4)}-{path.name}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable."""
    _sync(folder)


def sync_folders(folders: Collection[Path]) -> None:
    """Make many folders' entries durable; those that are gone have none.

    Beyond a few one `sync` of all disks is much cheaper: 30,000 folders one by one take minutes on a journaling disk.
    """
    if len(folders) > _FEW_FOLDERS:
        os.sync()
        return
    for folder in folders:
        if folder.is_dir():
            _sync(folder)


def unlink_all(paths: Sequence[str]) -> list[str | None]:
    """Unlink files; those that are gone already are as good.

    Many at once: a journaling disk answers eight requests in the time of two.

    Returns:
        For each path the reason why it is still there, or None.
    """
    if len(paths) < _FEW_FILES:
        return [_unlink(path) for path in paths]
    pieces = [paths[start : start + _FEW_FILES] for start in range(0, len(paths), _FEW_FILES)]
    with ThreadPoolExecutor(_UNLINKERS) as threads:
        done = threads.map(lambda piece: [_unlink(path) for path in piece], pieces)
        return [reason for reasons in done for reason in reasons]


def _unlink(path: str) -> str | None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


def make_folders(root: Path, folder: Path) -> None:
    """Make a folder below `root`, each new one durable and for us alone.

    Raises:
        OSError: it can't be made.
    """
    if folder.is_dir():
        return
    if folder != root:
        make_folders(root, folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True, parents=folder == root)
    sync_folder(folder.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
