-- Visits and page views of a SKU on a day in a marketplace, and what became of them, as Amazon counts them.
--
-- Page views and units add up to the day's; visits do not, for one visit may look at several SKUs. Where Amazon tells a SKU
-- under several ASINs they are added up, and percentages weighted by page views.
--
-- @grain day, marketplace_id, currency, sku
-- @reads staging.sales_and_traffic_by_sku
-- @upsert day
-- @affected SELECT DISTINCT happened_on FROM changed.staging_sales_and_traffic_by_sku
-- @slice staging.sales_and_traffic_by_sku: happened_on
-- @without sales_and_traffic_by_sku: sessions: no traffic by SKU has been extracted (role Brand Analytics), so the mart is
--   empty
-- @column day: Day in the marketplace's own time zone.
-- @column marketplace_id: Marketplace.
-- @column currency: ISO 4217 currency of the amounts.
-- @column sku: The seller's own identifier of the listing; '(no SKU)' if Amazon tells none.
-- @column asin: Amazon Standard Identification Number of the product (the first in the alphabet, should there be several).
-- @column sessions: Visits that looked at it.
-- @column page_views: Pages looked at.
-- @column units_ordered: Units ordered, as Amazon's analytics count them.
-- @column ordered_product_sales: Ordered product sales, likewise.
-- @column unit_session_percentage: 100 x units_ordered / sessions; null without sessions.
-- @column featured_offer_page_views: Page views with the seller's offer featured: percentage x page views, in whole views.
-- @column featured_offer_percentage: Page views on which the featured offer was the seller's, in percent, weighted by page
--   views; null without any.
SELECT
    happened_on AS day,
    marketplace_id,
    COALESCE(currency, 'XXX') AS currency,
    COALESCE(sku, '(no SKU)') AS sku,
    MIN(child_asin) AS asin,
    CAST(COALESCE(SUM(sessions), 0) AS BIGINT) AS sessions,
    CAST(COALESCE(SUM(page_views), 0) AS BIGINT) AS page_views,
    CAST(COALESCE(SUM(units_ordered), 0) AS BIGINT) AS units_ordered,
    CAST(COALESCE(SUM(ordered_product_sales), 0) AS DECIMAL(18, 4)) AS ordered_product_sales,
    100 * SUM(units_ordered) / NULLIF(SUM(sessions), 0) AS unit_session_percentage,
    CAST(ROUND(SUM(featured_offer_percentage * page_views) / 100) AS BIGINT) AS featured_offer_page_views,
    SUM(featured_offer_percentage * page_views)
    / NULLIF(SUM(page_views) FILTER (WHERE featured_offer_percentage IS NOT NULL), 0) AS featured_offer_percentage
FROM staging.sales_and_traffic_by_sku
GROUP BY ALL
