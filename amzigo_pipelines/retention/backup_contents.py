"""What goes into a backup, segment by segment, in which order.

Belongs here: reading the books, keys and files, and handing them to the archive. Does not belong here: the file and its
ledger (`backups.py`), the archive's form (`resources/archive.py`), getting it back (`restore_parts.py`).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any, BinaryIO

import sqlalchemy as sa

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.clock import today
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.archive import ArchiveWriter, SegmentWriter
from amzigo_pipelines.resources.control.freezes import frozen_sellers
from amzigo_pipelines.resources.control.schema import data_keys, kek_versions, partitions
from amzigo_pipelines.resources.control.schema import secrets as secrets_table
from amzigo_pipelines.resources.keys.backup_keys import INSTALLATION, BackupPart, hold_owner
from amzigo_pipelines.resources.keys.roles import RoleRefused
from amzigo_pipelines.resources.keys.store import DataKey, KeyClass, KeyDead
from amzigo_pipelines.resources.lake.files import LakeFile, check_place, select_files
from amzigo_pipelines.resources.steps import OnStep
from amzigo_pipelines.retention import holds
from amzigo_pipelines.retention.backup_rows import early_tables, late_tables, rows_of, to_json
from amzigo_pipelines.retention.holds import Hold

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

CONTROL, LATE, SELLER, HOLD = "control", "late", "seller", "hold"
FAMILIES = (RetentionClass.BUSINESS, RetentionClass.PSEUDONYM)
KEY_CLASSES = (KeyClass.BUSINESS, KeyClass.PSEUDONYM, KeyClass.PSEUDONYMISER)
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


@dataclass
class _Day:
    partitions: list[dict[str, Any]]
    files: list[tuple[LakeFile, BinaryIO]] = field(default_factory=list)
    has_living_pii: bool = False


class BackupContents:
    """Writes one archive."""

    def __init__(
        self, platform: Platform, file: BinaryIO, backup_id: str, now: datetime, expires_on: date, step: OnStep
    ) -> None:
        self._platform, self._id, self._expires_on, self._step = platform, backup_id, expires_on, step
        self.sellers: dict[str, dict[str, Amount]] = {}
        self.holds: dict[str, Amount] = {}
        self.frozen: list[str] = []
        self.holds_left_out: list[str] = []
        # Those of this moment; a hold that is placed meanwhile is in the next backup.
        self._holds = holds.active(platform)
        keys = platform.home.keys
        self._archive = ArchiveWriter(
            file,
            {
                "backup_id": backup_id,
                "created_at": now.isoformat(),
                "expires_on": expires_on.isoformat(),
                "installation_id": platform.installation_id(),
                # When the parts of legal holds die: with the hold, at the latest with the backup.
                "holds": {hold_owner(hold.number): self._end_of(hold).isoformat() for hold in self._holds},
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
        for hold in self._holds:
            self._write_hold(hold, hold.seller_id in frozen)
        with self._archive.segment(INSTALLATION, LATE, own) as segment, self._platform.control.read() as connection:
            for table in late_tables():
                _put_table(connection, segment, table)
        self._archive.end(INSTALLATION, own, self.totals)

    @property
    def totals(self) -> dict[str, Any]:
        """By seller and dataset, and by hold, as the ledger and the archive keep it."""
        return {
            "sellers": amounts_as_json(self.sellers),
            "holds": {name: vars(one) for name, one in self.holds.items()},
        }

    def _end_of(self, hold: Hold) -> date:
        return min(self._expires_on, hold.ends_on)

    def _write_hold(self, hold: Hold, is_frozen: bool) -> None:
        from amzigo_pipelines.retention.backup_holds import write_hold

        owner = hold_owner(hold.number)
        if is_frozen:
            self.holds_left_out.append(hold.hold_id)
            return
        try:
            self._platform.keys.open(hold.key_id)
            key = self._platform.backup_keys.create(BackupPart(owner, self._end_of(hold), self._id))
        except (KeyDead, RoleRefused):
            # It ended a moment ago, or who makes this backup may not open vaults.
            self.holds_left_out.append(hold.hold_id)
            return
        with self._archive.segment(owner, HOLD, key) as segment:
            self.holds[owner] = write_hold(self._platform, hold, segment)
        self._step("hold")

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
            put_key(segment, pseudonymiser, given)
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
                    put_key(segment, key, given)
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


def amounts_as_json(sellers: dict[str, dict[str, Amount]]) -> dict[str, Any]:
    """By seller and dataset, as the ledger and the archive keep it."""
    return {seller: {name: vars(amount) for name, amount in one.items()} for seller, one in sellers.items()}


def amounts_from_json(sellers: dict[str, Any]) -> dict[str, dict[str, Amount]]:
    """The way back."""
    return {seller: {name: Amount(**amount) for name, amount in one.items()} for seller, one in sellers.items()}


def _put_table(connection: sa.Connection, segment: SegmentWriter, table: sa.Table) -> None:
    for row in rows_of(connection, table):
        segment.record({"table": table.name, "row": row})


def _put_secret(segment: SegmentWriter, name: str, value: bytes) -> None:
    segment.record({"secret": name, "value": base64.b64encode(value).decode()})


def put_key(segment: SegmentWriter, key: DataKey, given: set[str]) -> None:
    """Hand over a data key, unless it is among those given already."""
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
