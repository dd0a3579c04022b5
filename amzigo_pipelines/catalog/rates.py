"""Amazon's facts about rates: how often it lets an operation be called.

Belongs here: the published default of each operation that we call. Does not belong here: counting calls
(`resources/spapi/rate_buckets.py`) and waiting (`resources/spapi/pacing.py`).

Source: "Usage Plan" in the description of each operation in Amazon's public models (github.com/amzn/selling-partner-
api-models: orders_2026-01-01, fbaInventory, finances_2024-06-19, reports_2021-06-30). They are defaults: a seller's own
rate may differ, and then the answer's `x-amzn-RateLimit-Limit` says so. Nothing states a seller's burst, so the
published one is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """How often an operation may be called.

    Attributes:
        per_s: requests a second in the long run.
        burst: requests that may come at once, and how many can be saved up.
        is_across_sellers: whether all sellers of an application share one budget; else each has its own.
    """

    per_s: float
    burst: float
    is_across_sellers: bool = False

    def scaled(self, scale: float) -> Rate:
        """The same, so many times as often; a burst never below one request."""
        return Rate(self.per_s * scale, max(1.0, self.burst * scale), self.is_across_sellers)


# Beside the operation's own rate Amazon makes some report types only so often, for all sellers of an application
# together; their key is `createReport` and the type. Source: "Report type values: analytics" in Amazon's documentation.
# No dataset asks for the sales-and-traffic report, because Data Kiosk gives the same figures within each seller's own
# rate; its budget stands here for whoever asks for it after all.
RATES: Mapping[str, Rate] = {
    "createReport GET_SALES_AND_TRAFFIC_REPORT": Rate(1 / 900, 1, is_across_sellers=True),
    "searchOrders": Rate(0.0056, 20),
    "getOrder": Rate(0.5, 30),
    "getInventorySummaries": Rate(2.0, 2),
    "listTransactions": Rate(0.5, 10),
    "createReport": Rate(0.0167, 15),
    "getReport": Rate(2.0, 15),
    "getReports": Rate(0.0222, 10),
    "getReportDocument": Rate(0.0167, 15),
    # Amazon publishes none for these: what it is asked is kept low.
    "getItemReviewTopics": Rate(1.0, 1),
    "getItemReviewTrends": Rate(1.0, 1),
    "createQuery": Rate(0.0167, 15),
    "getQuery": Rate(2.0, 15),
    "getQueries": Rate(0.0222, 10),
    "getDocument": Rate(0.0167, 15),
    "getOrderMetrics": Rate(0.5, 15),
    "getMarketplaceParticipations": Rate(0.016, 15),
}
