-- What the reviews of a product speak of, good and bad, as of the newest snapshot, and how that develops.
--
-- Amazon names the ten topics each that reviews praise and blame most. Products with too few reviews have no rows; Amazon has
-- such topics in some countries only. Its quotations of reviews are not stored.
--
-- @grain marketplace_id, asin, sentiment, topic
-- @reads staging.loaded_partitions, staging.review_topics, staging.review_trends
-- @without review_topics: mentions: no review topics have been extracted (role Selling Partner Insights), so the mart is empty
-- @without review_trends: month, month_percent, month_before_percent, month_change: no review trends have been extracted
-- @column marketplace_id: Marketplace that was asked.
-- @column asin: Amazon Standard Identification Number of the product.
-- @column sentiment: `positive` or `negative`: how reviews speak of the topic.
-- @column topic: What the reviews speak of, in English.
-- @column as_of: Day of the snapshot.
-- @column position: Place among the topics of this sentiment, 1 is mentioned most.
-- @column mentions: Reviews that mention the topic.
-- @column occurrence_percent: Share of the reviews that mention the topic, in percent.
-- @column star_rating_impact: Amazon's estimate of the topic's effect on the star rating, in stars.
-- @column browse_node_occurrence_percent: The same share for all products of the browse node, in percent.
-- @column more_than_others: occurrence_percent - browse_node_occurrence_percent, in percentage points.
-- @column subtopics: The topic's top subtopics, by commas.
-- @column month: First day of the newest month that the trend tells.
-- @column month_percent: Share of that month's reviews that mention the topic, in percent.
-- @column month_before_percent: Share of the month before, in percent.
-- @column month_change: month_percent - month_before_percent, in percentage points.
WITH topics AS (
    SELECT
        marketplace_id,
        asin,
        sentiment,
        topic,
        day,
        position,
        mentions,
        occurrence_percent,
        star_rating_impact,
        browse_node_occurrence_percent,
        subtopics
    FROM staging.review_topics
    WHERE day = (SELECT MAX(day) FROM staging.loaded_partitions WHERE dataset = 'review_topics')
),
trends AS (
    SELECT marketplace_id, asin, sentiment, topic, month_starts_on, occurrence_percent
    FROM staging.review_trends
    WHERE day = (SELECT MAX(day) FROM staging.loaded_partitions WHERE dataset = 'review_trends')
),
newest AS (
    SELECT *
    FROM trends
    QUALIFY ROW_NUMBER() OVER (
        PARTITION BY marketplace_id, asin, sentiment, topic ORDER BY month_starts_on DESC
    ) = 1
)
SELECT
    topics.marketplace_id,
    topics.asin,
    topics.sentiment,
    topics.topic,
    topics.day AS as_of,
    topics.position,
    topics.mentions,
    topics.occurrence_percent,
    topics.star_rating_impact,
    topics.browse_node_occurrence_percent,
    topics.occurrence_percent - topics.browse_node_occurrence_percent AS more_than_others,
    topics.subtopics,
    newest.month_starts_on AS month,
    newest.occurrence_percent AS month_percent,
    before.occurrence_percent AS month_before_percent,
    newest.occurrence_percent - before.occurrence_percent AS month_change
FROM topics
LEFT JOIN newest
    ON topics.marketplace_id = newest.marketplace_id
    AND topics.asin = newest.asin
    AND topics.sentiment = newest.sentiment
    AND topics.topic = newest.topic
LEFT JOIN trends AS before
    ON newest.marketplace_id = before.marketplace_id
    AND newest.asin = before.asin
    AND newest.sentiment = before.sentiment
    AND newest.topic = before.topic
    AND before.month_starts_on = newest.month_starts_on - INTERVAL 1 MONTH
ORDER BY topics.marketplace_id, topics.asin, topics.sentiment, topics.position, topics.topic
