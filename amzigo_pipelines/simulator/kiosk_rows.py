"""The rows that Data Kiosk gives of sales and traffic, with all of their fields.

Belongs here: shape and percentages. Does not belong here: what happened (`sales_and_traffic.py`), which fields were
asked for (`kiosk_schema.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from amzigo_pipelines.simulator.kiosk_schema import BY_DATE, KioskQuery
from amzigo_pipelines.simulator.marketplaces import MARKETPLACES, Marketplace
from amzigo_pipelines.simulator.profiles import WorldConfig
from amzigo_pipelines.simulator.sales_and_traffic import Both, Day, sales_and_traffic
from amzigo_pipelines.simulator.seller_world import SellerWorld

AGGREGATIONS = ("DAY", "SKU", "CHILD", "PARENT")
"""Weeks and months are not simulated."""


def kiosk_rows(config: WorldConfig, seller: SellerWorld, query: KioskQuery, as_of: int) -> list[dict[str, Any]]:
    """The whole rows of a query, by marketplace, day and SKU, as of an epoch second."""
    rows: list[dict[str, Any]] = []
    for marketplace_id in query.marketplace_ids:
        market = MARKETPLACES[marketplace_id]
        days = sales_and_traffic(config, seller, market, query.first, query.last, as_of)
        if query.view == BY_DATE:
            rows += [_by_date(seller, market, day, figures) for day, figures in days.items()]
        else:
            rows += _by_asin(market, query, days)
    return rows


def _by_date(seller: SellerWorld, market: Marketplace, day: date, figures: Day) -> dict[str, Any]:
    total = figures.total
    offered = seller.catalogue.offered(market.marketplace_id)
    offers = sum(key[0] == market.marketplace_id for product in offered for key in product.listings)
    sales, traffic = _sales(market, total), _traffic(total)
    for suffix, of in (("", total.everybody), ("B2B", total.business)):
        sales |= {
            f"averageSalesPerOrderItem{suffix}": _amount(market, _each(of.sales, of.order_items)),
            f"averageSellingPrice{suffix}": _amount(market, _each(of.sales, of.units)),
            f"averageUnitsPerOrderItem{suffix}": round(of.units / of.order_items, 2) if of.order_items else 0.0,
            f"claimsAmount{suffix}": _amount(market, 0),
            f"claimsGranted{suffix}": 0,
        }
        traffic |= {
            f"feedbackReceived{suffix}": of.feedback,
            f"negativeFeedbackReceived{suffix}": of.bad_feedback,
            f"orderItemSessionPercentage{suffix}": _percent(of.order_items, of.sessions),
            f"receivedNegativeFeedbackRate{suffix}": _percent(of.bad_feedback, of.orders),
        }
    traffic |= {"averageOfferCount": offers, "averageParentItems": len(offered)}
    return {
        "startDate": day.isoformat(),
        "endDate": day.isoformat(),
        "marketplaceId": market.marketplace_id,
        "sales": sales,
        "traffic": traffic,
    }


def _by_asin(market: Marketplace, query: KioskQuery, days: dict[date, Day]) -> Iterator[dict[str, Any]]:
    """One row a SKU, or a product, over the whole window."""
    whole: dict[tuple[str, str | None], Both] = {}
    all_total = Both.none()
    for day in days.values():
        _put_together(all_total, day.total)
        for listing, both in day.by_sku.values():
            key = (listing.asin, listing.sku if query.aggregate_by == "SKU" else None)
            _put_together(whole.setdefault(key, Both.none()), both)
    for (asin, sku), both in sorted(whole.items(), key=lambda entry: (entry[0][0], entry[0][1] or "")):
        traffic = _traffic(both)
        for suffix, of, every in (
            ("", both.everybody, all_total.everybody),
            ("B2B", both.business, all_total.business),
        ):
            traffic |= {
                f"browserPageViewsPercentage{suffix}": _percent(of.browser_views, every.browser_views),
                f"browserSessionPercentage{suffix}": _percent(of.browser_sessions, every.browser_sessions),
                f"mobileAppPageViewsPercentage{suffix}": _percent(of.app_views, every.app_views),
                f"mobileAppSessionPercentage{suffix}": _percent(of.app_sessions, every.app_sessions),
                f"pageViewsPercentage{suffix}": _percent(of.page_views, every.page_views),
                f"sessionPercentage{suffix}": _percent(of.sessions, every.sessions),
            }
        yield {
            "startDate": query.first.isoformat(),
            "endDate": query.last.isoformat(),
            "marketplaceId": market.marketplace_id,
            "parentAsin": asin,
            "childAsin": None if query.aggregate_by == "PARENT" else asin,
            "sku": sku,
            "sales": _sales(market, both),
            "traffic": traffic,
        }


def _sales(market: Marketplace, both: Both) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for suffix, of in (("", both.everybody), ("B2B", both.business)):
        found |= {
            f"orderedProductSales{suffix}": _amount(market, of.sales),
            f"ordersShipped{suffix}": of.shipped_orders,
            f"refundRate{suffix}": _percent(of.refunded_units, of.units),
            f"shippedProductSales{suffix}": _amount(market, of.shipped_sales),
            f"totalOrderItems{suffix}": of.order_items,
            f"unitsOrdered{suffix}": of.units,
            f"unitsRefunded{suffix}": of.refunded_units,
            f"unitsShipped{suffix}": of.shipped_units,
        }
    return found


def _traffic(both: Both) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for suffix, of in (("", both.everybody), ("B2B", both.business)):
        found |= {
            f"browserPageViews{suffix}": of.browser_views,
            f"browserSessions{suffix}": of.browser_sessions,
            f"buyBoxPercentage{suffix}": _percent(of.offer_views, of.page_views),
            f"mobileAppPageViews{suffix}": of.app_views,
            f"mobileAppSessions{suffix}": of.app_sessions,
            f"pageViews{suffix}": of.page_views,
            f"sessions{suffix}": of.sessions,
            f"unitSessionPercentage{suffix}": _percent(of.units, of.sessions),
        }
    return found


def _put_together(sum_: Both, more: Both) -> None:
    sum_.everybody.add(**vars(more.everybody))
    sum_.business.add(**vars(more.business))


def _amount(market: Marketplace, minor: float) -> dict[str, Any]:
    # A float, as in Amazon's schema, though it is money.
    return {"amount": minor / 100 if market.decimals else float(minor), "currencyCode": market.currency}


def _each(sum_: int, count: int) -> float:
    return sum_ / count if count else 0.0


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0
