"""The operation `listTransactions` of the Finances API 2024-06-19.

Belongs here: parameters, windows, pages, and how a transaction is written down. Does not belong here: which
transactions there are (`finances.py`).

A page token remembers where the page ended and as of when the list is, and wants all other parameters again. Every
third page is empty and has a token nevertheless, as Amazon warns.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from typing import Any

from amzigo_pipelines.simulator.answers import Answer, Refusal, as_json, instant, invalid, parse_instant
from amzigo_pipelines.simulator.calls import Call
from amzigo_pipelines.simulator.catalogue import AMAZON, MERCHANT
from amzigo_pipelines.simulator.finances import Books, Line, Posting, books_of
from amzigo_pipelines.simulator.marketplaces import BY_COUNTRY, Marketplace

_DELAY_S = 120
_LONGEST_S = 180 * 86_400
_PER_PAGE = 100
_EMPTY_EVERY = 3
_STATUSES = ("DEFERRED", "RELEASED", "DEFERRED_RELEASED")
_FILTERS = ("FINANCIAL_EVENT_GROUP_ID", "ORDER_ID")
_BOUND = (
    "postedAfter",
    "postedBefore",
    "marketplaceId",
    "transactionStatus",
    "relatedIdentifierName",
    "relatedIdentifierValue",
)


def list_transactions(call: Call) -> Answer:
    """`GET /finances/2024-06-19/transactions`."""
    status, name, value = (call.query.get(n) for n in _BOUND[3:])
    if status is not None and status not in _STATUSES:
        raise invalid("transactionStatus is none of DEFERRED, RELEASED, DEFERRED_RELEASED.")
    if (name is None) != (value is None) or (name is not None and name not in _FILTERS):
        raise invalid("relatedIdentifierName must be one that can be searched by, together with its value.")
    marketplace_id = call.query.get("marketplaceId")
    if marketplace_id is not None and marketplace_id not in call.profile.marketplace_ids:
        raise Refusal(403, "Unauthorized", "Access to requested resource is denied.")
    window = _window(call, is_needed=name is None)
    fingerprint = _fingerprint(call)
    as_of, beyond, page = call.epoch, (-1, ""), 1
    if token := call.query.get("nextToken"):
        content = call.simulator.sealer.open(token, call.simulator.settings.page_token_lifetime_s)
        if content is None or content.get("for") != fingerprint:
            raise invalid("nextToken is invalid, has expired, or belongs to other parameters.")
        as_of, page = content["as_of"], content["page"]
        beyond = tuple(content["from" if call.has_fault("repeat_page") else "to"])
        window = (window[0], content["before"])
    books = books_of(call.seller())
    if window[1] - window[0] > _LONGEST_S:
        return as_json({"payload": {"transactions": []}})
    first = max(bisect_left(books.times, (window[0],)), bisect_right(books.times, beyond))
    found: list[Posting] = []
    for posting in books.postings[first : bisect_left(books.times, (window[1],))]:
        if posting.known_at > as_of or not _is_of(posting, marketplace_id):
            continue
        if status is not None and posting.status(as_of) != status:
            continue
        related = {"ORDER_ID": posting.order.order_id if posting.order else "", _FILTERS[0]: _group_of(books, posting)}
        if name is not None and related[name] != value:
            continue
        found.append(posting)
        if len(found) > _PER_PAGE:
            break
    is_empty = page % _EMPTY_EVERY == 0 and bool(found)
    shown = [] if is_empty else found[:_PER_PAGE]
    payload: dict[str, Any] = {"transactions": [_as_json(books, posting, as_of) for posting in shown]}
    if len(found) > len(shown):
        last = (shown[-1].posted_at, shown[-1].transaction_id) if shown else beyond
        payload["nextToken"] = call.simulator.sealer.seal(
            {
                "for": fingerprint,
                "as_of": as_of,
                "before": window[1],
                "page": page + 1,
                "from": beyond,
                "to": last,
            }
        )
    return as_json({"payload": payload})


def _window(call: Call, is_needed: bool) -> tuple[float, float]:
    """From (included) and to (excluded), as asked for or as Amazon's defaults are."""
    latest = call.now.timestamp() - _DELAY_S
    after, before = call.query.get("postedAfter"), call.query.get("postedBefore")
    if not after:
        if is_needed or before:
            raise invalid("postedAfter is required unless a related identifier is given.")
        return latest - _LONGEST_S, latest
    start = parse_instant(after, "postedAfter")
    end = parse_instant(before, "postedBefore") if before else latest
    if start > latest or end > latest:
        raise invalid("postedAfter and postedBefore must be more than two minutes before the request.")
    if end <= start:
        raise invalid("postedBefore must be later than postedAfter.")
    return start, end


def _is_of(posting: Posting, marketplace_id: str | None) -> bool:
    if marketplace_id is None:
        return True
    if posting.market.marketplace_id != marketplace_id:
        return False
    # Amazon's own note: MFN orders in the US store come only without a marketplaceId.
    is_merchants = posting.order is not None and posting.order.channel == MERCHANT
    return not (is_merchants and marketplace_id == BY_COUNTRY["US"].marketplace_id)


def _group_of(books: Books, posting: Posting) -> str:
    return "" if posting.group is None else books.group_id(posting.market, posting.group)


def _as_json(books: Books, posting: Posting, as_of: int) -> dict[str, Any]:
    market = posting.market
    related = {
        "ORDER_ID": posting.order.order_id if posting.order else "",
        "SHIPMENT_ID": posting.shipment_id,
        "REFUND_ID": posting.refund_id,
        "FINANCIAL_EVENT_GROUP_ID": _group_of(books, posting),
        "SETTLEMENT_ID": posting.settles.settlement_id if posting.settles else "",
        "DISBURSEMENT_ID": f"DISB{posting.settles.settlement_id}" if posting.settles else "",
        "DEFERRED_TRANSACTION_ID": posting.releases.transaction_id if posting.releases else "",
    }
    contexts: list[dict[str, Any]] = []
    status = posting.status(as_of)
    if posting.released_by is not None:
        contexts.append(
            {
                "contextType": "DeferredContext",
                "deferralReason": "B2B",
                "maturityDate": instant(posting.released_by.posted_at),
            }
        )
        if status == "DEFERRED_RELEASED":
            related["RELEASE_TRANSACTION_ID"] = posting.released_by.transaction_id
    return {
        "sellingPartnerMetadata": {
            "sellingPartnerId": books.seller_id,
            "accountType": "Standard Orders",
            "marketplaceId": market.marketplace_id,
        },
        "relatedIdentifiers": [
            {"relatedIdentifierName": name, "relatedIdentifierValue": value} for name, value in related.items() if value
        ],
        "transactionType": posting.kind,
        "transactionId": posting.transaction_id,
        "transactionStatus": status,
        "description": posting.description,
        "postedDate": instant(posting.posted_at),
        "totalAmount": _money(market, posting.total),
        "marketplaceDetails": {"marketplaceId": market.marketplace_id, "marketplaceName": market.name},
        "items": [_item(market, posting, line) for line in posting.lines if line.listing is not None],
        "contexts": contexts,
        "breakdowns": _tree(market, [(c.path, c.amount) for line in posting.lines for c in line.charges]),
    }


def _item(market: Marketplace, posting: Posting, line: Line) -> dict[str, Any]:
    assert line.listing is not None
    item: dict[str, Any] = {
        "description": line.listing.title,
        "totalAmount": _money(market, sum(charge.amount for charge in line.charges)),
        "breakdowns": _tree(market, [(charge.path, charge.amount) for charge in line.charges]),
        "contexts": [
            {
                "contextType": "ProductContext",
                "asin": line.listing.asin,
                "sku": line.listing.sku,
                "quantityShipped": line.quantity,
                "fulfillmentNetwork": "AFN" if line.listing.channel == AMAZON else "MFN",
            }
        ],
    }
    if posting.refund_id:
        item["relatedIdentifiers"] = [
            {"itemRelatedIdentifierName": "ORDER_ADJUSTMENT_ITEM_ID", "itemRelatedIdentifierValue": line.item_id}
        ]
    return item


def _tree(market: Marketplace, amounts: list[tuple[tuple[str, ...], int]]) -> list[dict[str, Any]]:
    """Amounts as Amazon's tree: each node is what its children add up to."""
    branches: dict[str, list[tuple[tuple[str, ...], int]]] = {}
    for path, amount in amounts:
        branches.setdefault(path[0], []).append((path[1:], amount))
    return [
        {
            "breakdownType": name,
            "breakdownAmount": _money(market, sum(amount for _, amount in below)),
            "breakdowns": _tree(market, [(path, amount) for path, amount in below if path]) or None,
        }
        for name, below in branches.items()
    ]


def _money(market: Marketplace, minor: int) -> dict[str, Any]:
    # A JSON number; Python writes two decimals of a float as they are.
    amount = float(market.amount(minor)) if market.decimals else minor
    return {"currencyCode": market.currency, "currencyAmount": amount}


def _fingerprint(call: Call) -> str:
    """What a page token is bound to: the seller and every parameter but the token."""
    parts = [call.profile.seller_id, *(f"{name}={call.query.get(name, '')}" for name in _BOUND)]
    return hashlib.sha256("&".join(parts).encode()).hexdigest()[:16]
