"""Getting a backup back into a new home: everything checked, nothing readable before the end, no dead data revived.

Belongs here: the order of a restore, and leaving nothing when it fails. Does not belong here: what a part of the
archive becomes (`restore_parts.py`), and trying it out (`drill.py`).

The settings file is written last: without it nobody can open the home. A restore that fails removes what it made; one
that was killed is begun anew by the next, which knows it by the file `.restoring`.

What can't come back: PII (no backup holds it, but for the vaults of legal holds in force); the vault of a hold that has
ended, and a seller who left, for the keys of their parts were destroyed; whoever else was erased since, for the KEK
folder tells of them and they are erased again before the end; data whose date of death has come, for its key is refused
on its date and its file not even written.
"""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

from amzigo_pipelines.clock import Clock
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.archive import ArchiveReader
from amzigo_pipelines.resources.backup_places import open_backup
from amzigo_pipelines.resources.backup_settings import BackupSettings
from amzigo_pipelines.resources.durability import sync_folder
from amzigo_pipelines.resources.home import Home, HomeError, KeyProvider, KeySettings, Kind, home_of
from amzigo_pipelines.resources.keys.backup_keys import BackupKeyDead, BackupKeys, BackupPart
from amzigo_pipelines.resources.keys.erased_journal import read_erased
from amzigo_pipelines.resources.keys.keks import KekPurpose, KekStore
from amzigo_pipelines.resources.keys.roles import acting_user
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.steps import OnStep, no_step
from amzigo_pipelines.retention.backup_contents import CONTROL, HOLD, LATE, Amount
from amzigo_pipelines.retention.backup_holds import restore_hold, settle_holds
from amzigo_pipelines.retention.restore_parts import restore_control, restore_late, restore_seller

MARKER = ".restoring"


class RestoreRefused(AmzigoError):
    """The restore was not begun, or took back all that it had done."""


@dataclass(frozen=True)
class IsolatedHome(Home):
    """A home that keeps everything inside its folder, whatever the environment says: for drills."""

    @property
    def database_url(self) -> str:
        """SQLite inside the home."""
        return f"sqlite:///{self.path / 'control.db'}"

    @property
    def kek_dir(self) -> Path:
        """Inside the home."""
        return self.path / "kek"

    @property
    def dagster_dir(self) -> Path:
        """Inside the home."""
        return self.path / "dagster"


@dataclass
class RestoreReport:
    """What a restore brought back.

    Attributes:
        backup_id: of which backup.
        created_at: as of when.
        home: where it is now.
        sellers: by seller and dataset, how much.
        expired: the same for what was in the backup and has died since.
        dead_sellers: sellers whose part of the backup died.
        open_pii_days: by seller, first and last of the days whose buyers' data lived when the backup was made: to be
            extracted from Amazon again.
        erased_again: rows of people erased since, taken out again.
        left_again: sellers erased since.
        holds: by the owner of its part, how much came back into the vault of a legal hold.
        dead_holds: owners of the parts of holds that have ended since.
        holds_without_vault: ids of holds that go on, of whose vault the backup has nothing.
        totals: what the backup says it holds, as `backups.amounts_as_json`.
    """

    backup_id: str
    created_at: datetime
    home: Home
    sellers: dict[str, dict[str, Amount]] = field(default_factory=dict)
    expired: dict[str, dict[str, Amount]] = field(default_factory=dict)
    dead_sellers: list[str] = field(default_factory=list)
    open_pii_days: dict[str, tuple[date, date]] = field(default_factory=dict)
    erased_again: int = 0
    left_again: list[str] = field(default_factory=list)
    holds: dict[str, Amount] = field(default_factory=dict)
    dead_holds: list[str] = field(default_factory=list)
    holds_without_vault: list[str] = field(default_factory=list)
    totals: dict[str, Any] = field(default_factory=dict)

    @property
    def total(self) -> Amount:
        """All sellers together."""
        return sum((amount for one in self.sellers.values() for amount in one.values()), Amount())


def restore(
    archive: str | Path,
    target: Path,
    clock: Clock,
    *,
    take_over: bool = False,
    certificates: Path | None = None,
    keys: BackupKeys | None = None,
    environment: Mapping[str, str] | None = None,
    settings: BackupSettings | None = None,
    on_step: OnStep | None = None,
) -> RestoreReport:
    """Restore a backup into a new home.

    Args:
        archive: the file, or its address in S3.
        target: the new home's folder; it may hold the KEK folder `kek/`, else nothing.
        clock: what is dead by now.
        certificates: a folder of certificates newer than the backup, whose erasures are made true again, besides those
            that the KEK folder tells of.
        take_over: the KEK folder holds the KEKs of a control database that is lost: end them.
        keys: where the backup's keys are; in the new home's KEK folder when None. Given by drills, whose home is
            isolated from the environment.
        environment: of an isolated home's keys.
        settings: where S3 is, if the backup is there.
        on_step: told the name of each step as it is done; tests end the process there.

    Raises:
        RestoreRefused: there is a home already, or the KEK folder belongs to a living database.
        ArchiveDamaged: the file was changed or cut short; BackupKeyDead: the backup is dead; KekMissing: its keys are
            not there. Nothing of the restore is left.
    """
    step = on_step or no_step
    target = target.absolute()
    # There is no home yet that could say what kind it is.
    with open_backup(Home(target, Kind.PRODUCTION, date(2000, 1, 1)), str(archive), settings) as file:
        reader = ArchiveReader(file, str(archive))
        header, home = reader.header, _home_for_keys(reader, target, isolate=keys is not None)
        created_at = datetime.fromisoformat(header["created_at"])
        if created_at > clock.now():
            raise RestoreRefused(
                f"the clock says {clock.now():%Y-%m-%d %H:%M}, but the backup was made at {created_at:%Y-%m-%d %H:%M} "
                "UTC: set the clock right, or what died since would be taken for alive"
            )
        keys = keys or BackupKeys(home, clock, environment, installation_id=lambda: str(header["installation_id"]))
        _prepare(home, str(header["backup_id"]), take_over, environment)
        step("prepared")
        report = RestoreReport(str(header["backup_id"]), created_at, home)
        try:
            platform = _bring_back(reader, home, keys, clock, environment, report, step)
            if not isinstance(platform.home, IsolatedHome):
                _forget(platform, report, certificates)
                step("forgotten")
            _finish(platform, report, str(archive).rpartition("/")[2], take_over, step)
        except BaseException as error:
            _clear(home)
            if isinstance(error, OSError):
                raise RestoreRefused(
                    f"{target} can't be written ({error.strerror}): free space or mend its permissions; nothing of "
                    "the restore was left"
                ) from None
            raise
    return report


def _home_for_keys(reader: ArchiveReader, target: Path, isolate: bool) -> Home:
    """As much of a home as opening the keys needs, from the header."""
    try:
        given = reader.header["keys"]
        settings = KeySettings(**{**given, "provider": KeyProvider(given["provider"])})
        home = Home(target, Kind(reader.header["kind"]), date(2000, 1, 1), keys=settings)
    except (KeyError, TypeError, ValueError):
        raise reader.damaged() from None
    return _isolated(home) if isolate else home


def _isolated(home: Home) -> Home:
    values = {item.name: getattr(home, item.name) for item in fields(home)}
    # Its KEKs are for an hour: KMS has no part in them.
    return IsolatedHome(**{**values, "keys": KeySettings()})


def _prepare(home: Home, backup_id: str, take_over: bool, environment: Mapping[str, str] | None) -> None:
    """Make sure that there is room for a new home, clear what a killed restore left, and say that one is going on."""
    marker = home.path / MARKER
    if home.settings_file.exists():
        raise RestoreRefused(f"{home.path} is an Amzigo home already, which is not overwritten: name a new folder")
    if marker.exists():
        _clear(home)
    others = [path.name for path in home.path.iterdir() if path != home.kek_dir] if home.path.exists() else []
    if others:
        raise RestoreRefused(f"{home.path} is not empty (it holds {sorted(others)[0]}): name a new folder")
    control = Platform(home).control
    if control.is_there():
        raise RestoreRefused(
            "the control database named by AMZIGO_DATABASE_URL is in use already, and is not overwritten: name an "
            "empty one"
        )
    store = KekStore(home, environment)
    there = {str(purpose): store.versions(purpose) for purpose in KekPurpose}
    if any(there.values()) and not take_over:
        raise RestoreRefused(
            f"{home.kek_dir} holds the key-encryption keys of another control database, which this restore would end: "
            "if that database is lost, restore with --take-over; else give the new home a folder with the "
            "backup-*.key files alone (AMZIGO_KEK_DIR)"
        )
    try:
        home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = {"backup_id": backup_id, "keks": there, "database": control.place}
        marker.write_text(json.dumps(facts), "utf-8")
        sync_folder(home.path)
    except OSError as error:
        raise RestoreRefused(f"{home.path} can't be made ({error.strerror}): mend its permissions") from None


def _bring_back(
    reader: ArchiveReader,
    home: Home,
    keys: BackupKeys,
    clock: Clock,
    environment: Mapping[str, str] | None,
    report: RestoreReport,
    step: OnStep,
) -> Platform:
    platform: Platform | None = None
    # A hold's part dies with the hold, all others with the backup. A key's file authenticates its date.
    ends = {"": reader.header["expires_on"], **reader.header.get("holds", {})}

    def key_of(owner: str) -> bytes:
        return keys.open(BackupPart(owner, date.fromisoformat(ends.get(owner, ends[""])), report.backup_id))

    for segment in reader.segments(key_of):
        if segment.kind == CONTROL:
            records = segment.records(key_of(segment.owner))
            (first, _) = next(records, ({}, None))
            try:
                real = home_of(home.path, tomllib.loads(first["settings"]))
            except (KeyError, HomeError, tomllib.TOMLDecodeError):
                raise reader.damaged() from None
            home = _isolated(real) if isinstance(home, IsolatedHome) else real
            platform = Platform(home, clock, environment)
            report.home = home
            restore_control(platform, records, first["settings"], str(reader.header["installation_id"]))
            step("control")
            continue
        if platform is None:
            raise reader.damaged()
        if segment.kind == LATE:
            restore_late(platform, segment.records(key_of(segment.owner)))
            step("late")
            continue
        try:
            key = key_of(segment.owner)
        except BackupKeyDead:
            (report.dead_holds if segment.kind == HOLD else report.dead_sellers).append(segment.owner)
            continue
        if segment.kind == HOLD:
            report.holds[segment.owner] = restore_hold(platform, segment.owner, segment.records(key), reader.damaged)
            step("hold")
            continue
        part = restore_seller(platform, segment.owner, segment.records(key), reader.damaged)
        report.sellers[segment.owner], report.expired[segment.owner] = part.restored, part.expired
        if part.open_pii_days:
            report.open_pii_days[segment.owner] = (min(part.open_pii_days), max(part.open_pii_days))
        step("seller")
    if platform is None:
        raise reader.damaged()
    report.totals = reader.totals
    report.holds_without_vault = settle_holds(platform, set(report.holds), set(report.dead_holds))
    return platform


def _forget(platform: Platform, report: RestoreReport, certificates: Path | None) -> None:
    """Erase again whoever was erased since the backup was made. A drill is spared: it is opened to nobody."""
    from amzigo_pipelines.retention.certificates import ensure_signing_key, write_missing_files
    from amzigo_pipelines.retention.reapplying import apply_tombstones, tombstones_in

    ensure_signing_key(platform)
    write_missing_files(platform)
    further = read_erased(platform.home.kek_dir) + (tombstones_in(certificates) if certificates else [])
    done = apply_tombstones(platform, further, actor=acting_user())
    report.erased_again = done.rows
    report.left_again = list(done.sellers)


def _finish(platform: Platform, report: RestoreReport, name: str, take_over: bool, step: OnStep) -> None:
    from amzigo_pipelines.retention.certificates import ensure_signing_key, write_missing_files

    home = platform.home
    platform.lake.check_installation()
    ensure_signing_key(platform)
    write_missing_files(platform)
    dead = f"; dead: {', '.join(report.dead_sellers)}" if report.dead_sellers else ""
    platform.audit.record(acting_user(), "restore_backup", None, name, f"as of {report.created_at}{dead}")
    platform.audit.sign()
    # Now that all is there: what it takes to open the home.
    temporary = home.settings_file.with_name(home.settings_file.name + MARKER)
    step("verified")
    handle = os.open(temporary, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
    temporary.replace(home.settings_file)
    (home.path / MARKER).unlink()
    sync_folder(home.path)
    step("opened")
    if take_over:
        # KEKs of the database that is lost: an old copy of it must not open anything any more.
        for purpose in KekPurpose:
            for version in platform.keks.versions(purpose)[:-1]:
                platform.keks.destroy(purpose, version)


def _clear(home: Home) -> None:
    """Remove what a restore made: all but the KEK folder, and of that its own versions."""
    marker, control = home.path / MARKER, Platform(home).control
    try:
        facts = json.loads(marker.read_text("utf-8"))
        before, database = facts["keks"], facts["database"]
    except (OSError, ValueError, KeyError):
        before = database = None
    if before is not None:
        store = KekStore(home, {})
        for purpose in KekPurpose:
            for version in store.versions(purpose):
                if version not in before.get(purpose, []):
                    store.destroy(purpose, version)
    if database == control.place:
        # Another one, which AMZIGO_DATABASE_URL names by now, is none of ours.
        control.discard()
    for path in home.path.iterdir():
        if path in (home.kek_dir, marker):
            continue
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    marker.unlink(missing_ok=True)
    if home.kek_dir.parent == home.path and home.kek_dir.is_dir() and not any(home.kek_dir.iterdir()):
        home.kek_dir.rmdir()
    if not any(home.path.iterdir()):
        home.path.rmdir()
