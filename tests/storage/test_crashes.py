"""kill -9 at each step of a write and of a rotation; full and read-only disks; two processes at once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from storage_kit import DAY, MARK, ORDERS, SELLER, Store, make_store, marks, open_store, orders

from amzigo_pipelines.resources.keys.store import KeyDead
from amzigo_pipelines.resources.lake.store import PartitionBusy

# Six files: of orders business, pseudonym and PII of two dates; of items business and PII of one.
STEPS = [
    "locked",
    *["appended"] * 2,
    *["written"] * 6,
    *["renamed"] * 6,
    "synced",
    "recorded",
    "committed",
    *["unlinked"] * 6,
    "done",
]
COMMITTED = STEPS.index("committed")
ROTATION = ["created", "rewrapped", "committed", "destroyed", "noted"]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, child) -> Path:
    """Homes in which a write (or a rotation) of new rows over old ones was killed, one for each step."""
    folder = tmp_path_factory.mktemp("killed")
    make_store(folder / "writes" / "template").write("old")
    shutil.copytree(folder / "writes" / "template", folder / "rotations" / "template")
    result = child("crash_all", folder)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def killed_writes(killed: Path) -> Path:
    return killed / "writes"


@pytest.fixture(scope="module")
def killed_rotations(killed: Path) -> Path:
    return killed / "rotations"


@pytest.fixture(scope="module")
def bad_disks(tmp_path_factory: pytest.TempPathFactory, child) -> tuple[Path, dict[str, list[str]]]:
    """Homes whose disks are full and read-only, and for each attempt to write there the error's kind and sentence."""
    folder = tmp_path_factory.mktemp("bad-disks")
    make_store(folder / "full").write("old")
    shutil.copytree(folder / "full", folder / "read-only")
    result = child("bad_disks", folder)
    assert result.returncode == 0, result.stderr
    assert MARK not in result.stdout + result.stderr
    return folder, {name: said for name, *said in map(json.loads, result.stdout.splitlines())}


def test_the_steps_are_those_that_are_killed(tmp_path: Path) -> None:
    seen: list[str] = []
    make_store(tmp_path / "home").write("old")
    open_store(tmp_path / "home", on_step=seen.append).write("new")
    assert seen == STEPS


@pytest.mark.parametrize("number", range(len(STEPS)), ids=[f"{n:02}-{step}" for n, step in enumerate(STEPS)])
def test_a_killed_write_leaves_the_old_partition_or_the_new_one(killed_writes: Path, number: int) -> None:
    home = killed_writes / f"crash-{number:03}"
    store = open_store(home)
    expected = "old" if number < COMMITTED else "new"
    assert store.tags() == ({expected}, {expected})
    assert store.pii_names() == [f"{MARK} {expected} {n}" for n in range(4)]
    assert marks(home) == []
    assert store.lake.verify(store.lake.files()) == {}

    report = store.lake.sweep()
    assert (report.missing, report.busy, report.failed, report.foreign) == ((), (), (), ())
    assert store.on_disk() == store.current()
    again = store.lake.sweep()
    assert (again.temporary, again.unreferenced) == ((), ())
    assert store.lake.files(state="garbage") == []
    assert store.tags() == ({expected}, {expected})

    store.write("next")
    assert store.tags() == ({"next"}, {"next"})


def test_a_write_killed_nowhere_is_the_last_one(killed_writes: Path) -> None:
    assert len(list(killed_writes.glob("crash-*"))) == len(STEPS) + 1


@pytest.mark.parametrize("number", range(len(ROTATION)), ids=ROTATION)
def test_a_killed_rotation_is_mended_by_the_next(killed_rotations: Path, number: int) -> None:
    store = open_store(killed_rotations / f"crash-{number:03}")
    names = [f"{MARK} old {n}" for n in range(4)]
    assert store.pii_names() == names

    report = store.keys.rotate("pii")
    assert store.keks.versions("pii") == [report.version]
    assert store.pii_names() == names
    assert {key.kek_version for key in store.keys.alive() if key.key_class == "pii"} == {report.version}


def test_all_steps_of_a_rotation_are_killed(killed_rotations: Path) -> None:
    seen: list[str] = []
    open_store(killed_rotations / "template").keys.rotate("pii", seen.append)
    assert seen == ROTATION
    assert len(list(killed_rotations.glob("crash-*"))) == len(ROTATION) + 1


def test_processes_at_once_get_the_same_keys_and_a_rotation_loses_none(store: Store, child) -> None:
    folder = store.home.path
    result = child("race", folder)
    assert result.returncode == 0, result.stderr
    ids = [json.loads((folder / f"ids-{n}.json").read_text()) for n in range(3)]
    assert ids[0] == ids[1] == ids[2]
    assert len(set(ids[0])) == 20
    assert len(store.keys.open_living(ids[0])) == 20
    assert len(store.keks.versions("pii")) == 1


def test_a_second_process_on_the_same_partition_is_refused(store: Store, start_child) -> None:
    with start_child("hold", store.home.path) as holder:
        assert holder.stdout.readline() == "ready\n"
        with pytest.raises(PartitionBusy, match="orders of seller A1SELLER for 2026-11-20 is being written by another"):
            store.write("mine")
        assert store.lake.sweep().busy == ("orders/seller=A1SELLER/day=2026-11-20",)
        assert any(path.rpartition("/")[2].startswith(".tmp-") for path in store.on_disk())
        holder.kill()
    store.write("mine")
    assert store.tags() == ({"mine"}, {"mine"})
    assert len(store.lake.sweep().temporary) == 4
    assert store.on_disk() == store.current()


def test_the_same_process_can_not_hold_a_partition_twice(store: Store) -> None:
    with store.lake.writer(SELLER, DAY, [ORDERS], {}) as writer:
        writer.append(ORDERS, *orders("first"))
        with pytest.raises(PartitionBusy):
            store.write("second")
    assert store.tags()[0] == {"first"}
    assert list(store.home.lock_dir.iterdir()) == []


def test_an_exception_leaves_the_old_partition_and_no_temporary_file(store: Store) -> None:
    store.write("old")
    before = store.on_disk()
    with pytest.raises(RuntimeError, match="on purpose"), store.lake.writer(SELLER, DAY, [ORDERS], {}) as writer:
        writer.append(ORDERS, *orders("new"))
        raise RuntimeError("on purpose")
    assert writer.committed == []
    assert store.on_disk() == before == store.current()
    assert store.tags() == ({"old"}, {"old"})


def test_keys_destroyed_during_a_write_stop_its_commit(store: Store) -> None:
    with (
        pytest.raises(KeyDead, match="destroyed while its data of 2026-11-20 was being written"),
        store.lake.writer(SELLER, DAY, [ORDERS], {}) as writer,
    ):
        writer.append(ORDERS, *orders("new"))
        store.keys.destroy([key.key_id for key in store.keys.alive(SELLER)])
    assert store.on_disk() == set()
    assert store.lake.partitions(SELLER) == []


def test_a_full_disk_says_so_and_leaves_the_old_state(bad_disks) -> None:
    folder, said = bad_disks
    kind, sentence = said["full lake"]
    assert kind == "LakeWriteError"
    assert "can't be written (File too large): free space" in sentence
    assert "2026-11-20 of seller A1SELLER is as it was" in sentence
    kind, sentence = said["full database"]
    assert kind == "ControlError"
    assert "free space, nothing was changed" in sentence

    store = open_store(folder / "full")
    assert store.tags() == ({"old"}, {"old"})
    # A database that can't even be asked leaves the new files where they are; no row refers to them.
    store.lake.sweep()
    assert store.on_disk() == store.current()
    assert store.tags() == ({"old"}, {"old"})


def test_a_read_only_home_says_so_and_can_still_be_read(bad_disks) -> None:
    folder, said = bad_disks
    assert said["read-only lake"][0] == "LakeWriteError"
    assert "can't be written (Permission denied)" in said["read-only lake"][1]
    assert said["read-only locks"][0] == "LockError"
    assert "free space or mend the folder's permissions" in said["read-only locks"][1]
    assert said["read-only database"][0] == "ControlError"
    assert "written" in said["read-only database"][1]
    store = open_store(folder / "read-only")
    assert store.tags() == ({"old"}, {"old"})
    store.lake.sweep()
    assert store.on_disk() == store.current()
