"""The operation of the Sellers API v1: getMarketplaceParticipations.

Belongs here: where a seller sells. Does not belong here: what it sells there.
"""

from __future__ import annotations

from amzigo_pipelines.simulator.answers import Answer, as_json
from amzigo_pipelines.simulator.calls import Call
from amzigo_pipelines.simulator.marketplaces import MARKETPLACES


def get_marketplace_participations(call: Call) -> Answer:
    """`GET /sellers/v1/marketplaceParticipations`: the marketplaces that the access token's authorisation covers."""
    participations = []
    for marketplace_id in call.profile.marketplace_ids:
        market = MARKETPLACES[marketplace_id]
        participations.append(
            {
                "marketplace": {
                    "id": marketplace_id,
                    "name": market.name,
                    "countryCode": market.country,
                    "defaultCurrencyCode": market.currency,
                    "defaultLanguageCode": market.locale,
                    "domainName": f"www.amazon.{market.domain_suffix}",
                },
                "participation": {
                    "isParticipating": marketplace_id not in call.profile.left_marketplace_ids,
                    "hasSuspendedListings": False,
                },
                "storeName": f"Synthetic {call.profile.seller_id}",
            }
        )
    return as_json({"payload": participations})
