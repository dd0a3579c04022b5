"""The two APIs that make documents on request, Reports and Data Kiosk, behind one face for the desk.

Belongs here: how each is asked, how far it has come, how a request whose answer was lost is found again. Does not
belong here: when to ask or wait (`desk.py`), downloads (`documents.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.resources.reports.ledger import ReportOrder, State
from amzigo_pipelines.resources.reports.lists import instant_of, instant_text, list_reports
from amzigo_pipelines.resources.spapi.errors import Asked, BadAnswer
from amzigo_pipelines.resources.spapi.pages import Turns, is_rows

if TYPE_CHECKING:
    from amzigo_pipelines.resources.spapi.client import SellingPartner
    from amzigo_pipelines.resources.spapi.library import Answer


@dataclass(frozen=True)
class Outcome:
    """What became of a request.

    Attributes:
        state: DONE, CANCELLED or FATAL.
        document_id: where DONE and there is data; of a query that is FATAL, where Amazon says why.
        next_token: where DONE and there are further pages.
        ended_at: when Amazon was done with it, if it says so.
    """

    state: State
    document_id: str | None = None
    next_token: str | None = None
    ended_at: datetime | None = None


class DocumentApi(Protocol):
    """One of the two.

    Attributes:
        create: Amazon's operation that asks for a document.
        id_field: where its answer names the request.
    """

    create: str
    id_field: str

    def asking(self, partner: SellingPartner, order: ReportOrder) -> Callable[[], Answer]:
        """What asks Amazon, once a call."""
        ...

    def outcome(self, partner: SellingPartner, order: ReportOrder, request_id: str) -> Outcome | None:
        """What became of a request; None while Amazon works on it.

        Raises:
            BadRequest: with status 404, Amazon does not know it.
            BadAnswer: a state that makes no sense.
            SpApiError: asking failed.
        """
        ...

    def like(self, partner: SellingPartner, order: ReportOrder, since: datetime) -> list[str]:
        """The ids of requests since an instant that may have come of this order, newest first.

        Raises:
            SpApiError: asking failed.
        """
        ...


class ReportsApi:
    """Reports 2021-06-30."""

    create = "createReport"
    id_field = "reportId"

    def asking(self, partner: SellingPartner, order: ReportOrder) -> Callable[[], Answer]:
        """`createReport`."""
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
        return lambda: reports.create_report(**parameters)

    def outcome(self, partner: SellingPartner, order: ReportOrder, request_id: str) -> Outcome | None:
        """`getReport`."""
        asked, reports = Asked(partner.seller_id, order.title), partner.reports_of(order.marketplace_ids[0])
        answer = partner.call(
            "getReport", lambda: reports.get_report(request_id), {"processingStatus": str}, _region_of(order)
        ).payload
        state = _state_of(asked, answer)
        document_id = answer.get("reportDocumentId")
        if state is State.DONE and not isinstance(document_id, str):
            raise BadAnswer(asked, "the report is DONE but names no document")
        if state is None:
            return None
        ended_at = instant_of(answer.get("processingEndTime"))
        return Outcome(state, document_id if state is State.DONE else None, ended_at=ended_at)

    def like(self, partner: SellingPartner, order: ReportOrder, since: datetime) -> list[str]:
        """By `getReports`."""
        if order.options:
            return []  # the list does not tell a report's options: it might be another one
        return [
            str(row.get("reportId"))
            for row in list_reports(partner, order.report_type, order.marketplace_ids, since)
            if set(row.get("marketplaceIds") or ()) == set(order.marketplace_ids)
            and (instant_of(row.get("dataStartTime")), instant_of(row.get("dataEndTime"))) == (order.start, order.end)
        ]


class DataKioskApi:
    """Data Kiosk 2023-11-15."""

    create = "createQuery"
    id_field = "queryId"

    def asking(self, partner: SellingPartner, order: ReportOrder) -> Callable[[], Answer]:
        """`createQuery`."""
        kiosk = partner.data_kiosk_of(order.marketplace_ids[0])
        return lambda: kiosk.create_query(order.query, order.page_token or None)

    def outcome(self, partner: SellingPartner, order: ReportOrder, request_id: str) -> Outcome | None:
        """`getQuery`. DONE without a document means that there is no data."""
        asked, kiosk = Asked(partner.seller_id, order.title), partner.data_kiosk_of(order.marketplace_ids[0])
        answer = partner.call(
            "getQuery", lambda: kiosk.get_query(request_id), {"processingStatus": str}, _region_of(order)
        ).payload
        state = _state_of(asked, answer)
        if state is not State.DONE:
            if state is None:
                return None
            reason = answer.get("errorDocumentId") if state is State.FATAL else None
            ended_at = instant_of(answer.get("processingEndTime"))
            return Outcome(state, reason if isinstance(reason, str) else None, ended_at=ended_at)
        document_id, pagination = answer.get("dataDocumentId"), answer.get("pagination") or {}
        next_token = pagination.get("nextToken") if isinstance(pagination, dict) else pagination
        if not isinstance(document_id, str | None) or not isinstance(next_token, str | None):
            raise BadAnswer(asked, "the query is DONE, but its document or its next page has no name")
        if answer.get("errorDocumentId") or (document_id is None and next_token is not None):
            # Neither may pass for "there is no data".
            raise BadAnswer(asked, "the query is DONE, and yet tells of an error or of pages without this one's data")
        return Outcome(state, document_id, next_token)

    def like(self, partner: SellingPartner, order: ReportOrder, since: datetime) -> list[str]:
        """By `getQueries`."""
        if order.page_token:
            return []  # the list does not tell for which page a query was
        kiosk = partner.data_kiosk_of(order.marketplace_ids[0])
        parameters = {"createdSince": instant_text(since), "pageSize": 100}
        turns = Turns(Asked(partner.seller_id, "getQueries"), "queryId")
        found: list[str] = []
        while True:
            answer = partner.call(
                "getQueries",
                lambda: kiosk.get_queries(**parameters, **turns.parameter("paginationToken")),
                {"queries": list},
                _region_of(order),
            )
            rows = answer.payload["queries"]
            if not is_rows(rows):
                raise BadAnswer(turns.asked, "the list of queries holds something else than queries")
            partner.usage.pages += 1
            found += [str(row.get("queryId")) for row in rows if _same_text(row.get("query"), order.query)]
            if not turns.go_on(answer, rows):
                return list(dict.fromkeys(found))


REPORTS = ReportsApi()
DATA_KIOSK = DataKioskApi()


def api_of(order: ReportOrder) -> DocumentApi:
    """Which of the two makes what is wanted."""
    return DATA_KIOSK if order.query else REPORTS


def _state_of(asked: Asked, answer: dict[str, Any]) -> State | None:
    match answer["processingStatus"]:
        case "DONE":
            return State.DONE
        case "CANCELLED":
            return State.CANCELLED
        case "FATAL":
            return State.FATAL
        case "IN_QUEUE" | "IN_PROGRESS":
            return None
        case _:
            raise BadAnswer(asked, "it is in a state that is not known")


def _region_of(order: ReportOrder) -> str:
    return MARKETPLACES[order.marketplace_ids[0]].region


def _same_text(one: object, other: str) -> bool:
    # Amazon counts a query's length without unnecessary white space, and may well store it so.
    return isinstance(one, str) and "".join(one.split()) == "".join(other.split())
