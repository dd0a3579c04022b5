"""Taking rows out of the lake for good: what else their key opened moves to a fresh key, and theirs is destroyed.

Belongs here: how rows leave files. Does not belong here: whose rows (`row_match.py`), why, and what is certified of it
(`retention/erasing.py`).

One data key opens all files of a seller that die on one date. A file written anew without the rows would not be enough:
a copy of the old one would still open. So all files of that key are written anew under a fresh key with the same date
of death, those without such rows too, and ONE transaction makes the new files current, the old ones garbage, adds the
fresh key and destroys the old one. Until then the fresh key exists in memory only, so what a crash leaves behind nobody
can read; from then on nobody can read the old files, wherever a copy of them lies. That no old copy of the control
database brings the key back takes an exchange of its KEK, which is the caller's to order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa
from pyarrow.parquet.encryption import create_decryption_properties
from sqlalchemy.engine import Connection

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.registry import STORED
from amzigo_pipelines.clock import Clock
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import lake_files, partitions
from amzigo_pipelines.resources.durability import sync_folder
from amzigo_pipelines.resources.keys.store import DataKey, KeyDead, KeyStore
from amzigo_pipelines.resources.lake.content import CONTENT
from amzigo_pipelines.resources.lake.files import (
    CURRENT,
    GARBAGE,
    LakeFile,
    LakeWriteError,
    PartitionBusy,
    file_path,
    lock_name,
    select_files,
)
from amzigo_pipelines.resources.lake.new_files import next_version, open_sink, take_back, unlink_garbage
from amzigo_pipelines.resources.lake.row_match import RowMatch
from amzigo_pipelines.resources.lake.search import LakeSearch
from amzigo_pipelines.resources.lake.sink import ParquetSink
from amzigo_pipelines.resources.locks import LockBusy, exclusive
from amzigo_pipelines.resources.steps import OnStep

_LOCK_WAIT_S = 60.0
_ATTEMPTS = 4


@dataclass(frozen=True)
class Removal:
    """What was taken out of the files of one data key.

    Attributes:
        key_id: the key, destroyed.
        family: class of the data.
        expires_on: its date of death, which is that of the fresh key, too.
        fresh_key_id: what the other rows are under now; None where there are none.
        rows: rows taken out, by dataset.
        bytes: size of the files that were destroyed.
        files: how many those are.
        rows_moved: other rows, which are under the fresh key now.
    """

    key_id: str
    family: RetentionClass
    expires_on: date
    fresh_key_id: str | None
    rows: dict[str, int]
    bytes: int
    files: int
    rows_moved: int


Within = Callable[[Connection, Removal], None]


class _Changed(Exception):
    """The key's files are not those that were read."""


class LakeRewriter:
    """Takes rows out of the files of data keys.

    Args:
        lake_dir: the lake's folder.
        lock_dir: locks of partitions.
        control: the books.
        keys: opens, adds and destroys keys.
        clock: dates files.
        on_step: told the name of each step as it is done; tests end the process there.
    """

    def __init__(
        self, lake_dir: Path, lock_dir: Path, control: ControlDatabase, keys: KeyStore, clock: Clock, on_step: OnStep
    ) -> None:
        self._dir, self._lock_dir, self._control, self._keys, self._clock = lake_dir, lock_dir, control, keys, clock
        self._search = LakeSearch(lake_dir, control, keys)
        self._step = on_step

    def remove(self, key_id: str, match: RowMatch, within: Within) -> Removal:
        """Take the rows that match out of all files of a data key, and destroy that key.

        Args:
            key_id: a living key.
            match: which rows.
            within: called in the transaction that does it, to write down what was done.

        Raises:
            KeyDead: the key died meanwhile, and everything under it.
            PartitionBusy: one of the partitions was being written for a minute.
            LakeDamaged: a file isn't what was written; nothing was changed.
            LakeWriteError: the disk is full; nothing was changed.
        """
        for attempt in range(_ATTEMPTS):
            files = self._files(key_id)
            with ExitStack() as locks:
                self._lock(locks, files)
                try:
                    return self._remove(key_id, files, match, within)
                except _Changed:
                    if attempt == _ATTEMPTS - 1:
                        break
        raise PartitionBusy("the lake is being written over and over: wait for the extraction to end, then try again")

    def _files(self, key_id: str) -> list[LakeFile]:
        with self._control.read() as connection:
            return _files_of_key(connection, key_id, CURRENT)

    def _lock(self, locks: ExitStack, files: Sequence[LakeFile]) -> None:
        # A writer never waits for a lock that it lacks, so waiting here in any order ends.
        for name in sorted({lock_name(file.dataset, file.seller_id, file.day) for file in files}):
            try:
                locks.enter_context(exclusive(self._lock_dir, name, wait_s=_LOCK_WAIT_S))
            except LockBusy:
                raise PartitionBusy(
                    "a partition that has to be written anew is being extracted: wait for that to end, then try again"
                ) from None

    def _remove(self, key_id: str, files: Sequence[LakeFile], match: RowMatch, within: Within) -> Removal:
        if self._files(key_id) != list(files):
            raise _Changed
        old = self._keys.open(key_id)
        fresh = self._keys.draft(old.seller_id, old.key_class, old.expires_on)
        sinks: list[ParquetSink] = []
        renamed: list[Path] = []
        removed: dict[str, int] = {}
        try:
            with self._control.read() as connection:
                versions = {
                    file.path: next_version(self._dir, connection, file.dataset, file.seller_id, file.day)
                    for file in files
                }
            new: list[LakeFile] = []
            lost = dict.fromkeys((file.path for file in files), 0)
            for file in files:
                place = file_path(
                    file.dataset, file.seller_id, file.day, file.family, file.expires_on, versions[file.path]
                )
                schema = STORED[file.dataset].families[file.family]
                sink = open_sink(self._dir, place, schema, fresh, self._facts(file, old))
                sinks.append(sink)
                for table, mask in self._search.rows(file, old, match):
                    kept = table.select(schema.names).filter(pc.invert(mask))
                    lost[file.path] += table.num_rows - kept.num_rows
                    if kept.num_rows:
                        sink.append(kept)
                if lost[file.path]:
                    removed[file.dataset] = removed.get(file.dataset, 0) + lost[file.path]
                if not sink.rows:
                    sink.abandon()
                    continue
                size, digest = sink.finish()
                (self._dir / place).parent.mkdir(exist_ok=True)
                sink.path.rename(self._dir / place)
                renamed.append(self._dir / place)
                now = {
                    "path": place,
                    "version": versions[file.path],
                    "key_id": fresh.key_id,
                    "rows": sink.rows,
                    "bytes": size,
                    "sha256": digest,
                    "created_at": self._clock.now(),
                }
                new.append(LakeFile(**(vars(file) | now)))
                self._step("rewritten")
            for folder in {path.parent for path in renamed}:
                sync_folder(folder)
            self._step("durable")
            removal = Removal(
                key_id=key_id,
                family=RetentionClass(old.key_class),
                expires_on=old.expires_on,
                fresh_key_id=fresh.key_id if new else None,
                rows=removed,
                bytes=sum(file.bytes for file in files),
                files=len(files),
                rows_moved=sum(file.rows for file in new),
            )
            with self._control.transaction() as connection:
                self._swap(connection, key_id, fresh if new else None, files, new)
                for file in files:
                    self._renew_partition(connection, file, versions[file.path], lost[file.path])
                within(connection, removal)
                self._step("swapped")
        except BaseException as error:
            take_back(self._dir, self._control, renamed)
            if isinstance(error, OSError):
                raise LakeWriteError(
                    f"the lake {self._dir} can't be written: free space or mend its permissions; nothing was erased "
                    "under this key, run it again"
                ) from None
            raise
        finally:
            for sink in sinks:
                sink.abandon()
        self._step("committed")
        self.unlink(key_id)
        self._step("unlinked")
        return removal

    def unlink(self, key_id: str) -> None:
        """Unlink what is left of a destroyed key's files; harmless when nothing is."""
        with self._control.read() as connection:
            garbage = _files_of_key(connection, key_id, GARBAGE)
        unlink_garbage(self._dir, self._control, garbage)

    def _swap(
        self,
        connection: Connection,
        key_id: str,
        fresh: DataKey | None,
        files: Sequence[LakeFile],
        new: Sequence[LakeFile],
    ) -> None:
        if _files_of_key(connection, key_id, CURRENT) != list(files):
            raise _Changed
        # The old key first: there is one living key of a date.
        if not self._keys.destroy_in(connection, [key_id]):
            raise KeyDead(f"key {key_id} died while its files were being written anew: what it opened is gone")
        if fresh is not None:
            self._keys.add(connection, [fresh])
        f = lake_files.c
        connection.execute(lake_files.update().where(f.key_id == key_id, f.state == CURRENT).values(state=GARBAGE))
        if new:
            connection.execute(lake_files.insert(), [vars(file) for file in new])

    def _renew_partition(self, connection: Connection, file: LakeFile, version: int, lost: int) -> None:
        p = partitions.c
        these = sa.and_(p.dataset == file.dataset, p.seller_id == file.seller_id, p.day == file.day)
        row = connection.execute(sa.select(p.pii_rows, p.origin).where(these)).first()
        if row is None:
            return
        values = {"version": version, "committed_at": self._clock.now()}
        if lost:
            # The digest of what Amazon said spoke of these rows as well.
            origin = json.loads(row.origin)
            origin.pop(CONTENT, None)
            values["origin"] = json.dumps(origin, sort_keys=True)
            if file.family is RetentionClass.PII:
                values["pii_rows"] = row.pii_rows - lost
        connection.execute(partitions.update().where(these).values(**values))

    def _facts(self, file: LakeFile, key: DataKey) -> dict[str, str]:
        properties = create_decryption_properties(key.secret, aad_prefix=file.path.encode())
        found = pq.read_metadata(self._dir / file.path, decryption_properties=properties).metadata or {}
        return {name.decode(): value.decode() for name, value in found.items() if name.startswith(b"amzigo.")}


def _files_of_key(connection: Connection, key_id: str, state: str) -> list[LakeFile]:
    return select_files(connection, state=state, key_id=key_id)
