"""The marketplaces the simulator knows: Amazon's facts from the catalog, and what imitating them takes.

Belongs here: language, tax, charset of reports, looks of order numbers. Does not belong here: what Amazon fixes for a
marketplace (`catalog/marketplaces.py`) and what sellers sell there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from amzigo_pipelines.catalog import marketplaces as catalog


@dataclass(frozen=True, kw_only=True)
class Marketplace(catalog.Marketplace):
    """One of Amazon's marketplaces, as it is simulated.

    Attributes:
        domain_suffix: the end of Amazon's domain there, used in anonymised e-mail addresses.
        decimals: digits after the decimal point of the currency: 0 for JPY.
        locale: the Faker locale of its people.
        language: the language of its product titles.
        report_charset: what Amazon's tab-separated reports are encoded in.
        tax_rate: sales tax that is added to the price; 0 where prices include the tax.
        price_factor: units of the currency for one US dollar, roughly.
        order_prefixes: first groups of its order numbers.
    """

    domain_suffix: str
    decimals: int = 2
    locale: str
    language: str
    report_charset: str = "cp1252"
    tax_rate: float = 0.0
    price_factor: float
    order_prefixes: tuple[str, ...]

    @property
    def name(self) -> str:
        """What Amazon calls the marketplace, e.g. `Amazon.de`."""
        return f"Amazon.{self.domain_suffix}"

    @property
    def zone(self) -> ZoneInfo:
        """The time zone as an object."""
        return ZoneInfo(self.time_zone)

    def amount(self, minor: int) -> str:
        """An amount in minor units as Amazon writes it: `1234` is `12.34` in USD and `1234` in JPY."""
        if not self.decimals:
            return str(minor)
        sign = "-" if minor < 0 else ""
        return f"{sign}{abs(minor) // 100}.{abs(minor) % 100:02d}"


def _facts(country: str) -> dict[str, Any]:
    return next(vars(marketplace) for marketplace in catalog.MARKETPLACES.values() if marketplace.country == country)


_ROWS = (
    Marketplace(
        **_facts("US"),
        domain_suffix="com",
        locale="en_US",
        language="en",
        tax_rate=0.0825,
        price_factor=1.0,
        order_prefixes=("111", "112", "113", "114"),
    ),
    Marketplace(
        **_facts("CA"),
        domain_suffix="ca",
        locale="en_CA",
        language="en",
        tax_rate=0.13,
        price_factor=1.37,
        order_prefixes=("701", "702"),
    ),
    Marketplace(
        **_facts("MX"),
        domain_suffix="com.mx",
        locale="es_MX",
        language="es",
        price_factor=18.0,
        order_prefixes=("705", "706"),
    ),
    Marketplace(
        **_facts("GB"),
        domain_suffix="co.uk",
        locale="en_GB",
        language="en",
        price_factor=0.79,
        order_prefixes=("202", "203", "204"),
    ),
    Marketplace(
        **_facts("DE"),
        domain_suffix="de",
        locale="de_DE",
        language="de",
        price_factor=0.93,
        order_prefixes=("302", "303", "304"),
    ),
    Marketplace(
        **_facts("FR"),
        domain_suffix="fr",
        locale="fr_FR",
        language="fr",
        price_factor=0.93,
        order_prefixes=("402", "403", "404"),
    ),
    Marketplace(
        **_facts("JP"),
        domain_suffix="co.jp",
        decimals=0,
        locale="ja_JP",
        language="ja",
        report_charset="cp932",
        price_factor=150.0,
        order_prefixes=("249", "250", "503"),
    ),
)

MARKETPLACES: dict[str, Marketplace] = {row.marketplace_id: row for row in _ROWS}
"""Every known marketplace by its id."""

BY_COUNTRY: dict[str, Marketplace] = {row.country: row for row in _ROWS}
"""Every known marketplace by its country code."""
