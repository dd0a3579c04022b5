"""Real runs of the extraction job for sellers in several regions: one's trouble is told, and is nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from amzigo_pipelines.assets.extraction import orders as choosing
from amzigo_pipelines.assets.partitions import SELLER_TAG, partition_key
from amzigo_pipelines.automation.pipeline import EXTRACTION_JOB, align_seller_partitions, deferred_extraction
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.order_report import REPORT_TYPE
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.definitions import build_definitions
from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.labels import lake_key
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.reports.desk import ReportDesk
from amzigo_pipelines.resources.spapi.auth import TOKENS
from amzigo_pipelines.simulator import truth
from amzigo_pipelines.simulator.marketplaces import BY_COUNTRY
from amzigo_pipelines.simulator.profiles import FORBIDDEN, SellerProfile, WorldConfig
from amzigo_pipelines.simulator.server import SimulatorServer, SimulatorSettings
from amzigo_pipelines.simulator.world import World

DAY = date(2026, 9, 19)  # a Saturday: a week ends
NOW = datetime(2026, 9, 20, 7, 30, tzinfo=UTC)  # over in Los Angeles too
FIRST_DAY = DAY - timedelta(days=6)
WORLDWIDE, SIMPLE, DENIED = "AWORLDWIDE1", "ASIMPLE0001", "ADENIED0001"
SHIPMENTS = "createReport/GET_AMAZON_FULFILLED_SHIPMENTS_DATA_GENERAL"
FEW = ("orders", "order_items", "fba_inventory", "fba_shipments", "listings")


def seller(seller_id: str, *countries: str, **settings: Any) -> SellerProfile:
    marketplace_ids = tuple(BY_COUNTRY[country].marketplace_id for country in countries)
    return SellerProfile(seller_id, f"Atzr|{seller_id}", marketplace_ids, orders_per_day=60, sku_count=24, **settings)


REGIONAL = {"EU": "Atzr|worldwide-eu", "FE": "Atzr|worldwide-fe"}
SELLERS = (
    seller(WORLDWIDE, "US", "DE", "GB", "JP", regional_tokens=REGIONAL),
    seller(SIMPLE, "US"),
    seller(DENIED, "US", roles=frozenset(), missing_role=FORBIDDEN, is_brand_owner=False),
)


class HastyPlatform(Platform):
    """One that waits two seconds for a report instead of half an hour."""

    @cached_property
    def desk(self) -> ReportDesk:
        return ReportDesk(self.control, self.clock, time_limit_s=2.0)


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatorServer]:
    world = World(WorldConfig(seed=3, first_day=FIRST_DAY, sellers=SELLERS))
    with SimulatorServer(world, VirtualClock(NOW), SimulatorSettings(rate_scale=100_000)) as running:
        yield running


@pytest.fixture
def platform(tmp_path: Path, server: SimulatorServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    home = Home(path=tmp_path / "home", kind=Kind.TEST, first_day=FIRST_DAY, endpoint=server.url, rate_scale=100_000.0)
    initialise(home)
    platform = HastyPlatform(home, VirtualClock(NOW))
    for one in SELLERS:
        platform.sellers.add(one.seller_id, one.seller_id, one.marketplace_ids, one.refresh_token)
        for region, token in one.regional_tokens.items():
            platform.sellers.replace_token(one.seller_id, token, region)
    server.faults.clear()
    server.clock.set(NOW)  # type: ignore[attr-defined]
    TOKENS.clear()
    yield platform
    server.faults.clear()
    TOKENS.clear()


class Runs:
    """Runs of the job in this process, one a seller, and what became of their steps."""

    def __init__(self, platform: Platform, instance: dg.DagsterInstance) -> None:
        self._platform, self._instance = platform, instance
        self._definitions = build_definitions(platform)
        align_seller_partitions(instance, platform)

    def run(self, seller_id: str, names: tuple[str, ...] = ()) -> tuple[set[str], dict[str, str]]:
        """The datasets that were materialised for the day, and the sentences of the steps that failed."""
        key = partition_key(DAY, seller_id)
        result = self._definitions.resolve_job_def(EXTRACTION_JOB).execute_in_process(
            instance=self._instance,
            partition_key=key,
            tags={SELLER_TAG: seller_id},
            asset_selection=[lake_key(name) for name in names] or None,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        failed: dict[str, str] = {}
        for event in result.all_events:
            if event.is_step_failure:
                data = event.step_failure_data.user_failure_data
                failed[str(event.step_key)] = str(data.description if data else event.step_failure_data.error)
        materialised = {
            event.step_materialization_data.materialization.asset_key.path[-1]
            for event in result.all_events
            if event.is_step_materialization and event.step_materialization_data.materialization.partition == str(key)
        }
        assert result.success == (not failed)
        return materialised, failed

    def stored(self, seller_id: str) -> set[str]:
        """The datasets whose partition of the day is in the lake."""
        return {record.dataset for record in self._platform.lake.partitions(seller_id) if record.day == DAY}


@pytest.fixture
def runs(platform: Platform) -> Iterator[Runs]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Runs(platform, instance)


def test_one_run_brings_every_dataset_of_three_regions(platform: Platform, runs: Runs) -> None:
    wanted = {name for name, dataset in DATASETS.items() if not dataset.source.is_optional}
    materialised, failed = runs.run(WORLDWIDE)
    assert failed == {}
    assert materialised == runs.stored(WORLDWIDE) == wanted
    regions: dict[str, set[str]] = {}
    for name in wanted & {n for n, d in DATASETS.items() if "marketplace_id" in {c.name for c in d}}:
        found = platform.lake.scan(DATASETS[name], WORLDWIDE, [DAY])
        ids = set() if found is None else set(found.to_table(columns=["marketplace_id"])["marketplace_id"].to_pylist())
        regions[name] = {MARKETPLACES[marketplace_id].region for marketplace_id in ids}
    everywhere = {"orders", "fba_inventory", "listings", "marketplaces", "account_health", "repeat_purchase"}
    assert everywhere <= regions.keys()
    assert all(regions[name] == {"NA", "EU", "FE"} for name in everywhere), regions
    # Nothing of another seller's: neither asked for nor stored.
    assert runs.stored(SIMPLE) == set()


def test_a_revoked_token_fails_that_seller_and_no_other(platform: Platform, runs: Runs) -> None:
    platform.sellers.replace_token(SIMPLE, "Atzr|revoked")
    materialised, failed = runs.run(SIMPLE, FEW)
    assert materialised == runs.stored(SIMPLE) == set()
    assert len(failed) == 4  # a step a source
    for sentence in failed.values():
        assert f"let seller {SIMPLE} authorise the application again" in sentence
        assert "revoked" in sentence and "Atzr|" not in sentence
    materialised, failed = runs.run(WORLDWIDE, FEW)
    assert failed == {} and materialised == set(FEW)
    # Authorised again, the seller's day comes as if nothing had been.
    platform.sellers.replace_token(SIMPLE, f"Atzr|{SIMPLE}")
    assert runs.run(SIMPLE, FEW) == (set(FEW), {})


def test_a_token_revoked_in_one_region_stores_no_half_of_a_seller(platform: Platform, runs: Runs) -> None:
    platform.sellers.replace_token(WORLDWIDE, "Atzr|revoked", "EU")
    materialised, failed = runs.run(WORLDWIDE, FEW)
    assert materialised == runs.stored(WORLDWIDE) == set()
    assert len(failed) == 4 and all(WORLDWIDE in sentence for sentence in failed.values())
    assert runs.run(SIMPLE, FEW) == (set(FEW), {})


def test_a_missing_role_fails_what_needs_it_and_says_what_stays_empty(platform: Platform, runs: Runs) -> None:
    names = (*FEW, "repeat_purchase")
    materialised, failed = runs.run(DENIED, names)
    assert materialised == runs.stored(DENIED) == {"fba_inventory", "fba_shipments", "listings"}
    assert set(failed) == {"extract_orders_and_order_items", "extract_repeat_purchase"}
    assert (
        "the application lacks the role 'Direct-to-Consumer Delivery (Restricted)'"
        in failed["extract_orders_and_order_items"]
    )
    assert "BUYER and RECIPIENT" in failed["extract_orders_and_order_items"]
    assert "the role 'Brand Analytics'" in failed["extract_repeat_purchase"]
    assert "stay empty; nothing was stored" in failed["extract_repeat_purchase"]
    assert runs.run(SIMPLE, names) == (set(names), {})


@pytest.mark.parametrize(("fate", "says"), [("never_ends", "not ready after"), ("fatal", "gave up the report")])
def test_a_slow_or_refused_report_fails_its_step_and_holds_up_nothing(
    platform: Platform, runs: Runs, server: SimulatorServer, fate: str, says: str
) -> None:
    server.faults.add(SHIPMENTS, fate, times=1)
    materialised, failed = runs.run(SIMPLE, FEW)
    assert materialised == runs.stored(SIMPLE) == set(FEW) - {"fba_shipments"}
    (sentence,) = failed.values()
    assert says in sentence and SIMPLE in sentence and "fba_shipments" not in runs.stored(SIMPLE)
    assert runs.run(WORLDWIDE, FEW) == (set(FEW), {})


def test_an_answer_that_is_damaged_for_one_seller_is_that_sellers_trouble(
    platform: Platform, runs: Runs, server: SimulatorServer
) -> None:
    body = '{"payload": {"inventorySummaries": [{}]}}'
    server.faults.add("getInventorySummaries", "status", status=200, body=body, times=None)
    materialised, failed = runs.run(SIMPLE, FEW)
    server.faults.clear()
    assert materialised == set(FEW) - {"fba_inventory"}
    assert "is quarantined as Q1" in failed["extract_fba_inventory"] and SIMPLE in failed["extract_fba_inventory"]
    assert runs.run(WORLDWIDE, FEW) == (set(FEW), {})


@pytest.mark.parametrize("fate", ["cancelled", "fatal"])
def test_a_busy_day_whose_report_comes_to_nothing_ends_equal_to_the_truth_by_itself(
    platform: Platform, server: SimulatorServer, monkeypatch: pytest.MonkeyPatch, fate: str
) -> None:
    monkeypatch.setattr(choosing, "MOST_AT_ONCE", 5)
    server.faults.add(f"createReport/{REPORT_TYPE}", fate, times=1)
    orders = ("orders", "order_items")
    with dg.DagsterInstance.ephemeral() as instance:
        runs = Runs(platform, instance)
        materialised, failed = runs.run(SIMPLE, orders)
        # Of some orders the API knows, so the report can't be empty: half a day is not stored as a day.
        (sentence,) = failed.values()
        assert materialised == runs.stored(SIMPLE) == set()
        assert ("cancelled the report of all orders" if fate == "cancelled" else "gave up the report") in sentence
        context = dg.build_sensor_context(instance=instance, resources={"platform": platform})
        assert asked_again(context) == []
        platform.clock.set(NOW + timedelta(days=1))  # type: ignore[attr-defined]
        server.clock.set(NOW + timedelta(days=1))  # type: ignore[attr-defined]
        (request,) = asked_again(context)
        assert {key.path[-1] for key in request.asset_selection or ()} == set(orders)
        assert str(request.partition_key) == str(partition_key(DAY, SIMPLE))
        assert runs.run(SIMPLE, tuple(key.path[-1] for key in request.asset_selection or ())) == (set(orders), {})
        assert asked_again(context) == []
    start = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    true = {
        (order.order_id, order.status, item.sku, item.quantity)
        for order in truth.orders(server.world, SIMPLE, NOW + timedelta(days=1))
        if start <= order.last_updated_at < start + timedelta(days=1)
        for item in order.items
    }
    headers, items = (platform.lake.scan(DATASETS[name], SIMPLE, [DAY]) for name in orders)
    assert headers is not None and items is not None
    statuses = {row["order_id"]: row["status"] for row in headers.to_table().to_pylist()}
    lines = items.to_table().to_pylist()
    assert {(r["order_id"], statuses[r["order_id"]], r["sku"], r["quantity_ordered"]) for r in lines} == true
    assert len(lines) == len(true) > 5


def asked_again(context: dg.SensorEvaluationContext) -> list[dg.RunRequest]:
    return [one for one in deferred_extraction(context) if isinstance(one, dg.RunRequest)]  # type: ignore[union-attr]
