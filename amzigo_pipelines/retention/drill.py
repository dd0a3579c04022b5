"""The restore drill: the newest backup is restored for real, looked through, and removed again; the result is kept.

Belongs here: what a drill looks at, and its record. Does not belong here: restoring (`restore.py`), when a drill is due
(`automation/backups.py`).

The drill's home is below the real one, takes nothing from the environment, and its KEKs are wrapped by a key that only
this process knows: a drill that is killed leaves files that nobody can open.
"""

from __future__ import annotations

import base64
import json
import secrets
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from pyarrow.parquet.encryption import create_decryption_properties

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.schema import restore_drills
from amzigo_pipelines.resources.control.statements import next_number
from amzigo_pipelines.resources.keys.files import KEY_BYTES
from amzigo_pipelines.resources.keys.store import KeyClass
from amzigo_pipelines.resources.locks import exclusive
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.backup_contents import Amount, amounts_from_json
from amzigo_pipelines.retention.backup_holds import open_vaults
from amzigo_pipelines.retention.backups import newest_backup
from amzigo_pipelines.retention.restore import RestoreReport, restore

if TYPE_CHECKING:
    from collections.abc import Iterator

# A schedule asks for one every week.
MAX_AGE_DAYS = 8
_NO_BACKUP = "-"


class DrillFailed(AmzigoError):
    """A backup could not be restored, or is not what the ledger says; this is on record."""


@dataclass(frozen=True)
class DrillReport:
    """What a drill that passed has seen.

    Attributes:
        backup_id: which backup.
        created_at: when it was made.
        sellers: sellers restored.
        amount: files opened, rows counted in them, bytes compared with their SHA-256.
        dead_sellers: sellers whose part had died; that is as it should be.
        duration_s: how long it took.
    """

    backup_id: str
    created_at: datetime
    sellers: int
    amount: Amount
    dead_sellers: tuple[str, ...]
    duration_s: float

    @property
    def sentence(self) -> str:
        """The whole in one sentence."""
        dead = f"; {len(self.dead_sellers)} sellers' parts have died" if self.dead_sellers else ""
        return (
            f"the backup of {self.created_at:%Y-%m-%d %H:%M} UTC was restored and opened: {self.sellers} sellers, "
            f"{self.amount.files:,} files, {self.amount.rows:,} rows{dead}"
        )


def run_drill(platform: Platform, actor: str) -> DrillReport:
    """Restore the newest backup into a folder of its own, compare it with the ledger, and remove it.

    Raises:
        DrillFailed: with what was wrong; recorded before.
        LockBusy: another drill is running.
    """
    with exclusive(platform.home.lock_dir, "restore-drill"):
        started_at = platform.clock.now()
        folder = platform.home.path / "drill"
        newest = newest_backup(platform)
        backup_id = newest.backup_id if newest else _NO_BACKUP
        try:
            # A drill that was killed left what only its own process could open.
            shutil.rmtree(folder, ignore_errors=True)
            if newest is None:
                raise DrillFailed("there is no living backup to restore: make one with 'amzigo backup'")
            report = _drill(platform, folder / "home", newest)
        except (AmzigoError, OSError) as error:
            reason = str(error) if isinstance(error, AmzigoError) else f"{folder}: {error.strerror}"
            _record(platform, backup_id, started_at, actor, has_passed=False, detail={"reason": reason})
            raise DrillFailed(f"the restore drill failed: {reason}") from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        detail = {"sellers": report.sellers, **vars(report.amount), "dead_sellers": list(report.dead_sellers)}
        _record(platform, backup_id, started_at, actor, has_passed=True, detail=detail)
    return report


def last_drill(platform: Platform) -> sa.Row[Any] | None:
    """The record of the newest drill; None when there never was one."""
    with platform.control.read() as connection:
        query = sa.select(restore_drills).order_by(restore_drills.c.number.desc()).limit(1)
        return connection.execute(query).first()


def _drill(platform: Platform, target: Path, newest: sa.Row[Any]) -> DrillReport:
    began = platform.clock.now()
    environment = {"AMZIGO_KEK": base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}
    report = restore(
        newest.path,
        target,
        platform.clock,
        keys=platform.backup_keys,
        environment=environment,
        settings=platform.home.backup,
    )
    wrong = list(_compare(report, newest))
    restored = Platform(report.home, platform.clock, environment)
    restored.audit.verify()
    from amzigo_pipelines.retention.certificates import verify_chain

    verify_chain(restored)
    if any(key_class is KeyClass.PII and not is_dead for key_class, is_dead in restored.keys.counts()):
        wrong.append("a PII key came back")
    amount = _open_all(restored)
    if amount != report.total:
        wrong.append(f"{amount.rows:,} rows in {amount.files:,} files opened, {report.total.rows:,} were expected")
    if open_vaults(restored) != {owner: one for owner, one in report.holds.items() if one.files}:
        wrong.append("the vaults of legal holds came back with other sums than were written down")
    if not amount.files:
        wrong.append("the backup holds no file, so nothing was tried")
    if wrong:
        raise DrillFailed("; ".join(wrong))
    duration_s = (platform.clock.now() - began).total_seconds()
    sellers = len(report.sellers)
    return DrillReport(report.backup_id, report.created_at, sellers, amount, tuple(report.dead_sellers), duration_s)


def _compare(report: RestoreReport, newest: sa.Row[Any]) -> Iterator[str]:
    """What differs between the restored, what the archive says of itself, and the ledger."""
    if report.backup_id != newest.backup_id:
        yield f"{newest.path} is another backup than the ledger's"
    ledger = amounts_from_json(json.loads(newest.detail)["sellers"])
    if amounts_from_json(report.totals["sellers"]) != ledger:
        yield "the backup's own totals are not those of the ledger"
    vaults = json.loads(newest.detail).get("holds", {})
    for owner, in_ledger in vaults.items():
        if owner not in report.dead_holds and report.holds.get(owner) != Amount(**in_ledger):
            yield f"the vault of {owner} came back with other sums than were written down"
    for seller_id, expected in ledger.items():
        if seller_id in report.dead_sellers:
            continue
        found, expired = report.sellers.get(seller_id, {}), report.expired.get(seller_id, {})
        datasets = sorted({*expected, *found, *expired})
        sums = {name: found.get(name, Amount()) + expired.get(name, Amount()) for name in datasets}
        for name in datasets:
            if sums[name] != expected.get(name, Amount()):
                yield f"{name} of seller {seller_id} came back with other sums than were written down"


def _open_all(restored: Platform) -> Amount:
    """Open every file with its key and count its rows."""
    total = Amount()
    for seller in restored.sellers.list():
        files = restored.lake.files(seller_id=seller.seller_id)
        keys = restored.keys.open_living({file.key_id for file in files}, even_frozen=True)
        for file in files:
            try:
                properties = create_decryption_properties(keys[file.key_id].secret, aad_prefix=file.path.encode())
                metadata = pq.read_metadata(restored.home.lake_dir / file.path, decryption_properties=properties)
            except (KeyError, OSError, pa.ArrowException):
                raise DrillFailed(f"{file.path} came back and does not open with its key") from None
            total += Amount(1, metadata.num_rows, file.bytes)
    return total


def _record(
    platform: Platform,
    backup_id: str,
    started_at: datetime,
    actor: str,
    *,
    has_passed: bool,
    detail: dict[str, Any],
) -> None:
    result = "passed" if has_passed else "failed"
    platform.audit.record(actor, "restore_drill", None, f"backup {backup_id}", f"restore drill: {result}")
    with platform.control.transaction() as connection:
        connection.execute(
            restore_drills.insert().values(
                number=next_number(connection, restore_drills),
                backup_id=backup_id,
                started_at=started_at,
                finished_at=platform.clock.now(),
                has_passed=has_passed,
                detail=json.dumps(detail),
            )
        )
