"""Before a seller is connected: whether its refresh token opens the account, and where it sells.

Belongs here: asking Amazon about a seller that may not be in the registry yet. Does not belong here: the registry
(`sellers.py`), how a token was come by (`authorisation.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.sellers import Seller, SellerError
from amzigo_pipelines.resources.spapi.auth import ANY_REGION, REGIONS
from amzigo_pipelines.resources.spapi.errors import Asked, AuthorisationLost, BadAnswer, MissingRole


def checked_marketplaces(
    platform: Platform, seller_id: str, refresh_tokens: Mapping[str, str], wanted: Sequence[str]
) -> tuple[str, ...]:
    """The marketplaces to connect a seller with, after one real call a region with its token.

    Args:
        platform: the installation; the seller need not be in its registry.
        seller_id: Amazon's merchant token.
        refresh_tokens: by region.
        wanted: marketplace ids; empty for all in which the seller takes part.

    Raises:
        SellerError: the seller takes part in none, or not in a wanted one, or Amazon doesn't tell.
        SpApiError: the token or the application is refused, or there is no good answer.
    """
    if wanted:
        regions = dict.fromkeys(MARKETPLACES[marketplace_id].region for marketplace_id in wanted)
        found = _participating(platform, seller_id, refresh_tokens, regions)
        if missing := [m for m in wanted if m not in found]:
            raise SellerError(
                f"seller {seller_id} does not take part in {_countries(missing)}, says Amazon, but in "
                f"{_countries(found) or 'no marketplace of that region'}: leave the others out, or --marketplace "
                "altogether"
            )
        return tuple(dict.fromkeys(wanted))
    everywhere = ANY_REGION in refresh_tokens
    found = []
    refused: SellerError | None = None
    for region in REGIONS if everywhere else refresh_tokens:
        try:
            found += _participating(platform, seller_id, refresh_tokens, (region,))
        except SellerError as error:
            # A token that was given without its region is good for one of them, and refused in the others.
            refused = error
    if not found:
        raise refused or SellerError(
            f"seller {seller_id} takes part in no marketplace, says Amazon: nothing is there to be extracted"
        )
    return tuple(dict.fromkeys(found))


def _participating(
    platform: Platform, seller_id: str, refresh_tokens: Mapping[str, str], regions: Iterable[str]
) -> list[str]:
    regions = tuple(regions)
    reachable = tuple(m.marketplace_id for m in MARKETPLACES.values() if m.region in regions)
    candidate = Seller(seller_id, seller_id, reachable, platform.clock.now())
    found: list[str] = []
    with platform.partner_for(candidate, refresh_tokens) as partner:
        for region in regions:
            try:
                rows = partner.marketplace_participations(region)
            except (MissingRole, AuthorisationLost) as error:
                raise SellerError(
                    f"Amazon does not tell where seller {seller_id} sells in region {region}: the token is for another "
                    "region, or the application lacks the role 'Selling Partner Insights'; with --marketplace and "
                    f"--no-check it is not asked ({error.status} {error.code})"
                ) from None
            ids = [_id(row, Asked(seller_id, "getMarketplaceParticipations")) for row in rows]
            found += [known for known in ids if known in reachable and MARKETPLACES[known].region == region]
    return found


def _id(row: dict[str, Any], asked: Asked) -> str:
    """The id of a marketplace in which the seller takes part; empty where it doesn't."""
    try:
        marketplace_id, takes_part = row["marketplace"]["id"], row["participation"]["isParticipating"]
    except (KeyError, TypeError):
        raise BadAnswer(
            asked, "a marketplace in the answer has no id or doesn't say whether the seller takes part"
        ) from None
    return str(marketplace_id) if takes_part is True else ""


def _countries(marketplace_ids: Sequence[str]) -> str:
    return ", ".join(MARKETPLACES[marketplace_id].country for marketplace_id in marketplace_ids)
