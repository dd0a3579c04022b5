"""What the Ads API's reports say: which columns each type allows, how far back it goes, and its rows.

Belongs here: the content of reports. Does not belong here: asking for one and the life of it (`api_ads.py`), the truth
behind it (`advertising.py`). Source: Amazon Ads API guides, reporting version 3, report types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from amzigo_pipelines.simulator.advertising import BRANDS, DISPLAY, PRODUCTS, Ad, Advertising, Conversions, Traffic

MAX_DAYS = 31

_CAMPAIGN = frozenset(
    {
        "date",
        "campaignId",
        "campaignName",
        "campaignStatus",
        "campaignBudgetAmount",
        "campaignBudgetCurrencyCode",
        "impressions",
        "clicks",
        "cost",
    }
)
_WINDOWS = (1, 7, 14, 30)
_SP_METRICS = frozenset(f"{name}{days}d" for name in ("purchases", "unitsSoldClicks", "sales") for days in _WINDOWS)
_METRICS = frozenset({"purchases", "purchasesClicks", "unitsSold", "unitsSoldClicks", "sales", "salesClicks"})
_AD = frozenset({"adGroupId", "adGroupName", "adId"})


@dataclass(frozen=True)
class AdsReportType:
    """One `reportTypeId`.

    Attributes:
        ad_product: the advertising product it is about.
        group_by: the value of `groupBy` that it takes.
        columns: those that may be asked for.
        history_days: how far back it goes.
        by_ad: one row an ad; else one a campaign.
    """

    ad_product: str
    group_by: str
    columns: frozenset[str]
    history_days: int
    by_ad: bool


ADS_REPORT_TYPES: dict[str, AdsReportType] = {
    "spCampaigns": AdsReportType(PRODUCTS, "campaign", _CAMPAIGN | {"campaignBudgetType"} | _SP_METRICS, 95, False),
    "spAdvertisedProduct": AdsReportType(
        PRODUCTS, "advertiser", _CAMPAIGN | _AD | _SP_METRICS | {"advertisedAsin", "advertisedSku"}, 95, True
    ),
    "sbCampaigns": AdsReportType(BRANDS, "campaign", _CAMPAIGN | {"campaignBudgetType"} | _METRICS, 60, False),
    "sbAds": AdsReportType(BRANDS, "ads", _CAMPAIGN | _AD | _METRICS, 60, True),
    "sdCampaigns": AdsReportType(DISPLAY, "campaign", _CAMPAIGN | _METRICS, 65, False),
    # No status and no budget of the campaign here, unlike the others.
    "sdAdvertisedProduct": AdsReportType(
        DISPLAY,
        "advertiser",
        (_CAMPAIGN - {"campaignStatus", "campaignBudgetAmount"}) | _AD | _METRICS | {"promotedAsin", "promotedSku"},
        65,
        True,
    ),
}


def rows(
    kind: AdsReportType, advertising: Advertising, first: date, last: date, columns: Iterable[str], now: datetime
) -> list[dict[str, Any]]:
    """A report's rows, one a day and ad or campaign with anything to tell, as of an instant."""
    wanted = list(columns)
    found: list[dict[str, Any]] = []
    ads = [ad for ad in advertising.ads if ad.campaign.ad_product == kind.ad_product]
    conversions = advertising.conversions(first, last, now)
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        groups: dict[int, list[Ad]] = {}
        for ad in ads:
            groups.setdefault(ad.ad_id if kind.by_ad else ad.campaign.campaign_id, []).append(ad)
        for members in groups.values():
            traffic = [advertising.traffic(ad, day, now) for ad in members]
            brought = [conversions.get((ad.ad_id, day), Conversions()) for ad in members]
            if any(one.impressions for one in traffic):
                values = _values(advertising, members[0], day, traffic, brought)
                found.append({name: values[name]() for name in wanted})
    return found


def _values(
    advertising: Advertising, ad: Ad, day: date, traffic: list[Traffic], brought: list[Conversions]
) -> dict[str, Callable[[], Any]]:
    market = advertising.market

    def money(minor: int) -> float:
        return float(market.amount(minor))

    def within(name: str, days: int) -> int:
        return sum(n for one in brought for lag, n in getattr(one, name).items() if lag < days)

    def views(name: str) -> int:
        return sum(getattr(one, name) for one in brought)

    values: dict[str, Callable[[], Any]] = {
        "date": day.isoformat,
        "campaignId": lambda: ad.campaign.campaign_id,
        "campaignName": lambda: ad.campaign.name,
        "campaignStatus": lambda: "ENABLED",
        "campaignBudgetAmount": lambda: money(ad.campaign.budget),
        "campaignBudgetType": lambda: "DAILY_BUDGET",
        "campaignBudgetCurrencyCode": lambda: market.currency,
        "adGroupId": lambda: ad.ad_group_id,
        "adGroupName": lambda: ad.ad_group_name,
        "adId": lambda: ad.ad_id,
        "impressions": lambda: sum(one.impressions for one in traffic),
        "clicks": lambda: sum(one.clicks for one in traffic),
        "cost": lambda: money(sum(one.cost for one in traffic)),
        "purchasesClicks": lambda: within("purchases", 14),
        "unitsSoldClicks": lambda: within("units", 14),
        "salesClicks": lambda: money(within("sales", 14)),
        "purchases": lambda: within("purchases", 14) + views("view_purchases"),
        "unitsSold": lambda: within("units", 14) + views("view_units"),
        "sales": lambda: money(within("sales", 14) + views("view_sales")),
    }
    for asin in ("advertisedAsin", "promotedAsin"):
        values[asin] = lambda: ad.asins[0]
    for sku in ("advertisedSku", "promotedSku"):
        values[sku] = lambda: ad.sku
    for days in _WINDOWS:
        values[f"purchases{days}d"] = lambda days=days: within("purchases", days)  # type: ignore[misc]
        values[f"unitsSoldClicks{days}d"] = lambda days=days: within("units", days)  # type: ignore[misc]
        values[f"sales{days}d"] = lambda days=days: money(within("sales", days))  # type: ignore[misc]
    return values
