"""A small world behind a real socket, shared by the tests of a module, and a client of it.

Belongs here: what several test modules start from. Does not belong here: expectations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.simulator.marketplaces import BY_COUNTRY
from amzigo_pipelines.simulator.server import SimulatorServer, SimulatorSettings
from amzigo_pipelines.simulator.world import CLIENT_ID, CLIENT_SECRET, SellerProfile, World, WorldConfig

NOW = datetime(2026, 2, 2, 12, 0, tzinfo=UTC)


def profile(seller_id: str, *countries: str, **settings: Any) -> SellerProfile:
    settings = {"orders_per_day": 30, "sku_count": 120} | settings
    return SellerProfile(
        seller_id, f"Atzr|{seller_id}", tuple(BY_COUNTRY[c].marketplace_id for c in countries), **settings
    )


CONFIG = WorldConfig(
    seed=11,
    first_day=date(2026, 1, 1),
    sellers=(
        profile("NORTH", "US", "CA"),
        profile("EUROPE", "DE", "GB", fba_share=0.4),
        profile("FAREAST", "JP", orders_per_day=15),
        profile("SILENT", "US", roles=frozenset({"RECIPIENT"}), orders_per_day=10, fba_share=0.2),
        profile("FORBIDDEN", "US", roles=frozenset({"BUYER"}), missing_role="forbidden", orders_per_day=5),
    ),
)


class Client:
    """Talks to the simulator as one seller."""

    def __init__(self, url: str, seller: SellerProfile) -> None:
        self.seller = seller
        # Plain http: without `verify` each client would spend 30 ms on loading certificates.
        self.http = httpx.Client(base_url=url, timeout=20, verify=False, trust_env=False)
        answer = self.http.post(
            "/auth/o2/token",
            data={
                "grant_type": "refresh_token",
                "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET,
                "refresh_token": seller.refresh_token,
            },
        )
        self.http.headers["x-amz-access-token"] = answer.json()["access_token"]

    def orders(self, **params: Any) -> httpx.Response:
        return self.http.get("/orders/2026-01-01/orders", params=params)

    def all_orders(self, **params: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            answer = self.orders(**params, **token)
            assert answer.status_code == 200, answer.text
            found += answer.json()["orders"]
            following = answer.json().get("pagination", {}).get("nextToken")
            if not following:
                return found
            token = {"paginationToken": following}

    def inventory(self, **params: Any) -> httpx.Response:
        marketplace = params.pop("marketplace", self.seller.marketplace_ids[0])
        defaults = {
            "granularityType": "Marketplace",
            "granularityId": marketplace,
            "marketplaceIds": marketplace,
            "details": "true",
        }
        return self.http.get("/fba/inventory/v1/summaries", params=defaults | params)

    def ask_report(self, kind: str = "GET_MERCHANT_LISTINGS_ALL_DATA", **body: Any) -> httpx.Response:
        body = {"reportType": kind, "marketplaceIds": [self.seller.marketplace_ids[0]]} | body
        return self.http.post("/reports/2021-06-30/reports", json=body)


@pytest.fixture(scope="session")
def world() -> World:
    return World(CONFIG)


@pytest.fixture(scope="module")
def clock() -> VirtualClock:
    return VirtualClock(NOW)


@pytest.fixture(scope="module")
def server(world: World, clock: VirtualClock) -> Iterator[SimulatorServer]:
    with SimulatorServer(world, clock, SimulatorSettings(rate_scale=10_000)) as running:
        yield running


@pytest.fixture(autouse=True)
def unchanged(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave the shared server without faults and at its first instant."""
    yield
    if "server" in request.fixturenames:
        running = request.getfixturevalue("server")
        running.faults.clear()
        running.clock.set(NOW)


@pytest.fixture
def connect() -> Callable[[SimulatorServer, str], Client]:
    def make(running: SimulatorServer, seller_id: str = "NORTH") -> Client:
        return Client(running.url, running.world.profile(seller_id))

    return make


@pytest.fixture
def north(server: SimulatorServer) -> Client:
    return Client(server.url, server.world.profile("NORTH"))


@pytest.fixture
def europe(server: SimulatorServer) -> Client:
    return Client(server.url, server.world.profile("EUROPE"))
