"""Who may use the simulated Ads API: another application than the SP-API's, and other tokens.

Belongs here: the synthetic credentials of advertising, and profiles. Does not belong here: login itself (`lwa.py`).
"""

from __future__ import annotations

import hashlib
from typing import Any

from amzigo_pipelines.simulator.lwa import LoginWithAmazon
from amzigo_pipelines.simulator.marketplaces import Marketplace
from amzigo_pipelines.simulator.profiles import WorldConfig

ADS_CLIENT_ID = "amzn1.application-oa2-client.synthetic0advertising"
"""The one client id that the simulated Ads API accepts. Synthetic."""
ADS_CLIENT_SECRET = "amzn1.oa2-cs.v1.synthetic0advertising"  # noqa: S105
"""The client secret that goes with `ADS_CLIENT_ID`. Synthetic."""

# Where Amazon's code of a country in a profile is not the ISO one.
_COUNTRY_CODES = {"GB": "UK"}


def ads_refresh_token(seller_id: str) -> str:
    """What opens a seller's advertising account at the token endpoint. Synthetic."""
    return f"Atzr|synthetic-ads-{seller_id}"


def profile_id_of(seller_id: str, marketplace_id: str) -> int:
    """The advertising profile of a seller in a marketplace."""
    digest = hashlib.sha256(f"profile/{seller_id}/{marketplace_id}".encode()).digest()
    return 10**15 + int.from_bytes(digest[:6], "big") % (9 * 10**15)


def profile_json(seller_id: str, market: Marketplace) -> dict[str, Any]:
    """A profile as `GET /v2/profiles` lists it."""
    return {
        "profileId": profile_id_of(seller_id, market.marketplace_id),
        "countryCode": _COUNTRY_CODES.get(market.country, market.country),
        "currencyCode": market.currency,
        "dailyBudget": 999_999_999.0,
        "timezone": market.time_zone,
        "accountInfo": {
            "marketplaceStringId": market.marketplace_id,
            "id": seller_id,
            "type": "seller",
            "name": f"Synthetic {seller_id}",
            "validPaymentMethod": True,
        },
    }


class AdsLogin(LoginWithAmazon):
    """Gives access tokens for the Ads API; those of the SP-API are worth nothing there, nor these there."""

    client = (ADS_CLIENT_ID, ADS_CLIENT_SECRET)

    def __init__(self, config: WorldConfig, lifetime_s: float) -> None:
        super().__init__(config, lifetime_s)
        self._refresh = {ads_refresh_token(profile.seller_id): profile for profile in config.sellers}
