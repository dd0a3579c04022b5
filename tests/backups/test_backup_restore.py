"""Backups and restores: what is in one, what comes back, and above all what does not."""

from __future__ import annotations

import base64
import shutil
import threading
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from backup_kit import (
    DAYS,
    MARK,
    NOW,
    OTHER,
    SELLER,
    TODAY,
    back_up,
    content,
    everything_in,
    open_platform,
    tags_by_day,
    take_keys,
    write_day,
)

from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.archive import ArchiveDamaged, ArchiveReader
from amzigo_pipelines.resources.backup_places import BackupPlaceError, FolderPlace
from amzigo_pipelines.resources.control.freezes import frozen_sellers
from amzigo_pipelines.resources.control.schema import seller_freezes
from amzigo_pipelines.resources.keys.backup_keys import BackupKeyDead
from amzigo_pipelines.resources.keys.keks import KekError, KekMissing
from amzigo_pipelines.resources.keys.roles import RoleRefused
from amzigo_pipelines.resources.keys.store import KeyClass, KeyDead
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.assets import retention_assets
from amzigo_pipelines.retention.backups import BackupError, make_backup, newest_backup
from amzigo_pipelines.retention.certificates import verify_chain
from amzigo_pipelines.retention.restore import RestoreRefused, RestoreReport, restore
from amzigo_pipelines.retention.sweep import sweep

CLOCK = VirtualClock(NOW)


def restored_at(
    platform: Platform, archive: Path, to: Path, clock: VirtualClock = CLOCK
) -> tuple[Platform, RestoreReport]:
    """Restore into a new home with the backup's keys alone; the old home plays no part."""
    take_keys(platform, to / "kek")
    report = restore(archive, to, clock)
    return open_platform(to, clock.now()), report


def test_a_restored_home_is_as_it_was_without_pii(platform: Platform, tmp_path: Path) -> None:
    sweep(platform, as_of=TODAY)
    made = back_up(platform, tmp_path / "backups")
    before = {seller: content(platform, seller) for seller in (SELLER, OTHER)}
    pseudonymiser = platform.keys.pseudonymiser(SELLER)
    home = platform.home.path
    shutil.move(home, tmp_path / "lost")
    lost = open_platform(tmp_path / "lost")

    restored, report = restored_at(lost, Path(made.place), tmp_path / "new")
    assert sorted(report.sellers) == [SELLER, OTHER] and not report.dead_sellers
    assert report.total == made.total and made.total.files == 2 * 3 * 3 and made.total.rows == 2 * 3 * 9
    assert {seller: content(restored, seller) for seller in (SELLER, OTHER)} == before
    assert all(rows for tables in before.values() for rows in tables.values())
    assert restored.keys.pseudonymiser(SELLER) == pseudonymiser
    assert restored.sellers.refresh_tokens(SELLER) == {"*": f"Atzr|token-of-{SELLER}"}
    assert restored.lake.verify(restored.lake.files()) == {} and restored.lake.sweep().missing == ()
    # Audit trail and certificates go on where they were.
    assert restored.audit.verify() > lost.audit.verify()
    assert restored.audit.read()[lost.audit.verify() - 1] == lost.audit.read()[-1]
    assert [entry.action for entry in restored.audit.read()][-1] == "restore_backup"
    assert [one.hash for one in verify_chain(restored)] == [one.hash for one in verify_chain(lost)]
    # Living PII is not in it; which days to extract again is told, and that may be done.
    assert restored.lake.read_pii(ORDERS, SELLER, purpose="test", actor="tester").num_rows == 0
    assert not any(record.key_class is KeyClass.PII for record in restored.keys.alive())
    assert report.open_pii_days == {seller: (DAYS[0], DAYS[2]) for seller in (SELLER, OTHER)}
    write_day(restored, SELLER, DAYS[0], "again")
    assert restored.lake.read_pii(ORDERS, SELLER, purpose="test", actor="tester").num_rows == 3


def test_no_key_of_the_installation_and_no_person_is_in_the_file(platform: Platform, tmp_path: Path) -> None:
    """Decrypted record by record: no PII file, no KEK, no PII key; and nothing at all is legible from outside."""
    made = back_up(platform, tmp_path / "backups")
    raw = Path(made.place).read_bytes()
    keks = [
        platform.keks.get(purpose, version)
        for purpose in ("pii", "pseudonym", "business", "mart", "secret", "hold")
        for version in platform.keks.versions(purpose)
    ]
    pii = [platform.keys.open(r.key_id).secret for r in platform.keys.alive() if r.key_class is KeyClass.PII]
    assert keks and pii and len(raw) > 20_000
    for text in (MARK, "token-of", "order_id", SELLER.lower()):
        assert text.encode() not in raw
    plain, seen = bytearray(), set()
    with Path(made.place).open("rb") as file:
        reader = ArchiveReader(file, "it")
        parts = {part.owner: part for part in platform.backup_keys.alive()}
        for segment in reader.segments(lambda owner: platform.backup_keys.open(parts[owner])):
            for facts, body in segment.records(platform.backup_keys.open(parts[segment.owner])):
                seen |= set(facts)
                plain += repr(facts).encode() + b"".join(body)
                if "file" in facts:
                    assert facts["file"]["family"] in ("business", "pseudonym")
                if "key" in facts:
                    assert facts["key"]["key_class"] in ("business", "pseudonym", "pseudonymiser")
    assert {"settings", "table", "secret", "key", "partition", "file", "open_pii_days"} <= seen
    for secret in (*keks, *pii):
        assert secret not in plain and base64.b64encode(secret) not in plain
    assert MARK.encode() not in plain


def test_dates_of_death_count_when_it_is_restored(platform: Platform, tmp_path: Path) -> None:
    """Business data dies 548 days after its month: a backup made before does not bring it back after."""
    made = back_up(platform, tmp_path / "backups", keep_days=365)
    late = VirtualClock(NOW + timedelta(days=364))
    young, report = restored_at(platform, Path(made.place), tmp_path / "young", late)
    # The pseudonyms' year is over: not even their files were written.
    expired = report.expired[SELLER]
    assert expired["orders"].files == 3 and report.sellers[SELLER]["orders"].files == 3
    assert not [name for name in everything_in(young.home.lake_dir) if "pseudonym-" in name]
    with pytest.raises(KeyDead):
        young.keys.open(next(r.key_id for r in platform.keys.alive() if r.key_class is KeyClass.PSEUDONYM))


def test_a_backup_dies_on_its_date_and_its_file_goes(platform: Platform, tmp_path: Path) -> None:
    made = back_up(platform, tmp_path / "backups", keep_days=7)
    keys = tmp_path / "kept-keys"
    take_keys(platform, keys)
    with pytest.raises(BackupKeyDead, match=f"dead since {TODAY + timedelta(days=7)}"):
        restored_at(platform, Path(made.place), tmp_path / "late", VirtualClock(NOW + timedelta(days=7)))
    assert everything_in(tmp_path / "late") == ["kek", *(f"kek/{file.name}" for file in sorted(keys.iterdir()))]

    assert isinstance(platform.clock, VirtualClock)
    platform.clock.set(NOW + timedelta(days=7))
    again = back_up(platform, tmp_path / "backups", keep_days=7)
    assert everything_in(tmp_path / "backups") == [Path(again.place).name]
    assert {part.expires_on for part in platform.backup_keys.alive()} == {TODAY + timedelta(days=14)}
    newest = newest_backup(platform)
    assert newest is not None and newest.backup_id == again.backup_id


def test_the_daily_sweep_destroys_backup_keys_whose_date_has_come(platform: Platform, tmp_path: Path) -> None:
    back_up(platform, tmp_path / "backups", keep_days=1)
    assert isinstance(platform.clock, VirtualClock)
    platform.clock.set(NOW + timedelta(days=1))
    (asset, *_) = retention_assets(platform.home.first_day)
    resources = {"platform": dg.ResourceDefinition.hardcoded_resource(platform)}
    with dg.instance_for_test() as instance:
        day = (TODAY + timedelta(days=1)).isoformat()
        assert dg.materialize([asset], partition_key=day, resources=resources, instance=instance).success
    assert platform.backup_keys.alive() == []


def test_the_clock_may_not_be_set_back_to_revive_a_backup(platform: Platform, tmp_path: Path) -> None:
    made = back_up(platform, tmp_path / "backups")
    with pytest.raises(RestoreRefused, match=r"the clock says 2026-11-22 .* set the clock right"):
        restored_at(platform, Path(made.place), tmp_path / "new", VirtualClock(NOW - timedelta(days=1)))


def test_a_seller_who_left_and_an_erasure_end_their_part_of_every_backup(platform: Platform, tmp_path: Path) -> None:
    """Restoring a backup from before an erasure: the seller's key was destroyed, so nothing of it comes back."""
    made = back_up(platform, tmp_path / "backups")
    assert platform.backup_keys.destroy_owner(SELLER) == 1
    assert platform.backup_keys.destroy_owner(SELLER) == 0
    restored, report = restored_at(platform, Path(made.place), tmp_path / "new")
    assert report.dead_sellers == [SELLER] and sorted(report.sellers) == [OTHER]
    assert all(not rows for rows in content(restored, SELLER).values())
    assert not [r for r in restored.keys.alive(SELLER) if r.key_class is not KeyClass.PSEUDONYMISER]
    assert everything_in(restored.home.lake_dir) and not list(restored.home.lake_dir.glob(f"*/seller={SELLER}"))
    assert content(restored, OTHER) == content(platform, OTHER)
    # The next backup has the seller again, without what was erased.
    again = back_up(platform, tmp_path / "backups")
    _, report = restored_at(platform, Path(again.place), tmp_path / "newer")
    assert sorted(report.sellers) == [SELLER, OTHER]


def test_a_key_that_got_lost_is_an_error_and_not_a_death(platform: Platform, tmp_path: Path) -> None:
    made = back_up(platform, tmp_path / "backups")
    take_keys(platform, tmp_path / "new" / "kek")
    (lost,) = (tmp_path / "new" / "kek").glob(f"backup-{SELLER}-*")
    lost.unlink()
    with pytest.raises(KekMissing, match=r"is missing, and it was not destroyed here: put it back"):
        restore(Path(made.place), tmp_path / "new", CLOCK)
    assert all(name.startswith("kek") for name in everything_in(tmp_path / "new"))


def test_an_existing_home_is_never_overwritten(platform: Platform, tmp_path: Path) -> None:
    made = back_up(platform, tmp_path / "backups")
    before = {name: (platform.home.path / name).stat().st_mtime_ns for name in everything_in(platform.home.path)}
    with pytest.raises(RestoreRefused, match="is an Amzigo home already, which is not overwritten"):
        restore(Path(made.place), platform.home.path, CLOCK)
    assert before == {name: (platform.home.path / name).stat().st_mtime_ns for name in before}
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "letter.txt").write_text("mine")
    with pytest.raises(RestoreRefused, match=r"is not empty \(it holds letter.txt\)"):
        restore(Path(made.place), tmp_path / "used", CLOCK)
    assert (tmp_path / "used" / "letter.txt").read_text() == "mine"


def test_keks_of_a_living_database_are_not_ended_unasked(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = back_up(platform, tmp_path / "backups")
    monkeypatch.setenv("AMZIGO_KEK_DIR", str(platform.home.kek_dir))
    with pytest.raises(RestoreRefused, match="holds the key-encryption keys of another control database"):
        restore(Path(made.place), tmp_path / "new", CLOCK)
    restore(Path(made.place), tmp_path / "new", CLOCK, take_over=True)
    restored = open_platform(tmp_path / "new")
    assert content(restored, SELLER)["orders/business"]
    # The lost database, should it turn up again, opens nothing.
    for record in open_platform(platform.home.path).keys.alive():
        with pytest.raises(KekError, match="this control database is a copy from before"):
            platform.keys.open(record.key_id)


def test_an_analyst_neither_makes_nor_restores_backups(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = back_up(platform, tmp_path / "backups")
    monkeypatch.setenv("AMZIGO_ROLE", "analyst")
    with pytest.raises(RoleRefused, match="may not open backups"):
        back_up(open_platform(platform.home.path), tmp_path / "backups")
    with pytest.raises(RoleRefused):
        restored_at(platform, Path(made.place), tmp_path / "new")
    assert everything_in(tmp_path / "backups") == [Path(made.place).name]


def test_a_frozen_seller_is_left_out_and_that_is_told(platform: Platform, tmp_path: Path) -> None:
    with platform.control.transaction() as connection:
        connection.execute(seller_freezes.insert().values(seller_id=OTHER, incident_id="I1", frozen_at=NOW))
        assert frozen_sellers(connection) == {OTHER: "I1"}
    made = back_up(platform, tmp_path / "backups")
    assert made.frozen == (OTHER,) and list(made.sellers) == [SELLER]


def test_a_folder_that_is_missing_or_inside_the_home_is_refused(platform: Platform, tmp_path: Path) -> None:
    with pytest.raises(BackupPlaceError, match="is not there: make it, or mount it"):
        make_backup(platform, FolderPlace(tmp_path / "nowhere"), keep_days=1, actor="tester")
    with pytest.raises(BackupPlaceError, match="is inside the home, with which it would be lost"):
        back_up(platform, platform.home.path / "backups")


def test_a_damaged_lake_is_not_backed_up_as_if_it_were_whole(platform: Platform, tmp_path: Path) -> None:
    file = next(f for f in platform.lake.files(ORDERS, SELLER) if f.family == "business")
    path = platform.home.lake_dir / file.path
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BackupError, match="is not what was written there: extract orders of seller A1SELLER"):
        back_up(platform, tmp_path / "backups")
    path.unlink()
    with pytest.raises(BackupError, match="is not there: extract A1SELLER for"):
        back_up(platform, tmp_path / "backups")
    assert everything_in(tmp_path / "backups") == [] and platform.backup_keys.alive() == []
    assert newest_backup(platform) is None


def test_a_backup_while_extraction_writes_holds_each_day_whole(platform: Platform, tmp_path: Path) -> None:
    """Days are replaced over and over meanwhile: orders and items of a day come back from one and the same write."""
    over, rounds = threading.Event(), 0

    def extract() -> None:
        nonlocal rounds
        own = open_platform(platform.home.path)
        while not over.is_set():
            rounds += 1
            for day in DAYS:
                write_day(own, SELLER, day, f"round{rounds}")

    writer = threading.Thread(target=extract)
    writer.start()
    try:
        made = [back_up(platform, tmp_path / "backups") for _ in range(4)]
    finally:
        over.set()
        writer.join()
    assert rounds > 1
    for number, one in enumerate(made):
        restored, report = restored_at(platform, Path(one.place), tmp_path / f"new-{number}")
        tags = tags_by_day(restored, SELLER)
        assert set(tags) == set(DAYS) and all(len(found) == 1 for found in tags.values())
        assert restored.lake.verify(restored.lake.files()) == {} and report.total == one.total


def test_any_flipped_bit_and_any_cut_is_noticed_and_nothing_is_left(platform: Platform, tmp_path: Path) -> None:
    made = back_up(platform, tmp_path / "backups")
    whole = Path(made.place).read_bytes()
    target = tmp_path / "new"
    take_keys(platform, target / "kek")
    before = everything_in(target)
    spots = [0, 18, 30, *range(40, len(whole), len(whole) // 12), len(whole) - 1]
    for spot in spots:
        changed = bytearray(whole)
        changed[spot] ^= 1
        bad = tmp_path / "bad.backup"
        bad.write_bytes(changed)
        with pytest.raises((ArchiveDamaged, KekMissing, RestoreRefused, BackupKeyDead)):
            restore(bad, target, CLOCK)
        assert everything_in(target) == before
    for length in (0, 10, 40, len(whole) // 2, len(whole) - 1):
        bad.write_bytes(whole[:length])
        with pytest.raises(ArchiveDamaged, match=r"is cut short|is no backup|damaged"):
            restore(bad, target, CLOCK)
        assert everything_in(target) == before
    bad.write_bytes(whole + b"x")
    with pytest.raises(ArchiveDamaged):
        restore(bad, target, CLOCK)
    restore(Path(made.place), target, CLOCK)


def test_a_whole_segment_left_out_or_twice_is_noticed(platform: Platform, tmp_path: Path) -> None:
    made = back_up(platform, tmp_path / "backups")
    pieces = _segments(Path(made.place).read_bytes())
    assert len(pieces) == 6  # header, control, two sellers, late, end
    target = tmp_path / "new"
    take_keys(platform, target / "kek")
    for order in ([0, 1, 2, 4, 5], [0, 1, 3, 2, 4, 5], [0, 1, 2, 2, 3, 4, 5], [0, 1, 2, 3, 4], [0, 2, 3, 4, 5]):
        bad = tmp_path / "bad.backup"
        bad.write_bytes(b"".join(pieces[n] for n in order))
        with pytest.raises(ArchiveDamaged):
            restore(bad, target, CLOCK)


def test_another_keys_content_is_one_sentence(platform: Platform, tmp_path: Path) -> None:
    made = back_up(platform, tmp_path / "backups")
    target = tmp_path / "new"
    take_keys(platform, target / "kek")
    for file in (target / "kek").iterdir():
        file.write_text("A" * 43 + "=")
    with pytest.raises(ArchiveDamaged, match="it was changed after it was made, or its key is another backup's"):
        restore(Path(made.place), target, CLOCK)


def test_a_backup_of_another_installation_finds_no_key(platform: Platform, tmp_path: Path) -> None:
    made = back_up(platform, tmp_path / "backups")
    with pytest.raises(KekMissing, match="put it back"):
        restore(Path(made.place), tmp_path / "new", CLOCK)
    assert not (tmp_path / "new").exists()
    with pytest.raises(BackupPlaceError, match="can't be read"):
        restore(tmp_path / "nothing.backup", tmp_path / "new", CLOCK)


def _segments(whole: bytes) -> list[bytes]:
    """The file in its parts: the header, then each segment."""
    at = 16
    at += 4 + int.from_bytes(whole[at : at + 4], "big")
    pieces, start = [whole[:at]], at
    while at < len(whole):
        if whole[at : at + 1] == b"S" and at != start:
            pieces.append(whole[start:at])
            start = at
        at += 5 + int.from_bytes(whole[at + 1 : at + 5], "big")
    return [*pieces, whole[start:]]
