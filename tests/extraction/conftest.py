"""A simulator over real HTTP, an installation in a temporary folder, and a client that doesn't really wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.audit.trail import AuditTrail
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.home import Home, Kind, create_home
from amzigo_pipelines.resources.keys.keks import KekStore
from amzigo_pipelines.resources.keys.store import KeyStore
from amzigo_pipelines.resources.lake.store import Lake
from amzigo_pipelines.resources.quarantine.store import Quarantine
from amzigo_pipelines.resources.reports.desk import ReportDesk
from amzigo_pipelines.resources.sellers import SellerRegistry
from amzigo_pipelines.resources.spapi.auth import TOKENS, credentials_for, endpoint_for
from amzigo_pipelines.resources.spapi.client import SellingPartner
from amzigo_pipelines.resources.spapi.retries import Retries
from amzigo_pipelines.simulator.marketplaces import BY_COUNTRY
from amzigo_pipelines.simulator.profiles import FORBIDDEN, SellerProfile, WorldConfig
from amzigo_pipelines.simulator.server import SimulatorServer, SimulatorSettings
from amzigo_pipelines.simulator.world import World

FIRST_DAY = date(2026, 9, 1)
DAY = date(2026, 9, 20)
NOW = datetime(2026, 9, 21, 0, 30, tzinfo=UTC)

US = BY_COUNTRY["US"].marketplace_id
JP = BY_COUNTRY["JP"].marketplace_id

SELLER = "ATESTSELLER1"
SILENT = "ATESTSILENT1"
FORBIDDEN_SELLER = "ATESTDENIED1"


def profile(seller_id: str, *countries: str, **settings: Any) -> SellerProfile:
    return SellerProfile(
        seller_id=seller_id,
        refresh_token=f"Atzr|synthetic-{seller_id}",
        marketplace_ids=tuple(BY_COUNTRY[country].marketplace_id for country in countries),
        orders_per_day=settings.pop("orders_per_day", 120),
        **settings,
    )


CONFIG = WorldConfig(
    seed=7,
    first_day=FIRST_DAY,
    sellers=(
        profile(SELLER, "US", "DE", "JP"),
        profile(SILENT, "US", roles=frozenset(), orders_per_day=40, sku_count=200),
        profile(FORBIDDEN_SELLER, "US", roles=frozenset({"BUYER"}), missing_role=FORBIDDEN, orders_per_day=40),
    ),
)


def short_sleep(seconds: float) -> None:
    """Waits long enough for a report to get ready, and no longer."""
    time.sleep(min(seconds, 0.01))


class Platform:
    """What an extraction needs, with a client that a test may adjust."""

    def __init__(self, home: Home, clock: VirtualClock) -> None:
        self.home, self.clock = home, clock
        self.control = ControlDatabase(home.database_url)
        self.control.create()
        self.keys = KeyStore(self.control, KekStore(home), clock)
        self.sellers = SellerRegistry(self.control, self.keys, clock)
        self.client: dict[str, Any] = {}
        self.waited: list[float] = []

    @cached_property
    def lake(self) -> Lake:
        return Lake(self.home, self.control, self.keys, self.clock)

    @cached_property
    def quarantine(self) -> Quarantine:
        return Quarantine(self.home, self.control, self.keys, self.clock)

    @cached_property
    def audit(self) -> AuditTrail:
        return AuditTrail(self.control, self.keys, self.clock)

    @cached_property
    def desk(self) -> ReportDesk:
        return ReportDesk(self.control, self.clock)

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        short_sleep(seconds)

    def selling_partner(self, seller_id: str) -> SellingPartner:
        seller = self.sellers.get(seller_id)
        settings = {"sleep": self.sleep, "retries": Retries(self.sleep, attempts=4)} | self.client
        return SellingPartner(
            seller,
            settings.pop("refresh_tokens", self.sellers.refresh_tokens(seller_id)),
            credentials_for(self.home),
            endpoint_for(self.home),
            self.clock,
            **settings,
        )


def make_platform(folder: Path, url: str, now: datetime = NOW) -> Platform:
    home = Home(path=folder / "home", kind=Kind.TEST, first_day=FIRST_DAY, endpoint=url)
    create_home(home)
    platform = Platform(home, VirtualClock(now))
    for seller in CONFIG.sellers:
        platform.sellers.add(seller.seller_id, seller.seller_id, seller.marketplace_ids, seller.refresh_token)
    return platform


@pytest.fixture(autouse=True)
def _no_tokens_left() -> Iterator[None]:
    TOKENS.clear()
    yield
    TOKENS.clear()


@pytest.fixture(scope="session")
def world() -> World:
    """Made once for all: making days is what takes time."""
    world = World(CONFIG)
    for seller in CONFIG.sellers:
        world.seller(seller.seller_id, NOW + timedelta(days=2))
    return world


@pytest.fixture(scope="session")
def session_server(world: World) -> Iterator[SimulatorServer]:
    with SimulatorServer(world, VirtualClock(NOW), SimulatorSettings(rate_scale=100_000)) as server:
        yield server


@pytest.fixture
def server(session_server: SimulatorServer) -> Iterator[SimulatorServer]:
    """The simulator without any fault left over, at NOW."""
    session_server.faults.clear()
    session_server.clock.set(NOW)  # type: ignore[attr-defined]
    session_server.requests.clear()
    yield session_server
    session_server.faults.clear()


@pytest.fixture
def platform(tmp_path: Path, server: SimulatorServer) -> Platform:
    return make_platform(tmp_path, server.url)


@pytest.fixture
def simulator_with(world: World) -> Iterator[Callable[..., SimulatorServer]]:
    """Starts a simulator with other settings than usual."""
    started: list[SimulatorServer] = []

    def start(**settings: Any) -> SimulatorServer:
        chosen = SimulatorSettings(**{"rate_scale": 100_000, **settings})
        server = SimulatorServer(world, VirtualClock(NOW), chosen).__enter__()
        started.append(server)
        return server

    yield start
    for server in started:
        server.__exit__(None, None, None)
