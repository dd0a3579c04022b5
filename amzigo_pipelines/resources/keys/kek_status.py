"""The state of the key-encryption keys: versions, ages, whether database and folder fit each other.

Belongs here: looking. Does not belong here: exchanging them (`rotation.py`), and telling anybody (`cli/keys.py`,
`cli/checks.py`, `quality/key_checks.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from amzigo_pipelines.resources.control.schema import data_keys, kek_versions
from amzigo_pipelines.resources.control.schema import secrets as secrets_table
from amzigo_pipelines.resources.keys.roles import KekPurpose

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

# The policy's promise: no key-encryption key is used for longer than a year.
LIVES_DAYS = 365
WARN_FROM_DAY = 335


@dataclass(frozen=True)
class KekStatus:
    """One purpose's KEK.

    Attributes:
        purpose: what it wraps.
        version: that wraps new keys; 0 if none was ever made.
        created_at: when that version was made.
        days: its age, in whole days.
        keys: data keys and secrets alive under it.
        trouble: what is wrong with it; empty when all is well.
    """

    purpose: KekPurpose
    version: int
    created_at: datetime | None
    days: int
    keys: int
    trouble: str

    @property
    def is_old(self) -> bool:
        """Whether it has been used for too long."""
        return self.days >= LIVES_DAYS

    @property
    def is_getting_old(self) -> bool:
        """Whether it soon will have."""
        return WARN_FROM_DAY <= self.days < LIVES_DAYS


def kek_status(platform: Platform) -> list[KekStatus]:
    """Every purpose in order. Opens no key, so every role may ask.

    Raises:
        KekError: the folder can't be read.
    """
    now = platform.clock.now()
    with platform.control.read() as connection:
        v, k = kek_versions.c, data_keys.c
        active = {row.purpose: row for row in connection.execute(sa.select(kek_versions).where(v.is_active))}
        counted = sa.select(k.kek_purpose, sa.func.count()).where(k.wrapped.is_not(None)).group_by(k.kek_purpose)
        keys = {purpose: int(number) for purpose, number in connection.execute(counted)}
        living = sa.select(sa.func.count()).where(secrets_table.c.wrapped.is_not(None))
        keys["secret"] = keys.get("secret", 0) + int(connection.execute(living).scalar_one())
    found = []
    for purpose in KekPurpose:
        row = active.get(purpose)
        version = int(row.version) if row else 0
        found.append(
            KekStatus(
                purpose,
                version,
                row.created_at if row else None,
                (now - row.created_at).days if row else 0,
                keys.get(purpose, 0),
                _trouble(purpose, version, platform.keks.versions(purpose)),
            )
        )
    return found


def _trouble(purpose: str, version: int, there: list[int]) -> str:
    if not version or version in there:
        stale = [other for other in there if other != version]
        # Left by a rotation that was cut short; it may still open old copies of the database.
        return f"another version, {stale[0]}, is there: 'amzigo keys rotate {purpose}' ends it" if stale else ""
    if there and max(there) > version:
        return (
            f"the control database is older than the keys: it names version {version}, the folder holds {max(there)}; "
            "it is a copy from before a sweep: put today's database back"
        )
    return f"version {version} is missing from the folder: put it back, nothing under it opens"
