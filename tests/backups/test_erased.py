"""Restoring a backup from before an erasure brings nobody back."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from backup_kit import DIES, NOW, OTHER, SELLER, TODAY, back_up, open_platform, rows, take_keys

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.order_items import ORDER_ITEMS
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.keys.erased_journal import JournalError, read_erased
from amzigo_pipelines.resources.lake.row_match import buyer_key_of
from amzigo_pipelines.resources.lake.tombstones import ensure_hash_key
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention import erasures
from amzigo_pipelines.retention.drill import run_drill
from amzigo_pipelines.retention.erasing import erase
from amzigo_pipelines.retention.restore import restore

DAY = TODAY - timedelta(days=5)
ANNA, BORIS = "anna@marketplace.example", "boris@marketplace.example"
CLOCK = VirtualClock(NOW + timedelta(hours=2))


@pytest.fixture
def with_buyers(platform: Platform) -> Platform:
    """A day on which Anna and Boris bought something, of both sellers."""
    ensure_hash_key(platform.control, platform.keys, platform.home.lock_dir)
    for seller in (SELLER, OTHER):
        sell(platform, seller)
    return platform


def sell(platform: Platform, seller: str) -> None:
    key = platform.keys.pseudonymiser(seller)
    emails = [ANNA, BORIS]
    orders = put(rows(ORDERS, 2, "sold"), "order_id", ["O-anna", "O-boris"])
    orders = put(orders, "buyer_email", emails)
    orders = put(orders, "buyer_key", [buyer_key_of(email, key) for email in emails])
    items = put(rows(ORDER_ITEMS, 2, "sold"), "order_id", ["O-anna", "O-boris"])
    deaths = pa.array([DIES, DIES], pa.date32())
    with platform.lake.writer(seller, DAY, [ORDERS, ORDER_ITEMS], {"operation": "test"}) as writer:
        writer.append(ORDERS, orders, deaths)
        writer.append(ORDER_ITEMS, items, deaths)


def put(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    index = table.schema.get_field_index(name)
    return table.set_column(index, table.schema.field(index), pa.array(values, table.schema.field(index).type))


def pseudonyms(platform: Platform, seller: str) -> dict[str, str | None]:
    scan = platform.lake.scan(ORDERS, seller, [DAY], (RetentionClass.PSEUDONYM,))
    return {} if scan is None else {row["order_id"]: row["buyer_key"] for row in scan.to_table().to_pylist()}


def carried_out(platform: Platform, request: erasures.ErasureRequest) -> None:
    assert isinstance(platform.clock, VirtualClock)
    platform.clock.set(NOW + timedelta(hours=1))
    erasures.approve(platform, request.request_id, "tester")
    erase(platform, request.request_id, publish=lambda _: None, actor="tester")


def restored_from(platform: Platform, archive: Path, to: Path, **further: Any) -> tuple[Platform, Any]:
    take_keys(platform, to / "kek")
    for file in platform.home.kek_dir.glob("erased-*"):
        shutil.copy(file, to / "kek" / file.name)
    report = restore(archive, to, CLOCK, **further)
    return open_platform(to), report


def test_a_buyer_erased_since_is_erased_again(with_buyers: Platform, tmp_path: Path) -> None:
    made = back_up(with_buyers, tmp_path / "backups")
    assert all(pseudonyms(with_buyers, SELLER).values())
    carried_out(with_buyers, erasures.receive_buyer(with_buyers, SELLER, email=ANNA, actor="tester").request)
    (entry,) = {row["request"] for row in read_erased(with_buyers.home.kek_dir)}
    assert entry == 1 and ANNA not in "".join(f.read_text() for f in with_buyers.home.kek_dir.glob("erased-*"))

    restored, report = restored_from(with_buyers, Path(made.place), tmp_path / "new")
    assert report.erased_again > 0 and not report.dead_sellers
    after = pseudonyms(restored, SELLER)
    assert not after.get("O-anna") and after["O-boris"]
    assert all(pseudonyms(restored, OTHER).values())
    assert restored.lake.verify(restored.lake.files()) == {}
    # Nor does extracting the day again bring her back.
    sell(restored, SELLER)
    names = restored.lake.read_pii(ORDERS, SELLER, [DAY], purpose="test", actor="tester").to_pylist()
    assert [row["buyer_email"] for row in names if row["buyer_email"]] == [BORIS]


def test_a_seller_who_left_does_not_come_back(with_buyers: Platform, tmp_path: Path) -> None:
    made = back_up(with_buyers, tmp_path / "backups")
    carried_out(with_buyers, erasures.receive_seller(with_buyers, SELLER, actor="tester").request)
    assert {part.owner for part in with_buyers.backup_keys.alive()} == {"installation", OTHER}
    restored, report = restored_from(with_buyers, Path(made.place), tmp_path / "new")
    assert report.dead_sellers == [SELLER] and report.left_again == [SELLER]
    assert [seller.seller_id for seller in restored.sellers.list()] == [OTHER]
    assert not list(restored.home.lake_dir.glob(f"*/seller={SELLER}"))
    assert restored.keys.alive(SELLER) == []
    # The drill, which has the ledger of before, knows that this is as it should be.
    assert run_drill(with_buyers, "tester").dead_sellers == (SELLER,)


def test_certificates_tell_of_erasures_where_the_journal_does_not(with_buyers: Platform, tmp_path: Path) -> None:
    made = back_up(with_buyers, tmp_path / "backups")
    take_keys(with_buyers, tmp_path / "new" / "kek")  # from before the erasure
    carried_out(with_buyers, erasures.receive_order(with_buyers, SELLER, order_id="O-anna", actor="tester").request)
    report = restore(Path(made.place), tmp_path / "new", CLOCK, certificates=with_buyers.home.certificate_dir)
    assert report.erased_again > 0
    assert not pseudonyms(open_platform(tmp_path / "new"), SELLER).get("O-anna")


def test_a_backup_made_after_the_erasure_keeps_the_tombstone(with_buyers: Platform, tmp_path: Path) -> None:
    carried_out(with_buyers, erasures.receive_buyer(with_buyers, SELLER, email=ANNA, actor="tester").request)
    made = back_up(with_buyers, tmp_path / "backups")
    take_keys(with_buyers, tmp_path / "new" / "kek")
    restore(Path(made.place), tmp_path / "new", CLOCK)
    restored = open_platform(tmp_path / "new")
    sell(restored, SELLER)
    assert not pseudonyms(restored, SELLER).get("O-anna")


def test_a_damaged_journal_stops_the_restore(with_buyers: Platform, tmp_path: Path) -> None:
    made = back_up(with_buyers, tmp_path / "backups")
    take_keys(with_buyers, tmp_path / "new" / "kek")
    (tmp_path / "new" / "kek" / "erased-E1.json").write_text("[{")
    with pytest.raises(JournalError, match="it says who must not come back"):
        restore(Path(made.place), tmp_path / "new", CLOCK)
    assert not (tmp_path / "new" / "amzigo.toml").exists()
