"""The guarantee, proven on the whole way: real extraction over HTTP, Dagster's runs, marts, sweeps of every class.

Canaries are people of the simulated world with names that nobody else could have. They are searched for in every byte
below the home (lake, marts, spills, certificates, Dagster's storage and logs) and in everything that can be decrypted.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from amzigo_pipelines.assets.partitions import partition_key
from amzigo_pipelines.automation.pipeline import reason_to_publish
from amzigo_pipelines.automation.retention import job_name
from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.cli.runs import Runner
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.backup_places import FolderPlace
from amzigo_pipelines.resources.home import Home, Kind, load_home
from amzigo_pipelines.resources.labels import EXTRACTION_JOB, PUBLISH_JOB, SELLER_TAG, lake_key
from amzigo_pipelines.resources.lake.files import file_path
from amzigo_pipelines.resources.marts.duckdb_session import open_session
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.backups import make_backup
from amzigo_pipelines.retention.certificates import verify_chain
from amzigo_pipelines.retention.restore import restore
from amzigo_pipelines.retention.sweep import sweep
from amzigo_pipelines.simulator import truth
from amzigo_pipelines.simulator.calls import SimulatorSettings
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World, demo_config

from .byte_scan import ByteScan

# Dagster knows partitions up to the machine's own day.
FIRST = datetime.now(UTC).date() - timedelta(days=60)
DAYS = 4
# They count buyers by their pseudonyms, and so know fewer without.
ABOUT_BUYERS = {
    f"mart {name}" for name in ("buyers", "buyer_totals", "buyer_segments", "buyer_cohorts", "campaign_audiences")
}
EXTRACTED = [DATASETS["orders"], DATASETS["order_items"]]
FROM_PSEUDONYMS = {"buyer_order_number"} | {
    column.name for dataset in EXTRACTED for column in dataset if column.retention is RetentionClass.PSEUDONYM
}


@dataclass
class Lived:
    """An installation that has extracted and published some days."""

    platform: Platform
    clock: VirtualClock
    world: World
    runner: Runner
    seller_id: str
    log: list[str]

    def move(self, day: date) -> None:
        self.clock.set(datetime.combine(day, time(0, 30), UTC))

    @property
    def backups(self) -> Path:
        return self.platform.home.path.parent / "backups"

    def people(self) -> list[str]:
        return truth.people(self.world, self.seller_id, self.clock.now())

    def canaries(self) -> dict[str, list[str]]:
        return truth.canaries(self.world, self.seller_id, self.clock.now())

    def personal(self) -> pa.Table:
        return self.platform.lake.read_pii(DATASETS["orders"], self.seller_id, purpose="test", actor="test")

    def impersonal(self) -> dict[str, Any]:
        """Rows, sums and counts of the other families in the lake, and of all marts."""
        facts: dict[str, Any] = {}
        connection = open_session(None)
        for dataset in EXTRACTED:
            table = self.platform.lake.relation(connection, dataset, self.seller_id).to_arrow_table()
            facts[dataset.name] = (table.num_rows, totals(table))
        for mart in self.marts():
            rows = self.platform.warehouse.query(self.seller_id, f"SELECT * FROM {mart}").read_all()
            facts[f"mart {mart}"] = (rows.num_rows, totals(rows))
        return facts

    def marts(self) -> list[str]:
        published = self.platform.warehouse.published(self.seller_id)
        assert published is not None
        return sorted(published.tables)

    def readable(self) -> str:
        """Everything that is not personal and can be decrypted, as text."""
        connection = open_session(None)
        found = [
            repr(self.platform.lake.relation(connection, dataset, self.seller_id).to_arrow_table().to_pydict())
            for dataset in EXTRACTED
        ]
        for mart in self.marts():
            found.append(
                repr(self.platform.warehouse.query(self.seller_id, f"SELECT * FROM {mart}").read_all().to_pydict())
            )
        return "\n".join(found)

    def publish(self) -> None:
        self.runner.run(PUBLISH_JOB, partition_key=self.seller_id, tags={SELLER_TAG: self.seller_id})

    def sweep(self, retention_class: RetentionClass, day: date) -> dict[str, Any]:
        self.move(day)
        (event,) = self.runner.run(job_name(retention_class), partition_key=day.isoformat())
        return event.facts


def unlike(facts: dict[str, Any], others: dict[str, Any]) -> set[str]:
    """What differs."""
    assert facts.keys() == others.keys()
    return {name for name in facts if facts[name] != others[name]}


def totals(table: pa.Table) -> dict[str, Any]:
    """The sum of every number and the count of every other column, but for what comes of pseudonyms."""
    found = {}
    for name in table.column_names:
        column = table[name]
        is_number = pa.types.is_decimal(column.type) or pa.types.is_integer(column.type)
        if name not in FROM_PSEUDONYMS:
            found[name] = pc.sum(column).as_py() if is_number else len(column) - column.null_count
    return found


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    patch = pytest.MonkeyPatch()
    for name in ("AMZIGO_HOME", "AMZIGO_KEK", "AMZIGO_KEK_DIR", "AMZIGO_DATABASE_URL", "DAGSTER_HOME"):
        patch.delenv(name, raising=False)
    log: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: log.append(record.getMessage())  # type: ignore[method-assign]
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    # Everything that any library has to say.
    root.setLevel(logging.DEBUG)
    clock = VirtualClock(datetime.combine(FIRST, time(0, 30), UTC))
    world = World(demo_config(FIRST, orders_per_day=40))
    with SimulatorServer(world, clock, SimulatorSettings(rate_scale=10_000)) as server:
        home = Home(tmp_path_factory.mktemp("proof") / "home", Kind.TEST, FIRST, server.url, rate_scale=10_000)
        initialise(home)
        platform = Platform(home, clock)
        profile = world.profile(world.seller_ids[0])
        platform.sellers.add(profile.seller_id, "Proof", profile.marketplace_ids, profile.refresh_token)
        one = Lived(platform, clock, world, Runner(platform), profile.seller_id, log)
        for n in range(DAYS):
            day = FIRST + timedelta(days=n)
            one.move(day + timedelta(days=1))
            one.runner.run(
                EXTRACTION_JOB,
                partition_key=partition_key(day, one.seller_id),
                tags={SELLER_TAG: one.seller_id},
                selection=[lake_key(dataset.name) for dataset in EXTRACTED],
            )
        one.publish()
        yield one
    root.removeHandler(handler)
    root.setLevel(level)
    patch.undo()


def test_a_sweep_leaves_nothing_of_what_died_and_all_of_the_rest(lived: Lived) -> None:
    alive = lived.personal()
    dates = dict(zip(alive["order_id"].to_pylist(), alive["expires_on"].to_pylist(), strict=True))
    canaries = lived.canaries()
    sweep_day = sorted(dates.values())[len(dates) // 2]
    # The search finds them where they may be: in decrypted personal data. (Amazon tells no buyer of a pending order.)
    rows = {row["order_id"]: repr(row) for row in alive.to_pylist()}
    seen = {one for one, strings in canaries.items() if any(string in rows.get(one, "") for string in strings)}
    dead = {order_id for order_id in seen if dates[order_id] <= sweep_day}
    living = seen - dead
    assert dead and living, "canaries must be on both sides, or nothing is shown"
    before = lived.impersonal()
    assert before["orders"][0] > 100 and before["orders"][1]["item_amount"] > 0
    lived.backups.mkdir()
    make_backup(lived.platform, FolderPlace(lived.backups), keep_days=365, actor="test")

    facts = lived.sweep(RetentionClass.PII, sweep_day)
    assert facts["keys_destroyed"] > 0 and facts["files_removed"] > 0
    after = lived.personal()
    assert not dead.intersection(after["order_id"].to_pylist())
    assert living <= set(after["order_id"].to_pylist())
    rows = {row["order_id"]: repr(row) for row in after.to_pylist()}
    assert all(any(string in rows[order_id] for string in canaries[order_id]) for order_id in living)
    assert lived.impersonal() == before
    readable = lived.readable()
    assert not [string for strings in canaries.values() for string in strings if string in readable]
    assert verify_chain(lived.platform)[-1].file_name == facts["certificate"]


def test_no_person_is_in_any_byte_or_log_line(lived: Lived) -> None:
    strings = {*lived.people(), *(string for strings in lived.canaries().values() for string in strings)}
    assert any("Zzyzxwren" in string for string in strings)
    scan = ByteScan(strings)
    assert scan.files(lived.platform.home.path) == []
    assert scan.files_read > 30 and (lived.platform.home.path / "dagster").is_dir()
    assert scan.files(lived.backups) == [] and list(lived.backups.iterdir())
    assert len(lived.log) > 50
    assert scan.data("\n".join(lived.log).encode()) == set()
    # It would have been found.
    (lived.platform.home.path / "leak").write_text(sorted(strings)[0])
    try:
        assert scan.files(lived.platform.home.path)
    finally:
        (lived.platform.home.path / "leak").unlink()


def test_a_backup_from_before_the_sweep_opens_and_shows_nobody(lived: Lived, tmp_path: Path) -> None:
    """Restored with its keys, every family of every dataset decrypted: business is there, and no person."""
    (archive,) = lived.backups.iterdir()
    keks = tmp_path / "new" / "kek"
    keks.mkdir(mode=0o700, parents=True)
    for file in lived.platform.home.kek_dir.glob("backup-*.key"):
        shutil.copy2(file, keks)
    report = restore(archive, tmp_path / "new", lived.clock)
    restored = Platform(load_home(tmp_path / "new"), lived.clock)
    assert report.total.rows > 100 and restored.keys.due("pii", date.max) == []
    connection, texts = open_session(None), []
    for dataset in EXTRACTED:
        table = restored.lake.relation(connection, dataset, lived.seller_id).to_arrow_table()
        assert (
            table.num_rows
            == lived.platform.lake.relation(connection, dataset, lived.seller_id).to_arrow_table().num_rows
        )
        texts.append(repr(table.to_pydict()))
        assert restored.lake.read_pii(dataset, lived.seller_id, purpose="test", actor="test").num_rows == 0
    strings = {*lived.people(), *(string for strings in lived.canaries().values() for string in strings)}
    assert not [string for string in strings if any(string in text for text in texts)]
    assert ByteScan(strings).files(tmp_path / "new") == []


def test_pseudonyms_leave_lake_and_marts_and_no_sum_changes(lived: Lived) -> None:
    month = FIRST.replace(day=1)
    death = month + timedelta(days=lived.platform.home.retention.pseudonym_days)
    before = lived.impersonal()
    keys = {key for key in buyer_keys(lived) if key}
    assert keys
    lived.move(death - timedelta(days=1))
    assert str(death) in str(reason_to_publish(lived.platform, lived.seller_id))
    lived.publish()
    assert unlike(lived.impersonal(), before) <= ABOUT_BUYERS
    # The personal data is long overdue: most of the seller's keys, so the sweep wants to be sure.
    lived.move(death)
    for one in (RetentionClass.PII, RetentionClass.PSEUDONYM):
        sweep(lived.platform, as_of=death, retention_class=one, confirmed=[lived.seller_id])
    gone = {file_path(f.dataset, f.seller_id, f.day, f.family, f.expires_on, f.version)
            for f in lived.platform.lake.files(state="destroyed") if f.family is RetentionClass.PSEUDONYM}  # fmt: skip
    assert gone and not [path for path in gone if (lived.platform.home.lake_dir / path).exists()]
    assert not [key for key, day in buyer_key_days(lived) if key and day.month == FIRST.month]
    assert unlike(lived.impersonal(), before) <= ABOUT_BUYERS
    # No mart file but the published one, and nothing spilled.
    assert lived.platform.warehouse.remains(lived.seller_id) == []
    assert [str(one.retention_class) for one in verify_chain(lived.platform)][-2:] == ["pii", "pseudonym"]


def buyer_keys(lived: Lived) -> list[str | None]:
    return [key for key, _ in buyer_key_days(lived)]


def buyer_key_days(lived: Lived) -> list[tuple[str | None, date]]:
    """From staging, from the mart `orders`, and from the lake, which must agree."""
    sql = "SELECT order_id, buyer_key, day FROM staging.orders"
    staged = lived.platform.warehouse.query(lived.seller_id, sql).read_all().to_pylist()
    relation = lived.platform.lake.relation(open_session(None), DATASETS["orders"], lived.seller_id)
    stored = relation.project("order_id, buyer_key, day").to_arrow_table().to_pylist()
    by_order = [
        sorted((str(row["order_id"]), row["day"], str(row["buyer_key"])) for row in rows) for rows in (staged, stored)
    ]
    assert by_order[0] == by_order[1]
    return [(row["buyer_key"], row["day"]) for row in staged]
