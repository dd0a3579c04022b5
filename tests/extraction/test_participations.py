"""Where a seller sells: Amazon's list with our facts, and what doesn't fit is told."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from amzigo_pipelines.assets.extraction.extract import ExtractionRefused, ExtractionResult, extract_partition
from amzigo_pipelines.catalog.participations import PARTICIPATIONS
from amzigo_pipelines.resources.spapi.errors import BadAnswer, MissingRole, RegionNotAuthorised, SpApiError
from amzigo_pipelines.simulator.server import SimulatorServer

from .conftest import DAY, SELLER, Platform


def extract(platform: Platform) -> ExtractionResult:
    (result,) = extract_partition(platform, SELLER, DAY, ["marketplaces"])  # type: ignore[arg-type]
    return result


def rows(platform: Platform) -> dict[str, dict[str, Any]]:
    found = platform.lake.scan(PARTICIPATIONS, SELLER, [DAY])
    return {} if found is None else {row["country"]: row for row in found.to_table().to_pylist()}


def entry(marketplace_id: str, country: str, currency: str, **participation: bool) -> dict[str, Any]:
    return {
        "marketplace": {
            "id": marketplace_id,
            "name": f"Amazon.{country}",
            "countryCode": country,
            "defaultCurrencyCode": currency,
            "defaultLanguageCode": "en_US",
            "domainName": "www.example.org",
        },
        "participation": {"isParticipating": True, "hasSuspendedListings": False} | participation,
        "storeName": "A shop",
    }


US = entry("ATVPDKIKX0DER", "US", "USD")
DE = entry("A1PA6795UKMFR9", "DE", "EUR")
JP = entry("A1VC38T7YXB528", "JP", "JPY")


def answer(server: SimulatorServer, *entries: dict[str, Any]) -> None:
    body = json.dumps({"payload": entries})
    server.faults.add("getMarketplaceParticipations", "status", status=200, body=body, times=None)


def test_each_marketplace_once_with_currency_and_time_zone(platform: Platform, server: SimulatorServer) -> None:
    result = extract(platform)
    found = rows(platform)
    assert {country: (row["currency"], row["time_zone"], row["region"]) for country, row in found.items()} == {
        "US": ("USD", "America/Los_Angeles", "NA"),
        "DE": ("EUR", "Europe/Berlin", "EU"),
        "JP": ("JPY", "Asia/Tokyo", "FE"),
    }
    assert all(row["is_participating"] and row["is_extracted"] for row in found.values())
    assert all(row["has_suspended_listings"] is False and row["store_name"] for row in found.values())
    assert result.warnings == ()
    assert server.requests["getMarketplaceParticipations"] == 3  # one a region


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([US, DE], "does not list JP"),
        ([], "does not list US"),
        ([US, DE, entry("A1VC38T7YXB528", "JP", "JPY", isParticipating=False)], "takes part in JP no more"),
        ([US, DE, entry("A1VC38T7YXB528", "JP", "USD")], "Amazon counts JP in USD, and the catalog in JPY"),
        ([US, DE, JP, entry("A2EUQ1WTGCTBG2", "CA", "CAD")], "sells in CA too, which is not connected"),
    ],
)
def test_what_does_not_fit_is_told(
    platform: Platform, server: SimulatorServer, entries: list[dict[str, Any]], says: str
) -> None:
    answer(server, *entries)
    result = extract(platform)
    assert any(says in warning for warning in result.warnings), result.warnings
    assert result.rows == len(entries)


def test_a_marketplace_that_nobody_knows_has_no_time_zone(platform: Platform, server: SimulatorServer) -> None:
    answer(server, US, DE, JP, entry("ANONAMAZON", "US", "USD"))
    assert extract(platform).rows == 4
    found = platform.lake.scan(PARTICIPATIONS, SELLER, [DAY])
    assert found is not None
    (other,) = [row for row in found.to_table().to_pylist() if row["marketplace_id"] == "ANONAMAZON"]
    assert other["time_zone"] is None and other["region"] is None and other["is_extracted"] is False


@pytest.mark.parametrize(
    ("kind", "settings", "error"),
    [
        ("forbidden_errors", {}, MissingRole),
        ("html_503", {}, SpApiError),
        ("status", {"status": 200, "body": "{}"}, BadAnswer),
        ("status", {"status": 200, "body": '{"payload": null}'}, BadAnswer),
        ("status", {"status": 204}, BadAnswer),
    ],
)
def test_an_error_is_never_an_empty_list(
    platform: Platform, server: SimulatorServer, kind: str, settings: dict[str, Any], error: type[SpApiError]
) -> None:
    extract(platform)
    before = rows(platform)
    server.faults.add("getMarketplaceParticipations", kind, times=None, **settings)
    with pytest.raises(error):
        extract(platform)
    assert rows(platform) == before


def test_a_region_without_a_token_is_an_error(platform: Platform) -> None:
    platform.client["refresh_tokens"] = {"NA": f"Atzr|synthetic-{SELLER}"}
    with pytest.raises(RegionNotAuthorised, match="no refresh token for region"):
        extract(platform)
    assert platform.lake.partitions(SELLER, PARTICIPATIONS) == []


def test_the_past_is_refused(platform: Platform) -> None:
    with pytest.raises(ExtractionRefused, match="tells only the present"):
        extract_partition(platform, SELLER, DAY - timedelta(days=1), ["marketplaces"])  # type: ignore[arg-type]
