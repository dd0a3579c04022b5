-- The marketplaces that the seller's authorisation covers, as of the newest snapshot.
--
-- @grain marketplace_id
-- @reads staging.loaded_partitions, staging.marketplaces
-- @without marketplaces: country: Amazon's list of marketplaces has not been extracted, so the mart is empty
-- @column marketplace_id: Amazon's identifier of the marketplace.
-- @column as_of: Day of the snapshot.
-- @column name: Amazon's name of the marketplace.
-- @column country: ISO 3166-1 alpha-2 code of the country.
-- @column currency: ISO 4217 code of its currency.
-- @column time_zone: IANA zone in which it counts its days.
-- @column region: NA, EU or FE: which endpoint serves it.
-- @column is_participating: Whether the seller takes part.
-- @column has_suspended_listings: Whether the seller's listings are inactive there.
-- @column is_extracted: Whether its data is fetched.
SELECT
    marketplace_id,
    day AS as_of,
    name,
    country,
    currency,
    time_zone,
    region,
    is_participating,
    has_suspended_listings,
    is_extracted
FROM staging.marketplaces
WHERE day = (SELECT MAX(day) FROM staging.loaded_partitions WHERE dataset = 'marketplaces')
ORDER BY marketplace_id
