"""`amzigo report`: a seller's numbers as a page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from amzigo_pipelines.cli.login import note_export
from amzigo_pipelines.cli.options import Seller
from amzigo_pipelines.cli.output import complain, say


def report(
    seller: Seller,
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")],
    despite_failed_checks: Annotated[
        bool, typer.Option("--despite-failed-checks", help="Also from marts whose structure is broken.")
    ] = False,
) -> None:
    """Write a seller's report as one HTML file.

    Charts and tables of the published marts, on a page that loads nothing from anywhere.

    Example: amzigo report --seller ASYNTHETICEUROPE -o report.html
    """
    from amzigo_pipelines.assets.report.page import make_report
    from amzigo_pipelines.cli.rows import ExportRefused
    from amzigo_pipelines.quality.mart_results import MartResults
    from amzigo_pipelines.resources.platform import open_platform

    platform = open_platform()
    found = platform.sellers.get(seller)
    if not despite_failed_checks:
        MartResults(platform.control).refuse_broken(found.seller_id)
    note_export(platform, found.seller_id, "report as HTML file")
    with platform.warehouse.connect(found.seller_id) as connection:
        published_at = platform.warehouse.published_at(found.seller_id)
        assert published_at is not None  # connect() refused a seller without marts
        page = make_report(connection, found.name, published_at)
    try:
        output.write_text(page, "utf-8")
    except OSError as error:
        raise ExportRefused(f"{output} can't be written ({error.strerror}): free space or write it elsewhere") from None
    say(f"{output}: open it in a browser")
    complain("from here on the copy is yours to protect and to delete")
