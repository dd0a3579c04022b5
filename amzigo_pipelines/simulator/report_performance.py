"""The report GET_V2_SELLER_PERFORMANCE_REPORT, JSON: the seller's rates and Amazon's limits for them.

Belongs here: counting the rates and writing them down. Does not belong here: what happened (`journeys.py`).

Each rate is a share, 0 to 1, of what happened in a number of days before the report, by Amazon's definitions as far as
this world has them: claims, charge-backs, invoices and policy violations do not exist here and count 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from amzigo_pipelines.simulator.answers import instant
from amzigo_pipelines.simulator.catalogue import AMAZON, MERCHANT
from amzigo_pipelines.simulator.marketplaces import Marketplace
from amzigo_pipelines.simulator.orders import Order
from amzigo_pipelines.simulator.report_request import DAY_S, ReportRequest

DEFECT_DAYS = 60
LATE_DAYS = 30
CANCEL_DAYS = 7
TRACKING_DAYS = 30
ON_TIME_DAYS = 14

_VIOLATIONS = (
    "listingPolicyViolations",
    "productAuthenticityCustomerComplaints",
    "productConditionCustomerComplaints",
    "productSafetyCustomerComplaints",
    "receivedIntellectualPropertyComplaints",
    "restrictedProductPolicyViolations",
    "suspectedIntellectualPropertyViolations",
    "foodAndProductSafetyIssues",
    "otherPolicyViolations",
    "documentRequests",
)


def build(request: ReportRequest) -> str | None:
    """The report's content: one entry a marketplace."""
    metrics = [_metrics(request, market) for market in request.markets]
    statuses = [{"marketplaceId": market.marketplace_id, "status": "NORMAL"} for market in request.markets]
    return json.dumps({"accountStatuses": statuses, "performanceMetrics": metrics}, ensure_ascii=False)


def _metrics(request: ReportRequest, market: Marketplace) -> dict[str, Any]:
    now = request.as_of
    mfn, afn = _defects(request, market, MERCHANT), _defects(request, market, AMAZON)
    by_merchant = [order for order in _orders(request, market, 120) if order.channel == MERCHANT]

    # Shipping confirmed later than promised.
    shipped = [o for o in by_merchant if o.parcels and now - LATE_DAYS * DAY_S < o.parcels[0].shipped_at <= now]
    late = sum(order.parcels[0].shipped_at > order.ship_by[1] for order in shipped)

    # Cancelled by the seller, of what was placed.
    recent = [order for order in by_merchant if order.created_at > now - CANCEL_DAYS * DAY_S]
    cancelled = sum(order.cancelled_by == "MERCHANT" and order.versions[-1].at <= now for order in recent)

    # A number that a carrier has scanned.
    tracked = [order for order in by_merchant if order.parcels and _left(order, TRACKING_DAYS, now)]
    parcels = [state for order in tracked for state in _parcel_states(order, now)]
    valid = sum(status != "PENDING" for status in parcels)

    # Known to have arrived, of what has a number.
    arrived = [o for o in by_merchant if o.parcels and _left(o, ON_TIME_DAYS, now) and _is_told(o, now)]
    on_time = sum((order.delivered_at or now) <= order.deliver_by[1] for order in arrived)

    units = [sum(item.quantity for item in order.items) for order in arrived]
    units_on_time = sum(n for n, o in zip(units, arrived, strict=True) if (o.delivered_at or now) <= o.deliver_by[1])
    return {
        "marketplaceId": market.marketplace_id,
        "lateShipmentRate": _rate(now, LATE_DAYS, late, len(shipped), 0.04, "LESS_THAN")
        | {"orderCount": len(shipped), "lateShipmentCount": late},
        "invoiceDefectRate": _rate(now, CANCEL_DAYS, 0, len(recent), 0.05, "LESS_THAN")
        | {
            "orderCount": len(recent),
            "invoiceDefect": _count(0),
            "missingInvoice": _count(0),
            "lateInvoice": _count(0),
        },
        "orderDefectRate": {"mfn": mfn, "afn": afn},
        "onTimeDeliveryRate": _rate(now, ON_TIME_DAYS, on_time, len(arrived), 0.9, "GREATER_THAN")
        | {"shipmentCountWithValidTracking": len(arrived), "onTimeDeliveryCount": on_time},
        "unitOnTimeDeliveryRate": _rate(now, ON_TIME_DAYS, units_on_time, sum(units), 0.9, "GREATER_THAN")
        | {"unitOnTimeDeliveryCount": units_on_time, "totalUnitCount": sum(units)},
        "validTrackingRate": _rate(now, TRACKING_DAYS, valid, len(parcels), 0.95, "GREATER_THAN")
        | {"shipmentCount": len(parcels), "validTrackingCount": valid},
        "preFulfillmentCancellationRate": _rate(now, CANCEL_DAYS, cancelled, len(recent), 0.025, "LESS_THAN")
        | {"orderCount": len(recent), "cancellationCount": cancelled},
        "warningStates": [],
        # Amazon's schema requires the first name and describes the second.
        "accountHealthRating": {
            "ahrStatus": "GREAT",
            "accountHealthRatingStatus": "GREAT",
            "reportingDateRange": _range(now, 180),
        },
    } | {name: _violations(now) for name in _VIOLATIONS}


def _defects(request: ReportRequest, market: Marketplace, channel: str) -> dict[str, Any]:
    """The order defect rate: orders of a channel that buyers gave one or two stars."""
    orders = [order for order in _orders(request, market, DEFECT_DAYS) if order.channel == channel]
    negative = sum(o.feedback is not None and o.feedback.at <= request.as_of and o.feedback.rating < 3 for o in orders)
    return _rate(request.as_of, DEFECT_DAYS, negative, len(orders), 0.01, "LESS_THAN") | {
        "orderCount": len(orders),
        "orderWithDefects": _count(negative),
        "claims": _count(0),
        "chargebacks": _count(0),
        "negativeFeedback": _count(negative),
        "fulfillmentType": "MFN" if channel == MERCHANT else "AFN",
    }


def _orders(request: ReportRequest, market: Marketplace, days: int) -> Iterator[Order]:
    now = request.as_of
    for order, _ in request.seller.created_between(now - days * DAY_S + 1, now, now, (0, "")):
        if order.market.marketplace_id == market.marketplace_id:
            yield order


def _left(order: Order, days: int, now: int) -> bool:
    return now - days * DAY_S < order.parcels[-1].shipped_at <= now


def _parcel_states(order: Order, now: int) -> list[str]:
    version = order.version_at(now)
    return [] if version is None else [status for status, _ in order.versions[version].parcel_states]


def _is_told(order: Order, now: int) -> bool:
    states = _parcel_states(order, now)
    return bool(states) and all(status == "DELIVERED" for status in states)


def _rate(now: int, days: int, part: int, whole: int, target: float, condition: str) -> dict[str, Any]:
    rate = round(part / whole, 4) if whole else 0.0
    is_good = rate < target if condition == "LESS_THAN" else rate > target
    return {
        "reportingDateRange": _range(now, days),
        "status": "NONE" if not whole else "GOOD" if is_good else "BAD",
        "rate": rate,
        "targetValue": target,
        "targetCondition": condition,
    }


def _count(count: int) -> dict[str, Any]:
    return {"count": count, "status": "GOOD"}


def _violations(now: int) -> dict[str, Any]:
    return {
        "reportingDateRange": _range(now, 180),
        "defectsCount": 0,
        "status": "GOOD",
        "targetValue": 0,
        "targetCondition": "EQUALS",
    }


def _range(now: int, days: int) -> dict[str, str]:
    return {"reportingDateFrom": instant(now - days * DAY_S), "reportingDateTo": instant(now)}
