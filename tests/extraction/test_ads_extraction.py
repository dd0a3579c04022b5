"""Advertising, from the simulated Ads API over HTTP into the lake: the truth, or an error and nothing stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from amzigo_pipelines.assets.extraction.advertising import extract_advertising
from amzigo_pipelines.assets.extraction.paths import FlattenError
from amzigo_pipelines.assets.extraction.results import Extraction, ExtractionRefused, ExtractionResult, SourceSkipped
from amzigo_pipelines.catalog.advertising import ADS_CAMPAIGNS, ADS_HISTORY_DAYS, ADS_PRODUCTS, ADS_REPORTS
from amzigo_pipelines.catalog.model import Dataset
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.ads.accounts import AdsAccounts
from amzigo_pipelines.resources.ads.auth import ads_credentials_for, ads_endpoint_for
from amzigo_pipelines.resources.ads.client import AdsPartner
from amzigo_pipelines.resources.spapi.errors import (
    AmazonUnavailable,
    AuthorisationLost,
    BadAnswer,
    BadRequest,
    DownloadFailed,
    MissingRole,
    RefreshTokenRefused,
    ReportFatal,
    ReportLate,
    ReportNotTabular,
    SpApiError,
    Throttled,
)
from amzigo_pipelines.resources.spapi.retries import Retries
from amzigo_pipelines.simulator import ads_report_types
from amzigo_pipelines.simulator.ads_login import ads_refresh_token, profile_id_of
from amzigo_pipelines.simulator.ads_report_types import ADS_REPORT_TYPES
from amzigo_pipelines.simulator.advertising import Advertising
from amzigo_pipelines.simulator.marketplaces import BY_COUNTRY, MARKETPLACES
from amzigo_pipelines.simulator.server import SimulatorServer, SimulatorSettings
from amzigo_pipelines.simulator.world import World

from .conftest import DAY, NOW, SELLER, US, Platform, make_platform

DE = BY_COUNTRY["DE"].marketplace_id
_REPORT_COUNT = len(ADS_REPORTS)


class AdsPlatform(Platform):
    """A platform whose advertising client doesn't really wait."""

    retry_attempts = 4

    @cached_property
    def ads_accounts(self) -> AdsAccounts:
        return AdsAccounts(self.control, self.keys, self.clock)

    def ads_partner(self, seller_id: str) -> AdsPartner | None:
        account = self.ads_accounts.get(seller_id)
        if account is None:
            return None
        return AdsPartner(
            account,
            self.ads_accounts.refresh_token(seller_id),
            ads_credentials_for(self.home),
            ads_endpoint_for(self.home),
            sleep=self.sleep,
            retries=Retries(self.sleep, attempts=self.retry_attempts),
        )

    def connect(self, *marketplace_ids: str, token: str = "") -> None:
        profiles = {m: str(profile_id_of(SELLER, m)) for m in marketplace_ids}
        self.ads_accounts.connect(SELLER, profiles, token or ads_refresh_token(SELLER))

    def extract(self, days: Sequence[date], restating: Sequence[date] = ()) -> list[ExtractionResult]:
        with self.selling_partner(SELLER) as partner:
            extraction = Extraction(self, partner, self.keys.pseudonymiser(SELLER), frozenset(restating))  # type: ignore[arg-type]
            return list(extract_advertising(extraction, days))

    def rows(self, dataset: Dataset, days: Sequence[date]) -> list[dict[str, Any]]:
        found = self.lake.scan(dataset, SELLER, days)
        return [] if found is None else found.to_table().to_pylist()


@pytest.fixture
def ads_server(world: World) -> Iterator[SimulatorServer]:
    """One of each test's own: reports that were asked for once are duplicates for an hour."""
    with SimulatorServer(world, VirtualClock(NOW), SimulatorSettings(rate_scale=100_000)) as running:
        yield running


@pytest.fixture
def ads(tmp_path: Path, ads_server: SimulatorServer) -> AdsPlatform:
    made = make_platform(tmp_path, ads_server.url)
    platform = AdsPlatform(made.home, made.clock)
    platform.connect(US)
    return platform


def expected(world: World, dataset: Dataset, marketplace_id: str, days: Sequence[date], now: Any = NOW) -> list[Any]:
    """What a dataset should hold, as sorted rows of plain values, straight from the world."""
    advertising = Advertising(world.config, world.seller(SELLER, now), MARKETPLACES[marketplace_id])
    found = []
    for report in (one for one in ADS_REPORTS if one.dataset is dataset):
        kind = ADS_REPORT_TYPES[report.report_type_id]
        for row in ads_report_types.rows(kind, advertising, days[0], days[-1], report.fields.values(), now):
            values = {
                column: _plain(dataset, column, row.get(report.fields.get(column, "")))
                for column in (c.name for c in dataset)
            }
            values |= {"marketplace_id": marketplace_id, "ad_product": report.ad_product}
            found.append(tuple(values.items()))
    return sorted(found, key=str)


def _plain(dataset: Dataset, column: str, value: Any) -> Any:
    match str(dataset.column(column).type):
        case _ if value is None:
            return None
        case "string":
            return str(value)
        case "date32[day]":
            return date.fromisoformat(value)
        case "int64":
            return int(value)
        case _:
            return Decimal(str(value)).quantize(Decimal("0.0001"))


def stored(platform: AdsPlatform, dataset: Dataset, days: Sequence[date]) -> list[Any]:
    names = [column.name for column in dataset]
    return sorted((tuple((n, row[n]) for n in names) for row in platform.rows(dataset, days)), key=str)


# -- the truth -------------------------------------------------------------------------------------------------------


def test_the_lake_holds_what_the_world_advertised(ads: AdsPlatform, world: World, ads_server: SimulatorServer) -> None:
    ads.connect(US, DE)
    days = [DAY - timedelta(days=n) for n in range(9, -1, -1)]
    results = ads.extract(days)
    assert {(r.dataset, r.day) for r in results} == {
        (d, day) for d in ("ads_campaigns", "ads_products") for day in days
    }
    for dataset in (ADS_CAMPAIGNS, ADS_PRODUCTS):
        truth = sorted(expected(world, dataset, US, days) + expected(world, dataset, DE, days), key=str)
        assert stored(ads, dataset, days) == truth and len(truth) > 50
        for day in days:
            rows = ads.rows(dataset, [day])
            assert {row["performed_on"] for row in rows} == {day}
            assert next(r.rows for r in results if (r.dataset, r.day) == (dataset.name, day)) == len(rows)
    # Ten days of six reports and two marketplaces: twelve requests, not a hundred and twenty.
    assert ads_server.requests["createAsyncReport"] == 2 * _REPORT_COUNT


def test_all_reports_are_asked_for_before_one_is_waited_for(ads: AdsPlatform, ads_server: SimulatorServer) -> None:
    ads.connect(US, DE)
    ads.extract([DAY])
    operations = [name for name, _ in ads_server.log]
    assert operations.index("getAsyncReport") > max(n for n, one in enumerate(operations) if one == "createAsyncReport")
    assert operations.index("downloadAdsReport") > operations.index("getAsyncReport")


def test_amounts_stay_in_their_currency(ads: AdsPlatform) -> None:
    ads.connect(US, DE)
    ads.extract([DAY])
    assert {(r["marketplace_id"], r["currency"]) for r in ads.rows(ADS_PRODUCTS, [DAY])} == {(US, "USD"), (DE, "EUR")}


def test_each_kind_of_ad_tells_what_it_can(ads: AdsPlatform) -> None:
    ads.extract([DAY])
    rows = {row["ad_product"]: row for row in ads.rows(ADS_PRODUCTS, [DAY])}
    assert rows["SPONSORED_PRODUCTS"]["asin"] and rows["SPONSORED_PRODUCTS"]["sku"]
    assert rows["SPONSORED_PRODUCTS"]["sales_30d"] is not None
    assert rows["SPONSORED_PRODUCTS"]["sales_14d_with_views"] is None
    assert rows["SPONSORED_BRANDS"]["asin"] is None and rows["SPONSORED_BRANDS"]["ad_id"]
    assert rows["SPONSORED_DISPLAY"]["asin"] and rows["SPONSORED_DISPLAY"]["orders_14d"] is not None
    assert rows["SPONSORED_DISPLAY"]["orders_7d"] is None


def test_looking_back_finds_what_was_restated_and_leaves_the_rest(
    ads: AdsPlatform, world: World, ads_server: SimulatorServer
) -> None:
    days = [DAY - timedelta(days=n) for n in range(12, -1, -1)]
    ads.extract(days)
    before = {day: stored(ads, ADS_PRODUCTS, [day]) for day in days}
    # The same content once more, in other windows: nothing is written.
    again = ads.extract(days[3:], restating=days[3:])
    assert all(result.is_unchanged for result in again)
    later = NOW + timedelta(days=1)
    for clock in (ads.clock, ads_server.clock):
        clock.set(later)  # type: ignore[attr-defined]
    results = ads.extract([*days, DAY + timedelta(days=1)], restating=days)
    changed = {result.day for result in results if result.day in days and not result.is_unchanged}
    assert changed and changed >= {day for day in days if stored(ads, ADS_PRODUCTS, [day]) != before[day]}
    assert any(result.is_unchanged for result in results)
    for dataset in (ADS_CAMPAIGNS, ADS_PRODUCTS):
        assert stored(ads, dataset, days) == expected(world, dataset, US, days, later)


def test_a_day_that_is_not_over_everywhere_says_so(ads: AdsPlatform) -> None:
    # Half past midnight in UTC: the day goes on in California.
    (warning,) = {w for result in ads.extract([DAY]) for w in result.warnings if "not over yet" in w}
    assert "US" in warning


def test_a_marketplace_without_profile_is_named(ads: AdsPlatform) -> None:
    warnings = {w for result in ads.extract([DAY]) for w in result.warnings}
    assert any("no advertising profile is connected for DE, JP" in warning for warning in warnings)


def test_without_an_account_nothing_is_written_and_it_is_said(ads: AdsPlatform, ads_server: SimulatorServer) -> None:
    assert ads.ads_accounts.disconnect(SELLER)
    with pytest.raises(SourceSkipped, match=f"no advertising account connected.*amzigo seller ads {SELLER}"):
        ads.extract([DAY])
    assert ads.lake.partitions(SELLER) == []
    assert not ads_server.requests


def test_days_that_amazon_has_forgotten_are_refused_and_the_others_come(
    ads: AdsPlatform, ads_server: SimulatorServer
) -> None:
    old = DAY - timedelta(days=ADS_HISTORY_DAYS + 1)
    sentence = f"{old} is too old.*keeps its reports for {ADS_HISTORY_DAYS} days.*from {old + timedelta(days=1)} on"
    with pytest.raises(ExtractionRefused, match=sentence):
        ads.extract([old])
    assert not ads_server.requests
    with pytest.raises(ExtractionRefused, match=sentence):
        ads.extract([old, old + timedelta(days=1), old + timedelta(days=2)])
    assert {record.day for record in ads.lake.partitions(SELLER)} == {old + timedelta(days=1), old + timedelta(days=2)}


def test_a_day_that_is_not_over_is_refused(ads: AdsPlatform, ads_server: SimulatorServer) -> None:
    with pytest.raises(ExtractionRefused, match="isn't over"):
        ads.extract([DAY, DAY + timedelta(days=1)])
    assert not ads_server.requests


def test_more_than_31_days_come_in_several_reports(ads: AdsPlatform, ads_server: SimulatorServer) -> None:
    days = [DAY - timedelta(days=n) for n in range(39, -1, -1)]
    results = ads.extract(days)
    assert len(results) == 2 * len(days)
    assert ads_server.requests["createAsyncReport"] == 2 * _REPORT_COUNT
    # The world began on the first of September: before it the partitions are known to be empty.
    assert ads.rows(ADS_CAMPAIGNS, days[:10]) == []


# -- going on --------------------------------------------------------------------------------------------------------


def test_a_stopped_run_goes_on_with_its_reports(ads: AdsPlatform, ads_server: SimulatorServer) -> None:
    ads_server.faults.add("getAsyncReport", "status", status=400)
    with pytest.raises(BadRequest):
        ads.extract([DAY])
    assert ads.lake.partitions(SELLER) == []
    asked = ads_server.requests["createAsyncReport"]
    ads.extract([DAY])
    fates = [status for name, status in ads_server.log if name == "createAsyncReport"]
    assert fates == [200] * asked + [425] * asked
    assert len(ads.rows(ADS_CAMPAIGNS, [DAY])) > 2


def test_a_lost_answer_to_a_request_is_no_second_report(ads: AdsPlatform, ads_server: SimulatorServer) -> None:
    ads_server.faults.add("createAsyncReport", "torn_body")
    ads.extract([DAY])
    fates = [status for name, status in ads_server.log if name == "createAsyncReport"]
    assert fates.count(200) == _REPORT_COUNT and fates.count(425) == 1


# -- bad answers -----------------------------------------------------------------------------------------------------

_EMPTY_REPORT = {"body": "[]"}
FAULTS: list[tuple[str, str, dict[str, Any], type[AmzigoError]]] = [
    ("createAsyncReport", "html_503", {}, AmazonUnavailable),
    ("createAsyncReport", "empty_429", {}, Throttled),
    ("createAsyncReport", "status", {"status": 200, "body": "<html>"}, BadAnswer),
    ("createAsyncReport", "status", {"status": 200, "body": "[]"}, BadAnswer),
    ("createAsyncReport", "status", {"status": 200, "body": '{"reportId": "../../x"}'}, BadAnswer),
    ("createAsyncReport", "status", {"status": 302}, BadAnswer),
    ("createAsyncReport", "status", {"status": 425, "body": '{"code":"425"}'}, SpApiError),
    ("createAsyncReport", "status", {"status": 400, "body": '{"code":"400","detail":"secret-text"}'}, BadRequest),
    ("createAsyncReport", "forbidden_message", {}, MissingRole),
    ("createAsyncReport", "reset", {}, AmazonUnavailable),
    ("getAsyncReport", "html_503", {}, AmazonUnavailable),
    ("getAsyncReport", "json_429", {"retry_after": 3}, Throttled),
    ("getAsyncReport", "torn_body", {}, BadAnswer),
    ("getAsyncReport", "status", {"status": 200, "body": "{}"}, BadAnswer),
    ("getAsyncReport", "status", {"status": 200, "body": '{"status": "COMPLETED", "url": "http://x"}'}, BadAnswer),
    ("createAsyncReport", "fatal", {}, ReportFatal),
    ("createAsyncReport", "never_ends", {}, ReportLate),
    ("downloadAdsReport", "expired_link", {}, DownloadFailed),
    ("downloadAdsReport", "truncated_gzip", {}, DownloadFailed),
    ("downloadAdsReport", "truncated_gzip", {"keep": 0.0}, DownloadFailed),
    ("downloadAdsReport", "torn_body", {}, BadAnswer),
    ("downloadAdsReport", "html_503", {}, DownloadFailed),
    ("downloadAdsReport", "status", {"status": 200, "body": ""}, DownloadFailed),
    ("downloadAdsReport", "error_sentence", {}, DownloadFailed),
]


@pytest.mark.parametrize(("operation", "kind", "settings", "error"), FAULTS)
def test_no_bad_answer_looks_like_no_spend(
    ads: AdsPlatform,
    ads_server: SimulatorServer,
    operation: str,
    kind: str,
    settings: dict[str, Any],
    error: type[AmzigoError],
) -> None:
    ads_server.faults.add(operation, kind, times=None, **settings)
    with pytest.raises(error) as caught:
        ads.extract([DAY])
    assert ads.lake.partitions(SELLER) == []
    for secret in ("http://", "Atz", "X-Amz", "secret-text", "<html>"):
        assert secret not in str(caught.value)
    assert SELLER in str(caught.value)
    if kind == "json_429":
        assert all(wait >= 3 for wait in ads.waited[-3:])


@pytest.mark.parametrize(
    ("operation", "kind", "settings"),
    [
        ("createAsyncReport", "html_503", {}),
        ("createAsyncReport", "empty_429", {"retry_after": 1}),
        ("getAsyncReport", "torn_body", {}),
        ("downloadAdsReport", "expired_link", {}),
        ("downloadAdsReport", "truncated_gzip", {}),
        ("downloadAdsReport", "torn_body", {}),
        ("downloadAdsReport", "reset", {}),
        ("token", "html_503", {}),
        ("token", "empty_429", {}),
        ("getAsyncReport", "status", {"status": 401, "body": '{"code":"401","details":"token has expired"}'}),
    ],
)
def test_what_passes_is_survived_and_nothing_is_doubled(
    ads: AdsPlatform,
    ads_server: SimulatorServer,
    world: World,
    operation: str,
    kind: str,
    settings: dict[str, Any],
) -> None:
    ads_server.faults.add(operation, kind, **settings)
    ads.extract([DAY])
    for dataset in (ADS_CAMPAIGNS, ADS_PRODUCTS):
        assert stored(ads, dataset, [DAY]) == expected(world, dataset, US, [DAY])


def test_a_revoked_token_says_what_to_do(ads: AdsPlatform) -> None:
    ads.connect(US, token="Atzr|revoked")
    with pytest.raises(RefreshTokenRefused, match=f"amzigo seller ads {SELLER}") as caught:
        ads.extract([DAY])
    assert "revoked" not in str(caught.value).replace("was revoked", "")
    assert ads.lake.partitions(SELLER) == []


def test_an_access_token_that_is_never_good_ends_it(ads: AdsPlatform, ads_server: SimulatorServer) -> None:
    ads_server.faults.add("createAsyncReport", "status", status=401, body='{"code":"401"}', times=None)
    with pytest.raises(AuthorisationLost, match="amzigo seller ads"):
        ads.extract([DAY])
    assert ads_server.requests["createAsyncReport"] == 2


def test_a_foreign_profile_is_refused_at_once(ads: AdsPlatform, ads_server: SimulatorServer) -> None:
    ads.ads_accounts.connect(SELLER, {US: "123"}, ads_refresh_token(SELLER))
    with pytest.raises(MissingRole, match="denies access to the advertising profile"):
        ads.extract([DAY])
    assert ads_server.requests["createAsyncReport"] == 1


CONTENTS: list[tuple[Callable[[list[dict[str, Any]]], Any], type[AmzigoError], str]] = [
    (lambda rows: {"message": "secret-text"}, ReportNotTabular, "no list of rows"),
    (lambda rows: [rows], ReportNotTabular, "no list of rows"),
    (lambda rows: [*rows, rows[0]], FlattenError, "two rows for the same day"),
    (lambda rows: [rows[0] | {"clicks": "secret-text"}], FlattenError, "clicks"),
    (lambda rows: [rows[0] | {"cost": None}], FlattenError, "has no cost"),
    (lambda rows: [rows[0] | {"cost": True}], FlattenError, "cost"),
    (lambda rows: [rows[0] | {"impressions": 1.5}], FlattenError, "impressions"),
    (lambda rows: [rows[0] | {"sales7d": 1e300}], FlattenError, "sales_7d"),
    (lambda rows: [rows[0] | {"campaignId": None}], FlattenError, "campaignId"),
    (lambda rows: [rows[0] | {"date": "2026-09-01"}], FlattenError, "another day"),
    (lambda rows: [rows[0] | {"date": "yesterday"}], FlattenError, "date"),
]


@pytest.mark.parametrize(("spoil", "error", "sentence"), CONTENTS)
def test_content_that_is_not_what_was_asked_for_is_refused(
    ads: AdsPlatform,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[list[dict[str, Any]]], Any],
    error: type[AmzigoError],
    sentence: str,
) -> None:
    true_rows = ads_report_types.rows
    monkeypatch.setattr(ads_report_types, "rows", lambda *arguments: spoil(true_rows(*arguments)))
    with pytest.raises(error, match=sentence) as caught:
        ads.extract([DAY])
    assert "secret-text" not in str(caught.value)
    assert ads.lake.partitions(SELLER) == []


def test_binary_fractions_are_rounded_to_the_catalogs_money(ads: AdsPlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    true_rows = ads_report_types.rows
    monkeypatch.setattr(ads_report_types, "rows", lambda *a: [row | {"cost": 0.1 + 0.2} for row in true_rows(*a)])
    ads.extract([DAY])
    assert {row["cost"] for row in ads.rows(ADS_CAMPAIGNS, [DAY])} == {Decimal("0.3000")}


def test_fields_that_come_or_go_are_told(ads: AdsPlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    true_rows = ads_report_types.rows

    def drifted(*arguments: Any) -> list[dict[str, Any]]:
        rows = true_rows(*arguments)
        return [{name: v for name, v in row.items() if name != "sales14d"} | {"secret-text": 1} for row in rows]

    assert not any("lacks" in warning for result in ads.extract([DAY]) for warning in result.warnings)
    monkeypatch.setattr(ads_report_types, "rows", drifted)
    warnings = {warning for result in ads.extract([DAY - timedelta(days=1)]) for warning in result.warnings}
    assert any(warning.startswith("spCampaigns lacks sales14d") for warning in warnings)
    assert any(warning.startswith("sbAds has 1 fields that nobody asked for") for warning in warnings)
    assert not any("sbAds lacks" in warning or "secret-text" in warning for warning in warnings)


def test_a_day_without_ads_is_known_to_be_empty(ads: AdsPlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ads_report_types, "rows", lambda *_: [])
    assert [result.rows for result in ads.extract([DAY])] == [0, 0]
    assert len(ads.lake.partitions(SELLER)) == 2


def test_the_token_is_stored_wrapped(ads: AdsPlatform) -> None:
    raw = b"".join(path.read_bytes() for path in ads.home.path.rglob("*") if path.is_file())
    assert ads_refresh_token(SELLER).encode() not in raw
    assert ads.ads_accounts.refresh_token(SELLER) == ads_refresh_token(SELLER)
    ads.ads_accounts.disconnect(SELLER)
    with suppress(AmzigoError):
        pytest.fail(ads.ads_accounts.refresh_token(SELLER))
