"""Transactions and their breakdowns: from the simulator over HTTP into the lake, equal to the truth to the cent."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from amzigo_pipelines.assets.extraction.extract import ExtractionRefused, extract_partition, extract_partitions
from amzigo_pipelines.assets.extraction.flatten_transactions import flatten_transactions
from amzigo_pipelines.assets.extraction.paths import FlattenError
from amzigo_pipelines.assets.extraction.results import ExtractionResult
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.resources.spapi.errors import MissingRole, SpApiError
from amzigo_pipelines.simulator import truth_finances
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.truth_finances import TransactionTruth
from amzigo_pipelines.simulator.world import World

from .conftest import DAY, NOW, SELLER, Platform, make_platform

CHILD = Path(__file__).parent / "finance_child.py"
SOURCE = ["transactions", "transaction_breakdowns"]


def run(platform: Platform, days: list[date]) -> list[ExtractionResult]:
    return list(extract_partitions(platform, SELLER, days, SOURCE))


def rows(platform: Platform, name: str, days: list[date] | None = None) -> list[dict[str, Any]]:
    found = platform.lake.scan(DATASETS[name], SELLER, days)
    return [] if found is None else found.to_table().to_pylist()


def true(world: World, day: date, now: datetime) -> list[TransactionTruth]:
    """What Amazon tells of a UTC day at an instant."""
    every = truth_finances.transactions(world, SELLER, now)
    return [row for row in every if row.posted_at.date() == day and row.known_at <= now]


def days_until(day: date, count: int) -> list[date]:
    return [day - timedelta(days=n) for n in reversed(range(count))]


def test_a_day_is_the_truth_to_the_cent_in_every_marketplace_and_currency(platform: Platform, world: World) -> None:
    results = extract_partition(platform, SELLER, DAY, SOURCE)
    expected = true(world, DAY, NOW)
    stored, nodes = rows(platform, "transactions"), rows(platform, "transaction_breakdowns")
    keys = [(r["transaction_id"], r["marketplace_id"], r["currency"], r["status"], r["total_amount"]) for r in
            rows(platform, "transactions", [DAY])]  # fmt: skip
    assert sorted(keys) == sorted((r.transaction_id, r.marketplace_id, r.currency, r.status, r.total) for r in expected)
    assert {r.currency for r in expected} == {"USD", "EUR", "JPY"}
    # Each leaf, with its item, is the truth's; what is no summary adds up to the total.
    found: dict[str, list[tuple[str, str, Decimal]]] = defaultdict(list)
    for node in nodes:
        if not node["is_summary"]:
            found[node["transaction_id"]].append((node["sku"] or "", node["path"], node["amount"]))
    by_id = {r["transaction_id"]: r for r in stored}
    for r in expected:
        assert sorted(found[r.transaction_id]) == sorted((c.sku, "/".join(c.path), c.amount) for c in r.charges)
        assert sum(amount for _, _, amount in found[r.transaction_id]) == r.total
        row = by_id[r.transaction_id]
        assert (row["order_id"] or "", row["financial_event_group_id"] or "") == (r.order_id, r.group_id)
        assert row["transaction_type"] == r.kind and row["posted_at"] == r.posted_at
    assert {result.dataset: result.rows for result in results} == {
        "transactions": len(expected),
        "transaction_breakdowns": len(rows(platform, "transaction_breakdowns", [DAY])),
    }
    assert not any(result.warnings for result in results)


def test_breakdowns_tell_item_place_and_summaries(platform: Platform) -> None:
    extract_partition(platform, SELLER, DAY, SOURCE)
    nodes = rows(platform, "transaction_breakdowns")
    assert len({(n["transaction_id"], n["item_index"], n["path"]) for n in nodes}) == len(nodes)
    fee = next(n for n in nodes if n["path"] == "AmazonFees/Commission/Base" and n["item_index"] == 1)
    assert fee["depth"] == 3 and fee["breakdown_type"] == "Base" and not fee["is_summary"]
    assert fee["sku"] and fee["asin"] and fee["quantity"] >= 1 and fee["fulfillment_network"] in ("AFN", "MFN")
    assert all(n["is_summary"] for n in nodes if n["item_index"] == 0 and n["transaction_type"] == "Shipment")
    refunds = [n for n in nodes if n["transaction_type"] == "Refund" and n["item_index"]]
    assert refunds and all(n["order_adjustment_item_id"] for n in refunds)


def test_late_transactions_come_with_the_lookback_and_unchanged_days_stay(
    platform: Platform, server: SimulatorServer, world: World
) -> None:
    early = DAY - timedelta(days=6)

    def move(now: datetime) -> None:
        platform.clock.set(now)
        server.clock.set(now)  # type: ignore[attr-defined]

    def midnight_after(day: date) -> datetime:
        return datetime(day.year, day.month, day.day, 0, 30, tzinfo=UTC) + timedelta(days=1)

    move(midnight_after(early))
    run(platform, [early])
    before = len(rows(platform, "transactions", [early]))
    nights = [early + timedelta(days=n) for n in (1, 2, 3)]
    for day in nights:
        move(midnight_after(day))
        results = run(platform, [day])
        assert {r.day for r in results} == {day, day - timedelta(days=1), day - timedelta(days=2)}
    # After the second night nothing of a day is late any more; the third looks no further back than two days.
    stored = {r["transaction_id"] for r in rows(platform, "transactions", [early])}
    posted = {r.transaction_id for r in truth_finances.transactions(world, SELLER, NOW) if r.posted_at.date() == early}
    assert stored == posted and before < len(posted)
    again = run(platform, [nights[-1]])
    assert all(r.is_unchanged for r in again if r.day != nights[-1])


def test_what_was_held_back_is_asked_for_again_once_it_is_due_and_until_it_is_released(
    platform: Platform, server: SimulatorServer, world: World
) -> None:
    def night(day: date) -> set[date]:
        now = datetime(day.year, day.month, day.day, 0, 30, tzinfo=UTC) + timedelta(days=1)
        platform.clock.set(now)
        server.clock.set(now)  # type: ignore[attr-defined]
        return {result.day for result in run(platform, [day]) if result.dataset == "transactions"}

    def stored(day: date) -> dict[str, tuple[str, str | None]]:
        found = rows(platform, "transactions", [day])
        return {row["transaction_id"]: (row["status"], row["release_transaction_id"]) for row in found}

    early = DAY - timedelta(days=11)
    night(early)
    assert {"DEFERRED", "RELEASED"} == {status for status, _ in stored(early).values()}
    lookback = {early + timedelta(days=n) for n in (1, 2, 3)}
    assert night(early + timedelta(days=3)) == lookback
    # Seven days later it is due; Amazon tells of the release two days after that at the latest. Nights were missed.
    assert early in night(early + timedelta(days=8))
    last = early + timedelta(days=11)
    assert early in night(last) or "DEFERRED" not in {status for status, _ in stored(early).values()}
    released = {row.transaction_id: row.status for row in true(world, early, NOW)}
    assert {key: status for key, (status, _) in stored(early).items()} == released
    assert "DEFERRED_RELEASED" in released.values() and "DEFERRED" not in released.values()
    assert all(release for status, release in stored(early).values() if status == "DEFERRED_RELEASED")
    # Nothing of that day is held back any more: it is not asked for again.
    assert early not in night(last)


def test_history_is_swept_at_once_with_empty_pages_and_is_the_same(
    platform: Platform, server: SimulatorServer, world: World
) -> None:
    days = days_until(DAY - timedelta(days=3), 12)
    results = run(platform, days)
    assert [r.day for r in results if r.dataset == "transactions"] == days
    for day in days:
        stored = {r["transaction_id"]: r["total_amount"] for r in rows(platform, "transactions", [day])}
        assert stored == {r.transaction_id: r.total for r in true(world, day, NOW)} and stored
    # More than two full pages a region, so that one in between was empty.
    assert server.requests["listTransactions"] > 3 * 4


def test_edges_belong_to_one_day_only(platform: Platform, world: World) -> None:
    run(platform, days_until(DAY - timedelta(days=4), 5))
    stored = rows(platform, "transactions")
    assert len({r["transaction_id"] for r in stored}) == len(stored)
    for day in days_until(DAY - timedelta(days=4), 5):
        assert {r["posted_at"].date() for r in rows(platform, "transactions", [day])} == {day}


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "html_503", "times": 2, "after": 1},
        {"kind": "empty_429", "times": 2, "after": 1},
        {"kind": "torn_body", "times": 1, "after": 1, "keep": 0.5},
        {"kind": "reset", "times": 1, "after": 2},
        {"kind": "repeat_page", "times": 1, "after": 1},
    ],
)
def test_troubles_in_the_middle_leave_no_trace(
    platform: Platform, server: SimulatorServer, world: World, fault: dict[str, Any]
) -> None:
    server.faults.add("listTransactions", **fault)
    day = DAY - timedelta(days=5)
    run(platform, days_until(day, 4))
    stored = {r["transaction_id"]: r["total_amount"] for r in rows(platform, "transactions", [day])}
    assert stored == {r.transaction_id: r.total for r in true(world, day, NOW)}
    nodes = [n for n in rows(platform, "transaction_breakdowns", [day]) if not n["is_summary"]]
    assert sum(n["amount"] for n in nodes) == sum(stored.values())


def test_an_error_leaves_what_was_there(platform: Platform, server: SimulatorServer) -> None:
    day = DAY - timedelta(days=5)
    run(platform, [day])
    before = rows(platform, "transactions", [day])
    server.faults.add("listTransactions", "status", status=503, times=None, after=1)
    with pytest.raises(SpApiError):
        run(platform, [day])
    assert rows(platform, "transactions", [day]) == before != []
    with pytest.raises(SpApiError):
        run(platform, [day - timedelta(days=1)])
    assert (DAY - timedelta(days=6)) not in {p.day for p in platform.lake.partitions(SELLER)}


def test_page_tokens_that_have_run_out_begin_the_sweep_again(
    simulator_with: Callable[..., SimulatorServer], tmp_path: Path
) -> None:
    running = simulator_with(page_token_lifetime_s=0.0)
    platform = make_platform(tmp_path, running.url)
    with pytest.raises(SpApiError, match="page token"):
        run(platform, days_until(DAY - timedelta(days=3), 5))
    assert running.requests["listTransactions"] == 3 * 2  # three starts, each as far as the second page
    assert not rows(platform, "transactions")


def test_killed_in_the_middle_of_a_sweep_whole_days_stay_and_the_rest_is_gone_on_with(
    platform: Platform, world: World
) -> None:
    """Three days, one by one: the process is killed with -9 at a page of the second or third."""
    days = days_until(DAY - timedelta(days=3), 3)
    command = [sys.executable, str(CHILD), str(platform.home.path), NOW.isoformat(), SELLER, "6", *map(str, days)]
    assert subprocess.run(command, capture_output=True, timeout=120, check=False).returncode == -signal.SIGKILL
    there = {p.day for p in platform.lake.partitions(SELLER)}
    assert there and there < set(days)
    for day in there:
        assert {r["transaction_id"] for r in rows(platform, "transactions", [day])} == {
            r.transaction_id for r in true(world, day, NOW)
        }
    run(platform, days)
    for day in days:
        stored = {r["transaction_id"]: r["total_amount"] for r in rows(platform, "transactions", [day])}
        assert stored == {r.transaction_id: r.total for r in true(world, day, NOW)} != {}


def test_a_missing_role_names_itself_and_what_stays_empty(platform: Platform, server: SimulatorServer) -> None:
    server.faults.add("listTransactions", "forbidden_errors", times=None)
    with pytest.raises(MissingRole, match=r"'Finance and Accounting'.*transaction_breakdowns.*stay empty"):
        run(platform, [DAY - timedelta(days=5)])


def test_a_day_that_is_not_over_is_refused(platform: Platform) -> None:
    with pytest.raises(ExtractionRefused, match="isn't over"):
        run(platform, [NOW.date()])


# -- flattening, against what Amazon may say ---------------------------------------------------------------------------

ONE: dict[str, Any] = {
    "transactionId": "T1",
    "transactionType": "Shipment",
    "transactionStatus": "RELEASED",
    "postedDate": "2026-09-20T10:00:00Z",
    "totalAmount": {"currencyCode": "USD", "currencyAmount": 10},
    "sellingPartnerMetadata": {"marketplaceId": "ATVPDKIKX0DER", "accountType": "Standard Orders"},
    "relatedIdentifiers": None,
    "items": [{"totalAmount": None, "breakdowns": None, "contexts": None}],
    "breakdowns": [
        {"breakdownType": "Tax", "breakdownAmount": {"currencyCode": "USD", "currencyAmount": "10.5"}},
        {"breakdownType": "Tax", "breakdownAmount": {"currencyCode": "USD", "currencyAmount": "-1.0"}},
        {"breakdownType": "Fee", "breakdownAmount": {"currencyCode": "USD", "currencyAmount": "0.5"}, "breakdowns": []},
    ],
}


def changed(**fields: Any) -> dict[str, Any]:
    return deepcopy(ONE) | fields


def test_what_amazon_leaves_out_and_repeats() -> None:
    flat = flatten_transactions([deepcopy(ONE)])
    (row,) = flat.transactions.to_pylist()
    assert row["marketplace_id"] == "ATVPDKIKX0DER" and row["total_amount"] == 10 and row["item_count"] == 1
    # Items without amounts of their own: the transaction's are no summary of them.
    nodes = {n["path"]: (n["amount"], n["is_summary"]) for n in flat.breakdowns.to_pylist()}
    assert nodes == {
        "Tax": (Decimal("10.5"), False),
        "Tax#2": (Decimal("-1.0"), False),
        "Fee": (Decimal("0.5"), False),
    }
    assert flat.contradictory == 0
    assert flatten_transactions([changed(totalAmount={"currencyCode": "USD", "currencyAmount": 11})]).contradictory == 1
    empty = flatten_transactions([])
    assert empty.transactions.num_rows == empty.breakdowns.num_rows == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"postedDate": None},
        {"transactionId": None},
        {"postedDate": "yesterday"},
        {"totalAmount": {"currencyCode": "USD", "currencyAmount": "1.23456"}},
        {"totalAmount": {"currencyCode": "USD", "currencyAmount": "ten"}},
        {"breakdowns": {"Tax": 1}},
        {"breakdowns": [{"breakdownAmount": {"currencyCode": "USD", "currencyAmount": "1.0"}}]},
        {"items": ["one"]},
    ],
)
def test_what_is_not_as_it_should_be_is_refused_without_its_value(fields: dict[str, Any]) -> None:
    with pytest.raises(FlattenError) as refused:
        flatten_transactions([changed(**fields)])
    assert "yesterday" not in str(refused.value) and "ten" not in str(refused.value).split()


def test_a_tree_without_end_is_refused() -> None:
    tree: list[dict[str, Any]] = []
    for _ in range(30):
        amount = {"currencyCode": "USD", "currencyAmount": "1.0"}
        tree = [{"breakdownType": "X", "breakdownAmount": amount, "breakdowns": tree}]
    with pytest.raises(FlattenError, match="levels deep"):
        flatten_transactions([changed(breakdowns=tree)])


def test_a_seller_without_a_marketplace_leaves_its_transactions_out_and_says_so(
    server: SimulatorServer, world: World, tmp_path: Path
) -> None:
    platform = make_platform(tmp_path, server.url)
    us = "ATVPDKIKX0DER"
    platform.sellers.set_marketplaces(SELLER, (us,))
    results = run(platform, [DAY - timedelta(days=5)])
    expected = [r for r in true(world, DAY - timedelta(days=5), NOW) if r.marketplace_id == us]
    stored = rows(platform, "transactions", [DAY - timedelta(days=5)])
    assert {r["transaction_id"] for r in stored} == {r.transaction_id for r in expected} and stored
    assert any("not connected" in warning for result in results for warning in result.warnings)
