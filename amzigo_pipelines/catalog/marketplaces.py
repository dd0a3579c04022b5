"""Amazon's marketplaces: identifier, country, currency, time zone, region. Facts only: Amazon is not asked here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Marketplace:
    """One Amazon marketplace.

    Attributes:
        marketplace_id: Amazon's identifier.
        country: ISO 3166-1 alpha-2 code.
        currency: ISO 4217 code.
        time_zone: IANA zone in which the marketplace counts its days.
        region: `NA`, `EU` or `FE`: which SP-API endpoint serves it.
    """

    marketplace_id: str
    country: str
    currency: str
    time_zone: str
    region: str


_ALL = (
    Marketplace("ATVPDKIKX0DER", "US", "USD", "America/Los_Angeles", "NA"),
    Marketplace("A2EUQ1WTGCTBG2", "CA", "CAD", "America/Los_Angeles", "NA"),
    Marketplace("A1AM78C64UM0Y8", "MX", "MXN", "America/Los_Angeles", "NA"),
    Marketplace("A2Q3Y263D00KWC", "BR", "BRL", "America/Sao_Paulo", "NA"),
    Marketplace("A1F83G8C2ARO7P", "GB", "GBP", "Europe/London", "EU"),
    Marketplace("A1PA6795UKMFR9", "DE", "EUR", "Europe/Berlin", "EU"),
    Marketplace("A13V1IB3VIYZZH", "FR", "EUR", "Europe/Paris", "EU"),
    Marketplace("APJ6JRA9NG5V4", "IT", "EUR", "Europe/Rome", "EU"),
    Marketplace("A1RKKUPIHCS9HS", "ES", "EUR", "Europe/Madrid", "EU"),
    Marketplace("A1805IZSGTT6HS", "NL", "EUR", "Europe/Amsterdam", "EU"),
    Marketplace("AMEN7PMS3EDWL", "BE", "EUR", "Europe/Brussels", "EU"),
    Marketplace("A28R8C7NBKEWEA", "IE", "EUR", "Europe/Dublin", "EU"),
    Marketplace("A2NODRKZP88ZB9", "SE", "SEK", "Europe/Stockholm", "EU"),
    Marketplace("A1C3SOZRARQ6R3", "PL", "PLN", "Europe/Warsaw", "EU"),
    Marketplace("A33AVAJ2PDY3EV", "TR", "TRY", "Europe/Istanbul", "EU"),
    Marketplace("A17E79C6D8DWNP", "SA", "SAR", "Asia/Riyadh", "EU"),
    Marketplace("A2VIGQ35RCS4UG", "AE", "AED", "Asia/Dubai", "EU"),
    Marketplace("ARBP9OOSHTCHU", "EG", "EGP", "Africa/Cairo", "EU"),
    Marketplace("AE08WJ6YKNBMC", "ZA", "ZAR", "Africa/Johannesburg", "EU"),
    Marketplace("A21TJRUUN4KGV", "IN", "INR", "Asia/Kolkata", "EU"),
    Marketplace("A1VC38T7YXB528", "JP", "JPY", "Asia/Tokyo", "FE"),
    Marketplace("A39IBJ37TRP1C6", "AU", "AUD", "Australia/Sydney", "FE"),
    Marketplace("A19VAU5U5O7RUS", "SG", "SGD", "Asia/Singapore", "FE"),
)

MARKETPLACES: dict[str, Marketplace] = {m.marketplace_id: m for m in _ALL}
