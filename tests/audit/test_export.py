"""Entries outside of the platform: OCSF events with what their classes require, in a file that only readers open."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

import amzigo_pipelines
from amzigo_pipelines.resources.archive import ArchiveDamaged
from amzigo_pipelines.resources.audit.export import events, export_file, line, read_file
from amzigo_pipelines.resources.audit.marks import AuditError
from amzigo_pipelines.resources.audit.ocsf import KINDS
from amzigo_pipelines.resources.audit.sealing import Opener
from amzigo_pipelines.resources.platform import Platform

SELLER = "A1SELLER"
# Source: schema.ocsf.io/1.3.0, attributes marked as required, and the classes' own "at least one of".
BASE = {"activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"}
REQUIRED = {
    3001: {"user"},
    3002: {"user"},
    3004: {"entity"},
    6003: {"actor", "api", "src_endpoint"},
    6005: {"actor", "src_endpoint"},
}
AT_LEAST_ONE = {3002: {"service", "dst_endpoint"}, 6005: {"database", "databucket", "table"}}
ACTIVITIES = {
    3001: {0, *range(1, 12), 99},
    3002: {0, *range(1, 6), 99},
    3004: {0, 1, 2, 3, 4, 99},
    6003: {0, 1, 2, 3, 4, 99},
    6005: {0, *range(1, 9), 99},
}


def check(event: dict[str, Any]) -> None:
    """Whether an event is one of OCSF 1.3.0's."""
    class_uid = event["class_uid"]
    assert event.keys() >= BASE | REQUIRED[class_uid], class_uid
    assert class_uid not in AT_LEAST_ONE or AT_LEAST_ONE[class_uid] & event.keys()
    assert event["activity_id"] in ACTIVITIES[class_uid]
    assert event["type_uid"] == class_uid * 100 + event["activity_id"]
    assert event["category_uid"] == class_uid // 1000
    assert event["severity_id"] in {0, 1, 2, 3, 4, 5, 6, 99} and event["status_id"] in {0, 1, 2, 99}
    assert isinstance(event["time"], int) and 1_700_000_000_000 < event["time"] < 1_900_000_000_000
    assert event["metadata"]["version"] == "1.3.0" and event["metadata"]["product"]["vendor_name"]
    assert event["actor"]["user"]["name"]
    if class_uid == 6003:
        assert event["api"]["operation"]
    if "src_endpoint" in event:
        assert event["src_endpoint"]["hostname"]


def test_every_action_is_an_event_of_its_class(platform: Platform) -> None:
    before = platform.audit.head().number
    for action in KINDS:
        platform.audit.record("ada", action, SELLER, "SP-API searchOrders", "why", 3, bytes_=70)
    found = list(events(platform, platform.audit.entries(after=before)))
    assert [event["metadata"]["event_code"] for event in found] == list(KINDS)
    for event in found:
        check(event)
        assert event["unmapped"]["rows"] == 3 and "\n" not in line(event)


def test_entries_of_an_installation_are_events_with_their_outcome(platform: Platform) -> None:
    count = platform.audit.count
    count("call_api", SELLER, "SP-API searchOrders", "429", count=4)
    count("call_api", SELLER, "Ads API logging in", "200", bytes_=10)
    count("open_key", SELLER, "pii", "refused: role")
    platform.audit.record("ada", "never_heard_of", None, "something", "why")
    found = list(events(platform, platform.audit.entries()))
    for event in found:
        check(event)
    throttled, login, denied, unknown = found[-4:]
    assert (throttled["count"], throttled["status_id"], throttled["http_response"]) == (4, 2, {"code": 429})
    assert (throttled["api"]["operation"], throttled["resources"][0]["uid"]) == ("searchOrders", SELLER)
    assert (login["status_id"], login["severity_id"], login["unmapped"]["bytes"]) == (1, 1, 10)
    assert (denied["status_id"], denied["status_detail"]) == (2, "refused: role")
    assert unknown["activity_id"] == 99


def test_every_action_that_is_recorded_anywhere_has_its_class() -> None:
    place = {"record": 1, "record_in": 2, "count": 0, "_count": 0, "_note": 1, "_audit": 3}
    found = set()
    for path in Path(amzigo_pipelines.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                # Many things are counted; of them the trail's only.
                text = ast.unparse(node.func)
                is_ours = "count" not in name or "audit" in text or text == "self._count"
                if is_ours and name in place and len(node.args) > place[name]:
                    action = node.args[place[name]]
                    if isinstance(action, ast.Constant) and isinstance(action.value, str) and "_" in action.value:
                        found.add(action.value)
    assert {"read_pii", "open_key", "incident_open", "call_api", "log_in"} <= found
    assert found <= set(KINDS)


def test_an_export_is_encrypted_whole_and_opens_here_alone(platform: Platform, tmp_path: Path) -> None:
    platform.audit.record("Zanzibar", "read_pii", SELLER, "orders", "Samarkand", 3)
    path = tmp_path / "all.audit"
    done = export_file(platform, platform.audit.entries(), path)
    assert done.events == done.head.number == platform.audit.verify()
    raw = path.read_bytes()
    assert b"Zanzibar" not in raw and b"read_pii" not in raw and path.stat().st_mode & 0o077 == 0
    found = list(read_file(platform.audit.opener, path))
    assert found == list(events(platform, platform.audit.entries()))
    assert platform.audit.verified(expected=done.head).entries == done.events
    with pytest.raises(AuditError, match="there already"):
        export_file(platform, platform.audit.entries(), path)
    with pytest.raises(ArchiveDamaged):
        list(read_file(Opener(bytes(range(32))), path))
    (tmp_path / "cut.audit").write_bytes(raw[:-40])
    with pytest.raises(ArchiveDamaged, match="cut short"):
        list(read_file(platform.audit.opener, tmp_path / "cut.audit"))
    (tmp_path / "changed.audit").write_bytes(raw[:900] + bytes([raw[900] ^ 1]) + raw[901:])
    with pytest.raises(ArchiveDamaged, match="damaged"):
        list(read_file(platform.audit.opener, tmp_path / "changed.audit"))
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".tmp")) == []
