-- Our sales of a day against what Amazon itself adds up, twice: its Sales API and its analytics (sales and traffic).
--
-- Amazon counts pending orders with their price, which nobody else is shown: part of a difference is what they are
-- estimated at. The Sales API takes off what is cancelled, as long as the day is looked back to (30 days); the analytics do so
-- for a week. What is cancelled later stays in Amazon's sum and not in ours. A day counts as settled once two more days
-- of orders were extracted; before, Amazon and the orders are of different hours and differ by what was restated since.
--
-- @grain day, marketplace_id, currency
-- @reads orders_daily, sales_daily, staging.loaded_partitions, staging.sales_and_traffic_daily, staging.sales_metrics
-- @without sales_metrics: metrics_sales, metrics_units, metrics_orders, metrics_difference, metrics_cancelled_later,
--   metrics_unexplained: the Sales API has not been extracted (role Inventory and Order Tracking)
-- @without sales_and_traffic_daily: analytics_sales, analytics_units, analytics_difference, analytics_cancelled_later,
--   analytics_unexplained: no sales and traffic have been extracted (role Brand Analytics)
-- @column day: Day of the orders in the marketplace's own time zone.
-- @column marketplace_id: Marketplace.
-- @column currency: ISO 4217 currency of the amounts.
-- @column is_settled: Whether two more days of orders were extracted, so that the figures are of the same hour.
-- @column sales: Ordered product sales, from sales_daily.
-- @column units: Units sold, from sales_daily.
-- @column pending_sales_estimated: What pending orders are estimated at: Amazon counts them, we do not.
-- @column pending_units: Their units.
-- @column metrics_sales: Ordered product sales by the Sales API; null if the day was not extracted.
-- @column metrics_units: Units by the Sales API.
-- @column metrics_orders: Orders by the Sales API.
-- @column metrics_difference: metrics_sales - sales.
-- @column metrics_cancelled_later: Part of it: cancelled more than 30 days after the day.
-- @column metrics_unexplained: What is left of it without that and pending_sales_estimated.
-- @column metrics_explanation: The same in words; 'equal' where there is no difference.
-- @column analytics_sales: Ordered product sales by Amazon's analytics; null if the day was not extracted.
-- @column analytics_units: Units by Amazon's analytics.
-- @column analytics_difference: analytics_sales - sales.
-- @column analytics_cancelled_later: Part of it: cancelled more than a week after the day.
-- @column analytics_unexplained: What is left of it without that and pending_sales_estimated.
-- @column analytics_explanation: The same in words; 'equal' where there is no difference.
WITH metrics AS (
    SELECT ordered_on AS day, marketplace_id, COALESCE(currency, 'XXX') AS currency, sales, units, orders
    FROM staging.sales_metrics
),
analytics AS (
    SELECT
        happened_on AS day,
        marketplace_id,
        COALESCE(currency, 'XXX') AS currency,
        ordered_product_sales AS sales,
        units_ordered AS units
    FROM staging.sales_and_traffic_daily
),
keys AS (
    SELECT day, marketplace_id, currency FROM sales_daily
    UNION
    SELECT day, marketplace_id, currency FROM metrics WHERE sales <> 0
    UNION
    SELECT day, marketplace_id, currency FROM analytics WHERE sales <> 0
),
compared AS (
    SELECT
        keys.day,
        keys.marketplace_id,
        keys.currency,
        COALESCE(
            keys.day + 2 <= (SELECT MAX(day) FROM staging.loaded_partitions WHERE dataset = 'orders'), FALSE
        ) AS is_settled,
        CAST(COALESCE(sales_daily.ordered_product_sales, 0) AS DECIMAL(18, 4)) AS sales,
        COALESCE(sales_daily.units, 0) AS units,
        CAST(COALESCE(sales_daily.pending_sales_estimated, 0) AS DECIMAL(18, 4)) AS pending_sales_estimated,
        COALESCE(sales_daily.pending_units, 0) AS pending_units,
        metrics.sales AS metrics_sales,
        metrics.units AS metrics_units,
        metrics.orders AS metrics_orders,
        analytics.sales AS analytics_sales,
        analytics.units AS analytics_units,
        -- Looked back to for the last time by the night's run after 30 UTC days.
        CASE
            WHEN metrics.sales IS NOT NULL THEN CAST(COALESCE(ordered.cancelled_after_a_month, 0) AS DECIMAL(18, 4))
        END AS metrics_cancelled_later,
        CASE
            WHEN analytics.sales IS NOT NULL THEN CAST(COALESCE(ordered.cancelled_after_a_week, 0) AS DECIMAL(18, 4))
        END AS analytics_cancelled_later
    FROM keys
    LEFT JOIN sales_daily
        ON keys.day = sales_daily.day
        AND keys.marketplace_id = sales_daily.marketplace_id
        AND keys.currency = sales_daily.currency
    LEFT JOIN metrics
        ON keys.day = metrics.day
        AND keys.marketplace_id = metrics.marketplace_id
        AND keys.currency = metrics.currency
    LEFT JOIN analytics
        ON keys.day = analytics.day
        AND keys.marketplace_id = analytics.marketplace_id
        AND keys.currency = analytics.currency
    LEFT JOIN orders_daily AS ordered
        ON keys.day = ordered.day
        AND keys.marketplace_id = ordered.marketplace_id
        AND keys.currency = ordered.currency
),
judged AS (
    SELECT
        *,
        CAST(metrics_sales - sales AS DECIMAL(18, 4)) AS metrics_difference,
        CAST(metrics_sales - sales - pending_sales_estimated - metrics_cancelled_later AS DECIMAL(18, 4))
            AS metrics_unexplained,
        CAST(analytics_sales - sales AS DECIMAL(18, 4)) AS analytics_difference,
        CAST(analytics_sales - sales - pending_sales_estimated - analytics_cancelled_later AS DECIMAL(18, 4))
            AS analytics_unexplained
    FROM compared
)
SELECT
    day,
    marketplace_id,
    currency,
    is_settled,
    sales,
    units,
    pending_sales_estimated,
    pending_units,
    metrics_sales,
    metrics_units,
    metrics_orders,
    metrics_difference,
    metrics_cancelled_later,
    metrics_unexplained,
    CASE
        WHEN metrics_sales IS NULL THEN 'not extracted'
        WHEN metrics_difference = 0 AND metrics_unexplained = 0 THEN 'equal'
        ELSE CONCAT_WS(
            '; ',
            CASE WHEN pending_sales_estimated <> 0 THEN 'pending: ' || pending_sales_estimated END,
            CASE WHEN metrics_cancelled_later <> 0 THEN 'cancelled later: ' || metrics_cancelled_later END,
            CASE
                WHEN metrics_unexplained = 0 THEN NULL
                WHEN NOT is_settled THEN 'restated since: ' || metrics_unexplained
                WHEN pending_units > 0 THEN 'pending at another price than listed: ' || metrics_unexplained
                ELSE 'unexplained: ' || metrics_unexplained
            END
        )
    END AS metrics_explanation,
    analytics_sales,
    analytics_units,
    analytics_difference,
    analytics_cancelled_later,
    analytics_unexplained,
    CASE
        WHEN analytics_sales IS NULL THEN 'not extracted'
        WHEN analytics_difference = 0 AND analytics_unexplained = 0 THEN 'equal'
        ELSE CONCAT_WS(
            '; ',
            CASE WHEN pending_sales_estimated <> 0 THEN 'pending: ' || pending_sales_estimated END,
            CASE WHEN analytics_cancelled_later <> 0 THEN 'cancelled later: ' || analytics_cancelled_later END,
            CASE
                WHEN analytics_unexplained = 0 THEN NULL
                WHEN NOT is_settled THEN 'restated since: ' || analytics_unexplained
                WHEN pending_units > 0 THEN 'pending at another price than listed: ' || analytics_unexplained
                ELSE 'unexplained: ' || analytics_unexplained
            END
        )
    END AS analytics_explanation
FROM judged
ORDER BY day, marketplace_id, currency
