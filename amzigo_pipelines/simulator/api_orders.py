"""The operations of the Orders API 2026-01-01: searchOrders and getOrder.

Belongs here: parameters, windows, pages. Does not belong here: how an order is written down (`order_json.py`).

A page token remembers where the page ended, not how many orders went before: an order that is updated between two
pages leaves the window and comes again in the next one; no other order is skipped for it.
"""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import Any

from amzigo_pipelines.simulator.answers import Answer, Refusal, as_json, instant, invalid, parse_instant
from amzigo_pipelines.simulator.calls import Call
from amzigo_pipelines.simulator.order_json import SECTIONS, render
from amzigo_pipelines.simulator.profiles import FORBIDDEN

_DELAY_S = 120
_STATUSES = frozenset(
    {
        "PENDING_AVAILABILITY",
        "PENDING",
        "UNSHIPPED",
        "PARTIALLY_SHIPPED",
        "SHIPPED",
        "CANCELLED",
        "UNFULFILLABLE",
    }
)
_BOUND = (
    "createdAfter",
    "createdBefore",
    "lastUpdatedAfter",
    "lastUpdatedBefore",
    "fulfillmentStatuses",
    "marketplaceIds",
    "fulfilledBy",
    "maxResultsPerPage",
    "includedData",
)
_BEFORE_ALL = (-1, "")


def search_orders(call: Call) -> Answer:
    """`GET /orders/2026-01-01/orders`."""
    sections = _sections(call)
    statuses = frozenset(call.values("fulfillmentStatuses", _STATUSES)) or _STATUSES
    fulfilled_by = frozenset(call.values("fulfilledBy", ("MERCHANT", "AMAZON"))) or {"MERCHANT", "AMAZON"}
    marketplaces = frozenset(call.values("marketplaceIds")) or frozenset(call.profile.marketplace_ids)
    if len(marketplaces) > 50:
        raise invalid("marketplaceIds names more than 50 marketplaces.")
    if not marketplaces <= frozenset(call.profile.marketplace_ids):
        raise Refusal(403, "Unauthorized", "Access to requested resource is denied.")
    size = _page_size(call)
    kind, after, before = _window(call)
    beyond = _BEFORE_ALL
    fingerprint = _fingerprint(call)
    if token := call.query.get("paginationToken"):
        content = call.simulator.sealer.open(token, call.simulator.settings.page_token_lifetime_s)
        if content is None or content.get("for") != fingerprint:
            raise invalid("paginationToken is invalid, has expired, or belongs to other parameters.")
        before = content["before"]
        beyond = tuple(content["from" if call.has_fault("repeat_page") else "to"])
    seller = call.seller()
    find = seller.updated_between if kind == "lastUpdated" else seller.created_between
    matches = (
        (order, version)
        for order, version in find(after, before, call.epoch, beyond)
        if order.market.marketplace_id in marketplaces
        and order.channel in fulfilled_by
        and order.versions[version].status in statuses
    )
    page = list(islice(matches, size + 1))
    body: dict[str, Any] = {
        "orders": [render(order, version, sections, call.profile.roles) for order, version in page[:size]]
    }
    if len(page) > size:
        order, version = page[size - 1]
        at = order.versions[version].at if kind == "lastUpdated" else order.created_at
        body["pagination"] = {
            "nextToken": call.simulator.sealer.seal(
                {"for": fingerprint, "before": before, "from": beyond, "to": (at, order.order_id)}
            )
        }
    body[f"{kind}Before"] = instant(before)
    return as_json(body)


def get_order(call: Call) -> Answer:
    """`GET /orders/2026-01-01/orders/{orderId}`."""
    sections = _sections(call)
    order = call.seller().by_id.get(call.path["orderId"])
    version = None if order is None else order.version_at(call.epoch)
    if order is None or version is None:
        raise Refusal(404, "NotFound", "The requested order does not exist.")
    return as_json({"order": render(order, version, sections, call.profile.roles)})


def _sections(call: Call) -> frozenset[str]:
    sections = frozenset(call.values("includedData", SECTIONS))
    if call.profile.missing_role == FORBIDDEN and sections & {"BUYER", "RECIPIENT"} - call.profile.roles:
        raise Refusal(
            403,
            "Unauthorized",
            "Access to requested resource is denied.",
            "The application has no role for the requested data.",
        )
    return sections


def _page_size(call: Call) -> int:
    text = call.query.get("maxResultsPerPage", "100")
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 100:
        raise invalid("maxResultsPerPage must be a number from 1 to 100.")
    return int(text)


def _window(call: Call) -> tuple[str, float, float]:
    """Which time is asked for, and its inclusive edges: (`created` or `lastUpdated`, after, before)."""
    given = {name: call.query[name] for name in _BOUND[:4] if call.query.get(name)}
    if ("createdAfter" in given) == ("lastUpdatedAfter" in given):
        raise invalid("Exactly one of createdAfter and lastUpdatedAfter must be given.")
    kind, other = ("created", "lastUpdated") if "createdAfter" in given else ("lastUpdated", "created")
    if f"{other}Before" in given:
        raise invalid(f"{other}Before cannot be combined with {kind}After.")
    # Whole milliseconds, rounded down: the edge that is echoed is the edge that was used.
    latest = int((call.now.timestamp() - _DELAY_S) * 1_000) / 1_000
    after = parse_instant(given[f"{kind}After"], f"{kind}After")
    before = latest
    if f"{kind}Before" in given:
        before = parse_instant(given[f"{kind}Before"], f"{kind}Before")
        if before > latest:
            raise invalid(f"{kind}Before must be at least two minutes before the time of the request.")
    if after > before:
        raise invalid(f"{kind}After must not be later than {kind}Before.")
    return kind, after, before


def _fingerprint(call: Call) -> str:
    """What a page token is bound to: the seller and every parameter but the token, in any order of lists."""
    parts = [call.profile.seller_id]
    parts += [f"{name}={','.join(sorted(call.values(name)))}" for name in _BOUND]
    return hashlib.sha256("&".join(parts).encode()).hexdigest()[:16]
