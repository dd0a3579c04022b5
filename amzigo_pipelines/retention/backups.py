"""Making a backup: one encrypted file of the books and of every seller's business and pseudonymous data.

Belongs here: what goes into a backup, in which order, and its ledger. Does not belong here: the file's form
(`resources/archive.py`), its keys (`resources/backup_keys.py`), getting it back (`restore.py`).

No PII key, no PII file, no KEK and no mart is in it. Each seller's part is encrypted under a key of its own, in which
the seller's data keys are handed over: so the part dies with that key, whatever becomes of the file.

Extraction may go on meanwhile: a seller's day is read in one look at the books, and its files are open before anybody
can unlink them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import sqlalchemy as sa

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.clock import today
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.archive import ArchiveDamaged, ArchiveReader, ArchiveWriter, SegmentWriter
from amzigo_pipelines.resources.backup_keys import INSTALLATION, BackupPart
from amzigo_pipelines.resources.durability import sync_folder
from amzigo_pipelines.resources.freezes import frozen_sellers
from amzigo_pipelines.resources.keys import DataKey, KeyClass
from amzigo_pipelines.resources.lake_files import LakeFile, check_place, select_files
from amzigo_pipelines.resources.locks import exclusive
from amzigo_pipelines.resources.schema import backups, data_keys, kek_versions, partitions
from amzigo_pipelines.resources.schema import secrets as secrets_table
from amzigo_pipelines.resources.statements import next_number
from amzigo_pipelines.resources.steps import OnStep, no_step
from amzigo_pipelines.retention.backup_rows import early_tables, late_tables, rows_of, to_json

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

CONTROL, LATE, SELLER = "control", "late", "seller"
FAMILIES = (RetentionClass.BUSINESS, RetentionClass.PSEUDONYM)
KEY_CLASSES = (KeyClass.BUSINESS, KeyClass.PSEUDONYM, KeyClass.PSEUDONYMISER)
_SUFFIX = ".backup"
_CHUNK = 1 << 20
_ATTEMPTS = 5


class BackupError(AmzigoError):
    """The backup was not made; what there was before stands."""


@dataclass(frozen=True)
class Amount:
    """How much of something."""

    files: int = 0
    rows: int = 0
    bytes: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.files + other.files, self.rows + other.rows, self.bytes + other.bytes)


@dataclass(frozen=True)
class BackupReport:
    """What a backup holds.

    Attributes:
        backup_id: hexadecimal.
        path: the file.
        expires_on: when its keys die.
        bytes: its size.
        sellers: by seller and dataset, how much.
        frozen: sellers that were left out, because an incident froze their keys.
    """

    backup_id: str
    path: Path
    expires_on: date
    bytes: int
    sellers: dict[str, dict[str, Amount]] = field(default_factory=dict)
    frozen: tuple[str, ...] = ()

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
                maker = _Maker(platform, file, backup_id, now, expires_on, step)
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
        report = BackupReport(backup_id, path, expires_on, size, maker.sellers, tuple(maker.frozen))
        _record(platform, report, now)
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


class _Maker:
    """Writes one archive."""

    def __init__(
        self, platform: Platform, file: BinaryIO, backup_id: str, now: datetime, expires_on: date, step: OnStep
    ) -> None:
        self._platform, self._id, self._expires_on, self._step = platform, backup_id, expires_on, step
        self.sellers: dict[str, dict[str, Amount]] = {}
        self.frozen: list[str] = []
        keys = platform.home.keys
        self._archive = ArchiveWriter(
            file,
            {
                "backup_id": backup_id,
                "created_at": now.isoformat(),
                "expires_on": expires_on.isoformat(),
                "installation_id": platform.installation_id(),
                "code_version": metadata.version("amzigo-pipelines"),
                # Needed to open the keys before the settings can be read.
                "kind": str(platform.home.kind),
                "keys": {
                    "provider": str(keys.provider),
                    "kms_key": keys.kms_key,
                    "region": keys.region,
                    "endpoint": keys.endpoint,
                },
            },
        )

    def write(self) -> None:
        """All segments."""
        own = self._key(INSTALLATION)
        self._step("began")
        with self._archive.segment(INSTALLATION, CONTROL, own) as segment:
            self._write_control(segment)
        self._step("control")
        with self._platform.control.read() as connection:
            frozen = frozen_sellers(connection)
        for seller in self._platform.sellers.list():
            if seller.seller_id in frozen:
                self.frozen.append(seller.seller_id)
                continue
            with self._archive.segment(seller.seller_id, SELLER, self._key(seller.seller_id)) as segment:
                self.sellers[seller.seller_id] = self._write_seller(segment, seller.seller_id)
            self._step("seller")
        with self._archive.segment(INSTALLATION, LATE, own) as segment, self._platform.control.read() as connection:
            for table in late_tables():
                _put_table(connection, segment, table)
        self._archive.end(INSTALLATION, own, {"sellers": amounts_as_json(self.sellers)})

    def _key(self, owner: str) -> bytes:
        return self._platform.backup_keys.create(BackupPart(owner, self._expires_on, self._id))

    def _write_control(self, segment: SegmentWriter) -> None:
        platform = self._platform
        segment.record({"settings": platform.home.settings_file.read_text("utf-8")})
        dagster = platform.home.dagster_dir / "dagster.yaml"
        if dagster.exists():
            segment.record({"dagster": dagster.read_text("utf-8")})
        with platform.control.read() as connection:
            highest = sa.select(kek_versions.c.purpose, sa.func.max(kek_versions.c.version)).group_by(
                kek_versions.c.purpose
            )
            segment.record({"kek_versions": {purpose: version for purpose, version in connection.execute(highest)}})
            for table in early_tables():
                _put_table(connection, segment, table)
        for name in self._secret_names(None):
            _put_secret(segment, name, platform.keys.secret(name))

    def _write_seller(self, segment: SegmentWriter, seller_id: str) -> dict[str, Amount]:
        platform, keys = self._platform, self._platform.keys
        for name in self._secret_names(seller_id):
            _put_secret(segment, name, keys.secret(name, seller_id))
        given: set[str] = set()
        (pseudonymiser,) = self._living(seller_id, [KeyClass.PSEUDONYMISER]) or (None,)
        if pseudonymiser is not None:
            _put_key(segment, pseudonymiser, given)
        found: dict[str, Amount] = {}
        open_days: list[str] = []
        for day in sorted({record.day for record in platform.lake.partitions(seller_id)}):
            with ExitStack() as opened:
                look = self._open_day(seller_id, day, opened)
                for row in look.partitions:
                    segment.record({"partition": row})
                if look.has_living_pii:
                    open_days.append(day.isoformat())
                keys_of_day = keys.open_living({file.key_id for file, _ in look.files})
                for file, content in look.files:
                    key = keys_of_day.get(file.key_id)
                    if key is None:
                        # Its date came, or it was destroyed, a moment ago.
                        continue
                    _put_key(segment, key, given)
                    facts = {"file": to_json(vars(file)), "size": file.bytes}
                    segment.record(facts, _checked(content, file))
                    found[file.dataset] = found.get(file.dataset, Amount()) + Amount(1, file.rows, file.bytes)
        segment.record({"open_pii_days": open_days})
        return found

    def _living(self, seller_id: str, classes: list[KeyClass]) -> tuple[DataKey, ...]:
        k = data_keys.c
        with self._platform.control.read() as connection:
            ids = connection.execute(
                sa.select(k.key_id).where(k.seller_id == seller_id, k.key_class.in_(classes), k.wrapped.is_not(None))
            ).scalars()
            wanted = list(ids)
        return tuple(self._platform.keys.open_living(wanted).values())

    def _open_day(self, seller_id: str, day: date, opened: ExitStack) -> _Day:
        """One look at the books with all files of the day open: from then on nobody can take them away."""
        p, lake_dir = partitions.c, self._platform.home.lake_dir
        for _ in range(_ATTEMPTS):
            with ExitStack() as attempt, self._platform.control.read() as connection:
                rows = connection.execute(
                    sa.select(partitions).where(p.seller_id == seller_id, p.day == day)
                ).mappings()
                look = _Day([to_json(dict(row)) for row in rows])
                now_on = today(self._platform.clock)
                missing = None
                for file in select_files(connection, None, seller_id, [day]):
                    if file.family not in FAMILIES:
                        look.has_living_pii |= file.family is RetentionClass.PII and file.expires_on > now_on
                    elif file.expires_on > now_on:
                        try:
                            content = attempt.enter_context((lake_dir / check_place(file).path).open("rb"))
                        except FileNotFoundError:
                            missing = file.path
                            break
                        look.files.append((file, content))
                if missing is None:
                    opened.push(attempt.pop_all())
                    return look
        raise BackupError(
            f"lake file {missing} is not there: extract {seller_id} for {day} again, then make the backup; "
            "nothing was left behind"
        )

    def _secret_names(self, seller_id: str | None) -> list[str]:
        s = secrets_table.c
        with self._platform.control.read() as connection:
            names = list(connection.execute(sa.select(s.name).where(s.wrapped.is_not(None)).order_by(s.name)).scalars())
        # A seller's secrets carry its id as the second part of their name.
        return [name for name in names if ([*name.split("/"), None])[1] == seller_id]


@dataclass
class _Day:
    partitions: list[dict[str, Any]]
    files: list[tuple[LakeFile, BinaryIO]] = field(default_factory=list)
    has_living_pii: bool = False


def amounts_as_json(sellers: dict[str, dict[str, Amount]]) -> dict[str, Any]:
    """By seller and dataset, as the ledger and the archive keep it."""
    return {seller: {name: vars(amount) for name, amount in one.items()} for seller, one in sellers.items()}


def amounts_from_json(sellers: dict[str, Any]) -> dict[str, dict[str, Amount]]:
    """The way back."""
    return {seller: {name: Amount(**amount) for name, amount in one.items()} for seller, one in sellers.items()}


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


def _put_table(connection: sa.Connection, segment: SegmentWriter, table: sa.Table) -> None:
    for row in rows_of(connection, table):
        segment.record({"table": table.name, "row": row})


def _put_secret(segment: SegmentWriter, name: str, value: bytes) -> None:
    segment.record({"secret": name, "value": base64.b64encode(value).decode()})


def _put_key(segment: SegmentWriter, key: DataKey, given: set[str]) -> None:
    if key.key_id not in given:
        given.add(key.key_id)
        facts = {name: value for name, value in vars(key).items() if name != "secret"}
        segment.record({"key": to_json(facts), "value": base64.b64encode(key.secret).decode()})


def _checked(content: BinaryIO, file: LakeFile) -> Iterator[bytes]:
    """A file's bytes; raises where they are not what the books say."""
    digest, size = hashlib.sha256(), 0
    chunks: Callable[[], bytes] = lambda: content.read(_CHUNK)  # noqa: E731
    for chunk in iter(chunks, b""):
        digest.update(chunk)
        size += len(chunk)
        yield chunk
    if (size, digest.hexdigest()) != (file.bytes, file.sha256):
        raise BackupError(
            f"lake file {file.path} is not what was written there: extract {file.dataset} of seller {file.seller_id} "
            f"for {file.day} again, then make the backup; nothing was left behind"
        )


def _remove_dead(folder: Path, now_on: date) -> None:
    """Remove files of backups whose date has come; their keys are gone already. Others' files stay."""
    for path in folder.glob(f"amzigo-*{_SUFFIX}"):
        try:
            is_dead = date.fromisoformat(read_header(path)["expires_on"]) <= now_on
        except (ArchiveDamaged, BackupError, KeyError, ValueError):
            continue
        if is_dead:
            path.unlink(missing_ok=True)


def _record(platform: Platform, report: BackupReport, now: datetime) -> None:
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
                detail=json.dumps({"sellers": amounts_as_json(report.sellers), "frozen": list(report.frozen)}),
            )
        )
