"""Legal holds: what a law, a court or a tax office wants kept is copied into the vault; everything else dies as always.

Belongs here: the rows of `holds`, what a hold covers, and securing it before its rows die. Does not belong here: the
vault's files (`resources/lake/vault.py`) and ending a hold (`hold_ending.py`).

A hold does not lengthen the life of anything in the lake. It has a key of its own, which dies on the hold's last day or
when it is released. It is carried out when it is placed, whenever the lake has changed, and by each sweep before it
destroys anything: of what was alive when the hold was placed, nothing dies uncopied.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa

from amzigo_pipelines.catalog.registry import STORED
from amzigo_pipelines.clock import today
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.schema import holds
from amzigo_pipelines.resources.keys.store import KeyClass
from amzigo_pipelines.resources.lake.search import EVERYTHING, steadily
from amzigo_pipelines.resources.lake.tombstones import Scope
from amzigo_pipelines.resources.locks import exclusive
from amzigo_pipelines.retention.subjects import Subject, found

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

_ID = re.compile(r"H(\d{1,9})")
_LOCK_WAIT_S = 120.0
ACTIVE, ENDING, ENDED = "active", "ending", "ended"


class HoldError(AmzigoError):
    """A hold can't be placed, read or released as said."""


@dataclass(frozen=True)
class Hold:
    """One hold.

    Attributes:
        number: 1, 2, 3, ...
        seller_id: in whose data.
        scope: an order, a buyer, or the seller as a whole.
        subject: keyed hash of the order's id, the buyer's address or the seller's id.
        buyer_key: the buyer's pseudonym, while the hold lasts.
        datasets: only rows of these; all when empty.
        first_day, last_day: only partitions from the first to the last; open where None.
        reason: why, in words without personal data.
        authority: who demands it: a court, an office, a law.
        ends_on: the first day on which it does not hold any more.
        key_id: the vault's key.
        state: active, ending (its vault is being destroyed), ended.
        added_at: when it was placed.
        secured_at: up to when the lake was looked through for rows of it; None before the first time.
        released_at: when it was released; None where it wasn't before its end.
        certificate: number of the certificate of the vault's destruction; None before.
    """

    number: int
    seller_id: str
    scope: Scope
    subject: str
    buyer_key: str | None
    datasets: tuple[str, ...]
    first_day: date | None
    last_day: date | None
    reason: str
    authority: str
    ends_on: date
    key_id: str
    state: str
    added_at: datetime
    secured_at: datetime | None
    released_at: datetime | None
    certificate: int | None

    @property
    def hold_id(self) -> str:
        """Its name for people: H000001."""
        return f"H{self.number:06d}"

    def holds_on(self, day: date) -> bool:
        """Whether it is in force on a day."""
        return self.state == ACTIVE and day < self.ends_on


@dataclass(frozen=True)
class HoldTerms:
    """What somebody demands to be kept.

    Attributes:
        reason: why, in words without personal data.
        authority: who demands it: a court, an office, a law.
        ends_on: the first day on which it does not hold any more.
        datasets: only rows of these; all when empty.
        first_day, last_day: only partitions from the first to the last; open where None.
    """

    reason: str
    authority: str
    ends_on: date
    datasets: Sequence[str] = ()
    first_day: date | None = None
    last_day: date | None = None


def add(platform: Platform, subject: Subject, terms: HoldTerms, *, actor: str) -> Hold:
    """Place a hold and copy what there is of it into the vault.

    Args:
        platform: the installation.
        subject: whose rows, from `subjects`.
        terms: why, for whom, until when, which datasets and days.
        actor: who, for the audit trail.

    Raises:
        HoldError: no reason or authority, an end that has come, an unknown dataset, days the wrong way round.
        LakeDamaged, VaultError: not everything could be copied; the hold stands, the next run copies the rest.
    """
    _check(platform, terms)
    key = platform.keys.draft(subject.seller_id, KeyClass.HOLD, terms.ends_on)
    with platform.control.transaction() as connection:
        platform.keys.add(connection, [key])
        number = int(connection.execute(sa.select(sa.func.max(holds.c.number))).scalar() or 0) + 1
        connection.execute(
            holds.insert().values(
                number=number,
                seller_id=subject.seller_id,
                scope=subject.scope,
                subject=subject.subject,
                buyer_key=subject.buyer_key,
                datasets=json.dumps(list(terms.datasets)),
                first_day=terms.first_day,
                last_day=terms.last_day,
                reason=terms.reason.strip(),
                authority=terms.authority.strip(),
                ends_on=terms.ends_on,
                key_id=key.key_id,
                state=ACTIVE,
                added_at=platform.clock.now(),
            )
        )
    hold = get(platform, f"H{number:06d}")
    platform.audit.record(actor, "add_hold", hold.seller_id, hold.hold_id, f"{hold.authority}: {hold.reason}")
    secure(platform, [hold.seller_id])
    return hold


def get(platform: Platform, hold_id: str) -> Hold:
    """The hold of that id.

    Raises:
        HoldError: there is none.
    """
    match = _ID.fullmatch(hold_id.strip().upper())
    if match is None:
        raise HoldError(f"{hold_id!r} is no hold: they are named like H000001")
    for hold in _select(platform, holds.c.number == int(match[1])):
        return hold
    raise HoldError(f"there is no hold {hold_id}: see 'amzigo hold list'")


def all_holds(platform: Platform) -> list[Hold]:
    """Every hold there ever was, by number."""
    return _select(platform, sa.true())


def active(platform: Platform, seller_ids: Collection[str] | None = None) -> list[Hold]:
    """The holds in force today, by number: what status, plans and certificates tell of.

    Args:
        platform: the installation.
        seller_ids: only those in the data of these sellers; all when None.
    """
    now_on = today(platform.clock)
    return [
        hold
        for hold in _select(platform, holds.c.state == ACTIVE)
        if hold.holds_on(now_on) and (seller_ids is None or hold.seller_id in seller_ids)
    ]


def named(some: Collection[Hold]) -> dict[str, dict[str, list[dict[str, str]]]]:
    """By seller what a certificate says of holds: copies that a law wants kept are in the vault, and until when."""
    found_: dict[str, dict[str, list[dict[str, str]]]] = {}
    for hold in some:
        one = found_.setdefault(hold.seller_id, {"kept_under_legal_holds": []})
        one["kept_under_legal_holds"].append({"hold": hold.hold_id, "until": hold.ends_on.isoformat()})
    return found_


def over(platform: Platform) -> list[Hold]:
    """The holds whose vault has to go: released, or past their end."""
    now_on = today(platform.clock)
    return [hold for hold in _select(platform, holds.c.state.in_([ACTIVE, ENDING])) if not hold.holds_on(now_on)]


def covering(platform: Platform, subject: Subject) -> list[Hold]:
    """The holds in force on a subject itself, and those on the seller as a whole.

    A hold on one order of a buyer is not told here, nor one on the buyer of an order: neither knows of the other.
    """
    return [
        hold
        for hold in active(platform, [subject.seller_id])
        if Scope.SELLER in (hold.scope, subject.scope)
        or hold.subject == subject.subject
        or (hold.buyer_key is not None and hold.buyer_key == subject.buyer_key)
    ]


def secure(platform: Platform, seller_ids: Collection[str] | None = None) -> int:
    """Copy what the holds in force cover and the vault does not have yet; call it before anything is destroyed.

    Args:
        platform: the installation.
        seller_ids: only of these sellers; all when None.

    Returns:
        Rows copied.

    Raises:
        LakeDamaged, VaultError: something could not be copied: don't destroy it.
    """
    if not active(platform, seller_ids):
        return 0
    with exclusive(platform.home.lock_dir, "holds", wait_s=_LOCK_WAIT_S):
        return sum(
            steadily(partial(_secure, platform, hold), platform.control, hold.seller_id)
            for hold in active(platform, seller_ids)
        )


def read(platform: Platform, hold_id: str, *, purpose: str, actor: str) -> Iterator[tuple[str, pa.Table]]:
    """The rows in a hold's vault, by dataset and column family. Audited before anything is opened.

    Raises:
        HoldError: no such hold, it is over, or no purpose was given.
        VaultError: a copy is missing or was changed.
    """
    hold = get(platform, hold_id)
    if not purpose.strip():
        raise HoldError("reading held data needs a purpose: it is written into the audit trail")
    if not hold.holds_on(today(platform.clock)):
        raise HoldError(f"{hold.hold_id} is over since {_over_since(hold)}: its copies are destroyed or about to be")
    rows = sum(file.rows for file in platform.vault.files(hold.number))
    platform.audit.record(actor, "read_hold", hold.seller_id, hold.hold_id, purpose.strip(), rows)
    return platform.vault.read(hold.number, hold.key_id)


def _over_since(hold: Hold) -> date:
    return hold.released_at.date() if hold.released_at else hold.ends_on


def _secure(platform: Platform, hold: Hold) -> int:
    began_at = platform.clock.now()
    rows = _copy(platform, hold)
    with platform.control.transaction() as connection:
        connection.execute(holds.update().where(holds.c.number == hold.number).values(secured_at=began_at))
    return rows


def _copy(platform: Platform, hold: Hold) -> int:
    if not platform.lake.partitions(hold.seller_id):
        # Also a seller who has left: looking for somebody would make the seller a key again.
        return 0
    # What a law wants kept is kept during an incident, too, and up to the moment in which a sweep destroys it.
    since = hold.added_at.date()
    search = platform.lake.search_for_hold(since)
    match = found(platform, subject_of(hold), search=search)
    known = {file.source: file.rows for file in platform.vault.files(hold.number)}
    hits = search.hits(hold.seller_id, match, EVERYTHING, hold.datasets, _days(platform, hold))
    # Again where more of a file is known to be the subject's than was: a buyer may be told later than the order's rows.
    fresh = [hit.file for hit in hits if hit.rows > known.get(hit.file.path, 0)]
    if not fresh:
        return 0
    vault_key = platform.keys.open(hold.key_id, even_frozen=True)
    keys = platform.keys.open_living({file.key_id for file in fresh}, even_frozen=True, held_since=since)
    return sum(
        platform.vault.copy(hold.number, vault_key, file, keys[file.key_id], match, search).rows
        - known.get(file.path, 0)
        for file in fresh
        if file.key_id in keys
    )


def subject_of(hold: Hold) -> Subject:
    """Whom a hold is about."""
    return Subject(hold.seller_id, hold.scope, hold.subject, hold.buyer_key)


def _days(platform: Platform, hold: Hold) -> list[date] | None:
    if hold.first_day is None and hold.last_day is None:
        return None
    first, last = hold.first_day or date.min, hold.last_day or date.max
    return sorted({r.day for r in platform.lake.partitions(hold.seller_id) if first <= r.day <= last})


def _check(platform: Platform, terms: HoldTerms) -> None:
    if not terms.reason.strip() or not terms.authority.strip():
        raise HoldError("a hold needs a reason and an authority: who demands it, and why")
    if terms.ends_on <= today(platform.clock):
        raise HoldError(f"a hold must end after today: {terms.ends_on} has come already")
    unknown = sorted(set(terms.datasets) - STORED.keys())
    if unknown:
        raise HoldError(f"there is no dataset {', '.join(unknown)}: choose from {', '.join(STORED)}")
    if terms.first_day and terms.last_day and terms.last_day < terms.first_day:
        raise HoldError(f"the last day {terms.last_day} is before the first, {terms.first_day}: swap them")


def _select(platform: Platform, where: sa.ColumnElement[bool]) -> list[Hold]:
    with platform.control.read() as connection:
        rows = connection.execute(sa.select(holds).where(where).order_by(holds.c.number)).all()
    return [_hold(row) for row in rows]


def _hold(row: sa.Row[Any]) -> Hold:
    values = row._asdict()
    values["scope"], values["datasets"] = Scope(row.scope), tuple(json.loads(row.datasets))
    return Hold(**values)
