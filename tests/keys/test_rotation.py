"""Exchanging KEKs: by command, killed half way, and against old copies of the control database; ages."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from keys_kit import (
    CLASSES,
    DIES,
    NOW,
    SELLER,
    TODAY,
    copy_database,
    key_ids,
    open_platform,
    order_ids,
    put_database,
    write_orders,
)

from amzigo_pipelines.automation.retention import CHECKS_JOB
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.cli import checks
from amzigo_pipelines.cli import main as command
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.definitions import build_definitions
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.quality.key_checks import check_key_ages
from amzigo_pipelines.resources.control.schema import kek_versions
from amzigo_pipelines.resources.home import Kind
from amzigo_pipelines.resources.keys.kek_status import kek_status
from amzigo_pipelines.resources.keys.keks import KekOutdated, KekPurpose
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.spapi.auth import LwaCredentials
from amzigo_pipelines.retention.sweep import sweep
from amzigo_pipelines.retention.time_check import DatabaseOutdated

HERE = Path(__file__).parent
Amzigo = Callable[..., tuple[int, str, str]]


@pytest.fixture
def amzigo(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Amzigo:
    """Call the command line on this test's home; gives exit code, stdout, stderr."""
    monkeypatch.setenv("AMZIGO_HOME", str(platform.home.path))
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr("sys.argv", ["amzigo", *arguments])
        code: object = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                command.main()
            except SystemExit as exit_:
                code = exit_.code
        return code if isinstance(code, int) else 0, out.getvalue(), err.getvalue()

    return call


def age(platform: Platform, days: int) -> None:
    """Make every KEK so many days old."""
    with platform.control.transaction() as connection:
        connection.execute(kek_versions.update().values(created_at=NOW - timedelta(days=days)))


def test_list_shows_every_purpose_and_no_key(
    platform: Platform, amzigo: Amzigo, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_ids(platform)
    age(platform, 300)
    monkeypatch.setenv("AMZIGO_ROLE", "analyst")
    code, out, _ = amzigo("keys", "list", "--json")
    records = {record["purpose"]: record for record in json.loads(out)}
    assert code == 0 and set(records) == set(KekPurpose)
    assert {name: record["keys under it"] for name, record in records.items()} == {
        "pii": 1,
        "pseudonym": 1,
        "business": 1,
        "mart": 1,
        "secret": 4,
        "hold": 0,
    }
    assert records["pii"]["version"] == 1 and records["pii"]["trouble"] is None
    assert [name for name, record in records.items() if record["yours to open"]] == ["business", "mart"]
    for file in platform.home.kek_dir.glob("*.key"):
        assert file.read_text().strip() not in out
    assert amzigo("keys", "list")[0] == 0


def test_rotate_wraps_anew_touches_no_file_and_tells_how_it_goes(platform: Platform, amzigo: Amzigo) -> None:
    write_orders(platform, TODAY, [DIES])
    ids = key_ids(platform)
    files = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in platform.home.lake_dir.rglob("*.parquet")}
    before = order_ids(platform)
    code, out, _ = amzigo("keys", "rotate")
    assert code == 0 and "1 of 6: pii keys are under version 2: 1 wrapped anew; destroyed version 1" in out
    assert out.count("destroyed version 1") == 6
    assert files == {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in files} and files
    again = open_platform(platform.home.path)
    assert [again.keys.open(key_id).key_id for key_id in ids.values()] == list(ids.values())
    assert order_ids(again) == before and again.sellers.refresh_tokens(SELLER)
    assert len(again.audit.read(action="rotate_kek")) == 6 and again.audit.verify()
    code, out, err = amzigo("keys", "rotate", "business", "--json")
    (record,) = json.loads(out)
    assert (record["version"], record["destroyed_versions"]) == (3, [2]) and "1 of 1: business" in err


def test_wrong_use_is_refused(amzigo: Amzigo, monkeypatch: pytest.MonkeyPatch) -> None:
    assert amzigo("keys", "rotate", "gold")[0] == 2
    monkeypatch.setenv("AMZIGO_ROLE", "engineer")
    code, out, err = amzigo("keys", "rotate", "business", "pii")
    assert code == 1 and not out and err.startswith("amzigo: the role engineer may not open what is protected by pii")


def test_a_rotation_killed_at_any_step_loses_no_key_and_the_next_one_tidies_up(
    platform: Platform, tmp_path: Path
) -> None:
    """Kill -9 in the middle of `keys rotate` of all purposes: 5 steps each (created ... noted)."""
    ids = key_ids(platform)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent.parent), str(HERE)])}
    for killed_at in (0, 1, 2, 3, 4, 8, 12):
        home = tmp_path / f"killed-{killed_at}"
        shutil.copytree(platform.home.path, home)
        child = [sys.executable, str(HERE / "key_child.py"), str(home), str(killed_at)]
        done = subprocess.run(child, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == -9, done.stderr
        left = open_platform(home)
        assert [left.keys.open(key_id).key_id for key_id in ids.values()] == list(ids.values())
        assert left.sellers.refresh_tokens(SELLER)
        for purpose in KekPurpose:
            left.keys.rotate(purpose)
        assert [left.keys.open(key_id).key_id for key_id in ids.values()] == list(ids.values())
        assert [status.trouble for status in kek_status(left)] == [""] * len(KekPurpose)
        assert all(len(left.keks.versions(purpose)) == 1 for purpose in KekPurpose)


def test_an_old_control_database_revives_nothing_and_says_what_is_wrong(platform: Platform, tmp_path: Path) -> None:
    """Copy the database, sweep, put the copy back: the classic way to bring dead keys back."""
    write_orders(platform, TODAY, [TODAY + timedelta(days=1), DIES])
    dead = platform.keys.key_for(SELLER, "pii", TODAY + timedelta(days=1)).key_id
    living = platform.keys.key_for(SELLER, "pii", DIES).key_id
    lake = tmp_path / "lake"
    shutil.copytree(platform.home.lake_dir, lake)
    copy_database(platform, tmp_path / "old.db")
    assert isinstance(platform.clock, VirtualClock)
    platform.clock.set(NOW + timedelta(days=1))
    sweep(platform, as_of=TODAY + timedelta(days=1))
    platform.keys.open(living)

    put_database(platform, tmp_path / "old.db")
    shutil.copytree(lake, platform.home.lake_dir, dirs_exist_ok=True)
    # Even with the clock set back to the day on which the key still lived.
    old = open_platform(platform.home.path, NOW)
    for key_id in (dead, living):
        with pytest.raises(KekOutdated, match="version 2 took its place: this control database is a copy from before"):
            old.keys.open(key_id)
    with pytest.raises(KekOutdated):
        old.lake.read_pii(ORDERS, SELLER, purpose="attack", actor="attacker")
    with pytest.raises(KekOutdated):
        old.keys.key_for(SELLER, "pii", DIES + timedelta(days=1))
    with pytest.raises(KekOutdated):
        old.keys.rotate("pii")
    (trouble,) = (status.trouble for status in kek_status(old) if status.purpose == "pii")
    assert trouble.startswith("the control database is older than the keys: it names version 1, the folder holds")
    assert not check_key_ages(old).passed
    with pytest.raises(AmzigoError, match="the control database is older than the keys"):
        checks._key_ages(old)
    # Nor does a sweep begin under the old database.
    old_tomorrow = open_platform(platform.home.path, NOW + timedelta(days=1))
    with pytest.raises(DatabaseOutdated, match="is a copy from before 2026"):
        sweep(old_tomorrow, as_of=TODAY + timedelta(days=1))


@pytest.mark.parametrize(
    ("days", "passed", "severity", "text"),
    [
        (0, True, "WARN", "young enough"),
        (334, True, "WARN", "young enough"),
        (335, False, "WARN", "335 days old"),
        (364, False, "WARN", "364 days old"),
        (365, False, "ERROR", "365 days old"),
    ],
)
def test_key_ages_are_checked(platform: Platform, days: int, passed: bool, severity: str, text: str) -> None:
    age(platform, days)
    result = check_key_ages(platform)
    assert (result.passed, result.severity) == (passed, dg.AssetCheckSeverity[severity])
    assert result.description is not None and text in result.description
    if passed:
        assert f"{days} days old" in checks._key_ages(platform)
    else:
        with pytest.raises(AmzigoError, match="amzigo keys rotate"):
            checks._key_ages(platform)


@pytest.mark.parametrize(
    ("days", "passed", "severity"), [(149, True, "WARN"), (150, False, "WARN"), (180, False, "ERROR")]
)
def test_the_client_secrets_age_is_checked(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, days: int, passed: bool, severity: str
) -> None:
    monkeypatch.setenv("AMZIGO_LWA_CLIENT_ID", "id")
    monkeypatch.setenv("AMZIGO_LWA_CLIENT_SECRET", "secret")
    production = Platform(replace(platform.home, kind=Kind.PRODUCTION, endpoint=""), platform.clock)
    production.client_secrets.note_rotated(LwaCredentials("id", "secret"), NOW - timedelta(days=days))
    age(platform, 0)
    result = check_key_ages(production)
    assert (result.passed, result.severity) == (passed, dg.AssetCheckSeverity[severity])
    assert (f"client secret: {days} days old, 180 at most" in str(result.description)) is not passed


def test_the_check_runs_every_day(platform: Platform) -> None:
    job = build_definitions(platform).resolve_job_def(CHECKS_JOB)
    for days, passed in ((0, True), (400, False)):
        age(platform, days)
        with dg.instance_for_test() as instance:
            result = job.execute_in_process(instance=instance, raise_on_error=False)
            found = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
        assert found["key_ages"] is passed


def test_a_purpose_without_a_key_and_a_lost_file_fail_the_check(platform: Platform) -> None:
    (platform.home.kek_dir / "hold-000001.key").unlink()
    result = check_key_ages(platform)
    assert not result.passed and "hold: version 1 is missing from the folder" in str(result.description)
    with platform.control.transaction() as connection:
        connection.execute(sa.delete(kek_versions).where(kek_versions.c.purpose == "hold"))
    result = check_key_ages(platform)
    assert not result.passed and "hold: there is no key-encryption key" in str(result.description)


def test_a_stray_of_a_cut_short_rotation_is_told(platform: Platform) -> None:
    platform.keks.create("pii", above=1)
    (trouble,) = (status.trouble for status in kek_status(platform) if status.purpose == "pii")
    assert "another version, 2, is there" in trouble
    platform.keys.rotate("pii")
    assert [status.trouble for status in kek_status(platform)] == [""] * len(KekPurpose)


def test_the_sample_has_every_class() -> None:
    assert set(CLASSES) | {"secret", "hold"} == set(KekPurpose)
