-- What out-of-stock days of the last 90 days cost, per SKU and marketplace; SKUs without such a day have no row.
--
-- Days and velocity are those of `inventory_cover`. Lost units are velocity x days: what would have been ordered, had the
-- days been like the others; an estimate. The price is the average selling price of the last 90 days with sales, else the
-- newest listing price.
--
-- @grain marketplace_id, sku
-- @reads inventory_cover, sales_by_sku_daily, staging.currencies, staging.listings, staging.marketplace_facts
-- @column marketplace_id: Marketplace.
-- @column sku: The seller's own identifier of the listing.
-- @column as_of: Day of the marketplace's newest snapshots; the 90 days end with it.
-- @column asin: Amazon Standard Identification Number.
-- @column is_out_of_stock: Whether nothing is on the shelf now.
-- @column out_of_stock_days: Days of the last 90 without stock and without an order.
-- @column velocity: Units ordered a day on the other days.
-- @column lost_units: velocity x out_of_stock_days; null if no day is known with stock.
-- @column currency: ISO 4217 currency of the amounts: the marketplace's own.
-- @column price: Price that lost units are valued at; null if neither a sale nor a listing is known.
-- @column lost_sales: lost_units x price, in whole minor units of the currency.
WITH empty AS (
    SELECT
        cover.marketplace_id,
        cover.sku,
        cover.as_of,
        cover.asin,
        cover.fulfillable_units,
        cover.out_of_stock_days_90d,
        cover.velocity_90d,
        COALESCE(marketplaces.currency, 'XXX') AS currency
    FROM inventory_cover AS cover
    LEFT JOIN staging.marketplace_facts AS marketplaces USING (marketplace_id)
    WHERE cover.out_of_stock_days_90d > 0
),
sold AS (
    SELECT
        empty.marketplace_id,
        empty.sku,
        SUM(sales.ordered_product_sales) / NULLIF(SUM(sales.units), 0) AS price
    FROM empty
    INNER JOIN sales_by_sku_daily AS sales
        ON empty.marketplace_id = sales.marketplace_id
        AND empty.sku = sales.sku
        AND empty.currency = sales.currency
        AND sales.day > empty.as_of - 90
        AND sales.day <= empty.as_of
    GROUP BY ALL
),
listed AS (
    SELECT marketplace_id, sku, ARG_MAX(price, day) AS price
    FROM staging.listings
    WHERE price IS NOT NULL AND sku IN (SELECT sku FROM empty)
    GROUP BY ALL
),
priced AS (
    SELECT
        empty.marketplace_id,
        empty.sku,
        CAST(ROUND(COALESCE(sold.price, listed.price), COALESCE(currencies.minor_digits, 2)) AS DECIMAL(18, 4)) AS price,
        COALESCE(currencies.minor_digits, 2) AS minor_digits
    FROM empty
    LEFT JOIN sold USING (marketplace_id, sku)
    LEFT JOIN listed USING (marketplace_id, sku)
    LEFT JOIN staging.currencies AS currencies ON empty.currency = currencies.currency
)
SELECT
    empty.marketplace_id,
    empty.sku,
    empty.as_of,
    empty.asin,
    empty.fulfillable_units = 0 AS is_out_of_stock,
    empty.out_of_stock_days_90d AS out_of_stock_days,
    empty.velocity_90d AS velocity,
    empty.velocity_90d * empty.out_of_stock_days_90d AS lost_units,
    empty.currency,
    priced.price,
    CAST(
        ROUND(empty.velocity_90d * empty.out_of_stock_days_90d * CAST(priced.price AS DOUBLE), priced.minor_digits)
        AS DECIMAL(18, 4)
    ) AS lost_sales
FROM empty
INNER JOIN priced USING (marketplace_id, sku)
ORDER BY empty.marketplace_id, empty.sku
