"""Staging: a seller's current partitions of the lake, mirrored inside the mart file without PII.

Belongs here: staging's tables, what is loaded and what the lake has now, and the loading. Does not belong here: what is
made of it (`build.py`) and where the file lies (`warehouse.py`).

Staging has the `business` and `pseudonym` columns of the datasets that marts read, and `day`. It has no column for
PII, so no mart can reach any.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.model import PERIOD_DAYS, Dataset, RetentionClass
from amzigo_pipelines.catalog.registry import STORED
from amzigo_pipelines.resources.marts.duckdb_session import quoted, text_literal

if TYPE_CHECKING:
    from amzigo_pipelines.resources.keys.store import KeyStore
    from amzigo_pipelines.resources.lake.store import Lake
    from amzigo_pipelines.resources.marts.build import Mart

STAGED_FAMILIES = (RetentionClass.BUSINESS, RetentionClass.PSEUDONYM)
# ISO 4217: digits after the decimal point, where they are not two.
_MINOR_DIGITS = {"JPY": 0}

_TYPES: dict[pa.DataType, str] = {
    pa.string(): "VARCHAR",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.date32(): "DATE",
    pa.timestamp("us", tz="UTC"): "TIMESTAMP WITH TIME ZONE",
}


@dataclass(frozen=True)
class Partition:
    """A partition as it is staged, or should be.

    Attributes:
        version: the lake's version of it.
        families: the families with data in it that live, with their dates of death (`business:2028-05-02,...`).
    """

    version: int
    families: str

    @property
    def staged(self) -> tuple[RetentionClass, ...]:
        """The families."""
        return tuple(RetentionClass(text.partition(":")[0]) for text in self.families.split(",") if text)


@dataclass(frozen=True)
class Plan:
    """What staging should hold.

    Attributes:
        partitions: by (dataset, day).
        expires_on: the earliest date of death of anything in it: the mart must not outlive it.
        rows: how many rows it will hold.
    """

    partitions: Mapping[tuple[str, date], Partition]
    expires_on: date
    rows: int


def make_plan(lake: Lake, keys: KeyStore, seller_id: str, as_of: date, datasets: Collection[str]) -> Plan:
    """What staging of a seller should hold as of a day: the lake's current partitions that live then, of some datasets.

    A partition whose business family is dead is not in it; one whose pseudonyms are dead is in it without them.
    """
    alive = {record.key_id for record in keys.alive(seller_id)}
    living: dict[tuple[str, date], dict[str, date]] = {}
    for file in lake.files(seller_id=seller_id, families=STAGED_FAMILIES, state="current"):
        if file.dataset in datasets and file.expires_on > as_of and file.key_id in alive:
            living.setdefault((file.dataset, file.day), {})[str(file.family)] = file.expires_on
    partitions: dict[tuple[str, date], Partition] = {}
    deaths: list[date] = []
    rows = 0
    for record in lake.partitions(seller_id):
        families = living.get((record.dataset, record.day), {})
        if record.dataset not in datasets or (record.rows and RetentionClass.BUSINESS.value not in families):
            continue
        text = ",".join(f"{family}:{expires_on}" for family, expires_on in sorted(families.items()))
        partitions[record.dataset, record.day] = Partition(record.version, text if record.rows else "")
        rows += record.rows
        if record.rows:
            deaths += families.values()
    longest = as_of + timedelta(days=PERIOD_DAYS[RetentionClass.BUSINESS])
    return Plan(partitions, min(deaths, default=longest), rows)


def datasets_of(marts: Iterable[Mart]) -> frozenset[str]:
    """The datasets that some marts read."""
    return frozenset(name for mart in marts for name in mart.datasets)


def schema_fingerprint() -> str:
    """Changes when staging's columns do; a file with another fingerprint is not carried over."""
    text = ";".join(f"{name}({_columns(dataset)})" for name, dataset in STORED.items())
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def marts_fingerprint(marts: Iterable[Mart]) -> str:
    """Changes when any mart's file does; the marts of a file with another fingerprint are made anew."""
    text = "\n".join(f"{mart.name} {mart.grain}\n{mart.sql}" for mart in marts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def create_staging(connection: duckdb.DuckDBPyConnection, database: str, datasets: Collection[str] = STORED) -> None:
    """Make staging's tables in an attached database, empty but for facts of marketplaces and currencies.

    Args:
        connection: a session with the database attached.
        database: its name.
        datasets: those that get a table: what is not loaded is missing, and not empty.
    """
    schema = f"{quoted(database)}.staging"
    connection.execute(f"CREATE SCHEMA {schema}")
    for name in STORED:
        if name in datasets:
            connection.execute(f"CREATE TABLE {schema}.{quoted(name)} ({_columns(STORED[name])})")
    connection.execute(
        f"CREATE TABLE {schema}.loaded_partitions (dataset VARCHAR, day DATE, version INTEGER, families VARCHAR)"
    )
    connection.execute(
        f"CREATE TABLE {schema}.build "
        "(seller_id VARCHAR, version INTEGER, schema_fingerprint VARCHAR, marts_fingerprint VARCHAR)"
    )
    connection.execute(
        f"CREATE TABLE {schema}.marketplace_facts "
        "(marketplace_id VARCHAR, country VARCHAR, currency VARCHAR, time_zone VARCHAR)"
    )
    # Literals and not bound values: DuckDB's client imports pandas to look at what is bound, two seconds for nothing.
    zones = ", ".join(
        f"({', '.join(map(text_literal, (m.marketplace_id, m.country, m.currency, m.time_zone)))})"
        for m in MARKETPLACES.values()
    )
    connection.execute(f"INSERT INTO {schema}.marketplace_facts VALUES {zones}")
    connection.execute(f"CREATE TABLE {schema}.currencies (currency VARCHAR, minor_digits INTEGER)")
    digits = ", ".join(
        f"({text_literal(currency)}, {_MINOR_DIGITS.get(currency, 2)})"
        for currency in sorted({m.currency for m in MARKETPLACES.values()})
    )
    connection.execute(f"INSERT INTO {schema}.currencies VALUES {digits}")


def loaded(connection: duckdb.DuckDBPyConnection, database: str) -> dict[tuple[str, date], Partition] | None:
    """What an attached mart file has staged; None where its columns are not today's, so that it must be loaded anew."""
    schema = f"{quoted(database)}.staging"
    build = connection.execute(f"SELECT schema_fingerprint FROM {schema}.build").fetchone()
    if build is None or build[0] != schema_fingerprint():
        return None
    rows = connection.execute(f"SELECT dataset, day, version, families FROM {schema}.loaded_partitions").fetchall()
    return {(dataset, day): Partition(version, families) for dataset, day, version, families in rows}


def carry_over(
    connection: duckdb.DuckDBPyConnection, former: str, fresh: str, kept: Iterable[tuple[str, date]]
) -> None:
    """Copy partitions that did not change from one attached file into another.

    By rows and not by copying the file: what was deleted from a DuckDB file stays in it, and here it must be gone.
    """
    for name, days in by_dataset(kept).items():
        table = f"staging.{quoted(name)}"
        connection.execute(
            f"INSERT INTO {quoted(fresh)}.{table} SELECT * FROM {quoted(former)}.{table} "
            f"WHERE day IN ({days_list(days)})"
        )


def days_list(days: Iterable[date]) -> str:
    """Days as literals for `IN`."""
    return ", ".join(f"DATE {text_literal(day.isoformat())}" for day in days)


def load(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    lake: Lake,
    seller_id: str,
    changed: Mapping[tuple[str, date], Partition],
) -> None:
    """Load partitions from the lake into an attached file's staging.

    Raises:
        LakeDamaged: a file of the lake is missing or does not open.
    """
    for name, days in by_dataset(key for key, partition in changed.items() if partition.families).items():
        load_days(connection, f"{database}.staging.{name}", lake, seller_id, STORED[name], days, changed)


def load_days(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    lake: Lake,
    seller_id: str,
    dataset: Dataset,
    days: list[date],
    plan: Mapping[tuple[str, date], Partition],
) -> None:
    """Load partitions of one dataset from the lake into a table with staging's columns.

    A family that the plan leaves out of a partition is left out, though it may live on in the lake until midnight.

    Raises:
        LakeDamaged: a file of the lake is missing or does not open.
    """
    by_families: dict[tuple[RetentionClass, ...], list[date]] = {}
    for day in days:
        by_families.setdefault(plan[dataset.name, day].staged, []).append(day)
    for families, some_days in by_families.items():
        relation = lake.relation(connection, dataset, seller_id, days=some_days, families=families)
        columns = ", ".join([*(_staged(dataset, name, families) for name in _names(dataset)), "day"])
        with lake.reading(dataset, seller_id, some_days):
            relation.project(columns).insert_into(table)


def record(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    seller_id: str,
    version: int,
    partitions: Mapping[tuple[str, date], Partition],
    marts: Iterable[Mart],
) -> None:
    """Write down what is staged, and which file this is; replaces what was written down before."""
    schema = f"{quoted(database)}.staging"
    table = pa.table(
        {
            "dataset": pa.array([dataset for dataset, _ in partitions], pa.string()),
            "day": pa.array([day for _, day in partitions], pa.date32()),
            "version": pa.array([p.version for p in partitions.values()], pa.int32()),
            "families": pa.array([p.families for p in partitions.values()], pa.string()),
        }
    )
    connection.execute(f"DELETE FROM {schema}.loaded_partitions")
    connection.execute(f"DELETE FROM {schema}.build")
    connection.register("staged_partitions", table)
    connection.execute(f"INSERT INTO {schema}.loaded_partitions SELECT * FROM staged_partitions")
    connection.unregister("staged_partitions")
    connection.execute(
        f"INSERT INTO {schema}.build VALUES (?, ?, ?, ?)",
        [seller_id, version, schema_fingerprint(), marts_fingerprint(marts)],
    )


def by_dataset(keys: Iterable[tuple[str, date]]) -> dict[str, list[date]]:
    """Days in order, by dataset."""
    found: dict[str, list[date]] = {}
    for name, day in sorted(keys):
        found.setdefault(name, []).append(day)
    return found


def _names(dataset: Dataset) -> list[str]:
    return [column.name for column in dataset if column.retention in STAGED_FAMILIES]


def _staged(dataset: Dataset, name: str, families: Collection[RetentionClass]) -> str:
    if name in dataset.grain or dataset.retention_of(name) in families:
        return quoted(name)
    return f"CAST(NULL AS {_type(dataset.column(name).type)}) AS {quoted(name)}"


def _columns(dataset: Dataset) -> str:
    declared = [f"{quoted(name)} {_type(dataset.column(name).type)}" for name in _names(dataset)]
    return ", ".join([*declared, "day DATE"])


def _type(arrow: pa.DataType) -> str:
    if pa.types.is_decimal(arrow):
        return f"DECIMAL({arrow.precision}, {arrow.scale})"
    return _TYPES[arrow]
