"""Settlements: reports that are only listed, in several countries, each settlement once, equal to the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from amzigo_pipelines.assets.extraction.extract import ExtractionRefused, extract_partitions
from amzigo_pipelines.assets.extraction.results import ExtractionResult
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.catalog.settlements import MARKETPLACE_NAMES, SETTLEMENT_REPORT
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.spapi.errors import MissingRole, ReportDeferred, SpApiError
from amzigo_pipelines.simulator import report_settlement, truth_finances
from amzigo_pipelines.simulator.marketplaces import BY_COUNTRY, MARKETPLACES
from amzigo_pipelines.simulator.report_request import ReportRequest
from amzigo_pipelines.simulator.report_types import REPORT_TYPES, ReportType
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.truth_finances import SettlementTruth
from amzigo_pipelines.simulator.world import World

from .conftest import NOW, SELLER, Platform, make_platform

SOURCE = ["settlements", "settlement_lines"]
DAYS = [date(2026, 9, 10) + timedelta(days=n) for n in range(8)]  # all three settlements end in these
Change = Callable[[list[list[str]]], None]


def run(platform: Platform, days: list[date] = DAYS) -> list[ExtractionResult]:
    return list(extract_partitions(platform, SELLER, days, SOURCE))


def rows(platform: Platform, name: str, days: list[date] | None = None) -> list[dict[str, Any]]:
    found = platform.lake.scan(DATASETS[name], SELLER, days)
    return [] if found is None else found.to_table().to_pylist()


def expected(world: World) -> dict[str, SettlementTruth]:
    found = {row.settlement_id: row for row in truth_finances.settlements(world, SELLER, NOW)}
    assert {row.currency for row in found.values()} == {"USD", "EUR", "JPY"}
    assert all(row.ended_at.date() in DAYS for row in found.values())
    return found


def test_settlements_and_lines_are_the_truth_to_the_cent(platform: Platform, world: World) -> None:
    results = run(platform)
    stored = {row["settlement_id"]: row for row in rows(platform, "settlements")}
    wanted = expected(world)
    assert set(stored) == set(wanted)
    for settlement_id, truth in wanted.items():
        row = stored[settlement_id]
        assert (row["total_amount"], row["lines_amount"], row["currency"]) == (truth.total, truth.total, truth.currency)
        assert (row["started_at"], row["ended_at"]) == (truth.started_at, truth.ended_at)
        assert row["reported_at"] == truth.made_at and row["line_count"] == len(truth.line_amounts)
        (of_day,) = rows(platform, "settlements", [truth.ended_at.date()])[:1]
        assert of_day["ended_at"].date() == truth.ended_at.date()
        lines = sorted(
            (r for r in rows(platform, "settlement_lines") if r["settlement_id"] == settlement_id),
            key=lambda r: r["line_number"],
        )
        assert [line["amount"] for line in lines] == list(truth.line_amounts)
        assert [line["line_number"] for line in lines] == list(range(1, len(lines) + 1))
        assert {line["currency"] for line in lines} == {truth.currency}
        assert {line["marketplace_id"] for line in lines if line["order_id"]} == {truth.marketplace_id}
        assert all(truth.started_at <= line["posted_at"] < truth.ended_at for line in lines)
        assert all(line["posted_on"] == line["posted_at"].date() for line in lines)
        assert {line["amount_type"] for line in lines} >= {"ItemPrice", "ItemFees"}
    assert not any(result.warnings for result in results)
    empty = [r for r in results if r.rows == 0]
    assert {r.day for r in empty} == set(DAYS) - {truth.ended_at.date() for truth in wanted.values()}


def test_settlements_equal_the_transactions_of_their_periods(platform: Platform, world: World) -> None:
    """The two sources, as they are in the lake, by financial event group."""
    run(platform)
    first = min(truth.started_at for truth in expected(world).values()).date()
    days = [max(date(2026, 9, 1), first) + timedelta(days=n) for n in range(19)]
    list(extract_partitions(platform, SELLER, days, ["transactions", "transaction_breakdowns"]))
    transactions = rows(platform, "transactions")
    paid = {row["settlement_id"]: row for row in transactions if row["transaction_type"] == "Transfer"}
    for settlement in rows(platform, "settlements"):
        transfer = paid[settlement["settlement_id"]]
        own = [
            row["total_amount"]
            for row in transactions
            if row["financial_event_group_id"] == transfer["financial_event_group_id"]
            and row["transaction_type"] != "Transfer"
        ]
        assert sum(own) == settlement["total_amount"] == -transfer["total_amount"] != 0


def test_a_settlement_that_is_listed_again_replaces_itself(
    simulator_with: Callable[..., SimulatorServer], tmp_path: Path, world: World
) -> None:
    platform = make_platform(tmp_path, simulator_with(settlements_listed_twice=True).url)
    run(platform)
    stored = rows(platform, "settlements")
    assert sorted(row["settlement_id"] for row in stored) == sorted(expected(world))
    # The later report counts.
    assert all(r["reported_at"] == expected(world)[r["settlement_id"]].made_at + timedelta(days=1) for r in stored)
    lines = rows(platform, "settlement_lines")
    assert len({(r["settlement_id"], r["line_number"]) for r in lines}) == len(lines)
    assert sum(r["amount"] for r in lines) == sum(r["total_amount"] for r in stored)


def test_the_nights_look_back_far_enough_and_leave_the_same_alone(
    platform: Platform, server: SimulatorServer, world: World
) -> None:
    ended_on = min(truth.ended_at for truth in expected(world).values()).date()
    made_on = max(truth.made_at for truth in expected(world).values()).date()

    def night(day: date) -> list[ExtractionResult]:
        now = datetime(day.year, day.month, day.day, 0, 30, tzinfo=NOW.tzinfo) + timedelta(days=1)
        platform.clock.set(now)
        server.clock.set(now)  # type: ignore[attr-defined]
        return run(platform, [day])

    night(ended_on)
    for n in range(1, 4):
        night(ended_on + timedelta(days=n))
    assert made_on <= ended_on + timedelta(days=3)
    assert {row["settlement_id"] for row in rows(platform, "settlements")} == set(expected(world))
    again = night(ended_on + timedelta(days=4))
    assert all(result.is_unchanged for result in again if result.day != ended_on + timedelta(days=4))


def test_days_older_than_amazon_lists_are_refused_after_the_others_were_stored(platform: Platform) -> None:
    days = [date(2026, 9, 1) + timedelta(days=n) for n in range(15)]
    platform.clock.set(NOW + timedelta(days=80))
    with pytest.raises(ExtractionRefused, match=r"too old for settlements.*from 2026-09-12 on"):
        run(platform, days)
    assert {p.day for p in platform.lake.partitions(SELLER)} == {d for d in days if d >= date(2026, 9, 12)}


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("downloadReport", {"kind": "torn_body", "times": 1, "keep": 0.5, "after": 1}),
        ("downloadReport", {"kind": "truncated_gzip", "times": 1, "keep": 0.5}),
        ("downloadReport", {"kind": "expired_link", "times": 1, "after": 1}),
        ("getReports", {"kind": "html_503", "times": 2}),
        ("getReports", {"kind": "empty_429", "times": 2}),
        ("getReportDocument", {"kind": "status", "status": 500, "times": 2, "after": 1}),
    ],
)
def test_troubles_leave_no_trace(
    platform: Platform, server: SimulatorServer, world: World, operation: str, fault: dict[str, Any]
) -> None:
    server.faults.add(operation, **fault)
    run(platform)
    stored = {row["settlement_id"]: row["lines_amount"] for row in rows(platform, "settlements")}
    assert stored == {key: truth.total for key, truth in expected(world).items()}


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("getReports", {"kind": "status", "status": 503, "times": None}),
        ("downloadReport", {"kind": "error_sentence", "times": None, "body": "The report could not be made."}),
        ("downloadReport", {"kind": "torn_body", "times": None, "keep": 0.5}),
    ],
)
def test_an_error_never_looks_like_no_settlement(
    platform: Platform, server: SimulatorServer, operation: str, fault: dict[str, Any]
) -> None:
    server.faults.add(operation, **fault)
    with pytest.raises(SpApiError):
        run(platform)
    assert not platform.lake.partitions(SELLER)


def test_a_list_without_a_stored_settlement_does_not_delete_it(
    platform: Platform, simulator_with: Callable[..., SimulatorServer]
) -> None:
    run(platform)
    before = rows(platform, "settlements")
    platform.sellers.set_marketplaces(SELLER, (BY_COUNTRY["US"].marketplace_id,))
    with pytest.raises(ReportDeferred, match="lacks 2 settlements"):
        run(platform)
    assert rows(platform, "settlements") == before and len(before) == 3


def test_a_missing_role_names_itself_and_what_stays_empty(platform: Platform, server: SimulatorServer) -> None:
    server.faults.add("getReports", "forbidden_errors", times=None)
    with pytest.raises(MissingRole, match=r"'Finance and Accounting'.*settlement_lines.*stay empty"):
        run(platform)


# -- reports that are not as they should be ----------------------------------------------------------------------------


@pytest.fixture
def altered(
    simulator_with: Callable[..., SimulatorServer], tmp_path: Path
) -> Iterator[Callable[[str, Change], Platform]]:
    """An installation whose simulator alters the settlement reports of a country."""
    kept = REPORT_TYPES[SETTLEMENT_REPORT]

    def make(country: str, change: Change) -> Platform:
        def build(request: ReportRequest) -> str | None:
            text = report_settlement.build(request)
            if text is None or request.markets[0].country != country:
                return text
            table = [line.split("\t") for line in text.splitlines()]
            change(table)
            return "\n".join("\t".join(row) for row in table) + "\n"

        REPORT_TYPES[SETTLEMENT_REPORT] = ReportType(build, is_requestable=False)
        return make_platform(tmp_path, simulator_with().url)

    yield make
    REPORT_TYPES[SETTLEMENT_REPORT] = kept


def place(name: str) -> int:
    return report_settlement.HEADER.index(name)


def put(row: int, name: str, text: str) -> Change:
    def change(table: list[list[str]]) -> None:
        table[row][place(name)] = text

    return change


@pytest.mark.parametrize(
    ("country", "change", "told"),
    [
        ("DE", put(3, "amount", "1.234"), "two ways"),
        ("DE", put(3, "amount", "12.34"), "decimal comma and others with a decimal point"),
        ("US", put(3, "amount", "12,34.5"), "not a number"),
        ("US", put(3, "posted-date-time", "09/10/2026 10:00:00 UTC"), "slashes"),
        ("DE", put(1, "settlement-end-date", "14/09/2026 10:00:00 UTC"), "slashes"),
        ("JP", put(1, "settlement-end-date", "2026-09-14 10:00:00"), "time zone"),
        ("US", put(1, "total-amount", ""), "no total_amount"),
        ("US", put(1, "amount", "1.00"), "no line of totals"),
        ("US", put(3, "settlement-id", "99999999999"), "another settlement"),
        ("US", put(3, "total-amount", "1.00"), "totals more than once"),
        ("US", put(3, "amount", ""), "no amount"),
        ("US", lambda table: table.__delitem__(slice(1, None)), "no line of totals"),
        ("US", put(0, "amount", "Betrag"), "lacks the columns amount"),
    ],
)
def test_what_can_be_read_in_two_ways_or_not_at_all_is_refused(
    altered: Callable[[str, Change], Platform], country: str, change: Change, told: str
) -> None:
    platform = altered(country, change)
    with pytest.raises(AmzigoError, match=told):
        run(platform)
    assert not platform.lake.partitions(SELLER)


def test_lines_that_do_not_add_up_are_stored_and_told(altered: Callable[[str, Change], Platform]) -> None:
    platform = altered("US", put(1, "total-amount", "1.00"))
    results = run(platform)
    (row,) = [row for row in rows(platform, "settlements") if row["currency"] == "USD"]
    assert row["total_amount"] == Decimal("1.00") != row["lines_amount"]
    assert any("don't add up" in warning for result in results for warning in result.warnings)


def test_large_amounts_and_names_of_no_marketplace(altered: Callable[[str, Change], Platform]) -> None:
    def change(table: list[list[str]]) -> None:
        table[3][place("amount")] = "-1.234,56"
        table[3][place("marketplace-name")] = "Non-Amazon DE"

    platform = altered("DE", change)
    run(platform)
    (line,) = [r for r in rows(platform, "settlement_lines") if r["marketplace_name"] == "Non-Amazon DE"]
    assert line["amount"] == Decimal("-1234.56") and line["marketplace_id"] is None


def test_a_new_column_is_told_and_kept_where_its_order_is_known(altered: Callable[[str, Change], Platform]) -> None:
    def change(table: list[list[str]]) -> None:
        table[0].append("buyer-wish")
        for number, row in enumerate(table[1:]):
            row.append(f"wish {number}")

    platform = altered("US", change)
    known = date(2026, 9, 12)
    list(extract_partitions(platform, SELLER, [known], ["orders", "order_items"]))
    results = run(platform)
    assert any("buyer-wish" in warning for result in results for warning in result.warnings)
    people = platform.lake.read_pii(DATASETS["settlement_lines"], SELLER, purpose="test", actor="test")
    orders = {row["order_id"] for row in rows(platform, "orders", [known])}
    lines = {(r["settlement_id"], r["line_number"]): r["order_id"] for r in rows(platform, "settlement_lines")}
    kept = people.to_pylist()
    assert kept and all(lines[row["settlement_id"], row["line_number"]] in orders for row in kept)
    assert all("buyer-wish" in row["unclassified"] for row in kept)


def test_every_marketplace_has_the_name_that_reports_have() -> None:
    assert {MARKETPLACE_NAMES[m.name.lower()]: m.marketplace_id for m in MARKETPLACES.values()} == {
        m.marketplace_id: m.marketplace_id for m in MARKETPLACES.values()
    }
