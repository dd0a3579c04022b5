"""Reading the lake: Arrow datasets of encrypted files for DuckDB, and the audited way to PII.

Belongs here: opening files with their keys. Does not belong here: writing, sweeping, and what queries ask.

A family whose keys are dead reads as if it had never been written; a file that should be there and isn't, or isn't
what was written, is damage and never read over.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
from duckdb import DuckDBPyConnection, DuckDBPyRelation
from pyarrow.fs import LocalFileSystem
from pyarrow.parquet.encryption import create_decryption_properties

from amzigo_pipelines.catalog.model import Dataset, RetentionClass
from amzigo_pipelines.resources.keys.store import DataKey, KeyStore
from amzigo_pipelines.resources.lake.files import LakeDamaged, LakeFile, check_place

DAY = pa.field("day", pa.date32(), nullable=False)
EXPIRES_ON = pa.field("expires_on", pa.date32(), nullable=False)
_LOCAL = LocalFileSystem()
# Up to this size a file is hashed before it is read: that finds any change, at a fifth of the cost of opening the
# footer (0.1 ms a file against 0.6). Larger ones have their footer opened; their pages are checked as they are read.
HASHED_BYTES = 256 * 1024


def living_files(
    keys: KeyStore, files: Sequence[LakeFile], held_since: date | None = None
) -> list[tuple[LakeFile, DataKey]]:
    """The files whose keys are alive, each with its key.

    Args:
        keys: opens them.
        files: which.
        held_since: for legal holds alone, see `KeyStore.open_living`; they go on during an incident, too.

    Raises:
        LakeDamaged: a file's row names a key of another seller, class or date.
        KeyTampered: a key's row doesn't match its wrapping.
    """
    ids = {file.key_id for file in files}
    opened = keys.open_living(ids, even_frozen=held_since is not None, held_since=held_since)
    found = []
    for file in files:
        key = opened.get(file.key_id)
        if key is None:
            continue
        check_place(file)
        if (key.seller_id, str(key.key_class), key.expires_on) != (file.seller_id, str(file.family), file.expires_on):
            raise LakeDamaged(
                f"the control database gives lake file {file.path} a key that isn't its own: the row was changed; "
                "restore the database from a backup"
            )
        found.append((file, key))
    return found


def arrow_dataset(
    lake_dir: Path, schema: pa.Schema, files: Sequence[tuple[LakeFile, DataKey]], extra: Sequence[pa.Field]
) -> ds.Dataset:
    """One Arrow dataset of many files, each with its own key and place; schemas come from the catalog, not the files.

    Args:
        lake_dir: the lake's folder.
        schema: the family's schema.
        files: what to read, with its keys.
        extra: `DAY`, `EXPIRES_ON`: facts about a file that become columns, and that filters are checked against
            before a file is opened.

    Raises:
        LakeDamaged: a file is missing, cut short, from another place, from an earlier version, or (small files)
            changed in any way.
    """
    fragments = []
    for file, key in files:
        path = lake_dir / file.path
        size = _check_bytes(path, file)
        decryption = create_decryption_properties(key.secret, aad_prefix=file.path.encode())
        format_ = ds.ParquetFileFormat(
            default_fragment_scan_options=ds.ParquetFragmentScanOptions(decryption_properties=decryption)
        )
        facts = {DAY.name: file.day, EXPIRES_ON.name: file.expires_on}
        known = [ds.field(f.name) == pa.scalar(facts[f.name], f.type) for f in extra]
        expression = known[0]
        for further in known[1:]:
            expression = expression & further
        fragment = format_.make_fragment(str(path), _LOCAL, partition_expression=expression)
        if size > HASHED_BYTES:
            check_footer(fragment, file)
        fragments.append(fragment)
    for field in extra:
        schema = schema.append(field)
    return ds.FileSystemDataset(fragments, schema, ds.ParquetFileFormat(), _LOCAL)


def check_footer(fragment: ds.ParquetFileFragment, file: LakeFile) -> None:
    """Decrypt a file's footer: fails for whatever isn't this version of this file in this place.

    Raises:
        LakeDamaged: it doesn't open.
    """
    try:
        fragment.ensure_complete_metadata()
    except (OSError, pa.ArrowException):
        raise damaged(file) from None


def joined_relation(
    connection: DuckDBPyConnection,
    dataset: Dataset,
    scans: dict[RetentionClass, ds.Dataset | None],
) -> DuckDBPyRelation:
    """The families side by side: business rows, left-joined with the others on grain and day.

    Args:
        connection: where the relation lives.
        dataset: whose families.
        scans: what each family has to read; None gives null columns.
    """
    relation = _source(connection, dataset, RetentionClass.BUSINESS, scans[RetentionClass.BUSINESS])
    owner = dict.fromkeys(dataset.families[RetentionClass.BUSINESS].names, "business")
    relation = relation.set_alias("business")
    for family, scan in scans.items():
        if family is RetentionClass.BUSINESS:
            continue
        other = _source(connection, dataset, family, scan).set_alias(family.value)
        on = " AND ".join(f'business."{name}" = {family.value}."{name}"' for name in (*dataset.grain, DAY.name))
        relation = relation.join(other, on, how="left")
        owner |= {name: family.value for name in dataset.families[family].names if name not in dataset.grain}
    columns = [f'{owner[name]}."{name}"' for name in dataset.schema.names if name in owner]
    return relation.project(", ".join([*columns, f'business."{DAY.name}"']))


def damaged(file: LakeFile) -> LakeDamaged:
    """The sentence about a file that isn't what was written there."""
    return LakeDamaged(
        f"lake file {file.path} is not what was written there (changed, swapped or an older version): "
        f"extract {file.dataset} of seller {file.seller_id} for {file.day} again, and find out who changed it"
    )


def missing(file: LakeFile) -> LakeDamaged:
    """The sentence about a file that is gone."""
    return LakeDamaged(
        f"lake file {file.path} is missing: put it back from a backup, or extract {file.dataset} of seller "
        f"{file.seller_id} for {file.day} again"
    )


def refuse_pii(families: Collection[RetentionClass]) -> None:
    """Refuse to scan PII outside the audited call.

    Raises:
        ValueError: PII is among the families.
    """
    if RetentionClass.PII in families:
        raise ValueError("PII is read by Lake.read_pii alone, which says who reads it and why")


def _source(
    connection: DuckDBPyConnection, dataset: Dataset, family: RetentionClass, scan: ds.Dataset | None
) -> DuckDBPyRelation:
    if scan is None:
        return connection.from_arrow(dataset.families[family].append(DAY).empty_table())
    return connection.from_arrow(scan)


def _check_bytes(path: Path, file: LakeFile) -> int:
    try:
        with path.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            is_whole = size == file.bytes
            if is_whole and size <= HASHED_BYTES:
                is_whole = hashlib.sha256(opened.read()).hexdigest() == file.sha256
    except FileNotFoundError:
        raise missing(file) from None
    except OSError as error:
        raise LakeDamaged(f"lake file {file.path} can't be read ({error.strerror}): mend its permissions") from None
    if not is_whole:
        raise damaged(file)
    return size
