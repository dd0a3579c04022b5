"""Asking for a seller's transactions: `listTransactions` of the Finances API 2024-06-19.

Belongs here: what is asked for, turning the pages. Does not belong here: how one call is made (`calls.py`),
turning answers into rows (`assets/extraction/transactions.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from amzigo_pipelines.resources.reports.lists import instant_text
from amzigo_pipelines.resources.spapi.client import SellingPartner
from amzigo_pipelines.resources.spapi.errors import Asked, BadAnswer, BadRequest, PageTokenRefused
from amzigo_pipelines.resources.spapi.pages import Page, Turns, is_rows

_OPERATION = "listTransactions"


def transaction_pages(partner: SellingPartner, posted_after: datetime, posted_before: datetime) -> Iterator[Page]:
    """All transactions posted within a window, of all the seller's regions, page by page; a page may be empty.

    No marketplace is named, because Amazon leaves out some transactions where one is: so there may be some of
    marketplaces that the seller has not connected here.

    Args:
        partner: acts for the seller.
        posted_after: first instant, included.
        posted_before: the end, excluded: more than two minutes ago, and at most 180 days after the first instant,
            since Amazon answers longer windows with nothing.

    Raises:
        PageTokenRefused: the token of a later page was refused: start again.
        PagesRepeat: paging does not come to an end.
        SpApiError: anything else, after retries.
    """
    window = {"postedAfter": instant_text(posted_after), "postedBefore": instant_text(posted_before)}
    for region, marketplace_ids in partner.regions.items():
        yield from _pages(partner, region, marketplace_ids, window)


def _pages(
    partner: SellingPartner, region: str, marketplace_ids: tuple[str, ...], window: Mapping[str, str]
) -> Iterator[Page]:
    finances = partner.finances_of(marketplace_ids[0])
    turns = Turns(Asked(partner.seller_id, _OPERATION), "transactionId")
    while True:
        try:
            answer = partner.call(
                _OPERATION,
                lambda: finances.list_transactions(**window, **turns.parameter("nextToken")),
                {"payload": dict},
                region,
            )
        except BadRequest as error:
            if turns.token is None or error.status != 400:
                raise
            raise PageTokenRefused(
                turns.asked,
                "Amazon refuses the page token, which has probably run out: start again from the first page",
                status=error.status,
                code=error.code,
                request_id=error.request_id,
            ) from None
        rows = answer.payload["payload"].get("transactions")
        if not is_rows(rows):
            raise BadAnswer(turns.asked, "the page has no list of transactions")
        partner.usage.pages += 1
        yield Page(rows, marketplace_ids)
        if not turns.go_on(answer, rows):
            return
