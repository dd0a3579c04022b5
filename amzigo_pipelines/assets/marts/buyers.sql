-- Buyers by pseudonym in a marketplace: how recent, how often, and the segment that follows. The base of cohorts,
-- segments and audiences.
--
-- Only orders with a buyer_key count, and neither cancelled orders nor replacements nor orders from outside Amazon. Days
-- are counted up to the marketplace's last day with orders. Amazon tells a buyer's e-mail, from which the pseudonym is
-- made, to some roles only and mostly for orders that the seller ships: see the coverage in `buyer_segments`.
-- Segments: new (one order, at most 90 days ago), one-time (one order, longer ago), loyal (3 or more, the last at most
-- 90 days ago), repeat (2, likewise), at risk (2 or more, the last 91 to 180 days ago), lost (longer ago).
--
-- @grain marketplace_id, buyer_key
-- @reads buyer_totals, orders_daily
-- @view
-- @one_of segment: new, one-time, loyal, repeat, at risk, lost
-- @column marketplace_id: Marketplace.
-- @column buyer_key: Pseudonym of the buyer; dies with the pseudonyms.
-- @column first_ordered_on: Local day of the first order in the data.
-- @column last_ordered_on: Local day of the last order.
-- @column recency_days: Days from the last order to the marketplace's last day with orders.
-- @column orders: Orders in the data.
-- @column last_order_id: The last order.
-- @column segment: new, one-time, repeat, loyal, at risk or lost; see above.
WITH last_days AS (
    SELECT marketplace_id, MAX(day) AS day
    FROM (
        SELECT marketplace_id, day FROM orders_daily WHERE orders + pending_orders > 0
        UNION ALL
        -- An order may have come without a single item.
        SELECT marketplace_id, last_ordered_on FROM buyer_totals
    )
    GROUP BY marketplace_id
)
SELECT
    totals.marketplace_id,
    totals.buyer_key,
    totals.first_ordered_on,
    totals.last_ordered_on,
    last_days.day - totals.last_ordered_on AS recency_days,
    totals.orders,
    totals.last_order_id,
    CASE
        WHEN totals.orders = 1 AND last_days.day - totals.last_ordered_on <= 90 THEN 'new'
        WHEN totals.orders = 1 THEN 'one-time'
        WHEN last_days.day - totals.last_ordered_on > 180 THEN 'lost'
        WHEN last_days.day - totals.last_ordered_on > 90 THEN 'at risk'
        WHEN totals.orders = 2 THEN 'repeat'
        ELSE 'loyal'
    END AS segment
FROM buyer_totals AS totals
INNER JOIN last_days USING (marketplace_id)
