"""The datasets about what becomes of FBA stock: its age, and what is stranded. Declarations only."""

from __future__ import annotations

from datetime import timedelta

from amzigo_pipelines.catalog.model import (
    DATE,
    INSTANT,
    INTEGER,
    MONEY,
    RATIO,
    STRING,
    Dataset,
    ReportShape,
    Source,
    business,
    unclassified,
)

_ROLE = "Amazon Fulfillment"


INVENTORY_PLANNING = Dataset(
    name="inventory_planning",
    description="One row a SKU and marketplace: age, speed and excess of FBA stock, a snapshot of the day's close.",
    grain=("marketplace_id", "sku", "condition"),
    source=Source(
        operation="createReport",
        report_type="GET_FBA_INVENTORY_PLANNING_DATA",
        is_snapshot=True,
        role=_ROLE,
        report=ReportShape(cooldown=timedelta(hours=4)),
    ),
    purpose="inventory tracking",
    legal_basis="contract",
    partition_day="the day whose closing state it is: the report is asked for on that day or the day after",
    columns=(
        business("marketplace_id", STRING, "Marketplace that was asked.", "@marketplace_id"),
        business("sku", STRING, "The seller's own identifier of the listing.", "sku"),
        business("condition", STRING, "Condition of the product.", "condition"),
        business("taken_at", INSTANT, "When the report was asked for (UTC).", "@taken_at"),
        business("snapshot_on", DATE, "Day that Amazon's numbers are of.", "snapshot-date"),
        business("fn_sku", STRING, "Amazon's identifier of the SKU in its fulfilment network.", "fnsku"),
        business("asin", STRING, "Amazon Standard Identification Number.", "asin"),
        business("title", STRING, "Product title.", "product-name"),
        business("available_units", INTEGER, "Units that can be sold.", "available"),
        business("age_0_90_units", INTEGER, "Units up to 90 days old.", "inv-age-0-to-90-days"),
        business("age_91_180_units", INTEGER, "Units 91 to 180 days old.", "inv-age-91-to-180-days"),
        business("age_181_270_units", INTEGER, "Units 181 to 270 days old.", "inv-age-181-to-270-days"),
        business("age_271_365_units", INTEGER, "Units 271 to 365 days old.", "inv-age-271-to-365-days"),
        business("age_365_plus_units", INTEGER, "Units older than 365 days.", "inv-age-365-plus-days"),
        business("currency", STRING, "ISO 4217 currency of the amounts.", "currency"),
        business("shipped_7_days_units", INTEGER, "Units shipped in 7 days.", "units-shipped-t7"),
        business("shipped_30_days_units", INTEGER, "Units shipped in 30 days.", "units-shipped-t30"),
        business("shipped_60_days_units", INTEGER, "Units shipped in 60 days.", "units-shipped-t60"),
        business("shipped_90_days_units", INTEGER, "Units shipped in 90 days.", "units-shipped-t90"),
        business("excess_units", INTEGER, "Units that Amazon holds for too many.", "estimated-excess-quantity"),
        business("weeks_of_cover_30", RATIO, "Weeks that stock lasts at the speed of 30 days.", "weeks-of-cover-t30"),
        business("weeks_of_cover_90", RATIO, "Weeks that stock lasts at the speed of 90 days.", "weeks-of-cover-t90"),
        business("your_price", MONEY, "Price asked.", "your-price"),
        unclassified(),
    ),
)


STRANDED_INVENTORY = Dataset(
    name="stranded_inventory",
    description="One row a SKU with FBA stock that can't be sold for lack of a listing, a snapshot of the day's close.",
    grain=("marketplace_id", "sku", "condition"),
    source=Source(
        operation="createReport",
        report_type="GET_STRANDED_INVENTORY_UI_DATA",
        is_snapshot=True,
        role=_ROLE,
        report=ReportShape(cooldown=timedelta(minutes=30)),
    ),
    purpose="inventory tracking",
    legal_basis="contract",
    partition_day="the day whose closing state it is: the report is asked for on that day or the day after",
    columns=(
        business("marketplace_id", STRING, "Marketplace that was asked.", "@marketplace_id"),
        business("sku", STRING, "The seller's own identifier of the listing.", "sku"),
        business("condition", STRING, "Condition of the product.", "condition"),
        business("taken_at", INSTANT, "When the report was asked for (UTC).", "@taken_at"),
        business("fn_sku", STRING, "Amazon's identifier of the SKU in its fulfilment network.", "fnsku"),
        business("asin", STRING, "Amazon Standard Identification Number.", "asin"),
        business("title", STRING, "Product title.", "product-name"),
        business("primary_action", STRING, "What Amazon proposes to do.", "primary-action"),
        business("stranded_on", DATE, "Since when it is stranded.", "date-stranded"),
        business("unsellable_on", DATE, "When Amazon will call it unsellable.", "date-classified-as-unsellable"),
        business("status", STRING, "State of the listing.", "status-primary"),
        business("status_detail", STRING, "More about the state.", "status-secondary"),
        business("error_message", STRING, "What is wrong with the listing.", "error-message"),
        business("reason", STRING, "Why it is stranded.", "stranded-reason"),
        business("fulfilled_by", STRING, "Who fulfils the listing.", "fulfilled-by"),
        business("fulfillable_units", INTEGER, "Units that could be sold.", "fulfillable-qty"),
        business("price", MONEY, "Price asked.", "your-price"),
        business("unfulfillable_units", INTEGER, "Units that can't be sold.", "unfulfillable-qty"),
        business("reserved_units", INTEGER, "Units reserved.", "reserved-quantity"),
        business("inbound_units", INTEGER, "Units on their way to Amazon.", "inbound-shipped-qty"),
        unclassified(),
    ),
)
