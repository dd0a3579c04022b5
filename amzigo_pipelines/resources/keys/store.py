"""The key store: data keys with an authenticated date of death, and the few secrets of our own.

Belongs here: making, opening, listing and destroying data keys and secrets. Does not belong here: when keys are due
(`retention/`), KEK files (`keks.py`), and exchanging the KEK under them (`rotation.py`).

A key is dead when its date has come, whether or not anything swept it, and when it was destroyed. A clock set back
before a day on which retention ran wakes no key. The row of a destroyed key stays as a tombstone. The wrapping
authenticates id, seller, class and date: a row edited to live longer opens nothing.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from amzigo_pipelines.clock import Clock
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.audit.sums import Count
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.freezes import SellerFrozen, refuse_frozen
from amzigo_pipelines.resources.control.high_water import day_in_force
from amzigo_pipelines.resources.control.schema import data_keys, sellers
from amzigo_pipelines.resources.control.schema import secrets as secrets_table
from amzigo_pipelines.resources.control.statements import chunks, put_row
from amzigo_pipelines.resources.keys.keks import KEY_BYTES, KekMissing, KekPurpose, KekStore
from amzigo_pipelines.resources.keys.roles import RoleRefused
from amzigo_pipelines.resources.keys.rotation import RotationReport, rotate
from amzigo_pipelines.resources.keys.wrapping import KekRing, KeyTampered, key_context, secret_context
from amzigo_pipelines.resources.steps import OnStep

__all__ = ["DataKey", "KeyClass", "KeyDead", "KeyRecord", "KeyStore", "KeyTampered", "KeyUnknown", "SecretMissing"]

NEVER = date(9999, 12, 31)
T = TypeVar("T")


class KeyDead(AmzigoError):
    """The key was destroyed, or its date of death has come: what it opened is gone."""


class KeyDestroyedMeanwhile(KeyDead):
    """The key was destroyed between two uses in one piece of work, which may begin anew: there is a fresh key now."""

    is_retryable = True


class KeyUnknown(AmzigoError):
    """There never was a key of that id."""


class SecretMissing(AmzigoError):
    """There is no living secret of that name."""


class KeyClass(StrEnum):
    """What a data key protects."""

    PII = "pii"
    PSEUDONYM = "pseudonym"
    BUSINESS = "business"
    MART = "mart"
    PSEUDONYMISER = "pseudonymiser"
    HOLD = "hold"


_PURPOSE: dict[KeyClass, KekPurpose] = {
    KeyClass.PII: KekPurpose.PII,
    KeyClass.PSEUDONYM: KekPurpose.PSEUDONYM,
    KeyClass.PSEUDONYMISER: KekPurpose.PSEUDONYM,
    KeyClass.BUSINESS: KekPurpose.BUSINESS,
    KeyClass.MART: KekPurpose.MART,
    KeyClass.HOLD: KekPurpose.HOLD,
}


def purpose_of(key_class: KeyClass) -> KekPurpose:
    """Under which KEK keys of a class are wrapped."""
    return _PURPOSE[key_class]


@dataclass(frozen=True)
class DataKey:
    """A living key, opened. `secret` (32 bytes) is kept out of its repr."""

    key_id: str
    seller_id: str
    key_class: KeyClass
    expires_on: date
    secret: bytes = field(repr=False)


@dataclass(frozen=True)
class KeyRecord:
    """What is known of a key, living or dead, without opening it."""

    key_id: str
    seller_id: str
    key_class: KeyClass
    expires_on: date
    kek_version: int
    created_at: datetime
    destroyed_at: datetime | None


class KeyStore:
    """Data keys and secrets in the control database.

    Holds no key between calls, so threads may share it.

    Args:
        control: the control database.
        keks: the key-encryption keys.
        clock: says which keys are past their date.
        count: told of every key and secret that is made, opened, refused or destroyed: `Sums.add` of the audit trail.
    """

    def __init__(self, control: ControlDatabase, keks: KekStore, clock: Clock, count: Count | None = None) -> None:
        self._control = control
        self._keks = keks
        self._clock = clock
        self._count: Count = count or _not_counted

    def prepare(self) -> None:
        """Make the first version of each KEK purpose that has none; `amzigo init` calls it. Harmless later."""
        with self._control.transaction() as connection:
            for purpose in KekPurpose:
                self._ring().active(connection, purpose)

    def key_for(self, seller_id: str, key_class: str, expires_on: date) -> DataKey:
        """The one living key of (seller, class, date of death), made when there is none.

        Raises:
            KeyDead: the date has come, or the seller was removed.
            SellerFrozen: the seller is frozen.
        """
        return self.keys_for(seller_id, [(key_class, expires_on)])[0]

    def keys_for(self, seller_id: str, wanted: Sequence[tuple[str, date]]) -> list[DataKey]:
        """As `key_for`, for several (class, date of death) in one transaction, in the order asked."""
        pairs = [(KeyClass(key_class), expires_on) for key_class, expires_on in wanted]
        with self._control.read() as connection:
            now_on = day_in_force(connection, self._clock)
        for key_class, expires_on in pairs:
            _refuse_past(f"a {key_class} key of seller {seller_id}", expires_on, now_on)
        found = self._retry_after_rotation(lambda: self._find(seller_id, pairs))
        if len(found) < len(set(pairs)):
            with self._control.transaction() as connection:
                ring = self._ring()
                found = self._find(seller_id, pairs, connection)
                missing = [pair for pair in dict.fromkeys(pairs) if pair not in found]
                removed = sa.select(sellers.c.removed_at).where(sellers.c.seller_id == seller_id)
                if missing and connection.execute(removed).scalar() is not None:
                    raise KeyDead(f"seller {seller_id} was removed: nothing new is kept of it")
                made = [_drafted(seller_id, key_class, expires_on) for key_class, expires_on in missing]
                self._insert(connection, ring, made)
                found |= {(key.key_class, key.expires_on): key for key in made}
        return [found[pair] for pair in pairs]

    def draft(self, seller_id: str, key_class: str, expires_on: date) -> DataKey:
        """A key that exists in memory only: what is written under it is unreadable rubbish until it is added.

        Raises:
            KeyDead: the date has come.
        """
        with self._control.read() as connection:
            now_on = day_in_force(connection, self._clock)
        _refuse_past(f"a {key_class} key of seller {seller_id}", expires_on, now_on)
        return _drafted(seller_id, KeyClass(key_class), expires_on)

    def add(self, connection: Connection, drafts: Sequence[DataKey]) -> None:
        """Keep drafted keys, in the caller's write transaction."""
        self._insert(connection, self._ring(), drafts)

    def open(self, key_id: str, *, even_frozen: bool = False) -> DataKey:
        """The key of that id.

        Args:
            key_id: which.
            even_frozen: for legal holds alone, which go on during an incident.

        Raises:
            KeyUnknown: there never was one.
            KeyDead: it was destroyed, or its date has come; this is said of a frozen seller's keys, too.
            SellerFrozen: the seller is frozen.
            KeyTampered: its row doesn't match its wrapping.
        """

        def load() -> DataKey:
            with self._control.read() as connection:
                row = connection.execute(sa.select(data_keys).where(data_keys.c.key_id == key_id)).first()
                frozen = None if row is None else _freeze_of(connection, row.seller_id)
                now_on = day_in_force(connection, self._clock)
            if row is None:
                raise KeyUnknown(
                    f"there is no key {key_id}: the control database is not the one that belongs to the data"
                )
            what = f"{row.key_class} key {key_id} of seller {row.seller_id}"
            if row.destroyed_at is not None or row.wrapped is None:
                since = row.destroyed_at.date().isoformat() if row.destroyed_at else "an unknown day"
                self._count("open_key", row.seller_id, row.key_class, "refused: destroyed")
                raise KeyDead(f"the {what} was destroyed on {since}: what it opened is gone for good")
            _refuse_past(f"the {what}", row.expires_on, now_on)
            if frozen is not None and not even_frozen:
                self._count("open_key", row.seller_id, row.key_class, "refused: frozen")
                raise frozen
            return self._unwrap(self._ring(), row)

        return self._retry_after_rotation(load)

    def open_living(
        self, key_ids: Collection[str], *, even_frozen: bool = False, held_since: date | None = None
    ) -> dict[str, DataKey]:
        """Open many keys at once; the dead and unknown are left out.

        Args:
            key_ids: which.
            even_frozen: for retention alone, which goes on during an incident and counts rows to verify itself.
            held_since: for legal holds alone: what was alive on this day, when the hold was placed, and is not
                destroyed yet, is copied before it is, though its date has come.

        Raises:
            SellerFrozen: a seller is frozen.
            KeyTampered: a row doesn't match its wrapping.
        """

        def load() -> dict[str, DataKey]:
            rows: list[sa.Row[Any]] = []
            with self._control.read() as connection:
                now_on = day_in_force(connection, self._clock)
                if held_since is not None:
                    now_on = min(now_on, held_since)
                for chunk in chunks(sorted(set(key_ids))):
                    rows += connection.execute(
                        sa.select(data_keys).where(
                            data_keys.c.key_id.in_(chunk),
                            data_keys.c.wrapped.is_not(None),
                            data_keys.c.expires_on > now_on,
                        )
                    )
                if not even_frozen:
                    try:
                        refuse_frozen(connection, {row.seller_id for row in rows})
                    except SellerFrozen:
                        for row in rows:
                            self._count("open_key", row.seller_id, row.key_class, "refused: frozen")
                        raise
            ring = self._ring()
            return {row.key_id: self._unwrap(ring, row) for row in rows}

        return self._retry_after_rotation(load)

    def pseudonymiser(self, seller_id: str, *, even_frozen: bool = False) -> bytes:
        """The seller's own 32-byte HMAC key for pseudonyms. Lives until the seller goes.

        Args:
            seller_id: whose.
            even_frozen: for legal holds alone, which go on during an incident.

        Raises:
            KeyDead: the seller was removed.
            SellerFrozen: the seller is frozen.
        """
        if even_frozen:
            for record in self.alive(seller_id):
                if record.key_class is KeyClass.PSEUDONYMISER:
                    return self.open(record.key_id, even_frozen=True).secret
        return self.key_for(seller_id, KeyClass.PSEUDONYMISER, NEVER).secret

    def due(self, key_class: str, as_of: date, seller_id: str | None = None) -> list[KeyRecord]:
        """Keys not yet destroyed whose date of death is `as_of` or earlier, oldest first."""
        return self._records(
            data_keys.c.destroyed_at.is_(None),
            data_keys.c.key_class == KeyClass(key_class),
            data_keys.c.expires_on <= as_of,
            seller_id=seller_id,
        )

    def alive(self, seller_id: str | None = None) -> list[KeyRecord]:
        """Keys not yet destroyed, also those past their date that nobody swept."""
        return self._records(data_keys.c.destroyed_at.is_(None), seller_id=seller_id)

    def destroyed(self, seller_id: str | None = None) -> list[KeyRecord]:
        """The tombstones."""
        return self._records(data_keys.c.destroyed_at.is_not(None), seller_id=seller_id)

    def counts(self, seller_id: str | None = None) -> dict[tuple[KeyClass, bool], int]:
        """Number of keys by (class, is destroyed)."""
        is_destroyed = data_keys.c.destroyed_at.is_not(None).label("is_destroyed")
        query = sa.select(data_keys.c.key_class, is_destroyed, sa.func.count()).group_by(
            data_keys.c.key_class, is_destroyed
        )
        if seller_id is not None:
            query = query.where(data_keys.c.seller_id == seller_id)
        with self._control.read() as connection:
            return {(KeyClass(name), bool(dead)): int(n) for name, dead, n in connection.execute(query)}

    def destroy(self, key_ids: Iterable[str]) -> int:
        """Destroy keys for good: overwrite the wrapping with zeros, then drop it. Tombstones stay.

        Does not open them, so tampered keys can be destroyed too. A copy of the database from before still holds the
        wrappings: rotate the KEK afterwards.

        Returns:
            How many were alive until now.
        """
        with self._control.transaction() as connection:
            return self.destroy_in(connection, key_ids)

    def destroy_in(self, connection: Connection, key_ids: Iterable[str]) -> int:
        """As `destroy`, in the caller's write transaction."""
        destroyed = 0
        for chunk in chunks(sorted(set(key_ids))):
            these = sa.and_(data_keys.c.key_id.in_(chunk), data_keys.c.destroyed_at.is_(None))
            connection.execute(data_keys.update().where(these).values(wrapped=bytes(KEY_BYTES + 28)))
            result = connection.execute(
                data_keys.update().where(these).values(wrapped=None, destroyed_at=self._clock.now())
            )
            destroyed += result.rowcount
        return destroyed

    def rotate(self, purpose: str, on_step: OnStep | None = None) -> RotationReport:
        """Exchange the KEK of a purpose: wrap all survivors anew, destroy the old versions. See `rotation.rotate`."""
        return rotate(self._control, self._keks, self._clock, KekPurpose(purpose), on_step)

    def put_secret(self, name: str, secret: bytes) -> None:
        """Keep a secret of ours under `name`, wrapped; an older one of that name is overwritten."""
        with self._control.transaction() as connection:
            self.put_secret_in(connection, name, secret)

    def put_secret_in(self, connection: Connection, name: str, secret: bytes) -> None:
        """As `put_secret`, in the caller's write transaction."""
        ring = self._ring()
        version = ring.active(connection, KekPurpose.SECRET)
        wrapped = ring.wrap(KekPurpose.SECRET, version, secret_context(name), secret)
        values = {"kek_version": version, "wrapped": wrapped, "created_at": self._clock.now(), "destroyed_at": None}
        put_row(connection, secrets_table, {"name": name}, values)
        self._count("put_secret", _secret_owner(name), _secret_kind(name))

    def secret(self, name: str, seller_id: str | None = None) -> bytes:
        """The secret of that name.

        Args:
            name: under which it was put.
            seller_id: the seller to whom it belongs, if it does.

        Raises:
            SellerFrozen: that seller is frozen.
            SecretMissing: there is none, or it was destroyed.
            KeyTampered: its row doesn't match its wrapping.
        """

        def load() -> bytes:
            with self._control.read() as connection:
                if seller_id is not None:
                    refuse_frozen(connection, (seller_id,))
                row = connection.execute(sa.select(secrets_table).where(secrets_table.c.name == name)).first()
            if row is None or row.wrapped is None:
                raise SecretMissing(f"there is no secret {name!r} in the control database: store it again")
            return self._ring().unwrap(
                KekPurpose.SECRET, row.kek_version, secret_context(name), row.wrapped, f"the secret {name!r}"
            )

        try:
            secret = self._retry_after_rotation(load)
        except SecretMissing:
            raise
        except AmzigoError as error:
            self._count("open_secret", seller_id, _secret_kind(name), f"refused: {_why(error)}")
            raise
        self._count("open_secret", seller_id, _secret_kind(name))
        return secret

    def destroy_secret(self, name: str) -> bool:
        """Overwrite a secret and drop it; the row stays. False when there was no living one."""
        with self._control.transaction() as connection:
            these = sa.and_(secrets_table.c.name == name, secrets_table.c.wrapped.is_not(None))
            length = connection.execute(sa.select(sa.func.length(secrets_table.c.wrapped)).where(these)).scalar()
            if length is None:
                return False
            connection.execute(secrets_table.update().where(these).values(wrapped=bytes(int(length))))
            connection.execute(secrets_table.update().where(these).values(wrapped=None, destroyed_at=self._clock.now()))
            self._count("destroy_secret", _secret_owner(name), _secret_kind(name))
            return True

    def _find(
        self, seller_id: str, pairs: Sequence[tuple[KeyClass, date]], connection: Connection | None = None
    ) -> dict[tuple[KeyClass, date], DataKey]:
        if connection is None:
            with self._control.read() as opened:
                return self._find(seller_id, pairs, opened)
        try:
            refuse_frozen(connection, (seller_id,))
        except SellerFrozen:
            for key_class, _ in pairs:
                self._count("open_key", seller_id, key_class, "refused: frozen")
            raise
        ring, found = self._ring(), {}
        for key_class in dict.fromkeys(key_class for key_class, _ in pairs):
            dates = sorted({expires_on for other, expires_on in pairs if other is key_class})
            rows = connection.execute(
                sa.select(data_keys).where(
                    data_keys.c.seller_id == seller_id,
                    data_keys.c.key_class == key_class,
                    data_keys.c.expires_on.in_(dates),
                    data_keys.c.destroyed_at.is_(None),
                )
            )
            for row in rows:
                found[key_class, row.expires_on] = self._unwrap(ring, row)
        return found

    def _insert(self, connection: Connection, ring: KekRing, keys: Sequence[DataKey]) -> None:
        versions = {purpose: ring.active(connection, purpose) for purpose in {_PURPOSE[key.key_class] for key in keys}}
        rows: list[dict[str, Any]] = []
        for key in keys:
            purpose = _PURPOSE[key.key_class]
            context = key_context(key.key_id, key.seller_id, key.key_class, key.expires_on)
            rows.append(
                {
                    "key_id": key.key_id,
                    "seller_id": key.seller_id,
                    "key_class": key.key_class,
                    "expires_on": key.expires_on,
                    "kek_purpose": purpose,
                    "kek_version": versions[purpose],
                    "wrapped": ring.wrap(purpose, versions[purpose], context, key.secret),
                    "created_at": self._clock.now(),
                }
            )
        if rows:
            connection.execute(data_keys.insert(), rows)
        for key in keys:
            self._count("make_key", key.seller_id, key.key_class)

    def _unwrap(self, ring: KekRing, row: sa.Row[Any]) -> DataKey:
        context = key_context(row.key_id, row.seller_id, row.key_class, row.expires_on)
        try:
            secret = ring.unwrap(row.kek_purpose, row.kek_version, context, row.wrapped, f"key {row.key_id}")
        except AmzigoError as error:
            self._count("open_key", row.seller_id, row.key_class, f"refused: {_why(error)}")
            raise
        self._count("open_key", row.seller_id, row.key_class)
        return DataKey(row.key_id, row.seller_id, KeyClass(row.key_class), row.expires_on, secret)

    def _records(self, *conditions: sa.ColumnElement[bool], seller_id: str | None) -> list[KeyRecord]:
        c = data_keys.c
        query = sa.select(
            c.key_id, c.seller_id, c.key_class, c.expires_on, c.kek_version, c.created_at, c.destroyed_at
        ).where(*conditions)
        if seller_id is not None:
            query = query.where(c.seller_id == seller_id)
        with self._control.read() as connection:
            rows = connection.execute(query.order_by(c.expires_on, c.seller_id, c.key_id)).all()
        return [KeyRecord(row[0], row[1], KeyClass(row[2]), *row[3:]) for row in rows]

    def _ring(self) -> KekRing:
        return KekRing(self._keks, self._clock)

    def _retry_after_rotation(self, load: Callable[[], T]) -> T:
        # A rotation may commit and destroy the old KEK between our reading a row and reading its KEK: the row now
        # names the new version, so reading it again mends it. A KEK that is really lost fails the second time too.
        for _ in range(3):
            try:
                return load()
            except KekMissing:
                continue
        return load()


def _freeze_of(connection: Connection, seller_id: str) -> SellerFrozen | None:
    try:
        refuse_frozen(connection, (seller_id,))
    except SellerFrozen as frozen:
        return frozen
    return None


def _not_counted(*_: object, **__: object) -> None:
    pass


def _secret_kind(name: str) -> str:
    # A seller's secrets carry its id as the second part of their name; the kind is the first.
    return name.partition("/")[0]


def _secret_owner(name: str) -> str | None:
    return name.split("/")[1] if "/" in name else None


def _why(error: AmzigoError) -> str:
    if isinstance(error, RoleRefused):
        return "role"
    if isinstance(error, SellerFrozen):
        return "frozen"
    return "tampered" if isinstance(error, KeyTampered) else "no key"


def _drafted(seller_id: str, key_class: KeyClass, expires_on: date) -> DataKey:
    return DataKey(uuid.uuid4().hex, seller_id, key_class, expires_on, secrets.token_bytes(KEY_BYTES))


def _refuse_past(what: str, expires_on: date, now_on: date) -> None:
    if expires_on <= now_on:
        raise KeyDead(f"{what} is dead since {expires_on.isoformat()}: what it opens must not be read or written")
