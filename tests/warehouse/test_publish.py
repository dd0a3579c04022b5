"""Publishing: incremental equals rebuild, crashes leave the old marts or the new ones, readers go on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from amzigo_pipelines.assets.mart_definitions import Mart
from amzigo_pipelines.resources.locks import exclusive
from amzigo_pipelines.resources.marts.build import MartBuildError
from amzigo_pipelines.resources.marts.warehouse import MartExpired, NotPublished, PublishBusy, WarehouseError
from tests.warehouse.conftest import (
    DAY,
    SELLER,
    World,
    item,
    open_world,
    order,
    publish_two,
    simple,
)

ROOT = Path(__file__).parents[2]
STEPS = ("began", "staged", "built", "durable", "current", "unlinked")
# Enough for tests of a file's life: one by key, a view, and others.
FEW = ("orders", "order_items", "orders_daily", "inventory_daily", "inventory_position")


def test_an_unchanged_lake_loads_nothing_and_gives_the_same(world: World) -> None:
    simple(world)
    first = world.publish()
    before = world.dump()
    second = world.publish()
    assert (first.is_rebuilt, first.loaded_days, second.is_rebuilt, second.loaded_days) == (True, 2, False, 0)
    assert (first.version, second.version) == (1, 2)
    assert first.tables == second.tables
    assert world.dump() == before
    assert [p.name for p in (world.home.marts_dir / f"seller={SELLER}").iterdir()] == ["mart-000002.duckdb"]


def test_only_changed_partitions_are_loaded(world: World) -> None:
    simple(world)
    simple(world, DAY + timedelta(days=1))
    world.publish()
    simple(world, DAY, count=3)
    report = world.publish()
    assert (report.loaded_days, report.tables["orders"]) == (2, 4)
    world.write(DAY, orders=[], order_items=[])
    report = world.publish()
    assert (report.loaded_days, report.tables["orders"]) == (2, 1)


def test_pseudonyms_and_business_data_die_in_the_marts_on_their_dates(world: World) -> None:
    old = order("OLD", "2026-05-30T12:00:00", buyer_key="k")
    world.write(date(2026, 5, 30), orders=[old], order_items=[item(old)])
    new = order("NEW", "2026-06-10T12:00:00", buyer_key="k")
    world.write(DAY, orders=[new], order_items=[item(new)])
    world.publish()
    # 1 May 2026 + 365 days: the mart holds the pseudonym, so it dies with it.
    world.clock.set(datetime(2027, 5, 1, tzinfo=UTC))
    with pytest.raises(MartExpired, match="publish --seller A2TESTSELLER' again"):
        world.warehouse.connect(SELLER)
    assert world.publish().is_rebuilt
    assert world.rows("SELECT order_id, buyer_key FROM orders ORDER BY 1") == [
        {"order_id": "NEW", "buyer_key": "k"}, {"order_id": "OLD", "buyer_key": None},
    ]  # fmt: skip
    # 1 May 2026 + 548 days: the day is gone altogether.
    world.clock.set(datetime(2027, 10, 31, tzinfo=UTC))
    world.publish()
    assert world.rows("SELECT order_id, buyer_key FROM orders") == [{"order_id": "NEW", "buyer_key": None}]
    dumped = world.dump()
    world.publish(rebuild=True)
    assert world.dump() == dumped


def test_a_pseudonym_whose_key_was_destroyed_before_its_date_leaves_the_marts(world: World) -> None:
    simple(world, buyer_key="k")
    world.publish()
    world.keys.destroy([key.key_id for key in world.keys.alive(SELLER) if key.key_class == "pseudonym"])
    assert world.publish().loaded_days == 1
    assert world.one("SELECT buyer_key FROM orders") == {"buyer_key": None}


def test_a_day_reloaded_after_its_pseudonyms_died_carries_nothing_over(world: World) -> None:
    simple(world, buyer_key="a-very-telling-key")
    world.publish()
    world.keys.destroy([key.key_id for key in world.keys.alive(SELLER) if key.key_class == "pseudonym"])
    world.publish()
    tables = world.dump()
    assert "a-very-telling-key" not in repr(tables)


def test_a_broken_grain_refuses_the_publish_and_keeps_the_old_marts(world: World) -> None:
    simple(world)
    world.publish()
    simple(world, count=3)
    doubled = [replace(m, grain=("marketplace_id",)) if m.name == "orders" else m for m in world.marts]
    with pytest.raises(MartBuildError, match=r"mart orders has 1 doubled values of its grain \(marketplace_id\)"):
        world.warehouse.publish(SELLER, doubled)
    missing = [replace(m, grain=("buyer_key",)) if m.name == "orders" else m for m in world.marts]
    simple(world, count=1)
    with pytest.raises(MartBuildError, match="1 missing values"):
        world.warehouse.publish(SELLER, missing)
    assert world.one("SELECT COUNT(*) AS n FROM orders") == {"n": 1}
    assert world.warehouse.published(SELLER).version == 1
    assert world.publish().version == 2


def test_a_mart_with_broken_sql_is_named(world: World) -> None:
    simple(world)
    broken = [replace(m, sql="SELECT nonsense FROM staging.orders") for m in world.marts if m.name == "orders"]
    with pytest.raises(MartBuildError, match=f'mart {broken[0].name} can\'t be built: Referenced column "nonsense"'):
        world.warehouse.publish(SELLER, broken)


def test_nothing_extracted_is_said_and_empty_days_are_not_nothing(world: World) -> None:
    with pytest.raises(NotPublished, match="run 'amzigo extract' first"):
        world.publish()
    world.write(DAY, orders=[], order_items=[])
    assert set(world.publish().tables.values()) == {0}
    assert world.rows("SELECT * FROM sales_daily") == []


def test_a_second_publish_at_once_is_refused(world: World) -> None:
    simple(world)
    with (
        exclusive(world.home.lock_dir, f"publish-{SELLER}"),
        pytest.raises(PublishBusy, match="being published by another process"),
    ):
        world.publish()
    assert world.publish().version == 1


def test_readers_go_on_during_and_after_a_publish(tmp_path: Path, marts: Any) -> None:
    seen: list[int] = []

    def look(step: str) -> None:
        if looking:
            seen.append(world.one("SELECT COUNT(*) AS n FROM orders")["n"])

    looking = False
    world = open_world(tmp_path / "home", marts, on_step=look)
    simple(world)
    world.publish()
    reader = world.warehouse.connect(SELLER)
    simple(world, count=5)
    looking = True
    world.publish()
    # Old until the one transaction, new from then on; whoever was connected still sees what it saw.
    assert seen == [1, 1, 1, 1, 5, 5]
    assert reader.execute("SELECT COUNT(*), MIN(order_id) FROM orders").fetchall() == [(1, "2026-06-10-0")]


def test_readers_in_the_middle_of_publishes_see_whole_versions_only_and_are_not_in_the_way(world: World) -> None:
    world.marts = few(world.marts)
    simple(world)
    world.publish()
    seen: list[tuple[int, int]] = []
    is_over = Event()

    def read() -> None:
        while not is_over.is_set():
            sql = "SELECT (SELECT COUNT(*) FROM orders) AS o, (SELECT SUM(orders) FROM orders_daily) AS s"
            row = world.one(sql)
            seen.append((row["o"], int(row["s"])))

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        try:
            for count in (2, 3):
                simple(world, count=count)
                world.publish()
        finally:
            is_over.set()
        reader.result()
    assert len(seen) > 3 and {orders for orders, _ in seen} <= {1, 2, 3}
    assert all(orders == sales for orders, sales in seen)
    assert world.one("SELECT COUNT(*) AS n FROM orders") == {"n": 3}


def test_a_kill_at_any_step_leaves_the_old_marts_or_the_new(world: World, tmp_path: Path) -> None:
    world.marts = few(world.marts)
    simple(world)
    world.publish()
    simple(world, count=2)
    homes = [tmp_path / step for step in STEPS]
    for home in homes:
        shutil.copytree(world.home.path, home)
    command = [sys.executable, "-m", "tests.warehouse.test_publish", *map(str, homes)]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert killed.stdout.split() == [str(int(signal.SIGKILL))] * len(STEPS), killed.stderr
    for home in homes:
        after = open_world(home, world.marts)
        expected = 2 if home.name in ("current", "unlinked") else 1
        assert after.one("SELECT COUNT(*) AS n FROM orders") == {"n": expected}, home.name
        assert after.publish().tables["orders"] == 2
        folder = after.home.marts_dir / f"seller={SELLER}"
        assert list(folder.iterdir()) == [after.warehouse.published(SELLER).path]
        assert list(after.home.spill_dir.iterdir()) == []


def test_a_folder_that_cant_be_written_keeps_the_old_marts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    simple(world)
    world.publish()
    before = world.dump()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(WarehouseError, match=r"can't be written \(No space left on device\)"):
            world.publish()
    assert world.dump() == before


def test_sellers_have_a_file_and_a_key_each(world: World) -> None:
    other = publish_two(world)
    ours, theirs = world.warehouse.published(SELLER), world.warehouse.published(other)
    assert ours.key_id != theirs.key_id
    assert world.one("SELECT order_id FROM orders", other) == {"order_id": "OTHER"}
    assert world.one("SELECT order_id FROM orders") == {"order_id": "2026-06-10-0"}


def test_dropping_destroys_the_key_and_the_file(world: World) -> None:
    simple(world)
    world.publish()
    published = world.warehouse.published(SELLER)
    world.warehouse.drop(SELLER)
    world.warehouse.drop(SELLER)
    assert not published.path.exists()
    assert [key.key_class for key in world.keys.alive(SELLER) if key.key_class == "mart"] == []
    assert world.warehouse.published_at(SELLER) is None
    with pytest.raises(NotPublished, match="no published marts"):
        world.warehouse.connect(SELLER)
    assert world.publish().version == 1


def few(marts: list[Mart]) -> list[Mart]:
    return [mart for mart in marts if mart.name in FEW]


def _kill_at(wanted: str) -> Callable[[str], None]:
    def on_step(step: str) -> None:
        if step == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    return on_step


def _publish_and_die(homes: list[str]) -> None:
    """Publish in each home, in a process of its own that is killed at the step that the folder is named after."""
    from amzigo_pipelines.assets.mart_definitions import load_marts

    marts = few(load_marts())
    for home in homes:
        child = os.fork()
        if not child:
            open_world(Path(home), marts, on_step=_kill_at(Path(home).name)).publish()
            os._exit(1)
        print(os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    _publish_and_die(sys.argv[1:])
