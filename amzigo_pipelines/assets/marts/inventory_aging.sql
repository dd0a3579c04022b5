-- How old stock in Amazon's warehouses is, per SKU, marketplace and band of age, as of the newest day that was extracted.
--
-- Bands are Amazon's. From 181 days on Amazon charges an aged inventory surcharge, rising with age. A SKU of which nothing
-- lies in a band has no row for it.
--
-- @grain marketplace_id, sku, condition, age_band
-- @reads staging.inventory_planning, staging.loaded_partitions, staging.marketplace_facts, staging.product_costs
-- @without inventory_planning: units: no report of inventory planning has been extracted, so the mart is empty
-- @without product_costs: value_at_cost: no unit costs are known ('amzigo costs import')
-- @column marketplace_id: Marketplace.
-- @column sku: The seller's own identifier of the listing.
-- @column condition: Condition of the product.
-- @column age_band: Days since the units came in: 0-90, 91-180, 181-270, 271-365 or 365+.
-- @column as_of: Day whose closing state it is.
-- @column asin: Amazon Standard Identification Number.
-- @column units: Units of that age.
-- @column currency: ISO 4217 currency of the amounts.
-- @column value_at_price: units x the price asked.
-- @column value_at_cost: units x unit cost of the seller's own file; null where the SKU has none.
-- @column is_surcharged: Whether Amazon charges a surcharge for the band.
WITH newest AS (
    SELECT MAX(day) AS day
    FROM staging.loaded_partitions
    WHERE dataset = 'inventory_planning'
),
costs AS (
    SELECT product_costs.marketplace_id, product_costs.sku, product_costs.unit_cost
    FROM staging.product_costs AS product_costs
    WHERE product_costs.day = (SELECT MAX(day) FROM staging.loaded_partitions WHERE dataset = 'product_costs')
),
planning AS (
    SELECT
        planned.marketplace_id,
        planned.sku,
        planned.condition,
        planned.day,
        planned.asin,
        COALESCE(planned.currency, marketplaces.currency, 'XXX') AS currency,
        planned.your_price,
        planned.age_0_90_units,
        planned.age_91_180_units,
        planned.age_181_270_units,
        planned.age_271_365_units,
        planned.age_365_plus_units
    FROM staging.inventory_planning AS planned
    INNER JOIN newest USING (day)
    LEFT JOIN staging.marketplace_facts AS marketplaces USING (marketplace_id)
),
bands AS (
    SELECT marketplace_id, sku, condition, '0-90' AS age_band, age_0_90_units AS units, FALSE AS is_surcharged
    FROM planning
    UNION ALL
    SELECT marketplace_id, sku, condition, '91-180', age_91_180_units, FALSE
    FROM planning
    UNION ALL
    SELECT marketplace_id, sku, condition, '181-270', age_181_270_units, TRUE
    FROM planning
    UNION ALL
    SELECT marketplace_id, sku, condition, '271-365', age_271_365_units, TRUE
    FROM planning
    UNION ALL
    SELECT marketplace_id, sku, condition, '365+', age_365_plus_units, TRUE
    FROM planning
)
SELECT
    bands.marketplace_id,
    bands.sku,
    bands.condition,
    bands.age_band,
    planning.day AS as_of,
    planning.asin,
    bands.units,
    planning.currency,
    CAST(bands.units * planning.your_price AS DECIMAL(18, 4)) AS value_at_price,
    CAST(bands.units * costs.unit_cost AS DECIMAL(18, 4)) AS value_at_cost,
    bands.is_surcharged
FROM bands
INNER JOIN planning USING (marketplace_id, sku, condition)
LEFT JOIN costs ON bands.marketplace_id = costs.marketplace_id AND bands.sku = costs.sku
WHERE bands.units > 0
ORDER BY bands.marketplace_id, bands.sku, bands.condition, bands.age_band
