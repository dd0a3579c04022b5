"""getInventorySummaries: quantities, filters, pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from amzigo_pipelines.simulator import truth
from amzigo_pipelines.simulator.server import SimulatorServer


def everything(client: Any, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    while True:
        body = client.inventory(**params, **token).json()
        found += body["payload"]["inventorySummaries"]
        if "pagination" not in body:
            return found
        token = {"nextToken": body["pagination"]["nextToken"]}


@pytest.mark.parametrize("seller_id", ["NORTH", "EUROPE", "FAREAST"])
def test_quantities_are_the_true_ones(server: SimulatorServer, connect: Callable[..., Any], seller_id: str) -> None:
    client = connect(server, seller_id)
    stock = truth.stock(server.world, seller_id, server.clock.now())
    for marketplace in client.seller.marketplace_ids:
        summaries = everything(client, marketplace=marketplace)
        assert [s["sellerSku"] for s in summaries] == sorted(sku for sku, m in stock if m == marketplace)
        for summary in summaries:
            assert set(summary) == {
                "asin",
                "fnSku",
                "sellerSku",
                "condition",
                "inventoryDetails",
                "lastUpdatedTime",
                "productName",
                "totalQuantity",
                "stores",
            }
            known = stock[summary["sellerSku"], marketplace]
            details = summary["inventoryDetails"]
            assert details["fulfillableQuantity"] == known.fulfillable
            assert details["reservedQuantity"]["totalReservedQuantity"] == known.reserved
            assert details["researchingQuantity"]["totalResearchingQuantity"] == known.researching
            assert details["inboundWorkingQuantity"] == known.inbound_working
            assert details["inboundShippedQuantity"] == known.inbound_shipped
            assert details["inboundReceivingQuantity"] == known.inbound_receiving
            unfulfillable = details["unfulfillableQuantity"]
            total = unfulfillable.pop("totalUnfulfillableQuantity")
            assert total == known.unfulfillable == sum(unfulfillable.values())
            assert summary["totalQuantity"] == known.on_hand + known.inbound


def test_details_come_only_when_asked_for(north: Any) -> None:
    body = north.inventory(details="false").json()
    assert "inventoryDetails" not in body["payload"]["inventorySummaries"][0]
    assert body["payload"]["granularity"] == {
        "granularityType": "Marketplace",
        "granularityId": north.seller.marketplace_ids[0],
    }


def test_filters(server: SimulatorServer, north: Any) -> None:
    skus = [s["sellerSku"] for s in everything(north)]
    assert [s["sellerSku"] for s in everything(north, sellerSkus=",".join(skus[:3]))] == skus[:3]
    assert [s["sellerSku"] for s in everything(north, sellerSku=skus[1])] == [skus[1]]
    since = server.clock.now() - timedelta(hours=6)
    changed = everything(north, startDateTime=since.isoformat())
    assert 0 < len(changed) < len(skus)
    assert all(s["lastUpdatedTime"] >= since.strftime("%Y-%m-%dT%H:%M:%SZ") for s in changed)


def test_pages_of_fifty_whose_token_dies_after_thirty_seconds(server: SimulatorServer, north: Any) -> None:
    first = north.inventory().json()
    assert len(first["payload"]["inventorySummaries"]) == 50
    token = first["pagination"]["nextToken"]
    assert north.inventory(nextToken=token).status_code == 200
    assert north.inventory(nextToken=token, details="false").status_code == 400
    server.clock.set(server.clock.now() + timedelta(seconds=31))  # type: ignore[attr-defined]
    assert north.inventory(nextToken=token).status_code == 400


@pytest.mark.parametrize(
    "params",
    [
        {"granularityType": "Country"},
        {"granularityId": "A2EUQ1WTGCTBG2"},
        {"marketplaceIds": "ATVPDKIKX0DER,A2EUQ1WTGCTBG2"},
        {"details": "yes"},
        {"sellerSkus": ",".join(f"SKU-{n}" for n in range(51))},
        {"nextToken": "nonsense"},
    ],
)
def test_wrong_parameters_are_refused(north: Any, params: dict[str, str]) -> None:
    assert north.inventory(**params).status_code == 400


def test_another_sellers_marketplace_is_refused(north: Any) -> None:
    assert north.inventory(marketplace="A1PA6795UKMFR9").status_code == 403
