"""Attacks on the dates of death, and accidents: each leaves the data dead, or is told. Crashes: `test_crashes.py`."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from retention_kit import DAY, SELLER, days, move, on_disk, open_platform, pii_count, write_day

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.schema import data_keys, high_water, lake_files, retention_runs
from amzigo_pipelines.resources.keys.keks import KekMissing
from amzigo_pipelines.resources.keys.store import KeyDead, KeyTampered
from amzigo_pipelines.resources.lake.files import LakeDamaged
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.certificates import summaries
from amzigo_pipelines.retention.deadlines import deadlines
from amzigo_pipelines.retention.sweep import VerificationFailed, sweep
from amzigo_pipelines.retention.time_check import ClockBehind, DatabaseOutdated

PII = RetentionClass.PII
DEATH = DAY + timedelta(days=20)
LATER = DEATH + timedelta(days=5)


def the_key(platform: Platform) -> str:
    return platform.keys.due("pii", DEATH)[0].key_id


def test_moving_a_keys_date_opens_nothing_and_does_not_save_it(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    key_id = the_key(platform)
    with platform.control.transaction() as connection:
        connection.execute(data_keys.update().where(data_keys.c.key_id == key_id).values(expires_on=LATER))
    with pytest.raises(KeyTampered):
        platform.keys.open(key_id)
    with pytest.raises(KeyTampered):
        pii_count(platform, SELLER)
    move(platform, DEATH)
    assert not deadlines(platform, PII).is_kept
    # The file's own date stands in its name, which its encryption authenticates.
    assert sweep(platform, as_of=DEATH).keys_destroyed == 1
    assert on_disk(platform) == []


def test_moving_the_dates_of_key_and_file_opens_nothing_either(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    key_id = the_key(platform)
    with platform.control.transaction() as connection:
        connection.execute(data_keys.update().where(data_keys.c.key_id == key_id).values(expires_on=LATER))
        connection.execute(lake_files.update().where(lake_files.c.key_id == key_id).values(expires_on=LATER))
    with pytest.raises(AmzigoError):
        pii_count(platform, SELLER)
    # And on the true date it shows: the name of the file tells it.
    move(platform, DEATH)
    assert "lies on disk past its date" in deadlines(platform, PII).sentence


def test_two_files_swapped_open_neither(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH, LATER])
    first, second = (platform.home.lake_dir / path for path in on_disk(platform) if path.startswith("orders/"))
    content = first.read_bytes(), second.read_bytes()
    first.write_bytes(content[1])
    second.write_bytes(content[0])
    with pytest.raises(LakeDamaged):
        pii_count(platform, SELLER)
    move(platform, DEATH)
    sweep(platform, as_of=DEATH)
    assert not [path for path in on_disk(platform) if str(DEATH) in path]


def test_an_old_file_put_back_after_the_sweep_is_dead_and_found(platform: Platform, tmp_path: Path) -> None:
    write_day(platform, SELLER, DAY, [DEATH, LATER])
    old = tmp_path / "lake"
    shutil.copytree(platform.home.lake_dir, old)
    move(platform, DEATH)
    sweep(platform, as_of=DEATH)
    shutil.copytree(old, platform.home.lake_dir, dirs_exist_ok=True)
    assert pii_count(platform, SELLER) == 3
    found = deadlines(platform, PII)
    assert found.files_overdue == 2 and not found.is_kept
    # The next day's sweep of the seller takes it along.
    move(platform, LATER)
    sweep(platform, as_of=LATER)
    assert on_disk(platform) == [] and deadlines(platform, PII).is_kept


def test_an_old_file_in_the_place_of_a_newer_version_does_not_open(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [LATER], tag="old")
    path = platform.home.lake_dir / on_disk(platform)[0]
    old = path.read_bytes()
    write_day(platform, SELLER, DAY, [LATER], tag="new")
    newer = platform.home.lake_dir / on_disk(platform)[0]
    assert newer.parent == path.parent and newer != path
    newer.write_bytes(old)
    with pytest.raises(LakeDamaged):
        for dataset in ("orders", "order_items"):
            platform.lake.read_pii(DATASETS[dataset], SELLER, purpose="attack", actor="attacker")


def test_an_old_control_database_revives_nothing_and_no_sweep_begins(platform: Platform, tmp_path: Path) -> None:
    write_day(platform, SELLER, DAY, [DEATH, LATER])
    key_id = the_key(platform)
    database = platform.home.path / "control.db"
    shutil.copy(database, tmp_path / "old.db")
    shutil.copytree(platform.home.lake_dir, tmp_path / "lake")
    move(platform, DEATH)
    sweep(platform, as_of=DEATH)
    shutil.copy(tmp_path / "old.db", database)
    shutil.copytree(tmp_path / "lake", platform.home.lake_dir, dirs_exist_ok=True)
    # Under the true clock and under one set back to when the data lived.
    for day in (DEATH, DAY):
        thief = open_platform(platform.home.path, day)
        with pytest.raises(KeyDead if day == DEATH else KekMissing):
            thief.keys.open(key_id)
        with pytest.raises(AmzigoError):
            pii_count(thief, SELLER)
        with pytest.raises(DatabaseOutdated, match=f"copy from before {DEATH}: certificate 000001-{DEATH}.json"):
            sweep(thief, as_of=day)
        assert "copy from before" in deadlines(thief, PII).sentence


def test_extracting_an_old_window_again_brings_nothing_back(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH, LATER])
    move(platform, DEATH)
    sweep(platform, as_of=DEATH)
    write_day(platform, SELLER, DAY, [DEATH, LATER])
    assert pii_count(platform, SELLER) == 3
    assert not [path for path in on_disk(platform) if str(DEATH) in path]
    (partition, *_) = platform.lake.partitions(SELLER, "orders")
    assert (partition.rows, partition.pii_rows, partition.pii_rows_dropped) == (6, 3, 3)
    # Nor under a clock that was set back: the key store knows what day it has been.
    move(platform, DAY)
    with pytest.raises(KeyDead, match=f"is dead since {DEATH}"):
        write_day(platform, SELLER, DAY, [DEATH, LATER])
    assert deadlines(platform, PII).unseen


@pytest.mark.parametrize("evidence", ["mark", "ledger", "certificate"])
def test_a_clock_set_back_is_refused_on_any_evidence(platform: Platform, evidence: str) -> None:
    write_day(platform, SELLER, DAY, days(DEATH, 2))
    alive = platform.keys.due("pii", LATER)[-1].key_id
    move(platform, DEATH)
    sweep(platform, as_of=DEATH)
    with platform.control.transaction() as connection:
        if evidence != "mark":
            connection.execute(high_water.delete())
        if evidence != "ledger":
            connection.execute(retention_runs.delete())
    if evidence != "certificate":
        next(platform.home.certificate_dir.glob("*.json")).unlink()
    move(platform, DEATH - timedelta(days=1))
    with pytest.raises(ClockBehind, match=f"the clock shows {DEATH - timedelta(days=1)}, but retention ran on {DEATH}"):
        sweep(platform, as_of=DEATH - timedelta(days=1))
    platform.keys.open(alive)


def test_a_dead_key_stays_dead_under_a_clock_set_back_though_its_sweep_failed(platform: Platform) -> None:
    """Retention ran that day, for another class: whatever was due by then is dead for good."""
    write_day(platform, SELLER, DAY, [DEATH])
    key_id = the_key(platform)
    move(platform, DEATH)
    sweep(platform, as_of=DEATH, retention_class=RetentionClass.BUSINESS)
    move(platform, DAY)
    with pytest.raises(KeyDead):
        platform.keys.open(key_id)
    assert platform.keys.open_living([key_id]) == {}
    assert pii_count(platform, SELLER) == 0


def test_a_file_that_is_gone_already_is_as_good_as_unlinked(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    for path in on_disk(platform):
        (platform.home.lake_dir / path).unlink()
    move(platform, DEATH)
    assert sweep(platform, as_of=DEATH).files_removed == 2


@pytest.mark.parametrize("reason", ["Read-only file system", "Text file busy", "Operation not permitted"])
def test_a_disk_that_refuses_deletes(platform: Platform, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    """A file that is locked, or a disk that deletes nothing: unreadable all the same, told, and not certified."""
    write_day(platform, SELLER, DAY, [DEATH])
    key_id = the_key(platform)
    move(platform, DEATH)
    monkeypatch.setattr(
        "amzigo_pipelines.resources.durability._unlink", lambda path: reason if "/pii-" in path else None
    )
    with pytest.raises(VerificationFailed, match=reason):
        sweep(platform, as_of=DEATH)
    assert len(on_disk(platform)) == 2 and summaries(platform) == []
    with pytest.raises(KeyDead):
        platform.keys.open(key_id)
    assert not deadlines(platform, PII).is_kept
    monkeypatch.undo()
    assert sweep(platform, as_of=DEATH).files_removed == 2
    assert deadlines(platform, PII).is_kept


def test_a_folder_in_a_files_place_can_not_be_unlinked_and_is_told(platform: Platform) -> None:
    """Really refused by the disk, whoever runs this: a folder is not unlinked."""
    write_day(platform, SELLER, DAY, [DEATH])
    path = platform.home.lake_dir / on_disk(platform)[0]
    path.unlink()
    path.mkdir()
    move(platform, DEATH)
    with pytest.raises(VerificationFailed, match=f"{path.name} could not be unlinked"):
        sweep(platform, as_of=DEATH)
    assert summaries(platform) == [] and not deadlines(platform, PII).is_kept
    path.rmdir()
    assert sweep(platform, as_of=DEATH).files_removed == 2


def test_a_file_that_is_locked_by_the_disk_itself(platform: Platform) -> None:
    """The immutable flag, where whoever runs this may set it: not even root unlinks such a file."""
    write_day(platform, SELLER, DAY, [DEATH])
    key_id, path = the_key(platform), platform.home.lake_dir / on_disk(platform)[0]
    lock = shutil.which("chattr")
    if lock is None or subprocess.run([lock, "+i", path], capture_output=True, check=False).returncode:
        pytest.skip("the immutable flag can't be set here; the other tests of this file refuse in other ways")
    try:
        move(platform, DEATH)
        with pytest.raises(VerificationFailed, match="Operation not permitted"):
            sweep(platform, as_of=DEATH)
        assert len(on_disk(platform)) == 1 and summaries(platform) == []
        with pytest.raises(KeyDead):
            platform.keys.open(key_id)
    finally:
        subprocess.run([lock, "-i", path], check=True)
    assert sweep(platform, as_of=DEATH).files_removed == 2
    assert on_disk(platform) == [] and deadlines(platform, PII).is_kept
