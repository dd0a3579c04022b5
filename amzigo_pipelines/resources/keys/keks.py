"""Key-encryption keys (KEKs): one file a version in the KEK folder, each purpose apart.

Belongs here: making, reading and destroying versions, and whether the role may. Does not belong here: what protects
a file (`files.py`, `kms.py`), what KEKs wrap (`store.py`), and when a new version takes over (`rotation.py`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.home import Home, KeyProvider
from amzigo_pipelines.resources.keys.files import KEY_BYTES, NONCE_BYTES, KekError, KekMissing, KeyFiles, LocalSealer
from amzigo_pipelines.resources.keys.roles import KekPurpose, check_may_open

__all__ = ["KEY_BYTES", "NONCE_BYTES", "KekError", "KekMissing", "KekOutdated", "KekPurpose", "KekStore", "key_files"]

_FILE = re.compile(r"^(?P<purpose>[a-z]+)-(?P<version>\d{6})\.key$")


class KekOutdated(KekMissing):
    """That version was destroyed and a newer one is there: whoever asks for it has an old control database."""


class KekStore:
    """The KEK files of an installation. Nothing is cached: a destroyed version is gone with its file.

    Safe to share between threads.

    Args:
        home: whose `kek_dir` to use, and what protects new files.
        environment: where AMZIGO_ROLE and AMZIGO_KEK are looked up, at each use; the process's own when None.
        installation_id: bound to each file by KMS; needed with KMS only.
    """

    def __init__(
        self,
        home: Home,
        environment: Mapping[str, str] | None = None,
        installation_id: Callable[[], str] | None = None,
    ) -> None:
        self.lock_folder = home.lock_dir
        self._environment = os.environ if environment is None else environment
        self._files = key_files(home, self._environment, installation_id)

    def create(self, purpose: str, above: int = 0) -> int:
        """Make a new version, durable when this returns, with a number higher than `above` and all files there are.

        Raises:
            RoleRefused: the role may not.
            KekError: the folder can't be written, or AMZIGO_KEK is malformed.
            AwsError: KMS refuses.
        """
        purpose = KekPurpose(purpose)
        check_may_open(purpose, self._environment)
        version = max([above, *self.versions(purpose)]) + 1
        self._files.create(_name(purpose, version), purpose, str(version))
        return version

    def get(self, purpose: str, version: int) -> bytes:
        """The 32 bytes of a version.

        Raises:
            RoleRefused: the role may not.
            KekMissing: its file isn't there; `KekOutdated`: but a newer one is.
            KekError: the file is readable by others, damaged, or doesn't open under the present AMZIGO_KEK or KMS key.
        """
        purpose = KekPurpose(purpose)
        check_may_open(purpose, self._environment)
        name = _name(purpose, version)
        try:
            return self._files.read(name, purpose, str(version))
        except KekMissing:
            newest = max(self.versions(purpose), default=0)
            if newest <= version:
                raise
            raise KekOutdated(
                f"{name} is missing from {self._files.folder}, for version {newest} took its place: this control "
                f"database is a copy from before that, and what was destroyed since does not come back; put today's "
                "database back, or restore with 'amzigo restore'"
            ) from None

    def destroy(self, purpose: str, version: int) -> bool:
        """Overwrite a version's file, then remove it; durable when this returns. False when it was gone already.

        Raises:
            RoleRefused: the role may not.
            KekError: the file can't be overwritten or removed.
        """
        purpose = KekPurpose(purpose)
        check_may_open(purpose, self._environment)
        return self._files.destroy(_name(purpose, version))

    def versions(self, purpose: str) -> list[int]:
        """The versions whose files are there, in order."""
        matches = (_FILE.match(name) for name in self._files.names())
        return sorted(int(match["version"]) for match in matches if match and match["purpose"] == purpose)


def key_files(home: Home, environment: Mapping[str, str], installation_id: Callable[[], str] | None = None) -> KeyFiles:
    """The key files of a home, protected as its settings say."""
    kms = None
    if home.keys.kms_key:
        from amzigo_pipelines.resources.keys.kms import KmsSealer

        kms = KmsSealer(home, installation_id or _no_installation)
    return KeyFiles(home.kek_dir, LocalSealer(environment), kms, home.keys.provider is KeyProvider.KMS)


def _name(purpose: str, version: int) -> str:
    return f"{purpose}-{version:06d}.key"


def _no_installation() -> str:
    raise AmzigoError("KMS needs to know the installation: open the keys through the platform")
