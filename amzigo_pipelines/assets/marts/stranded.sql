-- Stock in Amazon's warehouses that can't be sold for lack of a listing, as of the newest day that was extracted.
--
-- @grain marketplace_id, sku, condition
-- @reads staging.loaded_partitions, staging.marketplace_facts, staging.stranded_inventory
-- @without stranded_inventory: units: no report of stranded inventory has been extracted, so the mart is empty
-- @column marketplace_id: Marketplace.
-- @column sku: The seller's own identifier of the listing.
-- @column condition: Condition of the product.
-- @column as_of: Day whose closing state it is.
-- @column asin: Amazon Standard Identification Number.
-- @column title: Product title.
-- @column stranded_on: Since when it is stranded.
-- @column days_stranded: Days since then.
-- @column reason: Why it is stranded.
-- @column action: What Amazon proposes to do.
-- @column units: Units that could be sold.
-- @column unfulfillable_units: Units that can't be sold in any case.
-- @column inbound_units: Units on their way to Amazon.
-- @column currency: ISO 4217 currency of the amounts.
-- @column value_at_price: units x the price asked.
SELECT
    stranded.marketplace_id,
    stranded.sku,
    stranded.condition,
    stranded.day AS as_of,
    stranded.asin,
    stranded.title,
    stranded.stranded_on,
    stranded.day - stranded.stranded_on AS days_stranded,
    stranded.reason,
    stranded.primary_action AS action,
    COALESCE(stranded.fulfillable_units, 0) AS units,
    COALESCE(stranded.unfulfillable_units, 0) AS unfulfillable_units,
    COALESCE(stranded.inbound_units, 0) AS inbound_units,
    COALESCE(marketplaces.currency, 'XXX') AS currency,
    CAST(COALESCE(stranded.fulfillable_units, 0) * stranded.price AS DECIMAL(18, 4)) AS value_at_price
FROM staging.stranded_inventory AS stranded
LEFT JOIN staging.marketplace_facts AS marketplaces USING (marketplace_id)
-- The newest extraction, not the newest row: on a day without any, nothing is stranded any more.
WHERE stranded.day = (SELECT MAX(day) FROM staging.loaded_partitions WHERE dataset = 'stranded_inventory')
ORDER BY stranded.marketplace_id, stranded.sku, stranded.condition
