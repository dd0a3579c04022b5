-- Sales of a day in a marketplace, by currency.
--
-- Ordered product sales are unit price x units, without tax and shipping, by the day of the order in the marketplace's
-- own time zone. Cancelled orders are out of them. Pending orders have no price yet: they are counted apart, with revenue
-- estimated from listing prices. Replacements free of charge and orders from outside Amazon are out as well. There is a
-- row for every day between the first and the last one with orders, returns or refunds, also without any. Currencies are never added up.
-- Refunds are what Amazon booked as given back for goods, by the day of the refund, whenever they were ordered
-- (`returns_by_sku` has both views). On days of which no transactions were extracted, net sales and the refund rate rest on
-- the units that came back, at what these had sold for; refund_basis says which of the two it is.
--
-- @grain day, marketplace_id, currency
-- @reads account_daily, orders_daily, returns, staging.currencies, staging.loaded_partitions, staging.marketplace_facts
-- @without transaction_breakdowns: refunded_units, refunded_sales: no transactions have been extracted (role Finance and
--   Accounting), so net_sales and refund_rate rest on returns
-- @one_of refund_basis: transactions, returns
-- @column day: Day of the order in the marketplace's own time zone.
-- @column marketplace_id: Marketplace in which the orders were placed.
-- @column marketplace: Country of the marketplace, ISO 3166-1 alpha-2; its identifier if it is unknown.
-- @column currency: ISO 4217 currency of the amounts.
-- @column ordered_product_sales: Ordered product sales: unit price x units, without tax and shipping.
-- @column orders: Orders with at least one priced item that is not cancelled.
-- @column order_items: Items (lines) of those orders that are sold.
-- @column units: Units sold.
-- @column average_selling_price: Ordered product sales / units, in whole minor units of the currency; null without units.
-- @column average_order_value: Ordered product sales / orders, in whole minor units of the currency; null without orders.
-- @column units_per_order: Units / orders; null without orders.
-- @column pending_orders: Orders that have items without a price yet.
-- @column pending_units: Units of those items.
-- @column pending_sales_estimated: Estimated revenue of those items: listing price x units. Not part of ordered_product_sales.
-- @column has_estimate: Whether pending_sales_estimated is more than nothing.
-- @column pending_units_unestimated: Pending units whose listing is not known, so that the estimate lacks them.
-- @column cancelled_orders: Orders cancelled as a whole.
-- @column cancelled_rate: Cancelled orders / (orders + pending orders + cancelled orders); null without any.
-- @column business_orders: Orders by Amazon Business customers among orders.
-- @column business_order_share: Business orders / orders; null without orders.
-- @column replacement_orders: Orders sent free of charge for earlier ones; in no other number here.
-- @column returned_units: Units that came back on the day, whenever they were ordered.
-- @column returned_sales: What they had sold for, without tax and shipping.
-- @column refunded_units: Units refunded on the day; null where no transactions of the day were extracted.
-- @column refunded_sales: What buyers got back for goods, without tax and shipping; null likewise.
-- @column refund_basis: 'transactions' where refunds are what Amazon booked, 'returns' where they are what came back.
-- @column net_sales: ordered_product_sales - refunded_sales; on the basis of returns - returned_sales.
-- @column refund_rate: refunded_units / units; on the basis of returns returned_units / units; null without units.
-- @column ordered_product_sales_week_before: Ordered product sales 7 days before; null before the first day of the data.
-- @column week_on_week: Change against 7 days before, as a share of it (0.1 = 10 % more); null if there was nothing.
-- @column ordered_product_sales_year_before: Ordered product sales 364 days before: the same weekday a year ago.
-- @column year_on_year: Change against 364 days before, as a share of it; null if there was nothing.
WITH back AS (
    SELECT
        returned_on AS day,
        marketplace_id,
        currency,
        SUM(units) AS units,
        SUM(returned_sales) AS sales
    FROM returns
    GROUP BY ALL
),
refunds AS (
    SELECT
        day,
        marketplace_id,
        currency,
        -SUM(units) AS units,
        COALESCE(-SUM(amount) FILTER (WHERE amount_class = 'product'), 0) AS sales
    FROM account_daily
    WHERE transaction_type = 'Refund' AND marketplace_id <> '(account)'
    GROUP BY ALL
),
extracted AS (
    SELECT DISTINCT day
    FROM staging.loaded_partitions
    WHERE dataset = 'transaction_breakdowns'
),
spans AS (
    SELECT marketplace_id, currency, MIN(day) AS first_day, MAX(day) AS last_day
    FROM (
        SELECT day, marketplace_id, currency FROM orders_daily
        UNION ALL
        SELECT day, marketplace_id, currency FROM back
        UNION ALL
        SELECT day, marketplace_id, currency FROM refunds
    )
    GROUP BY ALL
),
days AS (
    SELECT
        marketplace_id,
        currency,
        CAST(UNNEST(GENERATE_SERIES(CAST(first_day AS TIMESTAMP), last_day, INTERVAL 1 DAY)) AS DATE) AS day
    FROM spans
),
totals AS (
    SELECT
        days.day,
        days.marketplace_id,
        days.currency,
        COALESCE(ordered.ordered_product_sales, 0) AS product_sales,
        COALESCE(ordered.orders, 0) AS orders,
        COALESCE(ordered.order_items, 0) AS order_items,
        COALESCE(ordered.units, 0) AS units,
        COALESCE(ordered.pending_orders, 0) AS pending_orders,
        COALESCE(ordered.pending_units, 0) AS pending_units,
        COALESCE(ordered.pending_sales_estimated, 0) AS pending_sales_estimated,
        COALESCE(ordered.pending_units_unestimated, 0) AS pending_units_unestimated,
        COALESCE(ordered.cancelled_orders, 0) AS cancelled_orders,
        COALESCE(ordered.business_orders, 0) AS business_orders,
        COALESCE(ordered.replacement_orders, 0) AS replacement_orders,
        CAST(COALESCE(back.units, 0) AS BIGINT) AS returned_units,
        CAST(COALESCE(back.sales, 0) AS DECIMAL(18, 4)) AS returned_sales,
        CASE WHEN extracted.day IS NOT NULL THEN CAST(COALESCE(refunds.units, 0) AS BIGINT) END AS refunded_units,
        CASE WHEN extracted.day IS NOT NULL THEN CAST(COALESCE(refunds.sales, 0) AS DECIMAL(18, 4)) END AS refunded_sales
    FROM days
    LEFT JOIN orders_daily AS ordered USING (day, marketplace_id, currency)
    LEFT JOIN back USING (day, marketplace_id, currency)
    LEFT JOIN refunds USING (day, marketplace_id, currency)
    LEFT JOIN extracted USING (day)
)
SELECT
    totals.day,
    totals.marketplace_id,
    COALESCE(marketplaces.country, totals.marketplace_id) AS marketplace,
    totals.currency,
    totals.product_sales AS ordered_product_sales,
    totals.orders,
    totals.order_items,
    totals.units,
    CAST(ROUND(totals.product_sales / NULLIF(totals.units, 0), COALESCE(currencies.minor_digits, 2)) AS DECIMAL(18, 4))
        AS average_selling_price,
    CAST(ROUND(totals.product_sales / NULLIF(totals.orders, 0), COALESCE(currencies.minor_digits, 2)) AS DECIMAL(18, 4))
        AS average_order_value,
    totals.units / NULLIF(totals.orders, 0) AS units_per_order,
    totals.pending_orders,
    totals.pending_units,
    totals.pending_sales_estimated,
    totals.pending_sales_estimated > 0 AS has_estimate,
    totals.pending_units_unestimated,
    totals.cancelled_orders,
    totals.cancelled_orders / NULLIF(totals.orders + totals.pending_orders + totals.cancelled_orders, 0)
        AS cancelled_rate,
    totals.business_orders,
    totals.business_orders / NULLIF(totals.orders, 0) AS business_order_share,
    totals.replacement_orders,
    totals.returned_units,
    totals.returned_sales,
    totals.refunded_units,
    totals.refunded_sales,
    CASE WHEN totals.refunded_sales IS NOT NULL THEN 'transactions' ELSE 'returns' END AS refund_basis,
    totals.product_sales - COALESCE(totals.refunded_sales, totals.returned_sales) AS net_sales,
    COALESCE(totals.refunded_units, totals.returned_units) / NULLIF(totals.units, 0) AS refund_rate,
    week_before.product_sales AS ordered_product_sales_week_before,
    (totals.product_sales - week_before.product_sales) / NULLIF(week_before.product_sales, 0) AS week_on_week,
    year_before.product_sales AS ordered_product_sales_year_before,
    (totals.product_sales - year_before.product_sales) / NULLIF(year_before.product_sales, 0) AS year_on_year
FROM totals
LEFT JOIN staging.currencies AS currencies USING (currency)
LEFT JOIN staging.marketplace_facts AS marketplaces ON totals.marketplace_id = marketplaces.marketplace_id
LEFT JOIN totals AS week_before
    ON totals.marketplace_id = week_before.marketplace_id
    AND totals.currency = week_before.currency
    AND totals.day = week_before.day + 7
LEFT JOIN totals AS year_before
    ON totals.marketplace_id = year_before.marketplace_id
    AND totals.currency = year_before.currency
    AND totals.day = year_before.day + 364
ORDER BY totals.day, totals.marketplace_id, totals.currency
