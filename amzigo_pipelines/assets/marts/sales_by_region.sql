-- Sales of a month by place of delivery, in a marketplace, by currency; small places are folded together.
--
-- The same rules as `sales_daily`, which it adds up to over a month in sales and units. A state with fewer than 5 orders
-- in a month could point at a person: it is folded into 'other', and so is the next smallest one if 'other' would still
-- have fewer than 5. A month with fewer than 5 orders in all is one row.
--
-- @grain month, marketplace_id, currency, country, state
-- @reads order_items, orders
-- @upsert month
-- @affected SELECT CAST(DATE_TRUNC('month', ordered_on) AS DATE) FROM changed.order_items
--   UNION SELECT CAST(DATE_TRUNC('month', ordered_on) AS DATE) FROM changed.orders
-- @slice order_items: CAST(DATE_TRUNC('month', ordered_on) AS DATE)
-- @slice orders: CAST(DATE_TRUNC('month', ordered_on) AS DATE)
-- @column month: First day of the month of the order, in the marketplace's own time zone.
-- @column marketplace_id: Marketplace in which the orders were placed.
-- @column currency: ISO 4217 currency of the amounts.
-- @column country: Country of delivery, ISO 3166-1 alpha-2; 'unknown' where Amazon tells none; 'other' for small places.
-- @column state: State or region of delivery; 'unknown' where Amazon tells none; 'other' for small places.
-- @column ordered_product_sales: Ordered product sales: unit price x units, without tax and shipping.
-- @column orders: Orders.
-- @column units: Units sold.
-- @column folded_places: How many places are in this row; 1 but for 'other'.
WITH sold AS (
    SELECT order_id, currency, SUM(product_sales) AS product_sales, SUM(units_ordered) AS units
    FROM order_items
    WHERE sales_class = 'sale'
    GROUP BY ALL
),
places AS (
    SELECT
        CAST(DATE_TRUNC('month', orders.ordered_on) AS DATE) AS month,
        COALESCE(orders.marketplace_id, 'unknown') AS marketplace_id,
        sold.currency,
        COALESCE(orders.ship_country, 'unknown') AS country,
        COALESCE(UPPER(TRIM(orders.ship_state)), 'unknown') AS state,
        SUM(sold.product_sales) AS product_sales,
        COUNT(*) AS orders,
        SUM(sold.units) AS units
    FROM sold
    INNER JOIN orders USING (order_id)
    GROUP BY ALL
),
ranked AS (
    SELECT
        month, marketplace_id, currency, country, state, product_sales, orders, units,
        ROW_NUMBER() OVER (PARTITION BY month, marketplace_id, currency ORDER BY orders, country, state) AS size_rank
    FROM places
),
small AS (
    SELECT
        month,
        marketplace_id,
        currency,
        COUNT(*) AS places,
        SUM(orders) AS orders
    FROM ranked
    WHERE orders < 5
    GROUP BY ALL
),
folded AS (
    SELECT
        ranked.month,
        ranked.marketplace_id,
        ranked.currency,
        ranked.product_sales,
        ranked.orders,
        ranked.units,
        ranked.country,
        ranked.state,
        COALESCE(
            ranked.size_rank <= small.places + CASE WHEN small.orders < 5 THEN 1 ELSE 0 END, FALSE
        ) AS is_folded
    FROM ranked
    LEFT JOIN small USING (month, marketplace_id, currency)
)
SELECT
    month,
    marketplace_id,
    currency,
    CASE WHEN is_folded THEN 'other' ELSE country END AS country,
    CASE WHEN is_folded THEN 'other' ELSE state END AS state,
    CAST(SUM(product_sales) AS DECIMAL(18, 4)) AS ordered_product_sales,
    CAST(SUM(orders) AS BIGINT) AS orders,
    CAST(SUM(units) AS BIGINT) AS units,
    COUNT(*) AS folded_places
FROM folded
GROUP BY ALL
ORDER BY ALL
