"""Data Kiosk: what queries are taken, how they end, what documents hold, and that it all is the world's truth."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.simulator import truth_sales
from amzigo_pipelines.simulator.server import SimulatorServer, SimulatorSettings
from amzigo_pipelines.simulator.world import World

from .conftest import NOW

QUERIES = "/dataKiosk/2023-11-15/queries"
US, CA, DE = "ATVPDKIKX0DER", "A2EUQ1WTGCTBG2", "A1PA6795UKMFR9"
FIELDS = (
    "startDate endDate marketplaceId sales { orderedProductSales { amount currencyCode } unitsOrdered } "
    "traffic { sessions pageViews }"
)


def query(
    view: str = "salesAndTrafficByDate",
    by: str = "DAY",
    first: str = "2026-01-20",
    last: str = "2026-01-22",
    **more: str,
) -> str:
    markets, fields = more.get("markets", f'["{US}"]'), more.get("fields", FIELDS)
    return (
        "query { analytics_salesAndTraffic_2024_04_24 { "
        f'{view}(aggregateBy: {by}, startDate: "{first}", endDate: "{last}", marketplaceIds: {markets}) {{ {fields} }} '
        "} }"
    )


def ask(client: Any, text: str, **body: str) -> Any:
    return client.http.post(QUERIES, json={"query": text, **body})


def finished(client: Any, text: str, **body: str) -> dict[str, Any]:
    answer = ask(client, text, **body)
    assert answer.status_code == 202, answer.text
    for _ in range(500):
        state: dict[str, Any] = client.http.get(f"{QUERIES}/{answer.json()['queryId']}").json()
        if state["processingStatus"] in ("DONE", "FATAL", "CANCELLED"):
            return state
        time.sleep(0.005)
    raise AssertionError("the query does not end")


def lines(client: Any, state: dict[str, Any]) -> list[dict[str, Any]]:
    document = client.http.get(f"/dataKiosk/2023-11-15/documents/{state['dataDocumentId']}").json()
    assert set(document) == {"documentId", "documentUrl"}
    with client.http.stream("GET", document["documentUrl"]) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        raw = b"".join(answer.iter_raw())
    return [json.loads(line) for line in gzip.decompress(raw).decode().splitlines()]


@pytest.fixture
def kiosk_with(world: World) -> Iterator[Callable[..., SimulatorServer]]:
    started: list[SimulatorServer] = []

    def start(**settings: Any) -> SimulatorServer:
        server = SimulatorServer(world, VirtualClock(NOW), SimulatorSettings(rate_scale=10_000, **settings))
        started.append(server.__enter__())
        return started[-1]

    yield start
    for server in started:
        server.__exit__(None, None, None)


def test_rows_have_just_the_fields_that_were_asked_for_and_tell_the_truth(north: Any, server: SimulatorServer) -> None:
    state = finished(north, query(markets=f'["{CA}", "{US}"]'))
    assert set(state) == {
        "queryId",
        "query",
        "createdTime",
        "processingStatus",
        "processingStartTime",
        "processingEndTime",
        "dataDocumentId",
    }
    rows = lines(north, state)
    truth = truth_sales.traffic_daily(server.world, "NORTH", NOW)
    assert [(row["marketplaceId"], row["startDate"]) for row in rows] == [
        (market, f"2026-01-{day}") for market in (CA, US) for day in (20, 21, 22)
    ]
    for row in rows:
        assert list(row) == ["startDate", "endDate", "marketplaceId", "sales", "traffic"]
        assert list(row["traffic"]) == ["sessions", "pageViews"] and row["endDate"] == row["startDate"]
        (told,) = [
            t for (day, market), t in truth.items() if (str(day), market) == (row["startDate"], row["marketplaceId"])
        ]
        amount = row["sales"]["orderedProductSales"]
        assert (Decimal(str(amount["amount"])), amount["currencyCode"]) == (told.sales, told.currency)
        assert (row["sales"]["unitsOrdered"], row["traffic"]["sessions"]) == (told.units, told.sessions)


def test_by_asin_sums_up_the_whole_window(north: Any) -> None:
    fields = "startDate endDate childAsin sku traffic { pageViews } sales { unitsOrdered }"

    def asked(by: str, first: str, last: str) -> list[dict[str, Any]]:
        return lines(north, finished(north, query("salesAndTrafficByAsin", by, first, last, fields=fields)))

    days = [asked("SKU", day, day) for day in ("2026-01-20", "2026-01-21", "2026-01-22")]
    whole = asked("SKU", "2026-01-20", "2026-01-22")
    assert {(row["startDate"], row["endDate"]) for row in whole} == {("2026-01-20", "2026-01-22")}
    assert sum(row["traffic"]["pageViews"] for day in days for row in day) == sum(
        r["traffic"]["pageViews"] for r in whole
    )
    by_product = asked("CHILD", "2026-01-20", "2026-01-22")
    assert all(row["sku"] is None for row in by_product) and len(by_product) < len(whole)
    assert sum(r["sales"]["unitsOrdered"] for r in by_product) == sum(r["sales"]["unitsOrdered"] for r in whole) > 0
    assert all(row["childAsin"] is None for row in asked("PARENT", "2026-01-20", "2026-01-22"))


def test_visits_come_late_on_some_days_and_then_all_stays(server: SimulatorServer) -> None:
    def told(days_later: int) -> dict[tuple[date, str], tuple[Any, ...]]:
        truth = truth_sales.traffic_daily(server.world, "NORTH", NOW + timedelta(days=days_later))
        return {key: (t.sessions, t.page_views, t.sales, t.units) for key, t in truth.items()}

    nights = [told(n) for n in range(12)]
    grown: set[date] = set()
    for before, after in pairwise(nights):
        for key, (sessions, views, sales, units) in before.items():
            assert after[key][0] >= sessions and after[key][1] >= views
            assert after[key][2] <= sales and after[key][3] <= units
            grown |= {key[0]} if after[key][0] > sessions else set()
    assert grown and grown < {day for day, _ in nights[-1]}
    settled = [key for key in nights[0] if (NOW.date() - key[0]).days > 9]
    assert settled and all(nights[0][key] == nights[-1][key] for key in settled)
    assert any(night[key][2] > nights[-1][key][2] for night in nights for key in night)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not graphql at all {",
        "query { something { else } }",
        query(fields="startDate nonsense"),
        query(fields="startDate sales"),
        query("salesAndTrafficByWhatever"),
        query(by="SKU"),
        query(by='"DAY"'),
        query(first="2026-01-23"),
        query(first="2023-01-01"),
        query(first="20 January"),
        query(first="20260120"),
        query(markets="[]"),
        query().replace(', endDate: "2026-01-22"', ""),
        query() + " " + query(),
        "query($a: Date!) " + query().removeprefix("query "),
        "fragment F on Amount { amount } " + query(),
        query().replace("query {", "mutation {"),
        query(fields="startDate " + " ".join(f"a{n}: marketplaceId" for n in range(600))),
        query(by="WEEK"),
    ],
)
def test_what_amazon_refuses_is_refused(north: Any, text: str) -> None:
    answer = ask(north, text)
    assert answer.status_code == 400, answer.text
    (error,) = answer.json()["errors"]
    assert error["code"] == "InvalidInput" and "nonsense" not in error["message"]


def test_other_sellers_marketplaces_queries_and_documents_are_denied(
    north: Any, europe: Any, server: SimulatorServer
) -> None:
    assert ask(north, query(markets=f'["{DE}"]')).status_code == 403
    state = finished(north, query())
    assert europe.http.get(f"{QUERIES}/{state['queryId']}").status_code == 404
    assert europe.http.get(f"/dataKiosk/2023-11-15/documents/{state['dataDocumentId']}").status_code == 404


def test_no_data_is_done_without_a_document(north: Any) -> None:
    state = finished(north, query(first="2026-02-02", last="2026-02-03"))
    assert state["processingStatus"] == "DONE" and not {"dataDocumentId", "errorDocumentId", "pagination"} & set(state)


def test_fatal_has_an_error_document(north: Any, server: SimulatorServer) -> None:
    server.faults.add("createQuery", "fatal")
    state = finished(north, query())
    assert state["processingStatus"] == "FATAL" and "dataDocumentId" not in state
    link = north.http.get(f"/dataKiosk/2023-11-15/documents/{state['errorDocumentId']}").json()["documentUrl"]
    assert north.http.get(link).json()["errors"][0]["code"] == "InternalFailure"


def test_states_and_cancelling(kiosk_with: Callable[..., SimulatorServer], connect: Callable[..., Any]) -> None:
    server = kiosk_with(report_queue_s=60)
    north = connect(server)
    path = f"{QUERIES}/{ask(north, query()).json()['queryId']}"
    assert north.http.get(path).json()["processingStatus"] == "IN_QUEUE"
    for _ in range(2):  # again, it changes nothing
        assert north.http.delete(path).status_code == 204
    assert north.http.get(path).json()["processingStatus"] == "CANCELLED"
    working = connect(kiosk_with(report_queue_s=0, report_work_s=60))
    path = f"{QUERIES}/{ask(working, query()).json()['queryId']}"
    assert working.http.get(path).json()["processingStatus"] == "IN_PROGRESS"
    quick = connect(kiosk_with())
    path = f"{QUERIES}/{finished(quick, query())['queryId']}"
    assert quick.http.delete(path).status_code == 400


def test_pages_are_asked_for_with_the_same_query(
    kiosk_with: Callable[..., SimulatorServer], connect: Callable[..., Any]
) -> None:
    server = kiosk_with(kiosk_page_rows=2)
    north, europe = connect(server), connect(server, "EUROPE")
    first = finished(north, query())
    token = first["pagination"]["nextToken"]
    second = finished(north, query(), paginationToken=token)
    assert "pagination" not in second
    days = [row["startDate"] for state in (first, second) for row in lines(north, state)]
    assert days == ["2026-01-20", "2026-01-21", "2026-01-22"]
    assert ask(north, query(last="2026-01-23"), paginationToken=token).status_code == 400
    assert ask(europe, query(markets=f'["{DE}"]'), paginationToken=token).status_code == 400
    assert ask(north, query(), paginationToken="made up").status_code == 400


def test_queries_are_listed_newest_first_in_pages(
    kiosk_with: Callable[..., SimulatorServer], connect: Callable[..., Any]
) -> None:
    north = connect(kiosk_with())
    ids = [finished(north, query(last=f"2026-01-{day}"))["queryId"] for day in (21, 22, 23)]
    page = north.http.get(QUERIES, params={"pageSize": 2, "processingStatuses": "DONE"}).json()
    token = page["pagination"]["nextToken"]
    rest = north.http.get(
        QUERIES, params={"pageSize": 1, "processingStatuses": "DONE", "paginationToken": token}
    ).json()
    assert [row["queryId"] for row in [*page["queries"], *rest["queries"]]] == ids[::-1] and "pagination" not in rest
    other = {"pageSize": 2, "processingStatuses": "FATAL", "paginationToken": token}
    assert north.http.get(QUERIES, params=other).status_code == 400
    assert not north.http.get(QUERIES, params={"createdUntil": (NOW - timedelta(days=1)).isoformat()}).json()["queries"]


def test_links_expire(north: Any, server: SimulatorServer) -> None:
    state = finished(north, query())
    link = north.http.get(f"/dataKiosk/2023-11-15/documents/{state['dataDocumentId']}").json()["documentUrl"]
    assert north.http.get(link).status_code == 200
    assert north.http.get(link.replace("Signature=", "Signature=x")).status_code == 403
    server.clock.set(NOW + timedelta(minutes=6))  # type: ignore[attr-defined]
    answer = north.http.get(link)
    assert answer.status_code == 403 and "expired" in answer.text
