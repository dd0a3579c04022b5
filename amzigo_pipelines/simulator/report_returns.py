"""The reports of returns: GET_FBA_FULFILLMENT_CUSTOMER_RETURNS_DATA and GET_FLAT_FILE_RETURNS_DATA_BY_RETURN_DATE.

Belongs here: both layouts. Does not belong here: who returns what (`journeys.py`).

Amazon's own report is of units that arrived and has the buyer's words. The merchant's is of requests: a line appears
when the buyer asks, and changes when the parcel arrives and the money goes back.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from amzigo_pipelines.simulator.catalogue import AMAZON
from amzigo_pipelines.simulator.finances import refunded
from amzigo_pipelines.simulator.fulfilment import centre, licence_plate
from amzigo_pipelines.simulator.orders import Order, Return
from amzigo_pipelines.simulator.report_request import (
    DAY_S,
    ReportRequest,
    local_day,
    offset_instant,
    tab_separated,
    too_long,
)
from amzigo_pipelines.simulator.stock import SELLABLE

FBA_HEADER = (
    "return-date",
    "order-id",
    "sku",
    "asin",
    "fnsku",
    "product-name",
    "quantity",
    "fulfillment-center-id",
    "detailed-disposition",
    "reason",
    "status",
    "license-plate-number",
    "customer-comments",
)
MERCHANT_HEADER = (
    "Order ID",
    "Order date",
    "Return request date",
    "Return request status",
    "Amazon RMA ID",
    "Merchant RMA ID",
    "Label type",
    "Label cost",
    "Currency code",
    "Return carrier",
    "Tracking ID",
    "Label to be paid by",
    "A-to-Z Claim",
    "Is prime",
    "ASIN",
    "Merchant SKU",
    "Item Name",
    "Return quantity",
    "Return Reason",
    "In policy",
    "Return type",
    "Resolution",
    "Invoice number",
    "Return delivery date",
    "Order Amount",
    "Order quantity",
    "SafeT Action reason",
    "SafeT claim id",
    "SafeT claim state",
    "SafeT claim creation time",
    "SafeT claim reimbursement amount",
    "Refunded Amount",
)

MAX_DAYS = 60
_LONGEST_LIFE_S = 130 * DAY_S  # between the placing of an order and the last that is heard of it


def build_fba(request: ReportRequest) -> str | None:
    """What came back to Amazon, one line a return, ordered by arrival."""
    start, end = request.window()
    found = [(back.at, order.order_id, order, back) for order, back in _returns(request) if start <= back.at <= end]
    rows = [
        _fba_row(order, back) for _, _, order, back in sorted(found, key=lambda f: f[:2]) if order.channel == AMAZON
    ]
    return tab_separated(FBA_HEADER, rows) if rows else None


def build_merchant(request: ReportRequest) -> str | None:
    """What buyers asked to send back to the seller, one line a return, ordered by request."""
    if request.is_longer_than(MAX_DAYS):
        return too_long(MAX_DAYS)
    start, end = request.window()
    found = [
        (back.requested_at, order.order_id, order, back)
        for order, back in _returns(request)
        if order.channel != AMAZON and start <= back.requested_at <= end
    ]
    rows = [_merchant_row(order, back, request.as_of) for _, _, order, back in sorted(found, key=lambda f: f[:2])]
    return tab_separated(MERCHANT_HEADER, rows) if rows else None


def _returns(request: ReportRequest) -> Iterator[tuple[Order, Return]]:
    start, end = request.window()
    for order, _ in request.seller.created_between(start - _LONGEST_LIFE_S, end, request.as_of, (0, "")):
        if order.market.marketplace_id in request.market_ids:
            for back in order.returns:
                yield order, back


def _fba_row(order: Order, back: Return) -> tuple[object, ...]:
    listing = order.items[back.item].listing
    return (
        offset_instant(back.at),
        order.order_id,
        listing.sku,
        listing.asin,
        listing.fnsku,
        listing.title,
        back.quantity,
        centre(order.market.country, listing.fnsku),
        back.disposition,
        back.reason,
        "Unit returned to inventory" if back.disposition == SELLABLE else "Reimbursed",
        licence_plate(order, back.item),
        back.comment,
    )


def _merchant_row(order: Order, back: Return, as_of: int) -> tuple[object, ...]:
    item, market = order.items[back.item], order.market
    is_back = back.at <= as_of
    refund = refunded(item, back.quantity)
    values: dict[str, object] = {
        "Order ID": order.order_id,
        "Order date": _written(local_day(order.created_at, market)),
        "Return request date": _written(local_day(back.requested_at, market)),
        "Return request status": "Completed" if is_back else "Approved",
        "Amazon RMA ID": f"D{order.number:07d}RRMA",
        "Label type": "AmazonUnPaidLabel",
        "Label cost": market.amount(0),
        "Currency code": market.currency,
        "Return carrier": order.parcels[0].carrier,
        "Tracking ID": back.tracking_number,
        "Label to be paid by": "Customer",
        "A-to-Z Claim": "N",
        "Is prime": "Y" if "PRIME" in order.programs else "N",
        "ASIN": item.listing.asin,
        "Merchant SKU": item.listing.sku,
        "Item Name": item.listing.title,
        "Return quantity": back.quantity,
        "Return Reason": f"CR-{back.reason}",
        "In policy": "Y",
        "Return type": "C-Returns",
        "Resolution": "StandardRefund",
        "Return delivery date": _written(local_day(back.at, market)) if is_back else "",
        "Order Amount": market.amount(order.total),
        "Order quantity": item.quantity,
        "Refunded Amount": market.amount(refund) if is_back else "",
    }
    return tuple(values.get(name, "") for name in MERCHANT_HEADER)


def _written(day: date) -> str:
    """A day as Amazon writes it in this report in every country: `31-Jan-2026`."""
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{day.day:02d}-{months[day.month - 1]}-{day.year}"
