-- Visits and page views of a day in a marketplace, and what became of them, as Amazon counts them.
--
-- Amazon adds late visits for up to 72 hours. Percentages are Amazon's, 0 to 100; to add up days weight them: divide sums of
-- units by sums of sessions, and sums of featured_offer_page_views by sums of page views.
--
-- @grain day, marketplace_id, currency
-- @reads staging.sales_and_traffic_daily
-- @upsert day
-- @affected SELECT DISTINCT happened_on FROM changed.staging_sales_and_traffic_daily
-- @slice staging.sales_and_traffic_daily: happened_on
-- @without sales_and_traffic_daily: sessions: no traffic has been extracted (role Brand Analytics), so the mart is empty
-- @column day: Day in the marketplace's own time zone.
-- @column marketplace_id: Marketplace.
-- @column currency: ISO 4217 currency of the amounts.
-- @column sessions: Visits within 24 hours, by browser and app.
-- @column browser_sessions: Of them, by browser.
-- @column mobile_app_sessions: Of them, by app.
-- @column page_views: Pages looked at.
-- @column page_views_per_session: page_views / sessions; null without sessions.
-- @column units_ordered: Units ordered, as Amazon's analytics count them.
-- @column order_items: Order items, likewise.
-- @column ordered_product_sales: Ordered product sales, likewise; sales_reconciliation compares them with ours.
-- @column unit_session_percentage: 100 x units_ordered / sessions; null without sessions.
-- @column order_item_session_percentage: 100 x order_items / sessions; null without sessions.
-- @column featured_offer_page_views: Page views with the seller's offer featured: percentage x page views, in whole views.
-- @column featured_offer_percentage: Page views on which the featured offer (buy box) was the seller's, in percent.
-- @column business_sessions: Visits by business customers; null if not told.
-- @column business_units_ordered: Units ordered by business customers; null if not told.
SELECT
    happened_on AS day,
    marketplace_id,
    COALESCE(currency, 'XXX') AS currency,
    COALESCE(sessions, 0) AS sessions,
    browser_sessions,
    mobile_app_sessions,
    COALESCE(page_views, 0) AS page_views,
    page_views / NULLIF(sessions, 0) AS page_views_per_session,
    COALESCE(units_ordered, 0) AS units_ordered,
    COALESCE(order_items, 0) AS order_items,
    COALESCE(ordered_product_sales, 0) AS ordered_product_sales,
    100 * units_ordered / NULLIF(sessions, 0) AS unit_session_percentage,
    100 * order_items / NULLIF(sessions, 0) AS order_item_session_percentage,
    CAST(ROUND(featured_offer_percentage * page_views / 100) AS BIGINT) AS featured_offer_page_views,
    featured_offer_percentage,
    sessions_b2b AS business_sessions,
    units_ordered_b2b AS business_units_ordered
FROM staging.sales_and_traffic_daily
