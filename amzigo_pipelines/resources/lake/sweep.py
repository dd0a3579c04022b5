"""Clearing up: files that nobody refers to, and files that somebody refers to and aren't there.

Belongs here: removing what crashes left, destroying files on retention's word, comparing disk and books. Does not
belong here: deciding what is due.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from amzigo_pipelines.clock import Clock
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import lake_files
from amzigo_pipelines.resources.control.statements import chunks
from amzigo_pipelines.resources.durability import sync_folder, sync_folders, unlink_all
from amzigo_pipelines.resources.lake.files import (
    CURRENT,
    DESTROYED,
    GARBAGE,
    TEMPORARY_PREFIX,
    LakeDamaged,
    LakeFile,
    LakeWriteError,
    check_place,
    forget_garbage,
    is_lake_path,
    lock_name,
    select_files,
)
from amzigo_pipelines.resources.locks import LockBusy, exclusive


@dataclass(frozen=True)
class SweepReport:
    """What a sweep did and found.

    Attributes:
        temporary: temporary files removed (paths relative to the lake).
        unreferenced: files removed that the control database doesn't have as current.
        missing: files that it has as current and that aren't there.
        busy: partition folders left alone because they are being written.
        failed: files that couldn't be removed, with the reason.
        foreign: files that the lake never made; left alone.
    """

    temporary: tuple[str, ...]
    unreferenced: tuple[str, ...]
    missing: tuple[str, ...]
    busy: tuple[str, ...]
    failed: tuple[str, ...]
    foreign: tuple[str, ...]


@dataclass(frozen=True)
class DestroyReport:
    """What became of files that had to go.

    Attributes:
        destroyed: paths that are gone now, or were already.
        failed: paths that are still there, each with the reason.
    """

    destroyed: tuple[str, ...]
    failed: dict[str, str]


def check_installation(marker: Path, control: ControlDatabase) -> None:
    """Make sure that a home and a control database belong together; the first use joins them.

    A sweep under a wrong or an empty database would take a whole lake for rubbish.

    Args:
        marker: file in the home that holds the installation's id.
        control: the books.

    Raises:
        LakeDamaged: the home was joined with another database.
        LakeWriteError: the marker can't be written.
    """
    expected = control.installation_id()
    try:
        found = marker.read_text("ascii").strip()
    except FileNotFoundError:
        temporary = marker.with_name(f"{marker.name}.{os.getpid()}.tmp")
        try:
            temporary.write_text(expected + "\n", "ascii")
            temporary.replace(marker)
        except OSError as error:
            raise LakeWriteError(
                f"{marker.parent} can't be written ({error.strerror}): free space or mend its permissions"
            ) from None
        return
    if found != expected:
        raise LakeDamaged(
            f"the lake in {marker.parent} belongs to another control database: check AMZIGO_DATABASE_URL, "
            f"or, if the database was lost for good, remove {marker}"
        )


def sweep(lake_dir: Path, lock_dir: Path, control: ControlDatabase) -> SweepReport:
    """Remove what no current row refers to; partitions that are being written are skipped."""
    found: dict[str, list[str]] = {name: [] for name in SweepReport.__dataclass_fields__}
    for folder in sorted(_partition_folders(lake_dir)):
        place = folder.relative_to(lake_dir).as_posix()
        dataset, seller_id, day = (part.rpartition("=")[2] for part in place.split("/"))
        # A look before the lock: nearly all partitions hold nothing but current files.
        if not _strangers(lake_dir, folder, _current(control, dataset, seller_id, day)):
            continue
        try:
            with exclusive(lock_dir, lock_name(dataset, seller_id, date.fromisoformat(day))):
                strangers = _strangers(lake_dir, folder, _current(control, dataset, seller_id, day))
                _remove(folder, place, strangers, found)
        except LockBusy:
            found["busy"].append(place)
    with control.read() as connection:
        rows = select_files(connection) + select_files(connection, state=GARBAGE)
    gone = [file for file in rows if not (lake_dir / file.path).exists()]
    found["missing"] += [file.path for file in gone if file.state == CURRENT]
    forget_garbage(control, [file.path for file in gone if file.state == GARBAGE])
    return SweepReport(**{name: tuple(paths) for name, paths in found.items()})


def destroy_files(lake_dir: Path, control: ControlDatabase, clock: Clock, files: Sequence[LakeFile]) -> DestroyReport:
    """Unlink files and record them as destroyed, once their folders are durable without them.

    Raises:
        LakeDamaged: a row's path isn't its own; nothing was unlinked.
    """
    for file in files:
        check_place(file)
    paths = [file.path for file in files]
    reasons = unlink_all([f"{lake_dir}/{path}" for path in paths])
    failed = {path: reason for path, reason in zip(paths, reasons, strict=True) if reason is not None}
    sync_folders({lake_dir / path.rpartition("/")[0] for path in paths})
    gone = [path for path in paths if path not in failed]
    with control.transaction() as connection:
        for chunk in chunks(gone):
            connection.execute(
                lake_files.update()
                .where(lake_files.c.path.in_(chunk), lake_files.c.state != DESTROYED)
                .values(state=DESTROYED, destroyed_at=clock.now())
            )
    return DestroyReport(tuple(gone), failed)


def verify(lake_dir: Path, files: Sequence[LakeFile]) -> dict[str, str]:
    """Compare files with the size and SHA-256 in the books.

    Returns:
        For each path that doesn't fit, what is wrong: `missing`, `changed`, or why it can't be read.
    """
    wrong: dict[str, str] = {}
    for file in files:
        try:
            with (lake_dir / check_place(file).path).open("rb") as opened:
                size = os.fstat(opened.fileno()).st_size
                if size != file.bytes or hashlib.file_digest(opened, "sha256").hexdigest() != file.sha256:
                    wrong[file.path] = "changed"
        except FileNotFoundError:
            wrong[file.path] = "missing"
        except OSError as error:
            wrong[file.path] = error.strerror or type(error).__name__
    return wrong


def _partition_folders(lake_dir: Path) -> Iterator[Path]:
    return (folder for folder in lake_dir.glob("*/seller=*/day=*") if folder.is_dir())


def _current(control: ControlDatabase, dataset: str, seller_id: str, day: str) -> set[str]:
    with control.read() as connection:
        return {file.path for file in select_files(connection, dataset, seller_id, [date.fromisoformat(day)])}


def _strangers(lake_dir: Path, folder: Path, current: set[str]) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.relative_to(lake_dir).as_posix() not in current]


def _remove(folder: Path, place: str, strangers: list[Path], found: dict[str, list[str]]) -> None:
    removed = False
    for path in strangers:
        relative = f"{place}/{path.name}"
        is_temporary = path.name.startswith(TEMPORARY_PREFIX)
        if not is_temporary and not is_lake_path(relative):
            found["foreign"].append(relative)
            continue
        try:
            path.unlink()
        except OSError as error:
            found["failed"].append(f"{relative} ({error.strerror})")
            continue
        removed = True
        found["temporary" if is_temporary else "unreferenced"].append(relative)
    if removed:
        sync_folder(folder)
