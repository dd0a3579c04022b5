"""Which reports there are: one small function for each, registered in one table.

Belongs here: the table and what a function is given. Does not belong here: the functions with more than a few lines
(`report_listings.py` and others beside it) and the life of a report (`report_shelf.py`).

To add a report: write `def build(request: ReportRequest) -> str | None` in a module of its own and add a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from amzigo_pipelines.simulator import (
    report_all_orders,
    report_fba_shipments,
    report_feedback,
    report_ledger,
    report_listings,
    report_performance,
    report_planning,
    report_repeat_purchase,
    report_returns,
    report_settlement,
    report_stranded,
)
from amzigo_pipelines.simulator.report_request import ReportRequest

__all__ = ["REPORT_TYPES", "ReportRequest", "ReportType"]


@dataclass(frozen=True)
class ReportType:
    """One kind of report.

    Attributes:
        build: makes the content; None when there is no data, which ends in CANCELLED.
        media_type: of the document.
        is_requestable: False for reports that Amazon makes by itself and that can only be listed.
        is_for_brands: whether only brand owners may have it.
        charset: of the document, by Python's name; None for that of the first marketplace.
    """

    build: Callable[[ReportRequest], str | None]
    media_type: str = "text/plain"
    is_requestable: bool = True
    is_for_brands: bool = False
    charset: str | None = None


REPORT_TYPES: dict[str, ReportType] = {
    "GET_AMAZON_FULFILLED_SHIPMENTS_DATA_GENERAL": ReportType(report_fba_shipments.build),
    "GET_BRAND_ANALYTICS_REPEAT_PURCHASE_REPORT": ReportType(
        report_repeat_purchase.build, "application/json", is_for_brands=True, charset="utf-8"
    ),
    "GET_FBA_FULFILLMENT_CUSTOMER_RETURNS_DATA": ReportType(report_returns.build_fba),
    "GET_FBA_INVENTORY_PLANNING_DATA": ReportType(report_planning.build),
    "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL": ReportType(report_all_orders.build),
    "GET_FLAT_FILE_RETURNS_DATA_BY_RETURN_DATE": ReportType(report_returns.build_merchant),
    "GET_LEDGER_DETAIL_VIEW_DATA": ReportType(report_ledger.build_detail),
    "GET_LEDGER_SUMMARY_VIEW_DATA": ReportType(report_ledger.build_summary),
    "GET_MERCHANT_LISTINGS_ALL_DATA": ReportType(report_listings.build),
    "GET_SELLER_FEEDBACK_DATA": ReportType(report_feedback.build),
    "GET_STRANDED_INVENTORY_UI_DATA": ReportType(report_stranded.build),
    "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2": ReportType(report_settlement.build, is_requestable=False),
    "GET_V2_SELLER_PERFORMANCE_REPORT": ReportType(report_performance.build, "application/json", charset="utf-8"),
}
"""Every known report by Amazon's name for its type."""
