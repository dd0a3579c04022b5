-- Stock in Amazon's warehouses at the close of every day, per SKU and marketplace.
--
-- @grain day, marketplace_id, sku
-- @reads staging.fba_inventory
-- @view
-- @upsert day
-- @affected SELECT DISTINCT day FROM changed.staging_fba_inventory
-- @slice staging.fba_inventory: day
-- @column day: Day (UTC) whose closing stock it is.
-- @column marketplace_id: Marketplace that was asked.
-- @column sku: The seller's own identifier of the listing.
-- @column asin: Amazon Standard Identification Number.
-- @column total_units: All units in or on the way to the network.
-- @column fulfillable_units: Units that can be picked, packed and shipped.
-- @column reserved_units: Units reserved, for whatever reason.
-- @column unfulfillable_units: Units that can't be sold.
-- @column researching_units: Units that Amazon is looking for.
-- @column inbound_working_units: Units in shipments announced to Amazon.
-- @column inbound_shipped_units: Units on their way to Amazon.
-- @column inbound_receiving_units: Units that Amazon is receiving.
SELECT
    day,
    marketplace_id,
    sku,
    asin,
    total_units,
    fulfillable_units,
    reserved_units,
    unfulfillable_units,
    researching_units,
    inbound_working_units,
    inbound_shipped_units,
    inbound_receiving_units
FROM staging.fba_inventory
