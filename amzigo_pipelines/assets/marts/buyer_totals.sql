-- What is known of a buyer by pseudonym in a marketplace: the base of `buyers`, which explains it.
--
-- Here so that only buyers with changed orders are counted anew, while `buyers` ages all of them from day to day.
--
-- @grain marketplace_id, buyer_key
-- @reads orders
-- @upsert buyer_key
-- @affected SELECT buyer_key FROM changed.orders WHERE buyer_key IS NOT NULL
-- @slice orders: buyer_key
-- @column marketplace_id: Marketplace; 'unknown' where Amazon does not say.
-- @column buyer_key: Pseudonym of the buyer; dies with the pseudonyms.
-- @column first_ordered_on: Local day of the first order in the data.
-- @column last_ordered_on: Local day of the last order.
-- @column orders: Orders in the data, without cancelled ones, replacements and those from outside Amazon.
-- @column last_order_id: The last order.
SELECT
    COALESCE(marketplace_id, 'unknown') AS marketplace_id,
    buyer_key,
    MIN(ordered_on) AS first_ordered_on,
    MAX(ordered_on) AS last_ordered_on,
    COUNT(*) AS orders,
    ARG_MAX(order_id, buyer_order_number) AS last_order_id
FROM orders
WHERE buyer_key IS NOT NULL
    AND NOT is_cancelled
    AND NOT is_replacement
    AND sales_channel IS DISTINCT FROM 'NON_AMAZON'
GROUP BY ALL
