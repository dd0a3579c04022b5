-- Every item of every order as it stands now: the items of the order's newest version.
--
-- Each item belongs to exactly one sales class, and the sales marts count by it. An item whose order was not extracted
-- is left out. The estimate for a pending item is the price its listing had in the same marketplace on the day of the
-- order (the newest listing known by that day, else the first one known after it) x units; it is never mixed with sales.
--
-- @grain order_id, order_item_id
-- @reads orders, staging.listings, staging.order_items
-- @upsert order_id
-- @affected SELECT order_id FROM changed.orders
--   UNION SELECT order_id FROM changed.staging_order_items
--   UNION SELECT order_id FROM order_items WHERE sales_class = 'pending'
-- @slice orders: order_id
-- @slice staging.order_items: order_id
-- @one_of sales_class: sale, pending, cancelled, replacement, off_amazon
-- @column order_id: Amazon's order identifier.
-- @column order_item_id: Amazon's identifier of the item within the order.
-- @column marketplace_id: Marketplace in which the order was placed.
-- @column marketplace: Country of the marketplace, ISO 3166-1 alpha-2; its identifier if it is unknown.
-- @column ordered_at: When the buyer placed the order (UTC).
-- @column ordered_on: Day of the order in the marketplace's own time zone.
-- @column order_status: Fulfilment status of the order.
-- @column fulfilled_by: AMAZON (FBA) or MERCHANT: the channel that ships it.
-- @column sales_class: How sales count the item: sale; pending (no price yet); cancelled (the item or its whole order);
--   replacement (free of charge); off_amazon (sold elsewhere, only shipped by Amazon).
-- @column is_business: Whether an Amazon Business customer ordered.
-- @column is_business_price: Whether the price is one for Amazon Business only.
-- @column asin: Amazon Standard Identification Number.
-- @column sku: The seller's own identifier of the listing.
-- @column title: Product title at the time of the order.
-- @column condition: Condition of the product.
-- @column programs: Amazon's programmes for the item, comma-separated.
-- @column units_ordered: Units ordered.
-- @column units_shipped: Units shipped.
-- @column units_unshipped: Units still to ship.
-- @column currency: ISO 4217 currency of the amounts; the marketplace's own while pending.
-- @column unit_price: Price of one unit, without tax; null while pending.
-- @column product_sales: Unit price x units, without tax and shipping; null while pending. Add it up for the sales class
--   sale only.
-- @column estimated_sales: For pending items: listing price x units, an estimate; null where no listing is known.
-- @column item_total: What the buyer pays for the item.
-- @column shipping_amount: Shipping charged, without tax.
-- @column gift_wrap_amount: Gift wrapping charged, without tax.
-- @column tax_amount: Tax of the item's charges.
-- @column discount_amount: Discounts as Amazon states them.
-- @column other_amount: Other charges.
-- @column promotion_ids: Promotions applied, comma-separated.
-- @column cancelled_by: Who cancelled the item.
WITH newest_versions AS (
    SELECT
        order_id,
        -- One number to compare by, as sorting would cost three times as much: the time of the update, then the day.
        ARG_MAX(
            day,
            COALESCE(EPOCH_MS(last_updated_at), 0) * 100000 + DATEDIFF('day', DATE '2000-01-01', day)
        ) AS day
    FROM staging.order_items
    GROUP BY order_id
),
items AS (
    SELECT
        versions.order_id,
        versions.order_item_id,
        versions.marketplace_id,
        versions.asin,
        versions.sku,
        versions.title,
        versions.condition,
        versions.programs,
        versions.price_designation,
        versions.quantity_ordered,
        versions.quantity_fulfilled,
        versions.quantity_unfulfilled,
        versions.unit_price,
        versions.proceeds_total,
        versions.shipping_amount,
        versions.gift_wrap_amount,
        versions.tax_amount,
        versions.discount_amount,
        versions.other_amount,
        versions.promotion_ids,
        versions.cancelled_by,
        COALESCE(versions.currency, orders.currency) AS currency,
        orders.marketplace,
        orders.ordered_at,
        orders.ordered_on,
        orders.status AS order_status,
        orders.fulfilled_by,
        orders.is_business,
        CASE
            WHEN orders.is_cancelled OR versions.cancelled_by IS NOT NULL THEN 'cancelled'
            WHEN orders.is_replacement THEN 'replacement'
            WHEN orders.sales_channel = 'NON_AMAZON' THEN 'off_amazon'
            WHEN versions.unit_price IS NULL THEN 'pending'
            ELSE 'sale'
        END AS sales_class
    FROM staging.order_items AS versions
    INNER JOIN newest_versions USING (order_id, day)
    INNER JOIN orders USING (order_id)
),
prices AS (
    SELECT marketplace_id, sku, day, price
    FROM staging.listings
    WHERE price IS NOT NULL AND sku IN (SELECT sku FROM items WHERE sales_class = 'pending')
),
first_prices AS (
    SELECT marketplace_id, sku, ARG_MIN(price, day) AS price
    FROM prices
    GROUP BY marketplace_id, sku
),
estimates AS (
    SELECT pending.order_id, pending.order_item_id, COALESCE(prices.price, first_prices.price) AS price
    FROM (SELECT * FROM items WHERE sales_class = 'pending') AS pending
    ASOF LEFT JOIN prices
        ON pending.marketplace_id = prices.marketplace_id
        AND pending.sku = prices.sku
        AND pending.ordered_on >= prices.day
    LEFT JOIN first_prices
        ON pending.marketplace_id = first_prices.marketplace_id
        AND pending.sku = first_prices.sku
)
SELECT
    items.order_id,
    items.order_item_id,
    items.marketplace_id,
    items.marketplace,
    items.ordered_at,
    items.ordered_on,
    items.order_status,
    items.fulfilled_by,
    items.sales_class,
    items.is_business,
    COALESCE(items.price_designation = 'BUSINESS_PRICE', FALSE) AS is_business_price,
    items.asin,
    items.sku,
    items.title,
    items.condition,
    items.programs,
    COALESCE(items.quantity_ordered, 0) AS units_ordered,
    items.quantity_fulfilled AS units_shipped,
    items.quantity_unfulfilled AS units_unshipped,
    items.currency,
    items.unit_price,
    CAST(items.unit_price * COALESCE(items.quantity_ordered, 0) AS DECIMAL(18, 4)) AS product_sales,
    CAST(estimates.price * COALESCE(items.quantity_ordered, 0) AS DECIMAL(18, 4)) AS estimated_sales,
    items.proceeds_total AS item_total,
    items.shipping_amount,
    items.gift_wrap_amount,
    items.tax_amount,
    items.discount_amount,
    items.other_amount,
    items.promotion_ids,
    items.cancelled_by
FROM items
LEFT JOIN estimates USING (order_id, order_item_id)
