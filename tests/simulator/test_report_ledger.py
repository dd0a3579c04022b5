"""The inventory ledger: detail and summary tell the same, and the same as stock."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from amzigo_pipelines.simulator import truth, truth_reports
from amzigo_pipelines.simulator.marketplaces import MARKETPLACES
from amzigo_pipelines.simulator.report_ledger import DETAIL_HEADER, SUMMARY_HEADER
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World

from .conftest import NOW, Client
from .report_kit import report, rows_of, text_of

DETAIL, SUMMARY = "GET_LEDGER_DETAIL_VIEW_DATA", "GET_LEDGER_SUMMARY_VIEW_DATA"
DAILY = {"aggregateByLocation": "COUNTRY", "aggregatedByTimePeriod": "DAILY"}
BEGINNING = datetime(2025, 12, 30, tzinfo=UTC)
EVENTS = SUMMARY_HEADER[SUMMARY_HEADER.index("Receipts") : SUMMARY_HEADER.index("Ending Warehouse Balance")]
COLUMN_OF = {"Receipts": "Receipts", "Shipments": "Customer Shipments", "CustomerReturns": "Customer Returns"}
REASONS = {"M": "Lost", "F": "Found", "E": "Damaged"}

Key = tuple[str, str, str]


def keyed(row: dict[str, str]) -> Key:
    return row["Date"], row["MSKU"], row["Disposition"]


@pytest.mark.parametrize(("seller_id", "market"), [("NORTH", 0), ("EUROPE", 1), ("FAREAST", 0)])
def test_start_plus_events_is_end_and_detail_says_the_same(
    server: SimulatorServer, world: World, seller_id: str, market: int
) -> None:
    client = Client(server.url, world.profile(seller_id))
    asked = {"marketplaceIds": [client.seller.marketplace_ids[market]]}
    summary = rows_of(client, SUMMARY, BEGINNING, NOW, reportOptions=DAILY, **asked)
    detail = rows_of(client, DETAIL, BEGINNING, NOW, **asked)
    assert len(summary) > 300 and len(detail) > 30
    assert tuple(summary[0]) == SUMMARY_HEADER and tuple(detail[0]) == DETAIL_HEADER
    ends: dict[tuple[str, str], int] = {}
    events: Counter[tuple[Key, str]] = Counter()
    for row in summary:
        start, end = int(row["Starting Warehouse Balance"]), int(row["Ending Warehouse Balance"])
        assert start + sum(int(row[name]) for name in EVENTS) == end >= 0
        assert row["Unknown Events"] == row["In Transit Between Warehouses"] == "0"
        assert start == ends.get((row["MSKU"], row["Disposition"]), 0)
        ends[row["MSKU"], row["Disposition"]] = end
        events.update({(keyed(row), name): int(row[name]) for name in EVENTS if int(row[name])})
    told: Counter[tuple[Key, str]] = Counter()
    for row in detail:
        column = COLUMN_OF.get(row["Event Type"]) or REASONS[row["Reason"]]
        told[keyed(row), column] += int(row["Quantity"])
    assert {key: units for key, units in told.items() if units} == events
    assert len({keyed(row) for row in summary}) == len(summary)


@pytest.mark.parametrize(("seller_id", "market"), [("NORTH", 0), ("NORTH", 1), ("EUROPE", 0), ("FAREAST", 0)])
def test_balances_are_those_of_stock_at_local_midnight(
    server: SimulatorServer, world: World, seller_id: str, market: int
) -> None:
    client = Client(server.url, world.profile(seller_id))
    place = MARKETPLACES[client.seller.marketplace_ids[market]]
    day = datetime(2026, 1, 20, tzinfo=place.zone)
    rows = rows_of(client, SUMMARY, day, day, reportOptions=DAILY, marketplaceIds=[place.marketplace_id])
    assert {row["Date"] for row in rows} == {"01/20/2026"} and {row["Location"] for row in rows} == {place.country}
    for column, date in (
        ("Starting Warehouse Balance", (day - timedelta(days=1)).date()),
        ("Ending Warehouse Balance", day.date()),
    ):
        found = {(row["MSKU"], row["Disposition"]): int(row[column]) for row in rows if row[column] != "0"}
        assert found == truth_reports.ledger_balance(world, seller_id, place.marketplace_id, date)


def test_events_have_amazons_words(north: Client) -> None:
    rows = rows_of(north, DETAIL, BEGINNING, NOW, marketplaceIds=list(north.seller.marketplace_ids))
    assert {row["Event Type"] for row in rows} == {"Receipts", "Shipments", "CustomerReturns", "Adjustments"}
    for row in rows:
        assert datetime.strptime(row["Date"], "%m/%d/%Y").date().isoformat() == row["Date and Time"][:10]
        assert (row["Reason"] != "") == (row["Event Type"] == "Adjustments")
        assert (int(row["Quantity"]) < 0) or row["Event Type"] != "Shipments"
    alike = Counter(tuple(row.values()) for row in rows)
    assert max(alike.values()) > 1, "two units of a SKU that leave on one day look the same, as with Amazon"


def test_a_day_that_is_not_over_is_not_told_and_months_can_be_asked_for(north: Client) -> None:
    assert report(north, DETAIL, NOW - timedelta(hours=1), NOW)["processingStatus"] == "CANCELLED"
    rows = rows_of(north, SUMMARY, NOW - timedelta(days=3), NOW, reportOptions=DAILY)
    assert max(row["Date"] for row in rows) == "02/01/2026"
    months = rows_of(north, SUMMARY, BEGINNING, NOW, reportOptions={"aggregateByLocation": "FC"})
    assert {row["Date"] for row in months} == {"12/2025", "01/2026", "02/2026"}
    assert "US" not in {row["Location"] for row in months}
    assert "\t" not in text_of(north, SUMMARY, NOW - timedelta(days=3), NOW, reportOptions={"aggregateByLocation": "?"})


def test_the_last_balance_is_the_stock_of_the_last_midnight(world: World) -> None:
    """The truth of the ledger itself: counted from the books of stock, without units under research."""
    for market_id in world.profile("NORTH").marketplace_ids:
        zone = MARKETPLACES[market_id].zone
        end = datetime(2026, 1, 21, tzinfo=zone) - timedelta(seconds=1)
        balance = truth_reports.ledger_balance(world, "NORTH", market_id, end.date())
        books = truth.stock_balance(world, "NORTH", end)
        levels = truth.stock(world, "NORTH", end)
        for (sku, pool_market), book in books.items():
            if pool_market == market_id:
                held = sum(units for (held_sku, _), units in balance.items() if held_sku == sku)
                assert held == book.on_hand - levels[sku, pool_market].researching
