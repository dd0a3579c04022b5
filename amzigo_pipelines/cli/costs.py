"""`amzigo costs`: what a seller knows of its products and Amazon does not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from amzigo_pipelines.cli.options import AsJson, Seller
from amzigo_pipelines.cli.output import print_json, say

app = typer.Typer(help="A seller's own unit costs, lead times and targets.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """A group, though it has one command so far."""


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="A CSV file in UTF-8 with a header.")],
    seller: Seller,
    as_json: AsJson = False,
) -> None:
    """Take a seller's costs from a CSV file, in the place of those before.

    Columns: marketplace (US, DE, ...), sku, currency, unit_cost; and, each empty where not known, lead_time_days,
    lead_time_deviation_days, service_level (0.95), target_days (30), minimum_order_units. If anything in the file is
    wrong, nothing of it is taken. It is stored encrypted, like all data of the seller, and forgotten after 18 months.

    Example: amzigo costs import costs.csv --seller ASYNTHETICNORTH1
    """
    from amzigo_pipelines.resources.marts.product_costs import import_costs
    from amzigo_pipelines.resources.platform import open_platform

    counts = import_costs(open_platform(), seller, file)
    if as_json:
        print_json({"seller": seller, "skus": counts})
        return
    told = ", ".join(f"{count:,} SKU{'s' * (count != 1)} in {country}" for country, count in sorted(counts.items()))
    say(f"imported costs of {told} for {seller}; 'amzigo publish --seller {seller}' brings them into the marts")
