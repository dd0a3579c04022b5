"""The real client library, python-amazon-sp-api, against the simulator."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sp_api.api import Inventories, OrdersV20260101, Reports
from sp_api.auth import AccessTokenClient
from sp_api.auth import access_token_client as token_cache
from sp_api.base import SellingApiForbiddenException, SellingApiRequestThrottledException
from sp_api.base.credential_provider import FromCodeCredentialProvider

from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import CLIENT_ID, CLIENT_SECRET

START = "2026-01-01T00:00:00Z"


@pytest.fixture
def arguments(server: SimulatorServer) -> Iterator[dict[str, Any]]:
    class LocalTokens(AccessTokenClient):
        scheme = "http://"
        host = server.url.removeprefix("http://")

    seller = server.world.profile("NORTH")
    token_cache.cache.clear()  # it is global and knows only refresh tokens, not servers
    yield {
        "marketplace": SimpleNamespace(
            endpoint=server.url, marketplace_id=seller.marketplace_ids[0], region="us-east-1"
        ),
        "refresh_token": seller.refresh_token,
        "credentials": {"lwa_app_id": CLIENT_ID, "lwa_client_secret": CLIENT_SECRET},
        "credential_providers": (FromCodeCredentialProvider,),
        "auth_token_client_class": LocalTokens,
        "timeout": 20,
    }
    token_cache.cache.clear()


def test_orders(arguments: dict[str, Any]) -> None:
    api = OrdersV20260101(**arguments)
    first = api.search_orders(lastUpdatedAfter=START, includedData=["BUYER", "PROCEEDS"])
    assert len(first.payload["orders"]) == 100 and first.payload["lastUpdatedBefore"]
    second = api.search_orders(
        lastUpdatedAfter=START,
        includedData=["BUYER", "PROCEEDS"],
        paginationToken=first.pagination["nextToken"],
    )
    assert second.payload["orders"][0]["orderId"] != first.payload["orders"][0]["orderId"]
    order_id = first.payload["orders"][0]["orderId"]
    assert api.get_order(order_id, includedData=["BUYER"]).payload["order"]["orderId"] == order_id


def test_inventory(arguments: dict[str, Any]) -> None:
    api = Inventories(**arguments)
    market = arguments["marketplace"].marketplace_id
    answer = api.get_inventory_summary_marketplace(
        details="true", granularityType="Marketplace", granularityId=market, marketplaceIds=[market]
    )
    assert len(answer.payload["inventorySummaries"]) == 50 and answer.next_token


def test_reports(arguments: dict[str, Any]) -> None:
    api = Reports(**arguments)
    report_id = api.create_report(reportType="GET_MERCHANT_LISTINGS_ALL_DATA").payload["reportId"]
    for _ in range(1_000):
        report = api.get_report(report_id).payload
        if report["processingStatus"] == "DONE":
            break
    document = api.get_report_document(report["reportDocumentId"], download=True, decrypt=False)
    assert "seller-sku" in document.payload["document"]


def test_errors_become_the_librarys_exceptions(server: SimulatorServer, arguments: dict[str, Any]) -> None:
    api = OrdersV20260101(**arguments)
    server.faults.set(
        [
            {"operation": "searchOrders", "kind": "json_429"},
            {"operation": "searchOrders", "kind": "expired_token", "after": 1},
        ]
    )
    with pytest.raises(SellingApiRequestThrottledException):
        api.search_orders(lastUpdatedAfter=START)
    with pytest.raises(SellingApiForbiddenException):
        api.search_orders(lastUpdatedAfter=START)
