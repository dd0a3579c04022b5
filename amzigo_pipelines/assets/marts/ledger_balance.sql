-- The books of stock that lies with Amazon: start of day + movements = end of day, per SKU, state and country.
--
-- A difference is not ours to explain away: it is what Amazon's own ledger does not add up to. Damage moves units from
-- one state to another, so it is no shrinkage; units lost and not found again are.
--
-- @grain day, marketplace_id, fn_sku, sku, disposition, location
-- @reads staging.inventory_ledger_summary
-- @upsert day
-- @affected SELECT DISTINCT day_on FROM changed.staging_inventory_ledger_summary
-- @slice staging.inventory_ledger_summary: day_on
-- @without inventory_ledger_summary: start_units: no report of the inventory ledger has been extracted, so the mart is empty
-- @signed shipped_units, removed_units, transferred_units, lost_units, damaged_units, disposed_units, other_units,
--   difference_units, shrinkage_units
-- @column day: Local day that is balanced.
-- @column marketplace_id: Marketplace that was asked.
-- @column fn_sku: Amazon's identifier of the SKU in its fulfilment network.
-- @column sku: The seller's own identifier of the listing.
-- @column disposition: State of the units: SELLABLE, DEFECTIVE, ...
-- @column location: Country of the warehouses.
-- @column start_units: Units at the start of the day.
-- @column received_units: Units received.
-- @column shipped_units: Units shipped to buyers, negative.
-- @column returned_units: Units that buyers sent back.
-- @column removed_units: Units sent back to the seller, negative.
-- @column transferred_units: Net units moved between warehouses.
-- @column found_units: Units found.
-- @column lost_units: Units lost, negative.
-- @column damaged_units: Units damaged: out of one state, into another.
-- @column disposed_units: Units disposed of, negative.
-- @column other_units: Units of other events, and of those that Amazon can't name.
-- @column end_units: Units at the end of the day, as Amazon says.
-- @column expected_end_units: Start + all movements.
-- @column difference_units: end_units - expected_end_units: 0 where the books are right.
-- @column shrinkage_units: Units lost and not found again: -(lost + found); negative on days that find more.
WITH balances AS (
    SELECT
        day_on AS day,
        marketplace_id,
        fn_sku,
        sku,
        disposition,
        location,
        COALESCE(start_units, 0) AS start_units,
        COALESCE(received_units, 0) AS received_units,
        COALESCE(shipped_units, 0) AS shipped_units,
        COALESCE(returned_units, 0) AS returned_units,
        COALESCE(removed_units, 0) AS removed_units,
        COALESCE(transferred_units, 0) AS transferred_units,
        COALESCE(found_units, 0) AS found_units,
        COALESCE(lost_units, 0) AS lost_units,
        COALESCE(damaged_units, 0) AS damaged_units,
        COALESCE(disposed_units, 0) AS disposed_units,
        COALESCE(other_units, 0) + COALESCE(unknown_units, 0) AS other_units,
        COALESCE(end_units, 0) AS end_units
    FROM staging.inventory_ledger_summary
),
expected AS (
    SELECT
        *,
        start_units + received_units + shipped_units + returned_units + removed_units + transferred_units
        + found_units + lost_units + damaged_units + disposed_units + other_units AS expected_end_units
    FROM balances
)
SELECT
    day,
    marketplace_id,
    fn_sku,
    sku,
    disposition,
    location,
    start_units,
    received_units,
    shipped_units,
    returned_units,
    removed_units,
    transferred_units,
    found_units,
    lost_units,
    damaged_units,
    disposed_units,
    other_units,
    end_units,
    expected_end_units,
    end_units - expected_end_units AS difference_units,
    -(lost_units + found_units) AS shrinkage_units
FROM expected
