"""The restore drill: it restores for real, fails for whatever is wrong, leaves nothing, and is on record."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from backup_kit import MARK, NOW, OTHER, SELLER, back_up, everything_in, open_platform

from amzigo_pipelines.automation.backups import backup_schedule, restore_drill_schedule
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.control.schema import backups
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.backup_assets import backup_assets
from amzigo_pipelines.retention.drill import DrillFailed, last_drill, run_drill


@pytest.fixture
def backed_up(platform: Platform, tmp_path: Path) -> Path:
    return Path(back_up(platform, tmp_path / "backups").place)


def test_a_drill_restores_opens_compares_and_removes(platform: Platform, backed_up: Path) -> None:
    before = everything_in(platform.home.path)
    report = run_drill(platform, "tester")
    assert report.sellers == 2 and report.amount.files == 18 and report.amount.rows == 54
    assert "2 sellers, 18 files, 54 rows" in report.sentence
    assert everything_in(platform.home.path) == before
    last = last_drill(platform)
    assert last is not None and last.has_passed and json.loads(last.detail)["files"] == 18
    assert platform.audit.read(action="restore_drill")[-1].purpose == "restore drill: passed"


def failed(platform: Platform, sentence: str) -> None:
    with pytest.raises(DrillFailed, match=sentence):
        run_drill(platform, "tester")
    last = last_drill(platform)
    assert last is not None and not last.has_passed
    assert not (platform.home.path / "drill").exists()


def test_without_a_backup_it_fails(platform: Platform) -> None:
    failed(platform, "there is no living backup to restore")


def test_a_missing_or_damaged_file_fails(platform: Platform, backed_up: Path) -> None:
    whole = backed_up.read_bytes()
    backed_up.write_bytes(whole[:-1])
    failed(platform, "is cut short")
    backed_up.unlink()
    failed(platform, "can't be read")


def test_other_sums_than_the_ledgers_fail(platform: Platform, backed_up: Path) -> None:
    with platform.control.transaction() as connection:
        detail = json.loads(connection.execute(sa.select(backups.c.detail)).scalar_one())
        detail["sellers"][SELLER]["orders"]["rows"] += 1
        connection.execute(backups.update().values(detail=json.dumps(detail)))
    failed(platform, "the backup's own totals are not those of the ledger; orders of seller A1SELLER came back with")


def test_a_lost_key_fails_and_a_destroyed_one_does_not(platform: Platform, backed_up: Path) -> None:
    platform.backup_keys.destroy_owner(OTHER)
    assert run_drill(platform, "tester").dead_sellers == (OTHER,)
    (lost,) = platform.home.kek_dir.glob(f"backup-{SELLER}-*.key")
    lost.unlink()
    failed(platform, "is missing, and it was not destroyed here")


def test_a_backup_of_which_everything_died_was_not_tried(platform: Platform, backed_up: Path) -> None:
    for seller in (SELLER, OTHER):
        platform.backup_keys.destroy_owner(seller)
    failed(platform, "the backup holds no file, so nothing was tried")


def test_what_has_died_since_is_reckoned_with(platform: Platform, tmp_path: Path) -> None:
    back_up(platform, tmp_path / "backups", keep_days=365)
    assert isinstance(platform.clock, VirtualClock)
    platform.clock.set(NOW + timedelta(days=364))
    assert run_drill(platform, "tester").amount.files == 12


def test_the_assets_run_and_tell_what_they_did(platform: Platform, tmp_path: Path) -> None:
    with platform.home.settings_file.open("a") as file:
        file.write(f'\n[backup]\nfolder = "{tmp_path / "backups"}"\nkeep_days = 20\n')
    (tmp_path / "backups").mkdir()
    configured = open_platform(platform.home.path)
    resources = {"platform": dg.ResourceDefinition.hardcoded_resource(configured)}
    with dg.instance_for_test() as instance:
        result = dg.materialize(backup_assets(), resources=resources, instance=instance)
        facts = {
            event.asset_key.to_user_string(): event.materialization.metadata
            for event in result.get_asset_materialization_events()
        }
    assert facts["backup"]["expires_on"].value == str(NOW.date() + timedelta(days=20))
    assert facts["restore_drill"]["files_opened"].value == 18
    assert MARK not in repr(facts)
    with dg.instance_for_test() as instance, dg.build_schedule_context(instance=instance) as context:
        assert isinstance(backup_schedule(context, platform=configured), dg.RunRequest)
        assert isinstance(restore_drill_schedule(context, platform=configured), dg.RunRequest)
        assert isinstance(backup_schedule(context, platform=platform), dg.SkipReason)
        assert isinstance(restore_drill_schedule(context, platform=platform), dg.SkipReason)


def test_without_a_folder_the_asset_fails_with_a_sentence(platform: Platform) -> None:
    resources = {"platform": dg.ResourceDefinition.hardcoded_resource(platform)}
    with dg.instance_for_test() as instance:
        result = dg.materialize([backup_assets()[0]], resources=resources, instance=instance, raise_on_error=False)
        assert not result.success
        (failure,) = result.get_step_failure_events()
    assert "no folder for backups is set" in str(failure.step_failure_data.user_failure_data.description)
