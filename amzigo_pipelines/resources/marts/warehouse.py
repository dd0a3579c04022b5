"""The warehouse: one encrypted DuckDB file of marts a seller, published atomically, read while the next one is built.

Belongs here: the life of a mart file: built, made current, read, dropped. Does not belong here: what goes into it
(`fill.py`, `staging.py`, `build.py`), what is known of a published file (`books.py`), how a query is
guarded (`query.py`), how a connection is made (`duckdb_session.py`).

A publish makes a complete new file beside the old one: a copy to which the partitions that changed, and the rows of
marts that follow from them, are applied, or one filled by rows (see `fill.py`). Then one transaction in the
control database makes it current, and the old file is unlinked; whoever has it open reads on. Before that transaction
the old file stands, after it the new one; anything else in the folder is swept by the next publish.

A mart can't outlive what it is made of: its key dies with the first of the lake's files that are in it. So that
analysts never find a dead one, a publish leaves out what dies within a day, and one is due the day before
(`automation/`).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from amzigo_pipelines.clock import Clock, today
from amzigo_pipelines.resources.audit.trail import AuditTrail
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.durability import sync_file, sync_folder
from amzigo_pipelines.resources.home import Home
from amzigo_pipelines.resources.keys.store import KeyClass, KeyStore
from amzigo_pipelines.resources.locks import LockBusy, exclusive
from amzigo_pipelines.resources.marts import staging
from amzigo_pipelines.resources.marts.books import (
    MartDamaged,
    MartExpired,
    NotPublished,
    PublishBusy,
    PublishedMart,
    WarehouseError,
    attach_published,
    forget_published,
    make_current,
    select_published,
)
from amzigo_pipelines.resources.marts.build import Mart
from amzigo_pipelines.resources.marts.duckdb_session import DEFAULT_MEMORY, open_session, quoted, seal
from amzigo_pipelines.resources.marts.fill import MartFiller, NewMart
from amzigo_pipelines.resources.marts.query import run_query
from amzigo_pipelines.resources.marts.query_audit import note_session, noted
from amzigo_pipelines.resources.sellers import check_seller_id
from amzigo_pipelines.resources.steps import OnStep, no_step

if TYPE_CHECKING:
    from amzigo_pipelines.resources.lake.store import Lake

__all__ = [
    "MartDamaged",
    "MartExpired",
    "NotPublished",
    "PublishBusy",
    "PublishReport",
    "PublishedMart",
    "Warehouse",
    "WarehouseError",
]

_ATTEMPTS = 3
_PUBLISH_S = 60.0


@dataclass(frozen=True)
class PublishReport:
    """What a publish did.

    Attributes:
        version: of the file that is current now.
        tables: rows by mart.
        loaded_days: partitions (dataset and day) that were loaded from the lake; the rest was carried over.
        is_rebuilt: whether nothing was carried over.
        is_updated: whether only what changed was made anew, in a copy of the former file.
        bytes: size of the file.
        duration_s: of the whole publish.
    """

    version: int
    tables: dict[str, int]
    loaded_days: int
    is_rebuilt: bool
    is_updated: bool
    bytes: int
    duration_s: float


class Warehouse:
    """Publishes and opens marts. Holds no connection and no key between calls, so threads may share it.

    Args:
        home: where files, spills and locks lie.
        control: says which file is current.
        keys: a key for each mart file.
        lake: what marts are made from.
        clock: dates the files and tells dead keys.
        memory_limit: what one publish or one reader may use, as DuckDB writes it.
        on_step: told the name of each step of a publish as it is done; tests end the process there.
        audit: where sessions and queries are written down; a trail of its own when None.
    """

    def __init__(
        self,
        home: Home,
        control: ControlDatabase,
        keys: KeyStore,
        lake: Lake,
        clock: Clock,
        *,
        memory_limit: str = DEFAULT_MEMORY,
        on_step: OnStep | None = None,
        audit: AuditTrail | None = None,
    ) -> None:
        self._home = home
        self._control = control
        self._keys = keys
        self._lake = lake
        self._clock = clock
        self._memory_limit = memory_limit
        self._step = on_step or no_step
        self._audit = audit or AuditTrail(control, keys, clock, home)

    def publish(self, seller_id: str, marts: Sequence[Mart], *, rebuild: bool = False) -> PublishReport:
        """Bring a seller's marts up to date with the lake and make them current.

        Args:
            seller_id: whose.
            marts: in dependency order.
            rebuild: True to load everything from the lake anew. The tables are the same either way.

        Raises:
            PublishBusy: another publish of this seller is running.
            NotPublished: the lake has nothing of this seller.
            MartBuildError: a mart's SQL fails or breaks its grain; the former file stands.
            WarehouseError: the disk is full or not writable; the former file stands.
            LakeDamaged: a file of the lake is missing or does not open; the former file stands.
        """
        began = time.perf_counter()
        check_seller_id(seller_id)
        with self._alone(seller_id), self._clear_disk_errors():
            former = self.published(seller_id)
            self._sweep(seller_id, former)
            datasets = staging.datasets_of(marts)
            # What dies tomorrow is left out today: the marts outlive midnight.
            as_of = today(self._clock) + timedelta(days=1)
            plan = staging.make_plan(self._lake, self._keys, seller_id, as_of, datasets)
            if not plan.partitions:
                raise NotPublished(
                    f"there is nothing of seller {seller_id} in the lake to make marts from: run 'amzigo extract' first"
                )
            key = self._keys.key_for(seller_id, KeyClass.MART, plan.expires_on)
            version = former.version + 1 if former else 1
            path = self._folder(seller_id) / f"mart-{version:06d}.duckdb"
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._step("began")
            filler = MartFiller(self._lake, self._keys, self._spill_dir(seller_id), self._memory_limit, self._step)
            try:
                built = filler.fill(NewMart(path, key, version, plan, marts), None if rebuild else former)
            except BaseException:
                # A half-made file is of no use, and on a full disk it is in the way of mending.
                path.unlink(missing_ok=True)
                raise
            self._step("built")
            sync_file(path)
            sync_folder(path.parent)
            self._step("durable")
            size = path.stat().st_size
            mart = PublishedMart(
                seller_id, path, version, key.key_id, size, self._clock.now(), plan.expires_on, built.tables
            )
            facts: dict[str, object] = {
                "partitions": len(plan.partitions),
                "loaded": built.loaded,
            }
            make_current(self._control, self._home.marts_dir, mart, facts)
            self._step("current")
            if former is not None:
                former.path.unlink(missing_ok=True)
            self._step("unlinked")
        rows = sum(built.tables.values())
        self._audit.count("publish_marts", seller_id, f"marts, version {version}", rows=rows, bytes_=size)
        return PublishReport(
            version,
            built.tables,
            built.loaded,
            built.is_rebuilt,
            built.is_updated,
            size,
            time.perf_counter() - began,
        )

    def published(self, seller_id: str) -> PublishedMart | None:
        """What is published of a seller, whether or not it still opens; None where nothing is."""
        return select_published(self._control, self._home.marts_dir, seller_id)

    def published_at(self, seller_id: str) -> datetime | None:
        """When a seller's marts were last published; None = never."""
        published = self.published(seller_id)
        return published.published_at if published else None

    def connect(self, *seller_ids: str) -> duckdb.DuckDBPyConnection:
        """A connection to sellers' published marts that can read them and nothing else.

        It sees one version for as long as it is open, also while the next one is published. Its SQL can neither write,
        nor open files, nor change settings. Of one seller the marts are in the schema it uses, `staging` beside it; of
        several each seller's are under its id (`A1B2C3.sales_daily`), and nothing here ever puts them together: Amazon
        forbids combining sellers' data, so what compares them must keep them apart.

        Raises:
            NotPublished: nothing is published of one of the sellers, or none is named.
            MartDamaged: a file is missing or was changed.
            MartExpired: a file's key is dead.
        """
        if not seller_ids:
            raise NotPublished("no seller is named: say whose marts to open")
        for seller_id in seller_ids:
            check_seller_id(seller_id)
        for _ in range(_ATTEMPTS):
            published = [self._required(seller_id) for seller_id in dict.fromkeys(seller_ids)]
            for mart in published:
                note_session(self._audit, mart.seller_id, mart.version, sum(mart.tables.values()), mart.bytes)
            try:
                return self._open(published)
            except (MartDamaged, MartExpired):
                # A publish may have taken a file away between the two looks: then there is a newer one.
                if all(self._required(old.seller_id).version == old.version for old in published):
                    raise
        raise PublishBusy(f"the marts of {', '.join(seller_ids)} are being published over and over: try again")

    def query(self, seller_ids: str | Sequence[str], sql: str, timeout_s: float = 60.0) -> pa.RecordBatchReader:
        """Run one reading statement on the published marts of a seller, or of several; rows stream.

        Raises:
            WarehouseError: as `connect`.
            QueryError: the SQL is wrong, does more than read, or takes longer than `timeout_s`; also from the reader.
        """
        names = [seller_ids] if isinstance(seller_ids, str) else list(seller_ids)
        return noted(self._audit, names, sql, lambda: run_query(self.connect(*names), sql, timeout_s))

    def drop(self, seller_id: str) -> None:
        """Destroy a seller's mart keys and remove its file. Harmless when there is none; safe to repeat.

        Raises:
            PublishBusy: a publish of this seller is running.
            WarehouseError: a file can't be removed.
        """
        check_seller_id(seller_id)
        with self._alone(seller_id), self._clear_disk_errors():
            # Keys first: from then on nothing opens, whatever happens to the files.
            alive = self._keys.alive(seller_id)
            self._keys.destroy([record.key_id for record in alive if record.key_class is KeyClass.MART])
            forget_published(self._control, seller_id)
            for folder in (self._folder(seller_id), self._spill_dir(seller_id)):
                if folder.exists():
                    shutil.rmtree(folder)

    def _required(self, seller_id: str) -> PublishedMart:
        published = self.published(seller_id)
        if published is None:
            raise NotPublished(
                f"seller {seller_id} has no published marts: run 'amzigo publish --seller {seller_id}' first"
            )
        return published

    def discard_dead(self, seller_id: str) -> None:
        """Remove a seller's published file if its key is dead, and what a killed publish left; the living one stays.

        Raises:
            PublishBusy: a publish of this seller has been running for a minute.
            WarehouseError: a file can't be removed.
        """
        check_seller_id(seller_id)
        with self._alone(seller_id, wait_s=_PUBLISH_S), self._clear_disk_errors():
            living = self._living(seller_id)
            if living is None:
                forget_published(self._control, seller_id)
            self._sweep(seller_id, living)
            if self._folder(seller_id).is_dir():
                sync_folder(self._folder(seller_id))

    def remains(self, seller_id: str) -> list[str]:
        """What lies in a seller's folders that is not its published file under a living key; names of files.

        Raises:
            PublishBusy: a publish of this seller has been running for a minute.
            WarehouseError: a folder can't be read.
        """
        check_seller_id(seller_id)
        with self._alone(seller_id, wait_s=_PUBLISH_S), self._clear_disk_errors():
            living = self._living(seller_id)
            folders = [folder for folder in (self._folder(seller_id), self._spill_dir(seller_id)) if folder.exists()]
            files = [file for folder in folders for file in folder.iterdir()]
            return [file.name for file in files if living is None or file != living.path]

    def _living(self, seller_id: str) -> PublishedMart | None:
        """The published file if its key lives; whether it may be opened by this role now is not asked."""
        published = self.published(seller_id)
        if published is None:
            return None
        dates = {record.key_id: record.expires_on for record in self._keys.alive(seller_id)}
        dies_on = dates.get(published.key_id)
        return published if dies_on is not None and dies_on > today(self._clock) else None

    def _open(self, published: Sequence[PublishedMart]) -> duckdb.DuckDBPyConnection:
        connection = open_session(None, self._memory_limit)
        try:
            for mart in published:
                attach_published(connection, self._keys, mart, mart.seller_id)
            if len(published) == 1:
                connection.execute(f"USE {quoted(published[0].seller_id)}")
            seal(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _sweep(self, seller_id: str, published: PublishedMart | None) -> None:
        """Remove what a killed publish left; the caller holds the lock."""
        folder = self._folder(seller_id)
        if folder.exists():
            for file in folder.iterdir():
                if published is None or file != published.path:
                    file.unlink()
        shutil.rmtree(self._spill_dir(seller_id), ignore_errors=True)

    @contextmanager
    def _alone(self, seller_id: str, wait_s: float = 0.0) -> Iterator[None]:
        try:
            with exclusive(self._home.lock_dir, f"publish-{seller_id}", wait_s):
                yield
        except LockBusy:
            raise PublishBusy(
                f"the marts of seller {seller_id} are being published by another process: wait for it to end"
            ) from None

    @contextmanager
    def _clear_disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise WarehouseError(
                f"{self._home.marts_dir} can't be written ({error.strerror}): free space or mend permissions; "
                "the former marts stand"
            ) from None

    def _folder(self, seller_id: str) -> Path:
        return self._home.marts_dir / f"seller={seller_id}"

    def _spill_dir(self, seller_id: str) -> Path:
        return self._home.spill_dir / f"publish-{seller_id}"
