-- Orders of which a seller may ask for a review now: Amazon allows it 5 to 30 days after delivery, once an order.
--
-- Amazon does not tell the delivery, so it is taken to be the end of the promised window, the latest estimate. Only
-- fully shipped orders of Amazon's own channel, no replacements, and none of which anything came back. The window is
-- looked at as of the end of the data. Whether an order was asked for before is not known here: Amazon refuses a second
-- time.
--
-- @grain order_id
-- @reads orders, returns, staging.loaded_partitions, staging.seller_feedback
-- @column order_id: Amazon's order identifier.
-- @column marketplace_id: Marketplace in which the order was placed.
-- @column ordered_on: Local day of the order.
-- @column delivered_by_on: Day (UTC) of the end of the promised delivery window.
-- @column opens_on: First day on which a review may be asked for: 5 days after.
-- @column closes_on: Last day on which it may: 30 days after.
-- @column days_left: Days until then, as of the end of the data; 0 on the last day.
-- @column has_feedback: Whether the buyer gave the seller feedback already.
WITH coverage AS (
    SELECT MAX(day) AS as_of
    FROM staging.loaded_partitions
    WHERE dataset = 'orders'
),
answered AS (
    SELECT DISTINCT order_id
    FROM staging.seller_feedback
),
came_back AS (
    SELECT DISTINCT order_id
    FROM returns
),
shipped AS (
    SELECT
        order_id,
        marketplace_id,
        ordered_on,
        CAST(deliver_promised_at AT TIME ZONE 'UTC' AS DATE) AS delivered_by_on
    FROM orders
    WHERE
        status = 'SHIPPED'
        AND NOT is_replacement
        AND sales_channel IS DISTINCT FROM 'NON_AMAZON'
        AND deliver_promised_at IS NOT NULL
)
SELECT
    shipped.order_id,
    shipped.marketplace_id,
    shipped.ordered_on,
    shipped.delivered_by_on,
    shipped.delivered_by_on + 5 AS opens_on,
    shipped.delivered_by_on + 30 AS closes_on,
    shipped.delivered_by_on + 30 - coverage.as_of AS days_left,
    answered.order_id IS NOT NULL AS has_feedback
FROM shipped
CROSS JOIN coverage
LEFT JOIN answered USING (order_id)
LEFT JOIN came_back ON shipped.order_id = came_back.order_id
WHERE came_back.order_id IS NULL AND coverage.as_of BETWEEN shipped.delivered_by_on + 5 AND shipped.delivered_by_on + 30
ORDER BY shipped.delivered_by_on, shipped.order_id
