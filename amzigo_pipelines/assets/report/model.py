"""What a report is made of: sections of charts and tables, and the marts that they read.

Belongs here: the parts. Does not belong here: which there are (`sales.py`, `stock.py`, `account.py`) and how they
become a page (`page.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb


# Where nothing is known.
NOTHING = "-"
_NUMBER = re.compile(r"-|-?[\d,]+(\.\d+)?%?")


@dataclass(frozen=True)
class Table:
    """A table of a report.

    Attributes:
        columns: their headings.
        rows: cells as they are shown; numbers stand to the right.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def is_number(self, place: int) -> bool:
        """Whether all cells of a column are numbers, or dashes for what is not known."""
        return place > 0 and all(_NUMBER.fullmatch(row[place]) for row in self.rows)


@dataclass(frozen=True)
class Block:
    """One thing to look at.

    Attributes:
        heading: what it shows, with marketplace and currency where there are several.
        svg: a chart; empty for none.
        table: a table; None for none.
        note: how it is to be read.
    """

    heading: str
    svg: str = ""
    table: Table | None = None
    note: str = ""


@dataclass(frozen=True)
class Section:
    """One topic of a report.

    Attributes:
        title: of the section.
        lead: what it answers and how the numbers are meant.
        blocks: what there is to look at.
        missing: why there is nothing; empty otherwise.
    """

    title: str
    lead: str
    blocks: Sequence[Block] = field(default_factory=tuple)
    missing: str = ""


class Marts:
    """The published marts of one seller, asked for what a section shows.

    Args:
        connection: read-only, of one seller.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """The rows of a query with `?` for values."""
        cursor = self._connection.execute(sql, list(values))
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def money(value: Decimal | float | None) -> str:
    """An amount without its currency, which stands beside it."""
    return NOTHING if value is None else f"{value:,.2f}"


def count(value: float | Decimal | None) -> str:
    """A number of things."""
    return NOTHING if value is None else f"{value:,.0f}"


def rate(value: float | Decimal | None, digits: int = 1) -> str:
    """A share as a percentage."""
    return NOTHING if value is None else f"{value:.{digits}%}"


def one_decimal(value: float | Decimal | None) -> str:
    """A number with one decimal."""
    return NOTHING if value is None else f"{value:,.1f}"
