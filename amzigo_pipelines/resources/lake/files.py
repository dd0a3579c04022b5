"""What the lake knows of its files: records, names, errors, and the rows of `lake_files` and `partitions`.

Belongs here: the naming rule of a file and statements over the two tables. Does not belong here: touching files
(`writer.py`, `reader.py`, `sweep.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import lake_files, partitions
from amzigo_pipelines.resources.control.statements import chunks, put_row
from amzigo_pipelines.resources.locks import LockBusy

CURRENT, GARBAGE, DESTROYED = "current", "garbage", "destroyed"
TEMPORARY_PREFIX = ".tmp-"
_PATH = re.compile(
    r"[a-z][a-z0-9_]*/seller=[A-Z0-9]{3,32}/day=\d{4}-\d\d-\d\d/(pii|pseudonym|business)-\d{4}-\d\d-\d\d-\d{6,}\.parquet"
)


class LakeError(AmzigoError):
    """The lake refused or failed."""


class LakeDamaged(LakeError):
    """A file is missing, was changed, or lies in a place that isn't its own."""


class LakeWriteError(LakeError):
    """The lake's folder is full or can't be written. The partition is as it was."""


class LakeInputError(LakeError):
    """What was to be written isn't what the dataset is declared to be, or is too old or too new to be kept."""


class PartitionBusy(LakeError, LockBusy):
    """Another process is writing the same partition."""

    is_retryable = True


class ErasedMeanwhile(LakeError):
    """What was being written holds data of somebody who was erased meanwhile. The partition is as it was."""

    is_retryable = True


@dataclass(frozen=True)
class LakeFile:
    """One file of the lake, as the control database has it.

    Attributes:
        path: relative to the lake's folder, with `/`; also what its encryption authenticates.
        dataset: name of the dataset.
        seller_id: whose data.
        day: the partition's day (UTC).
        family: retention class of its columns.
        expires_on: date of death of its key.
        version: of the partition that it belongs to.
        key_id: the key that opens it.
        rows: rows in it.
        bytes: its size.
        sha256: of its (encrypted) bytes, hexadecimal.
        state: `current`, `garbage` (replaced, to be unlinked) or `destroyed` (gone, with its data).
        created_at: when it was committed.
    """

    path: str
    dataset: str
    seller_id: str
    day: date
    family: RetentionClass
    expires_on: date
    version: int
    key_id: str
    rows: int
    bytes: int
    sha256: str
    state: str
    created_at: datetime


@dataclass(frozen=True)
class PartitionFacts:
    """A version of a partition, and how much is in it.

    Attributes:
        dataset: name of the dataset.
        seller_id: whose data.
        day: the partition's day.
        version: the version that is current now.
        rows: rows written.
        pii_rows: rows whose PII was stored.
        pii_rows_dropped: rows that had PII whose date had come, and was not stored.
    """

    dataset: str
    seller_id: str
    day: date
    version: int
    rows: int
    pii_rows: int
    pii_rows_dropped: int


@dataclass(frozen=True)
class PartitionRecord(PartitionFacts):
    """What is known of a partition: it was extracted, and how much there was (0 rows is a fact too)."""

    origin: dict[str, str]
    committed_at: datetime


@dataclass(frozen=True)
class PartitionCommit(PartitionFacts):
    """What a write made of one partition.

    Attributes:
        files: files written.
        bytes: their size.
        is_unchanged: True where the rows were those that are stored already, and nothing was written.
    """

    files: int
    bytes: int
    is_unchanged: bool = False


_COLUMNS = tuple(LakeFile.__dataclass_fields__)
_FAMILY = _COLUMNS.index("family")


def partition_folder(dataset: str, seller_id: str, day: date) -> str:
    """A partition's folder relative to the lake's."""
    return f"{dataset}/seller={seller_id}/day={day.isoformat()}"


def file_path(dataset: str, seller_id: str, day: date, family: RetentionClass, expires_on: date, version: int) -> str:
    """A file's path relative to the lake's folder: also the logical place that its encryption authenticates."""
    return f"{partition_folder(dataset, seller_id, day)}/{family}-{expires_on.isoformat()}-{version:06d}.parquet"


def lock_name(dataset: str, seller_id: str, day: date) -> str:
    """Name of a partition's lock."""
    return f"lake-{dataset}-{seller_id}-{day.isoformat()}"


def expires_on_of_partition(day: date, period_days: int) -> date:
    """Date of death of a partition's business or pseudonym family: its month's first day plus the class's period."""
    return day.replace(day=1) + timedelta(days=period_days)


def is_lake_path(path: str) -> bool:
    """Whether a relative path is one that the lake gives to files: nothing else is ever unlinked on a row's word."""
    return _PATH.fullmatch(path) is not None


def check_place(file: LakeFile) -> LakeFile:
    """The file itself.

    Raises:
        LakeDamaged: its row names a path that isn't the one its other columns give.
    """
    if file.path != file_path(file.dataset, file.seller_id, file.day, file.family, file.expires_on, file.version):
        raise LakeDamaged(
            f"the control database's row of lake file {file.path!r} was changed: restore the database from a backup, "
            "or extract the partition again"
        )
    return file


def select_files(
    connection: Connection,
    dataset: str | None = None,
    seller_id: str | None = None,
    days: Collection[date] | None = None,
    families: Iterable[RetentionClass] | None = None,
    state: str | None = CURRENT,
    key_id: str | None = None,
) -> list[LakeFile]:
    """Files by the facts given (None: any), ordered by dataset, seller, day, path."""
    c = lake_files.c
    query = sa.select(*(c[name] for name in _COLUMNS))
    if dataset is not None:
        query = query.where(c.dataset == dataset)
    if seller_id is not None:
        query = query.where(c.seller_id == seller_id)
    if families is not None:
        query = query.where(c.family.in_(list(families)))
    if state is not None:
        query = query.where(c.state == state)
    if key_id is not None:
        query = query.where(c.key_id == key_id)
    query = query.order_by(c.dataset, c.seller_id, c.day, c.path)
    pieces: Iterator[Sequence[date] | None] = iter([None]) if days is None else chunks(sorted(set(days)))
    found: list[LakeFile] = []
    for chunk in pieces:
        rows = connection.execute(query if chunk is None else query.where(c.day.in_(chunk)))
        found += [file_of_row(row) for row in rows]
    return found


def select_partitions(connection: Connection, seller_id: str, dataset: str | None = None) -> list[PartitionRecord]:
    """A seller's committed partitions, ordered by dataset and day."""
    c = partitions.c
    query = sa.select(*(c[name] for name in PartitionRecord.__dataclass_fields__)).where(c.seller_id == seller_id)
    if dataset is not None:
        query = query.where(c.dataset == dataset)
    rows = connection.execute(query.order_by(c.dataset, c.day))
    return [PartitionRecord(**{**row._asdict(), "origin": json.loads(row.origin)}) for row in rows]


def select_changed_at(connection: Connection, seller_id: str) -> datetime | None:
    """When a partition of the seller was last committed; None when there is none."""
    newest = sa.select(sa.func.max(partitions.c.committed_at)).where(partitions.c.seller_id == seller_id)
    found: datetime | None = connection.execute(newest).scalar()
    return found


def make_current(
    connection: Connection,
    replaced: Sequence[PartitionFacts],
    files: Sequence[LakeFile],
    origins: Mapping[str, Mapping[str, str]],
    committed_at: datetime,
) -> list[LakeFile]:
    """Put partitions and their new files in the place of what there was; one write transaction must hold it all.

    Args:
        connection: of the transaction.
        replaced: the partitions.
        files: their new files.
        origins: for each dataset, where its rows come from.
        committed_at: now.

    Returns:
        all garbage of these partitions: files of theirs that are to be unlinked after the commit.
    """
    garbage: list[LakeFile] = []
    for partition in replaced:
        connection.execute(
            lake_files.update()
            .where(
                lake_files.c.dataset == partition.dataset,
                lake_files.c.seller_id == partition.seller_id,
                lake_files.c.day == partition.day,
                lake_files.c.state == CURRENT,
            )
            .values(state=GARBAGE)
        )
        garbage += select_files(connection, partition.dataset, partition.seller_id, [partition.day], state=GARBAGE)
        values = {**vars(partition), "origin": json.dumps(dict(origins[partition.dataset]), sort_keys=True)}
        values["committed_at"] = committed_at
        put_row(connection, partitions, {name: values.pop(name) for name in ("dataset", "seller_id", "day")}, values)
    if files:
        connection.execute(lake_files.insert(), [vars(file) for file in files])
    return garbage


def forget_garbage(control: ControlDatabase, paths: Sequence[str]) -> None:
    """Drop the rows of replaced files that are no more."""
    for chunk in chunks(paths):
        with control.transaction() as connection:
            connection.execute(lake_files.delete().where(lake_files.c.path.in_(chunk), lake_files.c.state == GARBAGE))


def known_version(connection: Connection, dataset: str, seller_id: str, day: date) -> int:
    """The highest version that the database knows of a partition; 0 when there was none."""
    c = partitions.c
    version = connection.execute(
        sa.select(c.version).where(c.dataset == dataset, c.seller_id == seller_id, c.day == day)
    ).scalar()
    return int(version or 0)


def file_of_row(row: sa.Row[Any]) -> LakeFile:
    """The record of a row of `lake_files` whose columns are `LakeFile`'s, in order."""
    values: list[Any] = list(row)
    values[_FAMILY] = RetentionClass(values[_FAMILY])
    return LakeFile(*values)
