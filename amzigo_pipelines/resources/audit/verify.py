"""Checking the trail: nothing changed, missing, out of order, cut off or rewritten.

Belongs here: comparing the chain with itself, with its signed heads, and with where it says that it ends. Does not
belong here: making any of these. Opens no payload and no key: whoever may read the database may check it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from amzigo_pipelines.resources.audit import marks
from amzigo_pipelines.resources.audit.chain import GENESIS, AuditBroken, Head, digest, head_of, rows_in_order
from amzigo_pipelines.resources.audit.marks import AuditError, Mark
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import audit

_MOVED_WITHIN = 10_000


@dataclass(frozen=True)
class Verified:
    """What was looked at, all of it good.

    Attributes:
        entries: how many.
        first: number of the first; those before are past their 12 months and deleted, which is signed.
        head: of the last.
        signed_through: the newest entry that a signed head covers; whoever can edit the database can cut off later
            ones together with the row that counts them.
        signed_at: when that head was signed.
    """

    entries: int
    first: int
    head: Head
    signed_through: int
    signed_at: datetime | None


def verify(
    control: ControlDatabase, public: Ed25519PublicKey | None, folder: Path | None, expected: Head | None = None
) -> Verified:
    """Check the whole trail, from the first entry to the last, streaming.

    Args:
        control: the control database.
        public: checks the signed heads.
        folder: where the home keeps the newest head; None to leave it out.
        expected: an entry's number and hash as an export wrote them down.

    Raises:
        AuditBroken: the first thing that doesn't fit.
        AuditError: it can't be checked.
    """
    with control.read() as connection:
        known = marks.checked(connection, public)
        head = head_of(connection)
        held = connection.execute(sa.select(sa.func.count()).select_from(audit)).scalar_one()
    signed = {mark.number: mark for mark in known}
    deleted = max((mark for mark in known if mark.kind == marks.DELETED), key=lambda mark: mark.number, default=None)
    filed = marks.read_file(folder, public) if folder is not None else None
    if folder is not None and filed is None and known:
        raise AuditBroken("missing", known[-1].number, f"{folder / marks.HEAD_FILE}, the newest signed head, is gone")
    if filed is not None:
        signed.setdefault(filed.number, filed)
    newest = max(signed.values(), key=lambda mark: mark.number, default=None)
    if newest is not None and newest.number > head.number:
        raise _truncated(head.number, newest)
    start = deleted.head if deleted else Head(0, GENESIS)
    end = _follow(control, start, head, signed, expected)
    if newest is not None and end.number < newest.number:
        raise _truncated(end.number, newest)
    if end != head:
        if end.number < head.number:
            raise AuditBroken(
                "truncated",
                end.number + 1,
                f"entries {end.number + 1} to {head.number} are missing: they were cut off at the end",
            )
        raise AuditBroken("changed", end.number, "the row that says where it ends names another hash")
    if expected is not None and not start.number <= expected.number <= end.number:
        raise AuditBroken("truncated", expected.number, "it was there when the export was made, and is not any more")
    if end.number == start.number and held:
        raise AuditError("the trail changed while it was checked: try again")
    return Verified(
        end.number - start.number,
        start.number + 1,
        end,
        newest.number if newest else start.number,
        newest.signed_at if newest else None,
    )


def _follow(control: ControlDatabase, start: Head, head: Head, signed: dict[int, Mark], expected: Head | None) -> Head:
    """Go along the chain up to `head`; what is appended meanwhile is left for the next time."""
    number, previous = start.number, start.hash
    wanted = {mark.number: mark.hash for mark in signed.values()}
    if expected is not None:
        wanted.setdefault(expected.number, expected.hash)
    last_signed = start.number
    if number in wanted and wanted[number] != previous:
        raise AuditBroken("rewritten", number, "two signed heads name different hashes for it")
    for row in rows_in_order(control, audit.c.number <= head.number):
        values: Sequence[Any] = row
        number_there, at_us, action, seller_id, sealed, previous_there, hash_there = values
        if number_there <= start.number:
            raise AuditBroken("changed", number_there, "it was deleted after its 12 months, and is there again")
        number += 1
        if number_there != number:
            upto = f"entry {number} is" if number_there == number + 1 else f"entries {number} to {number_there - 1} are"
            raise AuditBroken("missing", number, f"{upto} missing")
        if digest(previous_there, number, at_us, action, seller_id, sealed) != hash_there:
            raise _changed(row, head)
        if previous_there != previous:
            raise _does_not_follow(number, start)
        previous = hash_there
        if number in wanted:
            if wanted[number] != hash_there:
                raise AuditBroken(
                    "rewritten",
                    last_signed + 1,
                    f"entries {last_signed + 1} to {number} are not those that were there when entry {number} was "
                    "signed or exported: they were rewritten",
                )
            if number in signed:
                last_signed = number
    return Head(number, previous)


def _changed(row: sa.Row[Any], head: Head) -> AuditBroken:
    for moved in range(max(1, row.number - _MOVED_WITHIN), min(head.number, row.number + _MOVED_WITHIN) + 1):
        if digest(row.previous_hash, moved, row.at_us, row.action, row.seller_id, row.sealed) == row.hash:
            return AuditBroken("reordered", row.number, f"in its place stands what was entry {moved}")
    return AuditBroken("changed", row.number, "it was changed")


def _does_not_follow(number: int, start: Head) -> AuditBroken:
    if number == start.number + 1:
        return AuditBroken("changed", number, "it does not begin the chain: it was changed together with its hash")
    return AuditBroken(
        "changed", number - 1, f"entry {number} follows another one: this one was changed together with its hash"
    )


def _truncated(last: int, newest: Mark) -> AuditBroken:
    return AuditBroken(
        "truncated",
        last + 1,
        f"entries {last + 1} to {newest.number} are missing: they were there on "
        f"{newest.signed_at:%Y-%m-%d %H:%M:%S} UTC, when entry {newest.number} was signed",
    )
