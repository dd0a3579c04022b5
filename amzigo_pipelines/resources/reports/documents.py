"""Documents of the SP-API that are ready: streaming their content as Arrow batches, or reading it as JSON.

Belongs here: the download. Does not belong here: a report's life up to there (`desk.py`), formats
(`encoding.py`, `text.py`), and what columns mean (`assets/extraction/`).

The library's own download is not used: it ignores the status (an expired link's XML becomes "the report"), guesses the
charset, stops after the first gzip member, and can write plaintext to disk.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.resources.reports.encoding import all_of, charset_of, gunzip, to_utf8
from amzigo_pipelines.resources.reports.headers import Wanted
from amzigo_pipelines.resources.reports.text import ReportTable
from amzigo_pipelines.resources.spapi.addresses import EndpointRefused, check_address
from amzigo_pipelines.resources.spapi.client import SellingPartner
from amzigo_pipelines.resources.spapi.collection import collection_paused
from amzigo_pipelines.resources.spapi.errors import (
    Asked,
    BadAnswer,
    DownloadFailed,
    ReportNotTabular,
    ReportUnreadable,
)
from amzigo_pipelines.resources.spapi.json_lines import json_lines

if TYPE_CHECKING:
    import httpx

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
            Empty where Amazon answered a query and has no data.
        report_id: Amazon's id of the report, unique within the seller.
        asked_at: when it was asked for, or for those that Amazon makes by itself, made.
        start, end: the window of its data, where it has one.
        is_query: whether it is the answer to a query of Data Kiosk.
        next_token: of a query's answer that has further pages.
    """

    report_type: str
    marketplace_id: str
    document_id: str = field(repr=False)
    report_id: str = ""
    asked_at: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None
    is_query: bool = False
    next_token: str = field(default="", repr=False)

    @property
    def title(self) -> str:
        """How errors name it."""
        return f"{'query' if self.is_query else 'report'} {self.report_type}"


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
    asked = Asked(partner.seller_id, report.title)
    with _text(partner, report, asked) as chunks:
        yield ReportTable(asked, chunks, Wanted(report.report_type, headers, required))
        partner.usage.pages += 1


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
    asked = Asked(partner.seller_id, report.title)
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
def report_objects(partner: SellingPartner, report: Report) -> Iterator[Iterator[dict[str, Any]]]:
    """The rows of a document of JSON lines, downloaded while they are read; fractions as text, never as floats.

    Nothing is retried while rows are read, as with `report_table`.

    Raises:
        DownloadFailed: no working link, the body was torn, its gzip cut short, or its last line.
        ReportNotTabular: something else than lines of JSON.
        SpApiError: no link, or no connection.
    """
    asked = Asked(partner.seller_id, report.title)
    with _text(partner, report, asked) as chunks:
        yield json_lines(asked, chunks)
        partner.usage.pages += 1


def document_text(partner: SellingPartner, report: Report, most_bytes: int) -> str:
    """The beginning of a small document, as text.

    Raises:
        DownloadFailed: no working link, the body was torn, or its gzip cut short.
        ReportUnreadable: it is in another charset.
        SpApiError: no link, or no connection.
    """
    held = bytearray()
    with _text(partner, report, Asked(partner.seller_id, report.title)) as chunks:
        for chunk in chunks:
            held += chunk
            if len(held) > most_bytes:
                break
    return bytes(held[:most_bytes]).decode("utf-8", "replace")


@contextmanager
def _text(partner: SellingPartner, report: Report, asked: Asked) -> Iterator[Iterator[bytes]]:
    """A report's content as UTF-8, while it comes."""
    tape = partner.tape
    kept = tape.document(report.document_id) if tape is not None else None
    if kept is not None:
        yield kept
        return
    with ExitStack() as stack:
        response, compression = _opened(partner, report, asked, stack)
        chunks = partner.connection.chunks(all_of(asked, response.iter_raw(), response.headers.get("content-length")))
        for is_compressed in (
            response.headers.get("content-encoding", "").lower() == "gzip",
            compression == "GZIP",
        ):
            if is_compressed:
                chunks = gunzip(asked, chunks)
        charset = charset_of(response.headers.get("content-type"))
        country = MARKETPLACES[report.marketplace_id].country
        text = to_utf8(asked, chunks, charset, _FALLBACK_CHARSETS.get(country, _FALLBACK_CHARSET))
        if tape is None:
            yield text
            return
        text = tape.keeping(report.document_id, text)
        try:
            yield text
        finally:
            # Kept to its end, also where whoever reads it stops at what does not fit.
            for _ in text:
                pass


def _opened(partner: SellingPartner, report: Report, asked: Asked, stack: ExitStack) -> tuple[httpx.Response, Any]:
    """The open download, and the compression that Amazon names; a link that has run out is replaced by a fresh one."""
    for attempt in range(1, _MOST_LINKS + 1):
        address, compression = (_query_link if report.is_query else _report_link)(partner, report)
        try:
            check_address(address)
        except EndpointRefused:
            raise BadAnswer(asked, "the link to the report is not https: it was not followed") from None
        partner.connection.asked = asked
        partner.usage.requests += 1
        download = ExitStack()
        response = download.enter_context(partner.connection.stream(address))
        if response.status_code == 200:
            stack.push(download)
            return response, compression
        download.close()
        if response.status_code != 403 or attempt == _MOST_LINKS:
            raise DownloadFailed(
                asked, "the report's link was refused, it has probably run out: try again", status=response.status_code
            )
    raise AssertionError("the loop returns or raises")


def _report_link(partner: SellingPartner, report: Report) -> tuple[str, Any]:
    reports, region = partner.reports_of(report.marketplace_id), MARKETPLACES[report.marketplace_id].region
    document = partner.call(
        "getReportDocument", lambda: reports.get_report_document(report.document_id), {"url": str}, region
    ).payload
    return document["url"], document.get("compressionAlgorithm")


def _query_link(partner: SellingPartner, report: Report) -> tuple[str, None]:
    """The link of a document of Data Kiosk, which tells its compression by Content-Encoding alone."""
    kiosk, region = partner.data_kiosk_of(report.marketplace_id), MARKETPLACES[report.marketplace_id].region
    document = partner.call(
        "getDocument", lambda: kiosk.get_document(report.document_id), {"documentUrl": str}, region
    ).payload
    return document["documentUrl"], None


def _refuse_constant(name: str) -> None:
    raise ValueError(name)
