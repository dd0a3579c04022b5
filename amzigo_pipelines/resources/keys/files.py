"""Files of 32 secret bytes each, and what protects their content: nothing, a key of a secret manager, or AWS KMS.

Belongs here: making, reading and destroying such a file. Does not belong here: what the keys are for and who may open
them (`keks.py`, `backup_keys.py`).

The folder must be left out of every backup that the control database is in: the two together open everything. A file
that is wrapped, by AMZIGO_KEK or by KMS, is of no use on its own. Nothing is cached: a destroyed key is gone with its
file, and one under a disabled KMS key with that.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.durability import sync_folder

KEY_BYTES = 32
NONCE_BYTES = 12
WRAPPED = "wrapped:"
KMS = "kms:"
# A wrapped file opens nothing by itself, so a group may read it: people of a role share the folder. A plain one is
# for its owner alone.
_PLAIN_MODE, _SEALED_MODE = 0o600, 0o640
_REFUSED_PLAIN, _REFUSED_SEALED = 0o077, 0o037


class KekError(AmzigoError):
    """A key-encryption key is missing, damaged, unprotected, or wrapped by something else."""


class KekMissing(KekError):
    """The file isn't there: never made, destroyed, or lost."""


class Sealer(Protocol):
    """Something that protects a key's bytes in its file."""

    def seal(self, purpose: str, label: str, secret: bytes) -> str:
        """The file's text, authenticated together with purpose and label."""
        ...

    def unseal(self, path: Path, purpose: str, label: str, text: str) -> bytes:
        """The 32 bytes behind a text that begins with this sealer's mark.

        Raises:
            KekError: it doesn't open.
        """
        ...


class LocalSealer:
    """Wraps under AMZIGO_KEK_<PURPOSE>, else under AMZIGO_KEK; with neither set, the file holds the key itself.

    A wrapping key for each purpose is what gives a role some keys and not others, though it may read all files.

    Args:
        environment: where the variables are looked up, at each use.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def seal(self, purpose: str, label: str, secret: bytes) -> str:
        """Wrapped, or plain base64 where no wrapping key is set."""
        _, master = self._master(purpose)
        if master is None:
            return base64.b64encode(secret).decode()
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + AESGCM(master).encrypt(nonce, secret, _context(purpose, label))
        return WRAPPED + base64.b64encode(sealed).decode()

    def unseal(self, path: Path, purpose: str, label: str, text: str) -> bytes:
        """Unwraps; a plain text is what `KeyFiles` reads itself."""
        name, master = self._master(purpose)
        if master is None:
            raise KekError(
                f"the key-encryption key {path} is wrapped: set AMZIGO_KEK to the key that wrapped it, or {name} if "
                "your role has a key of its own for it; without it you may not open what it protects"
            )
        sealed = decode(text.removeprefix(WRAPPED))
        if sealed is None or len(sealed) < NONCE_BYTES:
            raise KekError(f"the key-encryption key {path} is damaged: put the right file back")
        try:
            return AESGCM(master).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _context(purpose, label))
        except InvalidTag:
            raise KekError(
                f"{name} does not open the key-encryption key {path}: set the {name} that it was made with, "
                "or put the right file back"
            ) from None

    def _master(self, purpose: str) -> tuple[str, bytes | None]:
        own = f"AMZIGO_KEK_{purpose.upper()}"
        name = own if self._environment.get(own) else "AMZIGO_KEK"
        text = self._environment.get(name, "")
        if not text:
            return own, None
        master = decode(text.strip())
        if master is None or len(master) != KEY_BYTES:
            raise KekError(
                f"{name} is malformed: it must be 32 bytes in base64 (make one with: openssl rand -base64 32)"
            )
        return name, master


class KeyFiles:
    """A folder of key files. Safe to share between threads.

    Args:
        folder: where they lie; made when the first is.
        local: reads what it sealed, and what is plain.
        kms: reads what KMS sealed; None where KMS isn't set up.
        is_kms: whether new files are sealed by KMS.
    """

    def __init__(self, folder: Path, local: LocalSealer, kms: Sealer | None, is_kms: bool) -> None:
        self.folder = folder
        self._local, self._kms = local, kms
        self._new: Sealer = kms if is_kms and kms is not None else local

    def create(self, name: str, purpose: str, label: str) -> bytes:
        """Make a new key, durable when this returns; its 32 bytes.

        Raises:
            KekError: the folder can't be written, KMS refuses, or there is such a file already.
        """
        secret = secrets.token_bytes(KEY_BYTES)
        text = self._new.seal(purpose, label, secret)
        is_sealed = text.startswith((WRAPPED, KMS))
        path, temporary = self.folder / name, self.folder / f".tmp-{secrets.token_hex(4)}-{name}"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.fchmod(handle, _SEALED_MODE if is_sealed else _PLAIN_MODE)
                os.write(handle, text.encode() + b"\n")
                os.fsync(handle)
            finally:
                os.close(handle)
            # A link refuses to replace, and shows the whole file or none: a killed process leaves no half key.
            os.link(temporary, path)
            temporary.unlink()
            sync_folder(self.folder)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise KekError(
                f"no key-encryption key can be made in {self.folder} ({error.strerror}): "
                "free space or mend the folder's permissions"
            ) from None
        return secret

    def read(self, name: str, purpose: str, label: str) -> bytes:
        """The 32 bytes of a key.

        Raises:
            KekMissing: its file isn't there.
            KekError: the file is readable by others, damaged, or doesn't open.
        """
        path = self.folder / name
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode & 0o777
                text = file.read(8192).decode("ascii", "replace").strip()
        except FileNotFoundError:
            raise KekMissing(
                f"the key-encryption key {path} is missing: put it back (or set AMZIGO_KEK_DIR to where it lies); "
                "what it protects can't be read without it"
            ) from None
        except OSError as error:
            raise KekError(
                f"the key-encryption key {path} can't be read ({error.strerror}): mend its permissions"
            ) from None
        if mode & (_REFUSED_SEALED if text.startswith((WRAPPED, KMS)) else _REFUSED_PLAIN):
            raise KekError(
                f"the key-encryption key {path} is open to other users (mode {mode:04o}): run chmod 600 {path}"
            )
        if text.startswith(WRAPPED):
            return self._local.unseal(path, purpose, label, text)
        if text.startswith(KMS):
            if self._kms is None:
                raise KekError(
                    f"the key-encryption key {path} is protected by AWS KMS: set kms_key and region under [keys] in "
                    "amzigo.toml"
                )
            return self._kms.unseal(path, purpose, label, text)
        secret = decode(text)
        if secret is None or len(secret) != KEY_BYTES:
            raise KekError(
                f"the key-encryption key {path} is damaged (it is not 32 bytes in base64): put the right file back"
            )
        return secret

    def destroy(self, name: str) -> bool:
        """Overwrite a file, then remove it; durable when this returns. False when it was gone already.

        Raises:
            KekError: the file can't be overwritten or removed.
        """
        path = self.folder / name
        try:
            # Best effort on a journaling or copying medium; what counts is that no copy of it is made (see above).
            with path.open("r+b") as file:
                size = os.fstat(file.fileno()).st_size
                file.write(bytes(size))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
            sync_folder(self.folder)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise KekError(
                f"the key-encryption key {path} can't be destroyed ({error.strerror}): mend its permissions, run again"
            ) from None
        return True

    def names(self) -> list[str]:
        """The names of what is in the folder, in order; temporary files are left out.

        Raises:
            KekError: the folder can't be read.
        """
        try:
            return sorted(name for name in os.listdir(self.folder) if not name.startswith("."))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise KekError(
                f"the key-encryption keys' folder {self.folder} can't be read ({error.strerror}): mend its permissions"
            ) from None


def decode(text: str) -> bytes | None:
    """Strict base64; None where it isn't."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _context(purpose: str, label: str) -> bytes:
    return f"amzigo-kek-v1|{purpose}|{label}".encode()
