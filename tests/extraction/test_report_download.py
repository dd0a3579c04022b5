"""Downloading reports over HTTP: what arrives is whole and right, or an error that says what to do."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from amzigo_pipelines.catalog.listings import LISTINGS as CATALOG
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.model import DATE
from amzigo_pipelines.catalog.seller_feedback import SELLER_FEEDBACK
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.reports.desk import ReportDesk, ReportOrder
from amzigo_pipelines.resources.reports.documents import Report, report_json, report_table
from amzigo_pipelines.resources.reports.headers import Drift
from amzigo_pipelines.resources.reports.values import parse_values
from amzigo_pipelines.resources.spapi.client import SellingPartner
from amzigo_pipelines.resources.spapi.errors import (
    DownloadFailed,
    ReportColumnsChanged,
    ReportNotTabular,
    ReportUnreadable,
    SpApiError,
)
from amzigo_pipelines.resources.spapi.library import Answer
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World
from tests.extraction.conftest import JP, NOW, SELLER, US, Platform, make_platform

DE = "A1PA6795UKMFR9"
LISTINGS = "GET_MERCHANT_LISTINGS_ALL_DATA"
HEADERS = tuple(column.source for column in CATALOG if column.source and not column.source.startswith("@"))


@contextmanager
def ready(platform: Platform, marketplace_id: str = US) -> Iterator[tuple[SellingPartner, Report]]:
    with platform.selling_partner(SELLER) as partner:
        report = ReportDesk(platform.control, platform.clock).collect(partner, ReportOrder(LISTINGS, (marketplace_id,)))
        assert isinstance(report, Report)
        yield partner, report


def read(
    partner: SellingPartner, report: Report, headers: tuple[str, ...] = HEADERS, required: tuple[str, ...] = ()
) -> tuple[list[dict[str, Any]], Drift]:
    with report_table(partner, report, headers, required=required) as table:
        batches = list(table.batches())
    return pa.Table.from_batches(batches).to_pylist(), table.drift


def truth(world: World, marketplace_id: str = US) -> dict[str, str]:
    listings = world.seller(SELLER, NOW).catalogue.listings
    return {sku: listing.title for (sku, market), listing in listings.items() if market == marketplace_id}


def titles(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["seller-sku"]: row["item-name"] for row in rows}


@pytest.mark.parametrize("members", [1, 2, 7])
def test_gzip_members(
    simulator_with: Callable[..., SimulatorServer], tmp_path: Path, world: World, members: int
) -> None:
    platform = make_platform(tmp_path, simulator_with(report_gzip_members=members).url)
    with ready(platform) as (partner, report):
        rows, drift = read(partner, report)
    assert titles(rows) == truth(world)
    assert drift == Drift()


def test_a_link_that_has_run_out_is_asked_for_again(platform: Platform, server: SimulatorServer, world: World) -> None:
    server.faults.add("downloadReport", "expired_link")
    with ready(platform) as (partner, report):
        rows, _ = read(partner, report)
    assert titles(rows) == truth(world)
    assert server.requests["getReportDocument"] == 2


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("expired_link", {"times": None}),
        ("truncated_gzip", {}),
        ("truncated_gzip", {"keep": 0.01}),
        ("html_503", {}),
        ("torn_body", {}),
        ("reset", {}),
    ],
)
def test_what_does_not_arrive_whole_may_be_tried_again(
    platform: Platform, server: SimulatorServer, world: World, kind: str, settings: dict[str, Any]
) -> None:
    server.faults.add("downloadReport", kind, **settings)
    with ready(platform) as (partner, report):
        with pytest.raises(SpApiError) as caught:
            read(partner, report)
        assert caught.value.is_retryable
        assert "X-Amz" not in str(caught.value) and "http" not in str(caught.value)
        if kind.startswith(("expired", "truncated", "html")):
            assert isinstance(caught.value, DownloadFailed)
        server.faults.clear()
        rows, _ = read(partner, report)
    assert titles(rows) == truth(world)
    assert server.requests["createReport"] == 1


@pytest.mark.parametrize(
    "body", [None, "Reports are limited to 30 days.", "<html><body>\tnot here\n</body></html>", "", "a\tb\n1\t2\n"]
)
def test_a_sentence_is_no_table(platform: Platform, server: SimulatorServer, body: str | None) -> None:
    server.faults.add("downloadReport", "error_sentence", body=body)
    with ready(platform) as (partner, report), pytest.raises(ReportNotTabular) as caught:
        read(partner, report)
    assert not caught.value.is_retryable
    assert "30 days" not in str(caught.value)


def test_columns_that_change(platform: Platform, server: SimulatorServer, world: World) -> None:
    columns = {"extra": ["shiny-new"], "missing": ["asin1"], "renamed": {"price": "your-price"}}
    server.faults.add("createReport", "columns", columns=columns)
    with ready(platform) as (partner, report):
        rows, drift = read(partner, report, required=("seller-sku",))
        assert titles(rows) == truth(world)
        assert drift == Drift(unknown=("your-price", "shiny-new"), missing=("asin1", "price"))
        assert {row["price"] for row in rows} == {row["asin1"] for row in rows} == {None}
        kept = [json.loads(row["unclassified"]) for row in rows]
        assert [record["shiny-new"] for record in kept] == [f"synthetic-{n}" for n in range(1, len(rows) + 1)]
        assert all(float(record["your-price"]) > 0 for record in kept)
        with pytest.raises(ReportColumnsChanged, match="price"):
            read(partner, report, required=("seller-sku", "price"))


def test_fields_in_quotes(platform: Platform, server: SimulatorServer, world: World) -> None:
    server.faults.add("createReport", "columns", columns={"is_quoted": True})
    with ready(platform) as (partner, report):
        rows, drift = read(partner, report)
    assert titles(rows) == truth(world)
    assert drift == Drift()


@pytest.mark.parametrize("names_charset", [True, False])
@pytest.mark.parametrize("marketplace_id", [US, DE, JP], ids=["US", "DE", "JP"])
def test_translated_reports(
    simulator_with: Callable[..., SimulatorServer],
    tmp_path: Path,
    world: World,
    marketplace_id: str,
    names_charset: bool,
) -> None:
    """Headers, titles and dates in the marketplace's language, in Windows-1252 and Windows-31J."""
    server = simulator_with(report_names_charset=names_charset, report_localised=True)
    platform = make_platform(tmp_path, server.url)
    with ready(platform, marketplace_id) as (partner, report):
        rows, drift = read(partner, report)
        assert titles(rows) == truth(world, marketplace_id)
        assert drift == Drift()
        assert any(not row["item-name"].isascii() for row in rows)
        # By then the buyers of every marketplace have said something.
        later = NOW + timedelta(days=10)
        assert isinstance(server.clock, VirtualClock)
        server.clock.set(later)
        platform.clock.set(later)
        order = ReportOrder(SELLER_FEEDBACK.source.report_type, (marketplace_id,), start=NOW, end=later)
        feedback = ReportDesk(platform.control, platform.clock).collect(partner, order)
        assert isinstance(feedback, Report)
        headers = tuple(c.source for c in SELLER_FEEDBACK if c.source and not c.source.startswith("@"))
        rows, drift = read(partner, feedback, headers, required=headers)
    assert drift == Drift()
    days = parse_values("d", "c", pa.array([row["Date"] for row in rows]), DATE, MARKETPLACES[marketplace_id])
    assert days.to_pylist() == sorted(days.to_pylist(), reverse=True)  # newest first, as Amazon has it
    assert {NOW.date() - timedelta(days=1) <= day <= later.date() for day in days.to_pylist()} == {True}
    assert {row["Rating"] for row in rows} <= set("12345")


# -- documents that the simulator does not have ------------------------------------------------------------------------


@contextmanager
def document(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, body: bytes, **headers: str
) -> Iterator[tuple[SellingPartner, Report]]:
    """A report of the simulator's whose document another server has."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    from amzigo_pipelines.resources.spapi.library import ReportsClient

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        link = f"http://127.0.0.1:{server.server_port}/document"
        monkeypatch.setattr(ReportsClient, "get_report_document", lambda *_: Answer({"url": link}, {}))
        try:
            with ready(platform) as found:
                yield found
        finally:
            server.shutdown()
            thread.join()


def test_json_reports(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps({"rate": 0.25, "orders": 3, "name": "湯飲み"}, ensure_ascii=False).encode()
    with document(platform, monkeypatch, gzip.compress(body), Content_Encoding="gzip") as (partner, report):
        assert report_json(partner, report) == {"rate": "0.25", "orders": 3, "name": "湯飲み"}
        with pytest.raises(ReportUnreadable, match="longer than 20 bytes"):
            report_json(partner, report, most_bytes=20)


@pytest.mark.parametrize("body", [b"", b"Too many days.", b"<html></html>", b'{"rate": NaN}', b'{"rate": 1'])
def test_what_is_no_json(platform: Platform, monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    with document(platform, monkeypatch, body) as (partner, report), pytest.raises(ReportNotTabular) as caught:
        report_json(partner, report)
    assert "days." not in str(caught.value)


def test_fewer_bytes_than_promised(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"seller-sku\titem-name\nS1\tTitle\n"
    with (
        document(platform, monkeypatch, body, Content_Length=str(len(body) + 10)) as (partner, report),
        pytest.raises(SpApiError) as caught,
    ):
        read(partner, report)
    assert caught.value.is_retryable


def test_a_charset_that_is_not_true(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "seller-sku\titem-name\nS1\tTöpfe\n".encode("cp1252")
    with (
        document(platform, monkeypatch, body, Content_Type="text/plain; charset=UTF-8") as (partner, report),
        pytest.raises(ReportUnreadable, match="utf-8"),
    ):
        read(partner, report)
    # Not named, it is what the country writes.
    with document(platform, monkeypatch, body) as (partner, report):
        assert titles(read(partner, replace(report, marketplace_id=DE))[0]) == {"S1": "Töpfe"}
