"""Locks between processes of one machine: files under the kernel's `flock`, which a killed process can't leave locked.

Belongs here: taking and giving back a named lock. Does not belong here: what a lock protects.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amzigo_pipelines.errors import AmzigoError

_POLL_S = 0.02


class LockBusy(AmzigoError):
    """Another process (or thread) holds the lock."""

    is_retryable = True


class LockError(AmzigoError):
    """The lock's folder can't be written."""


@contextmanager
def exclusive(folder: Path, name: str, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock `name` alone. Threads exclude each other as processes do; it isn't re-entrant.

    The file goes away with the lock, so that thousands of partitions leave no litter. Whoever opened it just before
    that notices, by the inode, that it locked a file that is no longer the one in the folder, and opens the new one.

    Args:
        folder: folder of the lock files, made when missing.
        name: file-name-safe name.
        wait_s: how long to wait for the holder; 0 asks once.

    Raises:
        LockBusy: it stayed taken.
        LockError: the lock file can't be made.
    """
    path = folder / f"{name}.lock"
    give_up_at = time.monotonic() + wait_s
    while True:
        handle = _try(path)
        if handle is not None:
            break
        if time.monotonic() >= give_up_at:
            raise LockBusy(f"{name} is in use by another process: wait for it to end, then try again")
        time.sleep(_POLL_S)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _try(path: Path) -> int | None:
    while True:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise LockError(
                f"no lock can be taken in {path.parent} ({error.strerror}): free space or mend the folder's permissions"
            ) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(path, handle):
                return handle
        except BlockingIOError:
            os.close(handle)
            return None
        os.close(handle)


def _is_still(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False
