"""`amzigo hold`: legal holds and what they keep.

Belongs here: what the commands say. Does not belong here: the holds (`retention/holds.py`) and the vault
(`resources/lake/vault.py`).
"""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated

import typer

from amzigo_pipelines.cli.options import AsJson, Purpose, Seller, check_purpose, parse_day
from amzigo_pipelines.cli.output import print_json, print_records, print_table, say

app = typer.Typer(help="Legal holds: what is kept apart, until a day.", no_args_is_help=True)

HoldId = Annotated[str, typer.Argument(metavar="HOLD", help="Such as H000001, as 'amzigo hold list' shows it.")]


@app.command()
def add(
    seller: Seller,
    reason: Annotated[str, typer.Option("--reason", help="Why, without personal data: it is kept and shown.")],
    authority: Annotated[str, typer.Option("--authority", help="Who demands it: a court, an office, a law.")],
    until: Annotated[
        date, typer.Option("--until", parser=parse_day, metavar="DATE", help="The first day on which it holds no more.")
    ],
    order: Annotated[str | None, typer.Option("--order", help="Hold one order.")] = None,
    buyer: Annotated[
        bool, typer.Option("--buyer", help="Hold a buyer, whose e-mail is asked for or in AMZIGO_BUYER_EMAIL.")
    ] = False,
    dataset: Annotated[
        list[str] | None, typer.Option("--dataset", "-d", help="Only this dataset; repeat for several. Default: all.")
    ] = None,
    first: Annotated[
        date | None, typer.Option("--from", parser=parse_day, metavar="DATE", help="Only partitions from this day on.")
    ] = None,
    last: Annotated[
        date | None, typer.Option("--to", parser=parse_day, metavar="DATE", help="Only partitions up to this day.")
    ] = None,
) -> None:
    """Place a hold on an order, a buyer, or all of a seller.

    Held rows are copied into a vault under a key of the hold's own, now and as new ones come; in the lake they die on
    their date all the same. Without --order or --buyer all of the seller is held.

    Example: amzigo hold add -s ASYNTHETICNORTH1 --order 902-3159896-1390916 --reason "case 12 C 34/26"
    --authority "Munich district court" --until 2027-06-30
    """
    from amzigo_pipelines.cli.erase import ask_email
    from amzigo_pipelines.resources.keys.roles import acting_user
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention import holds, subjects

    if order is not None and buyer:
        raise typer.BadParameter("give --order or --buyer, not both")
    platform = open_platform()
    seller_id = platform.sellers.get(seller).seller_id
    actor = acting_user()
    if order is not None:
        subject = subjects.order_subject(platform, seller_id, order)
    elif buyer:
        subject = subjects.buyer_subject(platform, seller_id, email=ask_email(), actor=actor)
    else:
        subject = subjects.seller_subject(platform, seller_id)
    terms = holds.HoldTerms(reason, authority, until, dataset or (), first, last)
    hold = holds.add(platform, subject, terms, actor=actor)
    files = platform.vault.files(hold.number)
    rows = sum(file.rows for file in files)
    say(
        f"{hold.hold_id} holds until {hold.ends_on}: {rows:,} rows of {len(files)} files are in the vault, and what "
        "comes is copied"
    )


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List all holds, also those that are over."""
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention import holds

    platform = open_platform()
    records = [
        {
            "hold": hold.hold_id,
            "seller": hold.seller_id,
            "scope": str(hold.scope),
            "authority": hold.authority,
            "reason": hold.reason,
            "state": hold.state,
            "until": hold.ends_on,
            "rows": sum(file.rows for file in platform.vault.files(hold.number)),
            "certificate": hold.certificate,
        }
        for hold in holds.all_holds(platform)
    ]
    print_records("Legal holds", records, as_json=as_json, empty="There is no legal hold.")


@app.command()
def show(hold_id: HoldId, as_json: AsJson = False) -> None:
    """Show a hold and how much is in its vault, without any of it."""
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention import holds

    platform = open_platform()
    hold = holds.get(platform, hold_id)
    files = platform.vault.files(hold.number)
    facts = {
        "hold": hold.hold_id,
        "seller": hold.seller_id,
        "scope": str(hold.scope),
        "subject (keyed hash)": hold.subject,
        "datasets": ", ".join(hold.datasets) or "all",
        "first day": hold.first_day,
        "last day": hold.last_day,
        "reason": hold.reason,
        "authority": hold.authority,
        "state": hold.state,
        "placed": hold.added_at,
        "until": hold.ends_on,
        "released": hold.released_at,
        "files": len(files),
        "rows": sum(file.rows for file in files),
        "certificate": hold.certificate,
    }
    if as_json:
        print_json(facts)
    else:
        print_table(f"Hold {hold.hold_id}", ["what", "value"], facts.items())


@app.command()
def export(
    hold_id: HoldId,
    reveal_pii: Annotated[
        bool, typer.Option("--reveal-pii", help="Say that personal data is to be printed. Audited.")
    ] = False,
    purpose: Purpose = "",
) -> None:
    """Print what a hold keeps, as JSON lines, for whoever may demand it.

    It is in the clear: pipe it into the recipient's encryption, and don't leave it on a disk. Takes the role privacy.

    Example: amzigo hold export H000001 --reveal-pii --purpose "ordered by the court on 2026-11-20" | gpg -er court
    """
    check_purpose(reveal_pii, purpose)
    if not reveal_pii:
        raise typer.BadParameter("the vault holds personal data: give --reveal-pii and --purpose to print it")
    from amzigo_pipelines.resources.keys.roles import acting_user
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention import holds

    for dataset, table in holds.read(open_platform(), hold_id, purpose=purpose, actor=acting_user()):
        for row in table.to_pylist():
            print(json.dumps({"dataset": dataset, **row}, default=str, ensure_ascii=False))


@app.command()
def release(
    hold_id: HoldId,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the audit trail.")],
) -> None:
    """End a hold before its time: its vault is destroyed at once, and certified."""
    from amzigo_pipelines.resources.keys.roles import acting_user
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention.hold_ending import release as release_hold

    ended = release_hold(open_platform(), hold_id, reason=reason, actor=acting_user())
    name, rows = ended.hold.hold_id, ended.rows
    say(f"{name} is released: {rows:,} rows destroyed in the vault; certificate {ended.certificate}")
