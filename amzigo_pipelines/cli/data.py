"""`amzigo publish`, `sql`: a seller's data derived, and out."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from amzigo_pipelines.cli.login import note_export
from amzigo_pipelines.cli.options import AsJson, Seller
from amzigo_pipelines.cli.output import print_json, say, shown
from amzigo_pipelines.errors import AmzigoError


class RequestRefused(AmzigoError):
    """What a command was asked for makes no sense; the message says what does."""


class Format(StrEnum):
    """How a query's rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def publish(
    seller: Seller,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Build from nothing instead of from what changed.")
    ] = False,
    despite_failed_checks: Annotated[
        bool, typer.Option("--despite-failed-checks", help="Publish although checks of the lake's structure failed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a seller's marts up to date.

    They are built from what is new in the lake and swapped in at once; queries that run go on undisturbed.

    Example: amzigo publish --seller ASYNTHETICNORTH1
    """
    from amzigo_pipelines.assets.mart_assets import DESPITE_CHECKS_TAG, REBUILD_TAG
    from amzigo_pipelines.cli.runs import Runner, rows_by_asset
    from amzigo_pipelines.resources.labels import PUBLISH_JOB, SELLER_TAG
    from amzigo_pipelines.resources.platform import open_platform

    platform = open_platform()
    seller_id = platform.sellers.get(seller).seller_id
    tags = {
        SELLER_TAG: seller_id,
        REBUILD_TAG: str(rebuild).lower(),
        DESPITE_CHECKS_TAG: str(despite_failed_checks).lower(),
    }
    materialised = Runner(platform).run(PUBLISH_JOB, partition_key=seller_id, tags=tags)
    rows = rows_by_asset(materialised)
    if as_json:
        print_json({"seller": seller_id, "rows": rows})
        return
    say(f"{seller_id}: published " + ", ".join(f"{name} {shown(n)} rows" for name, n in rows.items()))
    say(f'ask it: amzigo sql --seller {seller_id} "SELECT * FROM sales_daily ORDER BY day DESC LIMIT 7"')


def sql(
    query: Annotated[str, typer.Argument(help="One SELECT statement, or - to read it from stdin.")],
    seller: Annotated[
        list[str] | None,
        typer.Option("--seller", "-s", help="Seller id; may be left out if there is one. Repeat to open several."),
    ] = None,
    format_: Annotated[Format, typer.Option("--format", "-f", help="How to write the rows.")] = Format.TABLE,
    output: Annotated[str | None, typer.Option("--output", "-o", help="File to write csv, json or parquet to.")] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=86_400, help="Seconds after which the query is stopped.")
    ] = 60.0,
) -> None:
    """Query a seller's published marts.

    Read-only; "SHOW TABLES" and "DESCRIBE sales_daily" say what there is. A table shows the first 100 rows. Several
    sellers stand side by side as schemas named by their ids, and are never put together by us.

    Example: amzigo sql -s ASYNTHETICNORTH1 "SELECT day, marketplace, currency, ordered_product_sales FROM sales_daily"
    """
    from amzigo_pipelines.cli.rows import write_rows
    from amzigo_pipelines.resources.platform import open_platform

    platform = open_platform()
    if not seller:
        known = [s.seller_id for s in platform.sellers.list()]
        if len(known) != 1:
            raise RequestRefused(f"say which seller: --seller with one of {', '.join(known) or 'none yet'}")
        seller = known
    text = _from_stdin() if query == "-" else query
    if _is_garbled(text):
        raise RequestRefused("the query holds characters that the locale can't read: set LC_ALL=C.UTF-8")
    seller_ids = [platform.sellers.get(seller_id).seller_id for seller_id in seller]
    if format_ is not Format.TABLE:
        for seller_id in seller_ids:
            note_export(platform, seller_id, f"{format_} {'on stdout' if output is None else 'file'}")
    write_rows(platform.warehouse.query(seller_ids, text, timeout_s=timeout), format_.value, output)


def _is_garbled(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _from_stdin() -> str:
    if sys.stdin is None:
        raise RequestRefused("stdin is closed: give the query as an argument, or pipe it in")
    try:
        return sys.stdin.read()
    except (OSError, UnicodeDecodeError):
        raise RequestRefused("the query on stdin is no readable text: write it in the terminal's encoding") from None
