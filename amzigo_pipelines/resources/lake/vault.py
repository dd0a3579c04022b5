"""The vault: copies of rows under legal holds, each hold under a key of its own, apart from the lake.

Belongs here: the vault's files and their rows in the books. Does not belong here: which rows are held, why and until
when (`retention/holds.py`).

A held row dies in the lake on its date like any other; only its copy lives on. The key's purpose is `hold`, so that a
role can read the lake's PII and not the vault, or neither.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from pyarrow.parquet.encryption import create_decryption_properties

from amzigo_pipelines.catalog.registry import STORED
from amzigo_pipelines.clock import Clock
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import vault_files
from amzigo_pipelines.resources.control.statements import put_row
from amzigo_pipelines.resources.durability import sync_folder
from amzigo_pipelines.resources.home import Home
from amzigo_pipelines.resources.keys.store import DataKey, KeyStore
from amzigo_pipelines.resources.lake.files import LakeFile
from amzigo_pipelines.resources.lake.new_files import open_sink
from amzigo_pipelines.resources.lake.reader import DAY
from amzigo_pipelines.resources.lake.row_match import RowMatch
from amzigo_pipelines.resources.lake.search import LakeSearch


class VaultError(AmzigoError):
    """A copy of held rows is missing, was changed, or can't be written."""


@dataclass(frozen=True)
class VaultFile:
    """One copy.

    Attributes:
        hold: number of the hold.
        source: path of the lake's file that the rows were copied from.
        rows: how many.
        bytes: size of the copy.
        sha256: of its (encrypted) bytes.
    """

    hold: int
    source: str
    rows: int
    bytes: int
    sha256: str

    @property
    def place(self) -> str:
        """Its path relative to the vault, which its encryption authenticates."""
        return f"{folder_of(self.hold)}/{self.source}"


def folder_of(hold: int) -> str:
    """A hold's folder relative to the vault."""
    return f"hold={hold:06d}"


class Vault:
    """The copies of all holds.

    Args:
        home: whose `vault/`.
        control: the books.
        keys: opens the holds' keys.
        clock: dates copies.
    """

    def __init__(self, home: Home, control: ControlDatabase, keys: KeyStore, clock: Clock) -> None:
        self._dir, self._control, self._keys, self._clock = home.vault_dir, control, keys, clock

    def files(self, hold: int) -> list[VaultFile]:
        """A hold's copies, by source."""
        c = vault_files.c
        columns = [c[name] for name in VaultFile.__dataclass_fields__]
        with self._control.read() as connection:
            rows = connection.execute(sa.select(*columns).where(c.hold == hold).order_by(c.source)).all()
        return [VaultFile(*row) for row in rows]

    def copy(
        self,
        hold: int,
        vault_key: DataKey,
        source: LakeFile,
        source_key: DataKey,
        match: RowMatch,
        search: LakeSearch,
    ) -> VaultFile:
        """Copy the rows of a lake file that match, in the place of an earlier copy; durable and in the books then.

        Args:
            hold: its number.
            vault_key: the hold's key.
            source: the lake's file.
            source_key: what opens it.
            match: which rows.
            search: reads them.

        Raises:
            LakeDamaged: the lake's file is missing or isn't what was written.
            VaultError: the vault can't be written.
        """
        place = f"{folder_of(hold)}/{source.path}"
        schema = STORED[source.dataset].families[source.family]
        facts = {"amzigo.hold": str(hold), "amzigo.source": source.path}
        try:
            sink = open_sink(self._dir, place, schema, vault_key, facts)
            try:
                for table, mask in search.rows(source, source_key, match):
                    sink.append(table.select(schema.names).filter(mask))
                size, digest = sink.finish()
                copied = VaultFile(hold, source.path, sink.rows, size, digest)
                values = {name: value for name, value in vars(copied).items() if name not in ("hold", "source")}
                with self._control.transaction() as connection:
                    put_row(
                        connection,
                        vault_files,
                        {"hold": hold, "source": source.path},
                        {**values, "copied_at": self._clock.now()},
                    )
                    # In the place of an earlier copy, which had fewer rows; just before the books say so.
                    sink.path.replace(self._dir / place)
                    sync_folder((self._dir / place).parent)
            finally:
                sink.abandon()
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
            raise VaultError(f"{self._dir} can't be written ({reason}): free space or mend its permissions") from None
        return copied

    def read(self, hold: int, key_id: str) -> Iterator[tuple[str, pa.Table]]:
        """The held rows: for each copy its dataset and rows, with their partition's `day`. The caller audits it.

        Raises:
            KeyDead: the hold is over.
            VaultError: a copy is missing or was changed.
        """
        key = self._keys.open(key_id)
        for file in self.files(hold):
            path = self._dir / file.place
            dataset, _, day, _ = file.source.split("/")
            if not _is_whole(path, file):
                raise VaultError(f"{path} is missing or not what was written there: restore the vault from a backup")
            opening = create_decryption_properties(key.secret, aad_prefix=file.place.encode())
            try:
                table = pq.read_table(path, decryption_properties=opening, partitioning=None)
            except (OSError, pa.ArrowException):
                raise VaultError(f"{path} does not open with its hold's key: restore the vault from a backup") from None
            days = pa.array([day.removeprefix("day=")] * table.num_rows, pa.string()).cast(DAY.type)
            yield dataset, table.append_column(DAY, days)

    def destroy(self, hold: int) -> None:
        """Remove a hold's copies and their rows in the books; its key must be destroyed before. Safe to repeat.

        Raises:
            VaultError: a file can't be removed.
        """
        folder = self._dir / folder_of(hold)
        try:
            if folder.exists():
                shutil.rmtree(folder)
                sync_folder(self._dir)
        except OSError as error:
            raise VaultError(f"{folder} can't be removed ({error.strerror}): mend its permissions, run again") from None

    def is_gone(self, hold: int) -> bool:
        """Whether no file of a hold lies in the vault."""
        return not (self._dir / folder_of(hold)).exists()


def _is_whole(path: Path, file: VaultFile) -> bool:
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256
    except OSError:
        return False
