"""The report GET_SELLER_FEEDBACK_DATA: what buyers said of the seller.

Belongs here: its columns and how each marketplace writes days. Does not belong here: who says what (`journeys.py`).

Header and dates are in the language of the marketplace, always.
"""

from __future__ import annotations

from datetime import date

from amzigo_pipelines.simulator.orders import Feedback, Order
from amzigo_pipelines.simulator.report_headers import FEEDBACK
from amzigo_pipelines.simulator.report_request import DAY_S, ReportRequest, local_day, tab_separated

_LONGEST_LIFE_S = 120 * DAY_S  # between the placing of an order and its feedback


def build(request: ReportRequest) -> str | None:
    """The report's content, one line a feedback, newest first; header and charset are the first marketplace's."""
    start, end = request.window()
    found = [
        (order.feedback.at, order.order_id, order, order.feedback)
        for order, _ in request.seller.created_between(start - _LONGEST_LIFE_S, end, request.as_of, (0, ""))
        if order.market.marketplace_id in request.market_ids
        and order.feedback is not None
        and start <= order.feedback.at <= end
    ]
    found.sort(key=lambda entry: entry[:2], reverse=True)
    header = FEEDBACK.get(request.markets[0].language, FEEDBACK["en"])
    return tab_separated(header, (_row(order, feedback) for *_, order, feedback in found)) if found else None


def _row(order: Order, feedback: Feedback) -> tuple[object, ...]:
    return (
        _written(local_day(feedback.at, order.market), order.market.country),
        feedback.rating,
        feedback.comment,
        "" if feedback.rating > 3 else "We are sorry and will do better.",
        order.order_id,
        order.buyer.email,
    )


def _written(day: date, country: str) -> str:
    if country == "US":
        return f"{day.month}/{day.day}/{day:%y}"
    return day.strftime({"DE": "%d.%m.%y", "JP": "%Y/%m/%d"}.get(country, "%d/%m/%y"))
