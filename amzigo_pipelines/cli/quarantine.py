"""`amzigo quality quarantine`: batches that did not fit, as counts, never as values.

Belongs here: the commands. Does not belong here: keeping batches (`resources/quarantine/store.py`) and having them
become partitions (`assets/extraction/extract.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from amzigo_pipelines.cli.options import AsJson, operator
from amzigo_pipelines.cli.output import print_json, print_records, say

if TYPE_CHECKING:
    from amzigo_pipelines.resources.quarantine.store import Batch

app = typer.Typer(help="Batches that did not fit: reasons, replay, drop.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A batch, such as Q12.")]


@app.command("list")
def list_batches(
    seller: Annotated[str | None, typer.Option("--seller", "-s", help="One seller. Default: all.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also batches that are gone.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the batches in quarantine.

    Example: amzigo quality quarantine list
    """
    from amzigo_pipelines.resources.platform import open_platform

    platform = open_platform()
    seller_id = platform.sellers.get(seller).seller_id if seller else None
    batches = platform.quarantine.list(seller_id, only_open=not every)
    print_records("Quarantine", [_record(one) for one in batches], as_json=as_json, empty="Nothing is in quarantine.")


@app.command()
def show(batch: Name, as_json: AsJson = False) -> None:
    """Show what is wrong with a batch: counts by column.

    Example: amzigo quality quarantine show Q12
    """
    from rich.markup import escape

    from amzigo_pipelines.resources.platform import open_platform

    found = open_platform().quarantine.get(batch)
    faults: list[dict[str, Any]] = [
        {"dataset": one.dataset, "column": one.column or None, "problem": one.problem, "rows": one.rows}
        for one in found.faults
    ]
    if as_json:
        print_json(_record(found) | {"sentence": found.sentence, "faults": faults})
        return
    print_records("Batch", [_record(found)], as_json=False, empty="")
    print_records("What does not fit", faults, as_json=False, empty="")
    say(escape(found.sentence))


@app.command()
def replay(batch: Name) -> None:
    """Have a batch become its partitions, by today's catalog.

    The rows as Amazon sent them pass through the mapping as it is now. What still does not fit leaves the batch as it
    is; once it fits, the partition is stored and the batch is gone.

    Example: amzigo quality quarantine replay Q12
    """
    from amzigo_pipelines.assets.extraction.extract import replay as replay_batch
    from amzigo_pipelines.resources.platform import open_platform

    platform = open_platform()
    found = platform.quarantine.check_open(platform.quarantine.get(batch))
    platform.lake.check_installation()
    _audit(platform, found, "replay_quarantine", "the mapping was mended")
    results = replay_batch(platform, found)
    for name in dict.fromkeys(result.dataset for result in results):
        rows = sum(result.rows for result in results if result.dataset == name)
        say(f"{found.seller_id}: {name} of {found.first_day} to {found.last_day}: {rows:,} rows out of {found.name}")


@app.command()
def drop(batch: Name) -> None:
    """Remove a batch before its date. Its days have to be extracted again.

    Example: amzigo quality quarantine drop Q12
    """
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.resources.quarantine.store import DROPPED

    platform = open_platform()
    found = platform.quarantine.check_open(platform.quarantine.get(batch))
    _audit(platform, found, "drop_quarantine", "asked for by hand")
    platform.quarantine.close(found, DROPPED)
    say(f"{found.name} is gone")


def _audit(platform: Any, batch: Batch, action: str, purpose: str) -> None:
    subject = f"{batch.name}: {', '.join(batch.datasets)} {batch.first_day}..{batch.last_day}"
    platform.audit.record(operator(), action, batch.seller_id, subject, purpose)


def _record(batch: Batch) -> dict[str, Any]:
    return {
        "batch": batch.name,
        "seller": batch.seller_id,
        "datasets": ", ".join(batch.datasets),
        "first_day": batch.first_day,
        "last_day": batch.last_day,
        "state": batch.state,
        "dies_on": batch.expires_on,
        "faults": sum(one.rows for one in batch.faults),
    }
