"""Filling a new mart file: as an updated copy of the former one, or from rows.

Belongs here: one file from nothing to complete, by which of the ways, in which order and with what care for time and
memory. Does not belong here: the statements (`staging.py`, `build.py`, `update.py`), when the file becomes
the current one (`warehouse.py`).

The usual way after a new day is a copy of the former file, to which the changes are applied. Where that might leave
something behind that has to be gone, unchanged partitions are copied by rows; where there is no former file that opens,
everything comes from the lake. The tables are the same whichever way.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from amzigo_pipelines.resources.durability import sync_file
from amzigo_pipelines.resources.keys.store import DataKey, KeyStore
from amzigo_pipelines.resources.marts import staging
from amzigo_pipelines.resources.marts.books import (
    MartDamaged,
    MartExpired,
    PublishedMart,
    WarehouseError,
    attach_published,
)
from amzigo_pipelines.resources.marts.build import Mart, MartBuildError, build_marts
from amzigo_pipelines.resources.marts.duckdb_session import CannotOpen, attach, open_session
from amzigo_pipelines.resources.marts.update import apply_changes, can_update, update_marts
from amzigo_pipelines.resources.steps import OnStep

if TYPE_CHECKING:
    from amzigo_pipelines.resources.lake.store import Lake

_FRESH, _FORMER = "fresh", "former"
# Below this many staged rows DuckDB's threads cost more than they bring: 0.9 s against 1.2 s for 45 days of 200 orders.
_FEW_ROWS = 250_000


@dataclass(frozen=True)
class NewMart:
    """A mart file that is to be made.

    Attributes:
        path: where; nothing is there yet.
        key: encrypts it, and says whose it is.
        version: goes into it.
        plan: the lake's partitions that it is made of.
        marts: in dependency order.
    """

    path: Path
    key: DataKey
    version: int
    plan: staging.Plan
    marts: Sequence[Mart]


@dataclass(frozen=True)
class FilledMart:
    """What went into a file.

    Attributes:
        tables: rows by mart.
        loaded: partitions that were loaded from the lake.
        is_rebuilt: whether nothing was carried over.
        is_updated: whether it is the former file's copy, brought up to date.
    """

    tables: dict[str, int]
    loaded: int
    is_rebuilt: bool
    is_updated: bool


class MartFiller:
    """Fills new mart files.

    Args:
        lake: what marts are made from.
        keys: opens the former file.
        spill_dir: where DuckDB may spill; removed afterwards.
        memory_limit: as DuckDB writes it.
        on_step: told the name of each step as it is done.
    """

    def __init__(self, lake: Lake, keys: KeyStore, spill_dir: Path, memory_limit: str, on_step: OnStep) -> None:
        self._lake, self._keys, self._spill_dir, self._memory_limit = lake, keys, spill_dir, memory_limit
        self._step = on_step

    def fill(self, new: NewMart, former: PublishedMart | None) -> FilledMart:
        """Make a file, complete and checkpointed but not yet durable.

        Args:
            new: what is to be made.
            former: the published file to carry unchanged partitions over from; None loads everything.

        Raises:
            MartBuildError: a mart's SQL fails or breaks its grain.
            WarehouseError: memory or disk don't suffice, or can't be written.
            LakeDamaged: a file of the lake is missing or does not open.
        """
        if former is not None:
            try:
                return self._updated(new, former) or self._filled(new, former)
            except (CannotOpen, MartDamaged, MartExpired):
                # Everything is in the lake as well: what can't be carried over is loaded anew.
                new.path.unlink(missing_ok=True)
        return self._filled(new, None)

    def _updated(self, new: NewMart, former: PublishedMart) -> FilledMart | None:
        """The former file's copy, brought up to date; None where it has to be made anew by rows."""
        if former.key_id != new.key.key_id:
            return None
        # Copied while the session is made ready and the former file looked at, and flushed while queries run: else the
        # commit would wait until all of the copy is on the disk.
        with ThreadPoolExecutor(1) as aside:
            copied = aside.submit(shutil.copyfile, former.path, new.path)
            aside.submit(_flush, new.path)
            return self._brought_up_to_date(new, former, copied)

    def _brought_up_to_date(self, new: NewMart, former: PublishedMart, copied: Future[Path]) -> FilledMart | None:
        with self._session(new) as connection:
            attach_published(connection, self._keys, former, _FORMER)
            there = can_update(connection, _FORMER, new.plan, new.marts)
            connection.execute(f"DETACH {_FORMER}")
            copied.result()
            if there is None:
                new.path.unlink()
                return None
            try:
                attach(connection, new.path, _FRESH, new.key.secret, is_read_only=False)
                new.path.chmod(0o600)
                changed = {key: part for key, part in new.plan.partitions.items() if there.get(key) != part}
                datasets = staging.datasets_of(new.marts)
                touched = apply_changes(connection, _FRESH, self._lake, new.key.seller_id, changed, datasets, there)
                connection.execute("BEGIN")
                staging.record(connection, _FRESH, new.key.seller_id, new.version, new.plan.partitions, new.marts)
                connection.execute("COMMIT")
                self._step("staged")
                tables = update_marts(connection, _FRESH, new.marts, touched)
                connection.execute(f"CHECKPOINT {_FRESH}")
                connection.execute(f"DETACH {_FRESH}")
            except duckdb.OutOfMemoryException:
                raise
            except duckdb.Error:
                # A torn page of the former file shows only now. A full disk does too, and shows again from nothing.
                raise MartDamaged(f"{former.path.name} can't be brought up to date") from None
        return FilledMart(tables, len(changed), is_rebuilt=False, is_updated=True)

    def _filled(self, new: NewMart, former: PublishedMart | None) -> FilledMart:
        with self._session(new) as connection:
            # Commits go straight into the file: one that is not yet current needs no write-ahead log.
            connection.execute("SET checkpoint_threshold = '1KB'")
            attach(connection, new.path, _FRESH, new.key.secret, is_read_only=False)
            new.path.chmod(0o600)
            if former is not None:
                attach_published(connection, self._keys, former, _FORMER)
            # One transaction for staging: a few hundred small ones would cost half a second. Marts begin their own.
            connection.execute("BEGIN")
            staging.create_staging(connection, _FRESH, staging.datasets_of(new.marts))
            kept = _carry_over(connection, new.plan, former) if former else set()
            changed = {key: partition for key, partition in new.plan.partitions.items() if key not in kept}
            staging.load(connection, _FRESH, self._lake, new.key.seller_id, changed)
            staging.record(connection, _FRESH, new.key.seller_id, new.version, new.plan.partitions, new.marts)
            connection.execute("COMMIT")
            self._step("staged")
            tables = build_marts(connection, _FRESH, new.marts)
            connection.execute(f"CHECKPOINT {_FRESH}")
            connection.execute(f"DETACH {_FRESH}")
        return FilledMart(tables, len(changed), is_rebuilt=not kept, is_updated=False)

    @contextmanager
    def _session(self, new: NewMart) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for one file, whose errors are said in our own words."""
        seller_id, spill_dir = new.key.seller_id, self._spill_dir
        connection = open_session(spill_dir, self._memory_limit, 1 if new.plan.rows < _FEW_ROWS else None)
        try:
            # Rows need no order of arrival, and keeping it costs memory.
            connection.execute("SET preserve_insertion_order = false")
            yield connection
        except duckdb.OutOfMemoryException:
            raise WarehouseError(
                f"building marts needs more than {self._memory_limit} of memory, or the disk of {spill_dir} is full"
            ) from None
        except duckdb.IOException:
            raise WarehouseError(
                f"{new.path.parent} or {spill_dir} can't be written: free space or mend permissions; "
                "the former marts stand"
            ) from None
        except duckdb.TransactionException:
            # What a commit says when the file can't grow; its text could quote a value.
            raise WarehouseError(
                f"marts of seller {seller_id} could not be committed: is the disk of {new.path.parent} full? "
                "Free space; the former marts stand"
            ) from None
        except duckdb.Error as error:
            raise MartBuildError(
                f"marts of seller {seller_id} can't be built ({type(error).__name__}); the former marts stand"
            ) from None
        finally:
            connection.close()
            shutil.rmtree(spill_dir, ignore_errors=True)


def _flush(path: Path) -> None:
    # Nothing depends on it: what matters is made durable once the file is complete.
    with suppress(OSError):
        sync_file(path)


def _carry_over(
    connection: duckdb.DuckDBPyConnection, plan: staging.Plan, former: PublishedMart
) -> set[tuple[str, date]]:
    try:
        there = staging.loaded(connection, _FORMER) or {}
        kept = {key for key, partition in plan.partitions.items() if there.get(key) == partition}
        staging.carry_over(connection, _FORMER, _FRESH, kept)
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error:
        raise MartDamaged(f"{former.path.name} can't be read through") from None
    return kept
