"""The asset checks: late fails, what is in the way of the next dates warns, what can't be looked at fails."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from retention_kit import DAY, OTHER, SELLER, move, on_disk, write_day

from amzigo_pipelines.automation.retention import CHECKS_JOB
from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.definitions import build_definitions
from amzigo_pipelines.resources.control.schema import data_keys, retention_runs
from amzigo_pipelines.resources.keys.store import KeyDead
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.retention_settings import RetentionSettings
from amzigo_pipelines.retention.checks import CHECK, result_of
from amzigo_pipelines.retention.deadlines import deadlines
from amzigo_pipelines.retention.sweep import sweep

PII = RetentionClass.PII
DEATH = DAY + timedelta(days=20)


def level(result: dg.AssetCheckResult) -> str:
    return "passed" if result.passed else str(result.severity.value)


@pytest.mark.parametrize("retention_class", list(RetentionClass))
def test_every_class_from_long_before_to_after_the_sweep(platform: Platform, retention_class: RetentionClass) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    (key,) = platform.keys.due(retention_class, DAY.replace(year=2030))
    death = key.expires_on

    def look() -> str:
        return level(result_of(platform, retention_class))

    move(platform, death - timedelta(days=6))
    assert look() == "passed"
    # Five days before, and no sweep has ever run.
    move(platform, death - timedelta(days=5))
    assert look() == "WARN"
    assert "but no sweep runs daily (none has ended yet)" in str(result_of(platform, retention_class).description)
    sweep(platform, as_of=death - timedelta(days=5), retention_class=retention_class)
    assert look() == "passed"
    assert result_of(platform, retention_class).metadata["keys_dying_within_five_days"].value == 1
    move(platform, death - timedelta(days=1))
    assert look() == "WARN"
    # Nobody swept: the key store refuses all the same, and the check says what is late.
    move(platform, death)
    with pytest.raises(KeyDead):
        platform.keys.open(key.key_id)
    result = result_of(platform, retention_class)
    assert level(result) == "ERROR"
    files = 1 if retention_class is RetentionClass.PSEUDONYM else 2
    assert f"1 keys and {files} files of seller {SELLER} should be gone since {death}" in str(result.description)
    sweep(platform, as_of=death, retention_class=retention_class)
    assert look() == "passed"


def test_a_sweep_that_was_not_certified_is_late(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    move(platform, DEATH)
    sweep(platform, as_of=DEATH)
    with platform.control.transaction() as connection:
        connection.execute(retention_runs.update().values(state="failed", detail='{"keys":{},"files":[],"before":{}}'))
    assert "was begun and is not certified" in deadlines(platform, PII).sentence


def test_a_file_of_a_dead_key_that_somebody_put_back_is_late(platform: Platform, tmp_path: Path) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    path = platform.home.lake_dir / on_disk(platform)[0]
    shutil.copy(path, tmp_path / "kept")
    move(platform, DEATH)
    sweep(platform, as_of=DEATH)
    assert deadlines(platform, PII).is_kept
    shutil.copy(tmp_path / "kept", path)
    found = deadlines(platform, PII)
    assert not found.is_kept and found.files_overdue == 1
    assert "lies on disk past its date" in found.sentence


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda home: shutil.rmtree(home / "lake"), "could not be listed"),
        (lambda home: (home / "control.db").unlink(), "could not be looked at: the control database .* is missing"),
        (lambda home: (home / "control.db").write_bytes(b"nothing" * 999), "could not be looked at"),
        (lambda home: (home / "installation").write_text("0" * 32), "belongs to another control database"),
    ],
)
def test_what_it_cannot_look_at_fails(platform: Platform, damage: Callable[[Path], object], sentence: str) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    assert result_of(platform, PII).passed
    damage(platform.home.path)
    result = result_of(platform, PII)
    assert level(result) == "ERROR"
    assert re.search(sentence, str(result.description)), result.description


def test_a_clock_that_runs_behind_fails(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    move(platform, DEATH)
    sweep(platform, as_of=DEATH)
    move(platform, DEATH - timedelta(days=1))
    assert "the clock shows" in str(result_of(platform, PII).description)
    assert level(result_of(platform, PII)) == "ERROR"


def test_obstacles_warn_before_the_date(platform: Platform) -> None:
    deaths = [DEATH + timedelta(days=n) for n in range(3)]
    write_day(platform, SELLER, DAY, deaths)
    write_day(platform, OTHER, DAY, [DEATH])
    move(platform, DEATH - timedelta(days=1))
    sweep(platform, as_of=DEATH - timedelta(days=1))
    assert result_of(platform, PII).passed
    strict = replace(platform.home, retention=RetentionSettings(guard_share=0.2, guard_keys=0))
    result = result_of(Platform(strict, platform.clock), PII)
    assert level(result) == "WARN"
    assert f"the guard will stop tomorrow's sweep of seller {OTHER} (1 of 3 keys)" in str(result.description)
    (platform.home.certificate_dir / "public-key.pem").unlink()
    assert "no certificate can be signed" in str(result_of(platform, PII).description)


def test_dagster_runs_them_daily_and_keeps_the_results(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    move(platform, DEATH)
    with dg.instance_for_test() as instance:
        job = build_definitions(platform).resolve_job_def(CHECKS_JOB)
        result = job.execute_in_process(instance=instance)
        assert result.success
        found = {
            (one.asset_key.to_user_string(), one.check_name): one.passed for one in result.get_asset_check_evaluations()
        }
    assert {key: passed for key, passed in found.items() if key[1] == CHECK} == {
        ("pii_retention", CHECK): False,
        ("pseudonym_retention", CHECK): True,
        ("business_retention", CHECK): True,
    }


def test_keys_of_no_seller_are_nobodys_deadline(platform: Platform) -> None:
    result = result_of(platform, PII)
    assert result.passed and result.metadata["sellers"].value == 0
    with platform.control.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(data_keys)).scalar() == 0
