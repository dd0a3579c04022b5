-- How long the stock in Amazon's warehouses lasts, per SKU and marketplace, as of the newest day of snapshots.
--
-- Velocity is units ordered a day over the last 7, 30 and 90 days, WITHOUT out-of-stock days: an empty shelf says nothing
-- about demand, and counting it would make a SKU that sells out look slow. A day is out of stock if its closing snapshot
-- shows no fulfillable unit and nothing was ordered on it; a day that sold its last unit counts as in stock, and so does
-- a day without a snapshot, as nothing is known against it. Days before the SKU was first seen (in a snapshot or an
-- order) do not count. Units are those that Amazon has to ship: cancelled ones are out; pending ones, replacements and
-- orders from outside Amazon are in, as they take stock too.
--
-- @grain marketplace_id, sku
-- @reads inventory_position, order_items, staging.fba_inventory
-- @column marketplace_id: Marketplace that was asked.
-- @column marketplace: Country of the marketplace, ISO 3166-1 alpha-2; its identifier if it is unknown.
-- @column sku: The seller's own identifier of the listing.
-- @column as_of: Day of the marketplace's newest snapshots; the windows end with it.
-- @column asin: Amazon Standard Identification Number.
-- @column product_name: Product title.
-- @column fulfillable_units: Units that can be picked, packed and shipped; none for a SKU that is no longer listed.
-- @column inbound_units: Units announced to, on their way to, or being received by Amazon.
-- @column units_7d: Units ordered in the last 7 days.
-- @column units_30d: Units ordered in the last 30 days.
-- @column units_90d: Units ordered in the last 90 days.
-- @column in_stock_days_7d: Days of the last 7 that count: known and not out of stock.
-- @column in_stock_days_30d: Days of the last 30 that count.
-- @column in_stock_days_90d: Days of the last 90 that count.
-- @column out_of_stock_days_90d: Days of the last 90 that do not: out of stock.
-- @column velocity_7d: Units a day over the last 7 days without out-of-stock days; null if no day counts.
-- @column velocity_30d: Units a day over the last 30 days without out-of-stock days; null if no day counts.
-- @column velocity_90d: Units a day over the last 90 days without out-of-stock days; null if no day counts.
-- @column deviation_90d: Standard deviation of the units a day, over the days of the last 90 that count; null under 2 days.
-- @column days_of_cover: Fulfillable units / velocity_30d; null if nothing sells.
-- @column weeks_of_cover: days_of_cover / 7.
-- @column days_of_cover_with_inbound: (Fulfillable + inbound units) / velocity_30d; null if nothing sells.
-- @column sell_through_90d: Units ordered in the last 90 days / average fulfillable units of that time's snapshots, as
--   Amazon's FBA sell-through; null if there was no stock.
WITH positions AS (
    SELECT
        marketplace_id,
        marketplace,
        sku,
        asin,
        product_name,
        is_current,
        fulfillable_units,
        inbound_working_units,
        inbound_shipped_units,
        inbound_receiving_units,
        MAX(snapshot_on) OVER (PARTITION BY marketplace_id) AS as_of
    FROM inventory_position
),
first_seen AS (
    SELECT marketplace_id, sku, MIN(day) AS day
    FROM (
        SELECT marketplace_id, sku, MIN(ordered_on) AS day
        FROM order_items
        WHERE fulfilled_by = 'AMAZON' AND sales_class <> 'cancelled'
        GROUP BY ALL
        UNION ALL
        SELECT marketplace_id, sku, MIN(day) AS day
        FROM staging.fba_inventory
        GROUP BY ALL
    )
    GROUP BY ALL
),
demand AS (
    SELECT marketplace_id, sku, ordered_on AS day, SUM(units_ordered) AS units
    FROM order_items
    WHERE fulfilled_by = 'AMAZON' AND sales_class <> 'cancelled'
        AND ordered_on > (SELECT MIN(as_of) FROM positions) - 90
    GROUP BY ALL
),
windows AS (
    SELECT
        positions.marketplace_id,
        positions.sku,
        positions.as_of,
        LEAST(7, positions.as_of - first_seen.day + 1) AS known_7d,
        LEAST(30, positions.as_of - first_seen.day + 1) AS known_30d,
        LEAST(90, positions.as_of - first_seen.day + 1) AS known_90d
    FROM positions
    INNER JOIN first_seen USING (marketplace_id, sku)
),
sold AS (
    SELECT
        windows.marketplace_id,
        windows.sku,
        CAST(SUM(demand.units) FILTER (WHERE demand.day > windows.as_of - 7) AS BIGINT) AS units_7d,
        CAST(SUM(demand.units) FILTER (WHERE demand.day > windows.as_of - 30) AS BIGINT) AS units_30d,
        CAST(SUM(demand.units) AS BIGINT) AS units_90d,
        CAST(SUM(demand.units * demand.units) AS BIGINT) AS squares_90d
    FROM windows
    INNER JOIN demand USING (marketplace_id, sku)
    WHERE demand.day > windows.as_of - 90 AND demand.day <= windows.as_of
    GROUP BY ALL
),
stock AS (
    SELECT
        windows.marketplace_id,
        windows.sku,
        COUNT(*) FILTER (WHERE is_empty AND snapshots.day > windows.as_of - 7) AS empty_7d,
        COUNT(*) FILTER (WHERE is_empty AND snapshots.day > windows.as_of - 30) AS empty_30d,
        COUNT(*) FILTER (WHERE is_empty) AS empty_90d,
        AVG(snapshots.fulfillable_units) AS average_units
    FROM windows
    INNER JOIN (
        SELECT
            fba_inventory.marketplace_id,
            fba_inventory.sku,
            fba_inventory.day,
            fba_inventory.fulfillable_units,
            COALESCE(fba_inventory.fulfillable_units, 0) = 0 AND COALESCE(demand.units, 0) = 0 AS is_empty
        FROM staging.fba_inventory AS fba_inventory
        LEFT JOIN demand USING (marketplace_id, sku, day)
    ) AS snapshots USING (marketplace_id, sku)
    WHERE snapshots.day > windows.as_of - 90 AND snapshots.day <= windows.as_of
    GROUP BY ALL
),
velocities AS (
    SELECT
        windows.marketplace_id,
        windows.sku,
        windows.as_of,
        COALESCE(sold.units_7d, 0) AS units_7d,
        COALESCE(sold.units_30d, 0) AS units_30d,
        COALESCE(sold.units_90d, 0) AS units_90d,
        COALESCE(sold.squares_90d, 0) AS squares_90d,
        COALESCE(stock.empty_90d, 0) AS out_of_stock_days_90d,
        windows.known_7d - COALESCE(stock.empty_7d, 0) AS in_stock_days_7d,
        windows.known_30d - COALESCE(stock.empty_30d, 0) AS in_stock_days_30d,
        windows.known_90d - COALESCE(stock.empty_90d, 0) AS in_stock_days_90d,
        stock.average_units
    FROM windows
    LEFT JOIN sold USING (marketplace_id, sku)
    LEFT JOIN stock USING (marketplace_id, sku)
),
rates AS (
    SELECT
        *,
        units_7d / NULLIF(in_stock_days_7d, 0) AS velocity_7d,
        units_30d / NULLIF(in_stock_days_30d, 0) AS velocity_30d,
        units_90d / NULLIF(in_stock_days_90d, 0) AS velocity_90d,
        -- From whole numbers, which add up the same in any order.
        SQRT(
            (squares_90d * in_stock_days_90d - units_90d * units_90d)
            / NULLIF(CAST(in_stock_days_90d AS BIGINT) * GREATEST(in_stock_days_90d - 1, 0), 0)
        ) AS deviation_90d
    FROM velocities
),
shelves AS (
    SELECT
        marketplace_id,
        marketplace,
        sku,
        asin,
        product_name,
        CASE WHEN is_current THEN COALESCE(fulfillable_units, 0) ELSE 0 END AS fulfillable_units,
        CASE
            WHEN is_current
                THEN COALESCE(inbound_working_units, 0)
                    + COALESCE(inbound_shipped_units, 0)
                    + COALESCE(inbound_receiving_units, 0)
            ELSE 0
        END AS inbound_units
    FROM positions
)
SELECT
    shelves.marketplace_id,
    shelves.marketplace,
    shelves.sku,
    rates.as_of,
    shelves.asin,
    shelves.product_name,
    shelves.fulfillable_units,
    shelves.inbound_units,
    rates.units_7d,
    rates.units_30d,
    rates.units_90d,
    rates.in_stock_days_7d,
    rates.in_stock_days_30d,
    rates.in_stock_days_90d,
    rates.out_of_stock_days_90d,
    rates.velocity_7d,
    rates.velocity_30d,
    rates.velocity_90d,
    rates.deviation_90d,
    shelves.fulfillable_units / NULLIF(rates.velocity_30d, 0) AS days_of_cover,
    shelves.fulfillable_units / NULLIF(rates.velocity_30d, 0) / 7 AS weeks_of_cover,
    (shelves.fulfillable_units + shelves.inbound_units) / NULLIF(rates.velocity_30d, 0) AS days_of_cover_with_inbound,
    rates.units_90d / NULLIF(rates.average_units, 0) AS sell_through_90d
FROM shelves
INNER JOIN rates USING (marketplace_id, sku)
ORDER BY shelves.marketplace_id, shelves.sku
