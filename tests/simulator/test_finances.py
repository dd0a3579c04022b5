"""listTransactions and settlement reports: Amazon's shape and rules, and money that is the world's to the cent."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from amzigo_pipelines.simulator import truth, truth_finances
from amzigo_pipelines.simulator.finances import refunded
from amzigo_pipelines.simulator.marketplaces import BY_COUNTRY
from amzigo_pipelines.simulator.report_settlement import HEADER
from amzigo_pipelines.simulator.server import SimulatorServer

from .conftest import NOW, Client
from .report_kit import running

PATH = "/finances/2024-06-19/transactions"
SETTLEMENTS = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2"
ALL = {"postedAfter": "2026-01-01T00:00:00Z"}
# Written by hand from Amazon's model: the fields of each object.
TRANSACTION = {
    "sellingPartnerMetadata", "relatedIdentifiers", "transactionType", "transactionId", "transactionStatus",
    "description", "postedDate", "totalAmount", "marketplaceDetails", "items", "contexts", "breakdowns",
}  # fmt: skip
ITEM = {"description", "relatedIdentifiers", "totalAmount", "breakdowns", "contexts"}
RELATED = {
    "ORDER_ID", "SHIPMENT_ID", "FINANCIAL_EVENT_GROUP_ID", "REFUND_ID", "INVOICE_ID", "DISBURSEMENT_ID", "TRANSFER_ID",
    "DEFERRED_TRANSACTION_ID", "RELEASE_TRANSACTION_ID", "SETTLEMENT_ID",
}  # fmt: skip


def pages(client: Client, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    while True:
        answer = client.http.get(PATH, params=params | token)
        assert answer.status_code == 200, answer.text
        found.append(json.loads(answer.text, parse_float=Decimal)["payload"])
        if not found[-1].get("nextToken"):
            return found
        token = {"nextToken": found[-1]["nextToken"]}


def transactions(client: Client, **params: Any) -> list[dict[str, Any]]:
    return [row for page in pages(client, **(ALL | params)) for row in page["transactions"]]


def amount(money: dict[str, Any]) -> Decimal:
    assert set(money) == {"currencyCode", "currencyAmount"}
    return Decimal(money["currencyAmount"])


def leaves(tree: list[dict[str, Any]], path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Decimal]]:
    found = []
    for node in tree:
        assert set(node) == {"breakdownType", "breakdownAmount", "breakdowns"}
        here = (*path, node["breakdownType"])
        below = leaves(node["breakdowns"] or [], here)
        if node["breakdowns"]:
            assert sum(amount(child["breakdownAmount"]) for child in node["breakdowns"]) == amount(
                node["breakdownAmount"]
            )
        found += below or [(here, amount(node["breakdownAmount"]))]
    return found


@pytest.mark.parametrize("seller_id", ["NORTH", "EUROPE", "FAREAST"])
def test_every_transaction_is_shaped_as_amazons_and_adds_up(server: SimulatorServer, seller_id: str) -> None:
    client = Client(server.url, server.world.profile(seller_id))
    found = transactions(client)
    assert len(found) > 200 and len({row["transactionId"] for row in found}) == len(found)
    for row in found:
        assert set(row) == TRANSACTION
        assert {entry["relatedIdentifierName"] for entry in row["relatedIdentifiers"]} <= RELATED
        assert sum(value for _, value in leaves(row["breakdowns"])) == amount(row["totalAmount"])
        for item in row["items"]:
            assert set(item) <= ITEM
            assert sum(value for _, value in leaves(item["breakdowns"])) == amount(item["totalAmount"])
        if row["items"]:
            assert sum(amount(item["totalAmount"]) for item in row["items"]) == amount(row["totalAmount"])
    kinds = {row["transactionType"] for row in found}
    assert kinds >= {"Shipment", "Refund", "ServiceFee", "Transfer"}
    assert {row["transactionStatus"] for row in found} == {"DEFERRED", "RELEASED", "DEFERRED_RELEASED"}


@pytest.mark.parametrize("seller_id", ["NORTH", "EUROPE", "FAREAST"])
def test_what_was_shipped_and_refunded_is_there_to_the_cent(server: SimulatorServer, seller_id: str) -> None:
    """Once all that is late is known: the principal of each marketplace against its orders, without the books."""
    far = NOW + timedelta(days=3)
    expected: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for order in server.world.seller(seller_id, far).orders:
        market = order.market
        for parcel in order.parcels:
            if parcel.shipped_at + 1_200 < NOW.timestamp():
                for position, units in parcel.contents:
                    goods = order.items[position].unit_price * units
                    expected[market.marketplace_id, "Shipment"] += Decimal(market.amount(goods))
        for back in order.returns:
            if back.at + 7_200 < NOW.timestamp():
                total = refunded(order.items[back.item], back.quantity)
                expected[market.marketplace_id, "Refund"] += Decimal(market.amount(total))
    server.clock.set(far)  # type: ignore[attr-defined]
    client = Client(server.url, server.world.profile(seller_id))
    found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in transactions(client, postedBefore="2026-02-02T12:00:00Z"):
        names = {entry["relatedIdentifierName"] for entry in row["relatedIdentifiers"]}
        key = row["marketplaceDetails"]["marketplaceId"], row["transactionType"]
        # A release repeats the deferred one.
        if row["transactionType"] == "Shipment" and "DEFERRED_TRANSACTION_ID" not in names:
            parts = [value for path, value in leaves(row["breakdowns"]) if path[-1] == "OurPricePrincipal"]
            found[key] += sum(parts)
        if row["transactionType"] == "Refund":
            given = {"ProductCharges", "Tax", "GiftWrap", "PromotionRebates"}
            found[key] -= sum(value for path, value in leaves(row["breakdowns"]) if path[0] in given)
    assert dict(found) == dict(expected) and all(expected.values())


def test_the_answer_is_the_truth_as_far_as_it_is_known(server: SimulatorServer, north: Client) -> None:
    at = NOW - timedelta(minutes=2)
    known = {
        row.transaction_id: (row.total, row.status)
        for row in truth_finances.transactions(server.world, "NORTH", NOW)
        if row.known_at <= NOW and row.posted_at < at
    }
    found = {r["transactionId"]: (amount(r["totalAmount"]), r["transactionStatus"]) for r in transactions(north)}
    assert found == known
    late = [row for row in truth_finances.transactions(server.world, "NORTH", NOW) if row.known_at > NOW]
    assert late and max(row.known_at - row.posted_at for row in late) <= timedelta(hours=48)


def test_pages_in_the_middle_are_empty_and_tokens_want_the_same_arguments(north: Client) -> None:
    found = pages(north, **ALL)
    sizes = [len(page["transactions"]) for page in found]
    assert 0 in sizes[1:-1] and all("nextToken" in page for page in found[:-1])
    token = found[0]["nextToken"]
    assert north.http.get(PATH, params={"postedAfter": "2026-01-02T00:00:00Z", "nextToken": token}).status_code == 400
    assert north.http.get(PATH, params=ALL | {"nextToken": token[:-4]}).status_code == 400


def test_posted_after_is_included_and_posted_before_is_not(north: Client) -> None:
    posted = sorted(row["postedDate"] for row in transactions(north))
    edge = posted[100]
    first = transactions(north, postedBefore=edge)
    second = transactions(north, postedAfter=edge)
    assert len(first) + len(second) == len(posted)
    assert all(row["postedDate"] < edge for row in first) and all(row["postedDate"] >= edge for row in second)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"postedBefore": "2026-01-05T00:00:00Z"},
        {"postedAfter": "yesterday"},
        {"postedAfter": "2026-02-02T11:59:00Z"},
        {"postedAfter": "2026-01-05T00:00:00Z", "postedBefore": "2026-02-02T11:59:00Z"},
        {"postedAfter": "2026-01-05T00:00:00Z", "postedBefore": "2026-01-05T00:00:00Z"},
        ALL | {"transactionStatus": "OPEN"},
        ALL | {"relatedIdentifierName": "ORDER_ID"},
        {"relatedIdentifierName": "REFUND_ID", "relatedIdentifierValue": "R1"},
    ],
)
def test_what_amazon_does_not_accept_is_refused(north: Client, params: dict[str, str]) -> None:
    assert north.http.get(PATH, params=params).status_code == 400


def test_more_than_180_days_are_answered_with_nothing(north: Client) -> None:
    assert pages(north, postedAfter="2025-08-01T00:00:00Z") == [{"transactions": []}]
    assert transactions(north, postedAfter="2025-08-10T00:00:00Z")


def test_filters(north: Client) -> None:
    every = transactions(north)
    canada, states = BY_COUNTRY["CA"].marketplace_id, BY_COUNTRY["US"].marketplace_id
    of = {m: [r for r in every if r["marketplaceDetails"]["marketplaceId"] == m] for m in (canada, states)}
    assert transactions(north, marketplaceId=canada) == of[canada]
    # Amazon's note: MFN orders in the US store come without a marketplaceId only.
    asked = transactions(north, marketplaceId=states)
    assert 0 < len(asked) < len(of[states])
    networks = {c["fulfillmentNetwork"] for r in asked for i in r["items"] for c in i["contexts"]}
    assert networks == {"AFN"}
    deferred = transactions(north, transactionStatus="DEFERRED")
    assert deferred == [row for row in every if row["transactionStatus"] == "DEFERRED"] != []
    ids = {e["relatedIdentifierName"]: e["relatedIdentifierValue"] for e in every[0]["relatedIdentifiers"]}
    params = {"relatedIdentifierName": "ORDER_ID", "relatedIdentifierValue": ids["ORDER_ID"]}
    one = pages(north, **params)
    assert every[0] in [row for page in one for row in page["transactions"]]
    assert north.http.get(PATH, params=ALL | {"marketplaceId": "A1PA6795UKMFR9"}).status_code == 403


def settlement_lines(client: Client, report: dict[str, Any], charset: str) -> list[dict[str, str]]:
    answer = client.http.get(f"/reports/2021-06-30/documents/{report['reportDocumentId']}")
    text = gzip.decompress(client.http.get(answer.json()["url"]).content).decode(charset)
    rows = [line.split("\t") for line in text.splitlines()]
    assert rows[0] == list(HEADER)
    return [dict(zip(HEADER, row, strict=True)) for row in rows[1:]]


def listed(client: Client) -> list[dict[str, Any]]:
    answer = client.http.get("/reports/2021-06-30/reports", params={"reportTypes": SETTLEMENTS, "pageSize": 100})
    assert answer.status_code == 200
    rows: list[dict[str, Any]] = answer.json()["reports"]
    return rows


@pytest.mark.parametrize("seller_id", ["NORTH", "EUROPE", "FAREAST"])
def test_settlements_are_listed_by_themselves_and_are_what_was_posted(server: SimulatorServer, seller_id: str) -> None:
    client = Client(server.url, server.world.profile(seller_id))
    expected = {row.settlement_id: row for row in truth_finances.settlements(server.world, seller_id, NOW)}
    assert client.ask_report(SETTLEMENTS).status_code == 400
    reports = listed(client)
    assert len(reports) == len(expected) >= 2
    assert [r["createdTime"] for r in reports] == sorted((r["createdTime"] for r in reports), reverse=True)
    posted = {row.transaction_id: row for row in truth_finances.transactions(server.world, seller_id, NOW)}
    for report in reports:
        market = next(m for m in BY_COUNTRY.values() if m.marketplace_id in report["marketplaceIds"])
        first, *lines = settlement_lines(client, report, market.report_charset)
        is_continental = market.country == "DE"

        def read(text: str, is_continental: bool = is_continental) -> Decimal:
            assert ("." not in text) if is_continental else ("," not in text)
            return Decimal(text.replace(",", "."))

        settlement = expected.pop(first["settlement-id"])
        form = "%d.%m.%Y %H:%M:%S UTC" if is_continental else "%Y-%m-%d %H:%M:%S UTC"
        ended_at = datetime.strptime(first["settlement-end-date"], form).replace(tzinfo=UTC)
        assert ended_at == settlement.ended_at and first["currency"] == market.currency
        assert read(first["total-amount"]) == settlement.total == sum(read(line["amount"]) for line in lines)
        assert {line["settlement-id"] for line in lines} == {settlement.settlement_id}
        assert not any(line["total-amount"] for line in lines) and not first["amount"]
        # The period's transactions, neither those that only hold back nor the payment itself.
        own = [
            row
            for row in posted.values()
            if row.marketplace_id == market.marketplace_id
            and settlement.started_at <= row.posted_at < settlement.ended_at
            and row.group_id
            and row.kind != "Transfer"
        ]
        assert sum(row.total for row in own) == settlement.total
        paid = [row for row in posted.values() if row.kind == "Transfer" and row.group_id == settlement.group_id]
        assert [row.total for row in paid] == [-settlement.total]
    assert not expected


def test_a_settlement_may_be_listed_twice(server: SimulatorServer) -> None:
    with running(server.world, "NORTH", settlements_listed_twice=True) as (_, (client,)):
        assert len(listed(client)) == 2 * len(truth_finances.settlements(server.world, "NORTH", NOW))


def test_a_fee_and_a_reimbursement_concern_stock(server: SimulatorServer) -> None:
    rows = truth_finances.transactions(server.world, "NORTH", NOW)
    assert {row.kind for row in rows} >= {"ServiceFee", "Adjustment"}
    lost = sum(b.lost for (_, m), b in truth.stock_balance(server.world, "NORTH", NOW - timedelta(days=5)).items() if m)
    assert sum(c.quantity for row in rows if row.kind == "Adjustment" for c in row.charges) == lost > 0


def test_the_rate_is_amazons(server: SimulatorServer) -> None:
    with running(server.world, "NORTH", rate_scale=1.0) as (_, (client,)):
        answers = [client.http.get(PATH, params=ALL) for _ in range(11)]
        assert [answer.status_code for answer in answers] == [200] * 10 + [429]
        assert answers[0].headers["x-amzn-RateLimit-Limit"] == "0.5"
