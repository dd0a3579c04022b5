-- When to order how much again, per SKU and marketplace, as of the marketplace's newest snapshots of stock.
--
-- Demand d is the velocity of the last 30 days and its deviation that of the last 90, both without out-of-stock days
-- (`inventory_cover`). Lead time L, its deviation, the service level and the targets are the seller's own
-- (`amzigo costs import`); without a lead time there is no plan, and the reason stands in plan_note.
-- Safety stock = z * sqrt(L * sd_d^2 + d^2 * sd_L^2); reorder point = d * L + safety stock: the usual formulas for demand
-- and lead time that vary independently.
--
-- @grain marketplace_id, sku
-- @reads inventory_cover, staging.loaded_partitions, staging.marketplace_facts, staging.product_costs
-- @without product_costs: lead_time_days, service_level, target_days, safety_stock_units, reorder_point_units,
--   order_units, order_by_on, order_cost: no lead times and unit costs are known ('amzigo costs import')
-- @column marketplace_id: Marketplace.
-- @column sku: The seller's own identifier of the listing.
-- @column as_of: Day of the marketplace's newest snapshots.
-- @column asin: Amazon Standard Identification Number.
-- @column available_units: Units that can be sold, and units on their way to Amazon.
-- @column demand: Units ordered a day; null if no day is known with stock.
-- @column demand_deviation: Standard deviation of the units a day; taken as 0 in the plan where it is null.
-- @column lead_time_days: Days from ordering to having it on sale.
-- @column lead_time_deviation_days: Standard deviation of the lead time, in days.
-- @column service_level: Share of replenishment cycles that shall not run out.
-- @column target_days: Days that an order shall last for beyond the lead time.
-- @column safety_stock_units: Units kept against chance, rounded up.
-- @column reorder_point_units: Stock at which to order again, rounded up.
-- @column is_due: Whether available_units are at or below the reorder point.
-- @column order_units: Units to order, so that stock lasts for the lead time, the target days and the safety stock, in
--   multiples of nothing but at least the minimum order; 0 if stock lasts anyway.
-- @column order_by_on: Last day to order without touching the safety stock; in the past if it is too late; null if nothing
--   sells.
-- @column currency: ISO 4217 currency of the amounts.
-- @column unit_cost: What one unit costs the seller.
-- @column order_cost: order_units x unit_cost.
-- @column plan_note: Why there is no plan; null where there is one.
WITH costs AS (
    SELECT
        given.marketplace_id,
        given.sku,
        given.currency,
        given.unit_cost,
        given.lead_time_days,
        given.lead_time_deviation_days,
        given.service_level,
        given.service_factor,
        given.target_days,
        given.minimum_order_units
    FROM staging.product_costs AS given
    WHERE given.day = (SELECT MAX(day) FROM staging.loaded_partitions WHERE dataset = 'product_costs')
),
basis AS (
    SELECT
        cover.marketplace_id,
        cover.sku,
        cover.as_of,
        cover.asin,
        cover.fulfillable_units + cover.inbound_units AS available_units,
        cover.velocity_30d AS demand,
        cover.deviation_90d AS demand_deviation,
        costs.lead_time_days,
        costs.lead_time_deviation_days,
        costs.service_level,
        costs.target_days,
        COALESCE(costs.minimum_order_units, 1) AS minimum_order_units,
        costs.service_factor * SQRT(
            costs.lead_time_days * COALESCE(cover.deviation_90d, 0) ** 2
            + cover.velocity_30d ** 2 * costs.lead_time_deviation_days ** 2
        ) AS safety_stock,
        COALESCE(costs.currency, marketplaces.currency, 'XXX') AS currency,
        costs.unit_cost,
        costs.sku IS NOT NULL AS has_costs
    FROM inventory_cover AS cover
    LEFT JOIN costs USING (marketplace_id, sku)
    LEFT JOIN staging.marketplace_facts AS marketplaces USING (marketplace_id)
),
points AS (
    SELECT
        *,
        CAST(CEIL(safety_stock) AS BIGINT) AS safety_stock_units,
        CAST(CEIL(demand * lead_time_days + safety_stock) AS BIGINT) AS reorder_point_units,
        -- GREATEST would make 0 of what is not known.
        CASE
            WHEN demand * (lead_time_days + target_days) + safety_stock <= available_units THEN 0
            ELSE CAST(CEIL(demand * (lead_time_days + target_days) + safety_stock - available_units) AS BIGINT)
        END AS wanted_units
    FROM basis
),
orders AS (
    SELECT
        *,
        CASE WHEN wanted_units > 0 THEN GREATEST(wanted_units, minimum_order_units) ELSE wanted_units END AS order_units
    FROM points
)
SELECT
    marketplace_id,
    sku,
    as_of,
    asin,
    available_units,
    demand,
    demand_deviation,
    lead_time_days,
    lead_time_deviation_days,
    service_level,
    target_days,
    safety_stock_units,
    reorder_point_units,
    available_units <= reorder_point_units AS is_due,
    order_units,
    CASE
        WHEN demand > 0
            THEN as_of + CAST(FLOOR((available_units - safety_stock) / demand - lead_time_days) AS INTEGER)
    END AS order_by_on,
    currency,
    unit_cost,
    CAST(order_units * unit_cost AS DECIMAL(18, 4)) AS order_cost,
    CASE
        WHEN NOT has_costs THEN 'no costs of this SKU: add it to the costs file and import it'
        WHEN lead_time_days IS NULL THEN 'no lead time of this SKU: add it to the costs file and import it'
        WHEN demand IS NULL THEN 'no day is known on which it was in stock'
    END AS plan_note
FROM orders
ORDER BY marketplace_id, sku
