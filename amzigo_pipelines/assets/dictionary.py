"""The data dictionary: every table and column that there is, from the catalog and the marts' own comments.

Belongs here: putting together what is declared elsewhere. Does not belong here: any description itself (`catalog/`,
`marts/*.sql`) and printing (`cli/dictionary.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from amzigo_pipelines.assets.mart_definitions import load_marts
from amzigo_pipelines.catalog.registry import STORED
from amzigo_pipelines.errors import AmzigoError


class UnknownTable(AmzigoError):
    """There is no table of that name."""


@dataclass(frozen=True)
class Term:
    """One column.

    Attributes:
        name: its name.
        type: Arrow's name of the type in the lake, DuckDB's in the marts.
        meaning: what a value says.
        retention: the retention class, for columns of the lake; empty for marts, which hold no PII.
        source: where the value stands in Amazon's answer; empty for what is derived.
        purpose: what personal data is needed for, with the legal basis.
    """

    name: str
    type: str
    meaning: str
    retention: str = ""
    source: str = ""
    purpose: str = ""


@dataclass(frozen=True)
class Entry:
    """One table.

    Attributes:
        name: `lake/orders` or `marts/orders`: the same as its asset in Dagster.
        meaning: what a row is.
        grain: the columns that identify a row.
        facts: what else is known of the table, by what it is called.
        columns: all columns in order.
    """

    name: str
    meaning: str
    grain: tuple[str, ...]
    facts: dict[str, str]
    columns: tuple[Term, ...]

    def as_record(self) -> dict[str, Any]:
        """The entry as plain data, for JSON."""
        return asdict(self)


def dictionary() -> list[Entry]:
    """All tables: the marts by name, then the datasets of the lake in the order of their declaration.

    Raises:
        MartError: a mart's file is not fully declared.
    """
    return [*_marts(), *_datasets()]


def entries_of(names: list[str]) -> list[Entry]:
    """The tables of some names: `orders` stands for both `marts/orders` and `lake/orders`.

    Raises:
        UnknownTable: there is none of a name; the sentence lists those there are.
    """
    everything = dictionary()
    found = []
    for name in names:
        fitting = [entry for entry in everything if name in (entry.name, entry.name.partition("/")[2])]
        if not fitting:
            raise UnknownTable(
                f"there is no table {name!r}: choose one of {', '.join(entry.name for entry in everything)}"
            )
        found += fitting
    return found


def as_markdown(entries: list[Entry]) -> str:
    """Tables as a page in Markdown: all of them in short, then each with its columns."""
    return "\n".join([*_index(entries), *(line for entry in entries for line in _section(entry))])


def _marts() -> Iterator[Entry]:
    for mart in sorted(load_marts(), key=lambda mart: mart.name):
        columns = tuple(Term(name, mart.types[name], meaning) for name, meaning in mart.columns.items())
        facts = {"reads": ", ".join(mart.reads)}
        yield Entry(f"marts/{mart.name}", mart.description, mart.grain, facts, columns)


def _datasets() -> Iterator[Entry]:
    for dataset in STORED.values():
        source = dataset.source
        kind = "Data Kiosk query" if source.report is not None and source.report.query is not None else "report"
        facts = {
            "partition day": dataset.partition_day,
            "source": f"{kind} {source.report_type}" if source.report_type else source.operation,
            "used for": dataset.purpose,
            "legal basis": dataset.legal_basis,
        }
        if source.role:
            facts["role that Amazon demands"] = source.role
        columns = tuple(
            Term(c.name, str(c.type), c.description, str(dataset.retention_of(c.name)), c.source, c.purpose)
            for c in dataset.columns
        )
        yield Entry(f"lake/{dataset.name}", dataset.description, dataset.grain, facts, columns)


def _index(entries: list[Entry]) -> Iterator[str]:
    yield "| table | one row per | what it is |"
    yield "|---|---|---|"
    for entry in entries:
        # As GitHub names the anchor of a heading.
        anchor = entry.name.replace("/", "")
        purpose = " ".join(entry.meaning.partition("\n\n")[0].split())
        yield f"| [`{entry.name}`](#{anchor}) | {', '.join(entry.grain)} | {purpose.replace('|', '/')} |"
    yield ""


def _section(entry: Entry) -> Iterator[str]:
    yield f"### {entry.name}\n"
    yield f"{entry.meaning}\n"
    yield f"One row per {', '.join(f'`{name}`' for name in entry.grain)}.\n"
    for name, text in entry.facts.items():
        yield f"- {name}: {text}"
    is_lake = any(column.retention for column in entry.columns)
    yield "\n| column | type | class | meaning |" if is_lake else "\n| column | type | meaning |"
    yield "|---|---|---|---|" if is_lake else "|---|---|---|"
    for column in entry.columns:
        meaning = column.meaning + (f" For {column.purpose}." if column.purpose else "")
        cells = [f"`{column.name}`", column.type, *([column.retention] if is_lake else []), meaning]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""
