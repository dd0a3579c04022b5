"""Wrapping under the active KEK version: AES-256-GCM with the facts about a key as associated data.

Belongs here: which KEK version wraps new things, and the bytes of a wrapping. Does not belong here: rows of wrapped
keys (`store.py`) and changing the version (`rotation.py`).
"""

from __future__ import annotations

import secrets
from datetime import date

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.engine import Connection

from amzigo_pipelines.clock import Clock
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.schema import kek_versions
from amzigo_pipelines.resources.keys.keks import NONCE_BYTES, KekStore


class KeyTampered(AmzigoError):
    """A wrapped key doesn't match its row: the row was edited, or the KEK isn't the one that wrapped it."""


class KekRing:
    """The KEK versions as the control database knows them. Keeps the KEKs it opened: give it a short life.

    Not safe to share between threads.
    """

    def __init__(self, keks: KekStore, clock: Clock) -> None:
        self._keks = keks
        self._clock = clock
        self._open: dict[tuple[str, int], AESGCM] = {}

    def active(self, connection: Connection, purpose: str) -> int:
        """The version that wraps new keys; the very first is made here.

        Args:
            connection: in a write transaction, so that no rotation happens meanwhile.
            purpose: a `KekPurpose`.
        """
        version = connection.execute(
            sa.select(kek_versions.c.version).where(kek_versions.c.purpose == purpose, kek_versions.c.is_active)
        ).scalar()
        if version is not None:
            return int(version)
        known = connection.execute(
            sa.select(sa.func.max(kek_versions.c.version)).where(kek_versions.c.purpose == purpose)
        ).scalar()
        created = self._keks.create(purpose, above=known or 0)
        connection.execute(
            kek_versions.insert().values(
                purpose=purpose, version=created, is_active=True, created_at=self._clock.now(), destroyed_at=None
            )
        )
        return created

    def wrap(self, purpose: str, version: int, context: bytes, secret: bytes) -> bytes:
        """`secret` wrapped under a KEK version, bound to `context`: nonce, ciphertext, tag."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher(purpose, version).encrypt(nonce, secret, context)

    def unwrap(self, purpose: str, version: int, context: bytes, wrapped: bytes, what: str) -> bytes:
        """What `wrap` wrapped.

        Raises:
            KeyTampered: the bytes, the context or the KEK differ; `what` names the thing in the sentence.
            KekError: there is no such KEK version.
        """
        cipher = self._cipher(purpose, version)
        try:
            # A blob cut short makes the library raise ValueError for its nonce instead of failing the tag.
            return cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context)
        except (InvalidTag, ValueError):
            raise KeyTampered(
                f"{what} does not match its wrapping: its row in the control database was changed, or version "
                f"{version} of the {purpose} key-encryption key did not wrap it; restore both from the same time"
            ) from None

    def _cipher(self, purpose: str, version: int) -> AESGCM:
        cipher = self._open.get((purpose, version))
        if cipher is None:
            cipher = self._open[purpose, version] = AESGCM(self._keks.get(purpose, version))
        return cipher


def key_context(key_id: str, seller_id: str, key_class: str, expires_on: date) -> bytes:
    """Associated data of a data key: what nobody may change about it."""
    return f"amzigo-data-key-v1|{key_id}|{seller_id}|{key_class}|{expires_on.isoformat()}".encode()


def secret_context(name: str) -> bytes:
    """Associated data of a secret of our own: a refresh token can't be passed off as another seller's."""
    return f"amzigo-secret-v1|{name}".encode()
