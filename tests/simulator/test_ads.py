"""The simulated Ads API: its door, its reports, and the truth behind them."""

from __future__ import annotations

import gzip
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.simulator import truth
from amzigo_pipelines.simulator.ads_login import ADS_CLIENT_ID, ADS_CLIENT_SECRET, ads_refresh_token, profile_id_of
from amzigo_pipelines.simulator.ads_report_types import ADS_REPORT_TYPES
from amzigo_pipelines.simulator.api_ads import REPORT_MEDIA_TYPE
from amzigo_pipelines.simulator.server import SimulatorServer, SimulatorSettings
from amzigo_pipelines.simulator.world import CLIENT_ID, CLIENT_SECRET, World

from .conftest import NOW, Client

FIRST, LAST = date(2026, 1, 5), date(2026, 1, 20)


class Ads:
    """Talks to the simulated Ads API as one seller, in the first of its marketplaces."""

    def __init__(self, server: SimulatorServer, seller_id: str) -> None:
        self.server = server
        self.http = httpx.Client(base_url=server.url, timeout=20, verify=False, trust_env=False)
        answer = self.http.post(
            "/auth/o2/token",
            data={
                "grant_type": "refresh_token",
                "client_id": ADS_CLIENT_ID,
                "client_secret": ADS_CLIENT_SECRET,
                "refresh_token": ads_refresh_token(seller_id),
            },
        )
        marketplace_id = server.world.profile(seller_id).marketplace_ids[0]
        self.http.headers.update(
            {
                "Authorization": f"Bearer {answer.json()['access_token']}",
                "Amazon-Advertising-API-ClientId": ADS_CLIENT_ID,
                "Amazon-Advertising-API-Scope": str(profile_id_of(seller_id, marketplace_id)),
                "Content-Type": REPORT_MEDIA_TYPE,
            }
        )

    def ask(self, type_id: str, first: date = FIRST, last: date = LAST, **changes: Any) -> httpx.Response:
        kind = ADS_REPORT_TYPES[type_id]
        configuration = {
            "adProduct": kind.ad_product,
            "groupBy": [kind.group_by],
            "columns": sorted(kind.columns),
            "reportTypeId": type_id,
            "timeUnit": "DAILY",
            "format": "GZIP_JSON",
        } | changes
        body = {"name": "x", "startDate": str(first), "endDate": str(last), "configuration": configuration}
        return self.http.post("/reporting/reports", content=json.dumps(body))

    def finished(self, report_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            state: dict[str, Any] = self.http.get(f"/reporting/reports/{report_id}").json()
            if state["status"] in ("COMPLETED", "FAILED"):
                return state
            time.sleep(0.01)
        raise AssertionError("the report is never finished")

    def rows(self, type_id: str, first: date = FIRST, last: date = LAST) -> list[dict[str, Any]]:
        state = self.finished(self.ask(type_id, first, last).json()["reportId"])
        raw = httpx.get(state["url"], verify=False, trust_env=False).content
        assert len(raw) == state["fileSize"]
        found: list[dict[str, Any]] = json.loads(gzip.decompress(raw), parse_float=Decimal)
        return found


@pytest.fixture
def fresh(world: World) -> Iterator[Callable[..., Ads]]:
    """A server of one's own: reports that were asked for once are duplicates for an hour."""
    started: list[SimulatorServer] = []

    def start(seller_id: str = "NORTH", now: Any = NOW, **settings: Any) -> Ads:
        server = SimulatorServer(world, VirtualClock(now), SimulatorSettings(**settings)).__enter__()
        started.append(server)
        return Ads(server, seller_id)

    yield start
    for server in started:
        server.__exit__(None, None, None)


def test_the_two_applications_do_not_open_each_others_doors(north: Client, server: SimulatorServer) -> None:
    ads = Ads(server, "NORTH")
    assert ads.http.get("/v2/profiles").status_code == 200
    sp_token = north.http.headers["x-amz-access-token"]
    refused = ads.http.get("/v2/profiles", headers={"Authorization": f"Bearer {sp_token}"})
    assert refused.status_code == 401 and set(refused.json()) == {"code", "detail"}
    ads_token = ads.http.headers["Authorization"].removeprefix("Bearer ")
    assert north.http.get("/orders/2026-01-01/orders", headers={"x-amz-access-token": ads_token}).status_code == 403
    mixed = {"grant_type": "refresh_token", "refresh_token": ads_refresh_token("NORTH")}
    for client_id, secret in ((CLIENT_ID, CLIENT_SECRET), (ADS_CLIENT_ID, CLIENT_SECRET)):
        form = mixed | {"client_id": client_id, "client_secret": secret}
        assert ads.http.post("/auth/o2/token", data=form, headers={"Content-Type": ""}).status_code in (400, 401)


def test_headers_are_required(server: SimulatorServer) -> None:
    ads = Ads(server, "NORTH")
    assert ads.http.get("/v2/profiles", headers={"Amazon-Advertising-API-ClientId": "x"}).status_code == 401
    foreign = str(profile_id_of("EUROPE", server.world.profile("EUROPE").marketplace_ids[0]))
    ads.http.headers["Amazon-Advertising-API-Scope"] = foreign
    assert ads.ask("spCampaigns").status_code == 401
    del ads.http.headers["Amazon-Advertising-API-Scope"]
    assert ads.ask("spCampaigns").status_code == 400


def test_profiles_name_the_seller_and_the_marketplace(server: SimulatorServer) -> None:
    profiles = Ads(server, "EUROPE").http.get("/v2/profiles").json()
    assert [one["countryCode"] for one in profiles] == ["DE", "UK"]
    assert {one["accountInfo"]["id"] for one in profiles} == {"EUROPE"}
    assert all(isinstance(one["profileId"], int) for one in profiles)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"columns": ["impressions", "advertisedAsin"]}, 400),
        ({"columns": []}, 400),
        ({"groupBy": ["advertiser"]}, 400),
        ({"adProduct": "SPONSORED_BRANDS"}, 400),
        ({"reportTypeId": "spPurchases"}, 400),
        ({"timeUnit": "HOURLY"}, 400),
    ],
)
def test_wrong_configurations_are_refused(server: SimulatorServer, changes: dict[str, Any], status: int) -> None:
    assert Ads(server, "NORTH").ask("spCampaigns", **changes).status_code == status


def test_windows_and_history_are_limited(server: SimulatorServer) -> None:
    ads = Ads(server, "NORTH")
    today = NOW.date()
    assert ads.ask("spCampaigns", today - timedelta(days=31), today).status_code == 400
    assert ads.ask("spCampaigns", today - timedelta(days=30), today).status_code == 200
    assert ads.ask("spCampaigns", today, today + timedelta(days=1)).status_code == 400
    for type_id, kind in ADS_REPORT_TYPES.items():
        oldest = today - timedelta(days=kind.history_days)
        assert ads.ask(type_id, oldest, oldest).status_code == 200
        assert ads.ask(type_id, oldest - timedelta(days=1), oldest).status_code == 400


def test_the_same_request_is_refused_and_names_its_report(fresh: Callable[..., Ads]) -> None:
    ads = fresh()
    first = ads.ask("spCampaigns")
    again = ads.ask("spCampaigns")
    assert first.status_code == 200 and again.status_code == 425
    assert first.json()["reportId"] in again.json()["detail"]
    assert ads.ask("spCampaigns", FIRST, LAST - timedelta(days=1)).status_code == 200


def test_a_report_waits_works_and_is_ready(fresh: Callable[..., Ads]) -> None:
    ads = fresh(report_queue_s=0.5, report_work_s=1.5)
    report_id = ads.ask("sbAds").json()["reportId"]
    seen: list[str] = []
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and "COMPLETED" not in seen:
        state = ads.http.get(f"/reporting/reports/{report_id}").json()
        assert (state["url"] is None) == (state["status"] != "COMPLETED")
        seen += [] if state["status"] in seen else [state["status"]]
    assert seen == ["PENDING", "PROCESSING", "COMPLETED"]


def test_campaigns_are_the_sums_of_their_ads(fresh: Callable[..., Ads]) -> None:
    ads = fresh()
    names = ["impressions", "clicks", "cost", "purchases7d", "purchases30d", "unitsSoldClicks14d", "sales14d"]
    sums: dict[tuple[Any, Any], dict[str, Any]] = defaultdict(lambda: defaultdict(Decimal))
    for row in ads.rows("spAdvertisedProduct"):
        for name in names:
            sums[row["date"], row["campaignId"]][name] += row[name]
    campaigns = ads.rows("spCampaigns")
    assert campaigns and {(row["date"], row["campaignId"]) for row in campaigns} == set(sums)
    for row in campaigns:
        assert {name: Decimal(row[name]) for name in names} == dict(sums[row["date"], row["campaignId"]])


def test_ads_sell_a_plausible_share_of_what_is_sold(fresh: Callable[..., Ads], world: World) -> None:
    ads = fresh()
    market = world.profile("NORTH").marketplace_ids[0]
    rows = [row for type_id in ("spAdvertisedProduct", "sdAdvertisedProduct", "sbAds") for row in ads.rows(type_id)]
    attributed = sum(row.get("purchases30d", row.get("purchases", 0)) for row in rows)
    placed = [
        item
        for order in truth.orders(world, "NORTH", NOW)
        if order.marketplace_id == market and order.local_day >= FIRST
        for item in order.items
    ]
    assert 0.05 * len(placed) < attributed < 0.5 * len(placed)
    sales = sum(row.get("sales30d", row.get("sales", 0)) for row in rows)
    assert 0 < sales < sum(item.sales for item in placed)
    assert all(row["clicks"] <= row["impressions"] for row in rows)
    assert sum(row["cost"] for row in rows) > 0
    asins = {item.asin for item in placed}
    assert {row["advertisedAsin"] for row in rows if "advertisedAsin" in row} & asins


def test_attributed_sales_grow_with_time_and_with_the_window(fresh: Callable[..., Ads]) -> None:
    first, last = date(2026, 1, 6), date(2026, 1, 10)
    sums = []
    for later in (1, 8, 22):
        rows = fresh(now=NOW.replace(month=1, day=10) + timedelta(days=later)).rows("spCampaigns", first, last)
        sums.append({name: sum(row[name] for row in rows) for name in ("purchases7d", "purchases14d", "purchases30d")})
    assert sums[0]["purchases14d"] < sums[1]["purchases14d"] <= sums[2]["purchases14d"]
    assert sums[1]["purchases7d"] == sums[2]["purchases7d"]
    assert sums[2]["purchases7d"] <= sums[2]["purchases14d"] <= sums[2]["purchases30d"]


def test_traffic_settles_after_three_days(fresh: Callable[..., Ads]) -> None:
    day = date(2026, 1, 10)
    clicks = []
    for later in (1, 5, 20):
        rows = fresh(now=NOW.replace(month=1, day=10) + timedelta(days=later)).rows("spCampaigns", day, day)
        clicks.append(sum(row["clicks"] for row in rows))
    assert clicks[0] > clicks[1] == clicks[2]
