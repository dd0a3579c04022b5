-- How orders of a day are fulfilled, by marketplace and channel: shipped, open, late.
--
-- Orders are those placed on the day, without cancelled ones; replacements and orders that Amazon only ships are in, as
-- they have to be shipped too. Open orders are judged as of the end of the data. Of orders that Amazon ships, the ship
-- time is known once its report of shipments tells it.
--
-- @grain day, marketplace_id, fulfilled_by
-- @reads orders
-- @upsert day
-- @affected SELECT ordered_on FROM changed.orders
-- @slice orders: ordered_on
-- @column day: Day of the order in the marketplace's own time zone.
-- @column marketplace_id: Marketplace in which the orders were placed.
-- @column fulfilled_by: AMAZON (FBA) or MERCHANT: the channel that ships them; 'unknown' where Amazon does not say.
-- @column orders: Orders that are not cancelled.
-- @column shipped_orders: Of them, fully shipped.
-- @column open_orders: Of them, not fully shipped yet.
-- @column unshipped_past_promise: Of the open ones, those whose promised ship time was over at the end of the data.
-- @column judged_orders: Shipped orders of which both the promise and the ship time are known.
-- @column late_orders: Of them, shipped after the promise.
-- @column late_shipment_rate: late_orders / judged_orders; null without any.
-- @column hours_to_ship_average: Hours from order to last parcel, on average over orders whose ship time is known.
-- @column hours_to_ship_median: The same in the middle: half of the orders were faster.
WITH placed AS (
    SELECT
        ordered_on AS day,
        COALESCE(marketplace_id, 'unknown') AS marketplace_id,
        COALESCE(fulfilled_by, 'unknown') AS fulfilled_by,
        COALESCE(status = 'SHIPPED', FALSE) AS is_shipped,
        is_late,
        DATE_DIFF('second', ordered_at, shipped_at) / 3600 AS hours_to_ship
    FROM orders
    WHERE NOT is_cancelled
)
SELECT
    day,
    marketplace_id,
    fulfilled_by,
    COUNT(*) AS orders,
    COUNT(*) FILTER (WHERE is_shipped) AS shipped_orders,
    COUNT(*) FILTER (WHERE NOT is_shipped) AS open_orders,
    COUNT(*) FILTER (WHERE NOT is_shipped AND is_late) AS unshipped_past_promise,
    COUNT(*) FILTER (WHERE is_shipped AND is_late IS NOT NULL) AS judged_orders,
    COUNT(*) FILTER (WHERE is_shipped AND is_late) AS late_orders,
    COUNT(*) FILTER (WHERE is_shipped AND is_late)
        / NULLIF(COUNT(*) FILTER (WHERE is_shipped AND is_late IS NOT NULL), 0) AS late_shipment_rate,
    -- Whole seconds add up the same in any order, floats do not.
    SUM(CAST(ROUND(hours_to_ship * 3600) AS BIGINT)) / NULLIF(COUNT(hours_to_ship), 0) / 3600 AS hours_to_ship_average,
    MEDIAN(hours_to_ship) AS hours_to_ship_median
FROM placed
GROUP BY ALL
ORDER BY ALL
