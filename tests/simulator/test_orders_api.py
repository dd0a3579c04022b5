"""searchOrders and getOrder: windows, pages, sections, money."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from amzigo_pipelines.simulator import truth
from amzigo_pipelines.simulator.server import SimulatorServer

NOW_TEXT = "2026-02-02T12:00:00Z"
ALL = "BUYER,RECIPIENT,PROCEEDS,EXPENSE,PROMOTION,CANCELLATION,FULFILLMENT,PACKAGES,TAX,PAYMENT,FULFILLMENT_ORDERS"
START = "2026-01-01T00:00:00Z"

# Field names by place, required ones first. Written by hand from the interface; see the check below.
SHAPES: dict[str, tuple[set[str], set[str]]] = {
    "order": (
        {"orderId", "createdTime", "lastUpdatedTime", "salesChannel", "orderItems"},
        {
            "orderAliases",
            "programs",
            "associatedOrders",
            "buyer",
            "recipient",
            "proceeds",
            "payment",
            "tax",
            "fulfillment",
            "packages",
        },
    ),
    "salesChannel": ({"channelName", "marketplaceId", "marketplaceName"}, set()),
    "buyer": (set(), {"buyerName", "buyerEmail", "buyerCompanyName", "buyerPurchaseOrderNumber"}),
    "recipient": ({"deliveryAddress"}, {"deliveryPreference"}),
    "deliveryAddress": (
        {"city", "stateOrRegion", "postalCode", "countryCode"},
        {
            "name",
            "companyName",
            "addressLine1",
            "addressLine2",
            "addressLine3",
            "districtOrCounty",
            "municipality",
            "phone",
            "addressType",
            "extendedFields",
        },
    ),
    "proceeds": ({"breakdowns"}, {"grandTotal", "proceedsTotal"}),
    "grandTotal": ({"amount", "currencyCode"}, set()),
    "orderItems": (
        {"orderItemId", "quantityOrdered", "product"},
        {"proceeds", "expense", "promotion", "cancellation", "fulfillment", "tax"},
    ),
    "product": ({"asin", "title", "sellerSku", "condition"}, {"price", "customization"}),
    "price": ({"unitPrice"}, {"priceDesignation"}),
    "packages": (
        {
            "packageReferenceId",
            "createdTime",
            "packageStatus",
            "carrier",
            "shippingService",
            "shipFromAddress",
            "packageItems",
        },
        {"shipTime", "trackingNumber"},
    ),
    "packageItems": ({"orderItemId", "quantity"}, set()),
    "packageStatus": ({"status", "detailedStatus"}, set()),
    "giftOption": ({"giftWrapLevel"}, {"giftMessage"}),
    "cancellation": ({"cancellationExecution"}, {"cancellationRequest"}),
    "taxRegistrations": (
        {"entityType", "taxRegistrationType", "legalName", "taxRegistrationNumber", "taxRegistrationAddress"},
        set(),
    ),
}


def check_shape(place: str, value: Any) -> None:
    if isinstance(value, list):
        for entry in value:
            check_shape(place, entry)
    elif isinstance(value, dict):
        if place in SHAPES:
            required, optional = SHAPES[place]
            assert required <= set(value) <= required | optional, (place, sorted(value))
        for name, entry in value.items():
            check_shape(name, entry)


def money(value: dict[str, str]) -> Decimal:
    return Decimal(value["amount"])


@pytest.mark.parametrize("seller_id", ["NORTH", "EUROPE", "FAREAST"])
def test_everything_about_every_order(server: SimulatorServer, connect: Callable[..., Any], seller_id: str) -> None:
    orders = connect(server, seller_id).all_orders(lastUpdatedAfter=START, includedData=ALL)
    edge = server.clock.now() - timedelta(minutes=2)
    expected = {
        o.order_id: o for o in truth.orders(server.world, seller_id, server.clock.now()) if o.last_updated_at <= edge
    }
    assert {o["orderId"] for o in orders} == set(expected) and len(orders) == len(expected)
    assert [(o["lastUpdatedTime"], o["orderId"]) for o in orders] == sorted(
        (o["lastUpdatedTime"], o["orderId"]) for o in orders
    )
    check_shape("order", orders)
    for order in orders:
        known = expected[order["orderId"]]
        assert order["fulfillment"]["fulfillmentStatus"] == known.status
        assert order["fulfillment"]["fulfilledBy"] == known.channel
        assert ("proceeds" in order) == ("payment" in order) == known.has_prices
        assert [i["orderItemId"] for i in order["orderItems"]] == [i.order_item_id for i in known.items]
        assert [i["fulfillment"]["quantityFulfilled"] for i in order["orderItems"]] == [
            i.quantity_shipped for i in known.items
        ]
        if known.status == "PENDING":
            assert "buyer" not in order and "recipient" not in order
        if known.channel == "AMAZON":
            assert "packages" not in order and "buyerEmail" not in order.get("buyer", {})
            assert "name" not in order.get("recipient", {}).get("deliveryAddress", {})
        elif known.status != "PENDING":
            assert order["buyer"]["buyerEmail"].split("@")[1].startswith("marketplace.amazon.")
            assert {"name", "addressLine1", "phone"} <= set(order["recipient"]["deliveryAddress"])
            assert ("packages" in order) == (known.status in ("SHIPPED", "PARTIALLY_SHIPPED"))
        if known.status == "CANCELLED":
            assert all("cancellationExecution" in i["cancellation"] for i in order["orderItems"])
        if "proceeds" not in order:
            assert all("price" not in item["product"] for item in order["orderItems"])
            continue
        check_money(order, known)
    texts = str(orders)
    for word in (
        "giftMessage",
        "customizedUrl",
        "addressInstruction",
        "buyerCompanyName",
        "promotionId",
        "REPLACEMENT_ORIGINAL_ID",
        "cancellationRequest",
        "trackingNumber",
        "SHIPPING",
        "DELIVERED",
    ):
        assert word in texts or seller_id == "FAREAST", word


def check_money(order: dict[str, Any], known: truth.OrderTruth) -> None:
    total = money(order["proceeds"]["grandTotal"])
    assert total == known.total == sum(money(b["subtotal"]) for b in order["proceeds"]["breakdowns"])
    assert total == sum(money(i["proceeds"]["proceedsTotal"]) for i in order["orderItems"])
    assert total == money(order["payment"]["paymentExecutions"][0]["paymentAmount"])
    assert order["proceeds"]["grandTotal"]["currencyCode"] == known.currency
    for item, fact in zip(order["orderItems"], known.items, strict=True):
        lines = item["proceeds"]["breakdowns"]
        assert money(item["proceeds"]["proceedsTotal"]) == sum(money(line["subtotal"]) for line in lines) == fact.total
        goods = money(next(line for line in lines if line["type"] == "ITEM")["subtotal"])
        assert goods == money(item["product"]["price"]["unitPrice"]) * item["quantityOrdered"] == fact.sales
        for line in lines:
            assert ("." in line["subtotal"]["amount"]) == (known.currency != "JPY")
            if details := line.get("detailedBreakdowns"):
                assert money(line["subtotal"]) == sum(money(part["value"]) for part in details)


def test_sections_come_only_when_asked_for(north: Any) -> None:
    order = north.orders(lastUpdatedAfter=START).json()["orders"][0]
    assert {"buyer", "recipient", "proceeds", "fulfillment", "packages", "payment", "tax"}.isdisjoint(order)
    item = order["orderItems"][0]
    assert {"proceeds", "fulfillment", "promotion", "cancellation", "tax"}.isdisjoint(item)
    some = north.orders(lastUpdatedAfter=START, includedData=["PROCEEDS", "BUYER"]).json()["orders"]
    assert any("proceeds" in o for o in some) and any("buyer" in o for o in some) and "fulfillment" not in some[0]


def test_missing_roles(server: SimulatorServer, connect: Callable[..., Any]) -> None:
    silent = connect(server, "SILENT")
    orders = silent.all_orders(lastUpdatedAfter=START, includedData=ALL)
    assert all("buyer" not in o for o in orders) and any("recipient" in o for o in orders)
    assert "giftMessage" not in str(orders) and "customizedUrl" not in str(orders)
    forbidden = connect(server, "FORBIDDEN")
    answer = forbidden.orders(lastUpdatedAfter=START, includedData="RECIPIENT")
    assert answer.status_code == 403 and answer.json()["errors"][0]["code"] == "Unauthorized"
    assert forbidden.orders(lastUpdatedAfter=START, includedData="BUYER").status_code == 200


def test_the_window_has_inclusive_edges_and_sees_only_the_newest_version(server: SimulatorServer, north: Any) -> None:
    versions = [v for v in truth.order_versions(server.world, "NORTH", server.clock.now()) if v.is_latest]
    versions.sort(key=lambda v: v.last_updated_at)
    first, last = versions[100], versions[140]
    after, before = first.last_updated_at.isoformat(), last.last_updated_at.isoformat()
    found = [o["orderId"] for o in north.all_orders(lastUpdatedAfter=after, lastUpdatedBefore=before)]
    assert set(found) == {v.order_id for v in versions[100:141]}
    old = next(v for v in truth.order_versions(server.world, "NORTH", server.clock.now()) if not v.is_latest)
    edge = old.last_updated_at.isoformat()
    assert old.order_id not in {o["orderId"] for o in north.all_orders(lastUpdatedAfter=edge, lastUpdatedBefore=edge)}


def test_the_echoed_edge_is_two_minutes_old_and_a_later_one_is_refused(server: SimulatorServer, north: Any) -> None:
    assert north.orders(lastUpdatedAfter=START).json()["lastUpdatedBefore"] == "2026-02-02T11:58:00Z"
    server.clock.set(server.clock.now() + timedelta(microseconds=123_999))  # type: ignore[attr-defined]
    assert north.orders(createdAfter=START).json()["createdBefore"] == "2026-02-02T11:58:00.123Z"
    answer = north.orders(lastUpdatedAfter=START, lastUpdatedBefore="2026-02-02T11:58:01Z")
    assert answer.status_code == 400 and answer.json()["errors"][0]["code"] == "InvalidInput"
    explicit = north.orders(lastUpdatedAfter=START, lastUpdatedBefore="2026-02-02T11:00:00Z")
    assert explicit.json()["lastUpdatedBefore"] == "2026-02-02T11:00:00Z"


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"createdAfter": START, "lastUpdatedAfter": START},
        {"createdAfter": START, "lastUpdatedBefore": "2026-01-05T00:00:00Z"},
        {"lastUpdatedAfter": "yesterday"},
        {"lastUpdatedAfter": "2026-01-05T00:00:00Z", "lastUpdatedBefore": "2026-01-04T00:00:00Z"},
        {"lastUpdatedAfter": NOW_TEXT},
        {"lastUpdatedAfter": START, "maxResultsPerPage": "0"},
        {"lastUpdatedAfter": START, "maxResultsPerPage": "101"},
        {"lastUpdatedAfter": START, "maxResultsPerPage": "ten"},
        {"lastUpdatedAfter": START, "includedData": "EVERYTHING"},
        {"lastUpdatedAfter": START, "fulfillmentStatuses": "Shipped"},
        {"lastUpdatedAfter": START, "fulfilledBy": "AFN"},
        {"lastUpdatedAfter": START, "paginationToken": "nonsense"},
    ],
)
def test_wrong_parameters_are_refused(north: Any, params: dict[str, str]) -> None:
    answer = north.orders(**params)
    assert answer.status_code == 400
    assert set(answer.json()["errors"][0]) == {"code", "message", "details"}


def test_filters(north: Any) -> None:
    us, canada = north.seller.marketplace_ids
    everything = north.all_orders(createdAfter=START, includedData="FULFILLMENT")
    assert [o["createdTime"] for o in everything] == sorted(o["createdTime"] for o in everything)
    in_canada = north.all_orders(createdAfter=START, marketplaceIds=canada, includedData="FULFILLMENT")
    assert in_canada == [o for o in everything if o["salesChannel"]["marketplaceId"] == canada] != []
    some = north.all_orders(
        createdAfter=START, fulfilledBy="MERCHANT", fulfillmentStatuses="SHIPPED,CANCELLED", includedData="FULFILLMENT"
    )
    assert (
        some
        == [
            o
            for o in everything
            if o["fulfillment"]["fulfilledBy"] == "MERCHANT"
            and o["fulfillment"]["fulfillmentStatus"] in ("SHIPPED", "CANCELLED")
        ]
        != []
    )
    assert north.orders(createdAfter=START, marketplaceIds=f"{us},A1PA6795UKMFR9").status_code == 403


def test_pages_need_every_parameter_again_and_die_after_a_day(server: SimulatorServer, north: Any) -> None:
    params = {"lastUpdatedAfter": START, "maxResultsPerPage": "7", "includedData": "BUYER,TAX"}
    first = north.orders(**params)
    token = first.json()["pagination"]["nextToken"]
    second = north.orders(**params, paginationToken=token)
    assert len(second.json()["orders"]) == 7
    assert not {o["orderId"] for o in first.json()["orders"]} & {o["orderId"] for o in second.json()["orders"]}
    assert second.json()["lastUpdatedBefore"] == first.json()["lastUpdatedBefore"]
    other = ({"includedData": "BUYER"}, {"maxResultsPerPage": "8"}, {"lastUpdatedAfter": "2026-01-02T00:00:00Z"})
    for changed in other:
        assert north.orders(**(params | changed), paginationToken=token).status_code == 400
    reordered = north.orders(**(params | {"includedData": "TAX,BUYER"}), paginationToken=token)
    assert reordered.status_code == 200
    server.clock.set(server.clock.now() + timedelta(hours=23, minutes=59))  # type: ignore[attr-defined]
    assert north.orders(**params, paginationToken=token).status_code == 200
    server.clock.set(server.clock.now() + timedelta(minutes=2))  # type: ignore[attr-defined]
    assert north.orders(**params, paginationToken=token).status_code == 400


def test_a_page_of_another_seller_is_refused(north: Any, europe: Any) -> None:
    token = north.orders(lastUpdatedAfter=START, maxResultsPerPage="5").json()["pagination"]["nextToken"]
    assert europe.orders(lastUpdatedAfter=START, maxResultsPerPage="5", paginationToken=token).status_code == 400


def test_time_moves_orders_on(server: SimulatorServer, north: Any) -> None:
    waiting = north.all_orders(createdAfter="2026-01-31T00:00:00Z", fulfillmentStatuses="UNSHIPPED")
    assert waiting
    server.clock.set(server.clock.now() + timedelta(days=4))  # type: ignore[attr-defined]
    after = [
        north.http.get(f"/orders/2026-01-01/orders/{o['orderId']}", params={"includedData": "FULFILLMENT"}).json()
        for o in waiting
    ]
    assert sum(o["order"]["fulfillment"]["fulfillmentStatus"] != "UNSHIPPED" for o in after) > len(after) / 2


def test_one_order(north: Any, europe: Any) -> None:
    listed = north.orders(createdAfter=START, includedData=ALL).json()["orders"][3]
    path = f"/orders/2026-01-01/orders/{listed['orderId']}"
    assert north.http.get(path, params={"includedData": ALL}).json() == {"order": listed}
    assert europe.http.get(path).status_code == 404
    assert north.http.get("/orders/2026-01-01/orders/000-0000000-0000000").json()["errors"][0]["code"] == "NotFound"
