"""The dataset `marketplaces`: where a seller may sell, as Amazon lists it. Declarations only.

Does not belong here: what Amazon fixes for a marketplace (`marketplaces.py`), from which the region and the time zone
come.
"""

from __future__ import annotations

from amzigo_pipelines.catalog.model import BOOLEAN, INSTANT, STRING, Dataset, Source, business

PARTICIPATIONS = Dataset(
    name="marketplaces",
    description=(
        "One row a marketplace that the seller's authorisation covers, with currency and time zone, a snapshot of the "
        "day's close. Marketplaces that Amazon's list has and this catalog does not have no region and no time zone."
    ),
    grain=("marketplace_id",),
    source=Source(operation="getMarketplaceParticipations", is_snapshot=True),
    purpose="account settings: currencies and calendar days of all other data",
    legal_basis="contract",
    partition_day="the day whose closing state it is: Amazon is asked on that day or the day after",
    columns=(
        business("marketplace_id", STRING, "Amazon's identifier of the marketplace.", "marketplace.id"),
        business("taken_at", INSTANT, "When Amazon was asked (UTC)."),
        business("name", STRING, "Amazon's name of the marketplace.", "marketplace.name"),
        business("country", STRING, "ISO 3166-1 alpha-2 code of the country.", "marketplace.countryCode"),
        business("currency", STRING, "ISO 4217 code of the currency.", "marketplace.defaultCurrencyCode"),
        business("language", STRING, "Code of the marketplace's language.", "marketplace.defaultLanguageCode"),
        business("domain", STRING, "Domain of the shop.", "marketplace.domainName"),
        business("region", STRING, "NA, EU or FE: which endpoint serves it. A fact of the catalog."),
        business("time_zone", STRING, "IANA zone in which it counts its days. A fact of the catalog."),
        business("is_participating", BOOLEAN, "Whether the seller takes part.", "participation.isParticipating"),
        business(
            "has_suspended_listings",
            BOOLEAN,
            "Whether the seller's listings are inactive there.",
            "participation.hasSuspendedListings",
        ),
        business("is_extracted", BOOLEAN, "Whether the seller has connected it here, so that its data is fetched."),
        business("store_name", STRING, "Name of the seller's shop there.", "storeName"),
    ),
)
