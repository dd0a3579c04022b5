"""Files and rows changed behind the lake's back: each is one clear sentence, and never data."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from storage_kit import DAY, MARK, ORDERS, SELLER, TODAY, Store, orders

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.schema import data_keys, lake_files
from amzigo_pipelines.resources.keys.store import KeyTampered
from amzigo_pipelines.resources.lake.store import LakeDamaged, LakeFile

BUSINESS, PSEUDONYM, PII = RetentionClass.BUSINESS, RetentionClass.PSEUDONYM, RetentionClass.PII
YESTERDAY = DAY - timedelta(days=1)


def business(store: Store, day=DAY, seller_id: str = SELLER) -> LakeFile:
    (file,) = store.lake.files(ORDERS, seller_id, [day], [BUSINESS])
    return file


def path_of(store: Store, file: LakeFile) -> Path:
    return store.home.lake_dir / file.path


def read(store: Store) -> None:
    """Read all families of the partition, as a mart and an auditor would."""
    with store.lake.reading(ORDERS, SELLER, [DAY]):
        store.lake.relation(duckdb.connect(), ORDERS, SELLER, [DAY]).fetchall()
    store.lake.read_pii(ORDERS, SELLER, [DAY], purpose="test", actor="tester")


def large(store: Store) -> None:
    """A partition whose files are too large to be hashed before each reading."""
    table, expires_on = orders("big", rows=60_000)
    with store.lake.writer(SELLER, DAY, [ORDERS], {}) as writer:
        writer.append(ORDERS, table, expires_on)


def forge(store: Store, file: LakeFile) -> None:
    """Put size and hash of what lies on disk into the books, as someone who can write both would."""
    content = path_of(store, file).read_bytes()
    with store.control.transaction() as connection:
        connection.execute(
            lake_files.update()
            .where(lake_files.c.path == file.path)
            .values(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        )


@pytest.mark.parametrize("family", [BUSINESS, PSEUDONYM, PII])
def test_a_flipped_bit_in_a_small_file(store: Store, family: RetentionClass) -> None:
    store.write("a")
    file = store.lake.files(ORDERS, SELLER, [DAY], [family])[0]
    content = bytearray(path_of(store, file).read_bytes())
    for position in (0, len(content) // 3, len(content) // 2, len(content) - 9, len(content) - 1):
        changed = bytearray(content)
        changed[position] ^= 1
        path_of(store, file).write_bytes(changed)
        with pytest.raises(LakeDamaged, match=f"lake file {file.path} is not what was written there") as caught:
            read(store)
        assert MARK not in str(caught.value)
        assert store.lake.verify([file]) == {file.path: "changed"}
    path_of(store, file).write_bytes(content)
    read(store)


def test_a_flipped_bit_in_a_page_of_a_large_file(store: Store) -> None:
    large(store)
    file = business(store)
    assert file.bytes > 256 * 1024
    with path_of(store, file).open("r+b") as opened:
        opened.seek(file.bytes // 2)
        byte = opened.read(1)[0]
        opened.seek(file.bytes // 2)
        opened.write(bytes([byte ^ 1]))
    with pytest.raises(LakeDamaged, match="is not what was written there"):
        read(store)
    with pytest.raises(duckdb.Error):  # without the context it is DuckDB's own error, and never a row
        store.lake.relation(duckdb.connect(), ORDERS, SELLER).fetchall()


def test_a_large_file_swapped_with_anothers_fails_before_it_is_read(store: Store) -> None:
    large(store)
    file = business(store)
    other = store.home.path / "other"
    shutil.copytree(store.home.lake_dir, other)
    large(store)
    now = business(store)
    shutil.copy(other / file.path, path_of(store, now))
    forge(store, now)
    with pytest.raises(LakeDamaged):
        store.lake.scan(ORDERS, SELLER)


@pytest.mark.parametrize("is_forged", [False, True], ids=["books honest", "books forged"])
@pytest.mark.parametrize("source", ["other day", "other seller", "older version", "other family"])
def test_a_file_from_another_place_does_not_open(store: Store, source: str, is_forged: bool) -> None:
    store.write("old")
    older = path_of(store, business(store)).read_bytes()
    store.write("now")
    store.write("else", day=YESTERDAY)
    store.write("theirs", seller_id="OTHER1")
    file = business(store)
    content = {
        "other day": lambda: path_of(store, business(store, YESTERDAY)).read_bytes(),
        "other seller": lambda: path_of(store, business(store, DAY, "OTHER1")).read_bytes(),
        "older version": lambda: older,
        "other family": lambda: path_of(store, store.lake.files(ORDERS, families=[PSEUDONYM])[0]).read_bytes(),
    }[source]()
    path_of(store, file).write_bytes(content)
    if is_forged:
        forge(store, file)
        with pytest.raises((LakeDamaged, duckdb.Error)):
            read(store)
    else:
        with pytest.raises(LakeDamaged, match="swapped or an older version"):
            read(store)


def test_a_plaintext_file_is_not_taken_for_an_encrypted_one(store: Store) -> None:
    store.write("a")
    file = business(store)
    pq.write_table(ORDERS.families[BUSINESS].empty_table(), path_of(store, file))
    forge(store, file)
    with pytest.raises((LakeDamaged, duckdb.Error)):
        read(store)


@pytest.mark.parametrize("family", [BUSINESS, PSEUDONYM, PII])
def test_a_file_deleted_by_hand(store: Store, family: RetentionClass) -> None:
    store.write("a")
    file = store.lake.files(ORDERS, SELLER, [DAY], [family])[0]
    path_of(store, file).unlink()
    with pytest.raises(LakeDamaged, match=f"lake file {file.path} is missing: put it back from a backup, or extract"):
        read(store)
    assert store.lake.sweep().missing == (file.path,)
    assert store.lake.verify([file]) == {file.path: "missing"}
    store.write("again")
    assert store.tags()[0] == {"again"}
    assert store.lake.sweep().missing == ()


def test_a_file_cut_short(store: Store) -> None:
    store.write("a")
    file = business(store)
    path_of(store, file).write_bytes(path_of(store, file).read_bytes()[:-100])
    with pytest.raises(LakeDamaged):
        store.lake.scan(ORDERS, SELLER)


@pytest.mark.parametrize(
    "edit",
    [
        {"path": "../../etc/passwd"},
        {"expires_on": TODAY + timedelta(days=9999)},
        {"version": 9},
        {"day": YESTERDAY},
        {"family": "pseudonym"},
    ],
    ids=lambda edit: next(iter(edit)),
)
def test_a_lake_row_that_was_edited_is_refused_by_readers_and_destroyers(store: Store, edit: dict[str, object]) -> None:
    store.write("a")
    with store.control.transaction() as connection:
        connection.execute(lake_files.update().where(lake_files.c.path == business(store).path).values(**edit))
    edited = [file for file in store.lake.files(ORDERS) if file.key_id not in _honest_keys(store)]
    before = store.on_disk()
    with pytest.raises(LakeDamaged, match="was changed"):
        for family in (BUSINESS, PSEUDONYM):
            store.lake.scan(ORDERS, SELLER, families=[family])
    with pytest.raises(LakeDamaged, match="was changed"):
        store.lake.destroy_files(edited or store.lake.files(ORDERS))
    assert store.on_disk() == before


def test_a_lake_row_given_another_sellers_key(store: Store) -> None:
    store.write("a")
    store.write("b", seller_id="OTHER1")
    with store.control.transaction() as connection:
        connection.execute(
            lake_files.update()
            .where(lake_files.c.path == business(store).path)
            .values(key_id=business(store, DAY, "OTHER1").key_id)
        )
    with pytest.raises(LakeDamaged, match="a key that isn't its own"):
        store.lake.scan(ORDERS, SELLER)


def test_a_key_made_to_live_longer_opens_no_file(store: Store) -> None:
    store.write("a")
    with store.control.transaction() as connection:
        connection.execute(
            data_keys.update().where(data_keys.c.key_class == "pii").values(expires_on=data_keys.c.expires_on)
        )
        first = store.lake.files(ORDERS, families=[PII])[0]
        connection.execute(
            data_keys.update()
            .where(data_keys.c.key_id == first.key_id)
            .values(expires_on=first.expires_on + timedelta(days=400))
        )
    with pytest.raises(KeyTampered):
        store.pii_names()


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda file: file.unlink(), "is missing: restore it from a backup"),
        (lambda file: file.write_bytes(b"no database at all, " * 300), "is damaged"),
        (lambda file: file.write_bytes(b""), "lacks its tables: restore it from a backup"),
    ],
    ids=["missing", "rubbish", "empty"],
)
def test_a_broken_control_database_is_one_sentence(
    store: Store, break_it: Callable[[Path], object], sentence: str
) -> None:
    store.write("a")
    break_it(store.database_file)
    for ask in (lambda: store.lake.scan(ORDERS, SELLER), lambda: store.write("b"), store.sellers.list):
        with pytest.raises(AmzigoError, match=sentence):
            ask()


def test_a_lake_under_another_database_is_not_swept(store: Store) -> None:
    store.write("a")
    before = store.on_disk()
    store.database_file.unlink()
    store.control.create()
    for ask in (store.lake.sweep, lambda: store.write("b")):
        with pytest.raises(LakeDamaged, match="belongs to another control database: check AMZIGO_DATABASE_URL"):
            ask()
    assert store.on_disk() == before


def _honest_keys(store: Store) -> set[str]:
    return {file.key_id for file in store.lake.files(ORDERS, families=[PII])}
