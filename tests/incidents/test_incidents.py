"""Incidents: the freeze that reaches running processes, the notice and its clock, and the rules of each step."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from incident_kit import DAY, DIES, MARK, NOW, OTHER, SELLER, TODAY, append, at, home_at, open_platform, write

from amzigo_pipelines.assets.extraction.extract import extract_partition
from amzigo_pipelines.assets.partitions import SELLER_TAG
from amzigo_pipelines.automation.pipeline import daily_extraction_schedule
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.cli import checks
from amzigo_pipelines.cli import main as command
from amzigo_pipelines.clock import SystemClock, VirtualClock
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.freezes import SellerFrozen
from amzigo_pipelines.resources.keys.store import KeyDead
from amzigo_pipelines.resources.lake.tombstones import ensure_hash_key
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.sellers import UnknownSeller
from amzigo_pipelines.retention import holds
from amzigo_pipelines.retention.incident_notice import affected_data, draft_notice
from amzigo_pipelines.retention.incidents import (
    Incident,
    IncidentError,
    close_incident,
    contain,
    get,
    list_incidents,
    note_drafted,
    note_sent,
    open_incident,
)
from amzigo_pipelines.retention.subjects import seller_subject
from amzigo_pipelines.retention.sweep import sweep
from amzigo_pipelines.simulator.calls import SimulatorSettings
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World, demo_config

HERE = Path(__file__).parent


def opened(platform: Platform, *sellers: str, **times: Any) -> Incident:
    now = platform.clock.now()
    values = {"detected_at": now, "exposed_from": now - timedelta(hours=3), "exposed_until": None, **times}
    return open_incident(platform, sellers or (SELLER,), "A laptop was stolen", actor="tester", **values)


def closed(platform: Platform, incident: Incident, **more: Any) -> Incident:
    values = {"root_cause": "It was not locked", "actions": ["Locks"], "no_notice_reason": "a drill", **more}
    return close_incident(platform, incident.incident_id, actor="tester", **values)


def test_containing_refuses_every_use_of_keys_and_tokens_at_once(platform: Platform) -> None:
    incident = opened(platform)
    key_id = platform.keys.alive(SELLER)[0].key_id
    _, refused = contain(platform, incident.incident_id, "tester")
    assert refused == len(platform.keys.alive(SELLER)) + 1
    uses: list[Callable[[], object]] = [
        lambda: platform.keys.open(key_id),
        lambda: platform.keys.open_living([key_id]),
        lambda: platform.keys.key_for(SELLER, "pii", DIES),
        lambda: platform.keys.key_for(SELLER, "business", DIES),
        lambda: platform.keys.pseudonymiser(SELLER),
        lambda: platform.sellers.refresh_tokens(SELLER),
        lambda: platform.selling_partner(SELLER),
        lambda: platform.lake.scan(ORDERS, SELLER),
        lambda: platform.lake.read_pii(ORDERS, SELLER, purpose="test", actor="tester"),
        lambda: write(platform, SELLER, DAY, [DIES]),
    ]
    for use in uses:
        with pytest.raises(SellerFrozen, match=r"seller A1SELLER is frozen since 2026-11-23 12:00 UTC by incident I1"):
            use()
    # Nobody else is touched.
    assert platform.lake.read_pii(ORDERS, OTHER, purpose="test", actor="tester").num_rows == 6
    assert platform.sellers.refresh_tokens(OTHER)
    write(platform, OTHER, DAY, [DIES])
    # Containing twice changes nothing.
    again, _ = contain(platform, incident.incident_id, "tester")
    assert again.contained_at == NOW and len(again.actions) == 1
    closed(platform, again)
    for use in uses:
        with contextlib.suppress(AmzigoError):
            use()
    assert platform.keys.open(key_id) and platform.sellers.refresh_tokens(SELLER)


def test_processes_that_run_already_are_refused_at_their_next_use(platform: Platform) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AMZIGO_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parent.parent), str(HERE)])
    arguments = [sys.executable, str(HERE / "incident_child.py"), str(platform.home.path)]
    with subprocess.Popen(
        arguments, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None and child.stdout is not None

        def use() -> dict[str, str]:
            assert child.stdin is not None and child.stdout is not None
            child.stdin.write("go\n")
            child.stdin.flush()
            return dict(word.split("=") for word in child.stdout.readline().split())

        assert child.stdout.readline() == "ready\n"
        names = {"key", "token", "scan", "pii", "request"}
        assert use() == dict.fromkeys(names, "used")
        incident = opened(platform)
        contain(platform, incident.incident_id, "tester")
        assert use() == dict.fromkeys(names, "SellerFrozen")
        closed(platform, incident)
        assert use() == dict.fromkeys(names, "used")
        child.stdin.close()


def test_a_client_that_holds_a_token_sends_nothing_more(tmp_path: Path) -> None:
    """Over HTTP against the simulator: not even a login is sent once the seller is frozen."""
    from amzigo_pipelines.cli.initialise import initialise

    first_day = datetime.now(UTC).date() - timedelta(days=3)
    with SimulatorServer(
        World(demo_config(first_day, orders_per_day=3)), SystemClock(), SimulatorSettings(rate_scale=1000)
    ) as server:
        platform = initialise(home_at(tmp_path / "home", server.url))
        profile = server.world.profile(server.world.seller_ids[0])
        platform.sellers.add(profile.seller_id, "Test", profile.marketplace_ids, profile.refresh_token)
        day = datetime.now(UTC).date() - timedelta(days=2)
        extract_partition(platform, profile.seller_id, day, ("orders", "order_items"))
        partner = platform.selling_partner(profile.seller_id)
        incident = opened(platform, profile.seller_id)
        contain(platform, incident.incident_id, "tester")
        sent = sum(server.requests.values())
        with pytest.raises(SellerFrozen):
            partner.marketplace_participations(MARKETPLACES[profile.marketplace_ids[0]].region)
        with pytest.raises(SellerFrozen):
            extract_partition(platform, profile.seller_id, day, ("orders", "order_items"))
        assert sum(server.requests.values()) == sent > 0


def test_a_write_that_was_under_way_stores_nothing(platform: Platform) -> None:
    before = {file.path for file in platform.lake.files(seller_id=SELLER)}
    incident, day = opened(platform), TODAY - timedelta(days=1)

    def interrupted() -> None:
        with platform.lake.writer(SELLER, day, [ORDERS], {"operation": "test"}) as writer:
            contain(platform, incident.incident_id, "tester")
            append(writer, [DIES])

    with pytest.raises(SellerFrozen):
        interrupted()
    assert {file.path for file in platform.lake.files(seller_id=SELLER)} == before


def test_retention_goes_on_during_an_incident(platform: Platform) -> None:
    contain(platform, opened(platform).incident_id, "tester")
    due = [r.key_id for r in platform.keys.due("pii", TODAY + timedelta(days=1), SELLER)]
    at(platform, NOW + timedelta(days=1))
    report = sweep(platform, as_of=TODAY + timedelta(days=1))
    assert SELLER in report.seller_ids and report.certificate and due
    for key_id in due:
        with pytest.raises(KeyDead):
            platform.keys.open(key_id)


def test_schedules_leave_a_frozen_seller_out(platform: Platform) -> None:
    def asked() -> set[str]:
        with dg.instance_for_test() as instance, dg.build_schedule_context(instance=instance) as context:
            runs = [
                one for one in daily_extraction_schedule(context, platform=platform) if isinstance(one, dg.RunRequest)
            ]
        return {run.tags[SELLER_TAG] for run in runs}

    assert asked() == {SELLER, OTHER}
    incident = opened(platform)
    contain(platform, incident.incident_id, "tester")
    assert asked() == {OTHER}
    closed(platform, incident)
    assert asked() == {SELLER, OTHER}


def test_two_incidents_over_one_seller_keep_it_frozen_until_both_are_closed(platform: Platform) -> None:
    first, second = opened(platform, SELLER, OTHER), opened(platform, SELLER)
    for incident in (first, second):
        contain(platform, incident.incident_id, "tester")
    closed(platform, first)
    assert platform.sellers.refresh_tokens(OTHER)
    with pytest.raises(SellerFrozen, match="by incident I2"):
        platform.sellers.refresh_tokens(SELLER)
    closed(platform, second)
    assert platform.sellers.refresh_tokens(SELLER)


def test_the_notice_counts_what_was_in_danger_and_names_nobody(platform: Platform) -> None:
    incident = opened(platform, SELLER, detected_at=NOW, exposed_from=NOW - timedelta(days=1))
    at(platform, NOW + timedelta(days=1))
    sweep(platform, as_of=TODAY + timedelta(days=1))
    write(platform, OTHER, TODAY, [DIES])
    found = {(one.seller_id, one.dataset, one.retention_class): one for one in affected_data(platform, incident)}
    assert set(found) == {(SELLER, "orders", name) for name in ("pii", "pseudonym", "business")}
    pii, business = found[SELLER, "orders", "pii"], found[SELLER, "orders", "business"]
    # Three rows died since: they were in danger all the same.
    assert (pii.rows, pii.rows_destroyed, pii.partitions, pii.first_day, pii.last_day) == (6, 3, 1, DAY, DAY)
    assert (business.rows, business.rows_destroyed) == (6, 0)
    notice = draft_notice(platform, incident, list(found.values()))
    for words in (
        "To: security@amazon.com",
        "Detected:   2026-11-23 12:00 UTC",
        "Notice due: 2026-11-24 12:00 UTC (24 hours after detection)",
        "Exposure:   2026-11-22 12:00 UTC to not yet",
        "A1SELLER orders (pii): 6 rows of 1 day, 2026-11-21 to 2026-11-21, from searchOrders; 3 of them destroyed",
        "Personally identifiable information of buyers among it: yes",
        "Root cause: under investigation",
    ):
        assert words in notice
    assert MARK not in notice and "Shop" not in notice and "token-of" not in notice and OTHER not in notice


def test_copies_under_legal_holds_are_in_danger_too(platform: Platform) -> None:
    """Also those of data that the lake has no more."""
    ensure_hash_key(platform.control, platform.keys, platform.home.lock_dir)
    terms = holds.HoldTerms("case 7", "a court", TODAY + timedelta(days=90))
    holds.add(platform, seller_subject(platform, SELLER), terms, actor="tester")
    at(platform, NOW + timedelta(days=12))
    sweep(platform, as_of=TODAY + timedelta(days=12), confirmed=[SELLER, OTHER])
    at(platform, NOW + timedelta(days=15))
    incident = opened(platform, SELLER, detected_at=NOW + timedelta(days=15), exposed_from=NOW + timedelta(days=14))
    found = {(one.dataset, one.retention_class): one.rows for one in affected_data(platform, incident)}
    assert ("orders", "pii") not in found and found["orders under legal holds", "pii"] == 6
    assert "under legal holds (pii): 6 rows" in draft_notice(platform, incident, affected_data(platform, incident))


def test_what_was_not_there_during_the_exposure_is_not_counted(platform: Platform) -> None:
    early = opened(platform, exposed_from=NOW - timedelta(days=9), exposed_until=NOW - timedelta(days=8))
    assert affected_data(platform, early) == []
    assert "none: nothing of these sellers was stored then" in draft_notice(platform, early, [])
    at(platform, NOW + timedelta(days=1))
    sweep(platform, as_of=TODAY + timedelta(days=1))
    at(platform, NOW + timedelta(days=3))
    late = opened(platform, exposed_from=NOW + timedelta(days=2))
    pii = next(one for one in affected_data(platform, late) if one.retention_class == "pii")
    assert (pii.rows, pii.rows_destroyed) == (3, 0)


def test_the_24_hours_are_shown_and_counted_from_detection(platform: Platform) -> None:
    incident = opened(platform, detected_at=NOW - timedelta(hours=2))
    assert incident.clock_sentence(NOW) == "tell Amazon by 2026-11-24 10:00 UTC: 22 h 0 min left"
    assert "tell Amazon by" in looked(platform)
    at(platform, NOW + timedelta(hours=23, minutes=30))
    with pytest.raises(AmzigoError, match="OVERDUE by 1 h 30 min: Amazon was to be told by 2026-11-24 10:00 UTC"):
        checks._incidents(platform)
    with pytest.raises(IncidentError, match="there is no notice yet"):
        note_sent(platform, "I1", "tester")
    note_drafted(platform, "I1", "tester")
    told = note_sent(platform, "I1", "tester")
    assert "AFTER 2026-11-24 10:00 UTC" in told.clock_sentence(platform.clock.now())
    with pytest.raises(IncidentError, match="was sent on"):
        note_sent(platform, "I1", "tester")
    in_time = opened(platform)
    note_drafted(platform, in_time.incident_id, "tester")
    assert " before " in note_sent(platform, in_time.incident_id, "tester").clock_sentence(NOW)


def looked(platform: Platform) -> str:
    """What doctor says of a trouble that is none yet."""
    with pytest.raises(AmzigoError) as soon:
        checks._incidents(platform)
    return str(soon.value)


def test_closing_needs_a_root_cause_actions_containment_and_a_notice(platform: Platform) -> None:
    incident = opened(platform)
    with pytest.raises(IncidentError, match="it was never contained"):
        closed(platform, incident)
    contain(platform, incident.incident_id, "tester")
    for more, sentence in [
        ({"root_cause": " "}, "say the incident's root cause"),
        ({"actions": []}, "say what was done"),
        ({"actions": [" "]}, "say the incident's action"),
        ({"no_notice_reason": None}, "Amazon was not told"),
        ({"no_notice_reason": " "}, "Amazon was not told"),
        ({"root_cause": "erika@example.com wrote"}, "holds an e-mail address"),
    ]:
        with pytest.raises(IncidentError, match=sentence):
            closed(platform, incident, **more)
        assert get(platform, "I1").state == "contained"
    with pytest.raises(SellerFrozen):
        platform.sellers.refresh_tokens(SELLER)
    end = closed(platform, incident)
    assert (end.state, end.root_cause, end.closed_at, end.exposed_until) == ("closed", "It was not locked", NOW, NOW)
    assert [action.text for action in end.actions][-1] == "Locks"
    for step in (lambda: contain(platform, "I1", "tester"), lambda: closed(platform, incident)):
        with pytest.raises(IncidentError, match="I1 was closed on 2026-11-23"):
            step()


def test_every_step_is_in_the_audit_trail(platform: Platform) -> None:
    incident = opened(platform, SELLER, OTHER)
    contain(platform, incident.incident_id, "anna")
    note_drafted(platform, incident.incident_id, "anna")
    note_sent(platform, incident.incident_id, "anna")
    closed(platform, incident, no_notice_reason=None)
    entries = [entry for entry in platform.audit.read(seller_id=SELLER) if entry.action.startswith("incident_")]
    steps = ["incident_open", "incident_contain", "incident_draft", "incident_notify", "incident_close"]
    assert [entry.action for entry in entries] == steps
    assert all(entry.subject == "incident I1" for entry in entries) and entries[1].rows
    assert len([e for e in platform.audit.read(seller_id=OTHER) if e.action.startswith("incident_")]) == 5
    assert platform.audit.verify() > 0


def test_nonsense_is_refused(platform: Platform) -> None:
    later = NOW + timedelta(hours=1)
    with pytest.raises(UnknownSeller, match="there is no seller 'NOBODY1'"):
        opened(platform, "NOBODY1")
    for times in ({"detected_at": later}, {"exposed_from": later}, {"exposed_until": later}):
        with pytest.raises(IncidentError, match="has not come yet"):
            opened(platform, **times)
    with pytest.raises(IncidentError, match="until before it was"):
        opened(platform, exposed_until=NOW - timedelta(hours=4))
    for name in ("I1", "1", "I0", "x"):
        with pytest.raises(IncidentError, match="there is no incident"):
            get(platform, name)
    assert list_incidents(platform) == []


def test_a_crash_between_steps_is_no_half_step(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Freeze and audit entry are one transaction: where one can't be written the other isn't."""
    incident = opened(platform)

    def broken(*_: object, **__: object) -> int:
        raise OSError("no disk")

    monkeypatch.setattr(platform.audit, "record_in", broken)
    with pytest.raises(OSError):
        contain(platform, incident.incident_id, "tester")
    assert get(platform, "I1").state == "open" and platform.sellers.refresh_tokens(SELLER)


def test_the_commands(platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AMZIGO_HOME", str(platform.home.path))
    monkeypatch.setenv("COLUMNS", "300")

    def amzigo(*arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr("sys.argv", ["amzigo", "incident", *arguments])
        code: object = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                command.main()
            except SystemExit as exit_:
                code = exit_.code
        return code if isinstance(code, int) else 0, out.getvalue(), err.getvalue()

    assert amzigo("list")[1] == "No incident was ever opened.\n"
    assert amzigo("open", "--summary", "x")[0] == 2
    assert amzigo("open", "--summary", "x", "--seller", SELLER, "--from", "yesterday")[0] == 2
    code, out, err = amzigo(
        "open", "--summary", "A token was in a log", "--seller", SELLER, "--from", "2026-01-01T08:00"
    )
    assert code == 0 and "opened I1" in out and "h 59 min left" in out, err
    code, out, _ = amzigo("contain", "I1")
    assert code == 0 and "of A1SELLER are refused from now on" in out
    code, out, _ = amzigo("notify", "I1", "--output", str(tmp_path / "notice.txt"))
    assert code == 0 and "security@amazon.com" in (tmp_path / "notice.txt").read_text() and "To:" not in out
    assert "To: security@amazon.com" in amzigo("notify", "i1")[1]
    code, out, err = amzigo("close", "I1", "--root-cause", "A log", "--action", "Scrubbed")
    assert code == 1 and "Amazon was not told" in err and len(err.splitlines()) == 1
    assert amzigo("notify", "I1", "--sent")[0] == 0
    assert amzigo("close", "I1", "--root-cause", "A log", "--action", "Scrubbed")[0] == 0
    (record,) = json.loads(amzigo("list", "--json")[1])
    assert record["state"] == "closed" and record["clock"].startswith("told Amazon") and len(record["actions"]) == 3
    assert isinstance(platform.clock, VirtualClock) and open_platform(platform.home.path).sellers.refresh_tokens(SELLER)
