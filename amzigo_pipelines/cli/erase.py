"""`amzigo erase`: asking for erasures, deciding about them, carrying them out.

Belongs here: what the commands say. Does not belong here: the registry (`retention/erasures.py`) and the work
(`retention/erasing.py`). A buyer's address is never an argument: arguments end up in the shell's history.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amzigo_pipelines.cli.options import AsJson, Seller
from amzigo_pipelines.cli.output import print_json, print_records, print_table, say

if TYPE_CHECKING:
    from amzigo_pipelines.retention.erasures import ErasureRequest, Received

app = typer.Typer(help="Erase a buyer, an order or a seller, provably and for good.", no_args_is_help=True)

FromAmazon = Annotated[bool, typer.Option("--from-amazon", help="Amazon itself asked: 30 days of time instead of 90.")]
RequestId = Annotated[str, typer.Argument(metavar="REQUEST", help="Such as E000001, as 'amzigo erase list' shows it.")]
EMAIL_VARIABLE = "AMZIGO_BUYER_EMAIL"


@app.command()
def order(
    order_id: Annotated[str, typer.Argument(help="Amazon's order id.")],
    seller: Seller,
    from_amazon: FromAmazon = False,
) -> None:
    """Ask for the erasure of an order's personal data.

    Example: amzigo erase order 902-3159896-1390916 --seller ASYNTHETICNORTH1
    """
    from amzigo_pipelines.resources.keys.roles import acting_user
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention.erasures import receive_order

    received = receive_order(open_platform(), seller, order_id, actor=acting_user(), source=_source(from_amazon))
    _say_received(received)


@app.command()
def buyer(
    seller: Seller,
    order: Annotated[
        str | None, typer.Option("--order", help="One of the buyer's orders, instead of the e-mail address.")
    ] = None,
    from_amazon: FromAmazon = False,
) -> None:
    """Ask for the erasure of a buyer: all orders, now and in later extractions.

    The e-mail address (as Amazon's orders have it) is asked for, read from stdin, or taken from AMZIGO_BUYER_EMAIL.
    Only a keyed hash of it is kept.

    Example: amzigo erase buyer --seller ASYNTHETICNORTH1 --order 902-3159896-1390916
    """
    from amzigo_pipelines.resources.keys.roles import acting_user
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention.erasures import receive_buyer

    received = receive_buyer(
        open_platform(),
        seller,
        email=ask_email() if order is None else None,
        order_id=order,
        actor=acting_user(),
        source=_source(from_amazon),
    )
    _say_received(received)


@app.command("seller")
def seller_(
    seller_id: Annotated[str, typer.Argument(metavar="SELLER", help="Amazon's merchant token.")],
    from_amazon: FromAmazon = False,
) -> None:
    """Ask for the erasure of all data of a seller who leaves.

    'amzigo seller remove' does all of it at once.
    """
    from amzigo_pipelines.resources.keys.roles import acting_user
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention.erasures import receive_seller

    _say_received(receive_seller(open_platform(), seller_id, actor=acting_user(), source=_source(from_amazon)))


@app.command()
def approve(request_id: RequestId) -> None:
    """Let a request be carried out.

    The Dagster daemon does so within a minute; 'amzigo erase run' does it at once.
    """
    from amzigo_pipelines.resources.keys.roles import acting_user
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention import erasures

    request = erasures.approve(open_platform(), request_id, acting_user())
    name = request.request_id
    say(f"{name} is {request.state}: the daemon carries it out, or 'amzigo erase run {name}' at once")


@app.command()
def refuse(
    request_id: RequestId,
    reason: Annotated[str, typer.Option("--reason", help="Why, without personal data: it is kept.")],
) -> None:
    """Refuse a request that was not begun."""
    from amzigo_pipelines.resources.keys.roles import acting_user
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention import erasures

    request = erasures.refuse(open_platform(), request_id, reason, acting_user())
    say(f"{request.request_id} is refused; tell the person why")


@app.command()
def run(request_id: RequestId, as_json: AsJson = False) -> None:
    """Carry out an approved request now.

    Runs the asset erasures: takes the subject out of lake and marts, verifies that it is gone, and certifies it.
    """
    from amzigo_pipelines.automation.privacy import ERASURE_JOB, align_erasure_partitions
    from amzigo_pipelines.cli.runs import Runner
    from amzigo_pipelines.resources.labels import SELLER_TAG
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention import erasures
    from amzigo_pipelines.retention.erasing import check_approved

    platform = open_platform()
    request = check_approved(erasures.get(platform, request_id))
    runner = Runner(platform)
    align_erasure_partitions(runner.instance, platform)
    runner.run(ERASURE_JOB, partition_key=request.request_id, tags={SELLER_TAG: request.seller_id})
    done = erasures.get(platform, request.request_id)
    if as_json:
        print_json(_facts(platform, done))
        return
    removed = done.detail.get("removed", [])
    rows = sum(sum(entry["rows"].values()) for entry in removed)
    say(
        f"{done.request_id} is certified: {rows:,} rows erased, {len(removed)} keys destroyed; certificate "
        f"{done.certificate}"
    )
    if held := _held(platform, done):
        say(f"what the law wants kept stays in the vault: {', '.join(held)}")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List all requests, the most urgent first."""
    from amzigo_pipelines.clock import today
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention.erasures import list_requests

    platform = open_platform()
    now_on = today(platform.clock)
    records = [
        {
            "request": request.request_id,
            "seller": request.seller_id,
            "scope": str(request.scope),
            "state": str(request.state),
            "received": request.received_at,
            "due": request.due_on,
            "days left": request.days_left(now_on) if request.is_open else None,
            "certificate": request.certificate,
        }
        for request in sorted(list_requests(platform), key=lambda r: not r.is_open)
    ]
    print_records("Erasure requests", records, as_json=as_json, empty="Nobody has asked for an erasure.")


@app.command()
def show(request_id: RequestId, as_json: AsJson = False) -> None:
    """Show a request: its state, its deadline, what was destroyed, what a hold keeps."""
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention import erasures

    platform = open_platform()
    facts = _facts(platform, erasures.get(platform, request_id))
    if as_json:
        print_json(facts)
    else:
        print_table(f"Erasure request {facts['request']}", ["what", "value"], facts.items())


def ask_email() -> str:
    """A buyer's address: from AMZIGO_BUYER_EMAIL, from stdin, or asked for without echo.

    Raises:
        SellerRefused: none was given.
    """
    from amzigo_pipelines.cli.sellers import ask_token

    return os.environ.get(EMAIL_VARIABLE, "").strip() or ask_token(EMAIL_VARIABLE, "E-mail address")


def _source(from_amazon: bool) -> Any:
    from amzigo_pipelines.retention.erasures import Source

    return Source.AMAZON if from_amazon else Source.PERSON


def _say_received(received: Received) -> None:
    request = received.request
    if not received.is_new and not request.is_open:
        say(
            f"{request.request_id} was carried out already, on {request.finished_at:%Y-%m-%d}, certificate "
            f"{request.certificate}: nothing of it can have come back"
        )
    elif not received.is_new:
        say(f"{request.request_id} asks for the same and is {request.state}; due by {request.due_on}")
    else:
        say(f"{request.request_id} is received, due by {request.due_on}: 'amzigo erase approve {request.request_id}'")


def _facts(platform: Any, request: ErasureRequest) -> dict[str, Any]:
    removed = request.detail.get("removed", [])
    return {
        "request": request.request_id,
        "seller": request.seller_id,
        "scope": str(request.scope),
        "subject (keyed hash)": request.subject,
        "asked for by": str(request.source),
        "times asked": request.times_asked,
        "state": str(request.state),
        "received": request.received_at,
        "due": request.due_on,
        "approved": request.approved_at,
        "finished": request.finished_at,
        "refused because": request.detail.get("reason"),
        "keys destroyed": len(removed),
        "rows erased": sum(sum(entry["rows"].values()) for entry in removed),
        "certificate": request.certificate,
        "kept in the vault": ", ".join(_held(platform, request)) or None,
    }


def _held(platform: Any, request: ErasureRequest) -> list[str]:
    from amzigo_pipelines.retention import holds
    from amzigo_pipelines.retention.erasing import subject_of

    return [f"{hold.hold_id} (until {hold.ends_on})" for hold in holds.covering(platform, subject_of(request))]
