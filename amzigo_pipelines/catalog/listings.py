"""The dataset `listings`: what a seller offers, from the merchant listings report. Declarations only."""

from __future__ import annotations

from datetime import timedelta

from amzigo_pipelines.catalog.model import (
    INSTANT,
    INTEGER,
    MONEY,
    STRING,
    Dataset,
    ReportShape,
    Source,
    business,
    unclassified,
)

LISTINGS = Dataset(
    name="listings",
    description="One row a listing (SKU and marketplace) with price and state, a snapshot of the day's close.",
    grain=("marketplace_id", "sku"),
    source=Source(
        operation="createReport",
        report_type="GET_MERCHANT_LISTINGS_ALL_DATA",
        is_snapshot=True,
        report=ReportShape(cooldown=timedelta(minutes=30)),
    ),
    purpose="sales analysis, inventory tracking",
    legal_basis="contract",
    partition_day="the day whose closing state it is: the report is asked for on that day or the day after",
    columns=(
        business("marketplace_id", STRING, "Marketplace that was asked.", "@marketplace_id"),
        business("sku", STRING, "The seller's own identifier of the listing.", "seller-sku"),
        business("taken_at", INSTANT, "When the report was asked for (UTC).", "@taken_at"),
        business("asin", STRING, "Amazon Standard Identification Number.", "asin1"),
        business("listing_id", STRING, "Amazon's identifier of the listing.", "listing-id"),
        business("title", STRING, "Title of the listing.", "item-name"),
        business("currency", STRING, "ISO 4217 currency of the price: the marketplace's.", "@currency"),
        business("price", MONEY, "Price asked.", "price"),
        business("quantity", INTEGER, "Units the seller offers itself; null for FBA.", "quantity", at_least=0),
        business("opened_on_text", STRING, "Since when it is listed, as Amazon writes it (localised).", "open-date"),
        business("condition_code", STRING, "Amazon's code of the condition (11 = new).", "item-condition"),
        business("product_id", STRING, "Identifier of the product (EAN, UPC, ...).", "product-id"),
        business("product_id_type", STRING, "Amazon's code of the kind of product_id.", "product-id-type"),
        business("fulfillment_channel", STRING, "DEFAULT (merchant) or AMAZON_xx (FBA).", "fulfillment-channel"),
        business("status", STRING, "Active, Inactive or Incomplete.", "status"),
        unclassified(),
    ),
)
