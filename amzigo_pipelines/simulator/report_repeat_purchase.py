"""The report GET_BRAND_ANALYTICS_REPEAT_PURCHASE_REPORT, JSON: who bought a product again, by ASIN and whole period.

Belongs here: counting buyers and writing them down. Does not belong here: who buys (`demand.py`).

A repeat customer of a period has bought the product before, in the period or earlier. Cancelled orders don't count;
returns do, as in Amazon's report. Dates are the marketplace's days; the time of the asked window is ignored.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from amzigo_pipelines.simulator.marketplaces import Marketplace
from amzigo_pipelines.simulator.orders import CANCELLED
from amzigo_pipelines.simulator.report_request import ReportRequest, local_day

REPORT_TYPE = "GET_BRAND_ANALYTICS_REPEAT_PURCHASE_REPORT"
_SUNDAY = 6


@dataclass
class Repeat:
    """What happened to one product in one period; amounts in minor units."""

    orders: int = 0
    customers: set[int] = field(default_factory=set)
    repeat_customers: set[int] = field(default_factory=set)
    revenue: int = 0
    repeat_revenue: int = 0


def build(request: ReportRequest) -> str | None:
    """The report's content; a sentence instead of it where the dates are no whole weeks."""
    market = request.markets[0]
    start, end = (datetime.fromtimestamp(moment or 0, UTC).date() for moment in (request.start, request.end))
    whole_weeks = start.weekday() == _SUNDAY and (end - start).days % 7 == 6
    if request.options.get("reportPeriod") != "WEEK" or not whole_weeks or len(request.markets) != 1:
        return "The dates must be whole weeks, from a Sunday to a Saturday, of one marketplace.\n"
    if end >= local_day(request.as_of, market):
        return None
    rows: list[dict[str, Any]] = []
    while start < end:
        last = start + timedelta(days=6)
        rows += [
            _row(asin, repeat, start, last, market) for asin, repeat in sorted(_counted(request, start, last).items())
        ]
        start += timedelta(days=7)
    specification = {
        "reportType": REPORT_TYPE,
        "reportOptions": {"reportPeriod": "WEEK"},
        "dataStartTime": (end - timedelta(days=6)).isoformat() if not rows else rows[0]["startDate"],
        "dataEndTime": end.isoformat(),
        "marketplaceIds": [market.marketplace_id],
    }
    return json.dumps({"reportSpecification": specification, "dataByAsin": rows}) if rows else None


def _counted(request: ReportRequest, first: date, last: date) -> dict[str, Repeat]:
    market = request.markets[0]
    before: set[tuple[str, int]] = set()
    found: dict[str, Repeat] = defaultdict(Repeat)
    for order in request.seller.orders:
        day = local_day(order.created_at, market)
        if order.created_at > request.as_of or day > last:
            break
        if order.market.marketplace_id != market.marketplace_id or _is_cancelled(order.versions, request.as_of):
            continue
        buyer, goods = order.buyer.number, defaultdict[str, int](int)
        for item in order.items:
            goods[item.listing.asin] += item.goods
        for asin, amount in goods.items():
            if day >= first:
                repeat = found[asin]
                repeat.orders += 1
                repeat.customers.add(buyer)
                repeat.revenue += amount
                if (asin, buyer) in before:
                    repeat.repeat_customers.add(buyer)
                    repeat.repeat_revenue += amount
            before.add((asin, buyer))
    return found


def _is_cancelled(versions: list[Any], as_of: int) -> bool:
    known = [version for version in versions if version.at <= as_of]
    return bool(known) and known[-1].status == CANCELLED


def _row(asin: str, repeat: Repeat, first: date, last: date, market: Marketplace) -> dict[str, Any]:
    return {
        "startDate": first.isoformat(),
        "endDate": last.isoformat(),
        "asin": asin,
        "orders": repeat.orders,
        "uniqueCustomers": len(repeat.customers),
        "repeatCustomersPctTotal": round(len(repeat.repeat_customers) / len(repeat.customers), 4),
        "repeatPurchaseRevenue": {
            "amount": float(market.amount(repeat.repeat_revenue)),
            "currencyCode": market.currency,
        },
        "repeatPurchaseRevenuePctTotal": round(repeat.repeat_revenue / repeat.revenue, 4) if repeat.revenue else 0.0,
    }
