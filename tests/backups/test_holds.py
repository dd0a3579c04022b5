"""Vaults of legal holds in backups: they outlive a lost disk, and never their hold."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from backup_kit import DAYS, DIES, MARK, NOW, OTHER, SELLER, TODAY, back_up, open_platform, take_keys, write_day

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.archive import ArchiveDamaged
from amzigo_pipelines.resources.control.schema import backups
from amzigo_pipelines.resources.keys.backup_keys import BackupPart, hold_owner
from amzigo_pipelines.resources.keys.roles import RoleRefused
from amzigo_pipelines.resources.keys.store import KeyClass, KeyDead
from amzigo_pipelines.resources.lake.tombstones import ensure_hash_key
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention import holds
from amzigo_pipelines.retention.backups import BackupError, newest_backup
from amzigo_pipelines.retention.certificates import verify_chain
from amzigo_pipelines.retention.drill import DrillFailed, run_drill
from amzigo_pipelines.retention.hold_ending import end_holds, release
from amzigo_pipelines.retention.holds import ENDED, Hold, HoldTerms
from amzigo_pipelines.retention.restore import RestoreReport, restore
from amzigo_pipelines.retention.subjects import seller_subject
from amzigo_pipelines.retention.sweep import sweep

END = TODAY + timedelta(days=20)
OWNER = hold_owner(1)


@pytest.fixture
def hold(platform: Platform) -> Hold:
    """All of a seller's orders are held."""
    ensure_hash_key(platform.control, platform.keys, platform.home.lock_dir)
    terms = HoldTerms("case 7", "a court", END, ["orders"])
    return holds.add(platform, seller_subject(platform, SELLER), terms, actor="tester")


def held(platform: Platform, hold_id: str = "H000001") -> dict[tuple[str, date], dict[str, Any]]:
    """What is in a vault, row by row."""
    found: dict[tuple[str, date], dict[str, Any]] = {}
    for _, table in holds.read(platform, hold_id, purpose="the court asked", actor="tester"):
        for row in table.to_pylist():
            found.setdefault((row["order_id"], row["day"]), {}).update(row)
    return found


def restored(
    platform: Platform, archive: Path, to: Path, now: VirtualClock | None = None
) -> tuple[Platform, RestoreReport]:
    clock = now or VirtualClock(NOW)
    take_keys(platform, to / "kek")
    report = restore(archive, to, clock)
    return open_platform(to, clock.now()), report


def test_a_vault_comes_back_whole_and_for_privacy_alone(
    platform: Platform, hold: Hold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = held(platform)
    assert len(before) == 9 and any(MARK in str(row) for row in before.values())
    made = back_up(platform, tmp_path / "backups")
    assert made.holds[OWNER].files == 9 and made.holds_left_out == ()
    # The file shows nobody, and the key of its part is neither in it nor in the database.
    raw = Path(made.place).read_bytes()
    assert MARK.encode() not in raw and platform.keys.open(hold.key_id).secret not in raw
    monkeypatch.setenv("AMZIGO_ROLE", "engineer")
    with pytest.raises(RoleRefused, match="protected by hold keys"):
        open_platform(platform.home.path).backup_keys.open(BackupPart(OWNER, END, made.backup_id))
    monkeypatch.delenv("AMZIGO_ROLE")
    new, report = restored(platform, Path(made.place), tmp_path / "new")
    assert report.holds == made.holds and report.holds_without_vault == []
    assert held(new) == before
    # It has the date that it always had, and goes on holding.
    (key,) = [k for k in new.keys.alive(SELLER) if k.key_class is KeyClass.HOLD]
    assert (key.key_id, key.expires_on) == (hold.key_id, END)
    write_day(new, SELLER, DAYS[0], "again")
    holds.secure(new, [SELLER])
    assert len(held(new)) == 12
    assert run_drill(platform, "tester").amount == made.total


def test_the_end_of_a_hold_is_the_end_of_its_part_of_every_backup(
    platform: Platform, hold: Hold, tmp_path: Path
) -> None:
    made = back_up(platform, tmp_path / "backups")
    stolen = {path.name: path.read_bytes() for path in platform.home.kek_dir.glob("backup-hold*")}
    assert len(stolen) == 1
    release(platform, hold.hold_id, reason="closed", actor="tester")
    assert not list(platform.home.kek_dir.glob("backup-hold*.key"))
    new, report = restored(platform, Path(made.place), tmp_path / "new")
    assert (report.holds, report.dead_holds) == ({}, [OWNER])
    assert not list(new.home.vault_dir.rglob("*.parquet"))
    # The restored books still took it for being in force: it is over, and the next run certifies that.
    assert holds.active(new) == []
    (ended,) = end_holds(new, actor="tester")
    assert holds.get(new, ended.hold.hold_id).state == ENDED
    assert verify_chain(new)[-1].body["sellers"][0]["ended"] == "released"
    with pytest.raises(KeyDead):
        new.keys.open(hold.key_id)
    # Everything else of the backup is as good as before.
    assert report.total == made.total
    assert run_drill(platform, "tester").amount == made.total


def test_on_its_last_day_a_holds_part_is_dead_though_nothing_ran_and_the_backup_lives_on(
    platform: Platform, hold: Hold, tmp_path: Path
) -> None:
    made = back_up(platform, tmp_path / "backups")
    assert made.expires_on > END
    over = VirtualClock(NOW + timedelta(days=20))
    new, report = restored(platform, Path(made.place), tmp_path / "new", over)
    assert report.dead_holds == [OWNER] and not list(new.home.vault_dir.rglob("*.parquet"))
    (ended,) = end_holds(new, actor="tester")
    assert ended.rows == 0 and verify_chain(new)[-1].body["sellers"][0]["ended"] == "expired"
    # Nor does a name with a later date, or a header that says one, revive it: the part authenticates both.
    later = open_platform(platform.home.path, over.now())
    (key_file,) = platform.home.kek_dir.glob("backup-hold*.key")
    key_file.rename(key_file.with_name(key_file.name.replace(str(END), str(END + timedelta(days=9)))))
    raw = Path(made.place).read_bytes().replace(str(END).encode(), str(END + timedelta(days=9)).encode(), 1)
    (tmp_path / "forged.backup").write_bytes(raw)
    with pytest.raises(ArchiveDamaged):
        restored(later, tmp_path / "forged.backup", tmp_path / "forged", over)


def test_a_hold_of_which_the_backup_has_nothing_goes_on_and_that_is_told(
    platform: Platform, hold: Hold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engineer makes a backup, and may not open a vault."""
    monkeypatch.setenv("AMZIGO_ROLE", "engineer")
    made = back_up(open_platform(platform.home.path), tmp_path / "backups")
    monkeypatch.delenv("AMZIGO_ROLE")
    assert (made.holds, made.holds_left_out) == ({}, (hold.hold_id,))
    new, report = restored(platform, Path(made.place), tmp_path / "new")
    assert report.holds_without_vault == [hold.hold_id]
    (again,) = holds.active(new)
    assert again.key_id != hold.key_id and held(new) == {}
    # A sweep is not kept from its work by a hold whose key is gone, and the hold takes what there is from now on.
    write_day(new, SELLER, DAYS[0], "again")
    clock = new.clock
    assert isinstance(clock, VirtualClock)
    clock.set(NOW + timedelta(days=10))
    sweep(new, as_of=DIES)
    found = held(new)
    assert len(found) == 9 and sum(MARK in str(row) for row in found.values()) == 3


def test_a_damaged_vault_is_not_backed_up_as_if_it_were_whole(platform: Platform, hold: Hold, tmp_path: Path) -> None:
    copy = next(platform.home.vault_dir.rglob("*.parquet"))
    whole = copy.read_bytes()
    copy.write_bytes(whole[:-1])
    with pytest.raises(BackupError, match="a copy in the vault of hold 1 is missing or not what was written"):
        back_up(platform, tmp_path / "backups")
    assert list((tmp_path / "backups").iterdir()) == [] and not list(platform.home.kek_dir.glob("backup-*.key"))
    copy.write_bytes(whole)
    back_up(platform, tmp_path / "backups")
    newest = newest_backup(platform)
    assert newest is not None
    detail = json.loads(newest.detail)
    detail["holds"][OWNER]["rows"] += 1
    with platform.control.transaction() as connection:
        connection.execute(backups.update().values(detail=json.dumps(detail)))
    with pytest.raises(DrillFailed, match=f"the vault of {OWNER} came back with other sums"):
        run_drill(platform, "tester")


def test_a_seller_who_left_takes_no_hold_along(platform: Platform, hold: Hold, tmp_path: Path) -> None:
    made = back_up(platform, tmp_path / "backups")
    platform.backup_keys.destroy_owner(SELLER)
    new, report = restored(platform, Path(made.place), tmp_path / "new")
    assert (report.dead_sellers, sorted(report.sellers)) == ([SELLER], [OTHER])
    assert report.holds == made.holds and len(held(new)) == 9
