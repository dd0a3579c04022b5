-- Units that came back, by order, SKU, day, reason and state: to Amazon's warehouses and to the seller's own address.
--
-- Amazon's warehouses count on the day of receipt, the seller's on the day on which the buyer asked for the return. What
-- the returned units had sold for is the average price per unit that the order paid for the SKU, without tax and
-- shipping; null where the order was not extracted. What buyers wrote is personal and is not here.
--
-- @grain marketplace_id, order_id, sku, returned_on, fulfilled_by, reason, disposition
-- @reads order_items, staging.currencies, staging.fba_returns, staging.merchant_returns
-- @upsert order_id
-- @affected SELECT order_id FROM changed.staging_fba_returns
--   UNION SELECT order_id FROM changed.staging_merchant_returns
--   UNION SELECT order_id FROM changed.order_items
-- @slice order_items: order_id
-- @slice staging.fba_returns: order_id
-- @slice staging.merchant_returns: order_id
-- @without fba_returns: disposition: no report of FBA returns has been extracted, so only returns to the seller are here
-- @column marketplace_id: Marketplace that was asked.
-- @column order_id: Amazon's order identifier.
-- @column sku: The seller's own identifier of the listing.
-- @column returned_on: Local day on which it was received (FBA), or on which the return was asked for (merchant).
-- @column fulfilled_by: AMAZON (FBA) or MERCHANT: to whom it came back.
-- @column reason: Amazon's code of the buyer's reason; '(none)' where there is none.
-- @column disposition: State in which it came back (SELLABLE, CUSTOMER_DAMAGED, ...); '(unknown)' for the seller's own.
-- @column ordered_on: Local day of the order; null where the order was not extracted.
-- @column currency: ISO 4217 currency of the order; XXX where the order was not extracted.
-- @column units: Units returned.
-- @column sellable_units: Of them, units that Amazon put back on sale.
-- @column returned_sales: Ordered product sales of the units returned, in whole minor units of the currency.
WITH returned AS (
    SELECT
        marketplace_id,
        order_id,
        COALESCE(sku, '(no SKU)') AS sku,
        day AS returned_on,
        'AMAZON' AS fulfilled_by,
        COALESCE(reason, '(none)') AS reason,
        COALESCE(disposition, '(unknown)') AS disposition,
        COALESCE(units, 0) AS units
    FROM staging.fba_returns
    UNION ALL
    SELECT
        marketplace_id,
        order_id,
        COALESCE(sku, '(no SKU)') AS sku,
        requested_on AS returned_on,
        'MERCHANT' AS fulfilled_by,
        COALESCE(reason, '(none)') AS reason,
        '(unknown)' AS disposition,
        COALESCE(units, 0) AS units
    FROM staging.merchant_returns
),
totals AS (
    SELECT
        marketplace_id,
        order_id,
        sku,
        returned_on,
        fulfilled_by,
        reason,
        disposition,
        CAST(SUM(units) AS BIGINT) AS units
    FROM returned
    GROUP BY ALL
),
paid AS (
    SELECT
        order_id,
        COALESCE(sku, '(no SKU)') AS sku,
        MIN(ordered_on) AS ordered_on,
        MIN(currency) AS currency,
        SUM(product_sales) FILTER (WHERE sales_class = 'sale') AS product_sales,
        SUM(units_ordered) FILTER (WHERE sales_class = 'sale') AS units
    FROM order_items
    WHERE order_id IN (SELECT order_id FROM totals)
    GROUP BY ALL
)
SELECT
    totals.marketplace_id,
    totals.order_id,
    totals.sku,
    totals.returned_on,
    totals.fulfilled_by,
    totals.reason,
    totals.disposition,
    paid.ordered_on,
    COALESCE(paid.currency, 'XXX') AS currency,
    totals.units,
    CASE WHEN totals.disposition = 'SELLABLE' THEN totals.units ELSE 0 END AS sellable_units,
    CAST(
        ROUND(totals.units * paid.product_sales / NULLIF(paid.units, 0), COALESCE(currencies.minor_digits, 2))
        AS DECIMAL(18, 4)
    ) AS returned_sales
FROM totals
LEFT JOIN paid USING (order_id, sku)
LEFT JOIN staging.currencies AS currencies ON paid.currency = currencies.currency
