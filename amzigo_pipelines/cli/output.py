"""What commands print: tables for people, JSON for programs, sentences on stderr.

Belongs here: the shape of output, once for all commands. Does not belong here: what is printed. Rich is imported when
something is printed, not before: it takes longer to load than most commands' own work.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def stdout() -> Console:
    """The console of results. Rich leaves out colour by itself when the stream is no terminal."""
    from rich.console import Console

    return Console()


def stderr() -> Console:
    """The console of errors and progress."""
    from rich.console import Console

    return Console(stderr=True)


def say(text: str = "") -> None:
    """Print a sentence on stdout, in one line however narrow the terminal. Square brackets are markup."""
    stdout().print(text, highlight=False, soft_wrap=True)


def complain(text: str) -> None:
    """Print a sentence on stderr, as it is."""
    print(text, file=sys.stderr)


def print_json(data: Any) -> None:
    """Print data as JSON, two spaces deep; dates and instants in ISO 8601."""
    print(json.dumps(data, indent=2, default=_plain, ensure_ascii=False))


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    colours: Mapping[int, Mapping[Any, str]] | None = None,
) -> None:
    """Print rows as a table. Numbers stand to the right, None is shown as a dash.

    Args:
        title: above it; may be empty.
        columns: headers.
        rows: values.
        colours: by the column's place, the colours of its values.
    """
    from rich.markup import escape
    from rich.table import Table

    rows = [list(row) for row in rows]
    table = Table(title=title, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        is_number = any(isinstance(row[index], int | float | Decimal) for row in rows)
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    by_place = colours or {}
    for row in rows:
        cells = [(escape(shown(value)), by_place.get(at, {}).get(value)) for at, value in enumerate(row)]
        table.add_row(*(f"[{colour}]{text}[/]" if colour else text for text, colour in cells))
    stdout().print(table)


def print_records(title: str, records: Sequence[Mapping[str, Any]], *, as_json: bool, empty: str) -> None:
    """Print records as a table, or as a JSON list; when there are none, say so in the sentence `empty`."""
    if as_json:
        print_json(list(records))
    elif not records:
        say(empty)
    else:
        columns = list(records[0])
        print_table(title, columns, [[record[column] for column in columns] for record in records])


def shown(value: Any) -> str:
    """A value as a person reads it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Decimal):
        # Money is stored with four decimals; those beyond the second are shown only where they say something.
        whole, point, decimals = f"{value:,f}".partition(".")
        if not point:
            # A sum of counts, which DuckDB gives as a decimal without decimals.
            return whole
        return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    return str(value)
