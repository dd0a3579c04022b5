"""What lies on disk: nothing readable, nothing that opens with another key, damage said in one sentence."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amzigo_pipelines.resources.marts.duckdb_session import CannotOpen, attach, open_session
from amzigo_pipelines.resources.marts.warehouse import MartDamaged, MartExpired, NotPublished
from tests.warehouse.conftest import DAY, SELLER, World, item, order, publish_two, simple

MARKERS = ("SKU-NEEDLE-4711", "A title that nobody else has", "buyer-key-needle")


def assert_unreadable(data: bytes) -> None:
    for marker in (*MARKERS, "order_id", "sales_daily"):
        for form in (marker.encode(), marker.encode("utf-16-le"), base64.b64encode(marker.encode())[:12]):
            assert form not in data


def test_no_plaintext_on_disk_at_any_step_of_a_publish(world: World) -> None:
    o = order("1", "2026-06-10T12:00:00", buyer_key=MARKERS[2])
    world.write(DAY, orders=[o], order_items=[item(o, sku=MARKERS[0], title=MARKERS[1])])
    looked: list[str] = []

    def look(step: str) -> None:
        for folder in (world.home.marts_dir, world.home.spill_dir):
            for file in folder.rglob("*"):
                if file.is_file():
                    looked.append(file.name)
                    assert_unreadable(file.read_bytes())

    world.warehouse._step = look
    world.publish()
    world.publish()
    assert "mart-000002.duckdb" in looked
    assert world.one("SELECT sku, title FROM order_items") == {"sku": MARKERS[0], "title": MARKERS[1]}
    assert {p.stat().st_mode & 0o777 for p in world.home.marts_dir.rglob("*.duckdb")} == {0o600}


def test_spills_are_encrypted(tmp_path: Path) -> None:
    connection = open_session(tmp_path / "spill", "40MB", threads=1)
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(
        f"CREATE TABLE big AS SELECT range AS n, '{MARKERS[0]}-' || hash(range) AS sku FROM range(1500000)"
    )
    spilled = [file for file in (tmp_path / "spill").rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in spilled) > 5_000_000
    for file in spilled:
        assert_unreadable(file.read_bytes())
    assert connection.execute("SELECT COUNT(DISTINCT n) FROM big WHERE sku LIKE 'SKU-NEEDLE%'").fetchone() == (
        1_500_000,
    )
    connection.close()


def test_spills_would_be_readable_without_the_setting(tmp_path: Path) -> None:
    # Shows that the test above looks at real spills: the same with the setting turned off is full of plaintext.
    connection = open_session(tmp_path / "spill", "40MB", threads=1)
    connection.execute("SET temp_file_encryption = false; SET preserve_insertion_order = false")
    connection.execute(
        f"CREATE TABLE big AS SELECT range AS n, '{MARKERS[0]}-' || hash(range) AS sku FROM range(1500000)"
    )
    data = b"".join(file.read_bytes() for file in (tmp_path / "spill").rglob("*") if file.is_file())
    assert MARKERS[0].encode() in data
    connection.close()


def test_another_key_does_not_open_and_is_not_named(world: World) -> None:
    simple(world)
    world.publish()
    path = world.warehouse.published(SELLER).path
    wrong = b"w" * 32
    with open_session(None) as connection, pytest.raises(CannotOpen) as caught:
        attach(connection, path, "m", wrong, is_read_only=True)
    assert base64.b64encode(wrong).decode() not in repr(caught.value) + repr(caught.value.__cause__)
    assert caught.value.__suppress_context__
    with pytest.raises(duckdb.Error):
        duckdb.connect(str(path), read_only=True)


def test_a_missing_damaged_or_replaced_file_is_said_and_healed_by_the_next_publish(world: World) -> None:
    simple(world)
    world.publish()
    earlier = world.warehouse.published(SELLER).path.read_bytes()
    world.publish()
    path = world.warehouse.published(SELLER).path
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[5000] ^= 1
    for content in (None, b"", good[:-4096], bytes(flipped), bytes(len(good)), earlier):
        path.unlink() if content is None else path.write_bytes(content)
        with pytest.raises(MartDamaged, match=f"{path.name} (were changed|can't be read)") as caught:
            world.warehouse.query(SELLER, "SELECT 1")
        assert "publish --seller A2TESTSELLER' again" in str(caught.value)
    assert world.publish().is_rebuilt
    assert world.one("SELECT COUNT(*) AS n FROM orders") == {"n": 1}


def test_damage_deep_inside_is_said_by_the_query_and_healed_by_the_next_publish(world: World) -> None:
    simple(world, count=3)
    world.publish()
    path = world.warehouse.published(SELLER).path
    data = bytearray(path.read_bytes())
    for offset in range(40_000, len(data), 50_000):
        data[offset] ^= 1
    path.write_bytes(data)
    with pytest.raises((MartDamaged, Exception), match=r"damaged|were changed"):
        world.rows("SELECT * FROM orders")
    world.publish()
    assert world.one("SELECT COUNT(*) AS n FROM orders") == {"n": 3}


def test_another_sellers_file_does_not_open(world: World) -> None:
    other = publish_two(world)
    shutil.copyfile(world.warehouse.published(other).path, world.warehouse.published(SELLER).path)
    with pytest.raises(MartDamaged, match="were changed or replaced"):
        world.warehouse.connect(SELLER)


def test_an_unpublished_seller_and_a_dead_key_are_said(world: World) -> None:
    with pytest.raises(NotPublished, match="seller A2TESTSELLER has no published marts"):
        world.warehouse.connect(SELLER)
    simple(world)
    world.publish()
    world.keys.destroy([world.warehouse.published(SELLER).key_id])
    with pytest.raises(MartExpired, match="no longer open"):
        world.warehouse.connect(SELLER)
    assert world.publish().is_rebuilt
    assert world.one("SELECT COUNT(*) AS n FROM orders") == {"n": 1}


def test_no_key_stands_in_a_message_when_a_publish_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    simple(world)
    secrets: list[str] = []
    real = world.keys.key_for

    def remember(*arguments: Any) -> Any:
        key = real(*arguments)
        secrets.append(base64.b64encode(key.secret).decode())
        return key

    monkeypatch.setattr(world.keys, "key_for", remember)
    world.home.marts_dir.joinpath(f"seller={SELLER}").mkdir()
    world.home.marts_dir.joinpath(f"seller={SELLER}", "mart-000001.duckdb").write_bytes(b"not a database" * 1000)
    monkeypatch.setattr(world.warehouse, "_sweep", lambda *_: None)
    with pytest.raises(Exception, match=r"mart-000001\.duckdb") as caught:
        world.publish()
    assert secrets
    assert secrets[0] not in repr(caught.value) + repr(caught.value.__cause__)
    assert caught.value.__suppress_context__
