-- Whom a campaign would reach: for each segment of buyers in a marketplace the last order of each buyer.
--
-- Amazon lets a seller write to a buyer about an order only, so an audience is a list of orders, not of people. Segments
-- are those of `buyers`; one of fewer than 5 buyers could point at a person and is left out.
--
-- @grain marketplace_id, segment, order_id
-- @reads buyers
-- @column marketplace_id: Marketplace.
-- @column segment: new, one-time, repeat, loyal, at risk or lost.
-- @column order_id: The last order of a buyer of the segment.
-- @column ordered_on: Local day of that order.
-- @column segment_buyers: Buyers in the segment.
WITH audiences AS (
    SELECT
        marketplace_id,
        segment,
        last_order_id,
        last_ordered_on,
        COUNT(*) OVER (PARTITION BY marketplace_id, segment) AS segment_buyers
    FROM buyers
)
SELECT
    marketplace_id,
    segment,
    last_order_id AS order_id,
    last_ordered_on AS ordered_on,
    segment_buyers
FROM audiences
WHERE segment_buyers >= 5
ORDER BY ALL
