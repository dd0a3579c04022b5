"""Sweeps on the real lake and key store: what goes, what stays, what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from retention_kit import (
    DAY,
    OTHER,
    SELLER,
    business_rows,
    days,
    move,
    on_disk,
    open_platform,
    pii_count,
    write_day,
)

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.control.schema import certificates, data_keys, retention_runs
from amzigo_pipelines.resources.keys.keks import KekMissing
from amzigo_pipelines.resources.keys.store import KeyDead
from amzigo_pipelines.resources.locks import exclusive
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.certificates import summaries, verify_chain
from amzigo_pipelines.retention.outlook import plan, status
from amzigo_pipelines.retention.sweep import SweepBusy, SweepRefused, sweep
from amzigo_pipelines.retention.time_check import ClockBehind, check_time

DEATH = DAY + timedelta(days=20)
LATER = DEATH + timedelta(days=5)


def ledger_states(platform: Platform) -> list[str]:
    with platform.control.read() as connection:
        query = sa.select(retention_runs.c.state).order_by(retention_runs.c.started_at, retention_runs.c.run_id)
        return list(connection.execute(query).scalars())


def test_pii_lives_until_its_date_and_not_a_day_longer(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH, LATER])
    before = business_rows(platform, SELLER)
    move(platform, DEATH - timedelta(days=1))
    assert pii_count(platform, SELLER) == 6
    (dying,) = platform.keys.due("pii", DEATH)
    assert len(platform.keys.open(dying.key_id).secret) == 32

    move(platform, DEATH)
    # Nobody swept yet.
    with pytest.raises(KeyDead):
        platform.keys.open(dying.key_id)
    assert pii_count(platform, SELLER) == 3
    assert len(on_disk(platform)) == 4

    report = sweep(platform, as_of=DEATH)
    assert (report.keys_destroyed, report.files_removed, report.rows) == (1, 2, 6)
    assert report.seller_ids == (SELLER,)
    assert report.certificate == f"000001-{DEATH}.json"
    assert report.bytes_removed > 0
    assert "1 keys refused" in report.verified
    assert "certificate 000001" in report.sentence
    assert [DEATH.isoformat() in path for path in on_disk(platform)] == [False, False]
    assert pii_count(platform, SELLER) == 3
    assert business_rows(platform, SELLER) == before
    with pytest.raises(KeyDead, match="destroyed"):
        platform.keys.open(dying.key_id)


def test_an_old_copy_of_database_and_files_revives_nothing(platform: Platform, tmp_path: Path) -> None:
    write_day(platform, SELLER, DAY, [DEATH, LATER])
    (dying,) = platform.keys.due("pii", DEATH)
    with platform.control.read() as connection:
        wrapped = connection.execute(
            sa.select(data_keys.c.wrapped).where(data_keys.c.key_id == dying.key_id)
        ).scalar_one()
    assert wrapped in (platform.home.path / "control.db").read_bytes()
    copy = tmp_path / "copy"
    shutil.copytree(platform.home.path, copy)

    move(platform, DEATH)
    sweep(platform, as_of=DEATH)
    assert wrapped not in (platform.home.path / "control.db").read_bytes()

    # The thief has everything from before but the KEK folder, and sets the clock back.
    shutil.rmtree(copy / "kek")
    shutil.copytree(platform.home.kek_dir, copy / "kek")
    thief = open_platform(copy, DAY)
    assert len(on_disk(thief)) == 4
    with pytest.raises(KekMissing):
        thief.keys.open(dying.key_id)


def test_several_sellers_dates_and_missed_days(platform: Platform) -> None:
    deaths = days(DEATH, 4)
    for seller in (SELLER, OTHER):
        write_day(platform, seller, DAY, deaths)
        move(platform, DAY + timedelta(days=1))
        write_day(platform, seller, DAY + timedelta(days=1), deaths)
    before = {seller: business_rows(platform, seller) for seller in (SELLER, OTHER)}
    # Nobody swept for three days.
    move(platform, deaths[2])
    report = sweep(platform, as_of=deaths[2])
    assert report.seller_ids == (SELLER, OTHER)
    assert (report.keys_destroyed, report.files_removed, report.rows) == (6, 24, 72)
    assert all(deaths[3].isoformat() in path for path in on_disk(platform))
    assert len(on_disk(platform)) == 8
    assert {seller: business_rows(platform, seller) for seller in (SELLER, OTHER)} == before
    (certificate,) = verify_chain(platform)
    mine = certificate.body["sellers"][0]
    assert mine["seller"] == SELLER
    assert list(mine["key_ids_by_day_of_death"]) == [d.isoformat() for d in deaths[:3]]
    assert mine["partition_days_by_dataset"] == {
        name: [DAY.isoformat(), (DAY + timedelta(days=1)).isoformat()] for name in ("order_items", "orders")
    }
    assert (mine["keys"], mine["partitions"], mine["files"], mine["rows"]) == (3, 4, 12, 36)


def test_one_seller_only(platform: Platform) -> None:
    for seller in (SELLER, OTHER):
        write_day(platform, seller, DAY, [DEATH])
    move(platform, DEATH)
    report = sweep(platform, as_of=DEATH, seller_ids=[OTHER])
    assert report.seller_ids == (OTHER,)
    assert on_disk(platform, OTHER) == []
    assert len(on_disk(platform, SELLER)) == 2


def test_a_second_sweep_finds_nothing_and_certifies_nothing(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    move(platform, DEATH)
    sweep(platform, as_of=DEATH)
    again = sweep(platform, as_of=DEATH)
    assert (again.keys_destroyed, again.files_removed, again.certificate) == (0, 0, None)
    assert "nothing was destroyed" in again.sentence
    assert sorted(ledger_states(platform)) == ["certified", "nothing_due"]
    assert len(summaries(platform)) == 1


def test_days_are_a_chain_of_certificates(platform: Platform) -> None:
    deaths = days(DEATH, 3)
    write_day(platform, SELLER, DAY, deaths)
    for death in deaths:
        move(platform, death)
        sweep(platform, as_of=death)
    chain = verify_chain(platform)
    assert [c.day_of_death for c in chain] == deaths
    assert [c.previous_hash for c in chain[1:]] == [c.hash for c in chain[:-1]]


def test_other_classes_on_their_own_dates(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    pseudonym_death = platform.keys.due("pseudonym", date(2030, 1, 1))[0].expires_on
    move(platform, pseudonym_death)
    report = sweep(platform, as_of=pseudonym_death, retention_class=RetentionClass.PSEUDONYM)
    assert report.files_removed == 1
    assert on_disk(platform, family="pseudonym") == []
    # PII is past its date as well, but not of this class: it is another sweep's.
    assert len(on_disk(platform)) == 2
    # The pseudonyms were other files of PII's partitions, and went on their own date.
    assert sweep(platform, as_of=pseudonym_death).files_removed == 2


def test_refuses_a_day_that_has_not_come(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    with pytest.raises(SweepRefused, match="has not come yet"):
        sweep(platform, as_of=DEATH)
    assert len(on_disk(platform)) == 2


def test_refuses_when_the_clock_ran_backwards(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH, LATER])
    move(platform, DEATH)
    sweep(platform, as_of=DEATH)
    move(platform, DEATH - timedelta(days=1))
    with pytest.raises(ClockBehind, match=f"retention ran on {DEATH}"):
        sweep(platform, as_of=DEATH - timedelta(days=1))
    with pytest.raises(ClockBehind):
        check_time(platform)
    # Minutes back within the day are nobody's concern.
    assert isinstance(platform.clock, VirtualClock)
    platform.clock.set(platform.clock.now() + timedelta(days=1) - timedelta(minutes=5))
    sweep(platform, as_of=DEATH)


def test_two_at_once_the_second_is_refused(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    move(platform, DEATH)
    seen = []

    def second(name: str) -> None:
        with pytest.raises(SweepBusy, match="another sweep of pii data is running"):
            sweep(platform, as_of=DEATH)
        seen.append(name)

    assert sweep(platform, as_of=DEATH, on_step=second).keys_destroyed == 1
    assert seen[:4] == ["holds_carried_out", "recorded", "keys_destroyed", "late_files_recorded"]
    with exclusive(platform.home.lock_dir, "retention-pseudonym"):
        sweep(platform, as_of=DEATH)


def test_a_partition_written_again_while_the_sweep_runs(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH, LATER])
    move(platform, DEATH)

    def at(name: str, then: Callable[[], None]) -> Callable[[str], None]:
        return lambda step: then() if step == name else None

    # The rows whose date has come lose their PII on the way; business and pseudonym files are replaced under the sweep.
    report = sweep(
        platform, as_of=DEATH, on_step=at("keys_destroyed", lambda: write_day(platform, SELLER, DAY, [DEATH, LATER]))
    )
    assert "replaced meanwhile" in report.verified
    assert pii_count(platform, SELLER) == 3
    assert len(business_rows(platform, SELLER)["orders"]) == 6


def test_plan_says_before_what_the_sweep_does(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH, LATER])
    write_day(platform, OTHER, DAY, [LATER])
    (line,) = plan(platform, as_of=DEATH)
    assert (line.seller_id, line.keys, line.files, line.rows) == (SELLER, 1, 2, 6)
    assert (line.files_staying, line.rows_staying) == (3, 12)
    assert [one.seller_id for one in plan(platform, as_of=LATER)] == [SELLER, OTHER]
    assert [one.seller_id for one in plan(platform, as_of=LATER, seller_ids=[OTHER])] == [OTHER]
    assert plan(platform, as_of=DEATH - timedelta(days=1)) == []
    assert len(on_disk(platform)) == 6
    move(platform, DEATH)
    report = sweep(platform, as_of=DEATH)
    assert (report.keys_destroyed, report.files_removed, report.rows, report.bytes_removed) == (
        line.keys,
        line.files,
        line.rows,
        line.bytes,
    )


def test_status_by_seller_and_class(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH, LATER])
    lines = {(one.seller_id, str(one.key_class)): one for one in status(platform)}
    assert list(lines) == [(SELLER, "pii"), (SELLER, "pseudonym"), (SELLER, "business")]
    pii = lines[SELLER, "pii"]
    assert (pii.keys_alive, pii.next_death, pii.overdue, pii.files_overdue) == (2, DEATH, 0, 0)
    move(platform, DEATH)
    pii = status(platform)[0]
    assert (pii.keys_alive, pii.next_death, pii.overdue, pii.files_overdue) == (2, LATER, 1, 2)
    sweep(platform, as_of=DEATH)
    pii = status(platform)[0]
    assert (pii.keys_alive, pii.next_death, pii.overdue, pii.files_overdue, pii.unfinished) == (1, LATER, 0, 0, 0)


def test_no_rows_no_pii_in_certificate_ledger_and_audit(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH], tag="canary")
    move(platform, DEATH)
    sweep(platform, as_of=DEATH)
    for path in (platform.home.path / "control.db", *platform.home.certificate_dir.iterdir()):
        assert b"canary" not in path.read_bytes()
    with platform.control.read() as connection:
        (body,) = connection.execute(sa.select(certificates.c.body)).scalars()
        (detail,) = connection.execute(sa.select(retention_runs.c.detail)).scalars()
    assert set(json.loads(body)["sellers"][0]) == {
        "seller",
        "key_ids_by_day_of_death",
        "keys",
        "partition_days_by_dataset",
        "partitions",
        "first_partition_day",
        "last_partition_day",
        "files",
        "rows",
        "bytes",
        "salt",
        "mart_keys",
    }
    assert json.loads(detail) == {"certificate": 1}
    (entry,) = platform.audit.read(action="destroy_keys")
    assert entry.subject == "1 pii keys of 1 sellers"
    assert "canary" not in str(platform.audit.read())


def test_keys_without_files_are_destroyed_and_certified(platform: Platform) -> None:
    key = platform.keys.key_for(SELLER, "pii", DEATH)
    move(platform, DEATH)
    report = sweep(platform, as_of=DEATH)
    assert (report.keys_destroyed, report.files_removed) == (1, 0)
    (certificate,) = verify_chain(platform)
    assert certificate.body["sellers"][0]["key_ids_by_day_of_death"] == {DEATH.isoformat(): [key.key_id]}


def test_replaced_and_forgotten_files_go_too(platform: Platform) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    file = platform.lake.files(ORDERS, SELLER, families=[RetentionClass.PII])[0]
    folder = (platform.home.lake_dir / file.path).parent
    (folder / f".tmp-0a1b2c3d-pii-{DEATH}-000009.parquet").write_bytes(b"half a file")
    (folder / f"pii-{DEATH}-000007.parquet").write_bytes(b"renamed, never committed")
    (folder / f"pii-{LATER}-000007.parquet").write_bytes(b"not due: the lake's own sweep's business")
    move(platform, DEATH)
    sweep(platform, as_of=DEATH)
    assert [path.rpartition("/")[2] for path in on_disk(platform)] == [f"pii-{LATER}-000007.parquet"]
