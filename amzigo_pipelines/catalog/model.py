"""The words of the catalog: retention classes, columns, datasets, and the rules they must keep.

Belongs here: what a dataset *is*, and the checks that refuse one that is not fully declared. Does not belong here:
any single dataset (one module each beside this one), how rows are fetched (`assets/`) or stored (`resources/`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

import pyarrow as pa

from amzigo_pipelines.catalog.periods import LONGEST_DAYS as LONGEST_DAYS
from amzigo_pipelines.catalog.periods import PERIOD_DAYS as PERIOD_DAYS
from amzigo_pipelines.catalog.periods import RetentionClass as RetentionClass
from amzigo_pipelines.errors import AmzigoError

STRING = pa.string()
INTEGER = pa.int64()
BOOLEAN = pa.bool_()
# Rates and ratios only; never money.
RATIO = pa.float64()
INSTANT = pa.timestamp("us", tz="UTC")
DATE = pa.date32()
# Four decimals hold every currency of an Amazon marketplace; money is never a float.
MONEY = pa.decimal128(18, 4)


class CatalogError(AmzigoError):
    """A dataset is not declared as the catalog demands; the message names the dataset and the column."""


@dataclass(frozen=True)
class Column:
    """One column of a dataset.

    Attributes:
        name: snake_case; units and kinds in the name (`_at` an instant in UTC, `_on` a date).
        type: a flat Arrow type.
        retention: the class that decides how long values live, and in which file they are stored.
        description: what a value means, for the UI, the data dictionary and SQL comments.
        source: where the value stands in Amazon's answer: a dotted JSON path (`a.b`, `a[type=X].b`, `a[].b`), or a
            report's header. `@...` is what the extraction itself knows, see `CONTEXT`. Empty for what we derive.
        purpose: for PII only: what the value is needed for, with the legal basis.
        at_least: no value is below it; for numbers that count things.
        one_of: all values that Amazon documents; empty where it documents none.
    """

    name: str
    type: pa.DataType
    retention: RetentionClass | None
    description: str
    source: str = ""
    purpose: str = ""
    at_least: int | None = None
    one_of: tuple[str, ...] = ()


CONTEXT = ("@marketplace_id", "@currency", "@taken_at", "@occurrence")
"""What a column of a report may take from the extraction instead of from Amazon: the marketplace that was asked and its
currency, when the report was asked for, and the how-manieth line of its kind within the day a line is (from 1), for
reports whose lines have nothing that tells two equal events apart."""

# Where personal data of a report dates from, beside the names of its own columns; see `ReportShape.pii_from`.
FROM_ORDER = "@order"
FROM_DAY = "@day"


@dataclass(frozen=True)
class QueryShape:
    """A query of Amazon's Data Kiosk, whose fields are the sources of the dataset's columns.

    Attributes:
        schema: the GraphQL field that names the data set and its version.
        view: the field below it that gives the rows.
        aggregate_by: the value of its argument `aggregateBy`.
    """

    schema: str
    view: str
    aggregate_by: str

    @property
    def name(self) -> str:
        """What the ledger of reports and errors call it."""
        return f"{self.schema}.{self.view}"


@dataclass(frozen=True)
class ReportShape:
    """What must be known of a report to extract it, beside the map of its columns.

    Attributes:
        day_column: the column, an instant or a date, whose day in the marketplace's time zone is the partition's day.
            Empty for snapshots.
        options: `reportOptions` of the request.
        cooldown: Amazon makes a report of this type anew no sooner than this after the last.
        is_for_account: True where one report covers all marketplaces of a region; else one is asked for each.
        records: for JSON reports the dotted path of the list of records; empty for tab-separated ones.
        is_weekly: True where Amazon reports whole weeks only, Sunday to Saturday: a week's rows are of its last day.
        query: for what is no report but a query of Data Kiosk: which one.
        pii_from: what proves that a row's order was not delivered yet, and so when its personal data dies; the first
            that is there counts: `@order` (the order of the row's `order_id`, as the lake knows it), a column, or
            `@day` (the partition's day, for rows that concern no delivery). Where none is there, personal data is not
            stored.
    """

    day_column: str = ""
    options: tuple[tuple[str, str], ...] = ()
    cooldown: timedelta = timedelta(0)
    is_for_account: bool = False
    records: str = ""
    is_weekly: bool = False
    query: QueryShape | None = None
    pii_from: tuple[str, ...] = (FROM_DAY,)


@dataclass(frozen=True)
class Source:
    """Where a dataset comes from.

    Attributes:
        operation: SP-API operation (`searchOrders`), or for a report the operation that asks for it.
        report_type: Amazon's report type, for datasets that come as a report; the name of the query for those of Data
            Kiosk.
        is_snapshot: True where Amazon tells only the present, so that a past day can't be asked for.
        lookback_days: so many earlier days are fetched again every night, because Amazon adds to them or restates them.
        window_days: the most days that one request may cover.
        role: the role that Amazon demands for it, as Seller Central names it; empty for those that every seller grants.
        is_optional: True where a seller may do without it: it needs an account that has to be connected by itself.
        needs_brand: True where only sellers who own a registered brand get it: Amazon's refusal is then a state of the
            seller, told loudly once, and no fault that comes back every night.
        report: how to extract the report, for those that the generic extraction takes care of.
        expected_within: so long after a day has ended (UTC) its partition is there, unless something is wrong.
    """

    operation: str
    report_type: str = ""
    is_snapshot: bool = False
    lookback_days: int = 0
    window_days: int = 30
    role: str = ""
    is_optional: bool = False
    needs_brand: bool = False
    report: ReportShape | None = None
    expected_within: timedelta = timedelta(hours=6)


@dataclass(frozen=True)
class Reference:
    """Rows that must be there in another dataset of the same seller.

    Attributes:
        columns: this dataset's columns.
        dataset: name of the other, in which the columns have the same names.
    """

    columns: tuple[str, ...]
    dataset: str


@dataclass(frozen=True)
class Dataset:
    """One table of a seller's data, as it is extracted and stored.

    Attributes:
        name: table name; folder in the lake, asset key.
        description: one row is what, and where it comes from.
        grain: the columns that identify a row within the seller; each of class `business`, never null.
        columns: all columns in order.
        source: operation or report that gives the rows.
        purpose: what the data is used for (Amzigo's data policy, clause 1.2).
        legal_basis: the policy's legal basis for that use (clause 1.3).
        partition_day: what the partition's day means for this dataset.
        references: which rows of other datasets the rows of a day refer to, on the same day.

    Raises:
        CatalogError: a column without a retention class, of a nested type, declared twice, PII without a purpose,
            or a grain that names no `business` column.
    """

    name: str
    description: str
    grain: tuple[str, ...]
    columns: tuple[Column, ...] = field(repr=False)
    source: Source
    purpose: str
    legal_basis: str
    partition_day: str
    references: tuple[Reference, ...] = ()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for column in self.columns:
            where = f"column {column.name!r} of dataset {self.name!r}"
            if column.name in seen:
                raise CatalogError(f"{where} is declared twice")
            seen.add(column.name)
            if not isinstance(column.retention, RetentionClass):
                raise CatalogError(
                    f"{where} has no retention class: give it pii, pseudonym or business before any of it is stored"
                )
            if pa.types.is_nested(column.type):
                raise CatalogError(
                    f"{where} is nested ({column.type}): columns are flat, so split it or join its values"
                )
            if column.retention is RetentionClass.PII and not column.purpose:
                raise CatalogError(f"{where} is PII without a purpose: say what it is needed for, or don't ask for it")
        for name in self.grain:
            if name not in seen or self.column(name).retention is not RetentionClass.BUSINESS:
                raise CatalogError(
                    f"the grain of dataset {self.name!r} names {name!r}, which is no business column of it"
                )
        if not self.grain:
            raise CatalogError(f"dataset {self.name!r} has no grain: name the columns that identify a row")
        if self.source.report is not None:
            self._check_report(self.source.report)

    def _check_report(self, shape: ReportShape) -> None:
        names = {column.name for column in self.columns}
        for column in self.columns:
            if column.source.startswith("@") and column.source not in CONTEXT:
                raise CatalogError(
                    f"column {column.name!r} of dataset {self.name!r} takes {column.source!r}, which the extraction "
                    f"does not know: use one of {', '.join(CONTEXT)}"
                )
        if self.source.is_snapshot != (shape.day_column == ""):
            raise CatalogError(f"dataset {self.name!r} needs a day column or must be a snapshot, and not both")
        if shape.day_column and shape.day_column not in names:
            raise CatalogError(f"dataset {self.name!r} has no column {shape.day_column!r} to tell a row's day by")
        if shape.query is not None and (self.source.report_type != shape.query.name or not shape.is_for_account):
            raise CatalogError(
                f"dataset {self.name!r} comes by a query: its report type must be {shape.query.name!r}, and it is for "
                "the account, because a query names all marketplaces"
            )
        for origin in shape.pii_from:
            if origin not in (FROM_ORDER, FROM_DAY) and origin not in names:
                raise CatalogError(f"dataset {self.name!r} has no column {origin!r} to date its PII by")
        if FROM_ORDER in shape.pii_from and "order_id" not in names:
            raise CatalogError(f"dataset {self.name!r} dates its PII by the order, and has no order_id")

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            KeyError: there is none.
        """
        return self._by_name[name]

    def retention_of(self, name: str) -> RetentionClass:
        """The retention class of the column of that name."""
        retention = self.column(name).retention
        assert retention is not None  # __post_init__ refused a dataset with an unclassified column
        return retention

    @cached_property
    def schema(self) -> pa.Schema:
        """All columns as an Arrow schema; grain columns are not nullable."""
        return self._schema_of(self.columns)

    @cached_property
    def families(self) -> dict[RetentionClass, pa.Schema]:
        """Column families: for each class that occurs, the schema of its file (grain columns first)."""
        grain = [self.column(name) for name in self.grain]
        found: dict[RetentionClass, pa.Schema] = {}
        for retention in RetentionClass:
            own = [c for c in self.columns if c.retention is retention and c.name not in self.grain]
            if own or retention is RetentionClass.BUSINESS:
                found[retention] = self._schema_of((*grain, *own))
        return found

    def _schema_of(self, columns: tuple[Column, ...]) -> pa.Schema:
        return pa.schema([pa.field(c.name, c.type, nullable=c.name not in self.grain) for c in columns])

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)


def business(
    name: str,
    type_: pa.DataType,
    description: str,
    source: str = "",
    *,
    at_least: int | None = None,
    one_of: tuple[str, ...] = (),
) -> Column:
    """A column of class `business`; for `at_least` and `one_of` see `Column`."""
    return Column(name, type_, RetentionClass.BUSINESS, description, source, at_least=at_least, one_of=one_of)


def pseudonym(name: str, type_: pa.DataType, description: str, source: str = "") -> Column:
    """A column of class `pseudonym`: derived from PII before the PII goes, of no use without our own key."""
    return Column(name, type_, RetentionClass.PSEUDONYM, description, source)


def pii(name: str, type_: pa.DataType, description: str, source: str, purpose: str) -> Column:
    """A column of class `pii`: a buyer's personal data."""
    return Column(name, type_, RetentionClass.PII, description, source, purpose)


UNCLASSIFIED = "unclassified"


def unclassified() -> Column:
    """The column of a report for whatever Amazon sends under a header that nobody has classified yet.

    It counts as personal data until somebody looks: a new header is not swallowed, and not trusted either.
    """
    return pii(
        UNCLASSIFIED,
        STRING,
        "Values under headers that the catalog does not know, as a JSON object; null where there are none.",
        source="",
        purpose="order management: nothing that Amazon adds is lost before somebody classifies it (contract)",
    )
