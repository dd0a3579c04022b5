"""Sealing: whoever acts can write entries, and only who may open the trail's own key can read them.

Belongs here: the trail's key pair and the bytes of a sealed payload. Does not belong here: the chain (`chain.py`), and
what is in a payload (`trail.py`).

    sealed = ephemeral X25519 public key (32) | nonce (12) | AES-256-GCM ciphertext and tag
    key    = HKDF-SHA256(X25519(ephemeral, trail), info = format and both public keys)

One ephemeral key serves one process. The private key is a secret of ours, under the KEK purpose "secret": an analyst's
credentials write an entry of what the analyst did, and read none.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy.engine import Connection

from amzigo_pipelines.clock import Clock
from amzigo_pipelines.resources.control.schema import audit_key

if TYPE_CHECKING:
    from amzigo_pipelines.resources.keys.store import KeyStore

SECRET = "audit-trail-key"  # noqa: S105 - the name of a secret
_PUBLIC_BYTES, _NONCE_BYTES = 32, 12
_KEPT_CIPHERS = 4096


class Sealer:
    """Seals payloads for the trail's key. Threads may share it.

    Args:
        public: the trail's public key, 32 bytes.
    """

    def __init__(self, public: bytes) -> None:
        ephemeral = X25519PrivateKey.generate()
        self.ephemeral = ephemeral.public_key().public_bytes_raw()
        self.key = _derived(ephemeral.exchange(X25519PublicKey.from_public_bytes(public)), self.ephemeral, public)
        self._cipher = AESGCM(self.key)

    def seal(self, context: bytes, text: bytes) -> bytes:
        """`text` sealed, bound to `context`."""
        nonce = os.urandom(_NONCE_BYTES)
        return self.ephemeral + nonce + self._cipher.encrypt(nonce, text, context)


class Opener:
    """Opens what was sealed for the trail's key. Not for threads to share.

    Args:
        private: the trail's private key, 32 bytes.
    """

    def __init__(self, private: bytes) -> None:
        self._private = X25519PrivateKey.from_private_bytes(private)
        self._public = self._private.public_key().public_bytes_raw()
        self._ciphers: dict[bytes, AESGCM] = {}

    def key(self, ephemeral: bytes) -> bytes:
        """The key that whoever has the private half of `ephemeral` sealed with."""
        shared = self._private.exchange(X25519PublicKey.from_public_bytes(ephemeral))
        return _derived(shared, ephemeral, self._public)

    def open(self, context: bytes, sealed: bytes) -> bytes | None:
        """What was sealed; None if it isn't what was sealed under this context."""
        ephemeral, nonce = sealed[:_PUBLIC_BYTES], sealed[_PUBLIC_BYTES : _PUBLIC_BYTES + _NONCE_BYTES]
        try:
            cipher = self._ciphers.get(ephemeral)
            if cipher is None:
                if len(self._ciphers) >= _KEPT_CIPHERS:
                    self._ciphers.clear()
                cipher = self._ciphers[ephemeral] = AESGCM(self.key(ephemeral))
            return cipher.decrypt(nonce, sealed[_PUBLIC_BYTES + _NONCE_BYTES :], context)
        except (InvalidTag, ValueError):
            return None


def public_key(connection: Connection) -> bytes | None:
    """The trail's public key, if there is one yet."""
    return connection.execute(sa.select(audit_key.c.public)).scalar()


def ensure_key(connection: Connection, keys: KeyStore, clock: Clock) -> bytes:
    """The trail's public key; the pair is made where there is none, in the caller's write transaction.

    Raises:
        RoleRefused: there is none, and the role may keep no secrets.
    """
    public = public_key(connection)
    if public is None:
        private = X25519PrivateKey.generate()
        public = private.public_key().public_bytes_raw()
        keys.put_secret_in(connection, SECRET, private.private_bytes_raw())
        connection.execute(audit_key.insert().values(public=public, created_at=clock.now()))
    return public


def _derived(shared: bytes, ephemeral: bytes, public: bytes) -> bytes:
    info = b"amzigo-audit-v1|" + ephemeral + public
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(shared)
