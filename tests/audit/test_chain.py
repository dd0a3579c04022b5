"""The chain: whatever is done to entries behind the trail's back is found, and told by its number."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.audit import segments
from amzigo_pipelines.resources.audit.chain import AuditBroken, Head, digest, move_head
from amzigo_pipelines.resources.audit.marks import AuditError
from amzigo_pipelines.resources.control.schema import audit, audit_head, audit_marks
from amzigo_pipelines.resources.home import load_home
from amzigo_pipelines.resources.platform import Platform

SELLER = "A1SELLER"
NOW = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def filled_home(new_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trail of 30 entries, the twentieth of them signed."""
    path = tmp_path_factory.mktemp("filled") / "home"
    shutil.copytree(new_home, path)
    platform = Platform(load_home(path), VirtualClock(NOW))
    while platform.audit.head().number < 20:
        platform.audit.record("anna", "read_pii", SELLER, "orders", "to test", 3)
    assert platform.audit.sign() is not None
    platform.audit.sums.take()  # signing used a key
    for _ in range(10):
        platform.audit.record("ben", "open_marts", None, "marts", "to test")
    assert platform.audit.verify() == 30
    return path


@pytest.fixture
def home(filled_home: Path, tmp_path: Path) -> Path:
    shutil.copytree(filled_home, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def filled(home: Path) -> Platform:
    return Platform(load_home(home), VirtualClock(NOW))


def rewrite(connection: Connection, first: int, *, keep: bool = True) -> None:
    """What somebody does who can write to the database and knows how the chain is made."""
    previous = connection.execute(sa.select(audit.c.hash).where(audit.c.number == first - 1)).scalar_one()
    for row in connection.execute(sa.select(audit).where(audit.c.number >= first).order_by(audit.c.number)).all():
        hash_ = digest(previous, row.number, row.at_us, row.action, row.seller_id, row.sealed)
        values = {"previous_hash": previous, "hash": hash_}
        connection.execute(audit.update().where(audit.c.number == row.number).values(**values))
        previous = hash_
        last = row.number
    move_head(connection, Head(last, previous))


def edit(connection: Connection, at: int, **values: object) -> None:
    connection.execute(audit.update().where(audit.c.number == at).values(**values))


def swap(connection: Connection, one: int, other: int) -> None:
    for number, to in ((one, -1), (other, one), (-1, other)):
        edit(connection, number, number=to)


def cut(connection: Connection, after: int, *, with_head: bool) -> None:
    connection.execute(audit.delete().where(audit.c.number > after))
    if with_head:
        hash_ = connection.execute(sa.select(audit.c.hash).where(audit.c.number == after)).scalar_one()
        move_head(connection, Head(after, hash_))


def cut_with_marks(connection: Connection) -> None:
    cut(connection, 15, with_head=True)
    connection.execute(audit_marks.delete().where(audit_marks.c.number > 15))


def edit_and_hash(connection: Connection) -> None:
    row = connection.execute(sa.select(audit).where(audit.c.number == 7)).one()
    hash_ = digest(row.previous_hash, 7, row.at_us, "harmless", row.seller_id, row.sealed)
    edit(connection, 7, action="harmless", hash=hash_)


def edit_and_rewrite(connection: Connection) -> None:
    edit(connection, 7, action="harmless")
    rewrite(connection, 7)


def remove_and_close(connection: Connection) -> None:
    connection.execute(audit.delete().where(audit.c.number == 7))
    for number in range(8, 31):
        edit(connection, number, number=number - 1)
    rewrite(connection, 7)


# A number below zero: counted from the head that `amzigo init` signed.
ATTACKS: list[tuple[str, Callable[[Connection], None], str, int]] = [
    ("an action changed", lambda c: edit(c, 7, action="harmless"), "changed", 7),
    ("a seller changed", lambda c: edit(c, 7, seller_id="B2SELLER"), "changed", 7),
    ("a time changed", lambda c: edit(c, 7, at_us=1), "changed", 7),
    ("a payload changed", lambda c: edit(c, 7, sealed=b"x" * 80), "changed", 7),
    ("changed with its hash", edit_and_hash, "changed", 7),
    ("changed, and all after it hashed anew", edit_and_rewrite, "rewritten", -2),
    ("one removed", lambda c: c.execute(audit.delete().where(audit.c.number == 7)), "missing", 7),  # type: ignore[list-item]
    ("the first removed", lambda c: c.execute(audit.delete().where(audit.c.number == 1)), "missing", 1),  # type: ignore[list-item]
    ("several removed", lambda c: c.execute(audit.delete().where(audit.c.number.in_((7, 8, 9)))), "missing", 7),  # type: ignore[list-item]
    ("one removed, and the gap closed", remove_and_close, "rewritten", -2),
    ("two swapped", lambda c: swap(c, 7, 11), "reordered", 7),
    ("the end cut off", lambda c: cut(c, 25, with_head=False), "truncated", 26),
    ("the end cut off with what counts it", lambda c: cut(c, 15, with_head=True), "truncated", 16),
    ("the end cut off with all that counts it", cut_with_marks, "truncated", 16),
    ("all removed", lambda c: c.execute(audit.delete()), "truncated", 1),  # type: ignore[list-item]
    ("the head's row removed", lambda c: c.execute(audit_head.delete()), "missing", 30),  # type: ignore[list-item]
    ("a signed head changed", lambda c: c.execute(audit_marks.update().values(signature=b"x" * 64)), "changed", -1),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("attack", "kind", "number"), [a[1:] for a in ATTACKS], ids=[a[0] for a in ATTACKS])
def test_verify_finds_it_and_says_where(
    filled: Platform, attack: Callable[[Connection], None], kind: str, number: int
) -> None:
    with filled.control.transaction() as connection:
        first_signed = connection.execute(sa.select(sa.func.min(audit_marks.c.number))).scalar_one()
        attack(connection)
    number = number if number > 0 else first_signed - number - 1
    with pytest.raises(AuditBroken) as error:
        filled.audit.verify()
    assert (error.value.kind, error.value.number) == (kind, number)
    assert f"broken at entry {number}:" in str(error.value)


def test_an_older_copy_of_the_database_does_not_reach_the_head_in_the_home(filled: Platform, home: Path) -> None:
    old = home / "control.db.old"
    shutil.copy(home / "control.db", old)
    for _ in range(5):
        filled.audit.record("anna", "read_pii", SELLER, "orders", "to test")
    filled.audit.sign()
    old.replace(home / "control.db")
    with pytest.raises(AuditBroken, match="entries 31 to 35 are missing: they were there on 2026-11-23"):
        filled.audit.verify()
    (home / "audit" / "head.json").unlink()
    with pytest.raises(AuditBroken, match=r"head\.json, the newest signed head, is gone"):
        filled.audit.verify()


def test_what_an_export_wrote_down_is_asked_for_again(filled: Platform) -> None:
    exported = filled.audit.head()
    assert filled.audit.verified(expected=exported).entries == 30
    with filled.control.transaction() as connection:
        # Beyond the signed head, with the row that counts: only what lies elsewhere knows better.
        cut(connection, 22, with_head=True)
    assert filled.audit.verify() == 22
    with pytest.raises(AuditBroken, match="broken at entry 30: it was there when the export was made"):
        filled.audit.verified(expected=exported)


def test_a_signature_needs_its_public_key(filled: Platform, home: Path) -> None:
    (home / "certificates" / "public-key.pem").unlink()
    with pytest.raises(AuditError, match="no public key"):
        filled.audit.verify()


def test_an_entry_moved_elsewhere_does_not_open(filled: Platform) -> None:
    with filled.control.transaction() as connection:
        edit(connection, 7, action="log_in")
    with pytest.raises(AuditBroken, match="entry 7: it was changed, or sealed for another key"):
        filled.audit.read()


def test_after_twelve_months_whole_segments_go_and_the_rest_still_verifies(filled: Platform) -> None:
    clock = filled.clock
    assert isinstance(clock, VirtualClock)
    clock.set(clock.now() + timedelta(days=200))
    for _ in range(10):
        filled.audit.record("anna", "read_pii", SELLER, "orders", "later")
    filled.audit.sign()
    assert segments.delete_old(filled.audit).deleted == 0
    clock.set(clock.now() + timedelta(days=170))
    report = segments.delete_old(filled.audit)
    # Twenty were signed together; the ten after them belong to the segment that ends 200 days later.
    assert (report.deleted, report.first_kept) == (20, 21)
    found = filled.audit.verified()
    assert (found.first, found.entries) == (21, found.head.number - 20)
    assert filled.audit.read(action="delete_audit")[-1].rows == 20
    assert segments.delete_old(filled.audit).deleted == 0
    with filled.control.transaction() as connection:
        connection.execute(audit.delete().where(audit.c.number == 21))
    with pytest.raises(AuditBroken, match="entry 21 is missing"):
        filled.audit.verify()


def test_who_deletes_more_than_is_signed_is_found(filled: Platform) -> None:
    with filled.control.transaction() as connection:
        connection.execute(audit.delete().where(audit.c.number <= 20))
    with pytest.raises(AuditBroken, match="entries 1 to 20 are missing"):
        filled.audit.verify()
    with filled.control.transaction() as connection:
        row = connection.execute(sa.select(audit_marks).where(audit_marks.c.number == 20)).one()
        body = json.dumps({**json.loads(row.body), "kind": "deleted"}, sort_keys=True)
        connection.execute(audit_marks.update().where(audit_marks.c.number == 20).values(kind="deleted", body=body))
    with pytest.raises(AuditBroken, match="the signature of the head there is not this installation's"):
        filled.audit.verify()


def test_processes_append_at_once_and_the_chain_holds(filled: Platform, home: Path) -> None:
    before = filled.audit.head().number
    child = [sys.executable, str(Path(__file__).parent / "audit_child.py"), str(home)]
    children = [subprocess.Popen([*child, name, "25"]) for name in ("one", "two")]
    assert [process.wait(60) for process in children] == [0, 0]
    assert filled.audit.verify() == before + 50
    subjects = [entry.subject for entry in filled.audit.read(action="child")]
    assert sorted(subjects) == sorted(f"{name} {n}" for name in ("one", "two") for n in range(25))


def test_a_killed_process_loses_nothing_that_was_acknowledged(filled: Platform, home: Path) -> None:
    child = [sys.executable, str(Path(__file__).parent / "audit_child.py"), str(home), "victim", "100000"]
    process = subprocess.Popen(child, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(25)]
    process.kill()
    process.wait(60)
    acknowledged += [int(line) for line in process.stdout if line.endswith("\n")]
    filled.audit.verify()
    assert {entry.number for entry in filled.audit.read(action="child")} >= set(acknowledged)
