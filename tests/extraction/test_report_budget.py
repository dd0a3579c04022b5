"""A report type that Amazon makes only so often for all sellers of an application together."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from amzigo_pipelines.resources.reports.desk import ReportOrder
from amzigo_pipelines.resources.spapi.errors import TurnTooLate
from amzigo_pipelines.resources.spapi.pacing import SharedPacer
from amzigo_pipelines.resources.spapi.rate_buckets import RateBuckets
from amzigo_pipelines.simulator.report_types import REPORT_TYPES, ReportType
from amzigo_pipelines.simulator.server import SimulatorServer

from .conftest import SELLER, SILENT, US, Platform

TYPE = "GET_SALES_AND_TRAFFIC_REPORT"


@pytest.fixture(autouse=True)
def _known_report() -> Iterator[None]:
    REPORT_TYPES[TYPE] = ReportType(lambda request: "{}")
    yield
    del REPORT_TYPES[TYPE]


def test_sellers_of_an_application_share_the_budget(platform: Platform, server: SimulatorServer) -> None:
    waited: list[float] = []

    def pacer(seller_id: str) -> SharedPacer:
        return SharedPacer(RateBuckets(platform.control), "client", seller_id, sleep=waited.append)

    for seller_id in (SELLER, SILENT):
        platform.client = {"pacer": pacer(seller_id)}
        with platform.selling_partner(seller_id) as partner:
            platform.desk.collect(partner, ReportOrder(TYPE, (US,)))
    # The second seller waits for the first one's quarter of an hour to pass.
    (quarter,) = [seconds for seconds in waited if seconds > 60]
    assert 880 < quarter <= 902
    platform.client = {"pacer": pacer(SELLER)}
    with platform.selling_partner(SELLER) as partner, pytest.raises(TurnTooLate, match="the application has used up"):
        platform.desk.collect(partner, ReportOrder(TYPE, (US,), options=(("other", "one"),)))
    assert server.requests["createReport"] == 2
