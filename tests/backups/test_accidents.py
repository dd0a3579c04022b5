"""Backups and restores that are killed at every step, or run out of disk: the old state or the new one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from backup_kit import DAYS, NOW, OTHER, SELLER, back_up, content, everything_in, open_platform, take_keys, write_day

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.home import HomeError, load_home
from amzigo_pipelines.resources.keys.keks import KekPurpose
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.backups import newest_backup
from amzigo_pipelines.retention.restore import RestoreRefused, restore

HERE = Path(__file__).parent
CLOCK = VirtualClock(NOW)
BACKUP_STEPS = ["began", "control", "seller", "seller", "written", "renamed", "recorded"]
RESTORE_STEPS = ["prepared", "control", "seller", "seller", "late", "forgotten", "verified", "opened"]


def child(action: str, folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AMZIGO_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parent.parent), str(HERE)])
    command = [sys.executable, str(HERE / "backup_child.py"), action, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_killed_backup_leaves_the_old_backups_or_one_more(platform: Platform, tmp_path: Path) -> None:
    child("kill_backups", tmp_path)
    crashes = sorted(tmp_path.glob("crash-*"))
    assert len(crashes) == len(BACKUP_STEPS) + 1
    for number, crash in enumerate(crashes):
        whole = [name for name in everything_in(crash / "backups") if not name.startswith(".tmp-")]
        assert len(whole) == (1 if number >= BACKUP_STEPS.index("renamed") else 0)
        left = open_platform(crash / "home")
        assert (newest_backup(left) is not None) == (number >= len(BACKUP_STEPS) - 1)
        # The next one is whole, whatever the killed one left.
        made = back_up(left, crash / "backups")
        assert sorted(made.sellers) == [SELLER, OTHER] and newest_backup(left).backup_id == made.backup_id


def test_a_killed_restore_opens_to_nobody_and_is_begun_anew(platform: Platform, tmp_path: Path) -> None:
    made = back_up(platform, tmp_path / "backups")
    shutil.copy(Path(made.place), tmp_path / "one.backup")
    child("kill_restores", tmp_path)
    crashes = sorted(tmp_path.glob("crash-*"))
    assert len(crashes) == len(RESTORE_STEPS) + 1
    for number, crash in enumerate(crashes):
        target = crash / "new"
        if number < RESTORE_STEPS.index("opened"):
            with pytest.raises(HomeError, match="is no Amzigo home yet"):
                load_home(target)
            restore(Path(made.place), target, CLOCK)
        restored = open_platform(target)
        for seller in (SELLER, OTHER):
            assert content(restored, seller) == content(platform, seller)
        assert all(len(restored.keks.versions(purpose)) == 1 for purpose in KekPurpose)
        assert not (target / ".restoring").exists()


def test_a_restore_begun_anew_never_takes_another_database_for_its_own(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed with one AMZIGO_DATABASE_URL, run again with one that names a living database: that is not touched."""
    made = back_up(platform, tmp_path / "backups")
    take_keys(platform, tmp_path / "new" / "kek")

    class Killed(BaseException):
        pass

    def die(name: str) -> None:
        if name == "control":
            raise Killed

    monkeypatch.setenv("AMZIGO_DATABASE_URL", f"sqlite:///{tmp_path / 'first.db'}")
    with monkeypatch.context() as unkilled, pytest.raises(Killed):
        # As a kill would have it: nothing gets to clear up.
        unkilled.setattr("amzigo_pipelines.retention.restore._clear", lambda home: None)
        restore(Path(made.place), tmp_path / "new", CLOCK, on_step=die)
    assert (tmp_path / "new" / ".restoring").exists() and (tmp_path / "first.db").exists()
    living = (platform.home.path / "control.db").read_bytes()
    monkeypatch.setenv("AMZIGO_DATABASE_URL", f"sqlite:///{platform.home.path / 'control.db'}")
    with pytest.raises(RestoreRefused, match="is in use already, and is not overwritten"):
        restore(Path(made.place), tmp_path / "new", CLOCK)
    assert (platform.home.path / "control.db").read_bytes() == living


def test_a_full_disk_is_one_sentence_and_leaves_nothing(platform: Platform, tmp_path: Path) -> None:
    for day in DAYS:
        write_day(platform, SELLER, day, "large" * 20, each=4_000)
    made = back_up(platform, tmp_path / "ready")
    shutil.copy(Path(made.place), tmp_path / "one.backup")
    assert made.bytes > 400_000
    take_keys(platform, tmp_path / "new" / "kek")
    (tmp_path / "backups").mkdir()
    before, keys = everything_in(tmp_path / "new"), everything_in(platform.home.kek_dir)
    said = {name: rest for name, *rest in map(json.loads, child("full", tmp_path).splitlines())}
    assert said["backup"][0] == "BackupPlaceError" and "free space" in said["backup"][1]
    assert everything_in(tmp_path / "backups") == []
    # No key of the failed one is left; that its keys were destroyed is.
    left = [name for name in everything_in(platform.home.kek_dir) if not name.endswith(".gone")]
    assert left == keys
    kind, sentence = said["restore"]
    assert kind in ("RestoreRefused", "ControlError") and "free space" in sentence
    assert everything_in(tmp_path / "new") == before
    assert content(open_platform(platform.home.path), OTHER)["orders/business"]
