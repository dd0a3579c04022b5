"""A restore from before an erasure: the erased are erased again before anybody reads."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from erasure_kit import ANNA, BORIS, DAY, OTHER, SELLER, Sold, business, no_publish, open_platform, people, write

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.lake import tombstones
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention import erasures
from amzigo_pipelines.retention.certificate_format import CertificateInvalid
from amzigo_pipelines.retention.certificates import verify_chain
from amzigo_pipelines.retention.erasing import erase, remove_seller
from amzigo_pipelines.retention.reapplying import apply_tombstones

OTHERS = {"111-B", "111-N", "222-B", "333-B"}


@pytest.fixture
def backup(platform: Platform, tmp_path: Path) -> Path:
    """Everything as it was before, KEKs too: more than a backup may hold."""
    return shutil.copytree(platform.home.path, tmp_path / "backup")


def erased(platform: Platform) -> None:
    request = erasures.receive_buyer(platform, SELLER, email=ANNA, actor="tester").request
    erasures.approve(platform, request.request_id, "tester")
    erase(platform, request.request_id, publish=no_publish, actor="tester")


def test_with_the_newer_databases_tombstones(platform: Platform, backup: Path) -> None:
    erased(platform)
    with platform.control.read() as connection:
        known = tombstones.all_rows(connection)
    restored = open_platform(backup)
    before = business(restored)
    assert "111-A" in people(restored)["orders"]
    done = apply_tombstones(restored, known, actor="tester")
    assert (done.tombstones, done.keys, done.rows, done.sellers) == (4, 3, 8, ())
    assert set(map(frozenset, people(restored).values())) == {frozenset(OTHERS)}
    assert business(restored) == before
    again = apply_tombstones(restored, known, actor="tester")
    assert (again.tombstones, again.keys, again.rows) == (0, 0, 0)
    # And it goes on: the restored lake takes nothing of the erased either.
    write(restored, DAY, [Sold("444-A", ANNA, DAY.replace(month=12)), Sold("444-B", BORIS, DAY.replace(month=12))])
    assert people(restored)["orders"] == OTHERS | {"444-B"}


def test_with_the_certificates_alone(platform: Platform, backup: Path) -> None:
    erased(platform)
    for path in platform.home.certificate_dir.glob("*.json"):
        shutil.copy(path, backup / "certificates")
    restored = open_platform(backup)
    assert apply_tombstones(restored, actor="tester").rows == 8
    assert set(map(frozenset, people(restored).values())) == {frozenset(OTHERS)}


def test_a_forged_certificate_erases_nobody(platform: Platform, backup: Path) -> None:
    erased(platform)
    (path,) = platform.home.certificate_dir.glob("*.json")
    (backup / "certificates" / path.name).write_bytes(path.read_bytes().replace(b'"order"', b'"buyer"'))
    restored = open_platform(backup)
    with pytest.raises(CertificateInvalid):
        apply_tombstones(restored, actor="tester")
    assert "111-A" in people(restored)["orders"]


def test_a_seller_who_had_left(platform: Platform, backup: Path) -> None:
    remove_seller(platform, SELLER, "tester")
    with platform.control.read() as connection:
        known = tombstones.all_rows(connection)
    restored = open_platform(backup)
    other = business(restored, OTHER)
    done = apply_tombstones(restored, known, actor="tester")
    assert (done.sellers, restored.keys.alive(SELLER)) == ((SELLER,), [])
    assert [seller.seller_id for seller in restored.sellers.list()] == [OTHER]
    assert business(restored, OTHER) == other
    assert not list(restored.home.lake_dir.glob(f"*/seller={SELLER}"))


def test_a_seller_who_came_back_is_not_erased_again_but_erased_buyers_stay_so(platform: Platform) -> None:
    erased(platform)
    remove_seller(platform, SELLER, "tester")
    platform.clock.set(platform.clock.now().replace(hour=13))  # type: ignore[attr-defined]
    platform.sellers.add(SELLER, "back", ("ATVPDKIKX0DER",), "Atzr|token")
    assert platform.lake.partitions(SELLER) == []
    dies = DAY.replace(month=12)
    write(platform, DAY, [Sold("555-A", ANNA, dies), Sold("555-B", BORIS, dies)])
    assert set(map(frozenset, people(platform).values())) == {frozenset({"555-B"})}
    assert apply_tombstones(platform, actor="tester").sellers == ()
    assert people(platform)["orders"] == {"555-B"}
    # Leaving again is a request of its own.
    assert remove_seller(platform, SELLER, "tester").number == 3
    assert len(verify_chain(platform)) == 3


def test_what_was_being_written_when_somebody_was_erased_is_not_stored(platform: Platform) -> None:
    day, dies = DAY, DAY.replace(month=12)
    with pytest.raises(AmzigoError, match="somebody was erased") as caught:
        _write_while(platform, day, dies, lambda: erased(platform))
    assert caught.value.is_retryable
    assert people(platform)["orders"] == OTHERS
    with pytest.raises(AmzigoError, match="removed"):
        _write_while(platform, day, dies, lambda: remove_seller(platform, SELLER, "tester") and None)
    assert platform.keys.alive(SELLER) == []


def _write_while(platform: Platform, day: object, dies: object, happens: object) -> None:
    import pyarrow as pa
    from erasure_kit import ORDERS, table

    with platform.lake.writer(SELLER, day, [ORDERS], {"operation": "test"}) as writer:  # type: ignore[arg-type]
        rows = table(ORDERS, [{"mark": "anna", "order_id": "666-A", "buyer_email": ANNA}])
        writer.append(ORDERS, rows, pa.array([dies], pa.date32()))
        happens()  # type: ignore[operator]
