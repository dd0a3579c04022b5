"""AWS KMS as the protector of key files: each is encrypted by a KMS key, bound to what it is by its encryption context.

Belongs here: the two calls to KMS and what their refusals mean. Does not belong here: the files (`files.py`).

KMS deletes a key 7 to 30 days after it is asked to, so a KMS key can't be what is destroyed daily: it only protects
files, and a version is destroyed with its file, at once. To shut everything off at once, disable the KMS key.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from amzigo_pipelines.resources.aws import AwsDenied, AwsError, AwsUnavailable, aws_client, aws_errors
from amzigo_pipelines.resources.home import Home
from amzigo_pipelines.resources.keys.files import KEY_BYTES, KMS, KekError, decode

_PURPOSE_MARK = "{purpose}"
_NOT_WHAT_IT_WAS = ("InvalidCiphertextException", "IncorrectKeyException")
_SWITCHED_OFF = ("DisabledException", "KMSInvalidStateException")


class KmsSealer:
    """Encrypts and decrypts by AWS KMS. Safe to share between threads.

    Args:
        home: its `[keys]` names the KMS key (`{purpose}` in it makes one a purpose), region and endpoint.
        installation_id: part of the encryption context: a file can't be passed off as another installation's.
    """

    def __init__(self, home: Home, installation_id: Callable[[], str]) -> None:
        self._home = home
        self._installation_id = installation_id
        self._lock = threading.Lock()
        self._client: Any = None

    def seal(self, purpose: str, label: str, secret: bytes) -> str:
        """The ciphertext that KMS gives, in base64.

        Raises:
            KekError: KMS refuses; `AwsUnavailable`: it can't be reached.
        """
        key_id = self._key_id(purpose)
        with _refusals(key_id, purpose):
            answer = self._kms().encrypt(
                KeyId=key_id, Plaintext=secret, EncryptionContext=self._context(purpose, label)
            )
        return KMS + base64.b64encode(answer["CiphertextBlob"]).decode()

    def unseal(self, path: Path, purpose: str, label: str, text: str) -> bytes:
        """What KMS decrypts.

        Raises:
            KekError: KMS refuses: denied, disabled, or not what the file is named.
            AwsUnavailable: it can't be reached.
        """
        blob = decode(text.removeprefix(KMS))
        if not blob:
            raise KekError(f"the key-encryption key {path} is damaged: put the right file back")
        key_id = self._key_id(purpose)
        with _refusals(key_id, purpose, path):
            answer = self._kms().decrypt(
                KeyId=key_id, CiphertextBlob=blob, EncryptionContext=self._context(purpose, label)
            )
        secret = bytes(answer["Plaintext"])
        if len(secret) != KEY_BYTES:
            raise KekError(f"the key-encryption key {path} is damaged: put the right file back")
        return secret

    def _key_id(self, purpose: str) -> str:
        return self._home.keys.kms_key.replace(_PURPOSE_MARK, purpose)

    def _context(self, purpose: str, label: str) -> dict[str, str]:
        return {"amzigo-purpose": purpose, "amzigo-version": label, "amzigo-installation": self._installation_id()}

    def _kms(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = aws_client(self._home, "kms", self._home.keys)
            return self._client


@contextmanager
def _refusals(key_id: str, purpose: str, path: Path | None = None) -> Iterator[None]:
    """Say what a refusal of KMS's means for the keys of a purpose; `path` is the file that was to be opened."""
    try:
        with aws_errors(f"the KMS key {key_id}", "[keys]"):
            yield
    except AwsUnavailable:
        raise
    except AwsDenied as error:
        raise KekError(f"{error}; without it you may not open what is protected by {purpose} keys") from None
    except AwsError as error:
        if path is not None and error.code in _NOT_WHAT_IT_WAS:
            raise KekError(
                f"the KMS key {key_id} does not open {path}: the file was changed, is another version's or another "
                "installation's, or was made by another KMS key; put the right file back"
            ) from None
        if error.code in _SWITCHED_OFF:
            raise KekError(
                f"the KMS key {key_id} is disabled or to be deleted, so nothing protected by {purpose} keys opens: "
                "enable it in AWS KMS if that was not meant"
            ) from None
        raise KekError(str(error)) from None
