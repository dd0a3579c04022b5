"""Where sellers of a marketplace log in: the Seller Central that asks them for their consent.

Belongs here: hosts. Does not belong here: the address of the consent page (`resources/spapi/authorisation.py`).

Source: "Seller Central URLs" in Amazon's SP-API documentation.
"""

from __future__ import annotations

from collections.abc import Mapping

_EUROPE = "sellercentral-europe.amazon.com"

SELLER_CENTRAL: Mapping[str, str] = {
    "US": "sellercentral.amazon.com",
    "CA": "sellercentral.amazon.ca",
    "MX": "sellercentral.amazon.com.mx",
    "BR": "sellercentral.amazon.com.br",
    "GB": _EUROPE,
    "DE": _EUROPE,
    "FR": _EUROPE,
    "IT": _EUROPE,
    "ES": _EUROPE,
    "NL": "sellercentral.amazon.nl",
    "BE": "sellercentral.amazon.com.be",
    "IE": "sellercentral.amazon.ie",
    "SE": "sellercentral.amazon.se",
    "PL": "sellercentral.amazon.pl",
    "TR": "sellercentral.amazon.com.tr",
    "SA": "sellercentral.amazon.sa",
    "AE": "sellercentral.amazon.ae",
    "EG": "sellercentral.amazon.eg",
    "ZA": "sellercentral.amazon.co.za",
    "IN": "sellercentral.amazon.in",
    "JP": "sellercentral.amazon.co.jp",
    "AU": "sellercentral.amazon.com.au",
    "SG": "sellercentral.amazon.sg",
}
"""Host of Seller Central by the country of the marketplace."""
