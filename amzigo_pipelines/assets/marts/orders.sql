-- Every order as it stands now: the newest version among all days that were extracted.
--
-- Where a newer version no longer tells the buyer's key or the place of delivery (Amazon isn't asked for buyers once the
-- PII window is over), the newest version that told it is remembered, until its pseudonym dies. Of orders that Amazon
-- ships, the ship times are those of its report of shipments where the order itself tells none.
--
-- @grain order_id
-- @reads staging.fba_shipments, staging.loaded_partitions, staging.marketplace_facts, staging.orders
-- @upsert order_id
-- @affected WITH seeds AS (
--   SELECT order_id FROM changed.staging_orders
--   UNION SELECT order_id FROM changed.staging_fba_shipments
--   UNION SELECT order_id FROM orders
--   WHERE status IS DISTINCT FROM 'SHIPPED' AND NOT is_cancelled AND NOT is_late
--   ), buyers AS (
--   SELECT buyer_key FROM orders INNER JOIN seeds USING (order_id)
--   UNION SELECT buyer_key FROM staging.orders INNER JOIN seeds USING (order_id)
--   UNION SELECT buyer_key FROM changed.staging_orders
--   )
--   SELECT order_id FROM seeds UNION SELECT order_id FROM orders WHERE buyer_key IN (FROM buyers)
-- @slice staging.fba_shipments: order_id
-- @slice staging.orders: order_id
-- @column order_id: Amazon's order identifier.
-- @column marketplace_id: Marketplace in which the order was placed.
-- @column marketplace: Country of the marketplace, ISO 3166-1 alpha-2; its identifier if it is unknown.
-- @column sales_channel: AMAZON, or NON_AMAZON for orders that Amazon only ships.
-- @column status: Fulfilment status, from PENDING to SHIPPED or CANCELLED.
-- @column is_cancelled: Whether the order was cancelled as a whole.
-- @column is_pending: Whether the order still waits for payment or availability; it has no price yet.
-- @column is_replacement: Whether the order replaces another one free of charge.
-- @column replaced_order_id: The order that this one replaces.
-- @column is_business: Whether an Amazon Business customer ordered.
-- @column fulfilled_by: AMAZON (FBA) or MERCHANT: the channel that ships it.
-- @column service_level: Shipping speed that the buyer chose.
-- @column programs: Amazon's programmes (PRIME, AMAZON_BUSINESS, ...), comma-separated.
-- @column ordered_at: When the buyer placed the order (UTC).
-- @column ordered_on: Day of the order in the marketplace's own time zone.
-- @column updated_at: When the order last changed (UTC).
-- @column first_shipped_at: When the first package was shipped (UTC).
-- @column shipped_at: When the last package of a fully shipped order was shipped (UTC).
-- @column ship_promised_at: End of the window to ship in (UTC).
-- @column deliver_promised_at: End of the promised delivery window (UTC).
-- @column is_late: Whether it was fully shipped after the promise, or was still not at the end of the data although the
--   promise was over. Null where Amazon tells no promise or no ship time, and for cancelled orders.
-- @column item_count: Order items (lines).
-- @column units_ordered: Units over all items.
-- @column package_count: Packages known to Amazon.
-- @column currency: ISO 4217 currency of the amounts; the marketplace's own while pending.
-- @column grand_total: What the buyer pays; null while pending.
-- @column item_amount: Price x units of all items, without tax; null while pending.
-- @column shipping_amount: Shipping charged, without tax.
-- @column gift_wrap_amount: Gift wrapping charged, without tax.
-- @column tax_amount: Tax of all charges.
-- @column discount_amount: Discounts as Amazon states them.
-- @column other_amount: Other charges.
-- @column ship_state: State or region of delivery.
-- @column ship_country: Country of delivery, ISO 3166-1 alpha-2.
-- @column buyer_key: Pseudonym of the buyer, the same for all the buyer's orders; null where Amazon tells no e-mail.
-- @column buyer_order_number: 1 for the buyer's first order in the data, 2 for the second, ... Cancelled and replacement
--   orders have none, nor have orders without a buyer_key.
WITH versions AS (
    SELECT
        order_id,
        day,
        buyer_key,
        ship_state,
        ship_country,
        -- One number to compare by, as sorting would cost three times as much: the time of the update in milliseconds,
        -- which is as fine as Amazon tells it, then the day.
        COALESCE(EPOCH_MS(last_updated_at), 0) * 100000 + DATEDIFF('day', DATE '2000-01-01', day) AS newness
    FROM staging.orders
),
remembered AS (
    SELECT
        order_id,
        ARG_MAX(day, newness) AS day,
        ARG_MAX(buyer_key, newness) AS buyer_key,
        ARG_MAX(ship_state, newness) AS ship_state,
        ARG_MAX(ship_country, newness) AS ship_country
    FROM versions
    GROUP BY order_id
),
fba AS (
    SELECT order_id, MIN(shipped_at) AS first_shipped_at, MAX(shipped_at) AS last_shipped_at
    FROM staging.fba_shipments
    GROUP BY order_id
),
coverage AS (
    SELECT CAST(MAX(day) + 1 AS TIMESTAMP) AT TIME ZONE 'UTC' AS ends_at
    FROM staging.loaded_partitions
    WHERE dataset = 'orders'
),
hours AS (
    SELECT DISTINCT marketplace_id, EPOCH_US(created_at) // 3600000000 AS hour
    FROM staging.orders
),
-- A time zone's offset changes on whole hours of UTC, so one look per hour is exact, and ten times faster than per order.
offsets AS (
    SELECT
        hours.marketplace_id,
        hours.hour,
        COALESCE(marketplaces.country, hours.marketplace_id) AS marketplace,
        marketplaces.currency AS marketplace_currency,
        EPOCH_US(
            MAKE_TIMESTAMPTZ(hours.hour * 3600000000) AT TIME ZONE COALESCE(marketplaces.time_zone, 'UTC')
        ) - hours.hour * 3600000000 AS us_ahead_of_utc
    FROM hours
    LEFT JOIN staging.marketplace_facts AS marketplaces USING (marketplace_id)
),
newest AS (
    SELECT
        versions.order_id,
        versions.marketplace_id,
        versions.sales_channel,
        versions.status,
        versions.replaced_order_id,
        versions.fulfilled_by,
        versions.service_level,
        versions.programs,
        versions.created_at,
        versions.last_updated_at,
        COALESCE(versions.first_shipped_at, fba.first_shipped_at) AS first_shipped_at,
        versions.ship_by_latest_at,
        versions.deliver_by_latest_at,
        versions.item_count,
        versions.units_ordered,
        versions.package_count,
        versions.grand_total,
        versions.item_amount,
        versions.shipping_amount,
        versions.gift_wrap_amount,
        versions.tax_amount,
        versions.discount_amount,
        versions.other_amount,
        remembered.buyer_key,
        remembered.ship_state,
        remembered.ship_country,
        COALESCE(versions.currency, offsets.marketplace_currency, 'XXX') AS currency,
        offsets.marketplace,
        CAST(MAKE_TIMESTAMP(EPOCH_US(versions.created_at) + offsets.us_ahead_of_utc) AS DATE) AS ordered_on,
        COALESCE(versions.status = 'CANCELLED', FALSE) AS is_cancelled,
        COALESCE(versions.status IN ('PENDING', 'PENDING_AVAILABILITY'), FALSE) AS is_pending,
        versions.replaced_order_id IS NOT NULL AS is_replacement,
        COALESCE(LIST_CONTAINS(STRING_SPLIT(versions.programs, ','), 'AMAZON_BUSINESS'), FALSE) AS is_business,
        CASE WHEN versions.status = 'SHIPPED' THEN COALESCE(versions.last_shipped_at, fba.last_shipped_at) END AS shipped_at
    FROM staging.orders AS versions
    INNER JOIN remembered USING (order_id, day)
    LEFT JOIN fba ON versions.order_id = fba.order_id
    LEFT JOIN offsets
        ON versions.marketplace_id IS NOT DISTINCT FROM offsets.marketplace_id
        AND EPOCH_US(versions.created_at) // 3600000000 = offsets.hour
),
purchases AS (
    SELECT order_id, ROW_NUMBER() OVER (PARTITION BY buyer_key ORDER BY created_at, order_id) AS buyer_order_number
    FROM newest
    WHERE buyer_key IS NOT NULL AND NOT is_cancelled AND NOT is_replacement
)
SELECT
    newest.order_id,
    newest.marketplace_id,
    newest.marketplace,
    newest.sales_channel,
    newest.status,
    newest.is_cancelled,
    newest.is_pending,
    newest.is_replacement,
    newest.replaced_order_id,
    newest.is_business,
    newest.fulfilled_by,
    newest.service_level,
    newest.programs,
    newest.created_at AS ordered_at,
    newest.ordered_on,
    newest.last_updated_at AS updated_at,
    newest.first_shipped_at,
    newest.shipped_at,
    newest.ship_by_latest_at AS ship_promised_at,
    newest.deliver_by_latest_at AS deliver_promised_at,
    CASE
        WHEN newest.is_cancelled THEN NULL
        WHEN newest.status = 'SHIPPED' THEN newest.shipped_at > newest.ship_by_latest_at
        ELSE coverage.ends_at > newest.ship_by_latest_at
    END AS is_late,
    newest.item_count,
    newest.units_ordered,
    newest.package_count,
    newest.currency,
    newest.grand_total,
    newest.item_amount,
    newest.shipping_amount,
    newest.gift_wrap_amount,
    newest.tax_amount,
    newest.discount_amount,
    newest.other_amount,
    newest.ship_state,
    newest.ship_country,
    newest.buyer_key,
    purchases.buyer_order_number
FROM newest
CROSS JOIN coverage
LEFT JOIN purchases USING (order_id)
