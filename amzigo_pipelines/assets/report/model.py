"""What a report is made of: sections of charts and tables, and the marts that they read.

Belongs here: the parts. Does not belong here: which there are (`sales.py`, `profit.py`, `stock.py`, ...) and how they
become a page (`page.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from amzigo_pipelines.catalog.marketplaces import MARKETPLACES

if TYPE_CHECKING:
    import duckdb


Row = dict[str, Any]
# Where nothing is known.
NOTHING = "-"
_NUMBER = re.compile(r"-|-?[\d,]+(\.\d+)?%?")


@dataclass(frozen=True)
class Table:
    """A table of a report.

    Attributes:
        columns: their headings.
        rows: cells as they are shown; numbers stand to the right.
        is_folded: whether it only repeats a chart's values, and is opened by a click.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    is_folded: bool = False

    def is_number(self, place: int) -> bool:
        """Whether all cells of a column are numbers, or dashes for what is not known."""
        return place > 0 and all(_NUMBER.fullmatch(row[place]) for row in self.rows)


@dataclass(frozen=True)
class Block:
    """One thing to look at.

    Attributes:
        heading: what it shows, with marketplace and currency where there are several.
        says: one sentence: what is seen, and what it means in money or stock.
        chart: as markup of the page; empty for none.
        tables: the values.
        note: how it is to be read.
    """

    heading: str
    says: str
    chart: str = ""
    tables: Sequence[Table] = ()
    note: str = ""


@dataclass(frozen=True)
class Section:
    """One topic of a report.

    Attributes:
        title: of the section.
        lead: what it answers and how the numbers are meant.
        blocks: what there is to look at.
        missing: why there is nothing to look at, or what the blocks lack and why; sentences without their full stop.
    """

    title: str
    lead: str
    blocks: Sequence[Block] = field(default_factory=tuple)
    missing: Sequence[str] = field(default_factory=tuple)


class Marts:
    """The published marts of one seller, asked for what a section shows.

    Args:
        connection: read-only, of one seller.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._minor_digits = dict(
            connection.execute("SELECT currency, minor_digits FROM staging.currencies").fetchall()
        )

    def rows(self, sql: str, *values: object) -> list[Row]:
        """The rows of a query with `?` for values."""
        cursor = self._connection.execute(sql, list(values))
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def why(self, mart: str, *columns: str) -> list[str]:
        """Why columns of a mart, or any of it when none is named, are null for lack of a dataset; empty if none is."""
        told = self.rows(
            "SELECT column_name, reason FROM mart_notes WHERE mart = ? ORDER BY missing_dataset, column_name", mart
        )
        return list(dict.fromkeys(row["reason"] for row in told if not columns or row["column_name"] in columns))

    def money(self, value: Decimal | float | None, currency: str) -> str:
        """An amount with the decimals of its currency, which stands beside it."""
        return NOTHING if value is None else f"{value:,.{self._minor_digits.get(currency, 2)}f}"

    def price(self, value: Decimal | float | None, currency: str) -> str:
        """An amount with its currency, for sentences."""
        return f"{self.money(value, currency)} {currency}"


def country(marketplace_id: str) -> str:
    """How a marketplace is called: its country's code, or what the marts call it."""
    known = MARKETPLACES.get(marketplace_id)
    return known.country if known else marketplace_id.strip("()")


def by_marketplace(rows: Iterable[Row]) -> list[tuple[str, str, list[Row]]]:
    """Rows by marketplace, and by currency where they have one, in the order of the countries' codes.

    Returns:
        Marketplace id, currency (empty where there is none), and their rows in the order they came; what concerns the
        account as a whole comes last.
    """
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["marketplace_id"], row.get("currency", "")), []).append(row)
    order = sorted(found, key=lambda key: (key[0].startswith("("), country(key[0]), key[1]))
    return [(*key, found[key]) for key in order]


def count(value: float | Decimal | None) -> str:
    """A number of things."""
    return NOTHING if value is None else f"{value:,.0f}"


def things(value: float | Decimal, one: str, many: str = "") -> str:
    """A number of things with their name: 1 unit, 2 units."""
    return f"{value:,.0f} {one if round(value) == 1 else many or one + 's'}"


def rate(value: float | Decimal | None, digits: int = 1) -> str:
    """A share as a percentage."""
    return NOTHING if value is None else f"{value:.{digits}%}"


def one_decimal(value: float | Decimal | None) -> str:
    """A number with one decimal."""
    return NOTHING if value is None else f"{value:,.1f}"


def change(new: float | Decimal, old: float | Decimal | None) -> str:
    """How much more or less something became, for sentences; empty where there is nothing to compare with."""
    if not old:
        return ""
    ratio = float(new) / float(old) - 1
    return f"{abs(ratio):.1%} {'more' if ratio >= 0 else 'less'}"
