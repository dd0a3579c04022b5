"""A synthetic seller's weeks over the ends of summer time, extracted over HTTP in two nights and published after each.

Belongs here: the set-up that the tests of truth share, and what a night can know of an order. Does not belong here: the
comparisons (`test_truth.py`, `test_money_truth.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from amzigo_pipelines.assets.extraction.extract import extract_partition, extract_partitions
from amzigo_pipelines.assets.mart_definitions import Mart
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.cli.initialise import initialise
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.spapi.auth import TOKENS
from amzigo_pipelines.simulator import truth
from amzigo_pipelines.simulator.ads_login import ads_refresh_token, profile_id_of
from amzigo_pipelines.simulator.calls import SimulatorSettings
from amzigo_pipelines.simulator.marketplaces import BY_COUNTRY
from amzigo_pipelines.simulator.profiles import SellerProfile, WorldConfig
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World

# Summer time ends on 25 October in Germany and on 1 November in the USA; Japan has none.
FIRST, LAST = date(2026, 10, 12), date(2026, 11, 3)
# Half an hour after the end of the last day, as the nightly run.
NOW = datetime(2026, 11, 4, 0, 30, tzinfo=UTC)
SELLER = "ATRUTHSELLER"
COUNTRIES = ("US", "DE", "JP")
Sources = Sequence[tuple[str, ...]]


@dataclass
class Told:
    """What is published, and the world it is of."""

    platform: Platform
    world: World
    marts: list[Mart]

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return self.platform.warehouse.query(SELLER, sql).read_all().to_pylist()

    def dump(self) -> dict[str, list[str]]:
        """Every mart's rows, in an order of their own."""
        connection = self.platform.warehouse.connect(SELLER)
        try:
            return {m.name: sorted(map(repr, connection.execute(f'FROM "{m.name}"').fetchall())) for m in self.marts}
        finally:
            connection.close()


@contextmanager
def tell(
    folder: Path,
    marts: list[Mart],
    *,
    orders_per_day: int,
    skus: int,
    history: Sources,
    newest: Sources,
    first: date = FIRST,
) -> Iterator[Told]:
    """Extract and publish a seller of three marketplaces, currencies and time zones, with an advertising account.

    Args:
        folder: for the installation.
        marts: to publish.
        orders_per_day: in all marketplaces.
        skus: that the seller has.
        history: what is extracted for every day.
        newest: what is extracted for the last two days only.
        first: the seller's first day.
    """
    TOKENS.clear()
    markets = tuple(BY_COUNTRY[country].marketplace_id for country in COUNTRIES)
    profile = SellerProfile(
        seller_id=SELLER,
        refresh_token="Atzr|synthetic-truth",
        marketplace_ids=markets,
        orders_per_day=orders_per_day,
        sku_count=skus,
    )
    world = World(WorldConfig(seed=11, first_day=first, sellers=(profile,)))
    clock = VirtualClock(NOW - timedelta(days=1))
    with (
        SimulatorServer(world, clock, SimulatorSettings(rate_scale=100_000)) as server,
        pytest.MonkeyPatch.context() as m,
    ):
        m.delenv("DAGSTER_HOME", raising=False)
        home = Home(folder / "home", Kind.TEST, first, endpoint=server.url)
        initialise(home)
        platform = Platform(home, clock)
        platform.sellers.add(SELLER, SELLER, markets, profile.refresh_token)
        profiles = {market: str(profile_id_of(SELLER, market)) for market in markets}
        platform.ads_accounts.connect(SELLER, profiles, ads_refresh_token(SELLER))
        # In Japan the first day begins on the UTC day before.
        night_before = [first + timedelta(days=n) for n in range(-1, (LAST - first).days)]
        for source in history:
            list(extract_partitions(platform, SELLER, night_before, source))
        for source in newest:
            extract_partition(platform, SELLER, night_before[-1], source)
        platform.warehouse.publish(SELLER, marts)
        clock.set(NOW)
        for source in (*history, *newest):
            extract_partition(platform, SELLER, LAST, source)
        assert platform.warehouse.publish(SELLER, marts).is_updated
        yield Told(platform, world, marts)


def assert_nights_gave_what_a_build_from_nothing_gives(told: Told) -> None:
    updated = told.dump()
    told.platform.warehouse.publish(SELLER, told.marts, rebuild=True)
    rebuilt = told.dump()
    assert [name for name in updated if updated[name] != rebuilt[name]] == []


def seen_orders(told: Told) -> list[truth.OrderTruth]:
    """Each order in the newest version that a night's extraction could see.

    An order that was updated between midnight and 00:30 has left the window of the day before, and comes with the next.
    """
    seen: dict[str, truth.OrderTruth] = {}
    for night in (NOW, NOW - timedelta(days=1)):
        midnight = night.replace(hour=0, minute=0)
        for order in truth.orders(told.world, SELLER, night):
            if order.last_updated_at < midnight:
                seen.setdefault(order.order_id, order)
    return list(seen.values())


def local_day(at: datetime, marketplace_id: str) -> date:
    """The marketplace's own day."""
    return at.astimezone(ZoneInfo(MARKETPLACES[marketplace_id].time_zone)).date()
