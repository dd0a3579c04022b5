-- What Amazon paid out for each settlement against the transactions it is made of, and where a difference comes from.
--
-- The transactions of a settlement are those of the financial event group whose transfer names it. Differences are
-- explained in this order: the report contradicts itself; money that Amazon keeps in reserve, which is no transaction;
-- days of which no transactions were extracted; days so new that Amazon may still tell of transactions (up to 48 hours
-- late). What is left is unexplained.
--
-- @grain settlement_id
-- @reads staging.loaded_partitions, staging.settlement_lines, staging.settlements, staging.transactions
-- @without transactions: transactions, transactions_amount, transfer_amount, difference, unexplained_difference: no
--   transactions have been extracted
-- @column settlement_id: Amazon's identifier of the settlement.
-- @column currency: ISO 4217 currency of the amounts.
-- @column marketplaces: Countries' marketplaces of its lines, comma-separated identifiers.
-- @column started_at: First instant that it covers (UTC).
-- @column ended_at: Where it ends (UTC).
-- @column deposited_at: When the money went to the bank (UTC).
-- @column payout: What Amazon says it paid out; negative where the seller owes.
-- @column lines_amount: What the lines of its report add up to.
-- @column transfer_amount: What the transaction of the transfer says was paid out; null if there is none yet.
-- @column transactions: How many released transactions it is made of.
-- @column transactions_amount: What they add up to; null if no transfer names the settlement.
-- @column difference: payout - transactions_amount.
-- @column report_difference: Part of it: payout - lines_amount: Amazon's report contradicts itself.
-- @column reserve_amount: Part of it: money put in reserve, and given back from it.
-- @column not_extracted_amount: Part of it: days of which no transactions were extracted.
-- @column late_amount: Part of it: the two newest days of transactions, of which Amazon may still tell more.
-- @column unexplained_difference: What is left of it.
-- @column explanation: The same in words; 'equal' where there is no difference.
WITH transfers AS (
    SELECT
        settlement_id,
        MIN(financial_event_group_id) AS financial_event_group_id,
        -SUM(total_amount) AS amount
    FROM staging.transactions
    WHERE transaction_type = 'Transfer' AND settlement_id IS NOT NULL
    GROUP BY settlement_id
),
booked AS (
    SELECT
        financial_event_group_id,
        day,
        COUNT(*) AS transactions,
        SUM(total_amount) AS amount
    FROM staging.transactions
    WHERE transaction_type <> 'Transfer' AND COALESCE(status, 'RELEASED') = 'RELEASED'
    GROUP BY ALL
),
settled AS (
    SELECT
        settlement_id,
        CAST(posted_at AT TIME ZONE 'UTC' AS DATE) AS day,
        SUM(amount) FILTER (WHERE NOT is_reserve) AS amount,
        SUM(amount) FILTER (WHERE is_reserve) AS reserve
    FROM (
        SELECT
            settlement_id,
            posted_at,
            amount,
            COALESCE(amount_description ILIKE '%reserve%', FALSE) AS is_reserve
        FROM staging.settlement_lines
    )
    GROUP BY ALL
),
extracted AS (
    SELECT DISTINCT day FROM staging.loaded_partitions WHERE dataset = 'transactions'
),
places AS (
    SELECT settlement_id, STRING_AGG(DISTINCT marketplace_id, ', ' ORDER BY marketplace_id) AS marketplaces
    FROM staging.settlement_lines
    GROUP BY settlement_id
),
days AS (
    SELECT settlement_id, day, COALESCE(amount, 0) AS settled, 0 AS booked, 0 AS transactions, reserve FROM settled
    UNION ALL
    SELECT transfers.settlement_id, booked.day, 0, booked.amount, booked.transactions, NULL
    FROM transfers
    INNER JOIN booked USING (financial_event_group_id)
),
by_day AS (
    SELECT
        settlement_id,
        day,
        SUM(settled) - SUM(booked) AS difference,
        SUM(booked) AS booked,
        SUM(transactions) AS transactions,
        SUM(reserve) AS reserve
    FROM days
    GROUP BY ALL
),
parts AS (
    SELECT
        by_day.settlement_id,
        SUM(by_day.booked) AS booked,
        SUM(by_day.transactions) AS transactions,
        COALESCE(SUM(by_day.reserve), 0) AS reserve,
        COALESCE(SUM(by_day.difference) FILTER (WHERE extracted.day IS NULL), 0) AS not_extracted,
        COALESCE(
            SUM(by_day.difference) FILTER (WHERE extracted.day >= (SELECT MAX(day) FROM extracted) - 1), 0
        ) AS late
    FROM by_day
    LEFT JOIN extracted ON by_day.day = extracted.day
    GROUP BY by_day.settlement_id
),
compared AS (
    SELECT
        settlements.settlement_id,
        settlements.currency,
        places.marketplaces,
        settlements.started_at,
        settlements.ended_at,
        settlements.deposited_at,
        settlements.total_amount AS payout,
        settlements.lines_amount,
        CAST(transfers.amount AS DECIMAL(18, 4)) AS transfer_amount,
        transfers.settlement_id IS NOT NULL AS has_transfer,
        CASE WHEN has_transfer THEN CAST(COALESCE(parts.transactions, 0) AS BIGINT) END AS transactions,
        CASE WHEN has_transfer THEN CAST(COALESCE(parts.booked, 0) AS DECIMAL(18, 4)) END AS transactions_amount,
        CAST(settlements.total_amount - settlements.lines_amount AS DECIMAL(18, 4)) AS report_difference,
        CAST(COALESCE(parts.reserve, 0) AS DECIMAL(18, 4)) AS reserve_amount,
        CASE WHEN has_transfer THEN CAST(COALESCE(parts.not_extracted, 0) AS DECIMAL(18, 4)) END AS not_extracted_amount,
        CASE WHEN has_transfer THEN CAST(COALESCE(parts.late, 0) AS DECIMAL(18, 4)) END AS late_amount
    FROM staging.settlements AS settlements
    LEFT JOIN transfers ON settlements.settlement_id = transfers.settlement_id
    LEFT JOIN parts ON settlements.settlement_id = parts.settlement_id
    LEFT JOIN places ON settlements.settlement_id = places.settlement_id
),
judged AS (
    SELECT
        *,
        CAST(payout - transactions_amount AS DECIMAL(18, 4)) AS difference,
        CAST(
            payout - transactions_amount - report_difference - reserve_amount - not_extracted_amount - late_amount
            AS DECIMAL(18, 4)
        ) AS unexplained_difference
    FROM compared
)
SELECT
    settlement_id,
    currency,
    marketplaces,
    started_at,
    ended_at,
    deposited_at,
    payout,
    lines_amount,
    transfer_amount,
    transactions,
    transactions_amount,
    difference,
    report_difference,
    reserve_amount,
    not_extracted_amount,
    late_amount,
    unexplained_difference,
    CASE
        WHEN NOT has_transfer THEN 'no transaction of its transfer yet: nothing to compare with'
        WHEN difference = 0
            AND report_difference = 0
            AND reserve_amount = 0
            AND not_extracted_amount = 0
            AND late_amount = 0
            THEN 'equal'
        ELSE CONCAT_WS(
            '; ',
            CASE WHEN report_difference <> 0 THEN 'the report contradicts itself: ' || report_difference END,
            CASE WHEN reserve_amount <> 0 THEN 'reserve: ' || reserve_amount END,
            CASE WHEN not_extracted_amount <> 0 THEN 'days without transactions: ' || not_extracted_amount END,
            CASE WHEN late_amount <> 0 THEN 'transactions may still come: ' || late_amount END,
            CASE WHEN unexplained_difference <> 0 THEN 'unexplained: ' || unexplained_difference END
        )
    END AS explanation
FROM judged
ORDER BY ended_at, settlement_id
