"""Looking, after an erasure, whether it is true: keys refused, old KEKs gone, nothing shown by the marts.

Belongs here: what is looked at. Does not belong here: what follows from it (`erasing.py`, `offboarding.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.resources.control.schema import kek_versions
from amzigo_pipelines.resources.keys.store import KeyClass, KeyDead, purpose_of
from amzigo_pipelines.resources.lake.row_match import BUYER_KEY_COLUMN, ORDER_COLUMN, RowMatch
from amzigo_pipelines.resources.marts.duckdb_session import quoted

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform


@dataclass(frozen=True)
class Proof:
    """What was looked at after an erasure; goes into the certificate.

    Attributes:
        keys_refused: destroyed keys that the key store refuses.
        files_searched: files of the lake that were looked through with the predicate that erased.
        rows_found: rows that still match, which must be 0.
        marts: what the published marts show.
    """

    keys_refused: int
    files_searched: int
    rows_found: int
    marts: str


def keys_refused(platform: Platform, key_ids: Collection[str]) -> tuple[int, list[str]]:
    """How many of these keys the key store refuses, and those that it still opens."""
    opened = []
    for key_id in key_ids:
        try:
            platform.keys.open(key_id)
            opened.append(key_id)
        except KeyDead:
            pass
    return len(key_ids) - len(opened), opened


def old_keks(platform: Platform, classes: Iterable[KeyClass]) -> list[str]:
    """Sentence parts about KEK versions that an exchange should have destroyed and that are still there."""
    problems, v = [], kek_versions.c
    for purpose in dict.fromkeys(purpose_of(key_class) for key_class in classes):
        with platform.control.read() as connection:
            active = connection.execute(sa.select(v.version).where(v.purpose == purpose.value, v.is_active)).scalar()
        if any(version != active for version in platform.keks.versions(purpose)):
            problems.append(f"old versions of the {purpose} key-encryption key are still there")
    return problems


def marts_show(platform: Platform, seller_id: str, match: RowMatch) -> tuple[str, int]:
    """What a seller's published marts show of somebody: a sentence, and how many rows have the pseudonym.

    Every table that has a buyer's pseudonym beside an order's id is looked through, staging included.
    """
    if platform.warehouse.published(seller_id) is None:
        return "none published", 0
    looked = found = 0
    with platform.warehouse.connect(seller_id) as connection:
        tables = connection.execute(
            "SELECT schema_name, table_name FROM duckdb_columns() WHERE database_name = current_database() "
            "AND column_name IN (?, ?) GROUP BY ALL HAVING COUNT(*) = 2",
            [BUYER_KEY_COLUMN, ORDER_COLUMN],
        ).fetchall()
        for schema, table in tables:
            rows = connection.execute(
                f"SELECT {ORDER_COLUMN}, {BUYER_KEY_COLUMN} FROM {quoted(schema)}.{quoted(table)} "
                f"WHERE {BUYER_KEY_COLUMN} IS NOT NULL"
            )
            for batch in rows.to_arrow_reader(100_000):
                looked += batch.num_rows
                found += pc.sum(match.mask(ORDERS, pa.Table.from_batches([batch]))).as_py() or 0
    return f"{looked:,} pseudonyms in {len(tables)} tables looked at, none of them the subject's", found
