-- SKUs by what they bring (A, B, C) and by how steadily they sell (X, Y, Z), in a marketplace, by currency.
--
-- ABC: SKUs in order of their ordered product sales of the last 365 days; A are those that the first 80 % come from, B the
-- next 15 %, C the rest. XYZ: the coefficient of variation of units a week over the last 12 weeks: X up to 0.5, Y up to 1,
-- Z above. Weeks before a SKU's first sale do not count; Z too where fewer than 2 weeks count or nothing was sold in them.
-- Both end with the marketplace's last day with sales.
--
-- @grain marketplace_id, currency, sku
-- @reads sales_by_sku_daily
-- @one_of abc: A, B, C
-- @one_of xyz: X, Y, Z
-- @column marketplace_id: Marketplace.
-- @column currency: ISO 4217 currency of the amounts.
-- @column sku: The seller's own identifier of the listing.
-- @column as_of: The marketplace's last day with sales.
-- @column ordered_product_sales: Ordered product sales of the last 365 days.
-- @column units: Units of the last 365 days.
-- @column sales_rank: 1 for the SKU that brings most.
-- @column sales_share: Its share of all sales; null if there are none.
-- @column cumulative_share: Share of it and of all SKUs that bring more.
-- @column abc: A, B or C.
-- @column weeks: Weeks that count for the variation, at most 12.
-- @column weekly_units_average: Units a week in them.
-- @column variation: Coefficient of variation of the units a week; null if it can't be told.
-- @column xyz: X, Y or Z.
WITH last_days AS (
    SELECT marketplace_id, currency, MAX(day) AS day
    FROM sales_by_sku_daily
    WHERE units > 0
    GROUP BY ALL
),
recent AS (
    SELECT
        sales.marketplace_id,
        sales.currency,
        sales.sku,
        last_days.day AS as_of,
        (last_days.day - sales.day) // 7 AS weeks_ago,
        sales.ordered_product_sales AS product_sales,
        sales.units
    FROM sales_by_sku_daily AS sales
    INNER JOIN last_days USING (marketplace_id, currency)
    WHERE sales.day > last_days.day - 365 AND sales.units > 0
),
totals AS (
    SELECT
        marketplace_id,
        currency,
        sku,
        as_of,
        SUM(product_sales) AS product_sales,
        SUM(units) AS units,
        LEAST(12, MAX(weeks_ago) + 1) AS weeks
    FROM recent
    GROUP BY ALL
),
weeks AS (
    SELECT marketplace_id, currency, sku, weeks_ago, SUM(units) AS units
    FROM recent
    WHERE weeks_ago < 12
    GROUP BY ALL
),
variations AS (
    SELECT marketplace_id, currency, sku, SUM(units) AS units, SUM(units * units) AS squares
    FROM weeks
    GROUP BY ALL
),
ranked AS (
    SELECT
        totals.marketplace_id,
        totals.currency,
        totals.sku,
        totals.as_of,
        totals.product_sales,
        totals.units,
        totals.weeks,
        ROW_NUMBER() OVER ranking AS sales_rank,
        SUM(totals.product_sales) OVER ranking AS cumulative_sales,
        SUM(totals.product_sales) OVER (PARTITION BY totals.marketplace_id, totals.currency) AS all_sales,
        CAST(COALESCE(variations.units, 0) AS DOUBLE) / totals.weeks AS weekly_units_average,
        -- From whole numbers, which add up the same in any order.
        SQRT(
            CAST(variations.squares * totals.weeks - variations.units * variations.units AS DOUBLE)
            / NULLIF(totals.weeks * (totals.weeks - 1), 0)
        ) AS weekly_units_deviation
    FROM totals
    LEFT JOIN variations USING (marketplace_id, currency, sku)
    WINDOW ranking AS (
        PARTITION BY totals.marketplace_id, totals.currency
        ORDER BY totals.product_sales DESC, totals.sku
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
),
shares AS (
    SELECT
        *,
        product_sales / NULLIF(all_sales, 0) AS sales_share,
        cumulative_sales / NULLIF(all_sales, 0) AS cumulative_share,
        (cumulative_sales - product_sales) / NULLIF(all_sales, 0) AS share_before,
        weekly_units_deviation / NULLIF(weekly_units_average, 0) AS variation
    FROM ranked
)
SELECT
    marketplace_id,
    currency,
    sku,
    as_of,
    CAST(product_sales AS DECIMAL(18, 4)) AS ordered_product_sales,
    CAST(units AS BIGINT) AS units,
    sales_rank,
    sales_share,
    cumulative_share,
    CASE WHEN share_before < 0.80 THEN 'A' WHEN share_before < 0.95 THEN 'B' ELSE 'C' END AS abc,
    weeks,
    weekly_units_average,
    variation,
    CASE WHEN variation <= 0.5 THEN 'X' WHEN variation <= 1 THEN 'Y' ELSE 'Z' END AS xyz
FROM shares
ORDER BY marketplace_id, currency, sales_rank
