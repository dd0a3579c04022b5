"""What is used of the client library's clients, as types: the library has none.

Belongs here: signatures. Does not belong here: the clients themselves (`library.py`), and what is asked when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from amzigo_pipelines.resources.spapi.library import Answer


class OrdersOperations(Protocol):
    """What is used of the orders client."""

    def search_orders(self, **parameters: Any) -> Answer:
        """`searchOrders`."""
        ...

    def get_order(self, order_id: str, **parameters: Any) -> Answer:
        """`getOrder`."""
        ...


class InventoriesOperations(Protocol):
    """What is used of the inventory client."""

    def get_inventory_summary_marketplace(self, **parameters: Any) -> Answer:
        """`getInventorySummaries`."""
        ...


class ReportsOperations(Protocol):
    """What is used of the reports client."""

    def create_report(self, **parameters: Any) -> Answer:
        """`createReport`."""
        ...

    def get_report(self, report_id: str, **parameters: Any) -> Answer:
        """`getReport`."""
        ...

    def get_reports(self, **parameters: Any) -> Answer:
        """`getReports`."""
        ...

    def get_report_document(self, document_id: str, **parameters: Any) -> Answer:
        """`getReportDocument`; without `download`, the metadata alone."""
        ...


class DataKioskOperations(Protocol):
    """What is used of the Data Kiosk client."""

    def create_query(self, query: str, pagination_token: str | None = None) -> Answer:
        """`createQuery`."""
        ...

    def get_query(self, query_id: str) -> Answer:
        """`getQuery`."""
        ...

    def get_queries(self, **parameters: Any) -> Answer:
        """`getQueries`."""
        ...

    def get_document(self, document_id: str) -> Answer:
        """`getDocument`; without `download`, the metadata alone."""
        ...


class SalesOperations(Protocol):
    """What is used of the sales client."""

    def get_order_metrics(
        self, interval: tuple[str, str], granularity: Any, granularityTimeZone: str, **parameters: Any
    ) -> Answer:
        """`getOrderMetrics`. The interval as texts: instants it would shift to the machine's own time zone."""
        ...


class FeedbackOperations(Protocol):
    """What is used of the customer feedback client."""

    def get_item_review_topics(self, asin: str, **parameters: Any) -> Answer:
        """`getItemReviewTopics`."""
        ...

    def get_item_review_trends(self, asin: str, **parameters: Any) -> Answer:
        """`getItemReviewTrends`."""
        ...


class SellersOperations(Protocol):
    """What is used of the sellers client."""

    def get_marketplace_participation(self) -> Answer:
        """`getMarketplaceParticipations`."""
        ...


class FinancesOperations(Protocol):
    """What is used of the finances client."""

    def list_transactions(self, **parameters: Any) -> Answer:
        """`listTransactions`."""
        ...
