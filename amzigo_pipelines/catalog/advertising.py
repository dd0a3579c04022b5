"""The datasets of advertising: what campaigns and advertised products did and cost. Declarations only.

From the Amazon Ads API's reports, version 3. An ad's orders count for the day of the click, so its numbers grow: Amazon
restates conversions 1, 7 and 28 days after they happen, and takes invalid clicks off within three days. One report
spans 31 days, so looking back 30 days costs no request more than looking back one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from amzigo_pipelines.catalog.model import DATE, INTEGER, MONEY, STRING, Column, Dataset, Source, business

_PURPOSE = "sales analysis"
_PARTITION_DAY = "the marketplace's local day on which the ads were shown and clicked"
_SOURCE = Source(
    operation="createAsyncReport",
    lookback_days=30,
    window_days=31,
    is_optional=True,
    expected_within=timedelta(hours=12),
)


def _metrics() -> tuple[Column, ...]:
    windows = (7, 14, 30)
    only_sp = {14: ""}
    return (
        business("currency", STRING, "ISO 4217 currency of all amounts."),
        business("impressions", INTEGER, "How often the ads were shown.", at_least=0),
        business("clicks", INTEGER, "Clicks on the ads.", at_least=0),
        business("cost", MONEY, "What the clicks, or the views, cost."),
        *(
            business(
                f"{name}_{days}d",
                type_,
                f"{what} within {days} days of a click on that day{only_sp.get(days, '; sponsored products only')}.",
            )
            for name, type_, what in (
                ("orders", INTEGER, "Orders"),
                ("units", INTEGER, "Units ordered"),
                ("sales", MONEY, "Sales"),
            )
            for days in windows
        ),
        business(
            "orders_14d_with_views",
            INTEGER,
            "As orders_14d, those after a mere view too; not for products.",
            at_least=0,
        ),
        business(
            "units_14d_with_views", INTEGER, "As units_14d, those after a mere view too; not for products.", at_least=0
        ),
        business("sales_14d_with_views", MONEY, "As sales_14d, those after a mere view too; not for products."),
    )


_WHERE = (
    business("performed_on", DATE, "Local day of the ads."),
    business("marketplace_id", STRING, "Marketplace of the advertising profile."),
    business("ad_product", STRING, "SPONSORED_PRODUCTS, SPONSORED_BRANDS or SPONSORED_DISPLAY."),
    business("campaign_id", STRING, "Amazon's identifier of the campaign."),
    business("campaign_name", STRING, "The seller's name of the campaign."),
)

ADS_CAMPAIGNS = Dataset(
    name="ads_campaigns",
    description="One row a day, marketplace and campaign that was shown: impressions, clicks, cost, attributed sales.",
    grain=("performed_on", "marketplace_id", "ad_product", "campaign_id"),
    source=_SOURCE,
    purpose=_PURPOSE,
    legal_basis="contract",
    partition_day=_PARTITION_DAY,
    columns=(
        *_WHERE,
        business("campaign_status", STRING, "ENABLED, PAUSED or ARCHIVED, when the report was made."),
        business("budget", MONEY, "The campaign's budget, when the report was made."),
        business("budget_type", STRING, "DAILY_BUDGET or LIFETIME_BUDGET; not told of display."),
        *_metrics(),
    ),
)

ADS_PRODUCTS = Dataset(
    name="ads_products",
    description=(
        "One row a day, marketplace and ad that was shown, with the product it advertises: impressions, clicks, cost, "
        "attributed sales. Ads of sponsored brands show several products, so theirs name none."
    ),
    grain=("performed_on", "marketplace_id", "ad_product", "campaign_id", "ad_group_id", "ad_id"),
    source=_SOURCE,
    purpose=_PURPOSE,
    legal_basis="contract",
    partition_day=_PARTITION_DAY,
    columns=(
        *_WHERE,
        business("ad_group_id", STRING, "Amazon's identifier of the ad group."),
        business("ad_group_name", STRING, "The seller's name of the ad group."),
        business("ad_id", STRING, "Amazon's identifier of the ad."),
        business("asin", STRING, "The advertised product's ASIN; null for sponsored brands."),
        business("sku", STRING, "The advertised product's SKU; null for sponsored brands."),
        *_metrics(),
    ),
)


@dataclass(frozen=True)
class AdsReportType:
    """One of Amazon's reports, and what of it goes where.

    Attributes:
        dataset: that it fills, beside others.
        ad_product: Amazon's advertising product.
        report_type_id: Amazon's type of the report.
        group_by: the level of its rows.
        history_days: how far back Amazon keeps it.
        fields: by the dataset's column the report's.
    """

    dataset: Dataset
    ad_product: str
    report_type_id: str
    group_by: str
    history_days: int
    fields: Mapping[str, str]


_SHARED = {
    "performed_on": "date",
    "campaign_id": "campaignId",
    "campaign_name": "campaignName",
    "currency": "campaignBudgetCurrencyCode",
    "impressions": "impressions",
    "clicks": "clicks",
    "cost": "cost",
}
_SP = {
    f"{ours}_{days}d": f"{theirs}{days}d"
    for ours, theirs in (("orders", "purchases"), ("units", "unitsSoldClicks"), ("sales", "sales"))
    for days in (7, 14, 30)
}
# Of brands and display, Amazon knows one window of 14 days, once for clicks and once with views.
_OTHERS = {
    "orders_14d": "purchasesClicks",
    "units_14d": "unitsSoldClicks",
    "sales_14d": "salesClicks",
    "orders_14d_with_views": "purchases",
    "units_14d_with_views": "unitsSold",
    "sales_14d_with_views": "sales",
}
_STATE = {"campaign_status": "campaignStatus", "budget": "campaignBudgetAmount"}
_BUDGET_TYPE = {"budget_type": "campaignBudgetType"}
_AD = {"ad_group_id": "adGroupId", "ad_group_name": "adGroupName", "ad_id": "adId"}


def _report(
    dataset: Dataset, product: str, type_id: str, group_by: str, history_days: int, *fields: Mapping[str, str]
) -> AdsReportType:
    merged = {column: field for mapping in (_SHARED, *fields) for column, field in mapping.items()}
    return AdsReportType(dataset, f"SPONSORED_{product}", type_id, group_by, history_days, MappingProxyType(merged))


ADS_REPORTS: tuple[AdsReportType, ...] = (
    _report(ADS_CAMPAIGNS, "PRODUCTS", "spCampaigns", "campaign", 95, _STATE, _BUDGET_TYPE, _SP),
    _report(ADS_CAMPAIGNS, "BRANDS", "sbCampaigns", "campaign", 60, _STATE, _BUDGET_TYPE, _OTHERS),
    _report(ADS_CAMPAIGNS, "DISPLAY", "sdCampaigns", "campaign", 65, _STATE, _OTHERS),
    _report(
        ADS_PRODUCTS,
        "PRODUCTS",
        "spAdvertisedProduct",
        "advertiser",
        95,
        _AD,
        {"asin": "advertisedAsin", "sku": "advertisedSku"},
        _SP,
    ),
    # Amazon reports brands by ad, not by product: one ad shows several.
    _report(ADS_PRODUCTS, "BRANDS", "sbAds", "ads", 60, _AD, _OTHERS),
    _report(
        ADS_PRODUCTS,
        "DISPLAY",
        "sdAdvertisedProduct",
        "advertiser",
        65,
        _AD,
        {"asin": "promotedAsin", "sku": "promotedSku"},
        _OTHERS,
    ),
)
"""Source: Amazon Ads API guides, reporting version 3: report types campaign, advertised product and ad."""

ADS_HISTORY_DAYS = min(report.history_days for report in ADS_REPORTS)
"""As far back as all reports go: a day that only some of them know would look as if the others' ads had rested."""
