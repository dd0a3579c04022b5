"""A published seller whose marts the report shows, and a browser if there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from amzigo_pipelines.assets.extraction.extract import SOURCES, SourceSkipped, extract_partitions
from amzigo_pipelines.assets.mart_definitions import load_marts
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.clock import SystemClock
from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.simulator.calls import SimulatorSettings
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World, demo_config

DAYS = 20


@pytest.fixture(scope="session")
def marts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published marts of a seller with twenty days of every dataset."""
    first_day = datetime.now(UTC).date() - timedelta(days=DAYS)
    world = World(demo_config(first_day, orders_per_day=40))
    with SimulatorServer(world, SystemClock(), SimulatorSettings(rate_scale=100_000)) as server:
        home = Home(
            path=tmp_path_factory.mktemp("report") / "home",
            kind=Kind.TEST,
            first_day=first_day,
            endpoint=server.url,
            rate_scale=100_000,
        )
        with pytest.MonkeyPatch.context() as environment:
            environment.delenv("DAGSTER_HOME", raising=False)
            platform = initialise(home)
        profile = world.profile(world.seller_ids[0])
        platform.sellers.add(profile.seller_id, "Test <& Co>", profile.marketplace_ids, profile.refresh_token)
        _extract(platform, profile.seller_id)
        platform.warehouse.publish(profile.seller_id, load_marts())
        with platform.warehouse.connect(profile.seller_id) as connection:
            yield connection


def _extract(platform: Platform, seller_id: str) -> None:
    last = datetime.now(UTC).date() - timedelta(days=1)
    days = [last - timedelta(days=n) for n in reversed(range(DAYS))]
    for source in SOURCES:
        of_the_present = DATASETS[source[0]].source.is_snapshot
        # An advertising account is optional, and this seller has none; its sections then say so.
        with suppress(SourceSkipped):
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
