"""How often each operation may be called: Amazon's published rates, and the buckets that enforce them.

Belongs here: the table and the token bucket. Does not belong here: what a refused call is told (`app.py`).
Buckets run on real time, one for each seller and operation.
"""

from __future__ import annotations

import time
from collections.abc import Callable

RATES: dict[str, tuple[float, int]] = {
    "rotateApplicationClientSecret": (0.0167, 1),
    "searchCatalogItems": (2.0, 2),
    "getCatalogItem": (2.0, 2),
    "getQueries": (0.0222, 10),
    "createQuery": (0.0167, 15),
    "cancelQuery": (0.0222, 10),
    "getQuery": (2.0, 15),
    "getDocument": (0.0167, 15),
    "getInventorySummaries": (2.0, 2),
    "listTransactions": (0.5, 10),
    "listBalances": (0.5, 10),
    "listSummary": (0.5, 10),
    "searchOrders": (0.0056, 20),
    "getOrder": (0.5, 30),
    "getReports": (0.0222, 10),
    "createReport": (0.0167, 15),
    "cancelReport": (0.0222, 10),
    "getReport": (2.0, 15),
    "getReportSchedules": (0.0222, 10),
    "createReportSchedule": (0.0222, 10),
    "cancelReportSchedule": (0.0222, 10),
    "getReportSchedule": (0.0222, 10),
    "getReportDocument": (0.0167, 15),
    # Not published: kept so low that whoever hurries is found out.
    "getItemReviewTopics": (1.0, 1),
    "getItemReviewTrends": (1.0, 1),
    "getOrderMetrics": (0.5, 15),
    "getMarketplaceParticipations": (0.016, 15),
    "getAccount": (0.016, 15),
    "getSolicitationActionsForOrder": (1.0, 5),
    "createProductReviewAndSellerFeedbackSolicitation": (1.0, 5),
    "createRestrictedDataToken": (1.0, 10),
}
"""Requests a second and burst by operation. An operation that is not listed has no published rate and no limit."""


class Buckets:
    """One token bucket for each seller and operation.

    Args:
        scale: multiplies every rate and burst.
        monotonic: the source of real time, in seconds.
    """

    def __init__(self, scale: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._scale = scale
        self._monotonic = monotonic
        self._levels: dict[tuple[str, str], tuple[float, float]] = {}  # (tokens, when counted)

    def limit(self, operation: str) -> str | None:
        """The rate as the answer's header gives it, or None if there is none."""
        rate = RATES.get(operation)
        return None if rate is None else f"{rate[0] * self._scale:.10g}"

    def take(self, seller_id: str, operation: str) -> bool:
        """Take one token; False if the call comes too soon."""
        if operation not in RATES:
            return True
        rate, burst = (value * self._scale for value in RATES[operation])
        now = self._monotonic()
        tokens, counted = self._levels.get((seller_id, operation), (max(1.0, burst), now))
        tokens = min(max(1.0, burst), tokens + (now - counted) * rate)
        allowed = tokens >= 1
        self._levels[seller_id, operation] = (tokens - 1 if allowed else tokens, now)
        return allowed
