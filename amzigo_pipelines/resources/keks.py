"""Key-encryption keys (KEKs), provider `local`: one file a version in the KEK folder.

Belongs here: making, reading and destroying KEK files. Does not belong here: what they wrap (`keys.py`) and when a new
version takes over (`rotation.py`).

The folder must be left out of every backup that the control database is in: the two together open everything. With
AMZIGO_KEK set (32 bytes in base64, from a secret manager) the files hold KEKs wrapped by it, of no use on their own.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.durability import sync_folder
from amzigo_pipelines.resources.home import Home

KEY_BYTES = 32
NONCE_BYTES = 12
_WRAPPED = "wrapped:"
_FILE = re.compile(r"^(?P<purpose>[a-z]+)-(?P<version>\d{6})\.key$")


class KekPurpose(StrEnum):
    """What a KEK wraps. Apart, so that a role can be given some and not others, and PII's can be rotated daily."""

    PII = "pii"
    PSEUDONYM = "pseudonym"
    BUSINESS = "business"
    MART = "mart"
    SECRET = "secret"  # noqa: S105 - the name of a purpose


class KekError(AmzigoError):
    """A key-encryption key is missing, damaged, unprotected, or wrapped by another AMZIGO_KEK."""


class KekMissing(KekError):
    """The file of that KEK version isn't there: never made, destroyed by a rotation, or lost."""


class KekStore:
    """The KEK files of an installation. Nothing is cached: a destroyed version is gone with its file.

    Safe to share between threads.

    Args:
        home: whose `kek_dir` to use.
        environment: where AMZIGO_KEK is looked up, at each use; the process's own when None.
    """

    def __init__(self, home: Home, environment: Mapping[str, str] | None = None) -> None:
        self._folder = home.kek_dir
        self.lock_folder = home.lock_dir
        self._environment = os.environ if environment is None else environment

    def create(self, purpose: str, above: int = 0) -> int:
        """Make a new version, durable when this returns, with a number higher than `above` and all files there are.

        Raises:
            KekError: the folder can't be written, or AMZIGO_KEK is malformed.
        """
        purpose = KekPurpose(purpose)
        version = max([above, *self.versions(purpose)]) + 1
        secret = secrets.token_bytes(KEY_BYTES)
        master = self._master()
        if master is None:
            text = base64.b64encode(secret).decode()
        else:
            nonce = secrets.token_bytes(NONCE_BYTES)
            sealed = nonce + AESGCM(master).encrypt(nonce, secret, _context(purpose, version))
            text = _WRAPPED + base64.b64encode(sealed).decode()
        path = self._path(purpose, version)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.write(handle, text.encode() + b"\n")
                os.fsync(handle)
            finally:
                os.close(handle)
            sync_folder(self._folder)
        except OSError as error:
            raise KekError(
                f"no key-encryption key can be made in {self._folder} ({error.strerror}): "
                "free space or mend the folder's permissions"
            ) from None
        return version

    def get(self, purpose: str, version: int) -> bytes:
        """The 32 bytes of a version.

        Raises:
            KekMissing: its file isn't there.
            KekError: the file is readable by others, damaged, or doesn't open under the present AMZIGO_KEK.
        """
        path = self._path(KekPurpose(purpose), version)
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode & 0o777
                text = file.read(4096).decode("ascii", "replace").strip()
        except FileNotFoundError:
            raise KekMissing(
                f"the key-encryption key {path} is missing: put it back (or set AMZIGO_KEK_DIR to where it lies); "
                "what it protects can't be read without it"
            ) from None
        except OSError as error:
            raise KekError(
                f"the key-encryption key {path} can't be read ({error.strerror}): mend its permissions"
            ) from None
        if mode & 0o077:
            raise KekError(
                f"the key-encryption key {path} is open to other users (mode {mode:04o}): run chmod 600 {path}"
            )
        if text.startswith(_WRAPPED):
            return self._unwrap(path, text.removeprefix(_WRAPPED), _context(purpose, version))
        secret = _decode(text)
        if secret is None or len(secret) != KEY_BYTES:
            raise KekError(
                f"the key-encryption key {path} is damaged (it is not 32 bytes in base64): put the right file back"
            )
        return secret

    def destroy(self, purpose: str, version: int) -> bool:
        """Overwrite a version's file, then remove it; durable when this returns. False when it was gone already.

        Raises:
            KekError: the file can't be overwritten or removed.
        """
        path = self._path(KekPurpose(purpose), version)
        try:
            # Best effort on a journaling or copying medium; what counts is that no copy of it is made (see above).
            with path.open("r+b") as file:
                size = os.fstat(file.fileno()).st_size
                file.write(bytes(size))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
            sync_folder(self._folder)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise KekError(
                f"the key-encryption key {path} can't be destroyed ({error.strerror}): mend its permissions, run again"
            ) from None
        return True

    def versions(self, purpose: str) -> list[int]:
        """The versions whose files are there, in order."""
        found = []
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise KekError(
                f"the key-encryption keys' folder {self._folder} can't be read ({error.strerror}): mend its permissions"
            ) from None
        for name in names:
            match = _FILE.match(name)
            if match and match["purpose"] == purpose:
                found.append(int(match["version"]))
        return sorted(found)

    def _path(self, purpose: str, version: int) -> Path:
        return self._folder / f"{purpose}-{version:06d}.key"

    def _master(self) -> bytes | None:
        text = self._environment.get("AMZIGO_KEK", "")
        if not text:
            return None
        master = _decode(text.strip())
        if master is None or len(master) != KEY_BYTES:
            raise KekError(
                "AMZIGO_KEK is malformed: it must be 32 bytes in base64 (make one with: openssl rand -base64 32)"
            )
        return master

    def _unwrap(self, path: Path, text: str, context: bytes) -> bytes:
        master = self._master()
        if master is None:
            raise KekError(f"the key-encryption key {path} is wrapped: set AMZIGO_KEK to the key that wrapped it")
        sealed = _decode(text)
        if sealed is None or len(sealed) < NONCE_BYTES:
            raise KekError(f"the key-encryption key {path} is damaged: put the right file back")
        try:
            return AESGCM(master).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
        except InvalidTag:
            raise KekError(
                f"AMZIGO_KEK does not open the key-encryption key {path}: set the AMZIGO_KEK that it was made with, "
                "or put the right file back"
            ) from None


def _context(purpose: str, version: int) -> bytes:
    return f"amzigo-kek-v1|{purpose}|{version}".encode()


def _decode(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
