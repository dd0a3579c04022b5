-- Feedback about the seller on a day in a marketplace, with the running shares that Amazon shows.
--
-- 5 and 4 stars are positive, 3 neutral, 2 and 1 negative. Only days with feedback have rows. What buyers wrote is
-- personal and is not here.
--
-- @grain day, marketplace_id
-- @reads staging.seller_feedback
-- @column day: Local day on which it was given.
-- @column marketplace_id: Marketplace.
-- @column feedbacks: Feedback given on the day.
-- @column positive: Of them, 4 or 5 stars.
-- @column neutral: Of them, 3 stars.
-- @column negative: Of them, 1 or 2 stars.
-- @column average_rating: Average stars of the day.
-- @column feedbacks_30d: Feedback of the 30 days up to this one.
-- @column positive_share_30d: Share of positive ones among them.
-- @column negative_share_30d: Share of negative ones among them.
-- @column average_rating_365d: Average stars of the 365 days up to this one.
WITH days AS (
    SELECT
        given_on AS day,
        marketplace_id,
        COUNT(*) AS feedbacks,
        COUNT(*) FILTER (WHERE rating >= 4) AS positive,
        COUNT(*) FILTER (WHERE rating = 3) AS neutral,
        COUNT(*) FILTER (WHERE rating <= 2) AS negative,
        COUNT(rating) AS rated,
        SUM(rating) AS stars
    FROM staging.seller_feedback
    GROUP BY ALL
)
SELECT
    day,
    marketplace_id,
    feedbacks,
    positive,
    neutral,
    negative,
    stars / NULLIF(rated, 0) AS average_rating,
    CAST(SUM(feedbacks) OVER month AS BIGINT) AS feedbacks_30d,
    SUM(positive) OVER month / SUM(feedbacks) OVER month AS positive_share_30d,
    SUM(negative) OVER month / SUM(feedbacks) OVER month AS negative_share_30d,
    SUM(stars) OVER year / NULLIF(SUM(rated) OVER year, 0) AS average_rating_365d
FROM days
WINDOW
    month AS (PARTITION BY marketplace_id ORDER BY day RANGE BETWEEN INTERVAL 29 DAY PRECEDING AND CURRENT ROW),
    year AS (PARTITION BY marketplace_id ORDER BY day RANGE BETWEEN INTERVAL 364 DAY PRECEDING AND CURRENT ROW)
ORDER BY day, marketplace_id
