"""The life of a report: asking Amazon for it, waiting until it is ready, and what to do when it does not come.

Belongs here: when to ask, to wait, to use again, to give up. Does not belong here: the ledger's rows
(`report_ledger.py`), downloading (`reports.py`), what a report's columns mean (`assets/extraction/`).

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
from amzigo_pipelines.resources.report_ledger import ReportLedger, ReportOrder, Request, State, Taken
from amzigo_pipelines.resources.report_lists import instant_of, instant_text, list_reports, ready_reports
from amzigo_pipelines.resources.reports import Report
from amzigo_pipelines.resources.spapi import SellingPartner
from amzigo_pipelines.resources.spapi_errors import (
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
    from amzigo_pipelines.resources.control import ControlDatabase
    from amzigo_pipelines.resources.spapi_library import Answer

__all__ = ["TIME_LIMIT_S", "EmptyUnconfirmed", "ReportDesk", "ReportOrder"]

_CREATE = "createReport"
# Most reports take seconds, some a quarter of an hour.
TIME_LIMIT_S = 1_800.0
_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 30.0
# For types whose cooldown nobody knows: Amazon's longest.
_LONGEST_COOLDOWN = timedelta(hours=4)
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
        """Wait for a report; ask for it where nobody has.

        Raises:
            ReportDeferred: Amazon gave it up, now or a short time ago, or would not make it anew yet.
            ReportLate: it is not ready in time; the next call goes on waiting for the same one.
            SpApiError: asking failed.
        """
        asked = Asked(partner.seller_id, f"report {order.report_type}")
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
                    raise _given_up(asked, latest, latest.retry_at or now)
                case State.ASKING if max(now - latest.asked_at, timedelta(seconds=waited_s)) > _ON_ITS_WAY_FOR:
                    self._recover(partner, order, latest)
                    continue
                case State.ASKED if self._is_finished(partner, order, latest):
                    continue
                case _:
                    pass
            if max(waited_s, time.monotonic() - began_at) + wait_s > self._time_limit_s:
                raise ReportLate(
                    asked, f"the report is not ready after {self._time_limit_s / 60:.0f} minutes: try again later"
                )
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
        for attempt in range(1, _MOST_ASKED + 1):
            sent: list[Request] = []
            try:
                created = partner.call(
                    _CREATE, self._sending(partner, order, latest, sent), {"reportId": str}, _region_of(order)
                )
                self._ledger.asked(sent[0], created.payload["reportId"])
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
        reports = partner.reports_of(order.marketplace_ids[0])
        parameters: dict[str, Any] = {
            "reportType": order.report_type,
            "marketplaceIds": list(order.marketplace_ids),
        }
        if order.start is not None:
            parameters["dataStartTime"] = instant_text(order.start)
        if order.end is not None:
            parameters["dataEndTime"] = instant_text(order.end)
        if order.options:
            parameters["reportOptions"] = dict(order.options)

        def send() -> Answer:
            if sent:
                # Called again by the retries, because the first answer did not name the report.
                raise _AnswerLost(BadAnswer(Asked(partner.seller_id, _CREATE), "no answer names the report"))
            partner.take_turn(f"{_CREATE} {order.report_type}")
            sent.append(self._ledger.claim(partner.seller_id, order, self._clock.now(), latest))
            try:
                return reports.create_report(**parameters)
            except SpApiError as error:
                if error.operation == _CREATE and (error.status is None or error.status < 400 or error.status == 504):
                    raise _AnswerLost(error) from None
                self._ledger.withdraw(sent.pop())
                raise

        return send

    def _recover(self, partner: SellingPartner, order: ReportOrder, request: Request) -> bool:
        """Find out what became of a request whose answer was never seen; forget it if nothing did."""
        report_id = self._lost_report(partner, order, request)
        if report_id is None:
            self._ledger.withdraw(request)
            return False
        with suppress(Taken):
            self._ledger.asked(request, report_id)
        return True

    def _lost_report(self, partner: SellingPartner, order: ReportOrder, request: Request) -> str | None:
        if order.options:
            return None  # the list does not tell a report's options: it might be another one
        since = max(request.asked_at - _CLOCKS_DIFFER_BY, order.not_before or request.asked_at - _CLOCKS_DIFFER_BY)
        rows = [
            row
            for row in list_reports(partner, order.report_type, order.marketplace_ids, since)
            if set(row.get("marketplaceIds") or ()) == set(order.marketplace_ids)
            and (instant_of(row.get("dataStartTime")), instant_of(row.get("dataEndTime"))) == (order.start, order.end)
        ]
        ids = [str(row.get("reportId")) for row in rows]
        known = self._ledger.known_ids(partner.seller_id, ids)
        return next((report_id for report_id in ids if report_id not in known), None)

    # -- waiting -----------------------------------------------------------------------------------------------------

    def _is_finished(self, partner: SellingPartner, order: ReportOrder, request: Request) -> bool:
        """Ask how far a report has come, and note it; also True where Amazon does not know it."""
        asked = Asked(partner.seller_id, f"report {order.report_type}")
        reports, report_id = partner.reports_of(order.marketplace_ids[0]), request.report_id or ""
        try:
            answer = partner.call(
                "getReport", lambda: reports.get_report(report_id), {"processingStatus": str}, _region_of(order)
            ).payload
        except BadRequest as error:
            if error.status != 404:
                raise
            self._ledger.withdraw(request)
            return True
        now = self._clock.now()
        match answer["processingStatus"]:
            case "DONE":
                document_id = answer.get("reportDocumentId")
                if not isinstance(document_id, str):
                    raise BadAnswer(asked, "the report is DONE but names no document")
                self._ledger.finish(request, State.DONE, now, document_id=document_id)
            case "CANCELLED":
                self._ledger.finish(request, State.CANCELLED, now, retry_at=now + _cooldown(order))
            case "FATAL":
                self._ledger.finish(request, State.FATAL, now, retry_at=now + _cooldown(order))
            case "IN_QUEUE" | "IN_PROGRESS":
                return False
            case _:
                raise BadAnswer(asked, "the report is in a state that is not known")
        return True


class _AnswerLost(Exception):
    """createReport was sent and nobody knows whether it arrived. No `SpApiError`, so that no retry sends it again."""

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


def _given_up(asked: Asked, request: Request, retry_at: datetime) -> ReportDeferred:
    return ReportDeferred(
        asked,
        f"Amazon gave up the report (FATAL) that was asked for at {instant_text(request.asked_at)}, most often "
        f"because one was asked for a short time before: ask again after {instant_text(retry_at)}, earlier makes it "
        "worse",
        retry_at,
    )


def _report(request: Request, order: ReportOrder) -> Report:
    assert request.document_id is not None  # only a finished request with a document is DONE
    return Report(
        request.report_type,
        order.marketplace_ids[0],
        request.document_id,
        request.report_id or "",
        request.asked_at,
        request.start,
        request.end,
    )
