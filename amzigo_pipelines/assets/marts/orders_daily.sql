-- What was ordered, cancelled and replaced on a day in a marketplace, by currency: the base of `sales_daily`.
--
-- Counted by the rules that `sales_daily` explains; it has rows only for days with orders. Here so that a day with changed
-- orders is counted anew, and not the year.
--
-- @grain day, marketplace_id, currency
-- @reads order_items, orders, staging.marketplace_facts
-- @upsert day
-- @affected SELECT ordered_on FROM changed.order_items UNION SELECT ordered_on FROM changed.orders
-- @slice order_items: ordered_on
-- @slice orders: ordered_on
-- @column day: Day of the order in the marketplace's own time zone.
-- @column marketplace_id: Marketplace in which the orders were placed; 'unknown' where Amazon does not say.
-- @column currency: ISO 4217 currency of the amounts.
-- @column ordered_product_sales: Ordered product sales: unit price x units, without tax and shipping.
-- @column orders: Orders with at least one priced item that is not cancelled.
-- @column order_items: Items (lines) of those orders that are sold.
-- @column units: Units sold.
-- @column pending_orders: Orders that have items without a price yet.
-- @column pending_units: Units of those items.
-- @column pending_sales_estimated: Estimated revenue of those items: listing price x units.
-- @column pending_units_unestimated: Pending units whose listing is not known.
-- @column business_orders: Orders by Amazon Business customers among orders.
-- @column cancelled_orders: Orders cancelled as a whole.
-- @column replacement_orders: Orders sent free of charge for earlier ones.
-- @column cancelled_after_a_week: Product sales of what was cancelled more than 7 local days after the day of the order.
-- @column cancelled_after_a_month: Product sales of what was cancelled more than 30 UTC days after it.
WITH sold_orders AS (
    SELECT
        order_id,
        ordered_on AS day,
        COALESCE(marketplace_id, 'unknown') AS marketplace_id,
        currency,
        BOOL_OR(is_business) AS is_business,
        SUM(product_sales) FILTER (WHERE sales_class = 'sale') AS product_sales,
        COUNT(*) FILTER (WHERE sales_class = 'sale') AS order_items,
        SUM(units_ordered) FILTER (WHERE sales_class = 'sale') AS units,
        COUNT(*) FILTER (WHERE sales_class = 'pending') AS pending_items,
        SUM(units_ordered) FILTER (WHERE sales_class = 'pending') AS pending_units,
        SUM(estimated_sales) AS pending_sales_estimated,
        SUM(units_ordered) FILTER (WHERE sales_class = 'pending' AND estimated_sales IS NULL) AS pending_units_unestimated
    FROM order_items
    WHERE sales_class IN ('sale', 'pending')
    GROUP BY ALL
),
sales AS (
    SELECT
        day,
        marketplace_id,
        currency,
        SUM(product_sales) AS product_sales,
        COUNT(*) FILTER (WHERE order_items > 0) AS orders,
        SUM(order_items) AS order_items,
        SUM(units) AS units,
        COUNT(*) FILTER (WHERE pending_items > 0) AS pending_orders,
        SUM(pending_units) AS pending_units,
        SUM(pending_sales_estimated) AS pending_sales_estimated,
        SUM(pending_units_unestimated) AS pending_units_unestimated,
        COUNT(*) FILTER (WHERE is_business AND order_items > 0) AS business_orders
    FROM sold_orders
    GROUP BY ALL
),
not_sold AS (
    SELECT
        ordered_on AS day,
        COALESCE(marketplace_id, 'unknown') AS marketplace_id,
        currency,
        COUNT(*) FILTER (WHERE is_cancelled AND NOT is_replacement) AS cancelled_orders,
        COUNT(*) FILTER (WHERE is_replacement AND NOT is_cancelled) AS replacement_orders
    FROM orders
    WHERE (is_cancelled OR is_replacement) AND sales_channel IS DISTINCT FROM 'NON_AMAZON'
    GROUP BY ALL
),
cancelled AS (
    SELECT
        items.ordered_on AS day,
        COALESCE(items.marketplace_id, 'unknown') AS marketplace_id,
        items.currency,
        SUM(items.product_sales) FILTER (
            WHERE CAST(orders.updated_at AT TIME ZONE COALESCE(facts.time_zone, 'UTC') AS DATE) > items.ordered_on + 7
        ) AS after_a_week,
        SUM(items.product_sales) FILTER (
            WHERE CAST(MAKE_TIMESTAMP(EPOCH_US(orders.updated_at)) AS DATE) > items.ordered_on + 30
        ) AS after_a_month
    FROM order_items AS items
    INNER JOIN orders USING (order_id)
    LEFT JOIN staging.marketplace_facts AS facts ON items.marketplace_id = facts.marketplace_id
    -- In UTC first: a look at a time zone costs a hundred times more, and no day is further than one from UTC's.
    WHERE items.sales_class = 'cancelled'
        AND CAST(MAKE_TIMESTAMP(EPOCH_US(orders.updated_at)) AS DATE) > items.ordered_on + 6
    GROUP BY ALL
),
keys AS (
    SELECT day, marketplace_id, currency FROM sales
    UNION
    SELECT day, marketplace_id, currency FROM not_sold
    UNION
    SELECT day, marketplace_id, currency FROM cancelled
)
SELECT
    day,
    marketplace_id,
    currency,
    CAST(COALESCE(sales.product_sales, 0) AS DECIMAL(18, 4)) AS ordered_product_sales,
    COALESCE(sales.orders, 0) AS orders,
    CAST(COALESCE(sales.order_items, 0) AS BIGINT) AS order_items,
    CAST(COALESCE(sales.units, 0) AS BIGINT) AS units,
    COALESCE(sales.pending_orders, 0) AS pending_orders,
    CAST(COALESCE(sales.pending_units, 0) AS BIGINT) AS pending_units,
    CAST(COALESCE(sales.pending_sales_estimated, 0) AS DECIMAL(18, 4)) AS pending_sales_estimated,
    CAST(COALESCE(sales.pending_units_unestimated, 0) AS BIGINT) AS pending_units_unestimated,
    COALESCE(sales.business_orders, 0) AS business_orders,
    COALESCE(not_sold.cancelled_orders, 0) AS cancelled_orders,
    COALESCE(not_sold.replacement_orders, 0) AS replacement_orders,
    CAST(COALESCE(cancelled.after_a_week, 0) AS DECIMAL(18, 4)) AS cancelled_after_a_week,
    CAST(COALESCE(cancelled.after_a_month, 0) AS DECIMAL(18, 4)) AS cancelled_after_a_month
FROM keys
LEFT JOIN sales USING (day, marketplace_id, currency)
LEFT JOIN not_sold USING (day, marketplace_id, currency)
LEFT JOIN cancelled USING (day, marketplace_id, currency)
