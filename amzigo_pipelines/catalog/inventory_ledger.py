"""The datasets of the FBA inventory ledger: every movement of stock, and the day's balance. Declarations only."""

from __future__ import annotations

from datetime import timedelta

from amzigo_pipelines.catalog.model import (
    DATE,
    INSTANT,
    INTEGER,
    STRING,
    Dataset,
    ReportShape,
    Source,
    business,
    unclassified,
)

# Amazon makes the ledger once a day; some events come, or are corrected, days later.
_COOLDOWN = timedelta(hours=4)
_LOOKBACK_DAYS = 4
_ROLE = "Amazon Fulfillment"


INVENTORY_LEDGER_DETAIL = Dataset(
    name="inventory_ledger_detail",
    description="One row a movement of FBA stock: receipt, shipment, customer return, adjustment, transfer.",
    grain=("marketplace_id", "event_on", "fn_sku", "event_type", "disposition", "occurrence"),
    source=Source(
        operation="createReport",
        report_type="GET_LEDGER_DETAIL_VIEW_DATA",
        lookback_days=_LOOKBACK_DAYS,
        role=_ROLE,
        report=ReportShape(day_column="event_on", cooldown=_COOLDOWN),
    ),
    purpose="inventory tracking",
    legal_basis="contract",
    partition_day="the marketplace's local day of the movement",
    columns=(
        business("marketplace_id", STRING, "Marketplace that was asked.", "@marketplace_id"),
        business("event_on", DATE, "Local day of the movement.", "Date"),
        business("fn_sku", STRING, "Amazon's identifier of the SKU in its fulfilment network.", "FNSKU"),
        business("event_type", STRING, "Kind of movement: Receipts, Shipments, CustomerReturns, ...", "Event Type"),
        business("reference_id", STRING, "What it belongs to: a shipment, a transfer.", "Reference ID"),
        business("fulfillment_center", STRING, "Warehouse.", "Fulfillment Center"),
        business("disposition", STRING, "State of the units: SELLABLE, DEFECTIVE, ...", "Disposition"),
        business("reason", STRING, "Amazon's code of the reason of an adjustment.", "Reason"),
        business("occurrence", INTEGER, "Counts movements alike in all of this, from 1.", "@occurrence"),
        business("asin", STRING, "Amazon Standard Identification Number.", "ASIN"),
        business("sku", STRING, "The seller's own identifier of the listing.", "MSKU"),
        business("title", STRING, "Product title.", "Title"),
        business("units", INTEGER, "Units, negative when they leave.", "Quantity"),
        business("country", STRING, "Country of the warehouse.", "Country"),
        business("reconciled_units", INTEGER, "Units of it that were accounted for later.", "Reconciled Quantity"),
        business("unreconciled_units", INTEGER, "Units of it that still are not.", "Unreconciled Quantity"),
        business("happened_at", INSTANT, "When it happened (UTC), where Amazon says so.", "Date and Time"),
        unclassified(),
    ),
)


INVENTORY_LEDGER_SUMMARY = Dataset(
    name="inventory_ledger_summary",
    description="One row a SKU, disposition, country and day: start of day + movements = end of day.",
    grain=("marketplace_id", "day_on", "fn_sku", "sku", "disposition", "location"),
    source=Source(
        operation="createReport",
        report_type="GET_LEDGER_SUMMARY_VIEW_DATA",
        lookback_days=_LOOKBACK_DAYS,
        role=_ROLE,
        report=ReportShape(
            day_column="day_on",
            cooldown=_COOLDOWN,
            options=(("aggregateByLocation", "COUNTRY"), ("aggregatedByTimePeriod", "DAILY")),
        ),
    ),
    purpose="inventory tracking",
    legal_basis="contract",
    partition_day="the marketplace's local day that is balanced",
    columns=(
        business("marketplace_id", STRING, "Marketplace that was asked.", "@marketplace_id"),
        business("day_on", DATE, "Local day.", "Date"),
        business("fn_sku", STRING, "Amazon's identifier of the SKU in its fulfilment network.", "FNSKU"),
        business("sku", STRING, "The seller's own identifier of the listing.", "MSKU"),
        business("disposition", STRING, "State of the units: SELLABLE, DEFECTIVE, ...", "Disposition"),
        business("location", STRING, "Country of the warehouses.", "Location"),
        business("asin", STRING, "Amazon Standard Identification Number.", "ASIN"),
        business("title", STRING, "Product title.", "Title"),
        business("start_units", INTEGER, "Units in warehouses at the start of the day.", "Starting Warehouse Balance"),
        business("in_transit_units", INTEGER, "Units between warehouses.", "In Transit Between Warehouses"),
        business("received_units", INTEGER, "Units received.", "Receipts"),
        business("shipped_units", INTEGER, "Units shipped to buyers, negative.", "Customer Shipments"),
        business("returned_units", INTEGER, "Units that buyers sent back.", "Customer Returns"),
        business("removed_units", INTEGER, "Units sent back to the seller, negative.", "Vendor Returns"),
        business("transferred_units", INTEGER, "Net units moved between warehouses.", "Warehouse Transfer In/Out"),
        business("found_units", INTEGER, "Units found.", "Found"),
        business("lost_units", INTEGER, "Units lost, negative.", "Lost"),
        business("damaged_units", INTEGER, "Units damaged.", "Damaged"),
        business("disposed_units", INTEGER, "Units disposed of, negative.", "Disposed"),
        business("other_units", INTEGER, "Units of other events.", "Other Events"),
        business("end_units", INTEGER, "Units in warehouses at the end of the day.", "Ending Warehouse Balance"),
        business("unknown_units", INTEGER, "Units of events that Amazon can't name.", "Unknown Events"),
        unclassified(),
    ),
)
