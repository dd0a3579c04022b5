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
import uuid
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from amzigo_pipelines.clock import today
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.archive import ArchiveReader
from amzigo_pipelines.resources.backup_places import BackupPlace
from amzigo_pipelines.resources.control.schema import backups
from amzigo_pipelines.resources.control.statements import next_number
from amzigo_pipelines.resources.locks import exclusive
from amzigo_pipelines.resources.steps import OnStep, no_step
from amzigo_pipelines.retention.backup_contents import Amount, BackupContents, BackupError

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

__all__ = ["Amount", "BackupError", "BackupReport", "make_backup", "newest_backup"]

_SUFFIX = ".backup"


@dataclass(frozen=True)
class BackupReport:
    """What a backup holds.

    Attributes:
        backup_id: hexadecimal.
        place: where it is: a file's path, or an address in S3.
        expires_on: when its keys die.
        bytes: its size.
        sellers: by seller and dataset, how much.
        holds: by the owner of its part, how much is in the vault of each legal hold.
        frozen: sellers that were left out, because an incident froze their keys.
        holds_left_out: legal holds whose vault is not in it: an incident froze it, or the role may not open it.
        not_removed: dead backups in the same place that could not be removed; without their keys they say nothing.
    """

    backup_id: str
    place: str
    expires_on: date
    bytes: int
    sellers: dict[str, dict[str, Amount]] = field(default_factory=dict)
    holds: dict[str, Amount] = field(default_factory=dict)
    frozen: tuple[str, ...] = ()
    holds_left_out: tuple[str, ...] = ()
    not_removed: tuple[str, ...] = ()

    @property
    def total(self) -> Amount:
        """All sellers together."""
        return sum((amount for one in self.sellers.values() for amount in one.values()), Amount())


def make_backup(
    platform: Platform, place: BackupPlace, *, keep_days: int, actor: str, on_step: OnStep | None = None
) -> BackupReport:
    """Make a backup. It appears whole or not at all.

    Dead backups' keys are destroyed first, and their files in the same place removed.

    Args:
        platform: the installation.
        place: where to, from `backup_place`.
        keep_days: its keys die after so many days.
        actor: who asked, for the audit trail.
        on_step: told the name of each step as it is done; tests end the process there.

    Raises:
        BackupPlaceError, S3Error, AwsError: the place can't be written.
        BackupError: a lake file is not what the books say.
        LockBusy: another backup is being made.
        KekError: a key can't be made or opened.
    """
    step = on_step or no_step
    place.check(platform.home)
    with exclusive(platform.home.lock_dir, "backup"):
        platform.lake.check_installation()
        platform.backup_keys.destroy_due()
        not_removed = _remove_dead(place, today(platform.clock))
        backup_id, now = uuid.uuid4().hex, platform.clock.now()
        expires_on = now.date() + timedelta(days=keep_days)
        name = f"amzigo-{now:%Y-%m-%dT%H%M%SZ}-{backup_id[:8]}{_SUFFIX}"
        try:
            platform.audit.record(actor, "make_backup", None, name, f"backup until {expires_on}")
            with place.write(name, step) as file:
                maker = BackupContents(platform, file, backup_id, now, expires_on, step)
                maker.write()
                size = file.tell()
        except BaseException:
            platform.backup_keys.destroy_backup(backup_id)
            raise
        report = BackupReport(
            backup_id=backup_id,
            place=place.where(name),
            expires_on=expires_on,
            bytes=size,
            sellers=maker.sellers,
            holds=maker.holds,
            frozen=tuple(maker.frozen),
            holds_left_out=tuple(maker.holds_left_out),
            not_removed=tuple(not_removed),
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


def _remove_dead(place: BackupPlace, now_on: date) -> list[str]:
    """Remove files of backups whose date has come; their keys are gone already. Others' files stay.

    Returns:
        Those that could not be removed.
    """
    left = []
    for name in place.names():
        if not (name.startswith("amzigo-") and name.endswith(_SUFFIX)):
            continue
        try:
            with place.open(name) as file:
                is_dead = date.fromisoformat(ArchiveReader(file, name).header["expires_on"]) <= now_on
        except (AmzigoError, KeyError, ValueError):
            continue
        if is_dead:
            try:
                place.remove(name)
            except AmzigoError:
                left.append(place.where(name))
    return left


def _record(platform: Platform, report: BackupReport, now: datetime, totals: dict[str, Any]) -> None:
    total = report.total
    with platform.control.transaction() as connection:
        connection.execute(
            backups.insert().values(
                number=next_number(connection, backups),
                backup_id=report.backup_id,
                created_at=now,
                expires_on=report.expires_on,
                path=report.place,
                bytes=report.bytes,
                files=total.files,
                rows=total.rows,
                detail=json.dumps({**totals, "frozen": list(report.frozen)}),
            )
        )
