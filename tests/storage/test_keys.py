"""The key store: dates of death, destruction, rotation, tampering; KEK files; secrets."""

from __future__ import annotations

import base64
import os
import shutil
import time
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from storage_kit import NOW, SELLER, TODAY, Store, make_store, open_store

from amzigo_pipelines.resources.control.schema import data_keys, secrets
from amzigo_pipelines.resources.keys.keks import KekError, KekMissing
from amzigo_pipelines.resources.keys.store import KeyClass, KeyDead, KeyTampered, KeyUnknown, SecretMissing

DIES = TODAY + timedelta(days=10)


def wrapped_of(store: Store, key_id: str) -> bytes:
    with store.control.read() as connection:
        return connection.execute(sa.select(data_keys.c.wrapped).where(data_keys.c.key_id == key_id)).scalar_one()


def edit(store: Store, key_id: str, **values: object) -> None:
    with store.control.transaction() as connection:
        connection.execute(data_keys.update().where(data_keys.c.key_id == key_id).values(**values))


def test_one_key_for_each_seller_class_and_date(store: Store) -> None:
    key = store.keys.key_for(SELLER, "pii", DIES)
    assert (key.seller_id, key.key_class, key.expires_on, len(key.secret)) == (SELLER, KeyClass.PII, DIES, 32)
    assert store.keys.key_for(SELLER, "pii", DIES) == key == store.keys.open(key.key_id)
    others = [
        store.keys.key_for("OTHER1", "pii", DIES),
        store.keys.key_for(SELLER, "business", DIES),
        store.keys.key_for(SELLER, "pii", DIES + timedelta(days=1)),
    ]
    assert len({key.secret, *(other.secret for other in others)}) == 4
    assert repr(key.secret) not in repr(key)


def test_a_date_that_has_come_gets_no_key(store: Store) -> None:
    with pytest.raises(KeyDead, match=f"dead since {TODAY}"):
        store.keys.key_for(SELLER, "pii", TODAY)


def test_a_key_is_dead_on_its_date_though_nobody_swept(store: Store) -> None:
    key = store.keys.key_for(SELLER, "pii", DIES)
    store.clock.set(NOW + timedelta(days=9))
    assert store.keys.open(key.key_id) == key
    store.clock.set(NOW + timedelta(days=10))
    with pytest.raises(KeyDead, match=f"dead since {DIES}"):
        store.keys.open(key.key_id)
    assert store.keys.open_living([key.key_id]) == {}
    assert [record.key_id for record in store.keys.alive()] == [key.key_id]


def test_an_unknown_key_says_so(store: Store) -> None:
    with pytest.raises(KeyUnknown, match="there is no key feed"):
        store.keys.open("feed")


def test_due_lists_living_keys_up_to_the_date(store: Store) -> None:
    keys = [store.keys.key_for(SELLER, "pii", TODAY + timedelta(days=n)) for n in (1, 2, 3)]
    store.keys.key_for(SELLER, "business", TODAY + timedelta(days=1))
    store.keys.key_for("OTHER1", "pii", TODAY + timedelta(days=1))
    store.keys.destroy([keys[0].key_id])
    due = store.keys.due("pii", TODAY + timedelta(days=2), SELLER)
    assert [record.key_id for record in due] == [keys[1].key_id]
    assert len(store.keys.due("pii", TODAY + timedelta(days=2))) == 2


def test_a_destroyed_key_leaves_a_tombstone_and_not_a_byte(store: Store) -> None:
    key = store.keys.key_for(SELLER, "pii", DIES)
    other = store.keys.key_for(SELLER, "pii", DIES + timedelta(days=1))
    wrapped = wrapped_of(store, key.key_id)
    assert wrapped in store.database_file.read_bytes()

    assert store.keys.destroy([key.key_id]) == 1
    for file in store.home.path.glob("control.db*"):
        content = file.read_bytes()
        assert not any(wrapped[start : start + 8] in content for start in range(0, len(wrapped) - 7))
    with pytest.raises(KeyDead, match=f"was destroyed on {TODAY}"):
        store.keys.open(key.key_id)
    (tombstone,) = store.keys.destroyed(SELLER)
    assert (tombstone.key_id, tombstone.expires_on, tombstone.destroyed_at) == (key.key_id, DIES, NOW)
    assert store.keys.destroy([key.key_id]) == 0
    assert store.keys.open(other.key_id) == other
    assert store.keys.counts(SELLER) == {(KeyClass.PII, False): 1, (KeyClass.PII, True): 1}


def test_a_destroyed_key_does_not_come_back_under_its_triple(store: Store) -> None:
    key = store.keys.key_for(SELLER, "pii", DIES)
    store.keys.destroy([key.key_id])
    again = store.keys.key_for(SELLER, "pii", DIES)
    assert again.key_id != key.key_id
    assert again.secret != key.secret


@pytest.mark.parametrize(
    "change",
    [
        {"expires_on": date(2099, 1, 1)},
        {"key_class": "business"},
        {"seller_id": "OTHER1"},
        {"wrapped": bytes(60)},
        {"wrapped": b"short"},
        {"wrapped": b""},
    ],
    ids=["later death", "other class", "other seller", "zeros", "cut short", "empty"],
)
def test_a_key_row_that_was_edited_opens_nothing(store: Store, change: dict[str, object]) -> None:
    key = store.keys.key_for(SELLER, "pii", DIES)
    edit(store, key.key_id, **change)
    with pytest.raises(KeyTampered, match=f"key {key.key_id} does not match its wrapping"):
        store.keys.open(key.key_id)
    with pytest.raises(KeyTampered):
        store.keys.open_living([key.key_id])
    versions = store.keks.versions("pii")
    with pytest.raises(KeyTampered):
        store.keys.rotate("pii")
    assert set(versions) <= set(store.keks.versions("pii"))
    assert store.keys.destroy([key.key_id]) == 1
    store.keys.rotate("pii")


def test_one_flipped_bit_anywhere_in_a_wrapping_is_noticed(store: Store) -> None:
    key = store.keys.key_for(SELLER, "pii", DIES)
    wrapped = wrapped_of(store, key.key_id)
    for position in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[position] ^= 1
        edit(store, key.key_id, wrapped=bytes(changed))
        with pytest.raises(KeyTampered):
            store.keys.open(key.key_id)


def test_a_wrapping_of_another_key_opens_nothing(store: Store) -> None:
    key = store.keys.key_for(SELLER, "pii", DIES)
    later = store.keys.key_for(SELLER, "pii", DIES + timedelta(days=5))
    edit(store, later.key_id, wrapped=wrapped_of(store, key.key_id))
    with pytest.raises(KeyTampered):
        store.keys.open(later.key_id)


def test_an_old_copy_of_the_database_opens_no_destroyed_key_after_a_rotation(store: Store, tmp_path: Path) -> None:
    doomed = store.keys.key_for(SELLER, "pii", DIES)
    survivor = store.keys.key_for(SELLER, "pii", DIES + timedelta(days=1))
    shutil.copytree(store.home.path, tmp_path / "restored")
    store.keys.destroy([doomed.key_id])

    old = open_store(tmp_path / "restored")
    assert old.keys.open(doomed.key_id) == doomed  # the copy alone would bring it back: that is why we rotate

    report = store.keys.rotate("pii")
    assert (report.rewrapped, report.destroyed_versions) == (1, (1,))
    assert store.keys.open(survivor.key_id) == survivor
    shutil.rmtree(old.home.kek_dir)
    shutil.copytree(store.home.kek_dir, old.home.kek_dir)
    with pytest.raises(KekMissing, match=r"pii-000001\.key is missing"):
        old.keys.open(doomed.key_id)


def test_rotating_20000_keys_takes_no_time_to_speak_of(store: Store) -> None:
    wanted = [("pii", TODAY + timedelta(days=n)) for n in range(1, 20_001)]
    keys = store.keys.keys_for(SELLER, wanted)
    started = time.process_time()
    report = store.keys.rotate("pii")
    spent_s = time.process_time() - started
    assert report.rewrapped == 20_000
    assert spent_s < 2
    assert store.keys.open(keys[12_345].key_id) == keys[12_345]


def test_each_purpose_has_its_own_kek(store: Store) -> None:
    keys = [store.keys.key_for(SELLER, key_class, DIES) for key_class in ("pii", "pseudonym", "business", "mart")]
    (store.home.kek_dir / "pii-000001.key").unlink()
    with pytest.raises(KekMissing, match="put it back"):
        store.keys.open(keys[0].key_id)
    assert [store.keys.open(key.key_id) for key in keys[1:]] == keys[1:]


def test_a_lost_kek_is_never_replaced_silently(store: Store) -> None:
    store.keys.key_for(SELLER, "pii", DIES)
    (store.home.kek_dir / "pii-000001.key").unlink()
    with pytest.raises(KekMissing):
        store.keys.key_for(SELLER, "pii", DIES + timedelta(days=1))
    assert store.keks.versions("pii") == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (base64.b64encode(bytes(32)), "does not match its wrapping"),
        (base64.b64encode(bytes(16)), "not 32 bytes in base64"),
        (b"", "not 32 bytes in base64"),
        (b"\xff\xfe no key", "not 32 bytes in base64"),
        (b"wrapped:" + base64.b64encode(bytes(60)), "set AMZIGO_KEK"),
    ],
    ids=["wrong", "too short", "empty", "rubbish", "wrapped"],
)
def test_a_wrong_kek_file_is_one_clear_sentence(store: Store, content: bytes, sentence: str) -> None:
    key = store.keys.key_for(SELLER, "pii", DIES)
    (store.home.kek_dir / "pii-000001.key").write_bytes(content)
    with pytest.raises((KekError, KeyTampered), match=sentence):
        store.keys.open(key.key_id)


def test_a_kek_file_that_others_may_read_is_refused(store: Store) -> None:
    key = store.keys.key_for(SELLER, "pii", DIES)
    file = store.home.kek_dir / "pii-000001.key"
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    with pytest.raises(KekError, match=r"open to other users \(mode 0644\): run chmod 600"):
        store.keys.open(key.key_id)


def test_with_amzigo_kek_the_files_alone_open_nothing(tmp_path: Path) -> None:
    master = base64.b64encode(os.urandom(32)).decode()
    store = make_store(tmp_path / "home", environment={"AMZIGO_KEK": master})
    key = store.keys.key_for(SELLER, "pii", DIES)
    assert store.keys.open(key.key_id) == key
    for wrong, sentence in [
        ({}, "is wrapped: set AMZIGO_KEK"),
        ({"AMZIGO_KEK": base64.b64encode(os.urandom(32)).decode()}, "AMZIGO_KEK does not open"),
        ({"AMZIGO_KEK": base64.b64encode(bytes(16)).decode()}, "AMZIGO_KEK is malformed"),
        ({"AMZIGO_KEK": "not base64!"}, "AMZIGO_KEK is malformed"),
    ]:
        with pytest.raises(KekError, match=sentence):
            open_store(tmp_path / "home", environment=wrong).keys.open(key.key_id)


def test_wrapped_kek_files_can_not_be_exchanged(tmp_path: Path) -> None:
    store = make_store(tmp_path / "home", environment={"AMZIGO_KEK": base64.b64encode(os.urandom(32)).decode()})
    key = store.keys.key_for(SELLER, "pii", DIES)
    shutil.copy(store.home.kek_dir / "business-000001.key", store.home.kek_dir / "pii-000001.key")
    with pytest.raises(KekError, match="AMZIGO_KEK does not open"):
        store.keys.open(key.key_id)


def test_a_destroyed_kek_number_is_never_used_again(store: Store) -> None:
    store.keys.key_for(SELLER, "pii", DIES)
    versions = [store.keys.rotate("pii").version for _ in range(3)]
    assert versions == [2, 3, 4]
    assert store.keks.versions("pii") == [4]


def test_the_pseudonymiser_is_the_sellers_own_and_stays(store: Store) -> None:
    mine, other = store.keys.pseudonymiser(SELLER), store.keys.pseudonymiser("OTHER1")
    assert mine == store.keys.pseudonymiser(SELLER) != other
    store.keys.rotate("pseudonym")
    assert store.keys.pseudonymiser(SELLER) == mine


def test_secrets_are_wrapped_rotated_overwritten_and_destroyed(store: Store) -> None:
    store.keys.put_secret("signing", b"first value of the secret")
    store.keys.put_secret("signing", b"second")
    assert store.keys.rotate("secret").rewrapped == 1
    assert store.keys.secret("signing") == b"second"
    with store.control.read() as connection:
        wrapped = connection.execute(sa.select(secrets.c.wrapped)).scalar_one()
    assert store.keys.destroy_secret("signing") is True
    assert store.keys.destroy_secret("signing") is False
    assert wrapped[:16] not in store.database_file.read_bytes()
    with pytest.raises(SecretMissing, match="there is no secret 'signing'"):
        store.keys.secret("signing")


def test_a_secret_can_not_pass_for_another(store: Store) -> None:
    store.keys.put_secret("one", b"1")
    store.keys.put_secret("two", b"2")
    with store.control.transaction() as connection:
        blob = connection.execute(sa.select(secrets.c.wrapped).where(secrets.c.name == "one")).scalar_one()
        connection.execute(secrets.update().where(secrets.c.name == "two").values(wrapped=blob))
    with pytest.raises(KeyTampered, match="the secret 'two' does not match"):
        store.keys.secret("two")
