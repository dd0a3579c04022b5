-- Stock in Amazon's warehouses as last seen: the newest snapshot of every SKU in every marketplace.
--
-- A SKU that the newest snapshot of its marketplace no longer lists keeps its last known row, with is_current false.
--
-- @grain marketplace_id, sku
-- @reads staging.fba_inventory, staging.marketplace_facts
-- @column marketplace_id: Marketplace that was asked.
-- @column marketplace: Country of the marketplace, ISO 3166-1 alpha-2; its identifier if it is unknown.
-- @column sku: The seller's own identifier of the listing.
-- @column snapshot_on: Day (UTC) whose closing stock it is.
-- @column taken_at: When the snapshot was taken (UTC).
-- @column is_current: Whether this is from the newest day of snapshots of the marketplace.
-- @column asin: Amazon Standard Identification Number.
-- @column fn_sku: Amazon's identifier of the SKU in its fulfilment network.
-- @column product_name: Product title.
-- @column condition: Condition of the product.
-- @column total_units: All units in or on the way to the network.
-- @column fulfillable_units: Units that can be picked, packed and shipped.
-- @column reserved_units: Units reserved, for whatever reason.
-- @column reserved_order_units: Units reserved for customers' orders.
-- @column reserved_transfer_units: Units moving between fulfilment centres.
-- @column reserved_processing_units: Units set aside for processing.
-- @column unfulfillable_units: Units that can't be sold.
-- @column researching_units: Units that Amazon is looking for.
-- @column inbound_working_units: Units in shipments announced to Amazon.
-- @column inbound_shipped_units: Units on their way to Amazon.
-- @column inbound_receiving_units: Units that Amazon is receiving.
-- @column stock_updated_at: When Amazon last changed the numbers (UTC).
WITH newest AS (
    SELECT
        marketplace_id,
        day,
        sku,
        taken_at,
        asin,
        fn_sku,
        product_name,
        condition,
        total_units,
        fulfillable_units,
        reserved_units,
        reserved_order_units,
        reserved_transfer_units,
        reserved_processing_units,
        unfulfillable_units,
        researching_units,
        inbound_working_units,
        inbound_shipped_units,
        inbound_receiving_units,
        stock_updated_at
    FROM staging.fba_inventory
    QUALIFY ROW_NUMBER() OVER (PARTITION BY marketplace_id, sku ORDER BY day DESC) = 1
),
newest_days AS (
    SELECT marketplace_id, MAX(day) AS day
    FROM newest
    GROUP BY marketplace_id
)
SELECT
    newest.marketplace_id,
    COALESCE(marketplaces.country, newest.marketplace_id) AS marketplace,
    newest.sku,
    newest.day AS snapshot_on,
    newest.taken_at,
    newest.day = newest_days.day AS is_current,
    newest.asin,
    newest.fn_sku,
    newest.product_name,
    newest.condition,
    newest.total_units,
    newest.fulfillable_units,
    newest.reserved_units,
    newest.reserved_order_units,
    newest.reserved_transfer_units,
    newest.reserved_processing_units,
    newest.unfulfillable_units,
    newest.researching_units,
    newest.inbound_working_units,
    newest.inbound_shipped_units,
    newest.inbound_receiving_units,
    newest.stock_updated_at
FROM newest
INNER JOIN newest_days USING (marketplace_id)
LEFT JOIN staging.marketplace_facts AS marketplaces USING (marketplace_id)
ORDER BY newest.marketplace_id, newest.sku
