"""Every status from 400 to 504, with and without a body, at every operation: an error, never data, never "no data"."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from amzigo_pipelines.resources.control.schema import reports
from amzigo_pipelines.resources.spapi.auth import TOKENS
from amzigo_pipelines.resources.spapi.errors import SpApiError
from amzigo_pipelines.resources.spapi.retries import Retries
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World
from tests.extraction.conftest import Platform
from tests.faults.kit import INVENTORY, LISTINGS, NOW, ORDERS, SELLER, Truth, extract, facts, on_disk, versions

# With no body each, and each with one of the others.
STATUSES = [*range(400, 419), *range(421, 427), 428, 429, 431, 451, *range(500, 505)]
SECRET = "Wanda Geheim, Musterweg 1"
BODIES: dict[str, str | None] = {
    "none": None,
    "html": f"<html><body>{SECRET}</body></html>",
    "errors": json.dumps({"errors": [{"code": "SomeCode", "message": SECRET, "details": SECRET}]}),
    "like data": json.dumps(
        {
            "orders": [],
            "lastUpdatedBefore": "2026-09-21T00:00:00Z",
            "payload": {"inventorySummaries": []},
            "reportId": "1",
            "access_token": "Atza|x",
            "expires_in": 3600,
        }
    ),
}
OPERATIONS = [
    ("searchOrders", ORDERS),
    ("getInventorySummaries", INVENTORY),
    ("createReport", LISTINGS),
    ("getReport", LISTINGS),
    ("getReportDocument", LISTINGS),
    ("downloadReport", LISTINGS),
    ("token", INVENTORY),
]


def forget_reports(platform: Platform, server: SimulatorServer, now: datetime) -> datetime:
    """Have reports asked for anew, half an hour later: fresh ones would be used again, failed ones deferred."""
    now += timedelta(minutes=31)
    for clock in (platform.clock, server.clock):
        clock.set(now)  # type: ignore[attr-defined]
    with platform.control.transaction() as connection:
        connection.execute(reports.delete())
    return now


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(("operation", "source"), OPERATIONS, ids=[operation for operation, _ in OPERATIONS])
def test_no_status_ever_becomes_data(
    platform: Platform, server: SimulatorServer, world: World, operation: str, source: tuple[str, ...], body: str
) -> None:
    platform.client = {"retries": Retries(platform.sleep, attempts=1)}
    extract(platform, source)
    before = versions(platform, source), on_disk(platform)
    now = NOW
    others = [name for name in BODIES if name != "none"]
    for status in STATUSES if body == "none" else STATUSES[others.index(body) :: len(others)]:
        TOKENS.clear()
        now = forget_reports(platform, server, now)
        server.faults.set(
            [{"operation": operation, "kind": "status", "status": status, "body": BODIES[body], "times": None}]
        )
        with pytest.raises(SpApiError) as caught:
            extract(platform, source)
        assert SELLER in str(caught.value)
        assert not any(leak in str(caught.value) for leak in (SECRET, "http://", "X-Amz", "Atz"))
        assert server.faults.describe()[0]["struck"] >= 1
        assert (versions(platform, source), on_disk(platform)) == before, status
    server.faults.clear()
    now = forget_reports(platform, server, now)
    extract(platform, source)
    assert facts(platform, source) == Truth(world, now).of(source)


# -- trouble on the way that passes ------------------------------------------------------------------------------------

PASSING = [
    ("html_503", {}),
    ("empty_429", {"times": 2}),
    ("json_429", {"retry_after": 2}),
    ("reset", {}),
    ("torn_body", {}),
    ("torn_body", {"keep": 0.0}),
    *(("status", {"status": status}) for status in (408, 429, 500, 502, 503, 504)),
    ("status", {"status": 200, "body": "<html>"}),
    ("status", {"status": 200}),
]


@pytest.mark.parametrize(("kind", "settings"), PASSING)
def test_a_login_that_fails_and_then_succeeds_costs_nothing(
    platform: Platform, server: SimulatorServer, world: World, kind: str, settings: dict[str, object]
) -> None:
    server.faults.add("token", kind, **settings)
    extract(platform, ORDERS)
    assert server.faults.describe()[0]["struck"] >= 1
    assert facts(platform, ORDERS) == Truth(world, NOW).of(ORDERS)


ON_THE_WAY = [
    *((operation, *fault) for operation, source in OPERATIONS if source == LISTINGS for fault in PASSING),
    ("downloadReport", "truncated_gzip", {}),
    ("downloadReport", "expired_link", {}),
]


@pytest.mark.parametrize(("operation", "kind", "settings"), ON_THE_WAY)
def test_a_report_survives_what_passes_anywhere_on_its_way(
    platform: Platform, server: SimulatorServer, world: World, operation: str, kind: str, settings: dict[str, object]
) -> None:
    server.faults.add(operation, kind, after=1, **settings)
    extract(platform, LISTINGS)
    assert facts(platform, LISTINGS) == Truth(world, NOW).of(LISTINGS)
    assert server.requests["createReport"] <= 2 + 2 * (operation == "createReport")
