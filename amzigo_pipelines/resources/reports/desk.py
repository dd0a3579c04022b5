"""The life of a report or of a query: asking Amazon, waiting until it is ready, and what to do when it does not come.

Belongs here: when to ask, to wait, to use again, to give up. Does not belong here: how the two APIs are asked
(`document_apis.py`), the ledger's rows (`ledger.py`), downloading (`documents.py`), what a report's columns mean
(`assets/extraction/`).

Amazon's states: IN_QUEUE, IN_PROGRESS, then DONE, CANCELLED (no data, or asked too soon, or cancelled by somebody: it
does not say) or FATAL (mostly: asked too soon). Asking again at once makes the last two worse, so nothing here does.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.clock import Clock
from amzigo_pipelines.resources.reports.document_apis import api_of
from amzigo_pipelines.resources.reports.documents import Report
from amzigo_pipelines.resources.reports.ledger import ReportLedger, ReportOrder, Request, State, Taken
from amzigo_pipelines.resources.reports.lists import instant_text, ready_reports
from amzigo_pipelines.resources.reports.refusals import refusal_told
from amzigo_pipelines.resources.spapi.client import SellingPartner
from amzigo_pipelines.resources.spapi.errors import (
    Asked,
    AuthorisationLost,
    BadAnswer,
    BadRequest,
    ClientRefused,
    RefreshTokenRefused,
    ReportDeferred,
    ReportLate,
    SpApiError,
    Throttled,
)

if TYPE_CHECKING:
    from amzigo_pipelines.resources.control.database import ControlDatabase
    from amzigo_pipelines.resources.spapi.library import Answer

__all__ = ["TIME_LIMIT_S", "EmptyUnconfirmed", "ReportDesk", "ReportOrder"]

# Most reports take seconds, some a quarter of an hour.
TIME_LIMIT_S = 1_800.0
_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 30.0
# For types whose cooldown nobody knows: Amazon's longest.
_LONGEST_COOLDOWN = timedelta(hours=4)
_MOST_PATIENCE = timedelta(hours=24)
# A report that is still not ready is not waited for any longer: asked for anew.
_OPEN_FOR = timedelta(hours=24)
# A request is on its way for two minutes at most (the client's deadline); then whoever sent it has died.
_ON_ITS_WAY_FOR = timedelta(minutes=3)
# An answer may get lost, and so may the next; a report that Amazon accepted may be unknown to it.
_MOST_ASKED = 4
# Before a report that was just made is surely listed, and how far Amazon's clock and ours may differ.
_LISTED_AFTER_S = 2.0
_CLOCKS_DIFFER_BY = timedelta(minutes=2)
# Amazon keeps reports for 90 days and refuses to list from before.
_KEPT_FOR = timedelta(days=89, hours=23)


@dataclass(frozen=True)
class EmptyUnconfirmed:
    """Amazon cancelled the report: there may be no data, or it was asked for too soon. Never the same as empty.

    Attributes:
        asked_at: when it was asked for.
        retry_at: not worth asking again before.
        attempts: how many requests in a row have ended like this by now.
    """

    asked_at: datetime
    retry_at: datetime
    attempts: int = 1


class ReportDesk:
    """Where reports are ordered and collected. A run that dies is gone on with by the next, whoever that is.

    Args:
        control: the control database, where the ledger is.
        clock: the time.
        time_limit_s: longest wait for one report.
    """

    def __init__(self, control: ControlDatabase, clock: Clock, time_limit_s: float = TIME_LIMIT_S) -> None:
        self._ledger = ReportLedger(control)
        self._clock = clock
        self._time_limit_s = time_limit_s

    def ask_ahead(self, partner: SellingPartner, orders: Iterable[ReportOrder]) -> None:
        """Ask for all reports of which there is nothing to use, so that Amazon works on all at once.

        Doesn't wait for turns: what there is none for is left to `collect`. Nothing is raised for a report that can't
        be asked for either: `collect` tries again and says why.

        Raises:
            RefreshTokenRefused, ClientRefused, AuthorisationLost: no report can be asked for.
        """
        if partner.tape is not None and partner.tape.is_playing:
            return
        for order in orders:
            latest = self._ledger.latest(partner.seller_id, order)
            now = self._clock.now()
            if _stands(order, latest, now) or _next_turn(order, latest, now) is not None:
                continue
            try:
                with partner.without_waiting():
                    self._ask(partner, order, latest)
            except (RefreshTokenRefused, ClientRefused, AuthorisationLost):
                raise
            except Throttled:
                return
            except SpApiError:
                continue

    def collect(self, partner: SellingPartner, order: ReportOrder) -> Report | EmptyUnconfirmed:
        """Wait for a report; ask for it where nobody has. Of a tape that plays, what came of it then.

        Raises:
            ReportDeferred: Amazon gave it up, now or a short time ago, or would not make it anew yet.
            ReportLate: it is not ready in time; the next call goes on waiting for the same one.
            SpApiError: asking failed.
        """
        tape, name = partner.tape, f"collect {order.title} {','.join(order.marketplace_ids)}"
        kept = tape.answer(name) if tape is not None else None
        if kept is not None:
            return outcome_of(kept)
        outcome = self._collected(partner, order)
        if tape is not None:
            tape.keep(name, kept_of(outcome))
        return outcome

    def _collected(self, partner: SellingPartner, order: ReportOrder) -> Report | EmptyUnconfirmed:
        asked = Asked(partner.seller_id, order.title)
        began_at, waited_s, wait_s, times_asked = time.monotonic(), 0.0, _FIRST_WAIT_S, 0
        while True:
            latest, now = self._ledger.latest(partner.seller_id, order), self._clock.now()
            if latest is None or not _stands(order, latest, now):
                if (retry_at := _next_turn(order, latest, now)) is not None:
                    raise ReportDeferred(
                        asked,
                        "the last one is older than the data that is wanted, and Amazon makes no new one before "
                        f"{instant_text(retry_at)}: ask again then",
                        retry_at,
                    )
                times_asked += 1
                if times_asked > _MOST_ASKED:
                    raise BadAnswer(asked, "Amazon accepts the report again and again, and then does not know it")
                self._ask(partner, order, latest)
                continue
            match latest.state:
                case State.DONE:
                    return _report(latest, order)
                case State.CANCELLED:
                    return EmptyUnconfirmed(latest.asked_at, latest.retry_at or now, latest.attempts)
                case State.FATAL:
                    why = refusal_told(partner, _report(latest, order)) if order.query and latest.document_id else ""
                    raise _given_up(asked, order, latest, latest.retry_at or now, why)
                case State.ASKING if max(now - latest.asked_at, timedelta(seconds=waited_s)) > _ON_ITS_WAY_FOR:
                    self._recover(partner, order, latest)
                    continue
                case State.ASKED if self._is_finished(partner, order, latest):
                    continue
                case _:
                    pass
            if max(waited_s, time.monotonic() - began_at) + wait_s > self._time_limit_s:
                raise ReportLate(asked, f"it is not ready after {self._time_limit_s / 60:.0f} minutes: try again later")
            partner.sleep(wait_s)
            waited_s += wait_s
            wait_s = min(_LONGEST_WAIT_S, wait_s * 2 * random.uniform(0.9, 1.1))

    def listed(
        self, partner: SellingPartner, report_type: str, marketplace_ids: Sequence[str], since: datetime
    ) -> list[Report]:
        """Reports of a type that are ready, for those that Amazon makes by itself; oldest first.

        Args:
            partner: acts for the seller.
            report_type: Amazon's type.
            marketplace_ids: up to 10 of the same region; a report of any of them counts.
            since: made at this instant or later; Amazon keeps reports for 90 days.

        Raises:
            PagesRepeat: paging does not come to an end.
            SpApiError: anything else, after retries.
        """
        return ready_reports(partner, report_type, marketplace_ids, max(since, self._clock.now() - _KEPT_FOR))

    def discard(self, partner: SellingPartner, report: Report) -> None:
        """Don't give this report out again: its document is gone, or holds a refusal instead of data."""
        self._ledger.spoil(partner.seller_id, report.report_id)

    def due_again(
        self, *, within: timedelta = timedelta(days=7), most_attempts: int = 6, late_s: float = TIME_LIMIT_S
    ) -> list[Request]:
        """What came to nothing and may be asked for again now: deferred, unconfirmed, or late.

        Args:
            within: orders that nobody has asked for in so long are left alone.
            most_attempts: so are those that came to nothing so many times in a row.
            late_s: a report is late once it has been asked for so long ago, in seconds.
        """
        now = self._clock.now()
        return [
            request
            for request in self._ledger.open_ends(now - within)
            if request.attempts < most_attempts
            and now >= (request.retry_at or request.asked_at + timedelta(seconds=late_s))
        ]

    # -- asking ------------------------------------------------------------------------------------------------------

    def _ask(self, partner: SellingPartner, order: ReportOrder, latest: Request | None) -> None:
        """Ask for it, unless somebody else does; the ledger has it afterwards.

        The claim is laid in the instant of sending, not before waiting for a turn: so a process that dies while it
        waits has claimed nothing.
        """
        api = api_of(order)
        for attempt in range(1, _MOST_ASKED + 1):
            sent: list[Request] = []
            try:
                created = partner.call(
                    api.create, self._sending(partner, order, latest, sent), {api.id_field: str}, _region_of(order)
                )
                self._ledger.asked(sent[0], created.payload[api.id_field])
            except Taken:
                return
            except _AnswerLost as lost:
                # Whether there is a report now is not known, and a second one would be FATAL for being too soon.
                partner.sleep(_LISTED_AFTER_S)
                if self._recover(partner, order, sent[0]):
                    return
                if attempt == _MOST_ASKED:
                    raise lost.error from None
                partner.sleep(2.0**attempt)
            else:
                return

    def _sending(self, partner: SellingPartner, order: ReportOrder, latest: Request | None, sent: list[Request]) -> Any:
        api = api_of(order)
        ask = api.asking(partner, order)

        def send() -> Answer:
            if sent:
                # Called again by the retries, because the first answer did not name the report.
                raise _AnswerLost(BadAnswer(Asked(partner.seller_id, api.create), "no answer names what was asked for"))
            partner.take_turn(f"{api.create} {order.report_type}")
            sent.append(self._ledger.claim(partner.seller_id, order, self._clock.now(), latest))
            try:
                return ask()
            except SpApiError as error:
                if error.operation == api.create and (
                    error.status is None or error.status < 400 or error.status == 504
                ):
                    raise _AnswerLost(error) from None
                self._ledger.withdraw(sent.pop())
                raise

        return send

    def _recover(self, partner: SellingPartner, order: ReportOrder, request: Request) -> bool:
        """Find out what became of a request whose answer was never seen; forget it if nothing did."""
        since = max(request.asked_at - _CLOCKS_DIFFER_BY, order.not_before or request.asked_at - _CLOCKS_DIFFER_BY)
        ids = api_of(order).like(partner, order, since)
        known = self._ledger.known_ids(partner.seller_id, ids)
        lost = next((report_id for report_id in ids if report_id not in known), None)
        if lost is None:
            self._ledger.withdraw(request)
            return False
        with suppress(Taken):
            self._ledger.asked(request, lost)
        return True

    # -- waiting -----------------------------------------------------------------------------------------------------

    def _is_finished(self, partner: SellingPartner, order: ReportOrder, request: Request) -> bool:
        """Ask how far a request has come, and note it; also True where Amazon does not know it."""
        try:
            outcome = api_of(order).outcome(partner, order, request.report_id or "")
        except BadRequest as error:
            if error.status != 404:
                raise
            self._ledger.withdraw(request)
            return True
        if outcome is None:
            return False
        now = self._clock.now()
        # It may have come to nothing hours ago, while nobody looked: from then on the cooldown counts.
        ended_at = min(now, max(request.asked_at, outcome.ended_at or now))
        self._ledger.finish(
            request,
            outcome.state,
            now,
            document_id=outcome.document_id,
            next_token=outcome.next_token,
            retry_at=None if outcome.state is State.DONE else ended_at + _patience(order, outcome.state, request),
        )
        return True


class _AnswerLost(Exception):
    """It was asked for and nobody knows whether it arrived. No `SpApiError`, so that no retry sends it again."""

    def __init__(self, error: SpApiError) -> None:
        super().__init__()
        self.error = error


def _stands(order: ReportOrder, latest: Request | None, now: datetime) -> bool:
    """Whether the last request answers the order, or will; else it is to be asked for."""
    if latest is None:
        return False
    is_new_enough = order.not_before is None or latest.asked_at >= order.not_before
    is_too_soon = now < latest.asked_at + order.cooldown
    match latest.state:
        case State.ASKING:
            return True
        case State.ASKED:
            return is_new_enough and now < latest.asked_at + _OPEN_FOR
        case State.DONE:
            # Within the cooldown Amazon would not make a newer one anyway.
            is_fresh = now < (latest.finished_at or latest.asked_at) + order.fresh_for
            return is_new_enough and (is_fresh or is_too_soon)
        case State.CANCELLED:
            return (is_new_enough or is_too_soon) and now < (latest.retry_at or now)
        case State.FATAL:
            return now < (latest.retry_at or now)
        case State.SPOILED:
            return False


def _next_turn(order: ReportOrder, latest: Request | None, now: datetime) -> datetime | None:
    """From when on Amazon would make the report anew, where that is in the future."""
    if latest is None or latest.state not in (State.ASKED, State.DONE, State.SPOILED):
        return None
    retry_at = latest.asked_at + order.cooldown
    return retry_at if now < retry_at else None


def _region_of(order: ReportOrder) -> str:
    return MARKETPLACES[order.marketplace_ids[0]].region


def _cooldown(order: ReportOrder) -> timedelta:
    return order.cooldown or _LONGEST_COOLDOWN


def _patience(order: ReportOrder, state: State, request: Request) -> timedelta:
    """How long to wait until asking again: each time twice as long for what may well be empty for good."""
    if state is not State.CANCELLED:
        return _cooldown(order)
    doubled = _cooldown(order) * (1 << min(request.attempts - 1, 10))
    return min(doubled, max(_MOST_PATIENCE, _cooldown(order)))


def _given_up(asked: Asked, order: ReportOrder, request: Request, retry_at: datetime, reason: str) -> ReportDeferred:
    why = f" because of {reason}" if reason else ""
    if not order.query:
        why = ", most often because one was asked for a short time before"
    return ReportDeferred(
        asked,
        f"Amazon gave up the {'query' if order.query else 'report'} (FATAL) that was asked for at "
        f"{instant_text(request.asked_at)}{why}: ask again after {instant_text(retry_at)}, earlier makes it worse",
        retry_at,
    )


def _report(request: Request, order: ReportOrder) -> Report:
    return Report(
        request.report_type,
        order.marketplace_ids[0],
        request.document_id or "",
        request.report_id or "",
        request.asked_at,
        request.start,
        request.end,
        bool(order.query),
        request.next_token or "",
    )


def kept_of(outcome: Report | EmptyUnconfirmed) -> dict[str, Any]:
    """What came of a report, as a tape keeps it."""
    facts = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in vars(outcome).items()}
    return {"is_report": isinstance(outcome, Report), **facts}


def outcome_of(kept: dict[str, Any]) -> Report | EmptyUnconfirmed:
    """The same from what a tape kept."""
    is_report = kept.pop("is_report")
    times = ("asked_at", "start", "end", "retry_at")
    facts: dict[str, Any] = {
        n: datetime.fromisoformat(v) if n in times and v is not None else v for n, v in kept.items()
    }
    return Report(**facts) if is_report else EmptyUnconfirmed(**facts)
