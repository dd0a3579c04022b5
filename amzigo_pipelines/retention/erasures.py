"""The registry of erasure requests: received, approved, running, verified, certified; or refused.

Belongs here: the rows of `erasure_requests` and the rules of their states. Does not belong here: carrying one out
(`erasing.py`, `offboarding.py`).

A request knows its subject by a keyed hash alone. That of a buyer also has the buyer's pseudonym, by which the orders
are found whose e-mail address is gone already; it goes when the erasure is verified.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from amzigo_pipelines.clock import today
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.schema import erasure_requests
from amzigo_pipelines.resources.lake.tombstones import Scope
from amzigo_pipelines.retention.subjects import Subject, buyer_subject, order_subject, seller_subject

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

_ID = re.compile(r"E(\d{1,9})")


class ErasureError(AmzigoError):
    """An erasure can't be asked for or carried out as said."""


class ErasureBusy(ErasureError):
    """Another erasure of the seller is running."""

    is_retryable = True


class ErasureUnverified(ErasureError):
    """What was erased could not be shown to be gone. The request stays running; run it again."""


class State(StrEnum):
    """How far a request has come."""

    RECEIVED = "received"
    APPROVED = "approved"
    RUNNING = "running"
    VERIFIED = "verified"
    CERTIFIED = "certified"
    REFUSED = "refused"


OPEN = (State.RECEIVED, State.APPROVED, State.RUNNING, State.VERIFIED)


class Source(StrEnum):
    """Who asked."""

    PERSON = "person"
    AMAZON = "amazon"


# Amzigo's data policy, clause 6.1: gone within 90 days of a request; Amazon's own notices ask for 30.
DEADLINE_DAYS: Mapping[Source, int] = {Source.PERSON: 90, Source.AMAZON: 30}
WARN_DAYS = 5


@dataclass(frozen=True)
class ErasureRequest:
    """One request.

    Attributes:
        number: 1, 2, 3, ...
        seller_id: from whose data.
        scope: an order, a buyer, or the seller as a whole.
        subject: keyed hash of the order's id, the buyer's address or the seller's id.
        buyer_key: the buyer's pseudonym; None for other scopes, and once verified.
        source: who asked.
        state: how far it has come.
        times_asked: how often the same was asked for.
        received_at: when it was first asked for.
        due_on: by when it must be done.
        approved_at, started_at, finished_at: when, None before.
        certificate: number of its certificate; None before.
        detail: what was destroyed so far; the reason of a refusal.
    """

    number: int
    seller_id: str
    scope: Scope
    subject: str
    buyer_key: str | None
    source: Source
    state: State
    times_asked: int
    received_at: datetime
    due_on: date
    approved_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    certificate: int | None
    detail: dict[str, Any]

    @property
    def request_id(self) -> str:
        """Its name for people, and its partition: E000001."""
        return f"E{self.number:06d}"

    @property
    def is_open(self) -> bool:
        """Whether it still has to be done, or decided."""
        return self.state in OPEN

    def days_left(self, on: date) -> int:
        """Days until its deadline; negative once that has passed."""
        return (self.due_on - on).days


@dataclass(frozen=True)
class Received:
    """What came of asking.

    Attributes:
        request: the request.
        is_new: False where the same was asked for before, and the request is that one.
    """

    request: ErasureRequest
    is_new: bool


def number_of(request_id: str) -> int:
    """The number in a request's id.

    Raises:
        ErasureError: it is none.
    """
    match = _ID.fullmatch(request_id.strip().upper())
    if match is None:
        raise ErasureError(f"{request_id!r} is no erasure request: they are named like E000001")
    return int(match[1])


def receive_order(
    platform: Platform, seller_id: str, order_id: str, *, actor: str, source: Source = Source.PERSON
) -> Received:
    """Ask for the erasure of one order's personal data.

    Raises:
        UnknownSeller: there is no such seller.
        SubjectError: that can't be an order's id.
    """
    platform.sellers.get(seller_id)
    return _receive(platform, order_subject(platform, seller_id, order_id), source, actor)


def receive_buyer(
    platform: Platform,
    seller_id: str,
    *,
    email: str | None = None,
    order_id: str | None = None,
    actor: str,
    source: Source = Source.PERSON,
) -> Received:
    """Ask for the erasure of a buyer, by the e-mail address (or Amazon's alias of it) or by one of the orders.

    Raises:
        UnknownSeller: there is no such seller.
        SubjectError: that can't be an address or an order's id, or the order names no buyer.
    """
    platform.sellers.get(seller_id)
    subject = buyer_subject(platform, seller_id, email=email, order_id=order_id, actor=actor)
    return _receive(platform, subject, source, actor)


def receive_seller(platform: Platform, seller_id: str, *, actor: str, source: Source = Source.PERSON) -> Received:
    """Ask for the erasure of all data of a seller who leaves.

    Raises:
        UnknownSeller: there is no such seller.
    """
    if not any(r.seller_id == seller_id and r.scope is Scope.SELLER for r in list_requests(platform, OPEN)):
        platform.sellers.get(seller_id)
    return _receive(platform, seller_subject(platform, seller_id), source, actor)


def approve(platform: Platform, request_id: str, actor: str) -> ErasureRequest:
    """Let a request be carried out.

    Raises:
        ErasureError: there is no such request, or it was refused or done.
    """
    request = get(platform, request_id)
    if request.state is State.RECEIVED:
        platform.audit.record(actor, "approve_erasure", request.seller_id, request.request_id, "erasure request")
        change(platform, request, State.APPROVED, approved_at=platform.clock.now())
    elif not request.is_open:
        raise ErasureError(f"{request.request_id} is {request.state} already: there is nothing to approve")
    return get(platform, request_id)


def refuse(platform: Platform, request_id: str, reason: str, actor: str) -> ErasureRequest:
    """Refuse a request that was not begun.

    Args:
        platform: the installation.
        request_id: which.
        reason: why, in words without personal data: it is kept.
        actor: who, for the audit trail.

    Raises:
        ErasureError: there is no such request, no reason, or it was begun already.
    """
    request = get(platform, request_id)
    if not reason.strip():
        raise ErasureError("a refusal needs its reason: the person is to be told why")
    if request.state not in (State.RECEIVED, State.APPROVED):
        raise ErasureError(f"{request.request_id} is {request.state}: only what was not begun can be refused")
    platform.audit.record(actor, "refuse_erasure", request.seller_id, request.request_id, reason.strip())
    change(
        platform,
        request,
        State.REFUSED,
        finished_at=platform.clock.now(),
        buyer_key=None,
        detail=json.dumps({"reason": reason.strip()}),
    )
    return get(platform, request_id)


def get(platform: Platform, request_id: str) -> ErasureRequest:
    """The request of that id.

    Raises:
        ErasureError: there is none.
    """
    number = number_of(request_id)
    with platform.control.read() as connection:
        row = connection.execute(sa.select(erasure_requests).where(erasure_requests.c.number == number)).first()
    if row is None:
        raise ErasureError(f"there is no erasure request {request_id}: see 'amzigo erase list'")
    return _request(row)


def list_requests(platform: Platform, states: tuple[State, ...] = tuple(State)) -> list[ErasureRequest]:
    """Requests in some states, the most urgent first among the open ones."""
    c = erasure_requests.c
    query = sa.select(erasure_requests).where(c.state.in_([str(state) for state in states]))
    with platform.control.read() as connection:
        rows = connection.execute(query.order_by(c.due_on, c.number)).all()
    return [_request(row) for row in rows]


def overdue(platform: Platform) -> tuple[list[ErasureRequest], list[ErasureRequest]]:
    """Open requests whose deadline has passed, and those whose deadline is near."""
    now_on = today(platform.clock)
    requests = list_requests(platform, OPEN)
    late = [request for request in requests if request.days_left(now_on) < 0]
    soon = [request for request in requests if 0 <= request.days_left(now_on) <= WARN_DAYS]
    return late, soon


def change(platform: Platform, request: ErasureRequest, state: State, **values: Any) -> None:
    """Bring a request into a state, in a transaction of its own."""
    with platform.control.transaction() as connection:
        change_in(connection, request, state, **values)


def change_in(connection: Connection, request: ErasureRequest, state: State, **values: Any) -> None:
    """Bring a request into a state, in the caller's transaction."""
    connection.execute(_these(request).values(state=state, **values))


def add_detail(connection: Connection, request: ErasureRequest, name: str, entry: Mapping[str, Any]) -> None:
    """Append to a list in a request's detail what was destroyed, in the transaction that destroys it."""
    c = erasure_requests.c
    text = connection.execute(sa.select(c.detail).where(c.number == request.number)).scalar_one()
    detail = json.loads(text)
    detail.setdefault(name, []).append(dict(entry))
    connection.execute(_these(request).values(detail=json.dumps(detail, sort_keys=True)))


def _receive(platform: Platform, subject: Subject, source: Source, actor: str) -> Received:
    c = erasure_requests.c
    now = platform.clock.now()
    due_on = today(platform.clock) + timedelta(days=DEADLINE_DAYS[source])
    # A buyer or an order that was erased stays erased. A seller may come back and leave again.
    folding = OPEN if subject.scope is Scope.SELLER else (*OPEN, State.CERTIFIED)
    with platform.control.transaction() as connection:
        these = (c.seller_id == subject.seller_id, c.scope == subject.scope, c.subject == subject.subject)
        query = sa.select(erasure_requests).where(*these, c.state.in_([str(state) for state in folding]))
        known = connection.execute(query.order_by(c.number)).first()
        if known is not None:
            number, request = int(known.number), _request(known)
            # Asking again gives no more time, and may give less.
            values = {"due_on": min(request.due_on, due_on)} if request.is_open else {}
            connection.execute(_these(request).values(times_asked=request.times_asked + 1, **values))
        else:
            number = int(connection.execute(sa.select(sa.func.max(c.number))).scalar() or 0) + 1
            connection.execute(
                erasure_requests.insert().values(
                    number=number,
                    seller_id=subject.seller_id,
                    scope=subject.scope,
                    subject=subject.subject,
                    buyer_key=subject.buyer_key,
                    source=source,
                    state=State.RECEIVED,
                    times_asked=1,
                    received_at=now,
                    due_on=due_on,
                    detail="{}",
                )
            )
    request = get(platform, f"E{number:06d}")
    platform.audit.record(actor, "request_erasure", request.seller_id, request.request_id, f"asked for by: {source}")
    return Received(request, known is None)


def _these(request: ErasureRequest) -> sa.Update:
    return erasure_requests.update().where(erasure_requests.c.number == request.number)


def _request(row: sa.Row[Any]) -> ErasureRequest:
    values = row._asdict()
    values["scope"], values["source"], values["state"] = Scope(row.scope), Source(row.source), State(row.state)
    values["detail"] = json.loads(row.detail)
    return ErasureRequest(**values)
