"""The door every call passes: tokens, rates, faults; and the control paths beside it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from amzigo_pipelines.clock import SystemClock, VirtualClock
from amzigo_pipelines.simulator import truth
from amzigo_pipelines.simulator.rates import RATES, Buckets
from amzigo_pipelines.simulator.server import SimulatorServer, SimulatorSettings, serve
from amzigo_pipelines.simulator.world import CLIENT_ID, CLIENT_SECRET, World

from .conftest import NOW, Client

PLAIN = httpx.Client(timeout=20, verify=False, trust_env=False)

START = "2026-01-01T00:00:00Z"
GOOD = {
    "grant_type": "refresh_token",
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "refresh_token": "Atzr|NORTH",
}


def token(server: SimulatorServer, **changes: str) -> httpx.Response:
    return PLAIN.post(f"{server.url}/auth/o2/token", data=GOOD | changes)


def test_a_refresh_token_gives_an_access_token(server: SimulatorServer) -> None:
    answer = token(server)
    assert answer.status_code == 200
    body = answer.json()
    assert body["token_type"] == "bearer" and body["expires_in"] == 3600 and body["access_token"].startswith("Atza|")


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"refresh_token": "Atzr|wrong"}, 400, "invalid_grant"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "wrong"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_wrong_credentials_get_amazons_errors(
    server: SimulatorServer, changes: dict[str, str], status: int, error: str
) -> None:
    answer = token(server, **changes)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["error_description"]


def test_every_operation_wants_a_living_access_token(world: World) -> None:
    with SimulatorServer(world, VirtualClock(NOW), SimulatorSettings(token_lifetime_s=0.2)) as server:
        client = Client(server.url, world.profile("NORTH"))
        assert client.inventory().status_code == 200
        time.sleep(0.25)
        for answer, details in (
            (client.inventory(), "The access token you provided has expired."),
            (PLAIN.get(f"{server.url}/orders/2026-01-01/orders"), "Access token is missing in the request header."),
            (
                PLAIN.get(f"{server.url}/reports/2021-06-30/reports/1", headers={"x-amz-access-token": "Atza|x"}),
                "The access token you provided is revoked, malformed or invalid.",
            ),
        ):
            assert answer.status_code == 403
            assert answer.json()["errors"] == [
                {"code": "Unauthorized", "message": "Access to requested resource is denied.", "details": details}
            ]


def test_the_burst_ends_in_429_and_sellers_do_not_share_it(world: World) -> None:
    with SimulatorServer(world, VirtualClock(NOW)) as server:
        north, europe = (Client(server.url, world.profile(s)) for s in ("NORTH", "EUROPE"))
        params = {"createdAfter": START, "maxResultsPerPage": "1"}
        answers = [north.orders(**params) for _ in range(21)]
        assert [a.status_code for a in answers] == [200] * 20 + [429]
        assert answers[0].headers["x-amzn-RateLimit-Limit"] == "0.0056"
        assert answers[-1].headers["x-amzn-RateLimit-Limit"] == "0.0056"
        assert answers[-1].json()["errors"][0]["code"] == "QuotaExceeded"
        assert europe.orders(**params).status_code == 200
        assert north.inventory().status_code == 200
        assert server.requests["searchOrders"] == 22 and server.log[-1] == ("getInventorySummaries", 200)


def test_buckets_fill_with_time_and_scale() -> None:
    now = [0.0]
    buckets = Buckets(1.0, lambda: now[0])
    assert [buckets.take("S", "getOrder") for _ in range(31)] == [True] * 30 + [False]
    now[0] = 2.0
    assert [buckets.take("S", "getOrder") for _ in range(2)] == [True, False]
    now[0] = 1e6
    assert [buckets.take("S", "getOrder") for _ in range(31)] == [True] * 30 + [False]
    scaled = Buckets(2.0, lambda: 0.0)
    assert sum(scaled.take("S", "getOrder") for _ in range(100)) == 60 and scaled.limit("getOrder") == "1"
    # Of an operation without a published rate nothing is limited.
    assert buckets.limit("getItemBrowseNode") is None
    assert all(buckets.take("S", "getItemBrowseNode") for _ in range(100))
    assert RATES["searchOrders"] == (0.0056, 20) and RATES["getReportDocument"] == (0.0167, 15)


@pytest.mark.parametrize(
    ("fault", "status", "content_type", "text"),
    [
        ({"kind": "html_503"}, 503, "text/html", "<html>"),
        ({"kind": "empty_429"}, 429, "text/plain", None),
        ({"kind": "json_429", "retry_after": 2}, 429, "application/json", "QuotaExceeded"),
        ({"kind": "forbidden_message"}, 403, "application/json", '{"message":"Forbidden"}'),
        ({"kind": "forbidden_errors"}, 403, "application/json", '"errors"'),
        ({"kind": "expired_token"}, 403, "application/json", "has expired"),
        ({"kind": "expired_token", "status": 401}, 401, "application/json", "has expired"),
        ({"kind": "status", "status": 500}, 500, "text/plain", None),
        ({"kind": "status", "status": 504, "body": "gateway"}, 504, "text/plain", "gateway"),
        ({"kind": "status", "status": 404, "body": "{}"}, 404, "application/json", "{}"),
    ],
)
def test_faults_that_replace_the_answer(
    server: SimulatorServer, north: Client, fault: dict[str, Any], status: int, content_type: str, text: str | None
) -> None:
    server.faults.set([{"operation": "getInventorySummaries"} | fault])
    answer = north.inventory()
    assert answer.status_code == status and answer.headers["content-type"] == content_type
    assert answer.content == b"" if text is None else text in answer.text
    assert answer.headers.get("retry-after") == ("2" if "retry_after" in fault else None)
    assert north.inventory().status_code == 200


def test_faults_on_the_wire(server: SimulatorServer, north: Client) -> None:
    server.faults.add("searchOrders", "torn_body")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        north.orders(createdAfter=START)
    server.faults.add("searchOrders", "reset")
    with pytest.raises(httpx.TransportError):
        north.orders(createdAfter=START)
    server.faults.add("searchOrders", "slow_body", seconds=0.3)
    started = time.monotonic()
    assert len(north.orders(createdAfter=START).json()["orders"]) == 100
    assert time.monotonic() - started >= 0.3
    server.faults.add("*", "reset", times=None)
    for _ in range(2):
        with pytest.raises(httpx.TransportError):
            north.inventory()


def test_a_repeated_page(server: SimulatorServer, north: Client) -> None:
    params = {"createdAfter": START, "maxResultsPerPage": "10"}
    first = north.orders(**params).json()
    following = first["pagination"]["nextToken"]
    server.faults.add("searchOrders", "repeat_page")
    repeated = north.orders(**params, paginationToken=following).json()
    assert repeated["orders"] == first["orders"]
    assert north.orders(**params, paginationToken=following).json()["orders"] != first["orders"]
    page = north.inventory().json()
    server.faults.add("getInventorySummaries", "repeat_page")
    assert north.inventory(nextToken=page["pagination"]["nextToken"]).json()["payload"] == page["payload"]


def test_faults_count_and_wait_over_http(server: SimulatorServer, north: Client) -> None:
    answer = north.http.put(
        "/simulator/faults",
        json=[
            {"operation": "getOrder", "kind": "html_503", "times": 2, "after": 1},
            {"operation": "token", "kind": "status", "status": 500},
        ],
    )
    assert answer.status_code == 200
    path = "/orders/2026-01-01/orders/000-0000000-0000000"
    assert [north.http.get(path).status_code for _ in range(4)] == [404, 503, 503, 404]
    assert [token(server).status_code for _ in range(2)] == [500, 200]
    assert [f["struck"] for f in north.http.get("/simulator/faults").json()] == [2, 1]
    assert north.http.put("/simulator/faults", json=[{"operation": "*", "kind": "plague"}]).status_code == 400
    assert north.http.delete("/simulator/faults").json() == [] == server.faults.describe()


def test_the_clock_over_http(server: SimulatorServer, world: World, north: Client) -> None:
    assert north.http.get("/simulator/clock").json() == {"now": "2026-02-02T12:00:00+00:00", "is_virtual": True}
    assert north.http.put("/simulator/clock", json={"now": "2026-02-05T00:00:00+00:00"}).status_code == 200
    assert server.clock.now() == datetime(2026, 2, 5, tzinfo=UTC)
    for wrong in ({"now": "2026-02-05T00:00:00"}, {"now": "later"}, {}):
        assert north.http.put("/simulator/clock", json=wrong).status_code == 400
    with SimulatorServer(world, SystemClock()) as real:
        assert PLAIN.put(f"{real.url}/simulator/clock", json={"now": "2026-02-05T00:00:00Z"}).status_code == 409


def test_health_sellers_requests_and_truth_over_http(server: SimulatorServer, north: Client) -> None:
    assert north.http.get("/simulator/health").json()["status"] == "ok"
    sellers = north.http.get("/simulator/sellers").json()
    assert sellers["client_id"] == CLIENT_ID
    assert [s["seller_id"] for s in sellers["sellers"]] == server.world.seller_ids
    assert north.http.get("/simulator/requests").json()["requests"]["token"] >= 1
    now = server.clock.now()
    sales = north.http.get("/simulator/truth/sales/NORTH").json()
    known = truth.sales_daily(server.world, "NORTH", now)
    assert {(day, market, currency): row["sales"] for (day, market, currency), row in sales} == {
        (day.isoformat(), market, currency): str(row.sales) for (day, market, currency), row in known.items()
    }
    for question in ("order-versions", "orders", "stock", "stock-balance", "returns", "deliveries", "people"):
        answer = north.http.get(f"/simulator/truth/{question}/NORTH", params={"now": "2026-02-01T00:00:00Z"})
        assert answer.status_code == 200 and answer.json(), question
    assert north.http.get("/simulator/truth/sales/NOBODY").status_code == 404
    assert north.http.get("/simulator/truth/weather/NORTH").status_code == 404
    assert north.http.get("/simulator/truth/sales/NORTH", params={"now": "soon"}).status_code == 400


def test_truth_of_sales_adds_up(server: SimulatorServer) -> None:
    now = server.clock.now()
    orders = truth.orders(server.world, "NORTH", now)
    sales = truth.sales_daily(server.world, "NORTH", now)
    assert sum(r.orders + r.pending_orders + r.cancelled_orders for r in sales.values()) == len(orders)
    for currency in ("USD", "CAD"):
        expected = sum(
            i.sales
            for o in orders
            for i in o.items
            if o.currency == currency and o.has_prices and o.status != "CANCELLED"
        )
        assert sum(r.sales for key, r in sales.items() if key[2] == currency) == expected > 0
    assert any(o.local_day != o.created_at.date() for o in orders)
    arrived = truth.deliveries(server.world, "NORTH", now)
    assert arrived and all(moment <= now for moment in arrived.values())
    returned = truth.returns(server.world, "NORTH", now)
    assert returned and all(back.returned_at > arrived[back.order_id] for back in returned if back.order_id in arrived)


def test_a_mangled_host_header_and_duplicate_marketplaces_do_no_harm(north: Client) -> None:
    market = north.seller.marketplace_ids[0]
    params = [
        ("createdAfter", START),
        ("MarketplaceId", market),
        ("MarketplaceIds", market),
        ("marketplace_ids", market),
        ("marketplaceIds", market),
        ("marketplaceIds", market),
    ]
    answer = north.http.get("/orders/2026-01-01/orders", params=params, headers={"Host": "27.0.0.1:9"})
    assert answer.status_code == 200
    assert {o["salesChannel"]["marketplaceId"] for o in answer.json()["orders"]} == {market}
    with socket.create_connection((north.http.base_url.host, north.http.base_url.port or 0), timeout=5) as raw:
        raw.sendall(b"GET /simulator/health HTTP/1.1\r\nHost: ///\r\nConnection: close\r\n\r\n")
        assert raw.recv(64).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", "::"])
def test_only_this_machine_is_served(world: World, host: str) -> None:
    with pytest.raises(ValueError, match="this machine only"):
        SimulatorServer(world, SystemClock(), host=host)
    with pytest.raises(ValueError, match="this machine only"):
        serve(world, SystemClock(), host=host)


def test_nothing_personal_is_logged(
    server: SimulatorServer, connect: Callable[..., Client], capfd: pytest.CaptureFixture[str]
) -> None:
    client = connect(server, "NORTH")
    answer = client.orders(createdAfter=START, includedData="BUYER,RECIPIENT")
    assert answer.status_code == 200
    with pytest.raises(httpx.TransportError):
        server.faults.add("searchOrders", "torn_body")
        client.orders(createdAfter=START)
    out, err = capfd.readouterr()
    assert out == "" and err == ""
