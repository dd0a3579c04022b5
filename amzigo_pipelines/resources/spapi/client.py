"""Asking Amazon's Selling Partner API for one seller: the operations we use, each complete or an error.

Belongs here: operations: their parameters, and when their answer is good. Does not belong here: how one call is made
(`calls.py`), turning pages (`pages.py`), what an error means (`errors.py`), reports (`reports/documents.py`),
turning answers into rows (`assets/extraction/`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.clock import Clock
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.spapi.auth import Endpoint, LwaCredentials
from amzigo_pipelines.resources.spapi.calls import Calls, Usage
from amzigo_pipelines.resources.spapi.errors import (
    Asked,
    BadAnswer,
    BadRequest,
    MissingRole,
    PageTokenRefused,
    WindowIncomplete,
)
from amzigo_pipelines.resources.spapi.pacing import Pacer
from amzigo_pipelines.resources.spapi.pages import Page, Turns, is_rows
from amzigo_pipelines.resources.spapi.retries import Retries, Sleep

if TYPE_CHECKING:
    import httpx

    from amzigo_pipelines.resources.quarantine.tape import Tape
    from amzigo_pipelines.resources.sellers import Seller
    from amzigo_pipelines.resources.spapi.library import Answer
    from amzigo_pipelines.resources.spapi.operations import (
        DataKioskOperations,
        FeedbackOperations,
        FinancesOperations,
        ReportsOperations,
        SalesOperations,
    )
    from amzigo_pipelines.resources.spapi.transport import Connection, Observe

ORDERS_PER_PAGE = 100
# Sections of an order that are given by role, and the role that gives them.
PERSONAL_SECTIONS = ("BUYER", "RECIPIENT")
ROLE = "Direct-to-Consumer Delivery (Restricted)"


class ClientMisconfigured(AmzigoError):
    """The environment would make the client library do something else than it is told."""


class SellingPartner:
    """A client that acts for one seller, in all its regions. Not for threads to share; close it after use.

    Args:
        seller: id and marketplaces.
        refresh_tokens: the seller's by region, `ANY_REGION` for the others; never in an error, a log or a repr.
        credentials: the application's.
        endpoint: where the SP-API and Login with Amazon are.
        clock: the time, for whoever asks "when".
        renew: reads the application's credentials anew after Amazon refused them; None for never.
        sleep: waits so many seconds; the only waiting there is.
        retries: how often and how long to ask again.
        pacer: where calls wait for their turn.
        http: makes the HTTP client of an address; for tests.
        deadline_s: longest time for one answer.
        observe: told of every answer: status and bytes.

    Raises:
        ClientMisconfigured: the environment overrides the marketplace, or a marketplace is unknown.
    """

    def __init__(
        self,
        seller: Seller,
        refresh_tokens: Mapping[str, str],
        credentials: LwaCredentials,
        endpoint: Endpoint,
        clock: Clock,
        *,
        renew: Callable[[], LwaCredentials] | None = None,
        sleep: Sleep = time.sleep,
        retries: Retries | None = None,
        pacer: Pacer | None = None,
        http: Callable[[], httpx.Client] | None = None,
        deadline_s: float = 120.0,
        observe: Observe | None = None,
    ) -> None:
        if os.environ.get("SP_API_DEFAULT_MARKETPLACE"):
            # Looked at before the library is imported: a wrong value breaks its import, a right one moves every call.
            raise ClientMisconfigured(
                "SP_API_DEFAULT_MARKETPLACE is set and would send every request to that marketplace's endpoint, "
                "whatever the seller's is: unset it"
            )
        unknown = [known for known in seller.marketplace_ids if known not in MARKETPLACES]
        if unknown:
            raise ClientMisconfigured(
                f"seller {seller.seller_id} has marketplaces that Amazon does not: {', '.join(unknown)}; "
                "remove the seller and add it again with the right ones"
            )
        self.seller_id = seller.seller_id
        self.marketplace_ids = tuple(seller.marketplace_ids)
        self.clock = clock
        self.sleep = sleep
        self._pacer = pacer or Pacer()
        self._calls = Calls(
            seller,
            refresh_tokens,
            credentials,
            endpoint,
            renew=renew,
            retries=retries or Retries(sleep),
            pacer=self._pacer,
            http=http,
            deadline_s=deadline_s,
            observe=observe,
        )

    def __enter__(self) -> SellingPartner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"SellingPartner({self.seller_id})"

    def close(self) -> None:
        """Close all connections."""
        self._calls.close()

    # -- operations --------------------------------------------------------------------------------------------------

    def search_orders(
        self,
        last_updated_after: datetime,
        last_updated_before: datetime,
        included_data: Sequence[str],
        *,
        fulfilled_by: str = "",
    ) -> Iterator[Page]:
        """All orders last updated within a window, both edges included, of all marketplaces, page by page.

        An order that changes meanwhile may come twice, or with a time outside of the window: the caller decides.

        Args:
            last_updated_after: first instant.
            last_updated_before: last instant; at least two minutes ago.
            included_data: sections of an order (`BUYER`, `PROCEEDS`, ...).
            fulfilled_by: `MERCHANT` or `AMAZON`; empty for both.

        Raises:
            MissingRole: access is denied; where it is for the sake of BUYER or RECIPIENT, the sentence says so.
            WindowIncomplete: Amazon's answer ends before the window does.
            PagesRepeat: paging does not come to an end.
            SpApiError: anything else, after retries.
        """
        for region, marketplace_ids in self._calls.regions.items():
            parameters: dict[str, Any] = {
                "lastUpdatedAfter": _instant(last_updated_after),
                "lastUpdatedBefore": _instant(last_updated_before),
                "marketplaceIds": list(marketplace_ids),
                "includedData": list(included_data),
                "maxResultsPerPage": ORDERS_PER_PAGE,
                **({"fulfilledBy": [fulfilled_by]} if fulfilled_by else {}),
            }
            yield from self._order_pages(region, parameters, last_updated_before)

    def get_order(
        self, order_id: str, included_data: Sequence[str], marketplace_id: str | None = None
    ) -> dict[str, Any]:
        """One order as it is now.

        Args:
            order_id: Amazon's identifier.
            included_data: sections of an order.
            marketplace_id: where it was placed; may be left out for sellers of a single region.

        Raises:
            SpApiError: after retries; `BadRequest` with status 404 if there is no such order.
        """
        region = MARKETPLACES[marketplace_id or self.marketplace_ids[0]].region
        orders = self._calls.library(region).orders
        answer = self._calls.call(
            "getOrder",
            lambda: orders.get_order(order_id, includedData=list(included_data)),
            {"order": dict},
            region,
            about=order_id,
        )
        order: dict[str, Any] = answer.payload["order"]
        return order

    def inventory_summaries(self, marketplace_id: str) -> Iterator[Page]:
        """FBA stock of one marketplace, in detail, page by page. Page tokens die after 30 seconds: don't dawdle.

        Raises:
            PageTokenRefused: the token of a later page was too old: start again.
            PagesRepeat: paging does not come to an end.
            SpApiError: anything else, after retries.
        """
        region = MARKETPLACES[marketplace_id].region
        inventories = self._calls.library(region).inventories
        parameters: dict[str, Any] = {
            "details": "true",
            "granularityType": "Marketplace",
            "granularityId": marketplace_id,
            "marketplaceIds": [marketplace_id],
        }
        turns = Turns(Asked(self.seller_id, "getInventorySummaries"), "sellerSku")
        while True:
            answer = self._paged(
                "getInventorySummaries",
                lambda: inventories.get_inventory_summary_marketplace(**parameters, **turns.parameter("nextToken")),
                {"payload": dict},
                turns,
                region,
            )
            rows = answer.payload["payload"].get("inventorySummaries")
            if not is_rows(rows):
                raise BadAnswer(turns.asked, "the page has no list of inventory summaries")
            self.usage.pages += 1
            yield Page(rows, (marketplace_id,))
            if not turns.go_on(answer, rows):
                return

    def marketplace_participations(self, region: str) -> list[dict[str, Any]]:
        """The marketplaces of a region in which the seller may sell, as Amazon lists them.

        Not only the region's: whoever asks at a simulator, which serves all regions, gets all.

        Raises:
            RegionNotAuthorised: there is no refresh token for the region.
            SpApiError: after retries.
        """
        sellers = self._calls.library(region).sellers
        operation = "getMarketplaceParticipations"
        answer = self._calls.call(operation, sellers.get_marketplace_participation, {"payload": list}, region)
        rows: list[dict[str, Any]] = answer.payload["payload"]
        if not is_rows(rows):
            raise BadAnswer(Asked(self.seller_id, operation), "the answer has no list of marketplaces")
        return rows

    # -- for this module and its neighbours --------------------------------------------------------------------------

    def call(
        self, operation: str, ask: Callable[[], Answer], required: dict[str, type], region: str | None = None
    ) -> Answer:
        """One call of one operation, retried as its failures allow. See `Calls.call`."""
        return self._calls.call(operation, ask, required, region)

    @property
    def tape(self) -> Tape | None:
        """What keeps, or hands out again, all that Amazon sends."""
        return self._calls.tape

    def listen_to(self, tape: Tape) -> None:
        """Keep on a tape what Amazon sends from now on, or ask a tape that plays before Amazon."""
        self._calls.tape = tape

    def take_turn(self, budget: str) -> None:
        """Wait for a turn of a budget that is counted beside an operation's own rate (see `catalog/rates.py`).

        Raises:
            TurnTooLate, NoTurnYet: as for the turns of operations; nothing was reserved.
        """
        self._pacer.before(budget)

    def without_waiting(self) -> AbstractContextManager[None]:
        """Within the block a call that would have to wait for its turn raises `NoTurnYet` instead."""
        return self._pacer.without_waiting()

    def reports_of(self, marketplace_id: str) -> ReportsOperations:
        """The library's reports client for the region of a marketplace."""
        return self._calls.library(MARKETPLACES[marketplace_id].region).reports

    def feedback_of(self, marketplace_id: str) -> FeedbackOperations:
        """The library's customer feedback client for the region of a marketplace."""
        return self._calls.library(MARKETPLACES[marketplace_id].region).feedback

    def data_kiosk_of(self, marketplace_id: str) -> DataKioskOperations:
        """The library's Data Kiosk client for the region of a marketplace."""
        return self._calls.library(MARKETPLACES[marketplace_id].region).data_kiosk

    def sales_of(self, marketplace_id: str) -> SalesOperations:
        """The library's sales client for the region of a marketplace."""
        return self._calls.library(MARKETPLACES[marketplace_id].region).sales

    def finances_of(self, marketplace_id: str) -> FinancesOperations:
        """The library's finances client for the region of a marketplace."""
        return self._calls.library(MARKETPLACES[marketplace_id].region).finances

    @property
    def regions(self) -> Mapping[str, tuple[str, ...]]:
        """The seller's marketplaces by region, in its order."""
        return self._calls.regions

    @property
    def usage(self) -> Usage:
        """What was asked so far."""
        return self._calls.usage

    @property
    def connection(self) -> Connection:
        """The HTTP connection, for downloads."""
        return self._calls.connection

    def _paged(
        self, operation: str, ask: Callable[[], Answer], required: dict[str, type], turns: Turns, region: str
    ) -> Answer:
        try:
            return self._calls.call(operation, ask, required, region)
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

    def _order_pages(self, region: str, parameters: dict[str, Any], before: datetime) -> Iterator[Page]:
        orders = self._calls.library(region).orders
        turns = Turns(Asked(self.seller_id, "searchOrders"), "orderId")
        while True:
            try:
                answer = self._paged(
                    "searchOrders",
                    lambda: orders.search_orders(**parameters, **turns.parameter("paginationToken")),
                    {"orders": list, "lastUpdatedBefore": str},
                    turns,
                    region,
                )
            except MissingRole as error:
                raise self._explained(region, parameters, error) from None
            rows = answer.payload["orders"]
            if not is_rows(rows):
                raise BadAnswer(turns.asked, "the page's list of orders holds something else than orders")
            _check_window(turns.asked, answer.payload["lastUpdatedBefore"], before)
            self.usage.pages += 1
            yield Page(rows, tuple(parameters["marketplaceIds"]))
            if not turns.go_on(answer, rows):
                return

    def _explained(self, region: str, parameters: dict[str, Any], error: MissingRole) -> MissingRole:
        """Find out which of the personal sections is refused: worth three small requests once something is wrong."""
        wanted = [section for section in PERSONAL_SECTIONS if section in parameters["includedData"]]
        if not wanted:
            return error
        harmless = [section for section in parameters["includedData"] if section not in PERSONAL_SECTIONS]
        refused = [s for s in wanted if not self._is_allowed(region, parameters, [*harmless, s])]
        if not refused or not self._is_allowed(region, parameters, harmless):
            return error
        return MissingRole(
            Asked(self.seller_id, "searchOrders"),
            f"Amazon refuses {' and '.join(refused)} data of orders, and gives the rest: the application lacks the "
            f"role '{ROLE}'. Add it in the developer console and let the seller authorise the application again. "
            "Nothing was stored, because orders without it would look as if their buyers were unknown",
            status=error.status,
            code=error.code,
            request_id=error.request_id,
        )

    def _is_allowed(self, region: str, parameters: dict[str, Any], sections: list[str]) -> bool:
        orders = self._calls.library(region).orders
        probe = {**parameters, "includedData": sections, "maxResultsPerPage": 1}
        with suppress(MissingRole):
            self._calls.call("searchOrders", lambda: orders.search_orders(**probe), {"orders": list}, region)
            return True
        return False


def _check_window(asked: Asked, echoed: str, before: datetime) -> None:
    try:
        reached = datetime.fromisoformat(echoed)
    except ValueError:
        raise BadAnswer(asked, "the answer does not say up to when it is complete (lastUpdatedBefore)") from None
    if reached.tzinfo is None:
        reached = reached.replace(tzinfo=UTC)
    if reached < before:
        raise WindowIncomplete(
            asked,
            f"the answer is complete up to {_instant(reached)} only, and {_instant(before)} was asked for: "
            "try again in a few minutes",
        )


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
