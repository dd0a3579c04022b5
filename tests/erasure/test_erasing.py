"""Erasing orders and buyers: gone for good, everybody else as before, and it does not come back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from erasure_kit import (
    ANNA,
    BORIS,
    DAY,
    OTHER,
    SELLER,
    Sold,
    business,
    fill,
    lake_bytes,
    move,
    no_publish,
    open_platform,
    people,
    write,
)

from amzigo_pipelines.resources.control.schema import tombstones
from amzigo_pipelines.resources.keys.store import KeyDead
from amzigo_pipelines.resources.lake.files import LakeWriteError
from amzigo_pipelines.resources.lake.search import PERSONAL
from amzigo_pipelines.resources.lake.sink import ParquetSink
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention import erasures
from amzigo_pipelines.retention.certificates import verify_chain
from amzigo_pipelines.retention.erasing import erase
from amzigo_pipelines.retention.erasures import ErasureError, ErasureRequest, ErasureUnverified, Source, State
from amzigo_pipelines.retention.subjects import SubjectError
from amzigo_pipelines.retention.sweep import sweep

EVERYONE = {"111-A", "111-B", "111-N", "222-B", "333-A", "333-B"}
OTHERS = EVERYONE - {"111-A", "333-A"}


def done(platform: Platform, request: ErasureRequest) -> ErasureRequest:
    erasures.approve(platform, request.request_id, "tester")
    return erase(platform, request.request_id, publish=no_publish, actor="tester")


def erase_anna(platform: Platform) -> ErasureRequest:
    return done(platform, erasures.receive_buyer(platform, SELLER, email=ANNA, actor="tester").request)


def test_a_buyer_is_gone_from_everywhere_and_nobody_else_is(platform: Platform) -> None:
    assert people(platform) == {
        "orders": EVERYONE,
        "order_items": EVERYONE,
        "fba_shipments": EVERYONE,
        "pseudonyms": EVERYONE,
    }
    before, other, everyone = business(platform), business(platform, OTHER), people(platform, OTHER)
    request = erase_anna(platform)
    assert request.state is State.CERTIFIED
    assert people(platform) == {
        "orders": OTHERS,
        "order_items": OTHERS,
        "fba_shipments": OTHERS,
        "pseudonyms": OTHERS,
    }
    assert business(platform) == before
    assert (business(platform, OTHER), people(platform, OTHER)) == (other, everyone)


def test_an_order_is_gone_and_the_buyers_others_stay(platform: Platform) -> None:
    done(platform, erasures.receive_order(platform, SELLER, "333-A", actor="tester").request)
    left = people(platform)
    assert set(map(frozenset, left.values())) == {frozenset(EVERYONE - {"333-A"})}


def test_a_buyer_can_be_named_by_an_order(platform: Platform) -> None:
    done(platform, erasures.receive_buyer(platform, SELLER, order_id="333-A", actor="tester").request)
    assert people(platform)["orders"] == OTHERS
    with pytest.raises(SubjectError, match="knows no buyer"):
        erasures.receive_buyer(platform, SELLER, order_id="111-N", actor="tester")


def test_a_buyer_whose_address_is_dead_is_found_by_the_pseudonym(platform: Platform) -> None:
    move(platform, DAY + timedelta(days=25))
    sweep(platform, as_of=DAY + timedelta(days=25))
    assert people(platform)["pseudonyms"] == EVERYONE
    done(platform, erasures.receive_buyer(platform, SELLER, order_id="111-A", actor="tester").request)
    assert people(platform)["pseudonyms"] == OTHERS


def test_dates_of_death_stay_and_old_files_do_not_open(platform: Platform) -> None:
    old_files, old_keys = lake_bytes(platform), platform.keys.alive(SELLER)
    deaths = sorted((f.family, f.expires_on, f.day) for f in platform.lake.files(seller_id=SELLER))
    request = erase_anna(platform)
    assert sorted((f.family, f.expires_on, f.day) for f in platform.lake.files(seller_id=SELLER)) == deaths
    destroyed = {entry["key_id"] for entry in request.detail["removed"]}
    # Two dates of PII and the month of pseudonyms; the keys of other data live on.
    assert len(destroyed) == 3
    assert {k.key_id for k in platform.keys.alive(SELLER)} > {k.key_id for k in old_keys} - destroyed
    for key_id in destroyed:
        with pytest.raises(KeyDead):
            platform.keys.open(key_id)
    # An old file put back is nobody's: no row of the books opens it, and the sweep of the lake takes it away.
    gone = [path for path in old_files if not (platform.home.lake_dir / path).exists()]
    assert gone
    for path in gone:
        (platform.home.lake_dir / path).write_bytes(old_files[path])
    assert people(platform)["orders"] == OTHERS
    assert set(platform.lake.sweep().unreferenced) == set(gone)


def test_an_old_control_database_brings_nobody_back(platform: Platform) -> None:
    from amzigo_pipelines.errors import AmzigoError

    database = platform.home.path / "control.db"
    old, old_files = database.read_bytes(), lake_bytes(platform)
    erase_anna(platform)
    database.write_bytes(old)
    for path, content in old_files.items():
        (platform.home.lake_dir / path).write_bytes(content)
    with pytest.raises(AmzigoError, match="copy from before"):
        people(open_platform(platform.home.path))


def test_nothing_brings_the_erased_back(platform: Platform) -> None:
    erase_anna(platform)
    fill(platform)  # the same days, extracted again
    assert people(platform)["orders"] == OTHERS
    assert set(map(frozenset, people(platform).values())) == {frozenset(OTHERS)}
    # A day that was never extracted before brings further orders of the buyer: without the buyer.
    day, dies = DAY - timedelta(days=8), DAY + timedelta(days=10)
    write(platform, day, [Sold("000-A", ANNA, dies), Sold("000-B", BORIS, dies)])
    assert set(map(frozenset, people(platform).values())) == {frozenset(OTHERS | {"000-B"})}
    assert {row["order_id"] for row in business(platform)["orders"]} == EVERYONE | {"000-A", "000-B"}
    # That order is known from then on, where no address tells whose it is.
    write(platform, day + timedelta(days=1), [Sold("000-A", None, dies)])
    assert set(map(frozenset, people(platform).values())) == {frozenset(OTHERS | {"000-B"})}


def test_the_certificate_tells_what_was_destroyed_and_nobody(platform: Platform) -> None:
    request = erase_anna(platform)
    (certificate,) = verify_chain(platform)
    (statement,) = certificate.body["sellers"]
    assert (certificate.retention_class, statement["request"], statement["keys"]) == ("erasure", "E000001", 3)
    assert statement["rows_by_dataset_and_class"] == {
        "fba_shipments, pii": 2,
        "order_items, pii": 2,
        "orders, pii": 2,
        "orders, pseudonym": 2,
    }
    assert statement["rows"] == 8
    assert certificate.body["verification"]["rows_found"] == 0
    text = certificate.file_bytes.decode() + str(request)
    assert "quuxwright" not in text.lower() and "111-A" not in text


def test_the_control_database_and_the_audit_trail_never_know_who(platform: Platform) -> None:
    erase_anna(platform)
    raw = (platform.home.path / "control.db").read_bytes().lower()
    assert b"quuxwright" not in raw and ANNA.encode() not in raw and b"111-a" not in raw
    entries = platform.audit.read(SELLER)
    told = str(entries).lower()
    assert "quuxwright" not in told and ANNA not in told and "111-a" not in told
    actions = [entry.action for entry in entries if "eras" in entry.action]
    assert actions == ["request_erasure", "approve_erasure", "erase"]
    assert platform.audit.verify()


def test_asking_again_is_folded(platform: Platform) -> None:
    first = erasures.receive_buyer(platform, SELLER, email=ANNA, actor="tester")
    assert (first.is_new, first.request.due_on) == (True, DAY + timedelta(days=90))
    again = erasures.receive_buyer(platform, SELLER, email=f" {ANNA.upper()} ", source=Source.AMAZON, actor="tester")
    assert (again.is_new, again.request.number, again.request.times_asked) == (False, 1, 2)
    assert again.request.due_on == DAY + timedelta(days=30)
    done(platform, again.request)
    late = erasures.receive_buyer(platform, SELLER, email=ANNA, actor="tester")
    assert (late.is_new, late.request.state, late.request.number) == (False, State.CERTIFIED, 1)
    assert len(verify_chain(platform)) == 1
    assert erase(platform, "E000001", publish=no_publish, actor="tester").certificate == 1
    assert len(verify_chain(platform)) == 1
    # Another seller's buyer is another person.
    assert erasures.receive_buyer(platform, OTHER, email=ANNA, actor="tester").is_new


def test_states_and_refusals(platform: Platform) -> None:
    request = erasures.receive_order(platform, SELLER, "111-A", actor="tester").request
    with pytest.raises(ErasureError, match="not approved yet"):
        erase(platform, request.request_id, publish=no_publish, actor="tester")
    with pytest.raises(ErasureError, match="needs its reason"):
        erasures.refuse(platform, request.request_id, " ", "tester")
    refused = erasures.refuse(platform, request.request_id, "not the buyer", "tester")
    assert (refused.state, refused.detail) == (State.REFUSED, {"reason": "not the buyer"})
    with pytest.raises(ErasureError, match="was refused"):
        erase(platform, request.request_id, publish=no_publish, actor="tester")
    assert people(platform)["orders"] == EVERYONE
    assert erasures.receive_order(platform, SELLER, "111-A", actor="tester").is_new
    with pytest.raises(ErasureError, match="no erasure request E000009"):
        erasures.get(platform, "E000009")
    for nonsense in ("", "x", "a b@c"):
        with pytest.raises(SubjectError, match="no e-mail address"):
            erasures.receive_buyer(platform, SELLER, email=nonsense, actor="tester")


def test_somebody_of_whom_there_is_nothing_is_erased_too(platform: Platform) -> None:
    request = done(
        platform, erasures.receive_buyer(platform, SELLER, email="clara@marketplace.example", actor="tester").request
    )
    assert (request.state, request.detail.get("removed")) == (State.CERTIFIED, None)
    assert people(platform)["orders"] == EVERYONE
    write(platform, DAY - timedelta(days=4), [Sold("444-C", "Clara@marketplace.example", DAY + timedelta(days=9))])
    assert people(platform)["orders"] == EVERYONE


def test_deadlines(platform: Platform) -> None:
    erasures.receive_buyer(platform, SELLER, email=ANNA, actor="tester", source=Source.AMAZON)
    assert erasures.overdue(platform) == ([], [])
    move(platform, DAY + timedelta(days=25))
    assert [[r.number for r in some] for some in erasures.overdue(platform)] == [[], [1]]
    move(platform, DAY + timedelta(days=31))
    assert [[r.number for r in some] for some in erasures.overdue(platform)] == [[1], []]


def test_a_sweep_after_an_erasure_is_verified(platform: Platform) -> None:
    erase_anna(platform)
    day = DAY + timedelta(days=20)
    move(platform, day)
    report = sweep(platform, as_of=day)
    assert report.certificate is not None
    assert people(platform)["orders"] == {"333-B"}
    assert len(verify_chain(platform)) == 2


def test_a_disk_that_refuses_deletes_is_told_and_mended_by_the_next_run(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = erasures.receive_buyer(platform, SELLER, email=ANNA, actor="tester").request
    erasures.approve(platform, request.request_id, "tester")
    unlink = Path.unlink

    def refusing(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".parquet" and not path.name.startswith(".tmp-"):
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refusing)
        with pytest.raises(ErasureUnverified, match="could not be unlinked"):
            erase(platform, request.request_id, publish=no_publish, actor="tester")
    # Unreadable it is all the same.
    assert people(platform)["orders"] == OTHERS
    assert erasures.get(platform, request.request_id).state is State.RUNNING
    assert erase(platform, request.request_id, publish=no_publish, actor="tester").state is State.CERTIFIED
    assert set(lake_bytes(platform)) == {file.path for file in platform.lake.files()}


def test_a_full_disk_changes_nothing(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    request = erasures.receive_buyer(platform, SELLER, email=ANNA, actor="tester").request
    erasures.approve(platform, request.request_id, "tester")
    before = lake_bytes(platform)

    def full(sink: ParquetSink) -> tuple[int, str]:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ParquetSink, "finish", full)
        with pytest.raises(LakeWriteError, match="free space"):
            erase(platform, request.request_id, publish=no_publish, actor="tester")
    assert lake_bytes(platform) == before
    assert people(platform)["orders"] == EVERYONE
    assert erase(platform, request.request_id, publish=no_publish, actor="tester").state is State.CERTIFIED


def test_verifying_looks_again_at_all_but_what_the_same_search_just_found_clean(platform: Platform) -> None:
    """What comes while an erasure runs is not taken on trust: here a file that somebody slips in behind its back."""
    request = erasures.receive_buyer(platform, SELLER, email=ANNA, actor="tester").request
    erasures.approve(platform, request.request_id, "tester")

    def slip_in(step: str) -> None:
        if step == "rows_removed":
            with platform.control.transaction() as connection:
                put_aside = connection.execute(tombstones.select()).mappings().all()
                connection.execute(tombstones.delete())
            write(platform, DAY - timedelta(days=2), [Sold("777-A", ANNA, DAY + timedelta(days=9))])
            with platform.control.transaction() as connection:
                connection.execute(tombstones.insert(), [dict(row) for row in put_aside])

    with pytest.raises(ErasureUnverified, match="rows can still be read"):
        erase(platform, request.request_id, publish=no_publish, actor="tester", on_step=slip_in)
    request = erase(platform, request.request_id, publish=no_publish, actor="tester")
    assert request.state is State.CERTIFIED and "777-A" not in people(platform)["orders"]
    proof = request.detail["proof"][-1]
    assert proof["files_searched"] >= len(platform.lake.files(seller_id=SELLER, families=PERSONAL)) > 0
