"""The life of a report: asked once, waited for, used again, gone on with, and never asked in a loop."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.reports.desk import EmptyUnconfirmed, ReportDesk, ReportOrder
from amzigo_pipelines.resources.reports.documents import Report
from amzigo_pipelines.resources.reports.ledger import ReportLedger, State
from amzigo_pipelines.resources.spapi.errors import (
    AmazonUnavailable,
    BadAnswer,
    BadRequest,
    ReportDeferred,
    ReportLate,
)
from amzigo_pipelines.resources.spapi.pacing import SharedPacer
from amzigo_pipelines.resources.spapi.rate_buckets import RateBuckets
from amzigo_pipelines.simulator.server import SimulatorServer
from tests.extraction.conftest import JP, NOW, SELLER, US, Platform, make_platform
from tests.extraction.report_child import QUERY, REPORT

LISTINGS = "GET_MERCHANT_LISTINGS_ALL_DATA"
DE = "A1PA6795UKMFR9"
CHILD = Path(__file__).parent / "report_child.py"


def order(*marketplace_ids: str, **settings: Any) -> ReportOrder:
    return ReportOrder(LISTINGS, marketplace_ids or (US,), **settings)


def desk_of(platform: Platform, **settings: Any) -> ReportDesk:
    return ReportDesk(platform.control, platform.clock, **settings)


def collect(platform: Platform, *orders: ReportOrder, **settings: Any) -> list[Report]:
    with platform.selling_partner(SELLER) as partner:
        found = [desk_of(platform, **settings).collect(partner, wanted) for wanted in orders]
    assert all(isinstance(report, Report) for report in found)
    return [report for report in found if isinstance(report, Report)]


def states(platform: Platform, *orders: ReportOrder) -> list[State | None]:
    ledger = ReportLedger(platform.control)
    found = [ledger.latest(SELLER, wanted) for wanted in orders]
    return [None if request is None else request.state for request in found]


def pass_time(platform: Platform, server: SimulatorServer, passed: timedelta) -> None:
    for clock in (platform.clock, server.clock):
        assert isinstance(clock, VirtualClock)
        clock.set(clock.now() + passed)


def test_asked_ahead_all_are_worked_on_at_once(platform: Platform, server: SimulatorServer) -> None:
    orders = [order(US), order(DE), order(JP)]
    with platform.selling_partner(SELLER) as partner:
        desk = desk_of(platform)
        desk.ask_ahead(partner, orders)
        assert server.requests["createReport"] == 3 and server.requests["getReport"] == 0
        assert states(platform, *orders) == [State.ASKED] * 3
        desk.ask_ahead(partner, orders)
        found = [desk.collect(partner, wanted) for wanted in orders]
    assert server.requests["createReport"] == 3
    assert [report.marketplace_id for report in found if isinstance(report, Report)] == [US, DE, JP]
    assert {report.asked_at for report in found if isinstance(report, Report)} == {NOW}
    assert len({report.document_id for report in found if isinstance(report, Report)}) == 3


def test_orders_differ_by_all_that_tells_them_apart(platform: Platform, server: SimulatorServer) -> None:
    start, end = NOW - timedelta(days=3), NOW - timedelta(days=2)
    orders = [
        order(US),
        order(US, start=start, end=end),
        order(US, start=start, end=end + timedelta(hours=1)),
        order(US, options=(("custom", "true"),)),
        order(US, options=(("custom", "false"),)),
        replace(order(US), report_type=LISTINGS, marketplace_ids=(US,), start=start),
    ]
    found = collect(platform, *orders)
    assert len({report.report_id for report in found}) == len(orders) == server.requests["createReport"]
    assert (found[1].start, found[1].end) == (start, end)
    # Names in another order, or how to treat it, make no other order.
    options = (("a", "1"), ("b", "2"))
    assert collect(platform, order(US, options=options)) == collect(platform, order(US, options=options[::-1]))
    assert order(US).key(SELLER) != order(US).key("ANOTHER")
    assert order(US, JP).key(SELLER) == order(JP, US, cooldown=timedelta(hours=1)).key(SELLER)


def test_a_fresh_report_is_used_again(platform: Platform, server: SimulatorServer) -> None:
    first = collect(platform, order())[0]
    pass_time(platform, server, timedelta(minutes=59))
    assert collect(platform, order())[0] == first
    assert server.requests["createReport"] == 1
    pass_time(platform, server, timedelta(minutes=2))
    assert collect(platform, order())[0] != first
    assert server.requests["createReport"] == 2


def test_within_the_cooldown_the_last_report_is_used_again(platform: Platform, server: SimulatorServer) -> None:
    wanted = order(cooldown=timedelta(hours=4), fresh_for=timedelta(minutes=5))
    first = collect(platform, wanted)[0]
    pass_time(platform, server, timedelta(hours=3, minutes=59))
    assert collect(platform, wanted)[0] == first
    pass_time(platform, server, timedelta(minutes=1))
    assert collect(platform, wanted)[0] != first


def test_a_report_from_before_is_not_used_again(platform: Platform, server: SimulatorServer) -> None:
    first = collect(platform, order())[0]
    pass_time(platform, server, timedelta(minutes=10))
    assert collect(platform, order(not_before=NOW))[0] == first
    assert collect(platform, order(not_before=NOW + timedelta(minutes=1)))[0] != first
    # Within the cooldown Amazon would refuse: that is said without asking it.
    pass_time(platform, server, timedelta(minutes=10))
    asked_before = server.requests.copy()
    with pytest.raises(ReportDeferred, match="ask again then") as caught:
        collect(platform, order(cooldown=timedelta(hours=4), not_before=NOW + timedelta(minutes=15)))
    assert caught.value.retry_at == NOW + timedelta(hours=4, minutes=10)
    assert server.requests == asked_before


def test_fatal_is_never_asked_again_before_its_time(
    simulator_with: Callable[..., SimulatorServer], tmp_path: Path
) -> None:
    server = simulator_with(report_cooldown_s=3_600)
    platform = make_platform(tmp_path, server.url)
    one_hour = timedelta(hours=1)
    wanted = order(cooldown=one_hour, fresh_for=timedelta(0))
    collect(platform, order())  # Amazon made one a short time ago, which nobody of us remembers
    platform.control.engine.dispose()
    with platform.control.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM reports")
    for _ in range(3):
        with pytest.raises(ReportDeferred) as caught:
            collect(platform, wanted)
        assert not caught.value.is_retryable
        assert caught.value.retry_at == NOW + one_hour
        assert "2026-09-21T01:30:00Z" in str(caught.value)
        assert "FATAL" in str(caught.value)
    with platform.selling_partner(SELLER) as partner:
        desk_of(platform).ask_ahead(partner, [wanted, wanted])
    assert server.requests["createReport"] == 2
    assert desk_of(platform).due_again() == []
    pass_time(platform, server, one_hour)
    assert [(r.seller_id, r.report_type, r.attempts) for r in desk_of(platform).due_again()] == [(SELLER, LISTINGS, 1)]
    assert collect(platform, wanted)[0].asked_at == NOW + one_hour
    assert server.requests["createReport"] == 3
    assert desk_of(platform).due_again() == []


def test_cancelled_is_empty_unconfirmed_and_not_asked_again_before_its_time(
    simulator_with: Callable[..., SimulatorServer], tmp_path: Path
) -> None:
    server = simulator_with(report_cooldown_s=10 * 3_600, report_cooldown_status="CANCELLED")
    platform = make_platform(tmp_path, server.url)
    collect(platform, order())
    pass_time(platform, server, timedelta(hours=2))
    four_hours = timedelta(hours=4)
    with platform.selling_partner(SELLER) as partner:
        desk = desk_of(platform)
        asked_at = platform.clock.now()
        for _ in range(2):
            assert desk.collect(partner, order()) == EmptyUnconfirmed(asked_at, asked_at + four_hours, 1)
        assert server.requests["createReport"] == 2
        pass_time(platform, server, four_hours)
        assert len(desk.due_again()) == 1
        assert desk.due_again(most_attempts=1) == []
        assert desk.collect(partner, order()) == EmptyUnconfirmed(asked_at + four_hours, asked_at + 3 * four_hours, 2)
        assert server.requests["createReport"] == 3
        pass_time(platform, server, timedelta(days=8))
        assert desk.due_again() == []


def test_a_report_that_never_ends_is_waited_for_by_the_next_run(
    simulator_with: Callable[..., SimulatorServer], tmp_path: Path
) -> None:
    server = simulator_with(report_work_s=3_600.0)
    platform = make_platform(tmp_path, server.url)
    platform.client = {"sleep": platform.waited.append}
    for _ in range(2):
        with pytest.raises(ReportLate, match="30 minutes"):
            collect(platform, order())
        assert sum(platform.waited) <= 1_800
        assert server.requests["getReport"] < 200
        platform.waited.clear()
    assert server.requests["createReport"] == 1
    pass_time(platform, server, timedelta(minutes=31))
    assert [request.state for request in desk_of(platform).due_again()] == [State.ASKED]
    # After a day it is given up.
    pass_time(platform, server, timedelta(hours=24))
    with pytest.raises(ReportLate):
        collect(platform, order())
    assert server.requests["createReport"] == 2


@pytest.mark.parametrize("keep", [0.0, 0.5])
def test_an_answer_that_is_lost_makes_no_second_report(
    platform: Platform, server: SimulatorServer, keep: float
) -> None:
    server.faults.add("createReport", "torn_body", keep=keep)
    report = collect(platform, order(start=NOW - timedelta(days=1)))[0]
    assert server.requests["createReport"] == 1
    assert server.requests["getReports"] == 1
    assert report.report_id


def test_a_request_that_was_never_sent_is_sent_again(
    simulator_with: Callable[..., SimulatorServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from amzigo_pipelines.resources.spapi.library import ReportsClient

    real, failures = ReportsClient.create_report, [1, 1]

    def unreachable(self: Any, **parameters: Any) -> Any:
        if failures:
            failures.pop()
            raise AmazonUnavailable(self._connection.asked, "no connection")
        return real(self, **parameters)

    server = simulator_with()
    platform = make_platform(tmp_path, server.url)
    monkeypatch.setattr(ReportsClient, "create_report", unreachable)
    collect(platform, order())
    assert server.requests["createReport"] == 1
    assert server.requests["getReports"] == 2


@pytest.mark.parametrize("kind", ["html_503", "empty_429", "json_429", "expired_token"])
def test_trouble_on_the_way_is_no_reason_to_ask_twice(platform: Platform, server: SimulatorServer, kind: str) -> None:
    for operation in ("createReport", "getReport"):
        server.faults.add(operation, kind)
    collect(platform, order())
    assert server.requests["createReport"] == 2  # one of them refused
    assert server.requests["getReports"] == 0


def test_what_cant_be_asked_for_ahead_stops_nobody(platform: Platform, server: SimulatorServer) -> None:
    bad = replace(order(), report_type="GET_NO_SUCH_REPORT")
    with platform.selling_partner(SELLER) as partner:
        desk = desk_of(platform)
        desk.ask_ahead(partner, [bad, order()])
        assert states(platform, bad, order()) == [None, State.ASKED]
        with pytest.raises(BadRequest):
            desk.collect(partner, bad)
        assert isinstance(desk.collect(partner, order()), Report)


def test_asking_ahead_does_not_wait_for_its_turn(
    simulator_with: Callable[..., SimulatorServer], tmp_path: Path
) -> None:
    server = simulator_with(rate_scale=1)
    platform = make_platform(tmp_path, server.url)
    pacer = SharedPacer(RateBuckets(platform.control), "client", SELLER, sleep=platform.sleep)
    platform.client = {"pacer": pacer}
    orders = [order(US, start=NOW - timedelta(days=n)) for n in range(20)]
    with platform.selling_partner(SELLER) as partner:
        desk_of(platform).ask_ahead(partner, orders)
    assert states(platform, *orders) == [State.ASKED] * 15 + [None] * 5  # Amazon's burst
    assert server.requests["createReport"] == 15
    assert platform.waited == []


@pytest.mark.parametrize("kind", ["fatal", "cancelled", "never_ends"])
def test_one_report_that_does_not_come_holds_up_no_other(
    platform: Platform, server: SimulatorServer, kind: str
) -> None:
    server.faults.add("createReport", kind, after=1)
    platform.client = {"sleep": lambda _: time.sleep(0.01)}
    orders = [order(US), order(DE), order(JP)]
    with platform.selling_partner(SELLER) as partner:
        desk = desk_of(platform, time_limit_s=5)
        desk.ask_ahead(partner, orders)
        assert isinstance(desk.collect(partner, orders[2]), Report)
        if kind == "cancelled":
            assert isinstance(desk.collect(partner, orders[1]), EmptyUnconfirmed)
        else:
            with pytest.raises(ReportDeferred if kind == "fatal" else ReportLate):
                desk.collect(partner, orders[1])
        assert isinstance(desk.collect(partner, orders[0]), Report)
    assert server.requests["createReport"] == 3


@pytest.mark.parametrize("fate", ["fatal", "cancelled"])
def test_a_report_that_came_to_nothing_while_nobody_looked_is_asked_for_again_at_once(
    platform: Platform, server: SimulatorServer, fate: str
) -> None:
    server.faults.add("createReport", fate)
    with platform.selling_partner(SELLER) as partner:
        desk_of(platform).ask_ahead(partner, [order()])
    pass_time(platform, server, timedelta(hours=5))
    assert collect(platform, order())[0].report_id
    assert server.requests["createReport"] == 2


def test_a_report_that_amazon_forgot_is_asked_for_again(
    platform: Platform, server: SimulatorServer, simulator_with: Callable[..., SimulatorServer]
) -> None:
    with platform.selling_partner(SELLER) as partner:
        desk_of(platform).ask_ahead(partner, [order()])
    server.faults.add("getReport", "status", status=404, body='{"errors": [{"code": "NotFound"}]}')
    collect(platform, order())
    assert server.requests["createReport"] == 2
    server.faults.add("getReport", "status", status=404, times=None)
    with pytest.raises(BadAnswer, match="again and again"):
        collect(platform, order(DE))
    assert server.requests["createReport"] <= 7


def test_a_discarded_report_is_not_given_out_again(platform: Platform, server: SimulatorServer) -> None:
    first = collect(platform, order())[0]
    with platform.selling_partner(SELLER) as partner:
        desk_of(platform).discard(partner, first)
    assert collect(platform, order())[0] != first
    assert server.requests["createReport"] == 2


def test_all_pages_of_the_list(platform: Platform, server: SimulatorServer) -> None:
    wanted = [order(US, start=NOW - timedelta(days=n)) for n in range(120)]
    made = collect(platform, *wanted)
    other = collect(platform, order(DE))[0]
    with platform.selling_partner(SELLER) as partner:
        desk = desk_of(platform)
        before = server.requests["getReports"]
        found = desk.listed(partner, LISTINGS, [US], NOW - timedelta(days=200))
        assert server.requests["getReports"] - before == 2
        ids = [report.report_id for report in found]
        assert set(ids) >= {report.report_id for report in made}
        assert len(ids) == len(set(ids)) and other.report_id not in ids
        assert {r for r in found if r.report_id == made[5].report_id} == {replace(made[5], asked_at=found[0].asked_at)}
        assert desk.listed(partner, LISTINGS, [US], NOW + timedelta(seconds=1)) == []
        assert desk.listed(partner, "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2", [US], NOW) == []


# -- processes ---------------------------------------------------------------------------------------------------------


KINDS = {"report": (REPORT, "createReport"), "query": (QUERY, "createQuery")}


def child(platform: Platform, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(platform.home.path), NOW.isoformat(), *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_run_is_gone_on_with(platform: Platform, server: SimulatorServer, kind: str) -> None:
    wanted, operation = KINDS[kind]
    process = child(platform, kind, "ahead")
    assert process.stdout is not None and process.stdout.readline() == "asked\n"
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    asked = ReportLedger(platform.control).latest(SELLER, wanted)
    assert asked is not None
    assert collect(platform, wanted)[0].report_id == asked.report_id
    assert server.requests[operation] == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_run_killed_while_it_asks_is_gone_on_with(
    simulator_with: Callable[..., SimulatorServer], tmp_path: Path, moment: str, kind: str
) -> None:
    """Killed between the claim and the request, or between Amazon's answer and noting it."""
    wanted, operation = KINDS[kind]
    server = simulator_with()
    platform = make_platform(tmp_path, server.url)
    process = child(platform, kind, "die", moment)
    assert process.wait() == -signal.SIGKILL
    assert process.stdout is not None
    process.stdout.close()
    assert states(platform, wanted) == [State.ASKING]
    platform.client = {"sleep": platform.waited.append}
    pass_time(platform, server, timedelta(minutes=4))
    collect(platform, wanted, time_limit_s=86_400 * 365)
    assert server.requests[operation] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_several_processes_ask_once(platform: Platform, server: SimulatorServer, kind: str) -> None:
    _, operation = KINDS[kind]
    processes = [child(platform, kind, "collect") for _ in range(3)]
    found = Counter(process.communicate(timeout=60)[0] for process in processes)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(found) == 1 and set(found) != {""}
    assert server.requests[operation] == 1
