"""The operation of the Sales API v1: getOrderMetrics.

Belongs here: parameters, intervals and the shape of an answer. Does not belong here: which orders count
(`order_sums.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from amzigo_pipelines.simulator.answers import Answer, Refusal, as_json, invalid
from amzigo_pipelines.simulator.calls import Call
from amzigo_pipelines.simulator.marketplaces import MARKETPLACES, Marketplace
from amzigo_pipelines.simulator.order_sums import OrderFilter, Sums, order_sums

_BUYER_TYPES = {"All": "", "B2B": "B2B", "B2C": "B2C"}
_NETWORKS = ("AFN", "MFN")
_LONGEST = timedelta(days=731)
_LONGEST_BY_HOUR = timedelta(days=30)
_UTC_NAMES = ("UTC", "Etc/UTC", "GMT")


def get_order_metrics(call: Call) -> Answer:
    """`GET /sales/v1/orderMetrics`."""
    market = _market(call)
    start, end = _interval(call)
    granularity = call.query.get("granularity", "")
    if granularity not in ("Hour", "Day", "Total"):
        raise invalid("granularity must be Hour, Day or Total; Week, Month and Year are not simulated.")
    age = call.now - start
    if age > (_LONGEST_BY_HOUR if granularity == "Hour" else _LONGEST):
        raise invalid("The interval begins too long ago for this granularity.")
    zone = _zone(call, granularity, start, end)
    which = _filter(call)
    cuts = _cuts(start, end, granularity, zone)
    edges = [int(cut.timestamp()) for cut in cuts]
    sums = order_sums(call.seller(), market, edges, call.epoch, which)
    write = _writer(zone, start)
    return as_json(
        {
            "payload": [
                _entry(market, f"{write(one)}--{write(next_)}", sum_)
                for one, next_, sum_ in zip(cuts, cuts[1:], sums, strict=False)
            ]
        }
    )


def _market(call: Call) -> Marketplace:
    marketplaces = call.values("marketplaceIds")
    if len(marketplaces) != 1:
        raise invalid("marketplaceIds must name exactly one marketplace.")
    if marketplaces[0] not in call.profile.marketplace_ids:
        raise Refusal(403, "Unauthorized", "Access to requested resource is denied.")
    return MARKETPLACES[marketplaces[0]]


def _interval(call: Call) -> tuple[datetime, datetime]:
    start, separator, end = call.query.get("interval", "").partition("--")
    edges = []
    for text in (start, end):
        try:
            # A plus sign that the caller did not escape arrives as a space.
            edge = datetime.fromisoformat(text.strip().replace(" ", "+"))
        except ValueError:
            raise invalid("interval must be two ISO 8601 instants, separated by two hyphens.") from None
        if edge.tzinfo is None:
            raise invalid("interval must be of absolute time, with Z or an offset.")
        edges.append(edge)
    if not separator or edges[0] >= edges[1]:
        raise invalid("interval must end after it begins.")
    return edges[0], edges[1]


def _zone(call: Call, granularity: str, start: datetime, end: datetime) -> ZoneInfo | None:
    name = call.query.get("granularityTimeZone")
    if not name:
        if granularity == "Day":
            raise invalid("granularityTimeZone is required for this granularity.")
        return None
    try:
        zone = ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise invalid("granularityTimeZone is no time zone.") from None
    for edge in (start, end):
        if edge.utcoffset() != edge.astimezone(zone).utcoffset():
            raise invalid("granularityTimeZone does not align with the offset of the interval.")
    if call.query.get("interval", "").endswith("Z") and name not in _UTC_NAMES:
        raise invalid("granularityTimeZone must be UTC for an interval in Z notation.")
    return zone


def _filter(call: Call) -> OrderFilter:
    buyer_type, network = call.query.get("buyerType", "All"), call.query.get("fulfillmentNetwork", "")
    asin, sku = call.query.get("asin", ""), call.query.get("sku", "")
    if buyer_type not in _BUYER_TYPES or (network and network not in _NETWORKS):
        raise invalid("buyerType must be B2B, B2C or All, fulfillmentNetwork AFN or MFN.")
    if asin and sku:
        raise invalid("Specify asin or sku, not both.")
    return OrderFilter(_BUYER_TYPES[buyer_type], network, asin, sku)


def _cuts(start: datetime, end: datetime, granularity: str, zone: ZoneInfo | None) -> list[datetime]:
    """Where intervals begin and end. The first and the last may be shorter than the others."""
    cuts = [start]
    if granularity == "Hour":
        following = start.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        while following < end:
            cuts.append(following)
            following += timedelta(hours=1)
    if granularity == "Day":
        assert zone is not None
        day = start.astimezone(zone).date() + timedelta(days=1)
        while (midnight := datetime(day.year, day.month, day.day, tzinfo=zone)) < end:
            cuts.append(midnight)
            day += timedelta(days=1)
    return [*cuts, end]


def _writer(zone: ZoneInfo | None, start: datetime) -> Callable[[datetime], str]:
    """Amazon writes intervals in the zone that was asked for, to the minute; UTC as Z."""

    def write(instant: datetime) -> str:
        text = instant.astimezone(zone or start.tzinfo).isoformat(timespec="minutes")
        return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text

    return write


def _entry(market: Marketplace, interval: str, sums: Sums) -> dict[str, Any]:
    average = round(sums.sales / sums.units) if sums.units else 0
    return {
        "interval": interval,
        "unitCount": sums.units,
        "orderItemCount": sums.order_items,
        "orderCount": sums.orders,
        "averageUnitPrice": {"amount": market.amount(average), "currencyCode": market.currency},
        "totalSales": {"amount": market.amount(sums.sales), "currencyCode": market.currency},
    }
