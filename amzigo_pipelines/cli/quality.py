"""`amzigo quality`: looking at what is in the lake, and how it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from amzigo_pipelines.cli import quarantine
from amzigo_pipelines.cli.options import AsJson, Seller
from amzigo_pipelines.cli.output import print_records, say

app = typer.Typer(help="Checks of lake and marts: results, and running them.", no_args_is_help=True)

app.add_typer(quarantine.app, name="quarantine")

OneSeller = Annotated[str | None, typer.Option("--seller", "-s", help="One seller. Default: all.")]


@app.command()
def run(seller: OneSeller = None) -> None:
    """Check all partitions, and published marts, that are new since the last look.

    Example: amzigo quality run
    """
    from amzigo_pipelines.automation.pipeline import MART_QUALITY_JOB, QUALITY_JOB
    from amzigo_pipelines.cli.runs import Runner
    from amzigo_pipelines.quality.mart_results import MartResults
    from amzigo_pipelines.quality.results import QualityResults
    from amzigo_pipelines.resources.labels import SELLER_TAG
    from amzigo_pipelines.resources.platform import open_platform

    platform = open_platform()
    sellers = [platform.sellers.get(seller)] if seller else platform.sellers.list()
    runner = Runner(platform)
    for one in sellers:
        waiting = sum(len(days) for days in QualityResults(platform.control).unchecked(one.seller_id).values())
        runner.run(QUALITY_JOB, tags={SELLER_TAG: one.seller_id})
        marts = ""
        if one.seller_id in MartResults(platform.control).unchecked():
            runner.run(MART_QUALITY_JOB, tags={SELLER_TAG: one.seller_id})
            marts = " and the published marts"
        say(f"{one.seller_id}: {waiting:,} partitions{marts} checked")
    _show(seller, as_json=False)


@app.command()
def status(seller: OneSeller = None, as_json: AsJson = False) -> None:
    """Show which partitions and published marts break a rule, and how many rows do.

    Example: amzigo quality status
    """
    _show(seller, as_json=as_json)


@app.command()
def report(
    seller: Seller,
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")],
) -> None:
    """Write a seller's quality page as one HTML file.

    Which days are there, what is broken now, the history of checks, what was looked at when: counts alone, on a page
    that loads nothing from anywhere.

    Example: amzigo quality report --seller ASYNTHETICEUROPE -o quality.html
    """
    from amzigo_pipelines.assets.report.quality import make_quality_page
    from amzigo_pipelines.cli.rows import ExportRefused
    from amzigo_pipelines.resources.platform import open_platform

    platform = open_platform()
    page = make_quality_page(platform, platform.sellers.get(seller).seller_id)
    try:
        output.write_text(page, "utf-8")
    except OSError as error:
        raise ExportRefused(f"{output} can't be written ({error.strerror}): free space or write it elsewhere") from None
    say(f"{output}: open it in a browser")


def _show(seller: str | None, *, as_json: bool) -> None:
    from amzigo_pipelines.quality.mart_results import MartResults
    from amzigo_pipelines.quality.results import QualityResults
    from amzigo_pipelines.resources.platform import open_platform

    platform = open_platform()
    seller_id = platform.sellers.get(seller).seller_id if seller else None
    results = QualityResults(platform.control)
    current = results.current(seller_id)
    records = [
        {
            "seller": result.seller_id,
            "dataset": result.dataset,
            "day": result.day,
            "rule": rule,
            "rows that break it": rows,
            "rows": result.rows,
        }
        for result in current
        if result.errors or result.warnings
        for rule, rows in result.broken.items()
    ]
    marts = MartResults(platform.control).current(seller_id)
    records += [
        {
            "seller": result.seller_id,
            "dataset": f"mart {result.mart}",
            "day": None,
            "rule": rule,
            "rows that break it": rows,
            "rows": result.rows,
        }
        for result in marts
        for rule, rows in result.broken.items()
    ]
    unchecked = sum(len(days) for days in results.unchecked(seller_id).values())
    if not current:
        empty = "No partition has been checked yet: amzigo quality run"
    else:
        empty = f"{len(current):,} partitions and {len(marts):,} marts checked: all rules hold."
    print_records("Broken rules", records, as_json=as_json, empty=empty)
    if unchecked and not as_json:
        say(f"{unchecked:,} partitions were not looked at yet: amzigo quality run")
