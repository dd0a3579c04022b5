"""Amazon's lists of a seller's reports (`getReports`).

Belongs here: turning the list's pages, and reading its entries. Does not belong here: what is done about a report
(`desk.py`), downloading one (`documents.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.resources.reports.documents import Report
from amzigo_pipelines.resources.spapi.client import SellingPartner
from amzigo_pipelines.resources.spapi.errors import Asked, BadAnswer
from amzigo_pipelines.resources.spapi.pages import Turns, is_rows


def ready_reports(
    partner: SellingPartner, report_type: str, marketplace_ids: Sequence[str], since: datetime
) -> list[Report]:
    """The reports of a type that are DONE, oldest first. Arguments and errors as `list_reports`."""
    asked = Asked(partner.seller_id, f"report {report_type}")
    found = []
    for row in list_reports(partner, report_type, marketplace_ids, since, ("DONE",)):
        document_id, report_id, made_at = (
            row.get("reportDocumentId"),
            row.get("reportId"),
            instant_of(row.get("createdTime")),
        )
        if not isinstance(document_id, str) or not isinstance(report_id, str) or made_at is None:
            raise BadAnswer(asked, "a report in the list is DONE, but has no document, id or time")
        its_markets = [known for known in row.get("marketplaceIds") or () if known in marketplace_ids]
        start, end = instant_of(row.get("dataStartTime")), instant_of(row.get("dataEndTime"))
        market = its_markets[0] if its_markets else marketplace_ids[0]
        found.append((made_at, Report(report_type, market, document_id, report_id, made_at, start, end)))
    return [report for _, report in sorted(found, key=lambda entry: (entry[0], entry[1].report_id))]


def list_reports(
    partner: SellingPartner,
    report_type: str,
    marketplace_ids: Sequence[str],
    since: datetime,
    states: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """A seller's reports of a type, newest first, each once, as Amazon describes them.

    Args:
        partner: acts for the seller.
        report_type: Amazon's type.
        marketplace_ids: up to 10 of the same region; a report of any of them counts.
        since: made then or later; not more than 90 days ago.
        states: Amazon's; all where none is named.

    Raises:
        PagesRepeat: paging does not come to an end.
        SpApiError: anything else, after retries.
    """
    reports = partner.reports_of(marketplace_ids[0])
    first: dict[str, Any] = {
        "reportTypes": [report_type],
        "marketplaceIds": list(marketplace_ids),
        "createdSince": instant_text(since),
        "pageSize": 100,
    }
    if states:
        first["processingStatuses"] = list(states)
    turns = Turns(Asked(partner.seller_id, "getReports"), "reportId")
    found: dict[Any, dict[str, Any]] = {}
    while True:
        # The token wants to be the only parameter.
        answer = partner.call(
            "getReports",
            lambda: reports.get_reports(**(turns.parameter("nextToken") or first)),
            {"reports": list},
            MARKETPLACES[marketplace_ids[0]].region,
        )
        rows = answer.payload["reports"]
        if not is_rows(rows):
            raise BadAnswer(turns.asked, "the list of reports holds something else than reports")
        partner.usage.pages += 1
        for row in rows:
            found.setdefault(row.get("reportId"), row)
        if not turns.go_on(answer, rows):
            return list(found.values())


def instant_text(instant: datetime) -> str:
    """As Amazon writes instants."""
    precision = "milliseconds" if instant.microsecond else "seconds"
    return instant.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def instant_of(text: object) -> datetime | None:
    """An instant as Amazon writes it; None for anything else."""
    try:
        instant = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return instant.replace(tzinfo=UTC) if instant is not None and instant.tzinfo is None else instant
