-- How many customers of a product bought it again, week by week, as Amazon's Brand Analytics count them.
--
-- Amazon counts customers and names none, so this stands beside buyer_cohorts and buyer_segments, which know only the
-- buyers whose address Amazon gives. Brand owners only. Returns are not taken off.
--
-- @grain marketplace_id, asin, week_ends_on
-- @reads staging.repeat_purchase
-- @without repeat_purchase: customers: no report of repeat purchases has been extracted (role Brand Analytics, brand owners
--   only), so the mart is empty
-- @column marketplace_id: Marketplace that was asked.
-- @column asin: Amazon Standard Identification Number of the product.
-- @column week_ends_on: Last day of the week, a Saturday, in the marketplace.
-- @column week_starts_on: First day of the week, a Sunday.
-- @column currency: ISO 4217 currency of the amounts.
-- @column orders: Orders that contain the product.
-- @column customers: Different customers who ordered it.
-- @column orders_per_customer: orders / customers; null without customers.
-- @column repeat_customers: Customers that had bought it before: share x customers, in whole customers.
-- @column repeat_customer_share: Share of the customers that had bought it before.
-- @column repeat_revenue: Ordered revenue from repeat customers.
-- @column repeat_revenue_share: Share of that revenue in the product's whole revenue.
-- @column repeat_customer_share_week_before: repeat_customer_share a week before; null without one.
SELECT
    weeks.marketplace_id,
    weeks.asin,
    weeks.week_ends_on,
    weeks.week_starts_on,
    weeks.currency,
    weeks.orders,
    weeks.customers,
    weeks.orders / NULLIF(weeks.customers, 0) AS orders_per_customer,
    CAST(ROUND(weeks.repeat_customer_share * weeks.customers) AS BIGINT) AS repeat_customers,
    weeks.repeat_customer_share,
    weeks.repeat_revenue,
    weeks.repeat_revenue_share,
    before.repeat_customer_share AS repeat_customer_share_week_before
FROM staging.repeat_purchase AS weeks
LEFT JOIN staging.repeat_purchase AS before
    ON weeks.marketplace_id = before.marketplace_id
    AND weeks.asin = before.asin
    AND before.week_ends_on = weeks.week_ends_on - 7
ORDER BY weeks.marketplace_id, weeks.asin, weeks.week_ends_on
