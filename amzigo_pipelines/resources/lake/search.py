"""Searching the lake for somebody's rows, whatever their class: which files hold some, of which orders, and the rows.

Belongs here: reading living files through a `RowMatch`. Does not belong here: what follows from it (`rewrite.py`,
`vault.py`, `people.py`), and analysts' reading (`reader.py`): whoever searches here answers for reading PII.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import sqlalchemy as sa

from amzigo_pipelines.catalog.model import Dataset, RetentionClass
from amzigo_pipelines.catalog.registry import STORED
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import lake_files
from amzigo_pipelines.resources.keys.store import DataKey, KeyStore
from amzigo_pipelines.resources.lake.files import CURRENT, LakeDamaged, LakeFile, select_files
from amzigo_pipelines.resources.lake.reader import DAY, EXPIRES_ON, arrow_dataset, living_files
from amzigo_pipelines.resources.lake.row_match import EMAIL_COLUMNS, ORDER_COLUMN, RowMatch

T = TypeVar("T")
PERSONAL = (RetentionClass.PII, RetentionClass.PSEUDONYM)
EVERYTHING = (RetentionClass.BUSINESS, *PERSONAL)
_ATTEMPTS = 4
_BATCH_ROWS = 122_880


@dataclass(frozen=True)
class Hit:
    """A living file that holds rows that match.

    Attributes:
        file: the file.
        rows: how many match.
        order_ids: their orders, as far as they name any.
        emails: their buyers' addresses, likewise.
    """

    file: LakeFile
    rows: int
    order_ids: frozenset[str]
    emails: frozenset[str] = field(repr=False)


class LakeSearch:
    """Searches the living files of the lake; keeps nothing between calls.

    Args:
        lake_dir: the lake's folder.
        control: the books.
        keys: opens the files' keys.
        held_since: for legal holds alone: also files that were alive on this day, when the hold was placed, and whose
            keys are not destroyed yet; and those of frozen sellers.
    """

    def __init__(
        self, lake_dir: Path, control: ControlDatabase, keys: KeyStore, held_since: date | None = None
    ) -> None:
        self._dir, self._control, self._keys, self._held_since = lake_dir, control, keys, held_since

    def hits(
        self,
        seller_id: str,
        match: RowMatch,
        families: Sequence[RetentionClass] = PERSONAL,
        datasets: Collection[str] = (),
        days: Collection[date] | None = None,
        clean: set[LakeFile] | None = None,
    ) -> list[Hit]:
        """The living current files of a seller that hold rows that match.

        A file of the lake never changes: its name tells its version, its key and SHA-256 stand in the books. So one
        that was looked through for the same match need not be looked through again.

        Args:
            seller_id: whose.
            match: which rows.
            families: in files of which classes to look.
            datasets: in which datasets; all when empty.
            days: in partitions of which days; all when None.
            clean: files that a search for this very match found nothing in: they are passed over, and those in which
                this one finds nothing are added.

        Raises:
            LakeDamaged: a file is missing or isn't what was written.
        """
        found: list[Hit] = []
        passed = set() if clean is None else clean
        for dataset in STORED.values():
            if (datasets and dataset.name not in datasets) or not match.can_match(dataset):
                continue
            for family in families:
                if family in dataset.families:
                    look = partial(self._hits, seller_id, match, dataset, family, days, passed)
                    found += self._steadily(look, seller_id)
        return found

    def read(
        self,
        seller_id: str,
        match: RowMatch,
        families: Sequence[RetentionClass] = PERSONAL,
        datasets: Collection[str] = (),
        days: Collection[date] | None = None,
    ) -> list[tuple[LakeFile, pa.Table]]:
        """The rows that match, by file; for few rows, as they are all in memory. What dies meanwhile is left out.

        Raises:
            LakeDamaged: a file is missing or isn't what was written.
        """

        def look() -> list[tuple[LakeFile, pa.Table]]:
            hits = self.hits(seller_id, match, families, datasets, days)
            keys = self._keys.open_living({hit.file.key_id for hit in hits})
            found = []
            for file in (hit.file for hit in hits if hit.file.key_id in keys):
                pieces = [table.filter(mask) for table, mask in self.rows(file, keys[file.key_id], match)]
                found.append((file, pa.concat_tables(pieces)))
            return found

        return self._steadily(look, seller_id)

    def rows(self, file: LakeFile, key: DataKey, match: RowMatch) -> Iterator[tuple[pa.Table, pa.Array]]:
        """A file's rows in pieces, each with the mask of those that match.

        Where only the business family knows a row's order, `order_id` is a further column.

        Raises:
            LakeDamaged: the file is missing or isn't what was written.
        """
        dataset = STORED[file.dataset]
        schema = dataset.families[file.family]
        orders = self._orders_of(dataset, schema, file.seller_id, [file.day], match)
        scan = arrow_dataset(self._dir, schema, [(file, key)], [DAY])
        for batch in scan.to_batches(batch_size=_BATCH_ROWS):
            table = orders(pa.Table.from_batches([batch]))
            yield table.drop_columns([DAY.name]), match.mask(dataset, table)

    def _hits(
        self,
        seller_id: str,
        match: RowMatch,
        dataset: Dataset,
        family: RetentionClass,
        days: Collection[date] | None,
        clean: set[LakeFile],
    ) -> list[Hit]:
        with self._control.read() as connection:
            files = select_files(connection, dataset.name, seller_id, days, [family])
        living = living_files(self._keys, [file for file in files if file not in clean], self._held_since)
        if not living:
            return []
        schema = dataset.families[family]
        orders = self._orders_of(dataset, schema, seller_id, sorted({file.day for file, _ in living}), match)
        columns = [name for name in match.columns(dataset) if name in schema.names]
        if ORDER_COLUMN not in columns:
            columns += [name for name in dataset.grain if name not in columns]
        counts: Counter[tuple[date, date]] = Counter()
        named: dict[str, dict[tuple[date, date], set[str]]] = {
            name: defaultdict(set) for name in (ORDER_COLUMN, EMAIL_COLUMNS.get(dataset.name, ""))
        }
        scan = arrow_dataset(self._dir, schema, living, [DAY, EXPIRES_ON])
        for piece in _pieces(scan, [*columns, DAY.name, EXPIRES_ON.name]):
            table = orders(piece)
            mask = match.mask(dataset, table)
            if not pc.any(mask).as_py():
                continue
            table = table.filter(mask)
            days_and_deaths = table.column(DAY.name).to_pylist(), table.column(EXPIRES_ON.name).to_pylist()
            places = list(zip(*days_and_deaths, strict=True))
            counts.update(places)
            for name in named.keys() & set(table.column_names):
                for place, value in zip(places, table.column(name).to_pylist(), strict=True):
                    if value is not None:
                        named[name][place].add(value)
        by_place = {(file.day, file.expires_on): file for file, _ in living}
        clean.update(file for place, file in by_place.items() if place not in counts)
        ids, emails = named.values()
        return [
            Hit(by_place[place], rows, frozenset(ids[place]), frozenset(emails[place]))
            for place, rows in sorted(counts.items())
        ]

    def _orders_of(
        self, dataset: Dataset, schema: pa.Schema, seller_id: str, days: Collection[date], match: RowMatch
    ) -> Callable[[pa.Table], pa.Table]:
        """What gives rows their order's id, where only the business family of the dataset has it."""
        if ORDER_COLUMN in schema.names or ORDER_COLUMN not in match.columns(dataset):
            return lambda table: table
        with self._control.read() as connection:
            files = select_files(connection, dataset.name, seller_id, days, [RetentionClass.BUSINESS])
        living = living_files(self._keys, files, self._held_since)
        if not living:
            return lambda table: table
        scan = arrow_dataset(self._dir, dataset.families[RetentionClass.BUSINESS], living, [DAY])
        known = scan.to_table(columns=[*dataset.grain, DAY.name, ORDER_COLUMN])
        keys, ids = _row_keys(dataset, known), known.column(ORDER_COLUMN).combine_chunks()

        def with_orders(table: pa.Table) -> pa.Table:
            places = pc.index_in(_row_keys(dataset, table), value_set=keys)
            return table.append_column(ORDER_COLUMN, ids.take(places))

        return with_orders

    def _steadily(self, look: Callable[[], T], seller_id: str) -> T:
        return steadily(look, self._control, seller_id)


def steadily(look: Callable[[], T], control: ControlDatabase, seller_id: str) -> T:
    """What `look` gives; it looks again where the seller's files changed under its eyes.

    An extraction replaces files, a sweep destroys them: both may take a file away between our reading the books and the
    disk. What fails while nothing changed is damage.

    Raises:
        LakeDamaged: a file is missing or isn't what was written.
    """
    for attempt in range(_ATTEMPTS):
        before = _state(control, seller_id)
        try:
            return look()
        except LakeDamaged:
            if attempt == _ATTEMPTS - 1 or _state(control, seller_id) == before:
                raise
        except (OSError, pa.ArrowException):
            if attempt == _ATTEMPTS - 1 or _state(control, seller_id) == before:
                raise LakeDamaged(
                    "the lake can't be read through: see which file it is with 'amzigo doctor', and extract its day "
                    "again"
                ) from None
    raise AssertionError("unreachable")


def _state(control: ControlDatabase, seller_id: str) -> tuple[int, int]:
    """Changes whenever a file of the seller comes or goes: versions only rise."""
    f = lake_files.c
    query = sa.select(sa.func.count(), sa.func.sum(f.version)).where(f.seller_id == seller_id, f.state == CURRENT)
    with control.read() as connection:
        count, versions = connection.execute(query).one()
    return int(count), int(versions or 0)


def _pieces(scan: ds.Dataset, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Rows of many small files in larger pieces: a kernel's call costs as much as a thousand rows."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in scan.to_batches(columns=list(columns), batch_size=_BATCH_ROWS):
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= _BATCH_ROWS:
            yield pa.Table.from_batches(waiting).combine_chunks()
            waiting, rows = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting).combine_chunks()


def _row_keys(dataset: Dataset, table: pa.Table) -> pa.Array:
    parts = [table.column(name).cast(pa.string()) for name in (*dataset.grain, DAY.name)]
    joined = pc.binary_join_element_wise(*parts, "\x1f")
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined
