"""Legal holds: copies in a vault of their own, the lake dies on time, an erasure says what is held."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest
from erasure_kit import (
    ANNA,
    BORIS,
    DAY,
    ITEMS,
    ORDERS,
    OTHER,
    SELLER,
    Sold,
    business,
    lake_bytes,
    move,
    no_publish,
    people,
    table,
    write,
)

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.resources.control.freezes import SellerFrozen
from amzigo_pipelines.resources.keys.roles import RoleRefused
from amzigo_pipelines.resources.keys.store import KeyDead
from amzigo_pipelines.resources.lake.vault import VaultError
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention import erasures, holds, incidents
from amzigo_pipelines.retention.certificates import verify_chain
from amzigo_pipelines.retention.deadlines import deadlines
from amzigo_pipelines.retention.erasing import erase, remove_seller
from amzigo_pipelines.retention.hold_ending import end_holds, release
from amzigo_pipelines.retention.holds import Hold, HoldError, HoldTerms
from amzigo_pipelines.retention.subjects import Subject, buyer_subject, order_subject, seller_subject
from amzigo_pipelines.retention.sweep import HoldsNotCarriedOut, sweep

END = DAY + timedelta(days=60)
TERMS = HoldTerms("case 7", "a court", END)


def held(platform: Platform, hold: Hold) -> dict[str, set[str]]:
    """Orders in a vault by dataset, and the marks of the people in it."""
    found: dict[str, set[str]] = {"names": set()}
    for dataset, copied in holds.read(platform, hold.hold_id, purpose="the court asked", actor="tester"):
        for row in copied.to_pylist():
            found.setdefault(dataset, set()).add(row.get("order_id") or row["shipment_id"].removeprefix("S"))
            found["names"] |= {row[name] for name in ("buyer_name", "gift_message") if row.get(name)}
    return found


def anna(platform: Platform) -> Subject:
    return buyer_subject(platform, SELLER, email=ANNA, actor="tester")


def test_held_rows_outlive_their_death_in_the_vault_alone(platform: Platform) -> None:
    hold = holds.add(platform, anna(platform), TERMS, actor="tester")
    day = DAY + timedelta(days=40)
    move(platform, day)
    sweep(platform, as_of=day, confirmed=[SELLER, OTHER])
    (certificate,) = verify_chain(platform)
    named = {one["seller"]: one.get("kept_under_legal_holds") for one in certificate.body["sellers"]}
    assert named == {SELLER: [{"hold": hold.hold_id, "until": END.isoformat()}], OTHER: None}
    assert people(platform)["orders"] == set()
    assert held(platform, hold) == {
        "orders": {"111-A", "333-A"},
        "order_items": {"111-A", "333-A"},
        "fba_shipments": {"111-A", "333-A"},
        "names": {
            "buyer_name anna.quuxwright",
            "gift_message anna.quuxwright",
            "buyer_name ANNA.QUUXWRIGHT",
            "gift_message ANNA.QUUXWRIGHT",
        },
    }
    assert [h.hold_id for h in holds.active(platform)] == [hold.hold_id]
    assert holds.active(platform, [OTHER]) == []
    # Encrypted like everything else.
    raw = b"".join(path.read_bytes() for path in platform.home.vault_dir.rglob("*.parquet"))
    assert raw and b"quuxwright" not in raw.lower() and b"111-A" not in raw


def test_an_erasure_of_held_data_keeps_it_in_the_vault_and_says_so(platform: Platform) -> None:
    hold = holds.add(platform, anna(platform), TERMS, actor="tester")
    request = erasures.receive_buyer(platform, SELLER, email=ANNA, actor="tester").request
    erasures.approve(platform, request.request_id, "tester")
    erase(platform, request.request_id, publish=no_publish, actor="tester")
    assert people(platform)["orders"] == {"111-B", "111-N", "222-B", "333-B"}
    assert held(platform, hold)["orders"] == {"111-A", "333-A"}
    (certificate,) = verify_chain(platform)
    (statement,) = certificate.body["sellers"]
    assert statement["kept_under_legal_holds"] == [{"hold": hold.hold_id, "until": END.isoformat()}]
    release(platform, hold.hold_id, reason="the case is closed", actor="tester")
    assert platform.vault.is_gone(hold.number)


def test_what_was_extracted_after_the_hold_is_copied_before_it_is_erased(platform: Platform) -> None:
    hold = holds.add(platform, order_subject(platform, SELLER, "444-A"), TERMS, actor="tester")
    write(platform, DAY - timedelta(days=1), [Sold("444-A", ANNA, DAY + timedelta(days=9))])
    request = erasures.receive_order(platform, SELLER, "444-A", actor="tester").request
    erasures.approve(platform, request.request_id, "tester")
    erase(platform, request.request_id, publish=no_publish, actor="tester")
    assert held(platform, hold)["orders"] == {"444-A"}


SECOND = DAY - timedelta(days=2)
DEATH = DAY + timedelta(days=20)


def test_a_sweep_copies_what_came_after_the_last_look_before_it_destroys(platform: Platform) -> None:
    """Midnight: the key is dead for everybody, and the hold's sensor has not looked since the row came."""
    hold = holds.add(platform, anna(platform), TERMS, actor="tester")
    write(platform, SECOND, [Sold("222-B", BORIS, DEATH), Sold("555-A", ANNA, DEATH)])
    assert "555-A" not in held(platform, hold)["orders"]
    move(platform, DEATH)
    assert "555-A" not in people(platform)["orders"]
    steps: list[str] = []
    sweep(platform, as_of=DEATH, on_step=steps.append)
    assert steps.index("holds_carried_out") < steps.index("recorded") < steps.index("keys_destroyed")
    assert held(platform, hold)["orders"] == {"111-A", "333-A", "555-A"}
    assert "gift_message anna.quuxwright" in held(platform, hold)["names"]
    assert [file for file in lake_bytes(platform) if f"pii-{DEATH}" in file] == []


def test_what_is_committed_while_a_sweep_runs_is_copied_before_its_key_goes(platform: Platform) -> None:
    """A writer that opened its keys before midnight commits between the sweep's copying and its destroying."""
    hold = holds.add(platform, anna(platform), TERMS, actor="tester")
    late = platform.lake.writer(SELLER, SECOND, [ORDERS], {"operation": "test"})
    late.__enter__()
    row = {"mark": "anna", "order_id": "666-A", "buyer_email": ANNA}
    late.append(ORDERS, table(ORDERS, [row]), pa.array([DEATH], pa.date32()))
    move(platform, DEATH)

    def commit(step: str) -> None:
        if step == "recorded":
            late.__exit__(None, None, None)

    sweep(platform, as_of=DEATH, on_step=commit)
    assert "666-A" in held(platform, hold)["orders"]
    assert [file for file in lake_bytes(platform) if f"pii-{DEATH}" in file] == []


def test_what_can_not_be_copied_is_not_destroyed_and_that_is_told(platform: Platform) -> None:
    hold = holds.add(platform, anna(platform), TERMS, actor="tester")
    write(platform, SECOND, [Sold("555-A", ANNA, DEATH)])
    (damaged, *_) = sorted(platform.home.lake_dir.glob(f"orders/seller={SELLER}/day={SECOND}/pii-*"))
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    move(platform, DEATH)
    doomed = {seller: {key.key_id for key in platform.keys.due("pii", DEATH, seller)} for seller in (SELLER, OTHER)}
    assert all(doomed.values())
    with pytest.raises(HoldsNotCarriedOut, match=f"nothing of its sellers was destroyed .*{SELLER}: .*or release the"):
        sweep(platform, as_of=DEATH)
    # Of the other seller all is done, and certified; of this one nothing, and nobody can read it.
    assert [one["seller"] for one in verify_chain(platform)[0].body["sellers"]] == [OTHER]
    assert {key.key_id for key in platform.keys.due("pii", DEATH)} == doomed[SELLER]
    assert not deadlines(platform, RetentionClass.PII).is_kept
    for key_id in doomed[SELLER]:
        with pytest.raises(KeyDead):
            platform.keys.open(key_id)
    damaged.write_bytes(whole)
    assert sweep(platform, as_of=DEATH).seller_ids == (SELLER,)
    assert "555-A" in held(platform, hold)["orders"]


def test_a_hold_placed_after_the_date_brings_nothing_back(platform: Platform) -> None:
    """Dead is dead, also before the sweep came by."""
    move(platform, DEATH)
    hold = holds.add(platform, order_subject(platform, SELLER, "111-A"), TERMS, actor="tester")
    assert held(platform, hold)["names"] == set()
    sweep(platform, as_of=DEATH)
    assert held(platform, hold)["names"] == set()


def test_an_order_without_anything_personal_left_is_held_by_its_business_rows(platform: Platform) -> None:
    request = erasures.receive_order(platform, SELLER, "111-A", actor="tester").request
    erasures.approve(platform, request.request_id, "tester")
    erase(platform, request.request_id, publish=no_publish, actor="tester")
    hold = holds.add(platform, order_subject(platform, SELLER, "111-A"), TERMS, actor="tester")
    everything = {"111-A"}
    assert held(platform, hold) == {
        "orders": everything,
        "order_items": everything,
        "fba_shipments": everything,
        "names": set(),
    }


def test_rows_that_become_known_later_are_copied_from_a_file_that_was_copied_before(platform: Platform) -> None:
    """Items are there a day before Amazon tells who bought: the file's copy then grows."""
    day = DAY - timedelta(days=4)
    rows = [{"mark": "x", "order_id": order_id, "order_item_id": "1"} for order_id in ("888-A", "999-A")]
    buyers = [{"mark": "anna", "order_id": row["order_id"], "buyer_email": ANNA} for row in rows]
    with platform.lake.writer(SELLER, day, [ITEMS], {"operation": "test"}) as writer:
        writer.append(ITEMS, table(ITEMS, rows), pa.array([DEATH, DEATH], pa.date32()))
    for known, at in ((buyers[:1], day), (buyers, DAY)):
        with platform.lake.writer(SELLER, at, [ORDERS], {"operation": "test"}) as writer:
            writer.append(ORDERS, table(ORDERS, known), pa.array([DEATH] * len(known), pa.date32()))
        if at == day:
            hold = holds.add(platform, anna(platform), TERMS, actor="tester")
            assert held(platform, hold)["order_items"] == {"111-A", "333-A", "888-A"}
    move(platform, DEATH)
    sweep(platform, as_of=DEATH)
    assert held(platform, hold)["order_items"] == {"111-A", "333-A", "888-A", "999-A"}
    assert holds.secure(platform) == 0


def test_holds_go_on_while_an_incident_freezes_the_seller(platform: Platform) -> None:
    hold = holds.add(platform, anna(platform), TERMS, actor="tester")
    write(platform, SECOND, [Sold("555-A", ANNA, DEATH)])
    now = platform.clock.now()
    incident = incidents.open_incident(
        platform, [SELLER], "a laptop is gone", detected_at=now, exposed_from=now, exposed_until=None, actor="tester"
    )
    incidents.contain(platform, incident.incident_id, "tester")
    with pytest.raises(SellerFrozen):
        people(platform)
    move(platform, DEATH)
    sweep(platform, as_of=DEATH)
    copied = {file.source.split("/")[2] for file in platform.vault.files(hold.number)}
    assert f"day={SECOND}" in copied


def test_a_seller_who_leaves_under_a_hold(platform: Platform) -> None:
    terms = HoldTerms("audit", "a tax office", END, ["orders"], DAY - timedelta(days=3), DAY - timedelta(days=2))
    hold = holds.add(platform, seller_subject(platform, SELLER), terms, actor="tester")
    remove_seller(platform, SELLER, "tester")
    assert [k.key_id for k in platform.keys.alive(SELLER)] == [hold.key_id]
    found = held(platform, hold)
    assert set(found) - {"names"} == {"orders"}
    assert found["orders"] == {"111-A", "111-B", "111-N", "222-B"}
    # Looking for held rows of a seller who left makes no key for it.
    holds.secure(platform)
    assert [k.key_id for k in platform.keys.alive(SELLER)] == [hold.key_id]
    move(platform, END)
    (ended,) = end_holds(platform, actor="tester")
    assert (ended.rows, platform.keys.alive(SELLER)) == (12, [])


def test_a_hold_ends_by_itself(platform: Platform) -> None:
    hold = holds.add(platform, anna(platform), TERMS, actor="tester")
    assert end_holds(platform, actor="tester") == []
    move(platform, END)
    with pytest.raises(HoldError, match=f"is over since {END}"):
        holds.read(platform, hold.hold_id, purpose="p", actor="tester")
    with pytest.raises(KeyDead):
        platform.keys.open(hold.key_id)
    (ended,) = end_holds(platform, actor="tester")
    assert (ended.hold.hold_id, ended.rows) == (hold.hold_id, 14)
    (certificate,) = verify_chain(platform)
    (statement,) = certificate.body["sellers"]
    assert (certificate.retention_class, statement["hold"], statement["ended"]) == ("hold", hold.hold_id, "expired")
    assert "case 7" not in certificate.file_bytes.decode()
    assert not list(platform.home.vault_dir.rglob("*.parquet"))
    assert end_holds(platform, actor="tester") == []


def test_two_holds_that_end_on_one_day_have_keys_of_their_own(platform: Platform) -> None:
    first = holds.add(platform, anna(platform), TERMS, actor="tester")
    second = holds.add(platform, order_subject(platform, SELLER, "111-B"), TERMS, actor="tester")
    assert first.key_id != second.key_id
    release(platform, first.hold_id, reason="closed", actor="tester")
    assert held(platform, second)["orders"] == {"111-B"}
    with pytest.raises(HoldError, match="over already"):
        release(platform, first.hold_id, reason="closed", actor="tester")
    again = holds.get(platform, first.hold_id)
    assert (again.state, again.certificate, again.buyer_key) == (holds.ENDED, 1, None)


def test_only_the_role_privacy_reads_a_vault(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = holds.add(platform, anna(platform), TERMS, actor="tester")
    for role in ("analyst", "engineer"):
        monkeypatch.setenv("AMZIGO_ROLE", role)
        with pytest.raises(RoleRefused, match="hold keys"):
            list(holds.read(platform, hold.hold_id, purpose="curious", actor="tester"))
    monkeypatch.setenv("AMZIGO_ROLE", "privacy")
    assert held(platform, hold)["orders"] == {"111-A", "333-A"}
    entry = platform.audit.read(action="read_hold")[-1]
    assert (entry.subject, entry.purpose, entry.rows) == (hold.hold_id, "the court asked", 14)
    with pytest.raises(HoldError, match="needs a purpose"):
        holds.read(platform, hold.hold_id, purpose=" ", actor="tester")


def test_a_changed_or_missing_copy_is_told(platform: Platform) -> None:
    hold = holds.add(platform, anna(platform), TERMS, actor="tester")
    first, second = sorted(platform.home.vault_dir.rglob("*.parquet"))[:2]
    second.write_bytes(first.read_bytes())
    with pytest.raises(VaultError, match="not what was written"):
        held(platform, hold)
    second.unlink()
    with pytest.raises(VaultError, match="missing"):
        held(platform, hold)


def test_terms_are_checked(platform: Platform) -> None:
    subject, before = anna(platform), len(platform.keys.alive())
    for terms, sentence in (
        (HoldTerms(" ", "a court", END), "needs a reason"),
        (HoldTerms("case", "", END), "needs a reason and an authority"),
        (HoldTerms("case", "a court", DAY), "must end after today"),
        (HoldTerms("case", "a court", END, ["order"]), "no dataset order:"),
        (HoldTerms("case", "a court", END, (), DAY, DAY - timedelta(days=1)), "swap them"),
    ):
        with pytest.raises(HoldError, match=sentence):
            holds.add(platform, subject, terms, actor="tester")
    assert (holds.all_holds(platform), len(platform.keys.alive())) == ([], before)
    for unknown in ("H000001", "x"):
        with pytest.raises(HoldError, match="hold"):
            holds.get(platform, unknown)


def test_a_hold_changes_nothing_in_the_lake(platform: Platform) -> None:
    before = (business(platform), people(platform))
    holds.add(platform, seller_subject(platform, SELLER), TERMS, actor="tester")
    assert (business(platform), people(platform)) == before
