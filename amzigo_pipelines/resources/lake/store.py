"""The lake: encrypted Parquet partitions of each dataset, seller and day. The one door to them.

Belongs here: what others may ask of the lake. Does not belong here: how it is done (`writer.py`,
`reader.py`, `sweep.py`), what is stored (`catalog/`), and when it must go (`retention/`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from amzigo_pipelines.catalog.model import Dataset, RetentionClass
from amzigo_pipelines.clock import Clock
from amzigo_pipelines.resources.audit.trail import AuditTrail
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.home import Home
from amzigo_pipelines.resources.keys.store import KeyStore
from amzigo_pipelines.resources.lake import reader as lake_reader
from amzigo_pipelines.resources.lake import sweep as lake_sweep
from amzigo_pipelines.resources.lake.files import (
    CURRENT,
    LakeDamaged,
    LakeError,
    LakeFile,
    LakeInputError,
    LakeWriteError,
    PartitionBusy,
    PartitionCommit,
    PartitionRecord,
    select_changed_at,
    select_files,
    select_partitions,
)
from amzigo_pipelines.resources.lake.rewrite import LakeRewriter
from amzigo_pipelines.resources.lake.search import LakeSearch
from amzigo_pipelines.resources.lake.sweep import DestroyReport, SweepReport
from amzigo_pipelines.resources.lake.writer import LakeWriter
from amzigo_pipelines.resources.sellers import check_seller_id
from amzigo_pipelines.resources.steps import OnStep, no_step

__all__ = [
    "DestroyReport",
    "Lake",
    "LakeDamaged",
    "LakeError",
    "LakeFile",
    "LakeInputError",
    "LakeWriteError",
    "LakeWriter",
    "PartitionBusy",
    "PartitionCommit",
    "PartitionRecord",
    "SweepReport",
]

BUSINESS, PSEUDONYM, PII = RetentionClass.BUSINESS, RetentionClass.PSEUDONYM, RetentionClass.PII


class Lake:
    """All partitions of an installation.

    Keeps nothing between calls, so threads may share it; a writer, a relation and its connection belong to one thread.

    Args:
        home: whose `lake/` and `locks/`.
        control: the books.
        keys: opens and makes the files' keys.
        clock: what is today.
        on_step: told the name of each step of a write as it is done; tests end the process there.
        audit: where readings of PII are written down; a trail of its own when None.
    """

    def __init__(
        self,
        home: Home,
        control: ControlDatabase,
        keys: KeyStore,
        clock: Clock,
        on_step: OnStep | None = None,
        audit: AuditTrail | None = None,
    ) -> None:
        self._dir, self._lock_dir, self._marker = home.lake_dir, home.lock_dir, home.path / "installation"
        self._periods = home.retention
        self._control, self._keys, self._clock = control, keys, clock
        self._audit = audit or AuditTrail(control, keys, clock, home)
        self._on_step = on_step or no_step

    def writer(
        self,
        seller_id: str,
        day: date,
        datasets: Sequence[Dataset],
        origin: Mapping[str, str],
        *,
        keep_unchanged: bool = False,
    ) -> LakeWriter:
        """A writer that replaces a day's partitions of one or more datasets, all or nothing, when its block ends well.

        Args:
            seller_id: whose data.
            day: the partitions' day (UTC), not in the future and not older than business data may be.
            datasets: all that are written together; one that gets no rows becomes known as empty.
            origin: where the rows come from (operation, report id, ...), for the files' metadata. Never PII.
            keep_unchanged: leave everything as it is when the rows are, one by one, those that were written last.

        Raises:
            LakeDamaged: this lake belongs to another control database.
            PartitionBusy: (on entering) another process is writing one of them.
            LakeInputError: (on entering) the day is in the future or too old.
        """
        self.check_installation()
        return LakeWriter(
            self._dir,
            self._lock_dir,
            self._control,
            self._keys,
            self._clock,
            self._periods,
            check_seller_id(seller_id),
            day,
            datasets,
            origin,
            self._on_step,
            keep_unchanged,
        )

    def check_installation(self) -> None:
        """Make sure that this lake and the control database belong together; the first use joins them.

        Raises:
            LakeDamaged: this lake belongs to another control database.
            LakeWriteError: the home can't be written.
        """
        lake_sweep.check_installation(self._marker, self._control)

    def files(
        self,
        dataset: Dataset | str | None = None,
        seller_id: str | None = None,
        days: Collection[date] | None = None,
        families: Collection[RetentionClass] | None = None,
        state: str | None = CURRENT,
    ) -> list[LakeFile]:
        """Files by the facts given (None: any), ordered by dataset, seller, day, path."""
        with self._control.read() as connection:
            return select_files(connection, _name(dataset), seller_id, days, families, state)

    def partitions(self, seller_id: str, dataset: Dataset | str | None = None) -> list[PartitionRecord]:
        """A seller's committed partitions, also the empty ones, ordered by dataset and day."""
        with self._control.read() as connection:
            return select_partitions(connection, seller_id, _name(dataset))

    def changed_at(self, seller_id: str) -> datetime | None:
        """When a partition of the seller was last committed; None when there is none. Cheap: asked every minute."""
        with self._control.read() as connection:
            return select_changed_at(connection, seller_id)

    def scan(
        self,
        dataset: Dataset,
        seller_id: str,
        days: Collection[date] | None = None,
        families: Sequence[RetentionClass] = (BUSINESS,),
    ) -> ds.Dataset | None:
        """One family as an Arrow dataset with a further column `day`; None when nothing living is there.

        Hand it to DuckDB as a replacement scan (`execute("SELECT ... FROM variable")`) or with `register`: columns
        and filters are pushed down, and a filter on `day` skips files.

        Raises:
            ValueError: more than one family (use `relation`), or PII (use `read_pii`).
            LakeDamaged: a file is missing or isn't what was written.
        """
        lake_reader.refuse_pii(families)
        if len(families) != 1:
            raise ValueError("scan reads one family; relation joins several")
        files = self.files(dataset, seller_id, days, families)
        living = lake_reader.living_files(self._keys, files)
        if not living:
            return None
        return lake_reader.arrow_dataset(self._dir, dataset.families[families[0]], living, [lake_reader.DAY])

    def relation(
        self,
        connection: DuckDBPyConnection,
        dataset: Dataset,
        seller_id: str,
        days: Collection[date] | None = None,
        families: Sequence[RetentionClass] = (BUSINESS, PSEUDONYM),
    ) -> DuckDBPyRelation:
        """Families side by side as a DuckDB relation: the dataset's columns in order, then `day`.

        `business` is always read; other families that the dataset has are left-joined on grain and day. A family that
        is dead or was never written gives nulls; no partition at all gives no rows. Grains are taken to be unique
        within a partition.

        Raises:
            ValueError: PII is among the families (use `read_pii`).
            LakeDamaged: a file is missing or isn't what was written.
        """
        lake_reader.refuse_pii(families)
        wanted = [BUSINESS, *(f for f in families if f is not BUSINESS and f in dataset.families)]
        scans = {family: self.scan(dataset, seller_id, days, (family,)) for family in wanted}
        return lake_reader.joined_relation(connection, dataset, scans)

    def read_pii(
        self, dataset: Dataset, seller_id: str, days: Collection[date] | None = None, *, purpose: str, actor: str
    ) -> pa.Table:
        """A seller's living PII: grain and PII columns, `day` and `expires_on`. Audited before anything is opened.

        Args:
            dataset: one with PII.
            seller_id: whose.
            days: partitions; all when None.
            purpose: why, for the audit trail.
            actor: who, for the audit trail.

        Raises:
            ValueError: no purpose or actor, or a dataset without PII.
            LakeDamaged: a file is missing or isn't what was written.
        """
        if PII not in dataset.families:
            raise ValueError(f"dataset {dataset.name} has no PII")
        if not purpose.strip() or not actor.strip():
            raise ValueError("reading PII needs a purpose and an actor")
        files = self.files(dataset, seller_id, days, (PII,))
        span = f"{min(f.day for f in files)}..{max(f.day for f in files)}" if files else "no days"
        rows = sum(file.rows for file in files)
        self._audit.record(actor, "read_pii", seller_id, f"{dataset.name} {span}", purpose, rows)
        schema, extra = dataset.families[PII], [lake_reader.DAY, lake_reader.EXPIRES_ON]
        living = lake_reader.living_files(self._keys, files)
        if not living:
            return pa.schema([*schema, *extra]).empty_table()
        with self.reading(dataset, seller_id, days):
            return lake_reader.arrow_dataset(self._dir, schema, living, extra).to_table()

    @contextmanager
    def reading(
        self, dataset: Dataset | str | None = None, seller_id: str | None = None, days: Collection[date] | None = None
    ) -> Iterator[None]:
        """Turn what DuckDB or Arrow raise over a damaged page into the sentence that names the file.

        A scan checks small files whole, and of larger ones place, size and footer; a bit flipped inside a page of those
        shows when the query reads that page. Wrap the query in this. An error that isn't the lake's passes through.

        Raises:
            LakeDamaged: in place of the original error, when files of these partitions aren't what was written.
        """
        try:
            yield
        except (duckdb.Error, OSError, pa.ArrowException):
            files = self.files(dataset, seller_id, days)
            wrong = self.verify(files)
            for file in files:
                if file.path in wrong:
                    problem = lake_reader.missing if wrong[file.path] == "missing" else lake_reader.damaged
                    raise problem(file) from None
            raise

    @property
    def search(self) -> LakeSearch:
        """Searches files of all classes, PII too: whoever uses it audits what is read."""
        return LakeSearch(self._dir, self._control, self._keys)

    def search_for_hold(self, held_since: date) -> LakeSearch:
        """The same for a legal hold placed on a day: it reaches what is due and not destroyed yet, too."""
        return LakeSearch(self._dir, self._control, self._keys, held_since)

    @property
    def rewriter(self) -> LakeRewriter:
        """Takes rows out of files for good."""
        return LakeRewriter(self._dir, self._lock_dir, self._control, self._keys, self._clock, self._on_step)

    def sweep(self) -> SweepReport:
        """Remove temporary, replaced and unreferenced files; report files that are missing. Skips busy partitions.

        Raises:
            LakeDamaged: this lake belongs to another control database.
        """
        self.check_installation()
        return lake_sweep.sweep(self._dir, self._lock_dir, self._control)

    def verify(self, files: Sequence[LakeFile]) -> dict[str, str]:
        """Compare files with the books' size and SHA-256; gives what is wrong by path, nothing when all is well."""
        return lake_sweep.verify(self._dir, files)

    def destroy_files(self, files: Sequence[LakeFile]) -> DestroyReport:
        """Unlink files and record them as destroyed; what couldn't be unlinked is reported and stays as it was."""
        return lake_sweep.destroy_files(self._dir, self._control, self._clock, files)


def _name(dataset: Dataset | str | None) -> str | None:
    return dataset.name if isinstance(dataset, Dataset) else dataset
