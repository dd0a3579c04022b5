-- Stock in Amazon's warehouses beyond what is needed, per SKU and marketplace, as of the newest day that was extracted.
--
-- Two views side by side: what Amazon holds for too many, and what lies there beyond 90 days of cover at the velocity of
-- the last 30 days without out-of-stock days (`inventory_cover`). SKUs with neither have no row.
--
-- @grain marketplace_id, sku, condition
-- @reads inventory_cover, staging.inventory_planning, staging.loaded_partitions, staging.marketplace_facts
-- @without inventory_planning: excess_units: no report of inventory planning has been extracted, so the mart is empty
-- @column marketplace_id: Marketplace.
-- @column sku: The seller's own identifier of the listing.
-- @column condition: Condition of the product.
-- @column as_of: Day whose closing state it is.
-- @column asin: Amazon Standard Identification Number.
-- @column available_units: Units that can be sold.
-- @column excess_units: Units that Amazon holds for too many.
-- @column units_beyond_90_days: Available units beyond 90 days of cover; all of them if nothing sells; null if the velocity
--   is not known.
-- @column days_of_cover: Days that the stock lasts; null if nothing sells.
-- @column currency: ISO 4217 currency of the amounts.
-- @column excess_value_at_price: excess_units x the price asked.
-- @column estimated_storage_cost: What Amazon expects to charge for storing all of the SKU next month.
-- @column recommended_action: What Amazon proposes to do.
WITH judged AS (
    SELECT
        planned.marketplace_id,
        planned.sku,
        planned.condition,
        planned.day AS as_of,
        planned.asin,
        COALESCE(planned.available_units, 0) AS available_units,
        COALESCE(planned.excess_units, 0) AS excess_units,
        -- GREATEST would make 0 of what is not known.
        CASE
            WHEN COALESCE(planned.available_units, 0) <= 90 * cover.velocity_30d THEN 0
            ELSE CAST(FLOOR(COALESCE(planned.available_units, 0) - 90 * cover.velocity_30d) AS BIGINT)
        END AS units_beyond_90_days,
        cover.days_of_cover,
        COALESCE(planned.currency, marketplaces.currency, 'XXX') AS currency,
        planned.your_price,
        planned.estimated_storage_cost,
        planned.recommended_action
    FROM staging.inventory_planning AS planned
    LEFT JOIN staging.marketplace_facts AS marketplaces USING (marketplace_id)
    LEFT JOIN inventory_cover AS cover
        ON planned.marketplace_id = cover.marketplace_id
        AND planned.sku = cover.sku
    WHERE planned.day = (SELECT MAX(day) FROM staging.loaded_partitions WHERE dataset = 'inventory_planning')
)
SELECT
    marketplace_id,
    sku,
    condition,
    as_of,
    asin,
    available_units,
    excess_units,
    units_beyond_90_days,
    days_of_cover,
    currency,
    CAST(excess_units * your_price AS DECIMAL(18, 4)) AS excess_value_at_price,
    estimated_storage_cost,
    recommended_action
FROM judged
WHERE excess_units > 0 OR units_beyond_90_days > 0
ORDER BY marketplace_id, sku, condition
