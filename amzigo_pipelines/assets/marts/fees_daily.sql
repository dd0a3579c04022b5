-- Amazon's fees of a day in a marketplace, by currency and type, as booked on the seller's account.
--
-- Fees are booked when an order ships, when it is refunded (part of a fee comes back), and once a month for storage and
-- subscription. What is held back counts once it is released. Advertising is paid separately: see ads_daily.
--
-- @grain day, marketplace_id, currency, fee_type
-- @reads account_daily
-- @without transaction_breakdowns: fees: no transactions have been extracted, so the mart is empty
-- @column day: Day on which it was posted, in the marketplace's own time zone; UTC for the account as a whole.
-- @column marketplace_id: Marketplace; '(account)' for what concerns the whole account.
-- @column currency: ISO 4217 currency of the amounts.
-- @column fee_type: Amazon's name of the fee: Commission, FBAPerUnitFulfillmentFee, FBAStorageFee, Subscription, ...
-- @column fees: What the seller paid, after what came back; negative where more came back.
-- @column fees_charged: What was charged.
-- @column fees_given_back: What came back, with refunds mostly.
-- @column fees_by_sku: Part of the fees for which Amazon names the SKU.
-- @column fees_unallocated: Part of the fees for which it names none: subscription, storage.
SELECT
    day,
    marketplace_id,
    currency,
    amount_type AS fee_type,
    CAST(-SUM(amount) AS DECIMAL(18, 4)) AS fees,
    CAST(COALESCE(-SUM(amount) FILTER (WHERE amount < 0), 0) AS DECIMAL(18, 4)) AS fees_charged,
    CAST(COALESCE(SUM(amount) FILTER (WHERE amount > 0), 0) AS DECIMAL(18, 4)) AS fees_given_back,
    CAST(COALESCE(-SUM(amount) FILTER (WHERE sku <> '(none)'), 0) AS DECIMAL(18, 4)) AS fees_by_sku,
    CAST(COALESCE(-SUM(amount) FILTER (WHERE sku = '(none)'), 0) AS DECIMAL(18, 4)) AS fees_unallocated
FROM account_daily
WHERE amount_class = 'fee'
GROUP BY ALL
ORDER BY day, marketplace_id, currency, fee_type
