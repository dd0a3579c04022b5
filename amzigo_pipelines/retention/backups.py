"""Making a backup: one encrypted file of the books and of every seller's business and pseudonymous data.

Belongs here: the file, from its first byte to its place in the ledger. Does not belong here: what goes into it
(`backup_contents.py`), its form (`resources/archive.py`), its keys (`resources/keys/backup_keys.py`), getting it back
(`restore.py`).

No PII key, no PII file, no KEK and no mart is in it; personal data only as far as a legal hold keeps it in its vault
(`backup_holds.py`). Each seller's part is encrypted under a key of its own, in which
the seller's data keys are handed over: so the part dies with that key, whatever becomes of the file.

Extraction may go on meanwhile: a seller's day is read in one look at the books, and its files are open before anybody
can unlink them.
"""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from amzigo_pipelines.clock import today
from amzigo_pipelines.resources.archive import ArchiveDamaged, ArchiveReader
from amzigo_pipelines.resources.control.schema import backups
from amzigo_pipelines.resources.control.statements import next_number
from amzigo_pipelines.resources.durability import sync_folder
from amzigo_pipelines.resources.locks import exclusive
from amzigo_pipelines.resources.steps import OnStep, no_step
from amzigo_pipelines.retention.backup_contents import Amount, BackupContents, BackupError

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

__all__ = ["Amount", "BackupError", "BackupReport", "make_backup", "newest_backup", "read_header"]

_SUFFIX = ".backup"


@dataclass(frozen=True)
class BackupReport:
    """What a backup holds.

    Attributes:
        backup_id: hexadecimal.
        path: the file.
        expires_on: when its keys die.
        bytes: its size.
        sellers: by seller and dataset, how much.
        holds: by the owner of its part, how much is in the vault of each legal hold.
        frozen: sellers that were left out, because an incident froze their keys.
        holds_left_out: legal holds whose vault is not in it: an incident froze it, or the role may not open it.
    """

    backup_id: str
    path: Path
    expires_on: date
    bytes: int
    sellers: dict[str, dict[str, Amount]] = field(default_factory=dict)
    holds: dict[str, Amount] = field(default_factory=dict)
    frozen: tuple[str, ...] = ()
    holds_left_out: tuple[str, ...] = ()

    @property
    def total(self) -> Amount:
        """All sellers together."""
        return sum((amount for one in self.sellers.values() for amount in one.values()), Amount())


def make_backup(
    platform: Platform, folder: Path, *, keep_days: int, actor: str, on_step: OnStep | None = None
) -> BackupReport:
    """Make a backup. The file appears whole or not at all.

    Dead backups' keys are destroyed first, and their files in the same folder removed.

    Args:
        platform: the installation.
        folder: where to; on another disk than the home, best on another machine's.
        keep_days: its keys die after so many days.
        actor: who asked, for the audit trail.
        on_step: told the name of each step as it is done; tests end the process there.

    Raises:
        BackupError: the folder can't be written, or a lake file is not what the books say.
        LockBusy: another backup is being made.
        KekError, AwsError: a key can't be made or opened.
    """
    step = on_step or no_step
    folder = folder.absolute()
    if not folder.is_dir():
        raise BackupError(f"the folder {folder} is not there: make it, or mount it")
    if folder.is_relative_to(platform.home.path):
        raise BackupError(f"{folder} is inside the home, with which it would be lost: name a folder elsewhere")
    with exclusive(platform.home.lock_dir, "backup"):
        platform.lake.check_installation()
        platform.backup_keys.destroy_due()
        _remove_dead(folder, today(platform.clock))
        backup_id, now = uuid.uuid4().hex, platform.clock.now()
        expires_on = now.date() + timedelta(days=keep_days)
        path = folder / f"amzigo-{now:%Y-%m-%dT%H%M%SZ}-{backup_id[:8]}{_SUFFIX}"
        temporary = folder / f".tmp-{path.name}"
        try:
            platform.audit.record(actor, "make_backup", None, path.name, f"backup until {expires_on}")
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                maker = BackupContents(platform, file, backup_id, now, expires_on, step)
                maker.write()
                file.flush()
                os.fsync(file.fileno())
                size = os.fstat(file.fileno()).st_size
            step("written")
            temporary.replace(path)
            sync_folder(folder)
            step("renamed")
        except BaseException as error:
            temporary.unlink(missing_ok=True)
            platform.backup_keys.destroy_backup(backup_id)
            if isinstance(error, OSError):
                raise BackupError(
                    f"the backup could not be written to {folder} ({error.strerror}): free space or mend its "
                    "permissions; nothing was left behind"
                ) from None
            raise
        report = BackupReport(
            backup_id=backup_id,
            path=path,
            expires_on=expires_on,
            bytes=size,
            sellers=maker.sellers,
            holds=maker.holds,
            frozen=tuple(maker.frozen),
            holds_left_out=tuple(maker.holds_left_out),
        )
        _record(platform, report, now, maker.totals)
        step("recorded")
    return report


def newest_backup(platform: Platform) -> sa.Row[Any] | None:
    """The ledger's newest backup that has not died; None when there is none."""
    with platform.control.read() as connection:
        return connection.execute(
            sa.select(backups)
            .where(backups.c.expires_on > today(platform.clock))
            .order_by(backups.c.number.desc())
            .limit(1)
        ).first()


def read_header(path: Path) -> dict[str, Any]:
    """The facts at the beginning of a backup, unproven.

    Raises:
        ArchiveDamaged: it is no backup; `BackupError`: it can't be read.
    """
    try:
        with path.open("rb") as file:
            return ArchiveReader(file, str(path)).header
    except OSError as error:
        raise BackupError(f"{path} can't be read ({error.strerror}): name a backup that 'amzigo backup' made") from None


def _remove_dead(folder: Path, now_on: date) -> None:
    """Remove files of backups whose date has come; their keys are gone already. Others' files stay."""
    for path in folder.glob(f"amzigo-*{_SUFFIX}"):
        try:
            is_dead = date.fromisoformat(read_header(path)["expires_on"]) <= now_on
        except (ArchiveDamaged, BackupError, KeyError, ValueError):
            continue
        if is_dead:
            path.unlink(missing_ok=True)


def _record(platform: Platform, report: BackupReport, now: datetime, totals: dict[str, Any]) -> None:
    total = report.total
    with platform.control.transaction() as connection:
        connection.execute(
            backups.insert().values(
                number=next_number(connection, backups),
                backup_id=report.backup_id,
                created_at=now,
                expires_on=report.expires_on,
                path=str(report.path),
                bytes=report.bytes,
                files=total.files,
                rows=total.rows,
                detail=json.dumps({**totals, "frozen": list(report.frozen)}),
            )
        )
