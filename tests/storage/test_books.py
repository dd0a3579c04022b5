"""The control database, the sellers, the audit trail, the locks."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable
from storage_kit import NOW, SELLER, Store

from amzigo_pipelines.resources.audit.trail import AuditBroken
from amzigo_pipelines.resources.control.database import ControlDatabase, ControlError, schema
from amzigo_pipelines.resources.locks import LockBusy, exclusive
from amzigo_pipelines.resources.sellers import SellerError, UnknownSeller

TOKEN = "Atzr|IwEBIExampleRefreshToken"


def test_creating_twice_changes_nothing(store: Store) -> None:
    before = store.control.installation_id()
    store.control.create()
    assert store.control.installation_id() == before
    assert store.database_file.stat().st_mode & 0o777 == 0o600


def test_connections_are_set_so_that_nothing_destroyed_stays(store: Store) -> None:
    with store.control.read() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "secure_delete", "synchronous", "foreign_keys", "temp_store")
        }
    assert settings == {
        "journal_mode": "delete",
        "secure_delete": 1,
        "synchronous": 2,
        "foreign_keys": 1,
        "temp_store": 2,
    }


def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    with pytest.raises(RuntimeError), store.control.transaction() as connection:
        connection.execute(schema.sellers.insert().values(seller_id="X", name="", marketplace_ids="[]", added_at=NOW))
        raise RuntimeError
    assert store.sellers.list() == []


def test_a_database_in_memory_is_refused() -> None:
    with pytest.raises(ControlError, match="must be a file"):
        ControlDatabase("sqlite://")


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match=r"can't be made \(No such file or directory\)"):
        ControlDatabase(f"sqlite:///{tmp_path}/nowhere/control.db").create()


def test_instants_keep_their_zone_and_naive_ones_are_refused(store: Store) -> None:
    with store.control.read() as connection:
        assert connection.execute(sa.select(schema.installation.c.created_at)).scalar_one().tzinfo is UTC
    with pytest.raises(sa.exc.StatementError, match="without a time zone"), store.control.transaction() as connection:
        connection.execute(schema.installation.update().values(created_at=datetime(2026, 1, 1)))


def test_an_error_shows_no_bound_value(store: Store) -> None:
    with pytest.raises(sa.exc.IntegrityError) as caught, store.control.transaction() as connection:
        connection.execute(schema.secrets.insert().values(name="n", kek_version=None, wrapped=b"precious"))
    assert "precious" not in str(caught.value)


def test_postgresql_takes_the_same_tables() -> None:
    dialect = postgresql.dialect()
    statements = [str(CreateTable(table).compile(dialect=dialect)) for table in schema.metadata.sorted_tables]
    assert any("BYTEA" in statement for statement in statements)
    (one_alive,) = [index for index in schema.data_keys.indexes if index.name == "data_keys_one_alive"]
    assert "WHERE destroyed_at IS NULL" in str(CreateIndex(one_alive).compile(dialect=dialect))


def test_the_registry_imports_neither_arrow_nor_duckdb() -> None:
    code = "import sys, amzigo_pipelines.resources.sellers; print(sorted({'pyarrow', 'duckdb'} & set(sys.modules)))"
    root = str(Path(__file__).parents[2])
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60)
    assert result.stdout == "[]\n", result.stderr


def test_a_seller_comes_is_listed_and_goes(store: Store) -> None:
    seller = store.sellers.add(
        SELLER, "Ada's Lamps", ["ATVPDKIKX0DER", "ATVPDKIKX0DER", "A1PA6795UKMFR9"], f" {TOKEN}\n"
    )
    assert seller.marketplace_ids == ("ATVPDKIKX0DER", "A1PA6795UKMFR9")
    assert store.sellers.get(SELLER) == seller
    assert store.sellers.refresh_tokens(SELLER) == {"*": TOKEN}
    assert TOKEN not in repr(seller)
    assert TOKEN.encode() not in store.database_file.read_bytes()
    with pytest.raises(SellerError, match="is there already"):
        store.sellers.add(SELLER, "again", ["ATVPDKIKX0DER"], TOKEN)

    store.clock.set(NOW + timedelta(days=1))
    store.sellers.remove(SELLER)
    assert store.sellers.list() == []
    (tombstone,) = store.sellers.list(include_removed=True)
    assert tombstone.removed_at == NOW + timedelta(days=1)
    for ask in (store.sellers.get, store.sellers.refresh_tokens, store.sellers.remove):
        with pytest.raises(UnknownSeller, match=r"any more \(removed on 2026-11-24\); there are: none yet"):
            ask(SELLER)
    store.sellers.add(SELLER, "Back", ["ATVPDKIKX0DER"], "another")
    assert store.sellers.refresh_tokens(SELLER) == {"*": "another"}


def test_an_unknown_seller_hears_who_there_is(store: Store) -> None:
    store.sellers.add("B2B", "x", ["M"], TOKEN)
    with pytest.raises(UnknownSeller, match="there is no seller 'NOPE'; there are: B2B"):
        store.sellers.get("NOPE")


@pytest.mark.parametrize("seller_id", ["", "ab", "lower", "A/B", "../A", "A" * 33, "ÄÖÜ", "A1\n"])
def test_a_malformed_seller_id_is_refused(store: Store, seller_id: str) -> None:
    with pytest.raises(SellerError, match="is no seller id"):
        store.sellers.add(seller_id, "x", ["M"], TOKEN)


def test_a_seller_needs_a_marketplace_and_a_token(store: Store) -> None:
    with pytest.raises(SellerError, match="no marketplace"):
        store.sellers.add(SELLER, "x", [], TOKEN)
    with pytest.raises(SellerError, match="no usable refresh token"):
        store.sellers.add(SELLER, "x", ["M"], " ")


def test_the_audit_trail_is_read_back_and_filtered(store: Store) -> None:
    for n, action in enumerate(["read_pii", "destroy_keys", "read_pii"]):
        store.clock.set(NOW + timedelta(hours=n))
        assert store.audit.record("ada", action, SELLER, "orders", "why", n) == n + 1
    assert [entry.number for entry in store.audit.read()] == [1, 2, 3]
    assert [entry.number for entry in store.audit.read(action="read_pii")] == [1, 3]
    assert [entry.number for entry in store.audit.read(since=NOW + timedelta(hours=1), limit=1)] == [3]
    assert store.audit.read(seller_id="OTHER1") == []
    assert store.audit.verify() == 3
    with pytest.raises(ValueError, match="needs an actor"):
        store.audit.record("", "x", None, "", "why")


@pytest.mark.parametrize("change", ["edit", "remove"])
def test_a_changed_audit_trail_is_noticed(store: Store, change: str) -> None:
    for n in range(3):
        store.audit.record("ada", "read_pii", SELLER, f"orders {n}", "why")
    second = schema.audit.c.number == 2
    with store.control.transaction() as connection:
        connection.execute(
            schema.audit.update().where(second).values(seller_id="OTHER1")
            if change == "edit"
            else schema.audit.delete().where(second)
        )
    with pytest.raises(AuditBroken, match="broken at entry 2"):
        store.audit.verify()


def test_a_lock_excludes_threads_waits_and_leaves_no_file(tmp_path: Path) -> None:
    with exclusive(tmp_path, "one"), pytest.raises(LockBusy, match="one is in use"), exclusive(tmp_path, "one"):
        pass
    entered, counts = [], []

    def work() -> None:
        with exclusive(tmp_path, "one", wait_s=30):
            entered.append(1)
            counts.append(len(entered))
            entered.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [1] * 8
    assert list(tmp_path.iterdir()) == []


def test_a_partition_date_is_a_date(store: Store) -> None:
    store.write("a")
    assert {type(file.day) for file in store.lake.files()} == {date}
