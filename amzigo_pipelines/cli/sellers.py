"""`amzigo seller`: connect, list and remove selling accounts."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from amzigo_pipelines.cli.options import AsJson
from amzigo_pipelines.cli.output import print_records, say
from amzigo_pipelines.errors import AmzigoError

app = typer.Typer(help="Connect, list and remove selling accounts.", no_args_is_help=True)


class SellerRefused(AmzigoError):
    """What was given for a seller can't be taken."""


@app.command()
def add(
    seller_id: Annotated[str, typer.Argument(help="Amazon's merchant token, such as ASYNTHETICNORTH1.")],
    marketplace: Annotated[
        list[str], typer.Option("--marketplace", "-m", help="Country code or marketplace id; repeat for several.")
    ],
    name: Annotated[str, typer.Option(help="A name for people.")] = "",
) -> None:
    """Connect a seller.

    The refresh token is read from AMZIGO_REFRESH_TOKEN, or from stdin, or asked for without echo.

    Example: amzigo seller add ASYNTHETICNORTH1 -m US -m CA --name "North Outfitters"
    """
    from amzigo_pipelines.resources.platform import open_platform

    platform = open_platform()
    marketplace_ids = tuple(marketplace_id_of(text) for text in marketplace)
    token = os.environ.get("AMZIGO_REFRESH_TOKEN") or ask_token()
    seller = platform.sellers.add(seller_id, name or seller_id, marketplace_ids, token)
    say(f"connected {seller.seller_id}; its first extraction: amzigo extract --seller {seller.seller_id}")


@app.command()
def token(
    seller_id: Annotated[str, typer.Argument(help="Amazon's merchant token, as 'amzigo seller list' shows it.")],
) -> None:
    """Replace a seller's refresh token.

    After the seller authorised the application again. Its data stays. The token is read as by 'amzigo seller add'.

    Example: amzigo seller token ASYNTHETICNORTH1
    """
    from amzigo_pipelines.resources.platform import open_platform

    platform = open_platform()
    seller = platform.sellers.get(seller_id)
    platform.sellers.replace_token(seller.seller_id, os.environ.get("AMZIGO_REFRESH_TOKEN") or ask_token())
    say(f"replaced the refresh token of {seller.seller_id}; try it: amzigo extract --seller {seller.seller_id}")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the connected sellers."""
    from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
    from amzigo_pipelines.resources.platform import open_platform

    records = [
        {
            "seller": seller.seller_id,
            "name": seller.name,
            "marketplaces": ", ".join(MARKETPLACES[m].country for m in seller.marketplace_ids),
            "since": seller.added_at,
        }
        for seller in open_platform().sellers.list()
    ]
    print_records("Sellers", records, as_json=as_json, empty="No seller is connected yet: amzigo seller add --help")


@app.command()
def remove(
    seller_id: Annotated[str, typer.Argument(help="Amazon's merchant token.")],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Remove a seller and all its data for good.

    Its refresh token, its marts and every key are destroyed, and so all its data. Nobody can bring that back.
    """
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention.offboarding import remove_seller

    platform = open_platform()
    seller = platform.sellers.get(seller_id)
    if not yes and not _confirmed(f"Destroy all data of {seller.seller_id} ({seller.name})?"):
        raise SellerRefused(f"seller {seller.seller_id} stays, nothing was destroyed: answer y, or give --yes")
    removed = remove_seller(platform, seller.seller_id)
    say(f"removed {seller_id}: {removed.keys} keys destroyed, {removed.files} files unlinked, token deleted")


def ask_token(variable: str = "AMZIGO_REFRESH_TOKEN") -> str:
    """A refresh token from stdin, or asked for without echo.

    Raises:
        SellerRefused: none was given; the sentence names the environment variable that would do.
    """
    missing = f"no refresh token was given: set {variable}, pipe it into stdin, or run this in a terminal"
    if sys.stdin is None:
        raise SellerRefused(missing)
    try:
        is_terminal = sys.stdin.isatty()
        token = str(typer.prompt("Refresh token", hide_input=True)) if is_terminal else sys.stdin.readline()
    except (typer.Abort, OSError, UnicodeDecodeError):
        raise SellerRefused(missing) from None
    if not token.strip():
        raise SellerRefused(missing)
    return token.strip()


def _confirmed(question: str) -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    try:
        return typer.confirm(question)
    except typer.Abort:
        return False


def marketplace_id_of(text: str) -> str:
    """The id of a marketplace that is given by its id or its country.

    Raises:
        SellerRefused: there is none.
    """
    from amzigo_pipelines.catalog.marketplaces import MARKETPLACES

    wanted = {"UK": "GB"}.get(text.upper(), text.upper())
    for marketplace in MARKETPLACES.values():
        if wanted in (marketplace.country, marketplace.marketplace_id):
            return marketplace.marketplace_id
    countries = ", ".join(m.country for m in MARKETPLACES.values())
    raise SellerRefused(f"there is no marketplace {text!r}: give its id or one of {countries}")
