-- What advertising cost and brought on a day in a marketplace, by currency, beside all sales of the day.
--
-- What ads brought is what was ordered within 14 days of a click, the one window that all of Amazon's advertising
-- products tell; it counts for the day of the click and grows for weeks. A day of which no advertising was extracted has
-- null, not 0.
--
-- @grain day, marketplace_id, currency
-- @reads sales_daily, staging.ads_campaigns, staging.loaded_partitions
-- @without ads_campaigns: spend, impressions, clicks, ad_sales, ad_orders, ad_units, click_through_rate, cost_per_click,
--   acos, roas, tacos: no advertising account is connected, or none of its days was extracted ('amzigo ads connect')
-- @column day: Day in the marketplace's own time zone.
-- @column marketplace_id: Marketplace.
-- @column currency: ISO 4217 currency of the amounts.
-- @column spend: What clicks and views cost.
-- @column impressions: How often ads were shown.
-- @column clicks: Clicks on ads.
-- @column ad_sales: Sales within 14 days of a click.
-- @column ad_orders: Orders within 14 days of a click.
-- @column ad_units: Units ordered within 14 days of a click.
-- @column click_through_rate: clicks / impressions; null without impressions.
-- @column cost_per_click: spend / clicks; null without clicks.
-- @column acos: Advertising cost of sales: spend / ad_sales; null without any.
-- @column roas: Return on advertising spend: ad_sales / spend; null without spend.
-- @column tacos: Total advertising cost of sales: spend / ordered_product_sales; null without sales.
-- @column ordered_product_sales: Ordered product sales of the day, advertised or not.
WITH ads AS (
    SELECT
        performed_on AS day,
        marketplace_id,
        COALESCE(currency, 'XXX') AS currency,
        SUM(cost) AS spend,
        SUM(impressions) AS impressions,
        SUM(clicks) AS clicks,
        SUM(sales_14d) AS ad_sales,
        SUM(orders_14d) AS ad_orders,
        SUM(units_14d) AS ad_units
    FROM staging.ads_campaigns
    GROUP BY ALL
),
extracted AS (
    SELECT DISTINCT day
    FROM staging.loaded_partitions
    WHERE dataset = 'ads_campaigns'
),
days AS (
    SELECT day, marketplace_id, currency FROM sales_daily
    UNION
    SELECT day, marketplace_id, currency FROM ads
),
totals AS (
    SELECT
        days.day,
        days.marketplace_id,
        days.currency,
        CASE WHEN extracted.day IS NOT NULL THEN CAST(COALESCE(ads.spend, 0) AS DECIMAL(18, 4)) END AS spend,
        CASE WHEN extracted.day IS NOT NULL THEN CAST(COALESCE(ads.impressions, 0) AS BIGINT) END AS impressions,
        CASE WHEN extracted.day IS NOT NULL THEN CAST(COALESCE(ads.clicks, 0) AS BIGINT) END AS clicks,
        CASE WHEN extracted.day IS NOT NULL THEN CAST(COALESCE(ads.ad_sales, 0) AS DECIMAL(18, 4)) END AS ad_sales,
        CASE WHEN extracted.day IS NOT NULL THEN CAST(COALESCE(ads.ad_orders, 0) AS BIGINT) END AS ad_orders,
        CASE WHEN extracted.day IS NOT NULL THEN CAST(COALESCE(ads.ad_units, 0) AS BIGINT) END AS ad_units,
        COALESCE(sales_daily.ordered_product_sales, 0) AS ordered_product_sales
    FROM days
    LEFT JOIN extracted ON days.day = extracted.day
    LEFT JOIN ads
        ON days.day = ads.day AND days.marketplace_id = ads.marketplace_id AND days.currency = ads.currency
    LEFT JOIN sales_daily
        ON days.day = sales_daily.day
        AND days.marketplace_id = sales_daily.marketplace_id
        AND days.currency = sales_daily.currency
)
SELECT
    day,
    marketplace_id,
    currency,
    spend,
    impressions,
    clicks,
    ad_sales,
    ad_orders,
    ad_units,
    clicks / NULLIF(impressions, 0) AS click_through_rate,
    CAST(ROUND(spend / NULLIF(clicks, 0), 4) AS DECIMAL(18, 4)) AS cost_per_click,
    spend / NULLIF(ad_sales, 0) AS acos,
    ad_sales / NULLIF(spend, 0) AS roas,
    spend / NULLIF(ordered_product_sales, 0) AS tacos,
    CAST(ordered_product_sales AS DECIMAL(18, 4)) AS ordered_product_sales
FROM totals
ORDER BY day, marketplace_id, currency
