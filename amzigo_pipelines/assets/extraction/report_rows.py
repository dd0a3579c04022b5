"""From a report's lines or records to a dataset's rows, day by day, with the date of death of personal data.

Belongs here: columns that the extraction itself knows, which day a row belongs to, lines that repeat themselves, when
personal data dies. Does not belong here: bytes, charsets and headers (`resources/reports/text.py`), which reports there
are (`reports.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from amzigo_pipelines.assets.extraction.paths import Flattener, FlattenError, Path, typed
from amzigo_pipelines.assets.extraction.query_rows import QueryRows
from amzigo_pipelines.assets.extraction.results import Extraction
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES, Marketplace
from amzigo_pipelines.catalog.model import (
    DATE,
    FROM_DAY,
    FROM_ORDER,
    INSTANT,
    INTEGER,
    STRING,
    UNCLASSIFIED,
    Column,
    Dataset,
    RetentionClass,
)
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.clock import today
from amzigo_pipelines.resources.quarantine.structure import is_counted, placeholders
from amzigo_pipelines.resources.reports.documents import Report, report_json, report_objects, report_table
from amzigo_pipelines.resources.reports.values import parse_values
from amzigo_pipelines.retention.dates import CLOCK_COLUMNS, earliest_pii_day, expires_on_of

_SEPARATOR = "\x1f"

DayRows = tuple[date, pa.Table, pa.Array | None]


def drift_told(unknown: Iterable[str], missing: Iterable[str]) -> list[str]:
    """What a person should know of columns that came or went."""
    found = []
    if new := sorted(unknown):
        found.append(
            f"new columns that nobody has classified yet: {', '.join(new)}; their values are kept encrypted as PII in "
            f"the column '{UNCLASSIFIED}': add them to the catalog"
        )
    if gone := sorted(missing):
        found.append(f"columns that Amazon does not send any more: {', '.join(gone)}; they are empty")
    return found


class RowMaker:
    """Makes the rows of one window's reports.

    Args:
        dataset: whose rows.
        extraction: what it works with.
        window: the days that are wanted; rows of other days are left out, for they belong to other partitions.
    """

    def __init__(self, dataset: Dataset, extraction: Extraction, window: Sequence[date]) -> None:
        assert dataset.source.report is not None
        self._dataset, self._shape, self._extraction = dataset, dataset.source.report, extraction
        self._window = frozenset(window)
        self._snapshot_day = window[0] if dataset.source.is_snapshot else None
        self._counter = next((c.name for c in dataset if c.source == "@occurrence"), None)
        self._seen: Counter[str] = Counter()
        self._drift: dict[str, set[str]] = {"unknown": set(), "missing": set()}
        self._answers = QueryRows(dataset) if self._shape.query is not None else None
        self._seen_in: dict[date, set[str]] = {}
        self._doubles = self._undated = 0

    def rows_of(self, report: Report) -> Iterator[DayRows]:
        """The rows of one report, in pieces of one day each: day, rows, dates of death (None without PII).

        Raises:
            FlattenError: a value that is not what the column holds, or a row without what identifies it.
            SpApiError: the report can't be downloaded or read.
        """
        market = MARKETPLACES[report.marketplace_id]
        for columns in self._columns(report, market):
            table = self._table(columns, report, market)
            for day, rows in self._by_day(table, market):
                rows = self._told_apart(rows, day)
                if rows.num_rows:
                    if self._answers is not None:
                        self._seen_in.setdefault(day, set()).update(pc.unique(rows["marketplace_id"]).to_pylist())
                    expires_on = self._expires_on(rows, day)
                    if expires_on is not None:
                        rows = self._without_undated(rows, expires_on)
                    yield day, rows, expires_on

    def seen_in(self, day: date) -> Set[str]:
        """Of which marketplaces there were rows of a day; of queries alone."""
        return self._seen_in.get(day, set())

    def warnings(self) -> list[str]:
        """What a person should know of the reports that were read."""
        found = self._answers.warnings() if self._answers is not None else []
        found += drift_told(self._drift["unknown"], self._drift["missing"])
        if self._doubles:
            found.append(
                f"{self._doubles} lines repeat another line's {', '.join(self._dataset.grain)}: the first stays"
            )
        if self._undated:
            found.append(
                f"personal data of {self._undated} rows was not stored: nothing proves that their orders were not "
                "delivered more than 30 days ago"
            )
        return found

    # -- reading -----------------------------------------------------------------------------------------------------

    def _columns(self, report: Report, market: Marketplace) -> Iterator[dict[str, pa.Array]]:
        if self._answers is not None:
            with report_objects(self._extraction.partner, report) as rows:
                yield from self._answers.columns(rows)
        elif self._shape.records:
            yield from self._records(report)
        else:
            yield from self._lines(report, market)

    def _lines(self, report: Report, market: Marketplace) -> Iterator[dict[str, pa.Array]]:
        own = [c for c in self._dataset if c.source and not c.source.startswith("@")]
        required = [self._dataset.column(name).source for name in self._dataset.grain]
        with report_table(
            self._extraction.partner,
            report,
            [c.source for c in own],
            required=[header for header in required if header and not header.startswith("@")],
        ) as table:
            for batch in table.batches():
                columns = {c.name: self._values(c, batch.column(c.source), market) for c in own}
                if UNCLASSIFIED in batch.schema.names:
                    columns[UNCLASSIFIED] = batch.column(UNCLASSIFIED)
                yield columns
            self._drift["unknown"].update(table.drift.unknown)
            self._drift["missing"].update(table.drift.missing)

    def _records(self, report: Report) -> Iterator[dict[str, pa.Array]]:
        document = report_json(self._extraction.partner, report)
        own = [c for c in self._dataset if c.source and not c.source.startswith("@")]
        records = document
        for name in self._shape.records.split("."):
            records = records.get(name) if isinstance(records, dict) else None
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise FlattenError(
                f"the report of dataset {self._dataset.name} has no list {self._shape.records}: Amazon's format has "
                "changed; nothing was stored"
            )
        held = [{"record": record, "document": document} for record in records]
        columns = {}
        for column in own:
            root = "document" if column.source.startswith("^") else "record"
            values: pa.Array = pa.nulls(len(held), column.type)
            for path in column.source.removeprefix("^").split("|"):
                flat = Flattener(self._dataset.name, [Path.parse(column.name, f"{root}.{path}", column.type)])
                values = pc.coalesce(values, flat.columns(held)[column.name])
            columns[column.name] = values
        yield columns

    def _values(self, column: Column, texts: pa.Array, market: Marketplace) -> pa.Array:
        if column.type == STRING:
            return typed(self._dataset.name, column.name, texts, STRING)
        return parse_values(self._dataset.name, column.name, texts, column.type, market)

    # -- making rows -------------------------------------------------------------------------------------------------

    def _table(self, columns: dict[str, pa.Array], report: Report, market: Marketplace) -> pa.Table:
        count = len(next(iter(columns.values())))
        known = {
            "@marketplace_id": pa.scalar(market.marketplace_id, STRING),
            "@currency": pa.scalar(market.currency, STRING),
            "@taken_at": pa.scalar(report.asked_at or self._extraction.clock.now(), INSTANT),
            "@occurrence": pa.scalar(1, INTEGER),
        }
        arrays = []
        for column in self._dataset:
            if column.source in known:
                arrays.append(pa.repeat(known[column.source], count))
            else:
                arrays.append(columns.get(column.name, pa.nulls(count, column.type)))
        for name in self._dataset.grain:
            place = self._dataset.schema.get_field_index(name)
            lacking = arrays[place].null_count
            if lacking and is_counted(self._dataset.name, name, "missing, though it identifies rows", lacking):
                arrays[place] = placeholders(arrays[place])
            elif lacking:
                raise FlattenError(
                    f"{lacking} lines for dataset {self._dataset.name} have no {name}, which is part "
                    "of what identifies a row: Amazon's format has changed, or the report is damaged; nothing was "
                    "stored"
                )
        return pa.Table.from_arrays(arrays, schema=self._dataset.schema)

    def _by_day(self, table: pa.Table, market: Marketplace) -> Iterator[tuple[date, pa.Table]]:
        if self._snapshot_day is not None:
            yield self._snapshot_day, table
            return
        days = table[self._shape.day_column]
        if days.null_count and is_counted(
            self._dataset.name, self._shape.day_column, "missing, so its rows belong to no day", days.null_count
        ):
            days = days.drop_null()
            table = table.filter(pc.is_valid(table[self._shape.day_column]))
        elif days.null_count:
            raise FlattenError(
                f"{days.null_count} lines for dataset {self._dataset.name} have no {self._shape.day_column}, so they "
                "belong to no day: Amazon's format has changed, or the report is damaged; nothing was stored"
            )
        if days.type == INSTANT:
            days = pc.cast(pc.local_timestamp(days.cast(pa.timestamp("us", tz=market.time_zone))), DATE, safe=False)
        for day in sorted(pc.unique(days).to_pylist()):
            if day in self._window:
                yield day, table.filter(pc.equal(days, pa.scalar(day, DATE)))

    def _told_apart(self, rows: pa.Table, day: date) -> pa.Table:
        """Lines of the same grain: counted where the dataset counts them, else only the first stays."""
        names = [name for name in self._dataset.grain if name != self._counter]
        texts = [pc.cast(rows[name], STRING) for name in names]
        keys = pc.binary_join_element_wise(*texts, day.isoformat(), _SEPARATOR).to_pylist()
        if self._counter is None:
            fresh = [key not in self._seen and not self._seen.update((key,)) for key in keys]
            if all(fresh):
                return rows
            self._doubles += fresh.count(False)
            return rows.filter(pa.array(fresh))
        numbers = []
        for key in keys:
            self._seen[key] += 1
            numbers.append(self._seen[key])
        place = rows.schema.get_field_index(self._counter)
        return rows.set_column(place, rows.schema.field(place), pa.array(numbers, INTEGER))

    # -- dates of death ----------------------------------------------------------------------------------------------

    def _expires_on(self, rows: pa.Table, day: date) -> pa.Array | None:
        """The date of death of each row's personal data; null where nothing proves one."""
        if RetentionClass.PII not in self._dataset.families:
            return None
        found = pa.nulls(rows.num_rows, DATE)
        for origin in self._shape.pii_from:
            if found.null_count == 0:
                break
            if origin == FROM_DAY:
                dates = pa.repeat(pa.scalar(day + timedelta(days=self._extraction.pii_days), DATE), rows.num_rows)
            elif origin == FROM_ORDER:
                dates = deaths_of_orders(self._extraction, rows["order_id"].combine_chunks())
            else:
                dates = self._after(rows[origin].combine_chunks())
            found = pc.coalesce(found, dates)
        return found

    def _after(self, moments: pa.Array) -> pa.Array:
        """The period after a moment at which the order was not delivered yet; a moment to come proves nothing yet."""
        now: datetime = self._extraction.clock.now()
        is_date = moments.type == DATE
        if not is_date:
            moments = pc.cast(moments.cast(pa.timestamp("us")), DATE, safe=False)
        latest = pa.scalar(now.date(), DATE)
        moments = pc.if_else(pc.greater(moments, latest), latest, moments)
        # A date is a local one, and east of Greenwich begins the day before.
        days = self._extraction.pii_days - (1 if is_date else 0)
        return pc.add(moments.cast(pa.int32()), pa.scalar(days, pa.int32())).cast(DATE)

    def _without_undated(self, rows: pa.Table, expires_on: pa.Array) -> pa.Table:
        """Personal data without a date of death is not stored: it could not be shown to have gone in time."""
        undated = pc.is_null(expires_on)
        if not pc.any(undated).as_py():
            return rows
        had_any = pa.repeat(pa.scalar(False), rows.num_rows)
        for place, column in enumerate(self._dataset.columns):
            if column.retention is RetentionClass.PII:
                values = rows.column(place).combine_chunks()
                had_any = pc.or_(had_any, pc.and_(undated, pc.is_valid(values)))
                blank = pc.if_else(undated, pa.scalar(None, column.type), values)
                rows = rows.set_column(place, rows.schema.field(place), blank)
        self._undated += pc.sum(had_any).as_py() or 0
        return rows


def deaths_of_orders(extraction: Extraction, order_ids: pa.Array) -> pa.Array:
    """Dates of death by the retention clock of orders as the lake knows them; null for those that it doesn't know."""
    now = extraction.clock.now()
    first = earliest_pii_day(today(extraction.clock), extraction.pii_days)
    days = [first + timedelta(days=n) for n in range((now.date() - first).days + 1)]
    stored = extraction.lake.scan(ORDERS, extraction.partner.seller_id, days)
    if stored is None:
        return pa.nulls(len(order_ids), DATE)
    wanted = ds.field("order_id").isin(pc.unique(order_ids))
    orders = stored.to_table(columns=["order_id", *CLOCK_COLUMNS], filter=wanted)
    orders = orders.sort_by("last_updated_at")
    dates = dict(
        zip(
            orders["order_id"].to_pylist(),
            expires_on_of(orders, now, extraction.pii_days).to_pylist(),
            strict=True,
        )
    )
    return pa.array([dates.get(order_id) for order_id in order_ids.to_pylist()], DATE)
