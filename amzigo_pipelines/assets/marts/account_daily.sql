-- What Amazon booked on the seller's account, added up by day, marketplace, currency, SKU and kind of amount.
--
-- The base of the marts of money. Each amount is the smallest that Amazon tells, so nothing is counted twice; what is held
-- back (deferred) counts once it is released. A day is the marketplace's local day on which it was posted, beside the UTC
-- day by which Amazon is asked. Refunds have the day of the refund, whenever it was ordered. Units are those of the items
-- of shipments, less those of refunds; an item without any amount (a replacement that the seller ships) has none.
--
-- @grain utc_day, day, marketplace_id, currency, sku, transaction_type, amount_class, amount_type
-- @reads staging.marketplace_facts, staging.transaction_breakdowns
-- @upsert utc_day
-- @affected SELECT DISTINCT day FROM changed.staging_transaction_breakdowns
-- @slice staging.transaction_breakdowns: day
-- @without transaction_breakdowns: amount: no transactions have been extracted, so the mart is empty
-- @signed units
-- @column utc_day: UTC day on which it was posted: the day of the extraction.
-- @column day: Day on which it was posted, in the marketplace's own time zone; UTC for the account as a whole.
-- @column marketplace_id: Marketplace; '(account)' for what concerns the whole account.
-- @column currency: ISO 4217 currency of the amounts; XXX if Amazon does not tell it.
-- @column sku: The seller's own identifier of the listing; '(none)' where Amazon names none.
-- @column transaction_type: Shipment, Refund, ServiceFee, Adjustment, Transfer, ...
-- @column amount_class: product (price of goods), shipping (with gift wrap), promotion, tax (charged and withheld), fee,
--   adjustment (reimbursements and the like), transfer (to the bank), other.
-- @column amount_type: Amazon's name of the amount; for fees the fee's name.
-- @column amount: The sum; positive in the seller's favour.
-- @column units: Units shipped, or units refunded as a negative number; each item's units stand at one of its amounts.
WITH leaves AS (
    SELECT
        day AS utc_day,
        DATE_TRUNC('hour', posted_at AT TIME ZONE 'UTC') AS hour,
        marketplace_id,
        COALESCE(currency, 'XXX') AS currency,
        COALESCE(sku, '(none)') AS sku,
        COALESCE(transaction_type, '(unknown)') AS transaction_type,
        path,
        breakdown_type,
        amount,
        CASE
            WHEN item_index > 0
                AND transaction_type IN ('Shipment', 'Refund')
                AND ROW_NUMBER() OVER (PARTITION BY transaction_id, item_index ORDER BY path) = 1
                THEN CASE WHEN transaction_type = 'Refund' THEN -quantity ELSE quantity END
        END AS units
    FROM staging.transaction_breakdowns
    WHERE NOT is_summary AND COALESCE(status, 'RELEASED') = 'RELEASED'
),
hourly AS (
    SELECT
        utc_day,
        hour,
        marketplace_id,
        currency,
        sku,
        transaction_type,
        path,
        breakdown_type,
        SUM(amount) AS amount,
        SUM(units) AS units
    FROM leaves
    GROUP BY ALL
),
classified AS (
    SELECT
        *,
        CASE
            WHEN transaction_type = 'Transfer' THEN 'transfer'
            WHEN '/' || path LIKE '%/AmazonFees%' OR '/' || path LIKE '%/ServiceFees%' OR transaction_type = 'ServiceFee'
                THEN 'fee'
            WHEN '/' || path LIKE '%/Tax%' OR '/' || path LIKE '%WithheldTax%' OR breakdown_type LIKE '%Tax' THEN 'tax'
            WHEN '/' || path LIKE '%/ProductCharges%' THEN 'product'
            WHEN '/' || path LIKE '%/Shipping%' OR '/' || path LIKE '%/GiftWrap%' THEN 'shipping'
            WHEN '/' || path LIKE '%/Promotion%' THEN 'promotion'
            WHEN transaction_type = 'Adjustment' THEN 'adjustment'
            ELSE 'other'
        END AS amount_class,
        -- AmazonFees/Commission/Base and AmazonFees/Commission/Discount are both Commission.
        NULLIF(REGEXP_EXTRACT('/' || path, '/(?:AmazonFees|ServiceFees)/([^/#]+)', 1), '') AS fee_name
    FROM hourly
)
SELECT
    utc_day,
    CAST(
        hour AT TIME ZONE 'UTC' AT TIME ZONE COALESCE(marketplaces.time_zone, 'UTC') AS DATE
    ) AS day,
    COALESCE(classified.marketplace_id, '(account)') AS marketplace_id,
    classified.currency,
    sku,
    transaction_type,
    amount_class,
    CASE
        WHEN amount_class = 'fee' THEN COALESCE(fee_name, breakdown_type, '(unknown)')
        ELSE COALESCE(breakdown_type, '(unknown)')
    END AS amount_type,
    CAST(COALESCE(SUM(amount), 0) AS DECIMAL(18, 4)) AS amount,
    CAST(COALESCE(SUM(units), 0) AS BIGINT) AS units
FROM classified
LEFT JOIN staging.marketplace_facts AS marketplaces ON classified.marketplace_id = marketplaces.marketplace_id
GROUP BY ALL
