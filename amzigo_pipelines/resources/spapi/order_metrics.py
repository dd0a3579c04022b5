"""Amazon's own sums of orders: `getOrderMetrics` of the Sales API, day by day of a marketplace.

Belongs here: the request, and whether the answer is complete. Does not belong here: rows (`assets/extraction/`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.resources.spapi.client import SellingPartner
from amzigo_pipelines.resources.spapi.errors import Asked, BadAnswer
from amzigo_pipelines.resources.spapi.pages import is_rows

_OPERATION = "getOrderMetrics"
_SEPARATOR = "--"


class _Granularity(Enum):
    # The client library asks for an enumeration; its own has no reason to be imported for one word.
    DAY = "Day"


def order_metrics(
    partner: SellingPartner, marketplace_id: str, days: Sequence[date], until: datetime, filters: Mapping[str, str]
) -> dict[date, dict[str, Any]]:
    """The sums of a marketplace's local days, as Amazon writes them.

    Args:
        partner: acts for the seller.
        marketplace_id: where.
        days: local days without a gap, in order; all have begun.
        until: the present: a day that is not over is asked for up to here.
        filters: `buyerType`, `fulfillmentNetwork` and the like.

    Raises:
        BadAnswer: a day is missing, comes twice, or was not asked for.
        SpApiError: anything else, after retries.
    """
    market, sales = MARKETPLACES[marketplace_id], partner.sales_of(marketplace_id)
    zone = ZoneInfo(market.time_zone)
    start = datetime(days[0].year, days[0].month, days[0].day, tzinfo=zone)
    after = days[-1] + timedelta(days=1)
    end = min(datetime(after.year, after.month, after.day, tzinfo=zone), until.astimezone(zone).replace(microsecond=0))
    answer = partner.call(
        _OPERATION,
        # Texts with the marketplace's own offsets: instants the library would write in the machine's time zone, and
        # Amazon wants offsets that are the zone's, on either side of a change of clocks.
        lambda: sales.get_order_metrics(
            (start.isoformat(timespec="seconds"), end.isoformat(timespec="seconds")),
            _Granularity.DAY,
            market.time_zone,
            marketplaceIds=[marketplace_id],
            **filters,
        ),
        {"payload": list},
        market.region,
    )
    asked, rows = Asked(partner.seller_id, _OPERATION), answer.payload["payload"]
    if not is_rows(rows):
        raise BadAnswer(asked, "the answer is no list of sums")
    partner.usage.pages += 1
    found: dict[date, dict[str, Any]] = {}
    for row in rows:
        day = _day_of(row.get("interval"))
        if day is None or day not in days or day in found:
            raise BadAnswer(asked, "a sum is of no day that was asked for, or of one that had a sum already")
        found[day] = row
    if len(found) != len(days):
        raise BadAnswer(asked, f"the answer has sums of {len(found)} days, and {len(days)} were asked for")
    return found


def _day_of(interval: object) -> date | None:
    """The local day on which an interval begins: Amazon writes it with the offset of the zone."""
    if not isinstance(interval, str):
        return None
    try:
        return datetime.fromisoformat(interval.partition(_SEPARATOR)[0]).date()
    except ValueError:
        return None
