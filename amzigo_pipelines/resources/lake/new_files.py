"""New files of the lake: at which place, under which temporary name, and what becomes of them when a write fails.

Belongs here: what everybody who writes files into the lake does the same way. Does not belong here: which rows go into
them and when they become current (`writer.py`, `rewrite.py`).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa
from pyarrow.parquet.encryption import create_encryption_properties
from sqlalchemy.engine import Connection

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.resources.control.database import ControlDatabase, ControlError
from amzigo_pipelines.resources.control.schema import lake_files
from amzigo_pipelines.resources.durability import make_folders, sync_folder
from amzigo_pipelines.resources.keys.store import DataKey
from amzigo_pipelines.resources.lake.files import (
    TEMPORARY_PREFIX,
    LakeFile,
    forget_garbage,
    known_version,
    partition_folder,
    select_files,
)
from amzigo_pipelines.resources.lake.sink import ParquetSink
from amzigo_pipelines.resources.steps import OnStep, no_step


def open_sink(lake_dir: Path, place: str, schema: pa.Schema, key: DataKey, facts: Mapping[str, str]) -> ParquetSink:
    """A file being written under a temporary name beside its place.

    Args:
        lake_dir: the lake's folder.
        place: path relative to it; authenticated with the file.
        schema: of the rows.
        key: encrypts it.
        facts: for its metadata.
    """
    final = lake_dir / place
    make_folders(lake_dir, final.parent)
    encryption = create_encryption_properties(key.secret, aad_prefix=place.encode(), store_aad_prefix=False)
    temporary = final.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex[:8]}-{final.name}")
    is_scanned = str(key.key_class) != RetentionClass.PII
    return ParquetSink(temporary, schema, encryption, facts, is_scanned)


def next_version(lake_dir: Path, connection: Connection, dataset: str, seller_id: str, day: date) -> int:
    """Higher than any that was ever used: a number used twice would let the older file pass for the newer one."""
    versions = [known_version(connection, dataset, seller_id, day)]
    versions += [f.version for f in select_files(connection, dataset, seller_id, [day], state=None)]
    for path in (lake_dir / partition_folder(dataset, seller_id, day)).glob("*.parquet"):
        number = path.stem.rpartition("-")[2]
        versions += [int(number)] if number.isdecimal() else []
    return max(versions) + 1


def take_back(lake_dir: Path, control: ControlDatabase, renamed: Sequence[Path]) -> None:
    """Remove renamed files, unless the books have them: a server can commit and lose the connection telling so."""
    paths = {path.relative_to(lake_dir).as_posix(): path for path in renamed}
    # Where the database can't tell, the files stay for the sweep, which asks again.
    with suppress(ControlError), control.read() as connection:
        kept = set(connection.execute(sa.select(lake_files.c.path).where(lake_files.c.path.in_(list(paths)))).scalars())
        for path in (path for place, path in paths.items() if place not in kept):
            with suppress(OSError):
                path.unlink()


def unlink_garbage(
    lake_dir: Path, control: ControlDatabase, garbage: Sequence[LakeFile], on_step: OnStep = no_step
) -> None:
    """Remove what a commit replaced. What can't be removed now stays in the books for the next sweep."""
    gone = []
    for file in garbage:
        try:
            (lake_dir / file.path).unlink(missing_ok=True)
        except OSError:
            continue
        gone.append(file.path)
        on_step("unlinked")
    if gone:
        for folder in {(lake_dir / path).parent for path in gone}:
            sync_folder(folder)
        forget_garbage(control, gone)
