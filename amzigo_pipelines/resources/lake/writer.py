"""Writing partitions: encrypted from the first byte, and all or nothing.

Belongs here: the one way in which files get into the lake. Does not belong here: what rows go into which family
(`split.py`), reading, sweeping.

The order of things makes a crash harmless: temporary files, complete and durable -> renamed (nobody refers to them
yet) -> ONE transaction that makes them current and the former ones garbage -> garbage unlinked. Before the
transaction the old partition stands, after it the new one; whatever else lies about is swept.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib import metadata
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from amzigo_pipelines.catalog.model import Dataset, RetentionClass
from amzigo_pipelines.clock import Clock, today
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import data_keys, sellers
from amzigo_pipelines.resources.durability import sync_folder
from amzigo_pipelines.resources.keys.store import DataKey, KeyDestroyedMeanwhile, KeyStore
from amzigo_pipelines.resources.lake.content import CONTENT, ContentDigest
from amzigo_pipelines.resources.lake.files import (
    CURRENT,
    ErasedMeanwhile,
    LakeFile,
    LakeInputError,
    LakeWriteError,
    PartitionBusy,
    PartitionCommit,
    PartitionFacts,
    expires_on_of_partition,
    file_path,
    lock_name,
    make_current,
    select_partitions,
)
from amzigo_pipelines.resources.lake.new_files import next_version, open_sink, take_back, unlink_garbage
from amzigo_pipelines.resources.lake.sink import ParquetSink
from amzigo_pipelines.resources.lake.split import check_table, family_rows, split_pii
from amzigo_pipelines.resources.lake.tombstones import PEOPLE, Forgotten, add_found, select_subjects
from amzigo_pipelines.resources.locks import LockBusy, exclusive
from amzigo_pipelines.resources.retention_settings import RetentionSettings
from amzigo_pipelines.resources.steps import OnStep

# PII is split over some thirty files; together they buffer at most this much before the fullest is written out.
_BUFFERED_PII_BYTES = 32 << 20


@dataclass
class _Partition:
    """A dataset's partition on its way."""

    dataset: Dataset
    version: int
    sinks: dict[tuple[RetentionClass, date], tuple[DataKey, ParquetSink]] = field(default_factory=dict)
    rows: int = 0
    pii_rows: int = 0
    pii_rows_dropped: int = 0
    content: ContentDigest | None = None


class LakeWriter:
    """Writes one day of one seller, for one or more datasets at once. Made by `Lake.writer`; not for threads to share.

    Attributes:
        committed: what was committed, one entry a dataset; empty until the `with` block has ended well.
    """

    def __init__(
        self,
        lake_dir: Path,
        lock_dir: Path,
        control: ControlDatabase,
        keys: KeyStore,
        clock: Clock,
        periods: RetentionSettings,
        seller_id: str,
        day: date,
        datasets: Sequence[Dataset],
        origin: Mapping[str, str],
        on_step: OnStep,
        keep_unchanged: bool = False,
    ) -> None:
        self._keep_unchanged = keep_unchanged
        self._lake_dir, self._lock_dir = lake_dir, lock_dir
        self._control, self._keys, self._clock, self._periods = control, keys, clock, periods
        self._seller_id, self._day, self._origin = seller_id, day, dict(origin)
        self._datasets = sorted({d.name: d for d in datasets}.values(), key=lambda d: d.name)
        self._step = on_step
        self._locks = ExitStack()
        self._partitions: dict[str, _Partition] = {}
        self._forgotten = Forgotten(seller_id, (), keys)
        self.committed: list[PartitionCommit] = []

    def __enter__(self) -> LakeWriter:
        now_on = today(self._clock)
        if self._day > now_on:
            raise LakeInputError(f"{self._day} lies in the future: the lake takes days up to today, {now_on}")
        last = expires_on_of_partition(self._day, self._periods.business_days)
        if last <= now_on:
            raise LakeInputError(
                f"{self._day} is too old to be stored: Amazon's data is kept for {self._periods.business_days} days "
                f"from the first of a month ({self._day:%B %Y} had to go by {last})"
            )
        with ExitStack() as locks:
            # Always in the order of names, so that two writers of several datasets can't hold one half each.
            for dataset in self._datasets:
                try:
                    locks.enter_context(exclusive(self._lock_dir, lock_name(dataset.name, self._seller_id, self._day)))
                except LockBusy:
                    raise PartitionBusy(
                        f"{dataset.name} of seller {self._seller_id} for {self._day} is being written by another "
                        "process: wait for it to end, then try again"
                    ) from None
            with self._control.read() as connection:
                versions = {
                    dataset.name: next_version(self._lake_dir, connection, dataset.name, self._seller_id, self._day)
                    for dataset in self._datasets
                }
                subjects = select_subjects(connection, self._seller_id, PEOPLE)
            # After the reading: a seller's first digest makes a key, which can't be written while one reads.
            for dataset in self._datasets:
                content = self._digest_of(dataset)
                self._partitions[dataset.name] = _Partition(dataset, versions[dataset.name], content=content)
            self._forgotten = Forgotten(self._seller_id, subjects, self._keys)
            self._locks = locks.pop_all()
        self._step("locked")
        return self

    def append(self, dataset: Dataset, table: pa.Table, expires_on: pa.Array | pa.ChunkedArray | None = None) -> None:
        """Add rows of one of the datasets; any number of times.

        Args:
            dataset: one that the writer was made for.
            table: rows with exactly the dataset's schema.
            expires_on: date32, the date of death of each row's PII; required where the dataset has PII, else None.

        Raises:
            LakeInputError: the rows or dates aren't what they should be.
            LakeWriteError: the disk is full or can't be written.
        """
        if dataset.name not in self._partitions:
            raise LakeInputError(f"this write is for {', '.join(self._partitions)}, not for {dataset.name}")
        check_table(dataset, table, expires_on)
        table = self._forgotten.taken_off(dataset, table)
        partition, now_on = self._partitions[dataset.name], today(self._clock)
        parts: list[tuple[RetentionClass, date, pa.Table]] = []
        for family in dataset.families:
            if family is not RetentionClass.PII:
                dies_on = expires_on_of_partition(self._day, self._periods.period_days(family))
                # A day that is too old for pseudonyms may still be young enough for the rest.
                if dies_on > now_on:
                    parts.append((family, dies_on, family_rows(dataset, family, table)))
        if RetentionClass.PII in dataset.families:
            split = split_pii(dataset, table, expires_on, now_on, self._periods.pii_days)
            partition.pii_rows_dropped += split.dropped_rows
            partition.pii_rows += sum(rows.num_rows for _, rows in split.parts)
            parts += [(RetentionClass.PII, dies_on, rows) for dies_on, rows in split.parts]
        self._write(partition, [part for part in parts if part[2].num_rows])
        partition.rows += table.num_rows
        if partition.content is not None:
            partition.content.add(table)
        self._step("appended")

    def note(self, name: str, value: str) -> None:
        """Add to the partitions' origin what is known only now that their rows are."""
        self._origin[name] = value

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._locks:
            try:
                if kind is None and self._keep_unchanged and self._is_unchanged():
                    self.committed = [self._report(partition, [], True) for partition in self._partitions.values()]
                elif kind is None:
                    self._commit()
            finally:
                # After a commit the files have been renamed, and this finds nothing.
                for partition in self._partitions.values():
                    for _, sink in partition.sinks.values():
                        sink.abandon()

    def _write(self, partition: _Partition, parts: list[tuple[RetentionClass, date, pa.Table]]) -> None:
        new = [(family, dies_on) for family, dies_on, _ in parts if (family, dies_on) not in partition.sinks]
        try:
            for key in self._keys.keys_for(self._seller_id, new) if new else []:
                family = RetentionClass(key.key_class)
                partition.sinks[family, key.expires_on] = (key, self._sink(partition, family, key))
            for family, dies_on, rows in parts:
                partition.sinks[family, dies_on][1].append(rows)
            pii = [sink for (family, _), (_, sink) in partition.sinks.items() if family is RetentionClass.PII]
            while sum(sink.buffered_bytes for sink in pii) > _BUFFERED_PII_BYTES:
                max(pii, key=lambda sink: sink.buffered_bytes).flush()
        except OSError as error:
            raise self._write_error(error) from None

    def _sink(self, partition: _Partition, family: RetentionClass, key: DataKey) -> ParquetSink:
        facts = {
            **{f"amzigo.origin.{name}": value for name, value in self._origin.items()},
            "amzigo.seller": self._seller_id,
            "amzigo.dataset": partition.dataset.name,
            "amzigo.day": self._day.isoformat(),
            "amzigo.class": family.value,
            "amzigo.expires_on": key.expires_on.isoformat(),
            "amzigo.code_version": _code_version(),
        }
        place = self._place(partition, family, key.expires_on)
        return open_sink(self._lake_dir, place, partition.dataset.families[family], key, facts)

    def _commit(self) -> None:
        # Asked again in the transaction; here it spares the writing, and says why a seller's folder is gone.
        with self._control.read() as connection:
            self._refuse_erased(connection)
        files: list[LakeFile] = []
        renamed: list[Path] = []
        try:
            for partition in self._partitions.values():
                for (family, dies_on), (key, sink) in partition.sinks.items():
                    size, digest = sink.finish()
                    self._step("written")
                    files.append(
                        LakeFile(
                            path=self._place(partition, family, dies_on),
                            dataset=partition.dataset.name,
                            seller_id=self._seller_id,
                            day=self._day,
                            family=family,
                            expires_on=dies_on,
                            version=partition.version,
                            key_id=key.key_id,
                            rows=sink.rows,
                            bytes=size,
                            sha256=digest,
                            state=CURRENT,
                            created_at=self._clock.now(),
                        )
                    )
            sinks = [sink for partition in self._partitions.values() for _, sink in partition.sinks.values()]
            for file, sink in zip(files, sinks, strict=True):
                final = self._lake_dir / file.path
                sink.path.rename(final)
                renamed.append(final)
                self._step("renamed")
            for folder in {path.parent for path in renamed}:
                sync_folder(folder)
            self._step("synced")
            with self._control.transaction() as connection:
                garbage = self._record(connection, files)
                self._step("recorded")
        except BaseException as error:
            take_back(self._lake_dir, self._control, renamed)
            raise (self._write_error(error) if isinstance(error, OSError) else error) from None
        self._step("committed")
        self.committed = [self._report(partition, files) for partition in self._partitions.values()]
        unlink_garbage(self._lake_dir, self._control, garbage, self._step)
        self._step("done")

    def _record(self, connection: Connection, files: list[LakeFile]) -> list[LakeFile]:
        """Make the new files the current ones; returns all garbage of these partitions."""
        self._refuse_erased(connection)
        ids = sorted({file.key_id for file in files})
        alive = connection.execute(
            sa.select(sa.func.count()).where(data_keys.c.key_id.in_(ids), data_keys.c.destroyed_at.is_(None))
        ).scalar_one()
        if alive != len(ids):
            raise KeyDestroyedMeanwhile(
                f"keys of seller {self._seller_id} were destroyed while its data of {self._day} was being written: "
                "nothing was stored"
            )
        add_found(connection, self._seller_id, self._forgotten, self._clock.now())
        replaced = [self._facts(partition) for partition in self._partitions.values()]
        origins = {
            name: self._origin | ({} if partition.content is None else {CONTENT: partition.content.hexdigest()})
            for name, partition in self._partitions.items()
        }
        return make_current(connection, replaced, files, origins, self._clock.now())

    def _refuse_erased(self, connection: Connection) -> None:
        """Refuse to store what somebody asked to forget while it was on its way.

        Raises:
            ErasedMeanwhile: a buyer, an order or the seller was erased since the write began.
        """
        removed = sa.select(sellers.c.removed_at).where(sellers.c.seller_id == self._seller_id)
        if connection.execute(removed).scalar() is not None:
            raise ErasedMeanwhile(f"seller {self._seller_id} was removed: nothing of {self._day} was stored")
        if len(select_subjects(connection, self._seller_id, PEOPLE)) != self._forgotten.count:
            raise ErasedMeanwhile(
                f"somebody was erased from the data of seller {self._seller_id} while its {self._day} was being "
                "written: nothing was stored, extract the day again"
            )

    def _report(self, partition: _Partition, files: list[LakeFile], is_unchanged: bool = False) -> PartitionCommit:
        own = [file for file in files if file.dataset == partition.dataset.name]
        return PartitionCommit(
            **vars(self._facts(partition)),
            files=len(own),
            bytes=sum(file.bytes for file in own),
            is_unchanged=is_unchanged,
        )

    def _digest_of(self, dataset: Dataset) -> ContentDigest | None:
        # Only what is fetched again night after night is ever compared.
        if not dataset.source.lookback_days:
            return None
        return ContentDigest(self._keys.pseudonymiser(self._seller_id))

    def _is_unchanged(self) -> bool:
        with self._control.read() as connection:
            known = {
                record.dataset: record.origin.get(CONTENT)
                for name in self._partitions
                for record in select_partitions(connection, self._seller_id, name)
                if record.day == self._day
            }
        return all(
            partition.content is not None and known.get(name) == partition.content.hexdigest()
            for name, partition in self._partitions.items()
        )

    def _facts(self, partition: _Partition) -> PartitionFacts:
        return PartitionFacts(
            dataset=partition.dataset.name,
            seller_id=self._seller_id,
            day=self._day,
            version=partition.version,
            rows=partition.rows,
            pii_rows=partition.pii_rows,
            pii_rows_dropped=partition.pii_rows_dropped,
        )

    def _place(self, partition: _Partition, family: RetentionClass, dies_on: date) -> str:
        return file_path(partition.dataset.name, self._seller_id, self._day, family, dies_on, partition.version)

    def _write_error(self, error: OSError) -> LakeWriteError:
        # Arrow wraps the system's sentence in its own, of several lines; the number alone says it best.
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        return LakeWriteError(
            f"the lake {self._lake_dir} can't be written ({reason}): free space or mend its "
            f"permissions; {self._day} of seller {self._seller_id} is as it was"
        )


@cache
def _code_version() -> str:
    try:
        return metadata.version("amzigo-pipelines")
    except metadata.PackageNotFoundError:
        return "uninstalled checkout"
