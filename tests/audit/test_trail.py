"""Entries: who, what, how much and why; sealed at rest; counted where they are many; written by all, read by some."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.audit.acting import launcher
from amzigo_pipelines.resources.audit.settings import note_settings
from amzigo_pipelines.resources.control.database import ControlError
from amzigo_pipelines.resources.control.freezes import SellerFrozen
from amzigo_pipelines.resources.control.schema import seller_freezes
from amzigo_pipelines.resources.home import load_home
from amzigo_pipelines.resources.keys.roles import RoleRefused, acting_user, login_name
from amzigo_pipelines.resources.platform import Platform

SELLER = "A1SELLER"
FAR = date(2027, 6, 1)


def move(platform: Platform, by: timedelta) -> None:
    assert isinstance(platform.clock, VirtualClock)
    platform.clock.set(platform.clock.now() + by)


def as_role(platform: Platform, role: str, **environment: str) -> Platform:
    return Platform(platform.home, platform.clock, {"AMZIGO_ROLE": role, **environment})


def test_an_entry_says_who_what_how_much_and_why_and_is_sealed_at_rest(platform: Platform, home: Path) -> None:
    detail = {"file": "Xanadu"}
    number = platform.audit.record("Zanzibar", "export", SELLER, "Timbuktu", "Samarkand", 7, bytes_=900, detail=detail)
    (entry,) = platform.audit.read(action="export")
    assert (entry.number, entry.actor, entry.seller_id, entry.subject) == (number, "Zanzibar", SELLER, "Timbuktu")
    assert (entry.purpose, entry.rows, entry.bytes, entry.outcome) == ("Samarkand", 7, 900, "ok")
    assert (entry.acting.user, entry.acting.role, entry.detail) == (login_name(), "", detail)
    assert entry.at == platform.clock.now() and entry.acting.host
    platform.audit.sign()
    for path in (home / "control.db", home / "audit" / "head.json"):
        text = path.read_bytes()
        assert not any(word.encode() in text for word in ("Zanzibar", "Timbuktu", "Samarkand", "Xanadu"))
    with pytest.raises(ValueError, match="an actor, an action and a purpose"):
        platform.audit.record("ada", "export", None, "", "")


def test_calls_are_summed_by_minute_operation_seller_and_outcome(platform: Platform) -> None:
    count = platform.audit.count
    for received in (100, 200, 300):
        count("call_api", SELLER, "SP-API searchOrders", "200", bytes_=received)
    count("call_api", SELLER, "SP-API searchOrders", "429")
    count("call_api", "B2SELLER", "SP-API searchOrders", "200", bytes_=5)
    before = platform.audit.head().number
    platform.audit.flush_if_due()
    assert platform.audit.head().number == before, "the minute isn't over"
    move(platform, timedelta(minutes=1))
    count("call_api", SELLER, "SP-API searchOrders", "200", bytes_=7)
    platform.audit.flush_if_due()
    found = [(e.seller_id, e.outcome, e.count, e.bytes) for e in platform.audit.read(action="call_api")]
    assert found == [
        (SELLER, "200", 3, 600),
        (SELLER, "429", 1, None),
        ("B2SELLER", "200", 1, 5),
        (SELLER, "200", 1, 7),
    ]
    minutes = [entry.detail["minute"] for entry in platform.audit.read(action="call_api")]
    assert minutes == ["2026-11-23T12:00+00:00"] * 3 + ["2026-11-23T12:01+00:00"]
    assert platform.audit.head().number == before + len(found)


def test_what_was_counted_comes_before_the_next_entry_and_survives_a_failed_write(
    platform: Platform, home: Path
) -> None:
    platform.audit.count("call_api", SELLER, "SP-API getOrder", "200")
    (home / "control.db").rename(home / "away.db")
    with pytest.raises(ControlError):
        platform.audit.record("ada", "read_pii", SELLER, "orders", "why")
    (home / "away.db").rename(home / "control.db")
    platform.audit.record("ada", "read_pii", SELLER, "orders", "why")
    assert [entry.action for entry in platform.audit.read(limit=2)] == ["call_api", "read_pii"]


def test_keys_made_opened_and_refused_are_counted_by_class(platform: Platform) -> None:
    key = platform.keys.key_for(SELLER, "business", FAR)
    pii = platform.keys.key_for(SELLER, "pii", FAR)
    for _ in range(3):
        platform.keys.open(key.key_id)
    platform.audit.flush()
    made = {(e.subject, e.count) for e in platform.audit.read(SELLER, "make_key")}
    assert made == {("business", 1), ("pii", 1)}
    (opened,) = platform.audit.read(SELLER, "open_key")
    assert (opened.subject, opened.count, opened.outcome) == ("business", 3, "ok")
    analyst = as_role(platform, "analyst")
    with pytest.raises(RoleRefused):
        analyst.keys.open(pii.key_id)
    analyst.audit.flush()
    with platform.control.transaction() as connection:
        connection.execute(
            seller_freezes.insert().values(seller_id=SELLER, incident_id="I1", frozen_at=platform.clock.now())
        )
    with pytest.raises(SellerFrozen):
        platform.keys.open(key.key_id)
    platform.audit.flush()
    refused = [(e.subject, e.outcome, e.acting.role) for e in platform.audit.read(SELLER, "open_key")[1:]]
    assert refused == [("pii", "refused: role", "analyst"), ("business", "refused: frozen", "")]


def test_an_analyst_writes_entries_and_reads_none(platform: Platform) -> None:
    analyst = as_role(platform, "analyst")
    analyst.audit.record("ana (analyst)", "open_marts", SELLER, "marts", "amzigo sql")
    analyst.audit.flush()
    with pytest.raises(RoleRefused, match="role analyst may not open"):
        analyst.audit.read()
    assert analyst.audit.sign() is None
    assert analyst.audit.verify() == platform.audit.verify(), "checking opens nothing"
    (entry,) = platform.audit.read(action="open_marts")
    assert entry.acting.role == "analyst"


def test_people_who_share_a_login_are_told_apart(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    anna = as_role(platform, "privacy", AMZIGO_USER="anna")
    anna.audit.record(anna.audit.acting.label, "read_pii", SELLER, "orders", "why")
    (entry,) = platform.audit.read(user="anna")
    assert (entry.user, entry.acting.user) == ("anna", login_name())
    assert entry.actor == f"anna as {login_name()} (privacy)"
    monkeypatch.setenv("AMZIGO_USER", "anna")
    monkeypatch.setenv("AMZIGO_ROLE", "privacy")
    assert acting_user() == entry.actor
    assert platform.audit.read(user="nobody") == [] and len(platform.audit.read(limit=2)) == 2


def test_a_run_is_named_with_what_launched_it(platform: Platform) -> None:
    acting = replace(platform.audit.acting, run_id="r1", job="daily_extraction", launched_by="schedule nightly")
    platform.audit.count("call_api", SELLER, "SP-API getOrder", "200")
    with platform.audit.acting_as(acting):
        platform.audit.count("call_api", SELLER, "SP-API searchOrders", "200")
    before, within = platform.audit.read(action="call_api")
    assert (before.acting.run_id, within.acting.run_id) == ("", "r1")
    assert (within.actor, within.purpose) == ("run r1", "daily_extraction")
    assert within.acting.launched_by == "schedule nightly"
    assert launcher({"dagster/schedule_name": "nightly"}) == "schedule nightly"
    assert launcher({"dagster/sensor_name": "watch", "x": "y"}) == "sensor watch"
    assert launcher({}) == ""


def test_changes_of_sellers_credentials_and_settings_have_entries(platform: Platform, home: Path) -> None:
    platform.sellers.replace_token(SELLER, "Atzr|another", "EU")
    platform.sellers.set_marketplaces(SELLER, ["ATVPDKIKX0DER", "A1PA6795UKMFR9"])
    platform.ads_accounts.connect(SELLER, {"ATVPDKIKX0DER": "4711"}, "Atzr|ads")
    platform.ads_accounts.disconnect(SELLER)
    platform.sellers.remove(SELLER)
    actions = [entry.action for entry in platform.audit.read(SELLER) if "_" in entry.action]
    wanted = ["add_seller", "change_credentials", "change_seller", "connect_ads", "disconnect_ads", "remove_seller"]
    assert [action for action in actions if action in wanted] == wanted
    assert "Atzr|" not in str(platform.audit.read())
    note_settings(platform.control, platform.audit, platform.home)
    settings = home / "amzigo.toml"
    settings.write_text(settings.read_text() + "\n# an edit\n")
    for _ in range(2):
        note_settings(platform.control, platform.audit, platform.home)
    (change,) = platform.audit.read(action="change_settings")
    assert change.subject == "amzigo.toml" and change.detail["sha256_before"] != change.detail["sha256"]


def test_a_change_that_cannot_be_recorded_does_not_happen(platform: Platform) -> None:
    with platform.control.transaction() as connection:
        connection.exec_driver_sql("DROP TABLE audit")
    with pytest.raises(ControlError):
        platform.sellers.add("C3SELLER", "three", ["ATVPDKIKX0DER"], "Atzr|three")
    assert "C3SELLER" not in [seller.seller_id for seller in platform.sellers.list()]


def test_the_head_is_signed_again_after_an_hour_or_many_entries(platform: Platform, home: Path) -> None:
    platform.audit.sign()
    signed = platform.audit.verified().signed_through
    platform.audit.record("ada", "open_marts", SELLER, "marts", "why")
    platform.audit.flush()
    assert platform.audit.verified().signed_through == signed
    move(platform, timedelta(hours=1))
    platform.audit.flush()
    later = platform.audit.verified()
    assert later.signed_through > signed and later.signed_at == platform.clock.now()
    again = Platform(load_home(home), platform.clock)
    assert again.audit.verified() == later


def test_a_run_of_dagster_acts_under_its_own_name_and_signs_the_trail(platform: Platform) -> None:
    import dagster as dg

    from amzigo_pipelines.resources.dagster_platform import platform_resource
    from amzigo_pipelines.review.assets import AUDIT_RETENTION, audit_assets, audit_checks

    platform.audit.record("ada", "read_pii", SELLER, "orders", "why")
    with dg.instance_for_test() as instance:
        result = dg.materialize(
            [*audit_assets(), *audit_checks()],
            selection=dg.AssetSelection.all(),
            instance=instance,
            resources={"platform": platform_resource(platform)},
            tags={"dagster/schedule_name": "nightly"},
        )
    assert result.success and platform.audit.acting.run_id == ""
    checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert checks == {"reviews_signed_off": True, "access_reviewed": True, "trail_intact": True}
    found = [entry for entry in platform.audit.read() if entry.acting.run_id]
    assert {entry.acting.run_id for entry in found} == {result.run_id}
    assert {entry.acting.launched_by for entry in found} == {"schedule nightly"}
    assert "open_secret" in {entry.action for entry in found}
    assert platform.audit.verified().signed_through > 0
    (event,) = result.asset_materializations_for_node(AUDIT_RETENTION.path[-1])
    assert event.metadata["first_entry_kept"].value == 1
