"""The operations of the Data Kiosk API 2023-11-15, and the download of a document.

Belongs here: parameters, answers, links, pages. Does not belong here: the life of a query (`kiosk_shelf.py`), GraphQL
(`kiosk_schema.py`) and what an answer says (`kiosk_rows.py`).
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from amzigo_pipelines.simulator.answers import Answer, Refusal, as_json, instant, invalid, parse_instant
from amzigo_pipelines.simulator.calls import Call, Simulator
from amzigo_pipelines.simulator.faults import Fault
from amzigo_pipelines.simulator.kiosk_rows import AGGREGATIONS, kiosk_rows
from amzigo_pipelines.simulator.kiosk_schema import KioskQuery, QueryRefused, read_query
from amzigo_pipelines.simulator.kiosk_shelf import Query
from amzigo_pipelines.simulator.report_drift import ColumnDrift
from amzigo_pipelines.simulator.report_shelf import CANCELLED, DONE, FATAL, IN_PROGRESS, IN_QUEUE

_STATUSES = (CANCELLED, DONE, FATAL, IN_PROGRESS, IN_QUEUE)
_FATES = {"fatal": FATAL, "cancelled": CANCELLED}
_DAY_S = 86_400
_RETENTION_S = 30 * _DAY_S
_ERROR_SENTENCE = "The document could not be read. Please try again later."
_EXPIRED_XML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
)


def create_query(call: Call) -> Answer:
    """`POST /dataKiosk/2023-11-15/queries`."""
    body = call.body if isinstance(call.body, dict) else {}
    text = body.get("query")
    if not isinstance(text, str) or not text.strip():
        raise invalid("query is missing.")
    try:
        query = read_query(text, call.now.date())
    except QueryRefused as refused:
        raise invalid(str(refused)) from None
    if query.aggregate_by not in AGGREGATIONS:
        raise invalid(f"This simulator aggregates by {', '.join(AGGREGATIONS)} only.")
    if not set(query.marketplace_ids) <= set(call.profile.marketplace_ids):
        raise Refusal(403, "Unauthorized", "Access to requested resource is denied.")
    first_row, as_of = 0, call.epoch
    if token := body.get("paginationToken"):
        page = call.simulator.sealer.open(str(token), _RETENTION_S)
        if page is None or (page["seller"], page["query"]) != (call.profile.seller_id, _fingerprint(text)):
            raise invalid("paginationToken is not of this query, or has expired.")
        first_row, as_of = page["row"], page["as_of"]
    settings = call.simulator.settings
    fault = call.fault or call.simulator.faults.take(f"createQuery/{query.view}")
    kind = fault.kind if fault else ""
    made = Query(
        query_id=call.simulator.queries.new_id(),
        seller_id=call.profile.seller_id,
        text=text,
        view=query.view,
        make=_maker(call, query, as_of),
        as_of=as_of,
        first_row=first_row,
        page_rows=settings.kiosk_page_rows,
        created_at=call.now.timestamp(),
        stamp=call.simulator.sealer.stamp(),
        queue_s=settings.report_queue_s,
        work_s=settings.report_work_s,
        fate=_FATES.get(kind, ""),
        error=fault.body if fault is not None and kind == "fatal" else None,
        never_ends=kind == "never_ends",
        drift=ColumnDrift(**fault.columns) if fault is not None and kind == "columns" else None,
    )
    call.simulator.queries.add(made)
    return as_json({"queryId": made.query_id}, 202)


def get_query(call: Call) -> Answer:
    """`GET /dataKiosk/2023-11-15/queries/{queryId}`."""
    return as_json(_as_json(call, _find(call)))


def cancel_query(call: Call) -> Answer:
    """`DELETE /dataKiosk/2023-11-15/queries/{queryId}`: what is not finished yet; again, it changes nothing."""
    query = _find(call)
    if query.status() not in (IN_QUEUE, IN_PROGRESS, CANCELLED):
        raise invalid("The query cannot be cancelled any more.")
    query.fate = CANCELLED
    return Answer(204, b"")


def get_queries(call: Call) -> Answer:
    """`GET /dataKiosk/2023-11-15/queries`, newest first."""
    statuses = call.values("processingStatuses", _STATUSES) or list(_STATUSES)
    size = call.query.get("pageSize", "10")
    if not size.isascii() or not size.isdigit() or not 1 <= int(size) <= 100:
        raise invalid("pageSize must be a number from 1 to 100.")
    since, until = call.query.get("createdSince"), call.query.get("createdUntil")
    now = call.now.timestamp()
    earliest = parse_instant(since, "createdSince") if since else now - 90 * _DAY_S
    latest = parse_instant(until, "createdUntil") if until else now
    asked = {"seller": call.profile.seller_id, "statuses": statuses, "since": since, "until": until}
    start = 0
    if token := call.query.get("paginationToken"):
        content = call.simulator.sealer.open(token, _DAY_S)
        if content is None or content.get("asked") != asked:
            raise invalid("paginationToken is invalid, has expired, or goes with other parameters.")
        start = content["start"]
    matches = [
        query
        for query in call.simulator.queries.of(call.profile.seller_id)
        if query.status() in statuses and earliest <= query.created_at <= latest
    ]
    end = start + int(size)
    body: dict[str, Any] = {"queries": [_as_json(call, query) for query in matches[start:end]]}
    if len(matches) > end:
        body["pagination"] = {"nextToken": call.simulator.sealer.seal({"asked": asked, "start": end})}
    return as_json(body)


def get_document(call: Call) -> Answer:
    """`GET /dataKiosk/2023-11-15/documents/{documentId}`: a link that lives five minutes."""
    document_id = call.path["documentId"]
    query = call.simulator.queries.by_document(document_id)
    if query is None or query.seller_id != call.profile.seller_id:
        raise Refusal(404, "NotFound", "The requested document does not exist.")
    lifetime = call.simulator.settings.document_link_lifetime_s
    signature = call.simulator.sealer.seal({"document": document_id})
    link = urlencode({"X-Amz-Expires": f"{lifetime:g}", "X-Amz-Signature": signature})
    return as_json({"documentId": document_id, "documentUrl": f"{call.origin}/kioskDocuments/{document_id}?{link}"})


def download(simulator: Simulator, document_id: str, query: QueryParams, fault: Fault | None) -> Answer:
    """What the link of a document answers: the bytes, or XML as the file store does when the link has expired."""
    settings = simulator.settings
    content = simulator.sealer.open(query.get("X-Amz-Signature", ""), settings.document_link_lifetime_s)
    found = simulator.queries.by_document(document_id)
    kind = fault.kind if fault else ""
    if content is None or content.get("document") != document_id or found is None or kind == "expired_link":
        return Answer(403, _EXPIRED_XML.encode(), "application/xml")
    body = found.document(document_id, settings.report_compression)
    if kind == "error_sentence":
        return Answer(200, ((fault.body if fault else None) or _ERROR_SENTENCE).encode(), "text/plain")
    if kind == "truncated_gzip" and fault is not None:
        body = body[: int(len(body) * fault.keep)]
    headers = {"Content-Encoding": "gzip"} if settings.report_compression else {}
    return Answer(200, body, "application/jsonl", headers)


def _maker(call: Call, query: KioskQuery, as_of: int) -> Any:
    seller, config = call.seller(), call.simulator.world.config
    return lambda: query.select(kiosk_rows(config, seller, query, as_of))


def _fingerprint(text: str) -> str:
    return hashlib.sha256("".join(text.split()).encode()).hexdigest()[:16]


def _find(call: Call) -> Query:
    query = call.simulator.queries.find(call.profile.seller_id, call.path["queryId"])
    if query is None:
        raise Refusal(404, "NotFound", "The requested query does not exist.")
    return query


def _as_json(call: Call, query: Query) -> dict[str, Any]:
    status = query.status()
    out: dict[str, Any] = {
        "queryId": query.query_id,
        "query": query.text,
        "createdTime": instant(query.created_at),
        "processingStatus": status,
    }
    if status in (IN_PROGRESS, DONE, FATAL):
        out["processingStartTime"] = instant(query.created_at + query.queue_s)
    if status in (DONE, FATAL):
        out["processingEndTime"] = instant(query.created_at + query.queue_s + query.work_s)
    if status == FATAL:
        out["errorDocumentId"] = query.error_document_id
    if status == DONE and query.page():
        out["dataDocumentId"] = query.data_document_id
        if query.next_row is not None:
            page = {
                "seller": query.seller_id,
                "query": _fingerprint(query.text),
                "row": query.next_row,
                "as_of": query.as_of,
            }
            out["pagination"] = {"nextToken": call.simulator.sealer.seal(page)}
    return out
