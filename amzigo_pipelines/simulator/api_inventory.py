"""The operation of the FBA Inventory API v1: getInventorySummaries.

Belongs here: parameters, pages and the shape of a summary. Does not belong here: how stock comes to be (`stock.py`).
"""

from __future__ import annotations

import hashlib
from typing import Any

from amzigo_pipelines.simulator.answers import Answer, Refusal, as_json, instant, invalid, parse_instant
from amzigo_pipelines.simulator.calls import Call
from amzigo_pipelines.simulator.catalogue import AMAZON, Listing
from amzigo_pipelines.simulator.stock import Levels

_PAGE = 50
_BOUND = ("details", "granularityType", "granularityId", "startDateTime", "sellerSkus", "sellerSku", "marketplaceIds")


def get_inventory_summaries(call: Call) -> Answer:
    """`GET /fba/inventory/v1/summaries`."""
    marketplace_id = _marketplace(call)
    details = call.query.get("details", "false")
    if details.lower() not in ("true", "false"):
        raise invalid("details must be true or false.")
    skus = frozenset(call.values("sellerSkus")) | frozenset(call.values("sellerSku"))
    if len(skus) > _PAGE:
        raise invalid("sellerSkus names more than 50 SKUs.")
    since = call.query.get("startDateTime")
    changed_since = parse_instant(since, "startDateTime") if since else None
    fingerprint = _fingerprint(call)
    start = 0
    if token := call.query.get("nextToken"):
        content = call.simulator.sealer.open(token, call.simulator.settings.inventory_token_lifetime_s)
        if content is None or content.get("for") != fingerprint:
            raise invalid("nextToken is invalid or has expired.")
        start = content["from" if call.has_fault("repeat_page") else "to"]
    summaries = _summaries(call, marketplace_id, skus, changed_since, details.lower() == "true")
    body: dict[str, Any] = {
        "payload": {
            "granularity": {"granularityType": "Marketplace", "granularityId": marketplace_id},
            "inventorySummaries": summaries[start : start + _PAGE],
        }
    }
    if len(summaries) > start + _PAGE:
        token = call.simulator.sealer.seal({"for": fingerprint, "from": start, "to": start + _PAGE})
        body["pagination"] = {"nextToken": token}
    return as_json(body)


def _marketplace(call: Call) -> str:
    marketplaces = call.values("marketplaceIds")
    if call.query.get("granularityType") != "Marketplace":
        raise invalid("granularityType must be Marketplace.")
    if len(marketplaces) != 1:
        raise invalid("marketplaceIds must name exactly one marketplace.")
    if call.query.get("granularityId") != marketplaces[0]:
        raise invalid("granularityId must be the marketplace of marketplaceIds.")
    if marketplaces[0] not in call.profile.marketplace_ids:
        raise Refusal(403, "Unauthorized", "Access to requested resource is denied.")
    return marketplaces[0]


def _fingerprint(call: Call) -> str:
    parts = [call.profile.seller_id] + [f"{name}={call.query.get(name, '')}" for name in _BOUND]
    return hashlib.sha256("&".join(parts).encode()).hexdigest()[:16]


def _summaries(
    call: Call, marketplace_id: str, skus: frozenset[str], changed_since: float | None, details: bool
) -> list[dict[str, Any]]:
    seller = call.seller()
    out = []
    for (sku, market_id), listing in sorted(seller.catalogue.listings.items()):
        if market_id != marketplace_id or listing.channel != AMAZON or (skus and sku not in skus):
            continue
        pool = seller.pools[sku, market_id]
        changed_at = pool.changed_at(call.epoch)
        if changed_at is None or (changed_since is not None and changed_at < changed_since):
            continue
        out.append(_summary(listing, pool.levels(call.epoch), changed_at, details))
    return out


def _summary(listing: Listing, levels: Levels, changed_at: int, details: bool) -> dict[str, Any]:
    out: dict[str, Any] = {
        "asin": listing.asin,
        "fnSku": listing.fnsku,
        "sellerSku": listing.sku,
        "condition": "NewItem",
        "lastUpdatedTime": instant(changed_at),
        "productName": listing.title,
        "totalQuantity": levels.on_hand + levels.inbound,
        "stores": [],
    }
    if details:
        out["inventoryDetails"] = {
            "fulfillableQuantity": levels.fulfillable,
            "inboundWorkingQuantity": levels.inbound_working,
            "inboundShippedQuantity": levels.inbound_shipped,
            "inboundReceivingQuantity": levels.inbound_receiving,
            "reservedQuantity": {
                "totalReservedQuantity": levels.reserved,
                "pendingCustomerOrderQuantity": levels.reserved,
                "pendingTransshipmentQuantity": 0,
                "fcProcessingQuantity": 0,
            },
            "researchingQuantity": {
                "totalResearchingQuantity": levels.researching,
                "researchingQuantityBreakdown": [
                    {"name": "researchingQuantityInShortTerm", "quantity": levels.researching},
                    {"name": "researchingQuantityInMidTerm", "quantity": 0},
                    {"name": "researchingQuantityInLongTerm", "quantity": 0},
                ],
            },
            "unfulfillableQuantity": {
                "totalUnfulfillableQuantity": levels.unfulfillable,
                "customerDamagedQuantity": levels.customer_damaged,
                "warehouseDamagedQuantity": levels.warehouse_damaged,
                "distributorDamagedQuantity": 0,
                "carrierDamagedQuantity": 0,
                "defectiveQuantity": levels.defective,
                "expiredQuantity": 0,
            },
        }
    return out
