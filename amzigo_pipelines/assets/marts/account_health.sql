-- The account's rates against Amazon's limits on a day in a marketplace, with the change over a week.
--
-- Rates and limits are Amazon's own, from its report of seller performance, as of the close of the day. Some limits are
-- the most that is allowed, some the least.
--
-- @grain day, marketplace_id, metric
-- @reads staging.account_health
-- @column day: Day whose closing state it is.
-- @column marketplace_id: Marketplace.
-- @column metric: order_defect_rate_afn, order_defect_rate_mfn, late_shipment_rate, cancellation_rate,
--   valid_tracking_rate, on_time_delivery_rate or invoice_defect_rate.
-- @column rate: The rate, 0 to 1; null where Amazon tells none.
-- @column rate_limit: Amazon's limit for it.
-- @column is_minimum: Whether the limit is the least that is allowed; else it is the most.
-- @column is_within_limit: Whether the rate keeps to the limit; null where either is not told.
-- @column status: Amazon's verdict on the rate.
-- @column rate_week_before: The rate 7 days before; null where that day was not extracted.
-- @column change_over_week: rate - rate_week_before.
-- @column account_status: State of the account in the marketplace.
WITH rates AS (
    SELECT
        day, marketplace_id, account_status, 'order_defect_rate_afn' AS metric, FALSE AS is_minimum,
        order_defect_rate_afn AS rate, order_defect_rate_afn_limit AS rate_limit, order_defect_rate_afn_status AS status
    FROM staging.account_health
    UNION ALL
    SELECT
        day, marketplace_id, account_status, 'order_defect_rate_mfn', FALSE,
        order_defect_rate_mfn, order_defect_rate_mfn_limit, order_defect_rate_mfn_status
    FROM staging.account_health
    UNION ALL
    SELECT
        day, marketplace_id, account_status, 'late_shipment_rate', FALSE,
        late_shipment_rate, late_shipment_rate_limit, late_shipment_rate_status
    FROM staging.account_health
    UNION ALL
    SELECT
        day, marketplace_id, account_status, 'cancellation_rate', FALSE,
        cancellation_rate, cancellation_rate_limit, cancellation_rate_status
    FROM staging.account_health
    UNION ALL
    SELECT
        day, marketplace_id, account_status, 'valid_tracking_rate', TRUE,
        valid_tracking_rate, valid_tracking_rate_limit, valid_tracking_rate_status
    FROM staging.account_health
    UNION ALL
    SELECT
        day, marketplace_id, account_status, 'on_time_delivery_rate', TRUE,
        on_time_delivery_rate, on_time_delivery_rate_limit, on_time_delivery_rate_status
    FROM staging.account_health
    UNION ALL
    SELECT
        day, marketplace_id, account_status, 'invoice_defect_rate', FALSE,
        invoice_defect_rate, invoice_defect_rate_limit, invoice_defect_rate_status
    FROM staging.account_health
)
SELECT
    rates.day,
    rates.marketplace_id,
    rates.metric,
    rates.rate,
    rates.rate_limit,
    rates.is_minimum,
    CASE
        WHEN rates.is_minimum THEN rates.rate >= rates.rate_limit
        ELSE rates.rate <= rates.rate_limit
    END AS is_within_limit,
    rates.status,
    before.rate AS rate_week_before,
    rates.rate - before.rate AS change_over_week,
    rates.account_status
FROM rates
LEFT JOIN rates AS before
    ON rates.marketplace_id = before.marketplace_id
    AND rates.metric = before.metric
    AND rates.day = before.day + 7
ORDER BY rates.day, rates.marketplace_id, rates.metric
