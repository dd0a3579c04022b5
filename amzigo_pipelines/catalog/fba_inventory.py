"""The dataset `fba_inventory`: stock in Amazon's warehouses, from `getInventorySummaries`. Declarations only."""

from __future__ import annotations

from amzigo_pipelines.catalog.model import INSTANT, INTEGER, STRING, Dataset, Source, business

_DETAILS = "inventoryDetails"

FBA_INVENTORY = Dataset(
    name="fba_inventory",
    description="One row a SKU and marketplace: FBA stock as Amazon counts it, a snapshot of the day's close.",
    grain=("marketplace_id", "sku"),
    source=Source(operation="getInventorySummaries", is_snapshot=True),
    purpose="inventory tracking",
    legal_basis="contract",
    partition_day="the day whose closing stock it is: the snapshot is taken on that day or the day after",
    columns=(
        business("marketplace_id", STRING, "Marketplace that was asked."),
        business("sku", STRING, "The seller's own identifier of the listing.", "sellerSku"),
        business("taken_at", INSTANT, "When the snapshot was taken (UTC)."),
        business("asin", STRING, "Amazon Standard Identification Number.", "asin"),
        business("fn_sku", STRING, "Amazon's identifier of the SKU in its fulfilment network.", "fnSku"),
        business("product_name", STRING, "Product title.", "productName"),
        business("condition", STRING, "Condition of the product.", "condition"),
        business("stock_updated_at", INSTANT, "When Amazon last changed the numbers (UTC).", "lastUpdatedTime"),
        business("total_units", INTEGER, "All units in or on the way to the network.", "totalQuantity", at_least=0),
        business(
            "fulfillable_units",
            INTEGER,
            "Units that can be picked, packed and shipped.",
            f"{_DETAILS}.fulfillableQuantity",
            at_least=0,
        ),
        business(
            "inbound_working_units",
            INTEGER,
            "Units in shipments announced to Amazon.",
            f"{_DETAILS}.inboundWorkingQuantity",
            at_least=0,
        ),
        business(
            "inbound_shipped_units",
            INTEGER,
            "Units on their way to Amazon.",
            f"{_DETAILS}.inboundShippedQuantity",
            at_least=0,
        ),
        business(
            "inbound_receiving_units",
            INTEGER,
            "Units that Amazon is receiving.",
            f"{_DETAILS}.inboundReceivingQuantity",
            at_least=0,
        ),
        business(
            "reserved_units",
            INTEGER,
            "Units reserved, for whatever reason.",
            f"{_DETAILS}.reservedQuantity.totalReservedQuantity",
            at_least=0,
        ),
        business(
            "reserved_order_units",
            INTEGER,
            "Units reserved for customers' orders.",
            f"{_DETAILS}.reservedQuantity.pendingCustomerOrderQuantity",
            at_least=0,
        ),
        business(
            "reserved_transfer_units",
            INTEGER,
            "Units moving between fulfilment centres.",
            f"{_DETAILS}.reservedQuantity.pendingTransshipmentQuantity",
            at_least=0,
        ),
        business(
            "reserved_processing_units",
            INTEGER,
            "Units set aside for processing.",
            f"{_DETAILS}.reservedQuantity.fcProcessingQuantity",
            at_least=0,
        ),
        business(
            "researching_units",
            INTEGER,
            "Units that Amazon is looking for.",
            f"{_DETAILS}.researchingQuantity.totalResearchingQuantity",
            at_least=0,
        ),
        business(
            "unfulfillable_units",
            INTEGER,
            "Units that can't be sold.",
            f"{_DETAILS}.unfulfillableQuantity.totalUnfulfillableQuantity",
            at_least=0,
        ),
    ),
)
