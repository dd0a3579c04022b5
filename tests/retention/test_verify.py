"""Verification: what it finds, what it can't look at, and that neither is certified."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from retention_kit import DAY, OTHER, SELLER, days, move, on_disk, write_day

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.resources.control.schema import data_keys, lake_files
from amzigo_pipelines.resources.keys.keks import KekStore
from amzigo_pipelines.resources.keys.store import KeyDead
from amzigo_pipelines.resources.lake.files import LakeFile
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.certificates import summaries, verify_chain
from amzigo_pipelines.retention.outlook import status
from amzigo_pipelines.retention.sweep import VerificationFailed, sweep

DEATH = DAY + timedelta(days=20)
LATER = DEATH + timedelta(days=4)


def file_of(platform: Platform, family: RetentionClass, seller: str = SELLER) -> LakeFile:
    return platform.lake.files(ORDERS, seller, families=[family])[0]


def path_of(platform: Platform, family: RetentionClass, seller: str = SELLER) -> Path:
    return platform.home.lake_dir / file_of(platform, family, seller).path


def at(step: str, then: Callable[[], object]) -> Callable[[str], None]:
    def hook(name: str) -> None:
        if name == step:
            then()

    return hook


def test_a_file_that_cannot_be_unlinked(platform: Platform) -> None:
    """Root unlinks whatever it likes, but nobody unlinks a folder: one stands where the file should be."""
    for seller in (SELLER, OTHER):
        write_day(platform, seller, DAY, [DEATH])
    stuck = path_of(platform, RetentionClass.PII)
    stuck.unlink()
    (stuck / "kept").mkdir(parents=True)
    move(platform, DEATH)
    with pytest.raises(VerificationFailed, match=r"could not be unlinked \(Is a directory\)") as caught:
        sweep(platform, as_of=DEATH)
    assert any("is still on disk" in reason for reason in caught.value.reasons)
    # The keys are gone all the same, and the other seller's destruction is certified.
    for record in platform.keys.destroyed():
        with pytest.raises(KeyDead):
            platform.keys.open(record.key_id)
    assert len(platform.keys.destroyed()) == 2
    (first,) = verify_chain(platform)
    assert [seller["seller"] for seller in first.body["sellers"]] == [OTHER]
    stands = {line.seller_id: line for line in status(platform) if line.key_class == "pii"}
    assert (stands[SELLER].unfinished, stands[SELLER].files_overdue) == (1, 1)

    # Still stuck: fails again, certifies nothing.
    with pytest.raises(VerificationFailed):
        sweep(platform, as_of=DEATH)
    assert len(summaries(platform)) == 1

    shutil.rmtree(stuck)
    report = sweep(platform, as_of=DEATH)
    assert (report.seller_ids, report.keys_destroyed, report.files_removed) == ((SELLER,), 1, 2)
    assert len(verify_chain(platform)) == 2
    assert [line for line in status(platform) if line.unfinished or line.files_overdue] == []


def test_something_that_the_lake_did_not_make(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    pii = path_of(platform, RetentionClass.PII)
    copy = pii.with_name("orders copy.parquet")
    shutil.copy(pii, copy)
    move(platform, DEATH)
    with pytest.raises(VerificationFailed, match="nothing that the lake made"):
        sweep(platform, as_of=DEATH)
    assert copy.exists()
    copy.unlink()
    assert sweep(platform, as_of=DEATH).certificate


def test_a_folder_that_cannot_be_listed(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    folder = platform.home.lake_dir / "order_items" / f"seller={SELLER}" / f"day={DAY}"
    move(platform, DEATH)
    hidden = folder.with_name("hidden")

    def hide() -> None:
        # Root lists whatever it likes, but nobody lists a file: one stands where the folder should be.
        folder.rename(hidden)
        folder.write_bytes(b"")

    with pytest.raises(VerificationFailed, match="could not be listed"):
        sweep(platform, as_of=DEATH, on_step=at("files_unlinked", hide))
    folder.unlink()
    hidden.rename(folder)
    assert sweep(platform, as_of=DEATH).certificate


def test_an_empty_folder_where_the_lake_should_be(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    lake, away = platform.home.lake_dir, platform.home.path / "away"
    lake.rename(away)
    lake.mkdir()
    move(platform, DEATH)
    with pytest.raises(VerificationFailed, match="could not be found before the sweep already"):
        sweep(platform, as_of=DEATH)
    lake.rmdir()
    away.rename(lake)
    # The books took the files for gone; they are found on the disk, and go.
    assert sweep(platform, as_of=DEATH).files_removed == 2
    assert on_disk(platform) == []


def test_a_lake_that_is_not_mounted(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    lake, away = platform.home.lake_dir, platform.home.path / "away"
    lake.rename(away)
    move(platform, DEATH)
    with pytest.raises(VerificationFailed, match="is not there"):
        sweep(platform, as_of=DEATH)
    assert len(platform.keys.destroyed()) == 1
    away.rename(lake)
    report = sweep(platform, as_of=DEATH)
    assert on_disk(platform) == []
    assert report.files_removed == 2


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.unlink(), "can't be found any more"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "changed"),
        (lambda path: path.write_bytes(bytes(path.stat().st_size)), "is not, byte for byte, what was written"),
    ],
    ids=["missing", "shorter", "overwritten"],
)
def test_another_family_damaged_by_the_sweep(platform: Platform, damage: Callable[[Path], object], reason: str) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    business = path_of(platform, RetentionClass.BUSINESS)
    move(platform, DEATH)
    with pytest.raises(VerificationFailed, match=reason):
        sweep(platform, as_of=DEATH, on_step=at("files_unlinked", lambda: damage(business)))
    # The next run remembers how it was before.
    with pytest.raises(VerificationFailed, match=reason):
        sweep(platform, as_of=DEATH)
    assert summaries(platform) == []
    # Extracted again, the partition is whole, and the destruction can be certified.
    write_day(platform, SELLER, DAY, [LATER])
    assert "replaced meanwhile" in sweep(platform, as_of=DEATH).verified


def test_another_family_damaged_before_the_sweep(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    path_of(platform, RetentionClass.BUSINESS).unlink()
    move(platform, DEATH)
    with pytest.raises(VerificationFailed, match="before the sweep already"):
        sweep(platform, as_of=DEATH)
    assert on_disk(platform) == []


def test_another_familys_key_destroyed(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    business = file_of(platform, RetentionClass.BUSINESS)
    move(platform, DEATH)
    with pytest.raises(VerificationFailed, match="its own key is gone"):
        sweep(platform, as_of=DEATH, on_step=at("files_unlinked", lambda: platform.keys.destroy([business.key_id])))


def test_another_familys_file_destroyed_in_the_books(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    business = file_of(platform, RetentionClass.BUSINESS)
    move(platform, DEATH)
    with pytest.raises(VerificationFailed, match="destroyed before its date"):
        sweep(platform, as_of=DEATH, on_step=at("files_unlinked", lambda: platform.lake.destroy_files([business])))


def test_rows_that_are_not_what_the_books_say(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    with platform.control.transaction() as connection:
        connection.execute(lake_files.update().where(lake_files.c.family == "business").values(rows=99))
    move(platform, DEATH)
    with pytest.raises(VerificationFailed, match="has 3 rows where 99 were written"):
        sweep(platform, as_of=DEATH)


def test_a_key_that_came_back(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    (dying,) = platform.keys.due("pii", DEATH)
    these = data_keys.c.key_id == dying.key_id
    with platform.control.read() as connection:
        row = connection.execute(sa.select(data_keys).where(these)).one()._asdict()

    def revive() -> None:
        with platform.control.transaction() as connection:
            connection.execute(data_keys.update().where(these).values(wrapped=row["wrapped"], destroyed_at=None))

    move(platform, DEATH)
    with pytest.raises(VerificationFailed) as caught:
        sweep(platform, as_of=DEATH, on_step=at("files_unlinked", revive))
    assert any("still has 1 keys" in reason for reason in caught.value.reasons)
    assert any("no tombstone without a wrapping" in reason for reason in caught.value.reasons)
    assert sweep(platform, as_of=DEATH).keys_destroyed == 1


def test_an_old_kek_that_stays(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    move(platform, DEATH)
    with monkeypatch.context() as patched:
        patched.setattr(KekStore, "destroy", lambda self, purpose, version: False)
        with pytest.raises(VerificationFailed, match="old versions 1 of the pii key-encryption key are still there"):
            sweep(platform, as_of=DEATH)
    assert summaries(platform) == []
    assert sweep(platform, as_of=DEATH).certificate
    assert len(platform.keks.versions("pii")) == 1


def test_a_survivors_date_moved_in_the_database(platform: Platform) -> None:
    """The attack: give the dying key a later date. Its files keep theirs, so the key is due all the same."""
    write_day(platform, SELLER, DAY, [DEATH])
    (dying,) = platform.keys.due("pii", DEATH)
    with platform.control.transaction() as connection:
        connection.execute(data_keys.update().where(data_keys.c.key_id == dying.key_id).values(expires_on=LATER))
    move(platform, DEATH)
    report = sweep(platform, as_of=DEATH)
    assert (report.keys_destroyed, report.files_removed) == (1, 2)
    assert on_disk(platform) == []


def test_a_tampered_survivor_keeps_the_old_kek_and_is_named(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, days(DEATH, 2))
    (_, survivor) = platform.keys.due("pii", LATER)
    these = data_keys.c.key_id == survivor.key_id
    with platform.control.transaction() as connection:
        connection.execute(data_keys.update().where(these).values(wrapped=os.urandom(60)))
    move(platform, DEATH)
    with pytest.raises(VerificationFailed, match=f"could not be exchanged \\(key {survivor.key_id} does not match"):
        sweep(platform, as_of=DEATH)
    assert len(on_disk(platform)) == 2
    platform.keys.destroy([survivor.key_id])
    assert sweep(platform, as_of=DEATH).certificate


def test_a_row_with_a_foreign_path_unlinks_nothing(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    victim = platform.home.path / "amzigo.toml"
    pii = file_of(platform, RetentionClass.PII)
    with platform.control.transaction() as connection:
        connection.execute(lake_files.update().where(lake_files.c.path == pii.path).values(path="../amzigo.toml"))
    move(platform, DEATH)
    with pytest.raises(VerificationFailed, match="was changed"):
        sweep(platform, as_of=DEATH)
    assert victim.exists()
    # The real file is found by its name.
    assert on_disk(platform) == []
