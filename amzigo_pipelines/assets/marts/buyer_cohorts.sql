-- Buyers of a first month, and how many of them ordered again so many months later, in a marketplace.
--
-- Only orders with a buyer_key (see `buyers`). A cell of fewer than 5 buyers could point at a person: its numbers are
-- null and is_hidden is true; so are all cells of a first month with fewer than 5 buyers. Months in which nobody of a
-- first month ordered have no row.
--
-- @grain marketplace_id, first_month, months_later
-- @reads buyers, orders
-- @column marketplace_id: Marketplace.
-- @column first_month: First day of the month of the buyers' first order in the data.
-- @column months_later: Months since then; 0 is the first month itself.
-- @column buyers: Buyers of the first month; null if hidden.
-- @column active_buyers: Of them, those who ordered in that later month; null if hidden.
-- @column retention: active_buyers / buyers; null if hidden.
-- @column orders: Their orders in that later month; null if hidden.
-- @column is_hidden: Whether the numbers are hidden because fewer than 5 buyers are behind them.
-- @column coverage: Share of the first month's orders that have a buyer_key; the others are in no number here.
WITH purchases AS (
    SELECT
        COALESCE(marketplace_id, 'unknown') AS marketplace_id,
        CAST(DATE_TRUNC('month', ordered_on) AS DATE) AS month,
        buyer_key
    FROM orders
    WHERE NOT is_cancelled AND NOT is_replacement AND sales_channel IS DISTINCT FROM 'NON_AMAZON'
),
coverage AS (
    SELECT marketplace_id, month, COUNT(buyer_key) / COUNT(*) AS coverage
    FROM purchases
    GROUP BY ALL
),
members AS (
    SELECT marketplace_id, buyer_key, CAST(DATE_TRUNC('month', first_ordered_on) AS DATE) AS first_month
    FROM buyers
),
sizes AS (
    SELECT marketplace_id, first_month, COUNT(*) AS buyers
    FROM members
    GROUP BY ALL
),
activity AS (
    SELECT
        members.marketplace_id,
        members.first_month,
        DATE_DIFF('month', members.first_month, purchases.month) AS months_later,
        COUNT(DISTINCT members.buyer_key) AS active_buyers,
        COUNT(*) AS orders
    FROM members
    INNER JOIN purchases USING (marketplace_id, buyer_key)
    GROUP BY ALL
),
judged AS (
    SELECT
        activity.marketplace_id,
        activity.first_month,
        activity.months_later,
        sizes.buyers,
        activity.active_buyers,
        activity.orders,
        activity.active_buyers < 5 AS is_hidden
    FROM activity
    INNER JOIN sizes USING (marketplace_id, first_month)
)
SELECT
    judged.marketplace_id,
    judged.first_month,
    judged.months_later,
    CASE WHEN judged.buyers >= 5 THEN judged.buyers END AS buyers,
    CASE WHEN NOT judged.is_hidden THEN judged.active_buyers END AS active_buyers,
    CASE WHEN NOT judged.is_hidden THEN judged.active_buyers / judged.buyers END AS retention,
    CASE WHEN NOT judged.is_hidden THEN judged.orders END AS orders,
    judged.is_hidden,
    coverage.coverage
FROM judged
LEFT JOIN coverage ON judged.marketplace_id = coverage.marketplace_id AND judged.first_month = coverage.month
ORDER BY judged.marketplace_id, judged.first_month, judged.months_later
