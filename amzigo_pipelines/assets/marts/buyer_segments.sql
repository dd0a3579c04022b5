-- Buyers by segment in a marketplace: how many, how often they order and for how much.
--
-- Segments are those of `buyers`, by recency and frequency. Only orders with a buyer_key count; coverage says how many
-- that is. A segment of fewer than 5 buyers could point at a person: its numbers are null and is_hidden is true.
--
-- @grain marketplace_id, currency, segment
-- @reads buyers, orders
-- @column marketplace_id: Marketplace.
-- @column currency: ISO 4217 currency of the amounts.
-- @column segment: new, one-time, repeat, loyal, at risk or lost.
-- @column buyers: Buyers with orders in the currency; null if hidden.
-- @column orders: Their orders in the currency; null if hidden.
-- @column item_amount: What the items of these orders cost, without tax and shipping; null if hidden.
-- @column average_order_value: item_amount / orders; null if hidden.
-- @column recency_days_average: Days since the last order, on average; null if hidden.
-- @column repeat_rate: Share of the marketplace's buyers who ordered more than once; null if they are fewer than 5.
-- @column is_hidden: Whether the numbers are hidden because fewer than 5 buyers are behind them.
-- @column coverage: Share of the marketplace's orders that have a buyer_key; the others are in no number here.
WITH purchases AS (
    SELECT COALESCE(marketplace_id, 'unknown') AS marketplace_id, currency, buyer_key, item_amount
    FROM orders
    WHERE NOT is_cancelled AND NOT is_replacement AND sales_channel IS DISTINCT FROM 'NON_AMAZON'
),
coverage AS (
    SELECT marketplace_id, COUNT(buyer_key) / COUNT(*) AS coverage
    FROM purchases
    GROUP BY marketplace_id
),
loyalty AS (
    SELECT
        marketplace_id,
        CASE WHEN COUNT(*) >= 5 THEN COUNT(*) FILTER (WHERE orders > 1) / COUNT(*) END AS repeat_rate
    FROM buyers
    GROUP BY marketplace_id
),
by_buyer AS (
    SELECT marketplace_id, currency, buyer_key, COUNT(*) AS orders, SUM(item_amount) AS item_amount
    FROM purchases
    WHERE buyer_key IS NOT NULL
    GROUP BY ALL
),
totals AS (
    SELECT
        by_buyer.marketplace_id,
        by_buyer.currency,
        buyers.segment,
        COUNT(*) AS buyers,
        SUM(by_buyer.orders) AS orders,
        SUM(by_buyer.item_amount) AS item_amount,
        SUM(buyers.recency_days) / COUNT(*) AS recency_days_average,
        COUNT(*) < 5 AS is_hidden
    FROM by_buyer
    INNER JOIN buyers USING (marketplace_id, buyer_key)
    GROUP BY ALL
)
SELECT
    totals.marketplace_id,
    totals.currency,
    totals.segment,
    CASE WHEN NOT totals.is_hidden THEN totals.buyers END AS buyers,
    CASE WHEN NOT totals.is_hidden THEN CAST(totals.orders AS BIGINT) END AS orders,
    CASE WHEN NOT totals.is_hidden THEN CAST(totals.item_amount AS DECIMAL(18, 4)) END AS item_amount,
    CASE WHEN NOT totals.is_hidden THEN CAST(ROUND(totals.item_amount / totals.orders, 4) AS DECIMAL(18, 4)) END
        AS average_order_value,
    CASE WHEN NOT totals.is_hidden THEN totals.recency_days_average END AS recency_days_average,
    loyalty.repeat_rate,
    totals.is_hidden,
    coverage.coverage
FROM totals
INNER JOIN coverage USING (marketplace_id)
INNER JOIN loyalty USING (marketplace_id)
ORDER BY totals.marketplace_id, totals.currency, totals.segment
