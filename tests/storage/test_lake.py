"""The lake: families and dates of death, versions, scans and relations, audited PII."""

from __future__ import annotations

from datetime import date, timedelta

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.parquet.encryption import create_decryption_properties
from storage_kit import (
    DAY,
    INVENTORY,
    ITEMS,
    MARK,
    NOW,
    ORDERS,
    SELLER,
    TODAY,
    Store,
    items,
    marks,
    orders,
    table_of,
)

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.resources.lake.store import LakeInputError
from amzigo_pipelines.resources.sellers import SellerError

BUSINESS, PSEUDONYM, PII = RetentionClass.BUSINESS, RetentionClass.PSEUDONYM, RetentionClass.PII


def write(store: Store, table: pa.Table, expires_on: pa.Array | None, dataset=ORDERS, day: date = DAY):
    with store.lake.writer(SELLER, day, [dataset], {"operation": "searchOrders"}) as writer:
        writer.append(dataset, table, expires_on)
    return writer.committed[0]


def test_a_partition_is_one_file_a_family_and_one_pii_file_a_date_of_death(store: Store) -> None:
    commit = write(store, *orders("a", rows=4, dies_in_days=(10, 20)))
    assert (commit.version, commit.rows, commit.pii_rows, commit.pii_rows_dropped, commit.files) == (1, 4, 4, 0, 4)
    files = {(file.family, file.expires_on): file for file in store.lake.files()}
    assert set(files) == {
        (BUSINESS, date(2026, 11, 1) + timedelta(days=548)),
        (PSEUDONYM, date(2026, 11, 1) + timedelta(days=365)),
        (PII, TODAY + timedelta(days=10)),
        (PII, TODAY + timedelta(days=20)),
    }
    assert files[PII, TODAY + timedelta(days=10)].rows == 2
    assert store.on_disk() == store.current()
    assert f"orders/seller={SELLER}/day=2026-11-20/pii-2026-12-03-000001.parquet" in store.current()
    assert commit.bytes == sum((store.home.lake_dir / path).stat().st_size for path in store.on_disk())
    assert marks(store.home.path) == []


def test_a_file_says_inside_its_encryption_where_it_comes_from(store: Store) -> None:
    write(store, *orders("a"))
    file = store.lake.files(families=[PII])[0]
    key = store.keys.open(file.key_id)
    opened = create_decryption_properties(key.secret, aad_prefix=file.path.encode())
    facts = pq.read_metadata(store.home.lake_dir / file.path, decryption_properties=opened).metadata
    assert facts[b"amzigo.seller"] == SELLER.encode()
    assert facts[b"amzigo.dataset"] == b"orders"
    assert facts[b"amzigo.class"] == b"pii"
    assert facts[b"amzigo.expires_on"] == file.expires_on.isoformat().encode()
    assert facts[b"amzigo.origin.operation"] == b"searchOrders"
    assert SELLER.encode() not in (store.home.lake_dir / file.path).read_bytes()
    assert (store.home.lake_dir / file.path).stat().st_mode & 0o777 == 0o600


def test_pii_whose_date_has_come_is_not_written_and_counted(store: Store) -> None:
    commit = write(store, *orders("a", rows=6, dies_in_days=(-1, 0, 1)))
    assert (commit.rows, commit.pii_rows, commit.pii_rows_dropped) == (6, 2, 4)
    assert store.pii_names() == [f"{MARK} a 2", f"{MARK} a 5"]
    assert store.lake.scan(ORDERS, SELLER).count_rows() == 6


def test_rows_without_pii_are_in_no_pii_file_and_need_no_date(store: Store) -> None:
    table, _ = items("a", rows=3)
    commit = write(store, table, pa.array([TODAY + timedelta(days=3), None, None], pa.date32()), ITEMS)
    assert (commit.pii_rows, commit.pii_rows_dropped, commit.files) == (1, 0, 2)


def test_pseudonyms_too_old_to_be_kept_are_left_out(store: Store) -> None:
    day = TODAY - timedelta(days=400)
    commit = write(store, *orders("a", dies_in_days=(-1,)), day=day)
    assert [file.family for file in store.lake.files()] == [BUSINESS]
    assert commit.files == 1
    rows = store.lake.relation(duckdb.connect(), ORDERS, SELLER).fetchall()
    assert len(rows) == 4


def test_an_empty_partition_is_a_fact(store: Store) -> None:
    with store.lake.writer(SELLER, DAY, [ORDERS, INVENTORY], {"operation": "test"}) as writer:
        writer.append(INVENTORY, INVENTORY.schema.empty_table(), None)
    assert [(c.dataset, c.rows, c.files) for c in writer.committed] == [("fba_inventory", 0, 0), ("orders", 0, 0)]
    assert [(p.dataset, p.day, p.rows, p.origin) for p in store.lake.partitions(SELLER)] == [
        ("fba_inventory", DAY, 0, {"operation": "test"}),
        ("orders", DAY, 0, {"operation": "test"}),
    ]
    assert store.lake.scan(ORDERS, SELLER) is None


def test_a_rewrite_replaces_the_partition_and_leaves_no_old_file(store: Store) -> None:
    store.write("old", rows=9)
    store.write("new", rows=2)
    assert store.tags() == ({"new"}, {"new"})
    assert {file.version for file in store.lake.files()} == {2}
    assert store.on_disk() == store.current()
    assert store.lake.files(state=None) == store.lake.files()
    assert [p.version for p in store.lake.partitions(SELLER, ORDERS)] == [2]


def test_a_version_number_is_never_used_twice(store: Store) -> None:
    write(store, *orders("a"))
    stray = store.home.lake_dir / f"orders/seller={SELLER}/day={DAY}/business-2028-05-02-000007.parquet"
    stray.write_bytes(b"left by a crash")
    assert write(store, *orders("b")).version == 8
    assert store.lake.sweep().unreferenced == (stray.relative_to(store.home.lake_dir).as_posix(),)


def test_many_appends_become_large_row_groups_and_are_not_held_for_long(store: Store) -> None:
    table, expires_on = orders("a", rows=5_000)
    with store.lake.writer(SELLER, DAY, [ORDERS], {}) as writer:
        for _ in range(30):
            writer.append(ORDERS, table, expires_on)
    (file,) = store.lake.files(families=[BUSINESS])
    opened = create_decryption_properties(store.keys.open(file.key_id).secret, aad_prefix=file.path.encode())
    metadata = pq.read_metadata(store.home.lake_dir / file.path, decryption_properties=opened)
    *whole, rest = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert sum(whole) + rest == 150_000 and len(set(whole)) == 1 and rest <= whole[0]
    # Some 250 bytes a row of this wide table: 8 MB.
    assert 20_000 <= whole[0] <= 60_000
    assert writer.committed[0].pii_rows == 150_000
    assert store.lake.verify(store.lake.files()) == {}
    assert sum(store.lake.scan(ORDERS, SELLER).to_table(["units_ordered"]).column(0).to_pylist()) == 30 * sum(
        range(5_000)
    )


@pytest.mark.parametrize(
    ("day", "sentence"),
    [
        (TODAY + timedelta(days=1), "lies in the future"),
        (date(2025, 5, 24), "too old to be stored: Amazon.s data is kept for 548 days"),
    ],
)
def test_a_day_out_of_range_is_refused(store: Store, day: date, sentence: str) -> None:
    with pytest.raises(LakeInputError, match=sentence), store.lake.writer(SELLER, day, [ORDERS], {}):
        pass
    assert list(store.home.lock_dir.iterdir()) == []


def test_rows_that_do_not_fit_are_refused_without_showing_them(store: Store) -> None:
    table, expires_on = orders("a")
    late = pa.array([TODAY + timedelta(days=60)] * 4, pa.date32())
    cases = [
        (ORDERS, table.drop_columns(["status"]), expires_on, "missing columns: status"),
        (ORDERS, table.append_column("extra", pa.nulls(4)), expires_on, "unknown columns: extra"),
        (ORDERS, table.set_column(0, "order_id", pa.array([1, 2, 3, 4])), expires_on, "order_id is int64"),
        (ORDERS, table_of(ORDERS, {}, 4), expires_on, "have no order_id"),
        (ORDERS, table, None, "give the date of death"),
        (ORDERS, table, expires_on.slice(1), "3 of type date32"),
        (ORDERS, table, pa.nulls(4, pa.date32()), "4 rows of dataset orders have PII without a date of death"),
        (ORDERS, table, late, "30 days from today is the most"),
        (INVENTORY, INVENTORY.schema.empty_table(), pa.nulls(0, pa.date32()), "has no PII"),
        (ITEMS, *items("a"), "is for fba_inventory, orders, not for order_items"),
    ]
    for dataset, rows, dates, sentence in cases:
        with (
            pytest.raises(LakeInputError, match=sentence) as caught,
            store.lake.writer(SELLER, DAY, [ORDERS, INVENTORY], {}) as writer,
        ):
            writer.append(dataset, rows, dates)
        assert MARK not in str(caught.value)
    assert store.on_disk() == set()
    assert store.lake.partitions(SELLER) == []


def test_a_seller_id_that_is_no_path_is_refused(store: Store) -> None:
    with pytest.raises(SellerError, match="is no seller id"):
        store.lake.writer("../x", DAY, [ORDERS], {})


def test_a_scan_pushes_columns_and_filters_down_and_knows_the_day(store: Store) -> None:
    for n in range(3):
        store.write(f"d{n}", day=DAY - timedelta(days=n), rows=10)
    scan = store.lake.scan(ORDERS, SELLER)
    assert scan.schema.names == [*ORDERS.families[BUSINESS].names, "day"]
    connection = duckdb.connect()
    query = "SELECT day, count(*), sum(units_ordered) FROM scan WHERE day = DATE '2026-11-19' AND units_ordered > 4"
    plan = connection.execute(f"EXPLAIN {query} GROUP BY day").fetchall()[0][1]
    assert "ARROW_SCAN" in plan
    assert "units_ordered>4" in plan
    assert "grand_total" not in plan
    assert connection.execute(f"{query} GROUP BY day").fetchall() == [(date(2026, 11, 19), 5, 35)]
    some = store.lake.scan(ORDERS, SELLER, days=[DAY, DAY - timedelta(days=2), DAY - timedelta(days=9)])
    assert some.count_rows() == 20
    assert store.lake.scan(ORDERS, "OTHER1") is None
    assert store.lake.scan(INVENTORY, SELLER) is None


def test_a_relation_puts_the_families_side_by_side(store: Store) -> None:
    store.write("a", rows=3)
    store.write("b", day=DAY - timedelta(days=1), rows=2)
    connection = duckdb.connect()
    relation = store.lake.relation(connection, ORDERS, SELLER)
    known = [c.name for c in ORDERS if c.retention is not PII]
    assert relation.columns == [*known, "day"]
    assert sorted(relation.project("order_id, buyer_key, day").fetchall()) == [
        ("a-0", "key-a-0", DAY),
        ("a-1", "key-a-1", DAY),
        ("a-2", "key-a-2", DAY),
        ("b-0", "key-b-0", DAY - timedelta(days=1)),
        ("b-1", "key-b-1", DAY - timedelta(days=1)),
    ]
    only = store.lake.relation(connection, ORDERS, SELLER, days=[DAY], families=[BUSINESS])
    assert only.columns == [*ORDERS.families[BUSINESS].names, "day"]
    assert len(only.fetchall()) == 3
    assert connection.execute("SELECT count(buyer_key) FROM relation").fetchall() == [(5,)]
    nothing = store.lake.relation(connection, ORDERS, "OTHER1")
    assert nothing.columns == relation.columns
    assert nothing.fetchall() == []


def test_dead_pseudonyms_read_as_nulls(store: Store) -> None:
    store.write("a", rows=3)
    store.write("b", day=date(2026, 10, 5), rows=2)
    keys = [file.key_id for file in store.lake.files(families=[PSEUDONYM]) if file.day == DAY]
    store.keys.destroy(keys)
    relation = store.lake.relation(duckdb.connect(), ORDERS, SELLER)
    assert sorted(relation.project("order_id, buyer_key").fetchall()) == [
        ("a-0", None),
        ("a-1", None),
        ("a-2", None),
        ("b-0", "key-b-0"),
        ("b-1", "key-b-1"),
    ]
    assert store.lake.scan(ORDERS, SELLER, families=[PSEUDONYM]).count_rows() == 2


def test_the_day_moves_on_and_pii_is_gone_though_nobody_swept(store: Store) -> None:
    write(store, *orders("a", dies_in_days=(10, 20)))
    store.clock.set(NOW + timedelta(days=10))
    assert store.pii_names() == [f"{MARK} a 1", f"{MARK} a 3"]
    store.clock.set(NOW + timedelta(days=20))
    assert store.pii_names() == []
    assert store.lake.scan(ORDERS, SELLER).count_rows() == 4


def test_pii_is_read_by_the_audited_call_alone(store: Store) -> None:
    store.write("a", rows=2)
    with pytest.raises(ValueError, match="read_pii"):
        store.lake.scan(ORDERS, SELLER, families=[PII])
    with pytest.raises(ValueError, match="read_pii"):
        store.lake.relation(duckdb.connect(), ORDERS, SELLER, families=[BUSINESS, PII])
    assert store.audit.read() == []

    table = store.lake.read_pii(ORDERS, SELLER, [DAY], purpose="answering a cancellation", actor="ada")
    assert table.schema.names == [*ORDERS.families[PII].names, "day", "expires_on"]
    assert sorted(table.column("expires_on").to_pylist()) == [TODAY + timedelta(days=n) for n in (10, 20)]
    (entry,) = store.audit.read(seller_id=SELLER, action="read_pii")
    assert (entry.actor, entry.purpose, entry.rows) == ("ada", "answering a cancellation", 2)
    assert entry.subject == "orders 2026-11-20..2026-11-20"
    for blank in ({"purpose": " ", "actor": "ada"}, {"purpose": "why", "actor": ""}):
        with pytest.raises(ValueError, match="needs a purpose and an actor"):
            store.lake.read_pii(ORDERS, SELLER, **blank)
    with pytest.raises(ValueError, match="has no PII"):
        store.lake.read_pii(INVENTORY, SELLER, purpose="why", actor="ada")


def test_no_audit_no_pii(store: Store) -> None:
    store.write("a")
    with store.control.transaction() as connection:
        connection.exec_driver_sql("DROP TABLE audit")
    with pytest.raises(Exception, match="lacks its tables"):
        store.lake.read_pii(ORDERS, SELLER, purpose="why", actor="ada")


def test_sellers_are_apart(store: Store) -> None:
    store.write("mine", seller_id=SELLER)
    store.write("theirs", seller_id="OTHER1")
    assert store.tags(SELLER) == ({"mine"}, {"mine"})
    mine = {file.key_id for file in store.lake.files(seller_id=SELLER)}
    theirs = {file.key_id for file in store.lake.files(seller_id="OTHER1")}
    assert mine.isdisjoint(theirs)
    store.keys.destroy(mine)
    assert store.tags(SELLER) == (set(), set())
    assert store.tags("OTHER1") == ({"theirs"}, {"theirs"})


def test_destroyed_files_are_gone_from_disk_and_books(store: Store) -> None:
    store.write("a")
    pii = store.lake.files(families=[PII])
    report = store.lake.destroy_files(pii)
    assert set(report.destroyed) == {file.path for file in pii}
    assert report.failed == {}
    assert store.on_disk() == store.current()
    assert {file.path for file in store.lake.files(state="destroyed")} == set(report.destroyed)
    assert store.lake.destroy_files(pii).failed == {}


def test_a_file_that_can_not_be_unlinked_is_reported_and_stays_in_the_books(store: Store) -> None:
    store.write("a")
    first, *rest = store.lake.files(ORDERS, families=[PII])
    path = store.home.lake_dir / first.path
    path.unlink()
    path.mkdir()  # what no unlink removes
    report = store.lake.destroy_files([first, *rest])
    assert list(report.failed) == [first.path]
    assert set(report.destroyed) == {file.path for file in rest}
    assert first.path in store.current()


def test_a_sweep_leaves_what_the_lake_never_made(store: Store) -> None:
    store.write("a")
    folder = store.home.lake_dir / f"orders/seller={SELLER}/day={DAY}"
    (folder / "notes.txt").write_text("mine")
    (folder / ".tmp-0123-business-2028-05-02-000001.parquet").write_bytes(b"half")
    report = store.lake.sweep()
    assert [path.rpartition("/")[2] for path in report.foreign] == ["notes.txt"]
    assert len(report.temporary) == 1
    assert (folder / "notes.txt").exists()
    assert store.tags() == ({"a"}, {"a"})
