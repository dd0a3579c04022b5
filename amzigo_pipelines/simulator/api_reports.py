"""The operations of the Reports API 2021-06-30, and the download of a report's document.

Belongs here: parameters, answers, links. Does not belong here: the life of a report (`report_shelf.py`) and what it
says (`report_types.py`).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from amzigo_pipelines.simulator.answers import Answer, Refusal, as_json, instant, invalid, parse_instant
from amzigo_pipelines.simulator.calls import Call, Simulator
from amzigo_pipelines.simulator.faults import Fault
from amzigo_pipelines.simulator.marketplaces import MARKETPLACES
from amzigo_pipelines.simulator.report_drift import ColumnDrift
from amzigo_pipelines.simulator.report_request import OrderReportQuirks
from amzigo_pipelines.simulator.report_shelf import CANCELLED, DONE, FATAL, IN_PROGRESS, IN_QUEUE, Report
from amzigo_pipelines.simulator.report_types import REPORT_TYPES, ReportRequest
from amzigo_pipelines.simulator.settlement_shelf import put_on_shelf

_STATUSES = (CANCELLED, DONE, FATAL, IN_PROGRESS, IN_QUEUE)
_CHARSET_NAMES = {"cp1252": "Cp1252", "cp932": "Windows-31J", "utf-8": "UTF-8"}
_FATES = {"fatal": FATAL, "cancelled": CANCELLED}
_DAY_S = 86_400
_ERROR_SENTENCE = "The report could not be made for the requested dates. Ask for at most 30 days."
_EXPIRED_XML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
)


def create_report(call: Call) -> Answer:
    """`POST /reports/2021-06-30/reports`."""
    body = call.body if isinstance(call.body, dict) else {}
    report_type = body.get("reportType")
    kind = REPORT_TYPES.get(report_type) if isinstance(report_type, str) else None
    if not isinstance(report_type, str) or kind is None or not kind.is_requestable:
        raise invalid("reportType is missing or cannot be requested.")
    marketplace_ids = body.get("marketplaceIds")
    if not isinstance(marketplace_ids, list) or not marketplace_ids:
        raise invalid("marketplaceIds must name 1 to 25 marketplaces.")
    marketplace_ids = list(dict.fromkeys(str(marketplace_id) for marketplace_id in marketplace_ids))
    if len(marketplace_ids) > 25:
        raise invalid("marketplaceIds must name 1 to 25 marketplaces.")
    options = body.get("reportOptions") or {}
    if not isinstance(options, dict):
        raise invalid("reportOptions must be an object.")
    if not set(marketplace_ids) <= set(call.profile.marketplace_ids):
        raise Refusal(403, "Unauthorized", "Access to requested resource is denied.")
    if kind.is_for_brands and not call.profile.is_brand_owner:
        raise Refusal(403, "Unauthorized", "Access to requested resource is denied.")
    start, end = (parse_instant(str(body[n]), n) if body.get(n) else None for n in ("dataStartTime", "dataEndTime"))
    if start is not None and end is not None and start > end:
        raise invalid("dataStartTime must not be later than dataEndTime.")
    settings = call.simulator.settings
    fault = call.fault or call.simulator.faults.take(f"createReport/{report_type}")
    fate = _FATES.get(fault.kind, "") if fault else ""
    report = Report(
        report_id=call.simulator.reports.new_id(),
        seller_id=call.profile.seller_id,
        report_type=report_type,
        request=ReportRequest(
            seller=call.seller(),
            as_of=call.epoch,
            markets=[MARKETPLACES[marketplace_id] for marketplace_id in marketplace_ids],
            start=start,
            end=end,
            options={str(key): str(value) for key, value in options.items()},
            is_localised=settings.report_localised,
            quirks=OrderReportQuirks(
                settings.bulk_order_lines, settings.order_report_has_item_ids, settings.order_report_is_regional
            ),
        ),
        created_at=call.now.timestamp(),
        stamp=call.simulator.sealer.stamp(),
        queue_s=settings.report_queue_s,
        work_s=settings.report_work_s,
        fate=settings.report_cooldown_status if _is_too_soon(call, report_type, marketplace_ids) else fate,
        never_ends=fault is not None and fault.kind == "never_ends",
        drift=ColumnDrift(**fault.columns) if fault is not None and fault.kind == "columns" else None,
    )
    call.simulator.reports.add(report)
    return as_json({"reportId": report.report_id}, 202)


def _is_too_soon(call: Call, report_type: str, marketplace_ids: list[str]) -> bool:
    settings = call.simulator.settings
    cooldown_s = settings.report_cooldowns_s.get(report_type, settings.report_cooldown_s)
    return any(
        report.report_type == report_type
        and {market.marketplace_id for market in report.request.markets} == set(marketplace_ids)
        and not report.fate
        and call.simulator.sealer.age(report.stamp) < cooldown_s
        for report in call.simulator.reports.of(call.profile.seller_id)
    )


def get_report(call: Call) -> Answer:
    """`GET /reports/2021-06-30/reports/{reportId}`."""
    return as_json(_as_json(_find(call)))


def cancel_report(call: Call) -> Answer:
    """`DELETE /reports/2021-06-30/reports/{reportId}`: only what still waits can be cancelled."""
    report = _find(call)
    if report.status() != IN_QUEUE:
        raise invalid("The report cannot be cancelled any more.")
    report.fate = CANCELLED
    return as_json({})


def get_reports(call: Call) -> Answer:
    """`GET /reports/2021-06-30/reports`, newest first."""
    put_on_shelf(call)
    query: dict[str, Any]
    if token := call.query.get("nextToken"):
        if set(call.query) & {"reportTypes", "processingStatuses", "pageSize", "createdSince", "createdUntil"}:
            raise invalid("nextToken must be the only parameter.")
        content = call.simulator.sealer.open(token, _DAY_S)
        if content is None or content.get("seller") != call.profile.seller_id:
            raise invalid("nextToken is invalid or has expired.")
        query = content["query"]
    else:
        query = _list_query(call)
    matches = [
        report
        for report in call.simulator.reports.of(call.profile.seller_id)
        if report.report_type in query["types"]
        and report.status() in query["statuses"]
        and query["since"] <= report.created_at <= query["until"]
        and (
            not query["markets"] or {market.marketplace_id for market in report.request.markets} & set(query["markets"])
        )
    ]
    start, size = query["start"], query["size"]
    body: dict[str, Any] = {"reports": [_as_json(report) for report in matches[start : start + size]]}
    if len(matches) > start + size:
        body["nextToken"] = call.simulator.sealer.seal(
            {"seller": call.profile.seller_id, "query": query | {"start": start + size}}
        )
    return as_json(body)


def _list_query(call: Call) -> dict[str, Any]:
    types = call.values("reportTypes")
    if not 1 <= len(types) <= 10:
        raise invalid("reportTypes must name 1 to 10 types when there is no nextToken.")
    size = call.query.get("pageSize", "10")
    if not size.isascii() or not size.isdigit() or not 1 <= int(size) <= 100:
        raise invalid("pageSize must be a number from 1 to 100.")
    since, until = call.query.get("createdSince"), call.query.get("createdUntil")
    now = call.now.timestamp()
    return {
        "types": types,
        "statuses": call.values("processingStatuses", _STATUSES) or list(_STATUSES),
        "markets": call.values("marketplaceIds"),
        "since": parse_instant(since, "createdSince") if since else now - 90 * _DAY_S,
        "until": parse_instant(until, "createdUntil") if until else now,
        "size": int(size),
        "start": 0,
    }


def get_report_document(call: Call) -> Answer:
    """`GET /reports/2021-06-30/documents/{reportDocumentId}`: a link that lives five minutes."""
    report = call.simulator.reports.by_document(call.path["reportDocumentId"])
    if report is None or report.seller_id != call.profile.seller_id or report.status() != DONE:
        raise Refusal(404, "NotFound", "The requested document does not exist.")
    token = call.simulator.sealer.seal({"document": report.document_id})
    lifetime = call.simulator.settings.document_link_lifetime_s
    query = urlencode(
        {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Expires": f"{lifetime:g}",
            "X-Amz-Signature": token,
        }
    )
    body = {"reportDocumentId": report.document_id, "url": f"{call.origin}/documents/{report.document_id}?{query}"}
    if call.simulator.settings.report_compression:
        body["compressionAlgorithm"] = "GZIP"
    return as_json(body)


def download(simulator: Simulator, document_id: str, query: QueryParams, fault: Fault | None) -> Answer:
    """What the link of a document answers: the bytes, or XML as the file store does when the link has expired."""
    settings = simulator.settings
    content = simulator.sealer.open(query.get("X-Amz-Signature", ""), settings.document_link_lifetime_s)
    report = simulator.reports.by_document(document_id)
    if fault is None and report is not None:
        fault = simulator.faults.take(f"downloadReport/{report.report_type}")
    kind = fault.kind if fault else ""
    if content is None or content.get("document") != document_id or report is None or kind == "expired_link":
        return Answer(403, _EXPIRED_XML.encode(), "application/xml")
    if kind == "error_sentence":
        report = _saying(report, (fault.body if fault else None) or _ERROR_SENTENCE)
    body = report.document(settings.report_charset, settings.report_gzip_members if settings.report_compression else 0)
    if kind == "truncated_gzip" and fault is not None:
        body = body[: int(len(body) * fault.keep)]
    media_type = REPORT_TYPES[report.report_type].media_type
    if settings.report_names_charset:
        charset = report.charset(settings.report_charset)
        media_type += f"; charset={_CHARSET_NAMES.get(charset, charset)}"
    return Answer(200, body, media_type)


def _saying(report: Report, sentence: str) -> Report:
    return Report(**{**vars(report), "_text": sentence, "_is_built": True, "_documents": {}})


def _find(call: Call) -> Report:
    report = call.simulator.reports.find(call.profile.seller_id, call.path["reportId"])
    if report is None:
        raise Refusal(404, "NotFound", "The requested report does not exist.")
    return report


def _as_json(report: Report) -> dict[str, Any]:
    status = report.status()
    out: dict[str, Any] = {
        "reportId": report.report_id,
        "reportType": report.report_type,
        "marketplaceIds": [market.marketplace_id for market in report.request.markets],
        "createdTime": instant(report.created_at),
        "processingStatus": status,
    }
    if report.request.start is not None:
        out["dataStartTime"] = instant(report.request.start)
    if report.request.end is not None:
        out["dataEndTime"] = instant(report.request.end)
    if status in (IN_PROGRESS, DONE, FATAL):
        out["processingStartTime"] = instant(report.created_at + report.queue_s)
    if status in (DONE, FATAL, CANCELLED):
        out["processingEndTime"] = instant(report.created_at + report.queue_s + report.work_s)
    if status == DONE:
        out["reportDocumentId"] = report.document_id
    return out
