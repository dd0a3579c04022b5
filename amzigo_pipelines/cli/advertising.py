"""`amzigo seller ads`: connect a seller's advertising account, or disconnect it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from amzigo_pipelines.cli.output import say
from amzigo_pipelines.cli.sellers import SellerRefused, ask_token, marketplace_id_of

if TYPE_CHECKING:
    from amzigo_pipelines.resources.ads.client import AdsProfile
    from amzigo_pipelines.resources.platform import Platform
    from amzigo_pipelines.resources.sellers import Seller

TOKEN_VARIABLE = "AMZIGO_ADS_REFRESH_TOKEN"  # noqa: S105 - a name, not a secret


def ads(
    seller_id: Annotated[str, typer.Argument(help="Amazon's merchant token, as 'amzigo seller list' shows it.")],
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile", metavar="MARKETPLACE=ID", help="A profile, where it should not be found by itself; repeat."
        ),
    ] = None,
    disconnect: Annotated[bool, typer.Option("--disconnect", help="Forget the account and its token.")] = False,
) -> None:
    """Connect a seller's advertising account.

    Its profiles are listed at Amazon, and those of the seller's marketplaces are taken. The refresh token of the Ads
    application is read from AMZIGO_ADS_REFRESH_TOKEN, or from stdin, or asked for without echo.

    Example: amzigo seller ads ASYNTHETICNORTH1
    """
    from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
    from amzigo_pipelines.resources.platform import open_platform

    platform = open_platform()
    seller = platform.sellers.get(seller_id)
    if disconnect:
        had_one = platform.ads_accounts.disconnect(seller.seller_id)
        told = "disconnected, its token is deleted" if had_one else "was not connected"
        say(f"the advertising account of {seller.seller_id} {told}; data that is there stays")
        return
    chosen = dict(_chosen(seller, text) for text in profile or ())
    token = os.environ.get(TOKEN_VARIABLE) or ask_token(TOKEN_VARIABLE)
    found = _profiles(platform, seller, token.strip(), chosen)
    platform.ads_accounts.connect(seller.seller_id, found, token)
    told = ", ".join(f"{MARKETPLACES[m].country} {profile_id}" for m, profile_id in found.items())
    say(f"connected the advertising account of {seller.seller_id}: {told}")
    without = [MARKETPLACES[m].country for m in seller.marketplace_ids if m not in found]
    if without:
        say(f"no advertising profile for {', '.join(without)}: nothing is extracted of ads there")


def _chosen(seller: Seller, text: str) -> tuple[str, str]:
    place, _, profile_id = text.partition("=")
    if not profile_id.isascii() or not profile_id.isdigit():
        raise SellerRefused(f"--profile {text!r} is none: write it as US=1234567890, the marketplace and a number")
    marketplace_id = marketplace_id_of(place)
    if marketplace_id not in seller.marketplace_ids:
        raise SellerRefused(f"seller {seller.seller_id} does not sell in {place}: leave its profile out")
    return marketplace_id, profile_id


def _profiles(platform: Platform, seller: Seller, token: str, chosen: Mapping[str, str]) -> dict[str, str]:
    """By marketplace the profile to use: the chosen ones, else the only one that is the seller's there."""
    from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
    from amzigo_pipelines.resources.ads.accounts import AdsAccount
    from amzigo_pipelines.resources.ads.auth import ads_credentials_for, ads_endpoint_for
    from amzigo_pipelines.resources.ads.client import AdsPartner

    credentials, endpoint = ads_credentials_for(platform.home), ads_endpoint_for(platform.home)
    wanted = list(chosen) or list(seller.marketplace_ids)
    seen: dict[str, AdsProfile] = {}
    with AdsPartner(AdsAccount(seller.seller_id, {}), token, credentials, endpoint) as partner:
        for region in dict.fromkeys(MARKETPLACES[m].region for m in wanted):
            seen |= {one.profile_id: one for one in partner.list_profiles(region)}
    found: dict[str, str] = {}
    for marketplace_id in wanted:
        there = [one for one in seen.values() if one.marketplace_id == marketplace_id and _is_of(one, seller)]
        if marketplace_id in chosen:
            there = [one for one in there if one.profile_id == chosen[marketplace_id]]
        if len(there) > 1:
            raise SellerRefused(_ambiguous(seller, marketplace_id, there))
        if there:
            found[marketplace_id] = there[0].profile_id
        elif marketplace_id in chosen:
            raise SellerRefused(
                f"profile {chosen[marketplace_id]} is not an advertising profile of seller {seller.seller_id} in "
                f"{MARKETPLACES[marketplace_id].country}: {_told(seen.values(), seller)}"
            )
    if not found:
        raise SellerRefused(
            f"the token opens no advertising profile of seller {seller.seller_id} in its marketplaces: "
            f"{_told(seen.values(), seller)}"
        )
    return found


def _is_of(profile: AdsProfile, seller: Seller) -> bool:
    # Amazon forbids combining the data of different sellers, and an agency's token opens many.
    return profile.kind == "seller" and profile.account_id == seller.seller_id


def _ambiguous(seller: Seller, marketplace_id: str, there: Sequence[AdsProfile]) -> str:
    from amzigo_pipelines.catalog.marketplaces import MARKETPLACES

    country = MARKETPLACES[marketplace_id].country
    ids = ", ".join(one.profile_id for one in there)
    return f"seller {seller.seller_id} has several profiles in {country} ({ids}): choose with --profile {country}=ID"


def _told(profiles: Iterable[AdsProfile], seller: Seller) -> str:
    from amzigo_pipelines.catalog.marketplaces import MARKETPLACES

    own = [f"{MARKETPLACES[one.marketplace_id].country}={one.profile_id}" for one in profiles if _is_of(one, seller)]
    return f"it opens {', '.join(own)}" if own else "it opens none of this seller; let the seller's user authorise it"
