"""`amzigo seller`: connect, list, change and remove selling accounts.

Belongs here: what the commands ask and say. Does not belong here: asking Amazon (`resources/spapi/onboarding.py`),
consent (`resources/spapi/authorisation.py`), the registry (`resources/sellers.py`), advertising
(`advertising.py`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from amzigo_pipelines.cli.options import AsJson
from amzigo_pipelines.cli.output import complain, print_records, say
from amzigo_pipelines.errors import AmzigoError

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

app = typer.Typer(help="Connect, list, change and remove selling accounts.", no_args_is_help=True)


class SellerRefused(AmzigoError):
    """What was given for a seller can't be taken."""


Marketplaces = Annotated[
    list[str] | None, typer.Option("--marketplace", "-m", help="Country code or marketplace id; repeat for several.")
]
Code = Annotated[
    str,
    typer.Option(help="Authorisation code, or the whole address that Amazon redirected to; '-' asks, or reads stdin."),
]
Region = Annotated[str, typer.Option(help="Which region the token is for: NA, EU or FE; all, if left out.")]
NoCheck = Annotated[bool, typer.Option("--no-check", help="Take it without asking Amazon whether it is right.")]


@app.command()
def authorize(
    marketplace: Annotated[
        str, typer.Option("--marketplace", "-m", help="A marketplace of the region that the seller is to authorise.")
    ],
    draft: Annotated[bool, typer.Option("--draft", help="The application is not published yet.")] = False,
) -> None:
    """Print the address on which a seller consents.

    The seller opens it, logs in to Seller Central and authorises the application; Amazon redirects to an address that
    holds a code, which 'amzigo seller add' takes within five minutes. One consent is good for one region: NA, EU or FE.

    Example: amzigo seller authorize -m DE
    """
    from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
    from amzigo_pipelines.resources.home import Kind
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.resources.spapi.authorisation import Authorisations

    platform = open_platform()
    chosen = MARKETPLACES[marketplace_id_of(marketplace)]
    print(Authorisations(platform.home, platform.control, platform.clock).begin(chosen, is_draft=draft))
    complain("open it within 30 minutes, then: amzigo seller add ID --code 'ADDRESS THAT AMAZON REDIRECTED TO'")
    if platform.home.kind is Kind.TEST:
        complain("this is the simulator's: add &selling_partner_id=ID to it, and see where 'curl -si' is redirected to")


@app.command()
def add(
    seller_id: Annotated[str, typer.Argument(help="Amazon's merchant token, such as ASYNTHETICNORTH1.")],
    marketplace: Marketplaces = None,
    name: Annotated[str, typer.Option(help="A name for people.")] = "",
    code: Code = "",
    region: Region = "",
    no_check: NoCheck = False,
) -> None:
    """Connect a seller.

    With the authorisation code of Amazon's redirect (--code, or AMZIGO_OAUTH_CODE), or with a refresh token: from
    AMZIGO_REFRESH_TOKEN, or from stdin, or asked for without echo. Amazon is asked once whether the token is good and
    where the seller sells; without --marketplace all of that is connected.

    Example: amzigo seller add ASYNTHETICNORTH1 -m US -m CA --name "North Outfitters"
    """
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.resources.spapi.onboarding import checked_marketplaces

    platform = open_platform()
    wanted = [marketplace_id_of(text) for text in marketplace or []]
    if no_check and not wanted:
        raise SellerRefused("with --no-check Amazon isn't asked where the seller sells: give --marketplace")
    # All that can be refused without a code or token comes before one is asked for, or used up.
    platform.sellers.check_new(seller_id)
    token, of_region = _token(platform, seller_id, code, _region(region))
    ids = tuple(wanted) if no_check else checked_marketplaces(platform, seller_id, {of_region: token}, wanted)
    seller = platform.sellers.add(seller_id, name or seller_id, ids, token, of_region)
    say(f"connected {seller.seller_id} in {_countries(seller.marketplace_ids)}")
    say(f"its first extraction: amzigo extract --seller {seller.seller_id}")


@app.command()
def token(
    seller_id: Annotated[str, typer.Argument(help="Amazon's merchant token, as 'amzigo seller list' shows it.")],
    code: Code = "",
    region: Region = "",
    no_check: NoCheck = False,
) -> None:
    """Replace a seller's refresh token.

    Or give it a further one for another region, after the seller authorised the application again, or there. Its data
    stays. The token, or the code for one, is read as by 'amzigo seller add'.

    Example: amzigo seller token ASYNTHETICNORTH1 --region EU
    """
    from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.resources.spapi.auth import ANY_REGION
    from amzigo_pipelines.resources.spapi.onboarding import checked_marketplaces

    platform = open_platform()
    seller = platform.sellers.get(seller_id)
    new, of_region = _token(platform, seller.seller_id, code, _region(region))
    if not no_check:
        # A token for all regions may stand beside others for single ones: it is good if it is good anywhere.
        own = [m for m in seller.marketplace_ids if MARKETPLACES[m].region == of_region]
        checked_marketplaces(platform, seller.seller_id, {of_region: new}, own)
    platform.sellers.replace_token(seller.seller_id, new, of_region)
    where = "" if of_region == ANY_REGION else f" for region {of_region}"
    say(f"replaced the refresh token of {seller.seller_id}{where}; try it: amzigo extract --seller {seller.seller_id}")


@app.command()
def marketplaces(
    seller_id: Annotated[str, typer.Argument(help="Amazon's merchant token, as 'amzigo seller list' shows it.")],
    marketplace: Marketplaces = None,
    no_check: NoCheck = False,
) -> None:
    """Change where a seller sells.

    Exactly the marketplaces that are given are extracted from then on. Data of one that is left out stays until
    retention destroys it on its date.

    Example: amzigo seller marketplaces ASYNTHETICNORTH1 -m US -m CA -m MX
    """
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.resources.spapi.onboarding import checked_marketplaces

    platform = open_platform()
    before = platform.sellers.get(seller_id)
    if not marketplace:
        raise SellerRefused(
            f"{seller_id} sells in {_countries(before.marketplace_ids)}: give --marketplace for each of the new ones"
        )
    ids = [marketplace_id_of(text) for text in marketplace]
    new = [marketplace_id for marketplace_id in ids if marketplace_id not in before.marketplace_ids]
    if new and not no_check:
        checked_marketplaces(platform, seller_id, platform.sellers.refresh_tokens(seller_id), new)
    after = platform.sellers.set_marketplaces(seller_id, ids)
    say(f"{seller_id} sells in {_countries(after.marketplace_ids)} from now on")
    left = [marketplace_id for marketplace_id in before.marketplace_ids if marketplace_id not in ids]
    if left:
        say(f"nothing more is extracted from {_countries(left)}; what is here stays until retention destroys it")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the connected sellers."""
    from amzigo_pipelines.resources.platform import open_platform

    records = [
        {
            "seller": seller.seller_id,
            "name": seller.name,
            "marketplaces": _countries(seller.marketplace_ids),
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

    Its refresh tokens, its marts and every key are destroyed, and so all its data, and a certificate is issued. Nobody
    can bring that back. Only what a legal hold keeps stays in the vault until the hold ends.
    """
    from amzigo_pipelines.resources.keys.roles import acting_user
    from amzigo_pipelines.resources.platform import open_platform
    from amzigo_pipelines.retention.erasing import remove_seller

    platform = open_platform()
    seller = platform.sellers.get(seller_id)
    if not yes and not _confirmed(f"Destroy all data of {seller.seller_id} ({seller.name})?"):
        raise SellerRefused(f"seller {seller.seller_id} stays, nothing was destroyed: answer y, or give --yes")
    request = remove_seller(platform, seller.seller_id, acting_user())
    destroyed = request.detail.get("removed", [])
    say(
        f"removed {seller_id}: {len(destroyed)} keys destroyed, {sum(entry['files'] for entry in destroyed)} files "
        f"unlinked, tokens deleted; erasure {request.request_id}, certificate {request.certificate}"
    )


def _token(platform: Platform, seller_id: str, code: str, region: str) -> tuple[str, str]:
    """The refresh token that was given, or exchanged for the code that was given, and the region that it is for."""
    given = code or os.environ.get("AMZIGO_OAUTH_CODE", "")
    if not given:
        from amzigo_pipelines.resources.sellers import check_token

        return check_token(seller_id, os.environ.get("AMZIGO_REFRESH_TOKEN") or ask_token()), region
    if not code and os.environ.get("AMZIGO_REFRESH_TOKEN"):
        raise SellerRefused("both AMZIGO_OAUTH_CODE and AMZIGO_REFRESH_TOKEN are set: set the one that is meant")
    from amzigo_pipelines.resources.spapi.auth import ANY_REGION, credentials_for, endpoint_for
    from amzigo_pipelines.resources.spapi.authorisation import Authorisations, read_redirect
    from amzigo_pipelines.resources.spapi.lwa_grants import exchange_code

    redirect = read_redirect(ask_token("AMZIGO_OAUTH_CODE", "Authorisation code") if given == "-" else given)
    credentials, endpoint = credentials_for(platform.home), endpoint_for(platform.home)
    if redirect.state:
        consented = Authorisations(platform.home, platform.control, platform.clock).finish(redirect, seller_id)
        if region not in (ANY_REGION, consented):
            raise SellerRefused(f"the seller consented for region {consented}, not {region}: leave --region out")
        region = consented
    return exchange_code(endpoint, credentials, seller_id, redirect.code, platform.home.redirect_uri), region


def ask_token(variable: str = "AMZIGO_REFRESH_TOKEN", what: str = "Refresh token") -> str:
    """A refresh token, or `what` else is secret, from stdin, or asked for without echo.

    Raises:
        SellerRefused: none was given; the sentence names the environment variable that would do.
    """
    missing = f"no {what.lower()} was given: set {variable}, pipe it into stdin, or run this in a terminal"
    if sys.stdin is None:
        raise SellerRefused(missing)
    try:
        is_terminal = sys.stdin.isatty()
        token = str(typer.prompt(what, hide_input=True)) if is_terminal else sys.stdin.readline()
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


def _region(text: str) -> str:
    from amzigo_pipelines.resources.spapi.auth import ANY_REGION, REGIONS

    if not text:
        return ANY_REGION
    if text.upper() not in REGIONS:
        raise SellerRefused(f"there is no region {text!r}: give one of {', '.join(REGIONS)}, or leave it out")
    return text.upper()


def _countries(marketplace_ids: Iterable[str]) -> str:
    from amzigo_pipelines.catalog.marketplaces import MARKETPLACES

    return ", ".join(MARKETPLACES[marketplace_id].country for marketplace_id in marketplace_ids)


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
