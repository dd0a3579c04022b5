"""What a mart's file says about itself: its leading comment, read and checked for completeness.

Belongs here: the lines of the comment and what they become. Does not belong here: whether they fit the SQL
(`mart_definitions.py`), and what the marts say (`marts/*.sql`).

A file begins with comment lines: the meaning in free text, then `@` lines (more lines of one are indented by two more
spaces):

    -- @grain a, b                        columns that identify a row
    -- @reads x, staging.y                marts and tables of staging that the SQL reads
    -- @column name: meaning              one for each output column, in order
    -- @without dataset: a, b: reason     these columns are null while nothing of the dataset is there, and why
    -- @signed a, b                       whole numbers that may be below 0; all others count things
    -- @one_of column: a, b               all values that the column may have
    -- @upsert key                        a column of the grain by which the mart is brought up to date, with
    -- @affected SELECT ...                 the values of it whose rows may differ after a change, and
    -- @slice table: column                 the column of an input, or what is made of it, that has the same values
    -- @view                              it is a view: nothing is copied, as it says little new

Of a mart with `@upsert`, a publish makes anew only the rows of affected values: the same SQL runs on inputs cut down to
them by `@slice`. `@affected` may read the mart as it was, everything that the mart reads as it is now, and
`changed.<mart>` and `changed.staging_<dataset>`: the rows that came or went with this publish. Of a view `@upsert` says
which rows to check again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from amzigo_pipelines.catalog.registry import STORED
from amzigo_pipelines.errors import AmzigoError

_STAGING = "staging."
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ONCE = ("grain", "reads", "signed", "upsert", "affected", "view")


class MartError(AmzigoError):
    """A mart's file is not fully declared, or says other things than its SQL; the message names file and place."""


@dataclass(frozen=True)
class Upsert:
    """How a mart is brought up to date without making all of it anew.

    Attributes:
        key: the column of the grain that picks rows.
        affected: a SELECT of the key's values whose rows may differ.
        slices: by input (a mart, or `staging.<table>`) the column, or expression, that has the key's values.
    """

    key: str
    affected: str
    slices: Mapping[str, str]


@dataclass(frozen=True)
class Gap:
    """Columns that are null while nothing of a dataset has been extracted, and why."""

    dataset: str
    columns: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Mart:
    """One mart.

    Attributes:
        name: table name: the file's name without `.sql`.
        sql: one SELECT, with its leading comment.
        description: what a row is and how the numbers are meant.
        grain: columns that identify a row; unique and never null.
        columns: what each output column means, in order.
        reads: what the SQL reads, as declared and checked: marts by name, `staging.<table>` else.
        upsert: how it is brought up to date; None: made anew when something that it reads changed.
        gaps: what is null for lack of a dataset.
        signed: columns of whole numbers that may be below 0.
        one_of: by column all values that it may have.
        is_view: whether it is a view, and no table.
        types: DuckDB type of each output column; filled by `load_marts`.
        lineage: by output column the (table, column) pairs it is made of, tables as in `reads`; filled by `load_marts`.
    """

    name: str
    sql: str
    description: str
    grain: tuple[str, ...]
    columns: Mapping[str, str]
    reads: tuple[str, ...]
    upsert: Upsert | None = None
    gaps: tuple[Gap, ...] = ()
    signed: tuple[str, ...] = ()
    one_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_view: bool = False
    types: Mapping[str, str] = field(default_factory=dict)
    lineage: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    @property
    def depends_on(self) -> tuple[str, ...]:
        """The marts that must be built before."""
        return tuple(name for name in self.reads if not name.startswith(_STAGING))

    @property
    def datasets(self) -> tuple[str, ...]:
        """The catalog's datasets that are read directly."""
        names = (name.removeprefix(_STAGING) for name in self.reads if name.startswith(_STAGING))
        return tuple(name for name in names if name in STORED)


def parse_mart(name: str, text: str) -> Mart:
    """Read one file.

    Raises:
        MartError: the leading comment lacks something.
    """
    if not _NAME.fullmatch(name):
        raise MartError(f"marts/{name}.sql: a mart's name is lower-case letters, digits and underscores")
    where = f"marts/{name}.sql"
    free, tags = _comment(where, text)
    columns: dict[str, str] = {}
    once: dict[str, str] = {}
    slices: dict[str, str] = {}
    one_of: dict[str, tuple[str, ...]] = {}
    gaps: list[Gap] = []
    for tag, value in tags:
        if tag == "column":
            column, _, meaning = value.partition(":")
            if not meaning.strip():
                raise MartError(f"{where}: column {column!r} has no meaning: write '-- @column {column}: ...'")
            if column in columns:
                raise MartError(f"{where}: column {column!r} is declared twice")
            columns[column] = meaning.strip()
        elif tag == "slice":
            table, _, column = value.partition(":")
            slices[table.strip()] = column.strip()
        elif tag == "one_of":
            column, _, values = value.partition(":")
            one_of[column.strip()] = _names(values)
        elif tag == "without":
            gaps.append(_gap(where, value))
        elif tag in _ONCE and tag not in once:
            once[tag] = value
        else:
            raise MartError(f"{where}: unknown or repeated line '-- @{tag}'")
    grain, reads = _names(once.get("grain", "")), _names(once.get("reads", ""))
    description = _paragraphs(free)
    for what, is_there in (
        ("description in its leading comment", bool(description)),
        ("'-- @grain' line", bool(grain)),
        ("'-- @reads' line", bool(reads)),
    ):
        if not is_there:
            raise MartError(f"{where} has no {what}: add it")
    signed = _names(once.get("signed", ""))
    named = [*grain, *(column for gap in gaps for column in gap.columns), *signed, *one_of]
    unknown = [column for column in named if column not in columns]
    if unknown:
        what = "grain column" if unknown[0] in grain else "a @ line names column"
        raise MartError(f"{where}: {what} {unknown[0]!r} has no '-- @column' line")
    upsert = _upsert(where, once, slices, grain, reads)
    is_view = "view" in once
    return Mart(name, text, description, grain, columns, reads, upsert, tuple(gaps), signed, one_of, is_view)


def _comment(where: str, text: str) -> tuple[list[str], list[tuple[str, str]]]:
    free: list[str] = []
    tags: list[tuple[str, str]] = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        content = line.removeprefix("--")
        if content.startswith("   ") and tags:
            tags[-1] = (tags[-1][0], f"{tags[-1][1]} {content.strip()}")
        elif content.strip().startswith("@"):
            tag, _, value = content.strip()[1:].partition(" ")
            tags.append((tag, value.strip()))
        elif tags and content.strip():
            raise MartError(f"{where}: indent what continues a @ line by two more spaces: {line!r}")
        else:
            free.append(content.strip())
    return free, tags


def _gap(where: str, value: str) -> Gap:
    dataset, _, rest = value.partition(":")
    columns, _, reason = rest.partition(":")
    if dataset not in STORED or not reason.strip():
        raise MartError(f"{where}: write '-- @without dataset: column, column: why they are null', not {value!r}")
    return Gap(dataset, _names(columns), reason.strip())


def _upsert(
    where: str, once: Mapping[str, str], slices: Mapping[str, str], grain: tuple[str, ...], reads: tuple[str, ...]
) -> Upsert | None:
    key = once.get("upsert", "")
    if not key and not slices and "affected" not in once:
        return None
    if key not in grain or not slices or not once.get("affected"):
        raise MartError(f"{where}: @upsert names a column of the grain, and needs @affected and @slice lines beside it")
    for table in slices:
        if table not in reads:
            raise MartError(f"{where}: @slice names {table!r}, which is not among what it reads")
    return Upsert(key, once["affected"], slices)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _paragraphs(lines: Iterable[str]) -> str:
    text = "\n".join(lines).strip()
    return "\n\n".join(" ".join(part.split("\n")) for part in re.split(r"\n{2,}", text) if part)
