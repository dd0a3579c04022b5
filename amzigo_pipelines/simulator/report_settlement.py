"""The settlement report, flat file V2: GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2.

Belongs here: its columns and how countries write them. Does not belong here: what is settled (`finances.py`), and that
Amazon makes it by itself (`settlement_shelf.py`).

The header is English everywhere. The first line has the totals; the others are what adds up to them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from amzigo_pipelines.simulator.catalogue import AMAZON
from amzigo_pipelines.simulator.finances import REFUND, SHIPMENT, Charge, Line, Posting, Settlement, books_of
from amzigo_pipelines.simulator.marketplaces import Marketplace
from amzigo_pipelines.simulator.report_request import ReportRequest, tab_separated

HEADER = (
    "settlement-id",
    "settlement-start-date",
    "settlement-end-date",
    "deposit-date",
    "total-amount",
    "currency",
    "transaction-type",
    "order-id",
    "merchant-order-id",
    "adjustment-id",
    "shipment-id",
    "marketplace-name",
    "amount-type",
    "amount-description",
    "amount",
    "fulfillment-id",
    "posted-date",
    "posted-date-time",
    "order-item-code",
    "merchant-order-item-id",
    "merchant-adjustment-item-id",
    "sku",
    "quantity-purchased",
    "promotion-id",
)
# Where Amazon writes 31.01.2026 and 12,34.
_CONTINENTAL = frozenset({"DE", "FR", "IT", "ES"})
_KINDS = {SHIPMENT: "Order", REFUND: "Refund"}


def build(request: ReportRequest) -> str | None:
    """The settlement that `options` names."""
    settlement = books_of(request.seller).settlements.get(request.options.get("settlement", ""))
    return None if settlement is None else tab_separated(HEADER, _rows(settlement))


def _rows(settlement: Settlement) -> Iterator[tuple[str, ...]]:
    market = settlement.market
    yield _row(
        {
            "settlement-id": settlement.settlement_id,
            "settlement-start-date": _moment(market, settlement.start),
            "settlement-end-date": _moment(market, settlement.end),
            "deposit-date": _moment(market, settlement.deposited_at),
            "total-amount": _amount(market, settlement.total),
            "currency": market.currency,
        }
    )
    for posting in settlement.postings:
        for line in posting.lines:
            for charge in line.charges:
                yield _row(_line(settlement, posting, line, charge))


def _line(settlement: Settlement, posting: Posting, line: Line, charge: Charge) -> dict[str, str]:
    market, order = settlement.market, posting.order
    values = {
        "settlement-id": settlement.settlement_id,
        "transaction-type": _KINDS.get(posting.kind, "other-transaction"),
        "amount-type": charge.amount_type,
        "amount-description": charge.description,
        "amount": _amount(market, charge.amount),
        "posted-date": _moment(market, posting.posted_at).split(" ")[0],
        "posted-date-time": _moment(market, posting.posted_at),
    }
    if line.listing is not None:
        values |= {"sku": line.listing.sku, "quantity-purchased": str(line.quantity)}
    if order is not None:
        values |= {
            "order-id": order.order_id,
            "shipment-id": posting.shipment_id,
            "adjustment-id": posting.refund_id,
            "marketplace-name": market.name,
            "fulfillment-id": "AFN" if order.channel == AMAZON else "MFN",
            "order-item-code": line.item_id.split("-")[0],
            "merchant-adjustment-item-id": line.item_id if posting.refund_id else "",
        }
    return values


def _row(values: dict[str, str]) -> tuple[str, ...]:
    return tuple(values.get(name, "") for name in HEADER)


def _moment(market: Marketplace, epoch: int) -> str:
    form = "%d.%m.%Y %H:%M:%S UTC" if market.country in _CONTINENTAL else "%Y-%m-%d %H:%M:%S UTC"
    return datetime.fromtimestamp(epoch, UTC).strftime(form)


def _amount(market: Marketplace, minor: int) -> str:
    written = market.amount(minor)
    return written.replace(".", ",") if market.country in _CONTINENTAL else written
