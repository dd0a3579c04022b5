"""The keys of backups: one for each backup and owner, in the KEK folder, never in a backup or the database.

Belongs here: making, opening and destroying them. Does not belong here: what they encrypt (`archive.py`).

An owner is a seller, a legal hold, or the installation (for what belongs to neither). So a part of a backup can die
alone: with the seller who leaves, with the hold that ends, on its date. They lie beside the KEKs and not in the control
database, because a restore must work when that is lost. A key that was destroyed leaves a mark: a lost key is an error,
a dead one is not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from amzigo_pipelines.clock import Clock, today
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.durability import sync_folder
from amzigo_pipelines.resources.home import Home
from amzigo_pipelines.resources.keys.files import KekError, KekMissing
from amzigo_pipelines.resources.keys.keks import key_files
from amzigo_pipelines.resources.keys.roles import KekPurpose, Role, RoleRefused, check_may_open, role_of
from amzigo_pipelines.resources.locks import exclusive

INSTALLATION = "installation"
PURPOSE = "backup"
_NAME = re.compile(
    r"backup-(?P<owner>[A-Za-z0-9]{3,32})-(?P<expires_on>\d{4}-\d\d-\d\d)-(?P<backup>[0-9a-f]{8})\.(?P<kind>key|gone)"
)
_LOCK_WAIT_S = 30.0


def hold_owner(number: int) -> str:
    """The owner of a legal hold's part. No seller's id has small letters."""
    return f"hold{number:06d}"


class BackupKeyDead(AmzigoError):
    """The key was destroyed, or its date has come: that part of the backup is gone."""


@dataclass(frozen=True)
class BackupPart:
    """What one key opens.

    Attributes:
        owner: a seller's id, `hold_owner` of a legal hold, or `INSTALLATION`.
        expires_on: date of death of the backup.
        backup_id: the backup's, hexadecimal.
    """

    owner: str
    expires_on: date
    backup_id: str

    @property
    def purpose(self) -> str:
        """What protects the key's file: a vault's, what protects vaults, so that nobody else opens its copy."""
        return KekPurpose.HOLD if self.owner.startswith("hold") else PURPOSE

    @property
    def label(self) -> str:
        """What the key's file authenticates."""
        return f"{self.owner}-{self.expires_on.isoformat()}-{self.backup_id[:8]}"

    @property
    def key_name(self) -> str:
        """Name of the key's file."""
        return f"backup-{self.label}.key"

    @property
    def mark_name(self) -> str:
        """Name of the file that says that the key was destroyed before its date."""
        return f"backup-{self.label}.gone"


class BackupKeys:
    """The keys of an installation's backups. Safe to share between threads and processes.

    Args:
        home: whose KEK folder.
        clock: tells dead keys.
        environment: where AMZIGO_ROLE and AMZIGO_KEK are looked up; the process's own when None.
        installation_id: bound to each key by KMS.
    """

    def __init__(
        self,
        home: Home,
        clock: Clock,
        environment: Mapping[str, str] | None = None,
        installation_id: Callable[[], str] | None = None,
    ) -> None:
        self._environment = os.environ if environment is None else environment
        self._files = key_files(home, self._environment, installation_id)
        self._lock_folder = home.lock_dir
        self._clock = clock

    @property
    def folder(self) -> Path:
        """Where the keys lie."""
        return self._files.folder

    def create(self, part: BackupPart) -> bytes:
        """Make the key of a new backup's part.

        Raises:
            RoleRefused: the role may not.
            KekError: it can't be made.
        """
        self._check_role(part)
        return self._files.create(part.key_name, part.purpose, part.label)

    def open(self, part: BackupPart) -> bytes:
        """The key of a part.

        Raises:
            RoleRefused: the role may not.
            BackupKeyDead: the date has come, or it was destroyed.
            KekMissing: it isn't there, and nobody destroyed it.
            KekError: it doesn't open.
        """
        self._check_role(part)
        if part.expires_on <= today(self._clock):
            raise BackupKeyDead(f"this backup is dead since {part.expires_on}: its date has come, its keys are gone")
        if (self.folder / part.mark_name).exists():
            raise BackupKeyDead(f"the key of this backup of {part.owner} was destroyed: what it held is gone for good")
        try:
            return self._files.read(part.key_name, part.purpose, part.label)
        except KekMissing:
            raise KekMissing(
                f"the backup's key {self.folder / part.key_name} is missing, and it was not destroyed here: put it "
                "back (or set AMZIGO_KEK_DIR to where it lies)"
            ) from None

    def destroy_owner(self, owner: str) -> int:
        """End all that backups hold of an owner: a seller who left, or whose buyer was erased. Safe to repeat.

        Returns:
            How many keys were alive.
        """
        return self._destroy(lambda part: part.owner == owner)

    def destroy_backup(self, backup_id: str) -> int:
        """End a whole backup; returns how many keys were alive."""
        return self._destroy(lambda part: part.backup_id == backup_id[:8])

    def destroy_due(self) -> int:
        """Destroy the keys whose date has come, and forget marks that have had their time; returns how many keys."""
        now_on = today(self._clock)
        for part, kind in self._parts():
            if kind == "gone" and part.expires_on <= now_on:
                (self.folder / part.mark_name).unlink(missing_ok=True)
        return self._destroy(lambda part: part.expires_on <= now_on)

    def alive(self) -> list[BackupPart]:
        """The parts whose keys are there; of their backup's id the first eight digits are known."""
        return [part for part, kind in self._parts() if kind == "key"]

    def _parts(self) -> list[tuple[BackupPart, str]]:
        matches = (_NAME.fullmatch(name) for name in self._files.names())
        return [
            (BackupPart(match["owner"], date.fromisoformat(match["expires_on"]), match["backup"]), match["kind"])
            for match in matches
            if match
        ]

    def _destroy(self, is_meant: Callable[[BackupPart], bool]) -> int:
        destroyed = 0
        with exclusive(self._lock_folder, "backup-keys", wait_s=_LOCK_WAIT_S):
            for part in self.alive():
                if is_meant(part):
                    if part.expires_on > today(self._clock):
                        self._mark(part)
                    destroyed += self._files.destroy(part.key_name)
        return destroyed

    def _mark(self, part: BackupPart) -> None:
        path = self.folder / part.mark_name
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
            sync_folder(self.folder)
        except OSError as error:
            raise KekError(f"{path} can't be written ({error.strerror}): free space, then run it again") from None

    def _check_role(self, part: BackupPart) -> None:
        if part.purpose == KekPurpose.HOLD:
            check_may_open(KekPurpose.HOLD, self._environment)
        if role_of(self._environment) is Role.ANALYST:
            raise RoleRefused("the role analyst may not open backups: ask somebody in the role engineer or privacy")
