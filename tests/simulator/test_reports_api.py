"""Reports: states, links, encodings, cooldown."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.simulator.report_types import REPORT_TYPES, ReportType
from amzigo_pipelines.simulator.server import SimulatorServer, SimulatorSettings
from amzigo_pipelines.simulator.world import World

from .conftest import NOW, Client

PLAIN = httpx.Client(timeout=20, verify=False, trust_env=False)

LISTINGS = "GET_MERCHANT_LISTINGS_ALL_DATA"
HEADER = (  # noqa: SIM905 -- one text is easier to compare with the real thing
    "item-name item-description listing-id seller-sku price quantity open-date image-url item-is-marketplace "
    "product-id-type zshop-shipping-fee item-note item-condition zshop-category1 zshop-browse-path "
    "zshop-storefront-feature asin1 asin2 asin3 will-ship-internationally expedited-shipping zshop-boldface "
    "product-id bid-for-featured-placement add-delete pending-quantity fulfillment-channel merchant-shipping-group "
    "status"
).split()


@contextmanager
def running(world: World, seller_id: str = "NORTH", **settings: Any) -> Iterator[Client]:
    chosen = SimulatorSettings(**({"rate_scale": 10_000.0} | settings))
    with SimulatorServer(world, VirtualClock(NOW), chosen) as server:
        yield Client(server.url, world.profile(seller_id))


def state(client: Client, report_id: str) -> dict[str, Any]:
    answer = client.http.get(f"/reports/2021-06-30/reports/{report_id}")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def finished(client: Client, report_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = state(client, report_id)
        if found["processingStatus"] in ("DONE", "CANCELLED", "FATAL"):
            return found
        time.sleep(0.01)
    raise AssertionError("the report is never finished")


def link(client: Client, **body: Any) -> dict[str, Any]:
    report = finished(client, client.ask_report(**body).json()["reportId"])
    document = client.http.get(f"/reports/2021-06-30/documents/{report['reportDocumentId']}")
    found: dict[str, Any] = document.json()
    return found


def test_a_report_waits_works_and_is_done(world: World) -> None:
    with running(world, report_queue_s=0.25, report_work_s=0.25) as client:
        answer = client.ask_report(dataStartTime="2026-01-01T00:00:00Z", dataEndTime="2026-01-02T00:00:00Z")
        assert answer.status_code == 202
        report_id = answer.json()["reportId"]
        first = state(client, report_id)
        assert set(first) == {
            "reportId",
            "reportType",
            "marketplaceIds",
            "createdTime",
            "processingStatus",
            "dataStartTime",
            "dataEndTime",
        }
        assert first["processingStatus"] == "IN_QUEUE" and "reportDocumentId" not in first
        time.sleep(0.3)
        assert state(client, report_id)["processingStatus"] == "IN_PROGRESS"
        done = finished(client, report_id)
        assert done["processingStatus"] == "DONE" and {"processingEndTime", "reportDocumentId"} <= set(done)
        cancelled = client.ask_report().json()["reportId"]
        assert client.http.delete(f"/reports/2021-06-30/reports/{cancelled}").status_code == 200
        assert state(client, cancelled)["processingStatus"] == "CANCELLED"
        assert client.http.delete(f"/reports/2021-06-30/reports/{report_id}").status_code == 400


@pytest.mark.parametrize(
    ("seller_id", "python_name", "name"),
    [
        ("NORTH", "cp1252", "Cp1252"),
        ("EUROPE", "cp1252", "Cp1252"),
        ("FAREAST", "cp932", "Windows-31J"),
    ],
)
def test_the_listings_report(
    server: SimulatorServer, connect: Callable[..., Client], seller_id: str, python_name: str, name: str
) -> None:
    client = connect(server, seller_id)
    document = link(client)
    assert document["compressionAlgorithm"] == "GZIP"
    answer = PLAIN.get(document["url"])
    assert answer.headers["content-type"] == f"text/plain; charset={name}"
    assert "content-encoding" not in answer.headers
    lines = gzip.decompress(answer.content).decode(python_name).splitlines()
    assert lines[0].split("\t") == HEADER
    rows = [dict(zip(HEADER, line.split("\t"), strict=True)) for line in lines[1:]]
    catalogue = server.world.seller(seller_id, NOW).catalogue
    market = client.seller.marketplace_ids[0]
    assert {row["seller-sku"] for row in rows} == {sku for sku, m in catalogue.listings if m == market}
    for row in rows:
        listing = catalogue.listings[row["seller-sku"], market]
        assert row["item-name"] == listing.title and row["asin1"] == listing.asin
        assert (row["fulfillment-channel"] == "DEFAULT") == (listing.channel == "MERCHANT") == (row["quantity"] != "")
    assert any(not row["item-name"].isascii() for row in rows)


def test_encodings_can_be_switched(world: World) -> None:
    with running(world, report_charset="utf-8", report_names_charset=False, report_compression=False) as client:
        document = link(client)
        assert "compressionAlgorithm" not in document
        answer = PLAIN.get(document["url"])
        assert answer.headers["content-type"] == "text/plain"
        assert answer.content.decode("utf-8").startswith("item-name\t")


def test_a_link_dies_after_five_minutes_and_cannot_be_forged(server: SimulatorServer, north: Client) -> None:
    url = link(north)["url"]
    assert url.startswith(f"{server.url}/documents/") and "X-Amz-Signature=" in url
    assert PLAIN.get(url).status_code == 200
    assert PLAIN.get(url.split("?")[0]).status_code == 403
    server.clock.set(NOW + timedelta(minutes=5, seconds=1))  # type: ignore[attr-defined]
    answer = PLAIN.get(url)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/xml" and "<Code>AccessDenied</Code>" in answer.text


def test_asking_too_soon_fails_until_time_has_passed(world: World) -> None:
    with running(world, report_cooldown_s=1_800.0) as client:
        first = finished(client, client.ask_report().json()["reportId"])
        assert first["processingStatus"] == "DONE"
        assert finished(client, client.ask_report().json()["reportId"])["processingStatus"] == "FATAL"
        other = client.ask_report(marketplaceIds=[client.seller.marketplace_ids[1]])
        assert finished(client, other.json()["reportId"])["processingStatus"] == "DONE"
        later = (NOW + timedelta(minutes=31)).isoformat()
        assert client.http.put("/simulator/clock", json={"now": later}).status_code == 200
        assert finished(client, client.ask_report().json()["reportId"])["processingStatus"] == "DONE"
    with running(world, report_cooldown_s=1_800.0, report_cooldown_status="CANCELLED") as client:
        client.ask_report()
        assert finished(client, client.ask_report().json()["reportId"])["processingStatus"] == "CANCELLED"


def test_no_data_ends_in_cancelled_and_some_types_cannot_be_requested(
    north: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REPORT_TYPES, "GET_NOTHING", ReportType(lambda request: None))
    monkeypatch.setitem(REPORT_TYPES, "GET_LISTED_ONLY", ReportType(lambda request: "x", is_requestable=False))
    report = finished(north, north.ask_report("GET_NOTHING").json()["reportId"])
    assert report["processingStatus"] == "CANCELLED" and "reportDocumentId" not in report
    assert north.ask_report("GET_LISTED_ONLY").status_code == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"reportType": "GET_UNKNOWN"}, 400),
        ({"marketplaceIds": []}, 400),
        ({"marketplaceIds": [["ATVPDKIKX0DER"]]}, 403),
        ({"reportOptions": "none"}, 400),
        ({"marketplaceIds": ["A1PA6795UKMFR9"]}, 403),
        ({"dataStartTime": "2026-01-02T00:00:00Z", "dataEndTime": "2026-01-01T00:00:00Z"}, 400),
        ({"dataStartTime": "soon"}, 400),
    ],
)
def test_wrong_requests_are_refused(north: Client, body: dict[str, Any], status: int) -> None:
    assert north.ask_report(**body).status_code == status


def test_reports_are_listed_newest_first_in_pages(world: World) -> None:
    with running(world) as client:
        made = [client.ask_report().json()["reportId"] for _ in range(5)]
        finished(client, made[-1])
        path = "/reports/2021-06-30/reports"
        first = client.http.get(path, params={"reportTypes": LISTINGS, "pageSize": "3"}).json()
        assert [r["reportId"] for r in first["reports"]] == made[:1:-1]
        second = client.http.get(path, params={"nextToken": first["nextToken"]}).json()
        assert [r["reportId"] for r in second["reports"]] == made[1::-1] and "nextToken" not in second
        assert client.http.get(path).status_code == 400
        both = {"nextToken": first["nextToken"], "reportTypes": LISTINGS}
        assert client.http.get(path, params=both).status_code == 400
        fatal = client.http.get(path, params={"reportTypes": LISTINGS, "processingStatuses": "FATAL"}).json()
        assert fatal == {"reports": []}


def test_another_sellers_report_does_not_exist(north: Client, europe: Client) -> None:
    report = finished(north, north.ask_report().json()["reportId"])
    assert europe.http.get(f"/reports/2021-06-30/reports/{report['reportId']}").status_code == 404
    assert europe.http.get(f"/reports/2021-06-30/documents/{report['reportDocumentId']}").status_code == 404


def test_downloads_go_wrong_on_demand(server: SimulatorServer, north: Client) -> None:
    url = link(north)["url"]
    whole = PLAIN.get(url).content
    server.faults.set([{"operation": "downloadReport", "kind": "torn_body"}])
    with pytest.raises(httpx.RemoteProtocolError):
        PLAIN.get(url)
    server.faults.set([{"operation": "downloadReport", "kind": "truncated_gzip"}])
    short = PLAIN.get(url).content
    assert 0 < len(short) < len(whole)
    with pytest.raises(EOFError):
        gzip.decompress(short)
    server.faults.set([{"operation": "downloadReport", "kind": "expired_link"}])
    assert PLAIN.get(url).status_code == 403
    server.faults.set([{"operation": "downloadReport", "kind": "error_sentence", "body": "Too many days."}])
    assert gzip.decompress(PLAIN.get(url).content) == b"Too many days."
    assert PLAIN.get(url).content == whole
