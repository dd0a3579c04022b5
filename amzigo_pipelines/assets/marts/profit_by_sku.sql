-- Profit of a SKU in a month and marketplace, by currency: net sales - fees - advertising - unit cost x net units.
--
-- Everything but advertising and costs is what Amazon booked on the account in that month, so a refund counts in the month
-- of the refund. What Amazon names no SKU for (subscription, storage, ads of several products) is in the row of the SKU
-- '(unallocated)', and is not spread over SKUs by a guess. Tax is left out: it is not the seller's. Transfers to the bank
-- are no income. Profit is null where a part of it is not known, and profit_note says which.
--
-- @grain month, marketplace_id, currency, sku
-- @reads account_daily, staging.ads_campaigns, staging.ads_products, staging.loaded_partitions, staging.product_costs
-- @without transaction_breakdowns: net_sales, fees, profit: no transactions have been extracted
-- @without ads_products: ad_spend, profit: no advertising account is connected, or none of its days was extracted
--   ('amzigo ads connect')
-- @without product_costs: unit_cost, product_cost, contribution, profit: no unit costs are known ('amzigo costs import')
-- @signed net_units
-- @column month: First day of the month, in the marketplace's own time zone.
-- @column marketplace_id: Marketplace; '(account)' for what concerns the whole account.
-- @column currency: ISO 4217 currency of the amounts.
-- @column sku: The seller's own identifier of the listing; '(unallocated)' for what Amazon names none for.
-- @column units_shipped: Units shipped and booked.
-- @column units_refunded: Units refunded.
-- @column net_units: units_shipped - units_refunded.
-- @column product_sales: Price of what was shipped, without tax and shipping.
-- @column shipping_and_gift_wrap: What buyers paid for shipping and gift wrap, without tax.
-- @column promotions: Discounts that the seller gave, negative.
-- @column refunds: What buyers got back, without tax, negative: goods, shipping and gift wrap less discounts.
-- @column net_sales: product_sales + shipping_and_gift_wrap + promotions + refunds.
-- @column reimbursements: What Amazon paid for what it lost or damaged, and other adjustments.
-- @column other_income: What is none of the others, as Amazon booked it.
-- @column fees: Amazon's fees after what came back, positive.
-- @column ad_spend: What advertising cost; null if none of the month's days was extracted.
-- @column ad_days_missing: Days of the month with bookings of which no advertising was extracted.
-- @column unit_cost: What one unit costs the seller, by the newest import.
-- @column product_cost: unit_cost x net_units: units that came back count as saved, in whatever state they are.
-- @column contribution: net_sales + reimbursements + other_income - fees - product_cost: profit before advertising.
-- @column profit: contribution - ad_spend.
-- @column margin: profit / net_sales; null without net sales.
-- @column profit_note: Why there is no profit; null where there is one.
WITH costs AS (
    SELECT marketplace_id, sku, currency, unit_cost
    FROM staging.product_costs
    WHERE day = (SELECT MAX(day) FROM staging.loaded_partitions WHERE dataset = 'product_costs')
),
booked AS (
    SELECT
        CAST(DATE_TRUNC('month', day) AS DATE) AS month,
        marketplace_id,
        currency,
        CASE WHEN sku = '(none)' THEN '(unallocated)' ELSE sku END AS sku,
        SUM(units) FILTER (WHERE units > 0) AS units_shipped,
        -SUM(units) FILTER (WHERE units < 0) AS units_refunded,
        SUM(amount) FILTER (WHERE amount_class = 'product' AND transaction_type <> 'Refund') AS product_sales,
        SUM(amount) FILTER (WHERE amount_class = 'shipping' AND transaction_type <> 'Refund') AS shipping,
        SUM(amount) FILTER (WHERE amount_class = 'promotion' AND transaction_type <> 'Refund') AS promotions,
        SUM(amount) FILTER (
            WHERE amount_class IN ('product', 'shipping', 'promotion') AND transaction_type = 'Refund'
        ) AS refunds,
        SUM(amount) FILTER (WHERE amount_class = 'adjustment') AS reimbursements,
        SUM(amount) FILTER (WHERE amount_class = 'other') AS other_income,
        -SUM(amount) FILTER (WHERE amount_class = 'fee') AS fees
    FROM account_daily
    WHERE amount_class <> 'transfer'
    GROUP BY ALL
),
ads_of_products AS (
    SELECT
        CAST(DATE_TRUNC('month', performed_on) AS DATE) AS month,
        marketplace_id,
        COALESCE(currency, 'XXX') AS currency,
        sku,
        SUM(cost) AS spend
    FROM staging.ads_products
    WHERE sku IS NOT NULL
    GROUP BY ALL
),
-- Campaigns have all of the spend; what products do not show of it names no SKU.
ads_of_campaigns AS (
    SELECT
        CAST(DATE_TRUNC('month', performed_on) AS DATE) AS month,
        marketplace_id,
        COALESCE(currency, 'XXX') AS currency,
        SUM(cost) AS spend
    FROM staging.ads_campaigns
    GROUP BY ALL
),
ads AS (
    SELECT month, marketplace_id, currency, sku, spend FROM ads_of_products
    UNION ALL
    SELECT campaigns.month, campaigns.marketplace_id, campaigns.currency, '(unallocated)', campaigns.spend - COALESCE(p.spend, 0)
    FROM ads_of_campaigns AS campaigns
    LEFT JOIN (
        SELECT month, marketplace_id, currency, SUM(spend) AS spend FROM ads_of_products GROUP BY ALL
    ) AS p
        ON campaigns.month = p.month AND campaigns.marketplace_id = p.marketplace_id AND campaigns.currency = p.currency
    WHERE campaigns.spend <> COALESCE(p.spend, 0)
),
ad_days AS (
    SELECT
        CAST(DATE_TRUNC('month', days.day) AS DATE) AS month,
        days.marketplace_id,
        COUNT(*) AS days,
        COUNT(*) FILTER (WHERE extracted.day IS NULL) AS days_missing
    FROM (
        SELECT DISTINCT day, marketplace_id FROM account_daily
        UNION
        SELECT DISTINCT performed_on, marketplace_id FROM staging.ads_products
    ) AS days
    LEFT JOIN (
        SELECT DISTINCT day FROM staging.loaded_partitions WHERE dataset = 'ads_products'
    ) AS extracted ON days.day = extracted.day
    GROUP BY ALL
),
keys AS (
    SELECT month, marketplace_id, currency, sku FROM booked
    UNION
    SELECT month, marketplace_id, currency, sku FROM ads
),
amounts AS (
    SELECT
        keys.month,
        keys.marketplace_id,
        keys.currency,
        keys.sku,
        CAST(COALESCE(booked.units_shipped, 0) AS BIGINT) AS units_shipped,
        CAST(COALESCE(booked.units_refunded, 0) AS BIGINT) AS units_refunded,
        CAST(COALESCE(booked.product_sales, 0) AS DECIMAL(18, 4)) AS product_sales,
        CAST(COALESCE(booked.shipping, 0) AS DECIMAL(18, 4)) AS shipping_and_gift_wrap,
        CAST(COALESCE(booked.promotions, 0) AS DECIMAL(18, 4)) AS promotions,
        CAST(COALESCE(booked.refunds, 0) AS DECIMAL(18, 4)) AS refunds,
        CAST(COALESCE(booked.reimbursements, 0) AS DECIMAL(18, 4)) AS reimbursements,
        CAST(COALESCE(booked.other_income, 0) AS DECIMAL(18, 4)) AS other_income,
        CAST(COALESCE(booked.fees, 0) AS DECIMAL(18, 4)) AS fees,
        CASE
            WHEN ad_days.days > ad_days.days_missing OR keys.marketplace_id = '(account)'
                THEN CAST(COALESCE(ads.spend, 0) AS DECIMAL(18, 4))
        END AS ad_spend,
        ad_days.days_missing AS ad_days_missing,
        costs.sku IS NOT NULL AS has_cost,
        costs.currency IS NOT DISTINCT FROM keys.currency AS has_its_currency,
        CASE WHEN costs.currency = keys.currency THEN costs.unit_cost END AS unit_cost
    FROM keys
    LEFT JOIN booked
        ON keys.month = booked.month
        AND keys.marketplace_id = booked.marketplace_id
        AND keys.currency = booked.currency
        AND keys.sku = booked.sku
    LEFT JOIN ads
        ON keys.month = ads.month
        AND keys.marketplace_id = ads.marketplace_id
        AND keys.currency = ads.currency
        AND keys.sku = ads.sku
    LEFT JOIN ad_days ON keys.month = ad_days.month AND keys.marketplace_id = ad_days.marketplace_id
    LEFT JOIN costs ON keys.marketplace_id = costs.marketplace_id AND keys.sku = costs.sku
),
sums AS (
    SELECT
        *,
        units_shipped - units_refunded AS net_units,
        CAST(product_sales + shipping_and_gift_wrap + promotions + refunds AS DECIMAL(18, 4)) AS net_sales,
        CASE
            WHEN units_shipped = units_refunded THEN CAST(0 AS DECIMAL(18, 4))
            ELSE CAST(unit_cost * (units_shipped - units_refunded) AS DECIMAL(18, 4))
        END AS product_cost
    FROM amounts
),
results AS (
    SELECT
        *,
        CAST(net_sales + reimbursements + other_income - fees - product_cost AS DECIMAL(18, 4)) AS contribution
    FROM sums
)
SELECT
    month,
    marketplace_id,
    currency,
    sku,
    units_shipped,
    units_refunded,
    net_units,
    product_sales,
    shipping_and_gift_wrap,
    promotions,
    refunds,
    net_sales,
    reimbursements,
    other_income,
    fees,
    ad_spend,
    ad_days_missing,
    unit_cost,
    product_cost,
    contribution,
    CAST(contribution - ad_spend AS DECIMAL(18, 4)) AS profit,
    (contribution - ad_spend) / NULLIF(net_sales, 0) AS margin,
    NULLIF(
        CONCAT_WS(
            '; ',
            CASE
                WHEN product_cost IS NOT NULL THEN NULL
                WHEN NOT has_cost THEN 'no cost of this SKU: add it to the costs file and import it'
                WHEN NOT has_its_currency THEN 'its cost is in another currency'
                ELSE 'no unit cost of this SKU: add it to the costs file and import it'
            END,
            CASE WHEN ad_spend IS NULL THEN 'no advertising of the month was extracted' END
        ),
        ''
    ) AS profit_note
FROM results
ORDER BY month, marketplace_id, currency, sku
