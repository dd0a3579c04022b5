"""Exchanging a key-encryption key: after it, no old copy of the control database opens what was destroyed before.

Belongs here: the rotation and its crash-safety. Does not belong here: when to rotate (`retention/`, `amzigo keys`).

Order of things, so that a crash anywhere leaves every living key openable and the next rotation tidies up:
new KEK file, durable -> one transaction that wraps all survivors anew and makes the version the active one -> old KEK
files overwritten and removed -> noted in the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from amzigo_pipelines.clock import Clock
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import data_keys, kek_versions
from amzigo_pipelines.resources.control.schema import secrets as secrets_table
from amzigo_pipelines.resources.keys.keks import KekPurpose, KekStore
from amzigo_pipelines.resources.keys.wrapping import KekRing, key_context, secret_context
from amzigo_pipelines.resources.locks import exclusive
from amzigo_pipelines.resources.steps import OnStep, no_step

_LOCK_WAIT_S = 60.0


@dataclass(frozen=True)
class RotationReport:
    """What a rotation did.

    Attributes:
        purpose: the KEK's purpose.
        version: the version that wraps everything now.
        rewrapped: keys and secrets that were wrapped anew.
        destroyed_versions: KEK versions whose files were destroyed.
    """

    purpose: KekPurpose
    version: int
    rewrapped: int
    destroyed_versions: tuple[int, ...]


def rotate(
    control: ControlDatabase, keks: KekStore, clock: Clock, purpose: KekPurpose, on_step: OnStep | None = None
) -> RotationReport:
    """Wrap every survivor of `purpose` under a new KEK version and destroy all older versions.

    Args:
        control: the control database.
        keks: the KEK files.
        clock: dates the change.
        purpose: which KEK.
        on_step: told the name of each step as it is done; tests end the process there.

    Raises:
        KeyTampered: a survivor doesn't match its wrapping; nothing was changed. Destroy that key, or mend it.
        KekError: a KEK file is missing or can't be written; nothing was changed.
        LockBusy: another rotation of the purpose is still running after a minute.
    """
    step = on_step or no_step
    with exclusive(keks.lock_folder, f"rotate-{purpose}", wait_s=_LOCK_WAIT_S):
        with control.read() as connection:
            known = connection.execute(
                sa.select(sa.func.max(kek_versions.c.version)).where(kek_versions.c.purpose == purpose)
            ).scalar()
        version = keks.create(purpose, above=known or 0)
        step("created")
        with control.transaction() as connection:
            rewrapped = _rewrap(connection, KekRing(keks, clock), purpose, version)
            connection.execute(kek_versions.update().where(kek_versions.c.purpose == purpose).values(is_active=False))
            connection.execute(
                kek_versions.insert().values(
                    purpose=purpose, version=version, is_active=True, created_at=clock.now(), destroyed_at=None
                )
            )
            step("rewrapped")
        step("committed")
        # Also strays of an earlier rotation that was cut short. Nobody but a rotation, and we hold its lock, makes a
        # version while an active one exists.
        destroyed = tuple(old for old in keks.versions(purpose) if old != version)
        for old in destroyed:
            keks.destroy(purpose, old)
            step("destroyed")
        with control.transaction() as connection:
            connection.execute(
                kek_versions.update()
                .where(
                    kek_versions.c.purpose == purpose,
                    kek_versions.c.version != version,
                    kek_versions.c.destroyed_at.is_(None),
                )
                .values(destroyed_at=clock.now())
            )
        step("noted")
    return RotationReport(purpose, version, rewrapped, destroyed)


def _rewrap(connection: Connection, ring: KekRing, purpose: KekPurpose, version: int) -> int:
    changes: list[dict[str, Any]] = []
    rows = connection.execute(
        sa.select(data_keys).where(data_keys.c.kek_purpose == purpose, data_keys.c.wrapped.is_not(None))
    )
    for row in rows:
        context = key_context(row.key_id, row.seller_id, row.key_class, row.expires_on)
        secret = ring.unwrap(purpose, row.kek_version, context, row.wrapped, f"key {row.key_id}")
        changes.append({"id": row.key_id, "blob": ring.wrap(purpose, version, context, secret)})
    if changes:
        connection.execute(
            data_keys.update()
            .where(data_keys.c.key_id == sa.bindparam("id"))
            .values(wrapped=sa.bindparam("blob"), kek_version=version),
            changes,
        )
    if purpose is not KekPurpose.SECRET:
        return len(changes)
    for row in connection.execute(sa.select(secrets_table).where(secrets_table.c.wrapped.is_not(None))).all():
        context = secret_context(row.name)
        secret = ring.unwrap(purpose, row.kek_version, context, row.wrapped, f"the secret {row.name!r}")
        connection.execute(
            secrets_table.update()
            .where(secrets_table.c.name == row.name)
            .values(wrapped=ring.wrap(purpose, version, context, secret), kek_version=version)
        )
        changes.append({"id": row.name})
    return len(changes)
