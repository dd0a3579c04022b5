"""The ledger of reports and queries in the control database: what was asked of Amazon, and how far each has come.

Belongs here: the table `reports`, and what tells two orders apart. Does not belong here: when to ask, wait or give up
(`desk.py`), what is in a report (`documents.py`): the ledger holds no content, ever.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from amzigo_pipelines.resources.control.schema import reports

if TYPE_CHECKING:
    from amzigo_pipelines.resources.control.database import ControlDatabase


class State(StrEnum):
    """How far a request has come."""

    ASKING = "asking"  # createReport or createQuery was sent, its answer is not known yet
    ASKED = "asked"
    DONE = "done"
    CANCELLED = "cancelled"
    FATAL = "fatal"
    SPOILED = "spoiled"  # done, but its document turned out to be of no use


@dataclass(frozen=True)
class ReportOrder:
    """A report that is wanted, or the answer to a query of Data Kiosk.

    Attributes:
        report_type: Amazon's type, or the name of the query.
        marketplace_ids: one or more of the same region; their order makes no difference.
        start, end: window of the data, where the type has one; aware.
        options: `reportOptions`, as pairs.
        query: GraphQL text of a query; empty for reports.
        page_token: of a query's answer the page after the one that named this token; empty for the first.
        cooldown: Amazon makes a report of this type anew no sooner than this after the last (30 minutes for FBA types
            that are near real time, 4 hours for daily ones); zero where nothing is known.
        fresh_for: a report that was ready this short a time ago is used again instead of asked for anew.
        not_before: a report that was asked for before this is not used again: its data would be too old.
    """

    report_type: str
    marketplace_ids: tuple[str, ...]
    start: datetime | None = None
    end: datetime | None = None
    options: tuple[tuple[str, str], ...] = ()
    query: str = ""
    page_token: str = ""
    cooldown: timedelta = timedelta(0)
    fresh_for: timedelta = timedelta(hours=1)
    not_before: datetime | None = None

    def key(self, seller_id: str) -> str:
        """Hash of what tells two orders of all sellers apart."""
        where = [seller_id, self.report_type, *sorted(self.marketplace_ids)]
        return _hash(where, self._window(), self._details())

    @property
    def options_hash(self) -> str:
        """Hash of the options, or of the query, alone."""
        return _hash(self._details())

    @property
    def title(self) -> str:
        """How errors name it."""
        return f"{'query' if self.query else 'report'} {self.report_type}"

    def _details(self) -> list[tuple[str, str]]:
        # Apart from options, whatever they are called: no option's name is empty.
        asked = [("", self.query), ("", self.page_token)] if self.query else []
        return sorted(self.options) + asked

    def _window(self) -> list[float | None]:
        return [None if instant is None else instant.timestamp() for instant in (self.start, self.end)]


@dataclass(frozen=True)
class Request:
    """A request for a report.

    Attributes:
        number: of the row; later requests have higher ones.
        seller_id, report_type, marketplace_ids, start, end: what was asked for.
        state: how far it has come.
        report_id: Amazon's id; None while the answer is awaited.
        document_id: names the document once it is done; None of a query that is done and has no data. Of a query that
            is FATAL, the document that says why.
        next_token: of a query that is done and has further pages.
        asked_at: when.
        finished_at: when it was seen to be done, cancelled or given up.
        retry_at: not worth asking again before, for requests that came to nothing.
        attempts: how many requests in a row came to nothing, this one included.
    """

    number: int
    seller_id: str
    report_type: str
    marketplace_ids: tuple[str, ...]
    start: datetime | None
    end: datetime | None
    state: State
    report_id: str | None
    document_id: str | None
    next_token: str | None
    asked_at: datetime
    finished_at: datetime | None
    retry_at: datetime | None
    attempts: int


class Taken(Exception):
    """Somebody else has asked meanwhile."""


class ReportLedger:
    """The requests of one control database. Safe with many processes: writers take turns.

    Args:
        control: the control database.
    """

    def __init__(self, control: ControlDatabase) -> None:
        self._control = control

    def latest(self, seller_id: str, order: ReportOrder) -> Request | None:
        """The last request of an order."""
        with self._control.read() as connection:
            return _latest(connection, order.key(seller_id))

    def claim(self, seller_id: str, order: ReportOrder, now: datetime, after: Request | None) -> Request:
        """Take it upon oneself to ask, unless somebody else has done so.

        Args:
            seller_id: for whom.
            order: what is going to be asked for.
            now: the present instant.
            after: the last request, on which the decision to ask rests.

        Raises:
            Taken: `after` is not the last request any more.
        """
        key = order.key(seller_id)
        with self._control.transaction() as connection:
            last = _latest(connection, key)
            if (last and last.number) != (after and after.number):
                raise Taken
            came_to_nothing = last is not None and last.state in (State.CANCELLED, State.FATAL)
            connection.execute(
                reports.insert().values(
                    order_key=key,
                    seller_id=seller_id,
                    report_type=order.report_type,
                    marketplace_ids=",".join(sorted(order.marketplace_ids)),
                    starts_at=order.start,
                    ends_at=order.end,
                    options_hash=order.options_hash,
                    state=State.ASKING.value,
                    asked_at=now,
                    attempts=last.attempts + 1 if last is not None and came_to_nothing else 1,
                )
            )
            made = _latest(connection, key)
        assert made is not None
        return made

    def withdraw(self, request: Request) -> None:
        """Forget a request of which nothing came to be at Amazon."""
        with self._control.transaction() as connection:
            connection.execute(reports.delete().where(reports.c.number == request.number))

    def asked(self, request: Request, report_id: str) -> None:
        """Amazon accepted it.

        Raises:
            Taken: somebody else took the request over, or withdrew it.
        """
        self._move(request, State.ASKING, state=State.ASKED.value, report_id=report_id)

    def finish(
        self,
        request: Request,
        state: State,
        now: datetime,
        *,
        document_id: str | None = None,
        next_token: str | None = None,
        retry_at: datetime | None = None,
    ) -> None:
        """It is done, cancelled or given up. Whoever else waits for it may have noted the same before."""
        try:
            self._move(
                request,
                State.ASKED,
                state=state.value,
                finished_at=now,
                document_id=document_id,
                next_token=next_token,
                retry_at=retry_at,
            )
        except Taken:
            return

    def spoil(self, seller_id: str, report_id: str) -> None:
        """A finished report's document is of no use: don't give it out again."""
        with self._control.transaction() as connection:
            connection.execute(
                reports.update()
                .where(
                    reports.c.seller_id == seller_id,
                    reports.c.report_id == report_id,
                    reports.c.state == State.DONE.value,
                )
                .values(state=State.SPOILED.value)
            )

    def known_ids(self, seller_id: str, report_ids: Iterable[str]) -> set[str]:
        """Those of some reports that the ledger knows."""
        with self._control.read() as connection:
            rows = connection.execute(
                sa.select(reports.c.report_id).where(
                    reports.c.seller_id == seller_id, reports.c.report_id.in_(list(report_ids))
                )
            )
            return {str(row.report_id) for row in rows}

    def open_ends(self, asked_since: datetime) -> list[Request]:
        """The last request of every order, where it is not done; oldest first.

        Args:
            asked_since: orders whose last request is older are left out.
        """
        last = sa.select(sa.func.max(reports.c.number)).group_by(reports.c.order_key).scalar_subquery()
        states = [state.value for state in (State.ASKING, State.ASKED, State.CANCELLED, State.FATAL)]
        with self._control.read() as connection:
            rows = connection.execute(
                sa.select(reports)
                .where(reports.c.number.in_(last), reports.c.state.in_(states), reports.c.asked_at >= asked_since)
                .order_by(reports.c.number)
            )
            return [_request(row) for row in rows]

    def _move(self, request: Request, expected: State, **values: Any) -> None:
        with self._control.transaction() as connection:
            these = sa.and_(reports.c.number == request.number, reports.c.state == expected.value)
            if not connection.execute(reports.update().where(these).values(**values)).rowcount:
                raise Taken


def _latest(connection: sa.Connection, key: str) -> Request | None:
    row = connection.execute(
        sa.select(reports).where(reports.c.order_key == key).order_by(reports.c.number.desc()).limit(1)
    ).first()
    return None if row is None else _request(row)


def _request(row: sa.Row[Any]) -> Request:
    return Request(
        number=row.number,
        seller_id=row.seller_id,
        report_type=row.report_type,
        marketplace_ids=tuple(row.marketplace_ids.split(",")),
        start=row.starts_at,
        end=row.ends_at,
        state=State(row.state),
        report_id=row.report_id,
        document_id=row.document_id,
        next_token=row.next_token,
        asked_at=row.asked_at,
        finished_at=row.finished_at,
        retry_at=row.retry_at,
        attempts=row.attempts,
    )


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
