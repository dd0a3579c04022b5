"""The dataset `order_items`: one row an item of an order, inline in `searchOrders`. Declarations only.

Paths that begin with `^` are read from the order that holds the item.
"""

from __future__ import annotations

from amzigo_pipelines.catalog.model import (
    INSTANT,
    INTEGER,
    MONEY,
    STRING,
    Dataset,
    Reference,
    Source,
    business,
    pii,
    unclassified,
)
from amzigo_pipelines.catalog.orders import subtotal

_CUSTOM = "order management: making and wrapping what was ordered (contract)"
_CANCEL = "order management: answering a cancellation (contract)"


ORDER_ITEMS = Dataset(
    name="order_items",
    description="One row an order item (order id + order item id), from Amazon's Orders API 2026-01-01.",
    grain=("order_id", "order_item_id"),
    source=Source(operation="searchOrders"),
    purpose="sales analysis, order management, inventory tracking",
    legal_basis="contract",
    partition_day="the UTC day of the order's last update",
    columns=(
        business("order_id", STRING, "Amazon's order identifier.", "^orderId"),
        business("order_item_id", STRING, "Amazon's identifier of the item within the order.", "orderItemId"),
        business("marketplace_id", STRING, "Marketplace in which the order was placed.", "^salesChannel.marketplaceId"),
        business("order_created_at", INSTANT, "When the buyer placed the order (UTC).", "^createdTime"),
        business("last_updated_at", INSTANT, "When the order last changed (UTC).", "^lastUpdatedTime"),
        business("asin", STRING, "Amazon Standard Identification Number.", "product.asin"),
        business("sku", STRING, "The seller's own identifier of the listing.", "product.sellerSku"),
        business("title", STRING, "Product title at the time of the order.", "product.title"),
        business("condition", STRING, "Condition of the product.", "product.condition.conditionType"),
        business(
            "programs",
            STRING,
            "Amazon's programmes for the item (SUBSCRIBE_AND_SAVE, ...), comma-separated.",
            "programs[]",
        ),
        business(
            "price_designation",
            STRING,
            "BUSINESS_PRICE where the price is for Amazon Business only.",
            "product.price.priceDesignation",
        ),
        business("quantity_ordered", INTEGER, "Units ordered.", "quantityOrdered", at_least=0),
        business("quantity_fulfilled", INTEGER, "Units shipped.", "fulfillment.quantityFulfilled", at_least=0),
        business(
            "quantity_unfulfilled", INTEGER, "Units still to ship.", "fulfillment.quantityUnfulfilled", at_least=0
        ),
        business(
            "currency",
            STRING,
            "ISO 4217 currency of the item's amounts; null while pending.",
            "product.price.unitPrice.currencyCode",
        ),
        business(
            "unit_price", MONEY, "Price of one unit, without tax; null while pending.", "product.price.unitPrice.amount"
        ),
        business("proceeds_total", MONEY, "What the buyer pays for the item.", "proceeds.proceedsTotal.amount"),
        business("item_amount", MONEY, "Price x units, without tax.", subtotal("ITEM")),
        business("shipping_amount", MONEY, "Shipping charged, without tax.", subtotal("SHIPPING")),
        business("gift_wrap_amount", MONEY, "Gift wrapping charged, without tax.", subtotal("GIFT_WRAP")),
        business("tax_amount", MONEY, "Tax of the item's charges.", subtotal("TAX")),
        business("discount_amount", MONEY, "Discounts as Amazon states them.", subtotal("DISCOUNT")),
        business("other_amount", MONEY, "Other charges.", subtotal("OTHER")),
        business("promotion_ids", STRING, "Promotions applied, comma-separated.", "promotion.breakdowns[].promotionId"),
        business(
            "gift_wrap_level", STRING, "Gift wrap that the buyer chose.", "fulfillment.packing.giftOption.giftWrapLevel"
        ),
        business(
            "cancel_requested_by", STRING, "Who asked to cancel the item.", "cancellation.cancellationRequest.requester"
        ),
        business("cancelled_by", STRING, "Who cancelled the item.", "cancellation.cancellationExecution.cancelledBy"),
        pii("gift_message", STRING, "Buyer's gift message.", "fulfillment.packing.giftOption.giftMessage", _CUSTOM),
        pii(
            "customized_url",
            STRING,
            "Where the buyer's customisation is stored.",
            "product.customization.customizedUrl",
            _CUSTOM,
        ),
        pii(
            "cancel_request_reason",
            STRING,
            "Reason given with the request, free text.",
            "cancellation.cancellationRequest.cancelReason",
            _CANCEL,
        ),
        pii(
            "cancel_reason",
            STRING,
            "Reason given with the cancellation, free text.",
            "cancellation.cancellationExecution.cancelReason",
            _CANCEL,
        ),
        unclassified(),
    ),
    references=(Reference(("order_id",), "orders"),),
)
