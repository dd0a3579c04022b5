"""Reports of the Ads API: asked for all at once, waited for together, streamed row by row.

Belongs here: the life of a report, and its download. Does not belong here: single calls (`client.py`), which reports
there are (`catalog/advertising.py`), what becomes of the rows (`assets/extraction/advertising.py`).

Nothing is remembered between runs, and nothing needs to be: Amazon refuses a request that it has had a short time ago,
and names the report that came of it. A run that was stopped goes on with that one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from amzigo_pipelines.catalog.advertising import AdsReportType
from amzigo_pipelines.resources.ads.client import AdsPartner
from amzigo_pipelines.resources.reports.encoding import all_of, gunzip
from amzigo_pipelines.resources.spapi.addresses import EndpointRefused, check_address
from amzigo_pipelines.resources.spapi.errors import Asked, BadAnswer, DownloadFailed, ReportFatal, ReportLate
from amzigo_pipelines.resources.spapi.json_array import json_objects

# Amazon says that a report may take three hours; most take minutes. A later run goes on with the same report.
TIME_LIMIT_S = 3_600.0
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0


@dataclass(frozen=True)
class AdsReport:
    """A report that was asked for.

    Attributes:
        kind: which one.
        marketplace_id: whose profile it is about.
        first, last: local days, both included.
        report_id: Amazon's.
    """

    kind: AdsReportType
    marketplace_id: str
    first: date
    last: date
    report_id: str


def ask_for_report(partner: AdsPartner, kind: AdsReportType, marketplace_id: str, first: date, last: date) -> AdsReport:
    """Ask for a report, or find the one that was asked for a short time ago.

    Args:
        partner: acts for the seller.
        kind: which one.
        marketplace_id: one with a profile.
        first: local day.
        last: local day, included; at most 31 in all.

    Raises:
        SpApiError: after retries.
    """
    request = {
        "name": f"amzigo {kind.report_type_id} {first} {last}",
        "startDate": first.isoformat(),
        "endDate": last.isoformat(),
        "configuration": {
            "adProduct": kind.ad_product,
            "groupBy": [kind.group_by],
            "columns": list(kind.fields.values()),
            "reportTypeId": kind.report_type_id,
            "timeUnit": "DAILY",
            "format": "GZIP_JSON",
        },
    }
    return AdsReport(kind, marketplace_id, first, last, partner.create_report(marketplace_id, request))


def wait_for_reports(partner: AdsPartner, reports: Sequence[AdsReport], time_limit_s: float = TIME_LIMIT_S) -> None:
    """Wait until all of them are ready.

    Raises:
        ReportFatal: Amazon failed to make one; asked once only.
        ReportLate: one was not ready in time.
        BadAnswer: Amazon tells of another report than was asked for.
        SpApiError: asking failed.
    """
    began_at, waited_s, wait_s = time.monotonic(), 0.0, _FIRST_WAIT_S
    open_ = list(reports)
    while open_ := [report for report in open_ if not _is_ready(partner, report)]:
        if max(waited_s, time.monotonic() - began_at) + wait_s > time_limit_s:
            raise ReportLate(
                _asked(partner, open_[0]),
                f"the report is not ready after {time_limit_s / 60:.0f} minutes (Amazon may take three hours): try "
                "again later, and the same report is gone on with",
            )
        partner.sleep(wait_s)
        waited_s += wait_s
        wait_s = min(_LONGEST_WAIT_S, wait_s * 2 * random.uniform(0.9, 1.1))


def report_rows(partner: AdsPartner, report: AdsReport) -> Iterator[dict[str, Any]]:
    """The rows of a report that is ready, downloaded while they are read, by a link asked for just now.

    Nothing is retried here, because rows that were given can't be taken back: on a retryable error start the whole
    write again with the same `AdsReport`.

    Raises:
        DownloadFailed: the link had expired, the body was torn, or its gzip or its list cut short.
        ReportNotTabular: something else than a list of rows.
        SpApiError: no link, or no connection.
    """
    asked = _asked(partner, report)
    state = partner.get_report(report.marketplace_id, report.report_id)
    address = state.get("url")
    if state["status"] != "COMPLETED" or not isinstance(address, str):
        raise BadAnswer(asked, "the report was ready, and now has no link: try again")
    try:
        check_address(address)
    except EndpointRefused:
        raise BadAnswer(asked, "the link to the report is not https: it was not followed") from None
    connection = partner.connection
    connection.asked = asked
    partner.usage.requests += 1
    with connection.stream(address) as response:
        if response.status_code != 200:
            raise DownloadFailed(
                asked, "the report's link was refused, it has probably run out: try again", status=response.status_code
            )
        chunks = connection.chunks(response.iter_raw())
        yield from json_objects(asked, gunzip(asked, _all(asked, chunks, response.headers.get("content-length"))))
        partner.usage.pages += 1


def _is_ready(partner: AdsPartner, report: AdsReport) -> bool:
    state = partner.get_report(report.marketplace_id, report.report_id)
    asked = _asked(partner, report)
    configuration = state.get("configuration")
    told = (
        state.get("startDate"),
        state.get("endDate"),
        configuration.get("reportTypeId") if isinstance(configuration, dict) else None,
    )
    if told != (report.first.isoformat(), report.last.isoformat(), report.kind.report_type_id):
        raise BadAnswer(asked, "Amazon tells of another report than the one that was asked for: nothing of it was used")
    match state["status"]:
        case "COMPLETED":
            return True
        case "PENDING" | "PROCESSING":
            return False
        case "FAILED":
            raise ReportFatal(
                asked, "Amazon failed to make the report (FAILED): try again later, and if it stays so, report it"
            )
        case _:
            raise BadAnswer(asked, "the report is in a state that is not known")


def _all(asked: Asked, chunks: Iterator[bytes], promised: str | None) -> Iterator[bytes]:
    arrived = 0
    for chunk in all_of(asked, chunks, promised):
        arrived += len(chunk)
        yield chunk
    if not arrived:
        raise DownloadFailed(asked, "the report arrived without content: try again")


def _asked(partner: AdsPartner, report: AdsReport) -> Asked:
    return Asked(partner.seller_id, f"advertising report {report.kind.report_type_id}")
