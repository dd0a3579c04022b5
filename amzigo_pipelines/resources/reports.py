"""Reports of the SP-API: asking for one, waiting for it, streaming its content as Arrow batches.

Belongs here: the life of a report and the download. Does not belong here: formats (`report_bytes.py`,
`report_text.py`), and what a report's columns mean (`assets/extraction/`).

The library's own download is not used: it ignores the status (an expired link's XML becomes "the report"), guesses the
charset, stops after the first gzip member, and can write plaintext to disk.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.resources.addresses import EndpointRefused, check_address
from amzigo_pipelines.resources.collection import collection_paused
from amzigo_pipelines.resources.report_bytes import charset_of, gunzip, to_utf8
from amzigo_pipelines.resources.report_headers import Wanted
from amzigo_pipelines.resources.report_text import ReportTable
from amzigo_pipelines.resources.spapi import SellingPartner
from amzigo_pipelines.resources.spapi_errors import (
    Asked,
    BadAnswer,
    DownloadFailed,
    ReportCancelled,
    ReportFatal,
    ReportLate,
    ReportNotTabular,
    ReportUnreadable,
)

if TYPE_CHECKING:
    import httpx

# Most reports take seconds, some a quarter of an hour.
TIME_LIMIT_S = 1_800.0
_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 30.0
# Where no charset is named and the bytes are no UTF-8: what Seller Central writes its flat files in.
_FALLBACK_CHARSETS = {"JP": "cp932"}
_FALLBACK_CHARSET = "cp1252"
# A link lives five minutes, and is asked for just before it is followed.
_MOST_LINKS = 3
# JSON reports are a few kilobytes of a seller's own figures; brand reports some megabytes.
MOST_JSON_BYTES = 64 << 20


@dataclass(frozen=True)
class Report:
    """A report that is ready.

    Attributes:
        report_type: Amazon's type.
        marketplace_id: the first marketplace it was asked for.
        document_id: names the document; its link is asked for just before each download, since it lives 5 minutes.
        report_id: Amazon's id of the report, unique within the seller.
        asked_at: when it was asked for, or for those that Amazon makes by itself, made.
        start, end: the window of its data, where it has one.
    """

    report_type: str
    marketplace_id: str
    document_id: str = field(repr=False)
    report_id: str = ""
    asked_at: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None


def request_report(
    partner: SellingPartner,
    report_type: str,
    marketplace_ids: Sequence[str],
    *,
    options: Mapping[str, Any] | None = None,
    time_limit_s: float = TIME_LIMIT_S,
) -> Report:
    """Ask for a report and wait until it is ready.

    Args:
        partner: acts for the seller.
        report_type: Amazon's type.
        marketplace_ids: one or more of the same region.
        options: further fields of the request (`dataStartTime`, `reportOptions`, ...).
        time_limit_s: longest time to wait.

    Raises:
        ReportFatal: Amazon gave it up. Asked once only: most often the last one is too recent.
        ReportCancelled: Amazon cancelled it: there may be no data, or it was asked for too soon.
        ReportLate: it was not ready in time.
        SpApiError: asking failed.
    """
    reports = partner.reports_of(marketplace_ids[0])
    created = partner.call(
        "createReport",
        lambda: reports.create_report(
            reportType=report_type, marketplaceIds=list(marketplace_ids), **dict(options or {})
        ),
        {"reportId": str},
    )
    report_id = created.payload["reportId"]
    asked = Asked(partner.seller_id, f"report {report_type}")
    began_at, waited_s, wait_s = time.monotonic(), 0.0, _FIRST_WAIT_S
    while True:
        state = partner.call("getReport", lambda: reports.get_report(report_id), {"processingStatus": str}).payload
        match state["processingStatus"]:
            case "DONE":
                document_id = state.get("reportDocumentId")
                if not isinstance(document_id, str):
                    raise BadAnswer(asked, "the report is DONE but names no document")
                return Report(report_type, marketplace_ids[0], document_id)
            case "FATAL":
                raise ReportFatal(
                    asked,
                    "Amazon gave the report up (FATAL), most often because one was asked for a short time ago: ask "
                    "again in four hours",
                )
            case "CANCELLED":
                raise ReportCancelled(
                    asked,
                    "Amazon cancelled the report: there is no data, or it was asked for too soon; that is not known to "
                    "be empty, so ask again in four hours",
                )
            case "IN_QUEUE" | "IN_PROGRESS":
                pass
            case _:
                raise BadAnswer(asked, "the report is in a state that is not known")
        if max(waited_s, time.monotonic() - began_at) + wait_s > time_limit_s:
            raise ReportLate(asked, f"the report is not ready after {time_limit_s / 60:.0f} minutes: try again later")
        partner.sleep(wait_s)
        waited_s += wait_s
        wait_s = min(_LONGEST_WAIT_S, wait_s * 2 * random.uniform(0.9, 1.1))


@contextmanager
def report_table(
    partner: SellingPartner, report: Report, headers: Sequence[str], *, required: Collection[str] = ()
) -> Iterator[ReportTable]:
    """A tab-separated report, downloaded while its rows are read.

    Nothing is retried while rows are read, because rows that were given can't be taken back: on a retryable error start
    the whole write again with the same `Report`.

    Args:
        partner: acts for the seller.
        report: one that is ready.
        headers: the wanted columns, by the headers that the catalog has for them, whatever Amazon's language.
        required: those of them without which the report is of no use.

    Raises:
        DownloadFailed: no working link, the body was torn, or its gzip cut short.
        ReportNotTabular: an error sentence instead of a table.
        ReportColumnsChanged: a required column is missing, others are told by the table's `drift`.
        ReportUnreadable: a line with another number of fields, or another charset.
        SpApiError: no link, or no connection.
    """
    asked = Asked(partner.seller_id, f"report {report.report_type}")
    with _text(partner, report, asked) as chunks:
        yield ReportTable(asked, chunks, Wanted(report.report_type, headers, required))
        partner.usage.pages += 1


def report_batches(partner: SellingPartner, report: Report, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows of a report all of whose wanted columns must be there. See `report_table`."""
    with report_table(partner, report, columns, required=columns) as table:
        yield from table.batches()


def report_json(partner: SellingPartner, report: Report, most_bytes: int = MOST_JSON_BYTES) -> Any:
    """The content of a report that is a JSON document; fractions as the text that Amazon wrote, never as floats.

    Args:
        partner: acts for the seller.
        report: one that is ready.
        most_bytes: a longer document is refused: it is held in memory.

    Raises:
        DownloadFailed: no working link, the body was torn, or its gzip cut short.
        ReportNotTabular: an error sentence instead of JSON.
        ReportUnreadable: too long, or in another charset.
        SpApiError: no link, or no connection.
    """
    asked = Asked(partner.seller_id, f"report {report.report_type}")
    held = bytearray()
    with _text(partner, report, asked) as chunks:
        for chunk in chunks:
            held += chunk
            if len(held) > most_bytes:
                raise ReportUnreadable(
                    asked, f"the report is longer than {most_bytes:,} bytes, too long for JSON in memory: report this"
                )
        partner.usage.pages += 1
    try:
        with collection_paused():
            return json.loads(held, parse_float=str, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise ReportNotTabular(
            asked,
            "the report is DONE, but holds something else than JSON (usually a refusal): check its dates and options, "
            "then ask again",
        ) from None


@contextmanager
def _text(partner: SellingPartner, report: Report, asked: Asked) -> Iterator[Iterator[bytes]]:
    """A report's content as UTF-8, while it comes."""
    with ExitStack() as stack:
        response, compression = _opened(partner, report, asked, stack)
        chunks = partner.connection.chunks(_counted(asked, response.iter_raw(), response.headers.get("content-length")))
        for is_compressed in (
            response.headers.get("content-encoding", "").lower() == "gzip",
            compression == "GZIP",
        ):
            if is_compressed:
                chunks = gunzip(asked, chunks)
        charset = charset_of(response.headers.get("content-type"))
        country = MARKETPLACES[report.marketplace_id].country
        yield to_utf8(asked, chunks, charset, _FALLBACK_CHARSETS.get(country, _FALLBACK_CHARSET))


def _opened(partner: SellingPartner, report: Report, asked: Asked, stack: ExitStack) -> tuple[httpx.Response, Any]:
    """The open download, and the compression that Amazon names; a link that has run out is replaced by a fresh one."""
    reports = partner.reports_of(report.marketplace_id)
    for attempt in range(1, _MOST_LINKS + 1):
        document = partner.call(
            "getReportDocument",
            lambda: reports.get_report_document(report.document_id),
            {"url": str},
            MARKETPLACES[report.marketplace_id].region,
        ).payload
        try:
            check_address(document["url"])
        except EndpointRefused:
            raise BadAnswer(asked, "the link to the report is not https: it was not followed") from None
        partner.connection.asked = asked
        partner.usage.requests += 1
        download = ExitStack()
        response = download.enter_context(partner.connection.stream(document["url"]))
        if response.status_code == 200:
            stack.push(download)
            return response, document.get("compressionAlgorithm")
        download.close()
        if response.status_code != 403 or attempt == _MOST_LINKS:
            raise DownloadFailed(
                asked, "the report's link was refused, it has probably run out: try again", status=response.status_code
            )
    raise AssertionError("the loop returns or raises")


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _counted(asked: Asked, chunks: Iterator[bytes], promised: str | None) -> Iterator[bytes]:
    arrived = 0
    for chunk in chunks:
        arrived += len(chunk)
        yield chunk
    if promised is not None and promised.isdecimal() and arrived != int(promised):
        raise DownloadFailed(asked, f"only {arrived} of {promised} bytes of the report arrived: try again")
