-- Sales of a SKU on a day in a marketplace, by currency.
--
-- The same rules as `sales_daily`, which it adds up to in sales, items and units. Orders do not add up: an order with two
-- SKUs counts once for each. A SKU offered in two marketplaces has a row for each. Only days with orders have rows.
--
-- @grain day, marketplace_id, sku, currency
-- @reads order_items, staging.currencies, staging.marketplace_facts
-- @upsert day
-- @affected SELECT DISTINCT ordered_on FROM changed.order_items
-- @slice order_items: ordered_on
-- @column day: Day of the order in the marketplace's own time zone.
-- @column marketplace_id: Marketplace in which the orders were placed.
-- @column marketplace: Country of the marketplace, ISO 3166-1 alpha-2; its identifier if it is unknown.
-- @column sku: The seller's own identifier of the listing.
-- @column currency: ISO 4217 currency of the amounts.
-- @column asin: Amazon Standard Identification Number, of the orders (the last in the alphabet, should it differ among them).
-- @column title: Product title, of the orders (the last in the alphabet, should it differ among them).
-- @column ordered_product_sales: Ordered product sales: unit price x units, without tax and shipping.
-- @column orders: Orders in which the SKU was sold.
-- @column order_items: Items (lines) sold.
-- @column units: Units sold.
-- @column average_selling_price: Ordered product sales / units, in whole minor units of the currency; null without units.
-- @column pending_units: Units ordered that have no price yet; in no other number but the estimate.
-- @column pending_sales_estimated: Estimated revenue of pending units: listing price x units. Not part of ordered_product_sales.
-- @column has_estimate: Whether pending_sales_estimated is more than nothing.
-- @column cancelled_units: Units of cancelled items and orders.
-- @column business_units: Units sold to Amazon Business customers.
-- @column replacement_units: Units sent free of charge for earlier orders.
WITH items AS (
    SELECT
        ordered_on AS day,
        COALESCE(marketplace_id, 'unknown') AS marketplace_id,
        COALESCE(sku, '(no SKU)') AS sku,
        currency,
        order_id,
        sales_class,
        is_business,
        asin,
        title,
        units_ordered,
        product_sales,
        estimated_sales
    FROM order_items
    WHERE sales_class <> 'off_amazon'
),
totals AS (
    SELECT
        day,
        marketplace_id,
        sku,
        currency,
        MAX(asin) AS asin,
        MAX(title) AS title,
        CAST(COALESCE(SUM(product_sales) FILTER (WHERE sales_class = 'sale'), 0) AS DECIMAL(18, 4)) AS product_sales,
        COUNT(DISTINCT order_id) FILTER (WHERE sales_class = 'sale') AS orders,
        COUNT(*) FILTER (WHERE sales_class = 'sale') AS order_items,
        CAST(COALESCE(SUM(units_ordered) FILTER (WHERE sales_class = 'sale'), 0) AS BIGINT) AS units,
        CAST(COALESCE(SUM(units_ordered) FILTER (WHERE sales_class = 'pending'), 0) AS BIGINT) AS pending_units,
        CAST(COALESCE(SUM(estimated_sales), 0) AS DECIMAL(18, 4)) AS pending_sales_estimated,
        CAST(COALESCE(SUM(units_ordered) FILTER (WHERE sales_class = 'cancelled'), 0) AS BIGINT) AS cancelled_units,
        CAST(COALESCE(SUM(units_ordered) FILTER (WHERE sales_class = 'sale' AND is_business), 0) AS BIGINT)
            AS business_units,
        CAST(COALESCE(SUM(units_ordered) FILTER (WHERE sales_class = 'replacement'), 0) AS BIGINT) AS replacement_units
    FROM items
    GROUP BY ALL
)
SELECT
    totals.day,
    totals.marketplace_id,
    COALESCE(marketplaces.country, totals.marketplace_id) AS marketplace,
    totals.sku,
    totals.currency,
    totals.asin,
    totals.title,
    totals.product_sales AS ordered_product_sales,
    totals.orders,
    totals.order_items,
    totals.units,
    CAST(ROUND(totals.product_sales / NULLIF(totals.units, 0), COALESCE(currencies.minor_digits, 2)) AS DECIMAL(18, 4))
        AS average_selling_price,
    totals.pending_units,
    totals.pending_sales_estimated,
    totals.pending_sales_estimated > 0 AS has_estimate,
    totals.cancelled_units,
    totals.business_units,
    totals.replacement_units
FROM totals
LEFT JOIN staging.currencies AS currencies USING (currency)
LEFT JOIN staging.marketplace_facts AS marketplaces ON totals.marketplace_id = marketplaces.marketplace_id
ORDER BY totals.day
