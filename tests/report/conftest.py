"""A published seller whose marts the report shows, and a browser if there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import duckdb
import pytest

from amzigo_pipelines.assets.extraction.extract import SOURCES, extract_partitions
from amzigo_pipelines.assets.mart_definitions import load_marts
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.marts.product_costs import import_costs
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.simulator.calls import SimulatorSettings
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World, demo_config

# Over the end of a month, for buyers who come back in the next one.
FIRST_DAY, DAYS = date(2026, 10, 22), 16
# What the report reads. No advertising: its sections then say so.
NEEDED = {
    "account_health",
    "fba_inventory",
    "fba_returns",
    "inventory_planning",
    "listings",
    "merchant_returns",
    "orders",
    "sales_and_traffic_daily",
    "transactions",
}
FULL, BARE = "ASYNTHETICNORTH1", "ABARESELLER001"


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A home with the marts of two sellers: one with all that the report reads and costs, one with next to nothing."""
    world = World(demo_config(FIRST_DAY, orders_per_day=30))
    clock = VirtualClock(datetime.combine(FIRST_DAY + timedelta(days=DAYS), time(1), UTC))
    with SimulatorServer(world, clock, SimulatorSettings(rate_scale=100_000)) as server:
        home = Home(
            path=tmp_path_factory.mktemp("report") / "home",
            kind=Kind.TEST,
            first_day=FIRST_DAY,
            endpoint=server.url,
            rate_scale=100_000,
        )
        with pytest.MonkeyPatch.context() as environment:
            environment.delenv("DAGSTER_HOME", raising=False)
            initialise(home)
        platform = Platform(home, clock)
        profile = world.profile(FULL)
        platform.sellers.add(FULL, "Test <& Co>", profile.marketplace_ids, profile.refresh_token)
        platform.sellers.add(BARE, "Bare", profile.marketplace_ids, profile.refresh_token)
        _extract(platform, FULL, NEEDED)
        _extract(platform, BARE, {"marketplaces"})
        platform.warehouse.publish(FULL, load_marts())
        _import_costs(platform, home.path.parent / "costs.csv")
        for seller_id in (FULL, BARE):
            platform.warehouse.publish(seller_id, load_marts())
        yield platform


@pytest.fixture(scope="session")
def marts(platform: Platform) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published marts of a seller in two marketplaces and currencies; it has no advertising account."""
    with platform.warehouse.connect(FULL) as connection:
        yield connection


@pytest.fixture(scope="session")
def bare_marts(platform: Platform) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published marts of a seller of whom nothing but its marketplaces was extracted."""
    with platform.warehouse.connect(BARE) as connection:
        yield connection


def _import_costs(platform: Platform, file: Path) -> None:
    """Costs and lead times of all SKUs that Amazon stores but the first."""
    sql = "SELECT marketplace, sku FROM inventory_position ORDER BY marketplace, sku OFFSET 1"
    rows = platform.warehouse.query(FULL, sql).read_all().to_pylist()
    lines = [f"{r['marketplace']},{r['sku']},{'USD' if r['marketplace'] == 'US' else 'CAD'},4.25,21" for r in rows]
    file.write_text("\n".join(["marketplace,sku,currency,unit_cost,lead_time_days", *lines]))
    import_costs(platform, FULL, file)


def _extract(platform: Platform, seller_id: str, needed: set[str]) -> None:
    days = [FIRST_DAY + timedelta(days=n) for n in range(DAYS)]
    for source in SOURCES:
        of_the_present = DATASETS[source[0]].source.is_snapshot
        if needed.intersection(source):
            list(extract_partitions(platform, seller_id, days[-1:] if of_the_present else days, source))


Browse = Callable[..., str]


@pytest.fixture
def browse(tmp_path: Path) -> Browse:
    """Run headless Chromium with some arguments and return what it printed.

    Without Chromium the test is left out, aloud; where AMZIGO_REQUIRE_BROWSER is set, as in CI, it fails.
    """
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        if os.environ.get("AMZIGO_REQUIRE_BROWSER"):
            pytest.fail("AMZIGO_REQUIRE_BROWSER is set, and there is no Chromium")
        pytest.skip("NOT LOOKED AT: no Chromium on this machine, so nobody has seen the report in a browser")

    def run(*arguments: str) -> str:
        flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={tmp_path / 'browser'}",
        ]
        done = subprocess.run([browser, *flags, *arguments], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
