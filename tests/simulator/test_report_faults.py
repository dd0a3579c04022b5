"""What can go wrong with reports on demand: fates, columns, gzip members, cooldowns; and every type in every region."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from amzigo_pipelines.simulator import truth
from amzigo_pipelines.simulator.faults import Fault
from amzigo_pipelines.simulator.marketplaces import MARKETPLACES
from amzigo_pipelines.simulator.report_types import REPORT_TYPES
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World

from .conftest import NOW, Client
from .report_kit import PLAIN, report, rows_of, running, text_of

LISTINGS, SHIPMENTS = "GET_MERCHANT_LISTINGS_ALL_DATA", "GET_AMAZON_FULFILLED_SHIPMENTS_DATA_GENERAL"
DAILY = {"aggregateByLocation": "COUNTRY", "aggregatedByTimePeriod": "DAILY"}
START = NOW - timedelta(days=30)
# Types that want whole weeks: the two before NOW, a Monday.
WEEKS = (datetime(2026, 1, 18, tzinfo=UTC), datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC))
WEEKLY = {"GET_BRAND_ANALYTICS_REPEAT_PURCHASE_REPORT": {"reportPeriod": "WEEK"}}
MADE_BY_AMAZON = {name for name, kind in REPORT_TYPES.items() if not kind.is_requestable}


def asked(kind: str) -> tuple[datetime, datetime, dict[str, str]]:
    """Window and options with which a type is asked for."""
    return (*WEEKS, WEEKLY[kind]) if kind in WEEKLY else (START, NOW, DAILY)


@pytest.mark.parametrize("seller_id", ["NORTH", "EUROPE", "FAREAST"])
@pytest.mark.parametrize("kind", sorted(set(REPORT_TYPES) - MADE_BY_AMAZON))
def test_every_type_answers_in_every_region(server: SimulatorServer, world: World, seller_id: str, kind: str) -> None:
    client = Client(server.url, world.profile(seller_id))
    market = MARKETPLACES[client.seller.marketplace_ids[0]]
    start, end, options = asked(kind)
    found = report(client, kind, start, end, reportOptions=options)
    if found["processingStatus"] == "CANCELLED":
        assert kind in ("GET_SELLER_FEEDBACK_DATA", "GET_STRANDED_INVENTORY_UI_DATA"), "too rare for a small world"
        return
    text = text_of(client, kind, start, end, reportOptions=options)
    if REPORT_TYPES[kind].media_type == "application/json":
        assert json.loads(text)
        return
    header, *lines = text.splitlines()
    assert lines and all(line.count("\t") == header.count("\t") for line in lines)
    assert "?" not in header and "�" not in text
    amounts = [n for n, name in enumerate(header.split("\t")) if re.search(r"price$|Amount$|-tax$", name)]
    values = [line.split("\t")[n] for line in lines for n in amounts]
    assert not amounts or any(values)
    assert all(("." in value) == (market.country != "JP") for value in values if value)


@pytest.mark.parametrize("kind", sorted(set(REPORT_TYPES) - MADE_BY_AMAZON))
def test_the_same_world_gives_the_same_report(world: World, kind: str) -> None:
    texts = []
    start, end, options = asked(kind)
    for _ in range(2):
        with running(World(world.config), "NORTH") as (_server, (client,)):
            if report(client, kind, start, end, reportOptions=options)["processingStatus"] == "DONE":
                texts.append(text_of(client, kind, start, end, reportOptions=options))
    assert len(set(texts)) <= 1 and len(texts) in (0, 2)


def test_what_a_seller_may_not_see_is_in_no_report_that_knows_roles(server: SimulatorServer, world: World) -> None:
    client = Client(server.url, world.profile("SILENT"))
    text = text_of(client, SHIPMENTS, START, NOW)
    epoch = int(NOW.timestamp())
    buyers = {order.buyer.email for order in world.seller("SILENT", NOW).orders if order.created_at <= epoch}
    assert buyers and buyers <= set(truth.people(world, "SILENT", NOW))
    assert not any(mail in text for mail in buyers)


def test_a_report_is_fatal_or_cancelled_on_demand_and_for_one_type_only(server: SimulatorServer, north: Client) -> None:
    server.faults.set([{"operation": f"createReport/{SHIPMENTS}", "kind": "fatal", "times": 1}])
    assert report(north, LISTINGS)["processingStatus"] == "DONE"
    assert report(north, SHIPMENTS, START, NOW)["processingStatus"] == "FATAL"
    assert report(north, SHIPMENTS, START, NOW)["processingStatus"] == "DONE"
    server.faults.set([{"operation": "createReport", "kind": "cancelled", "times": 2}])
    assert report(north, LISTINGS)["processingStatus"] == "CANCELLED"
    assert report(north, SHIPMENTS, START, NOW)["processingStatus"] == "CANCELLED"
    assert report(north, LISTINGS)["processingStatus"] == "DONE"


def test_a_fault_for_everything_strikes_a_report_once(server: SimulatorServer, north: Client) -> None:
    fault = server.faults.add("*", "slow_body", times=None, seconds=0.0)
    assert north.ask_report().status_code == 202
    assert fault.struck == 1


def test_a_report_that_never_ends_stays_in_progress(server: SimulatorServer, north: Client) -> None:
    server.faults.add("createReport", "never_ends")
    report_id = north.ask_report().json()["reportId"]
    assert report(north, LISTINGS)["processingStatus"] == "DONE", "a later one is finished"
    state = north.http.get(f"/reports/2021-06-30/reports/{report_id}").json()
    assert state["processingStatus"] == "IN_PROGRESS" and "reportDocumentId" not in state


def test_columns_come_go_and_change_their_names(server: SimulatorServer, north: Client) -> None:
    before = rows_of(north, LISTINGS)
    change: dict[str, Any] = {"extra": ["brand-new"], "missing": ["image-url"], "renamed": {"asin1": "asin-1"}}
    server.faults.add(f"createReport/{LISTINGS}", "columns", times=None, columns=change)
    after = rows_of(north, LISTINGS)
    names = [{"asin1": "asin-1"}.get(name, name) for name in before[0] if name != "image-url"]
    assert list(after[0]) == [*names, "brand-new"]
    assert [row["asin-1"] for row in after] == [row["asin1"] for row in before]
    assert [row["brand-new"] for row in after] == [f"synthetic-{n}" for n in range(1, len(after) + 1)]
    server.faults.set([{"operation": "createReport", "kind": "columns", "columns": {"is_quoted": True}, "times": None}])
    quoted = text_of(north, LISTINGS).splitlines()
    assert len(quoted) == len(before) + 1
    assert all(field[0] == field[-1] == '"' for line in quoted for field in line.split("\t"))
    with pytest.raises(TypeError):
        Fault("createReport", "columns", columns={"no such thing": 1})
    with pytest.raises(ValueError, match="one type"):
        Fault(f"createReport/{LISTINGS}", "html_503")


def test_one_types_download_goes_wrong(server: SimulatorServer, north: Client) -> None:
    server.faults.add(f"downloadReport/{SHIPMENTS}", "error_sentence", body="Too many days.")
    assert "\t" in text_of(north, LISTINGS)
    assert text_of(north, SHIPMENTS, START, NOW) == "Too many days."


def test_documents_have_as_many_gzip_members_as_wanted(world: World) -> None:
    with running(world, "NORTH") as (_, (client,)):
        whole = text_of(client, LISTINGS)
    with running(world, "NORTH", report_gzip_members=5) as (_, (client,)):
        document = report(client, LISTINGS)["reportDocumentId"]
        url = client.http.get(f"/reports/2021-06-30/documents/{document}").json()["url"]
        raw = PLAIN.get(url).content
    members = 0
    rest = raw
    while rest:
        member = zlib.decompressobj(wbits=31)
        member.decompress(rest)
        assert member.eof
        rest, members = member.unused_data, members + 1
    assert members == 5 and gzip.decompress(raw).decode("cp1252") == whole


def test_cooldowns_differ_by_type(world: World) -> None:
    with running(world, "NORTH", report_cooldowns_s={LISTINGS: 3_600.0}) as (_, (client,)):
        assert [report(client, LISTINGS)["processingStatus"] for _ in range(2)] == ["DONE", "FATAL"]
        assert [report(client, SHIPMENTS, START, NOW)["processingStatus"] for _ in range(2)] == ["DONE", "DONE"]
    with running(world, "NORTH", report_cooldown_s=3_600.0, report_cooldowns_s={LISTINGS: 0.0}) as (_, (client,)):
        assert [report(client, LISTINGS)["processingStatus"] for _ in range(2)] == ["DONE", "DONE"]
        assert [report(client, SHIPMENTS, START, NOW)["processingStatus"] for _ in range(2)] == ["DONE", "FATAL"]
