"""`amzigo dictionary`: what every table and column means.

Belongs here: printing it. Does not belong here: where it comes from (`assets/dictionary.py`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from amzigo_pipelines.cli.options import AsJson
from amzigo_pipelines.cli.output import print_json, print_table, say

PAGE_HEAD = """\
# Data dictionary

Every table and column, made by `amzigo dictionary --markdown` from the catalog (`amzigo_pipelines/catalog/`) and the
comments of the marts (`amzigo_pipelines/assets/marts/*.sql`). The same texts are comments in the published DuckDB files
and descriptions in the Dagster UI.

Classes: `pii` lives until 30 days after delivery at the latest, `pseudonym` 365 days, `business` 548 days. Marts hold
no `pii`. A currency is always a column and amounts are never summed across currencies.
"""


def dictionary(
    table: Annotated[
        list[str] | None, typer.Argument(help="Tables, such as sales_daily or lake/orders. Default: list all.")
    ] = None,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the whole page, for documentation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell what every table and column means.

    Example: amzigo dictionary sales_daily
    """
    from rich.markup import escape

    from amzigo_pipelines.assets import dictionary as source

    entries = source.entries_of(table) if table else source.dictionary()
    if as_json:
        print_json([entry.as_record() for entry in entries])
    elif as_markdown:
        print(PAGE_HEAD + "\n" + source.as_markdown(entries), end="")
    elif table:
        for entry in entries:
            say(f"[bold]{entry.name}[/bold]: {escape(entry.meaning)}")
            say(f"One row per {', '.join(entry.grain)}.")
            rows = [[c.name, c.type, c.retention or "-", c.meaning] for c in entry.columns]
            print_table("", ["column", "type", "class", "meaning"], rows)
    else:
        first = [entry.meaning.partition("\n")[0].partition(". ")[0] for entry in entries]
        listed = [[entry.name, len(entry.columns), text] for entry, text in zip(entries, first, strict=True)]
        print_table("Tables", ["table", "columns", "one row is"], listed)
        say("one table's columns: amzigo dictionary sales_daily")
