-- Whom a campaign would reach: for each segment of buyers in a marketplace the last order of each buyer.
--
-- Amazon lets a seller write to a buyer about an order only, so an audience is a list of orders, not of people. Segments
-- are those of `buyers`; one of fewer than 5 buyers could point at a person and is left out.
--
-- @grain marketplace_id, segment, order_id
-- @reads buyers
-- @view
-- @column marketplace_id: Marketplace.
-- @column segment: new, one-time, repeat, loyal, at risk or lost.
-- @column order_id: The last order of a buyer of the segment.
-- @column ordered_on: Local day of that order.
-- @column segment_buyers: Buyers in the segment.
WITH sizes AS (
    SELECT marketplace_id, segment, COUNT(*) AS buyers
    FROM buyers
    GROUP BY ALL
    HAVING COUNT(*) >= 5
)
SELECT
    buyers.marketplace_id,
    buyers.segment,
    buyers.last_order_id AS order_id,
    buyers.last_ordered_on AS ordered_on,
    sizes.buyers AS segment_buyers
FROM buyers
INNER JOIN sizes USING (marketplace_id, segment)
