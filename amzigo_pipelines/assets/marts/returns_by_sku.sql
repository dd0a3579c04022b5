-- Returns of a SKU in a month and marketplace, seen both ways: of the orders of that month, and in that month.
--
-- By order cohort: units of orders placed in the month that came back at any time since; it grows for months, and is the
-- one to judge a product by. By return date: units that came back in the month, whenever they were ordered; it never
-- changes once the month is over, and is the one to compare with payments. Units ordered are sales and replacements.
--
-- @grain month, marketplace_id, sku
-- @reads order_items, returns
-- @upsert month
-- @affected SELECT CAST(DATE_TRUNC('month', ordered_on) AS DATE) FROM changed.order_items
--   UNION SELECT CAST(DATE_TRUNC('month', ordered_on) AS DATE) FROM changed.returns
--   UNION SELECT CAST(DATE_TRUNC('month', returned_on) AS DATE) FROM changed.returns
-- @slice order_items: CAST(DATE_TRUNC('month', ordered_on) AS DATE)
-- @column month: First day of the month, in the marketplace's own time zone.
-- @column marketplace_id: Marketplace.
-- @column sku: The seller's own identifier of the listing.
-- @column units_ordered: Units ordered in the month: sales and replacements, without cancelled ones.
-- @column returned_units_of_orders: Units of these orders that came back, whenever.
-- @column return_rate_by_order: returned_units_of_orders / units_ordered; null without orders.
-- @column returned_units: Units that came back in the month, whenever they were ordered.
-- @column return_rate_by_return_date: returned_units / units_ordered; null without orders.
-- @column sellable_units: Of returned_units, those that Amazon put back on sale.
-- @column sellable_share: sellable_units / units that came back to Amazon in the month; null without any.
-- @column top_reason: The most frequent reason of the month's returns (the first in the alphabet, should two be equal).
-- @column reasons: All reasons of the month's returns with their units, the most frequent first.
WITH ordered AS (
    SELECT
        CAST(DATE_TRUNC('month', ordered_on) AS DATE) AS month,
        COALESCE(marketplace_id, 'unknown') AS marketplace_id,
        COALESCE(sku, '(no SKU)') AS sku,
        SUM(units_ordered) AS units
    FROM order_items
    WHERE sales_class IN ('sale', 'replacement')
    GROUP BY ALL
),
by_order AS (
    SELECT CAST(DATE_TRUNC('month', ordered_on) AS DATE) AS month, marketplace_id, sku, SUM(units) AS units
    FROM returns
    WHERE ordered_on IS NOT NULL
    GROUP BY ALL
),
by_reason AS (
    SELECT
        CAST(DATE_TRUNC('month', returned_on) AS DATE) AS month,
        marketplace_id,
        sku,
        reason,
        SUM(units) AS units,
        SUM(sellable_units) AS sellable_units,
        SUM(units) FILTER (WHERE fulfilled_by = 'AMAZON') AS units_to_amazon
    FROM returns
    GROUP BY ALL
),
by_date AS (
    SELECT
        month,
        marketplace_id,
        sku,
        SUM(units) AS units,
        SUM(sellable_units) AS sellable_units,
        SUM(units_to_amazon) AS units_to_amazon,
        FIRST(reason ORDER BY units DESC, reason) AS top_reason,
        STRING_AGG(reason || ': ' || units, ', ' ORDER BY units DESC, reason) AS reasons
    FROM by_reason
    GROUP BY ALL
)
SELECT
    month,
    marketplace_id,
    sku,
    CAST(COALESCE(ordered.units, 0) AS BIGINT) AS units_ordered,
    CAST(COALESCE(by_order.units, 0) AS BIGINT) AS returned_units_of_orders,
    COALESCE(by_order.units, 0) / NULLIF(ordered.units, 0) AS return_rate_by_order,
    CAST(COALESCE(by_date.units, 0) AS BIGINT) AS returned_units,
    COALESCE(by_date.units, 0) / NULLIF(ordered.units, 0) AS return_rate_by_return_date,
    CAST(COALESCE(by_date.sellable_units, 0) AS BIGINT) AS sellable_units,
    by_date.sellable_units / NULLIF(by_date.units_to_amazon, 0) AS sellable_share,
    by_date.top_reason,
    by_date.reasons
FROM ordered
FULL JOIN by_order USING (month, marketplace_id, sku)
FULL JOIN by_date USING (month, marketplace_id, sku)
ORDER BY month, marketplace_id, sku
