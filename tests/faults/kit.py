"""A small world, an installation that talks to it, and what its lake must hold: the truth or the state before.

Belongs here: what the fault tests share. Does not belong here: any fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from amzigo_pipelines.assets.extraction.extract import ExtractionResult, extract_partition
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.home import Home, Kind, create_home
from amzigo_pipelines.simulator import truth, truth_reports
from amzigo_pipelines.simulator.catalogue import AMAZON
from amzigo_pipelines.simulator.marketplaces import MARKETPLACES
from amzigo_pipelines.simulator.profiles import WorldConfig
from amzigo_pipelines.simulator.world import World
from tests.extraction.conftest import Platform, profile

DAY = date(2026, 9, 20)
START = datetime(2026, 9, 20, tzinfo=UTC)
NOW = datetime(2026, 9, 21, 0, 30, tzinfo=UTC)
FIRST_DAY = DAY - timedelta(days=4)
SELLER = "AFAULTSELLER"

# In the first marketplace more orders a day and more SKUs than a page holds.
CONFIG = WorldConfig(
    seed=5,
    first_day=FIRST_DAY,
    sellers=(profile(SELLER, "US", "DE", orders_per_day=190, sku_count=150, fba_share=0.8),),
)

ORDERS, INVENTORY = ("orders", "order_items"), ("fba_inventory",)
SHIPMENTS, LISTINGS = ("fba_shipments",), ("listings",)
SOURCES = (ORDERS, INVENTORY, SHIPMENTS, LISTINGS)

State = dict[str, Any]


def make_platform(folder: Path, url: str, now: datetime = NOW) -> Platform:
    """An installation with the seller connected."""
    home = Home(path=folder / "home", kind=Kind.TEST, first_day=FIRST_DAY, endpoint=url)
    create_home(home)
    platform = Platform(home, VirtualClock(now))
    (seller,) = CONFIG.sellers
    platform.sellers.add(SELLER, SELLER, seller.marketplace_ids, seller.refresh_token)
    return platform


def extract(platform: Platform, source: tuple[str, ...], day: date = DAY) -> list[ExtractionResult]:
    """One day of one source, without the days before it."""
    return extract_partition(platform, SELLER, day, source)  # type: ignore[arg-type]


def versions(platform: Platform, source: tuple[str, ...], day: date = DAY) -> dict[str, int]:
    """The versions of a day's partitions."""
    return {
        record.dataset: record.version
        for record in platform.lake.partitions(SELLER)
        if record.dataset in source and record.day == day
    }


def rows(platform: Platform, name: str, day: date = DAY) -> list[dict[str, Any]]:
    """What the lake holds of a dataset and day."""
    found = platform.lake.scan(DATASETS[name], SELLER, [day])
    return [] if found is None else found.to_table().to_pylist()


def on_disk(platform: Platform) -> set[str]:
    """Files of the lake, as they lie there."""
    return {str(path.relative_to(platform.home.lake_dir)) for path in platform.home.lake_dir.rglob("*.parquet")}


@dataclass(frozen=True)
class Truth:
    """What the lake must hold of a day as of an instant."""

    world: World
    now: datetime
    day: date = DAY

    def of(self, source: tuple[str, ...]) -> list[tuple[Any, ...]]:
        """The facts of a source, sorted."""
        found = {ORDERS: self._orders, INVENTORY: self._stock, SHIPMENTS: self._shipments, LISTINGS: self._listings}
        return sorted(found[source](), key=str)

    def _orders(self) -> list[tuple[Any, ...]]:
        start = datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)
        return [
            (order.order_id, order.status, order.last_updated_at, item.order_item_id, item.quantity)
            for order in truth.orders(self.world, SELLER, self.now)
            if start <= order.last_updated_at < start + timedelta(days=1)
            for item in order.items
        ]

    def _stock(self) -> list[tuple[Any, ...]]:
        seller, epoch = self.world.seller(SELLER, self.now), int(self.now.timestamp())
        levels = truth.stock(self.world, SELLER, self.now)
        return [
            (*key, levels[key].fulfillable, levels[key].reserved, levels[key].on_hand + levels[key].inbound)
            for key, listing in seller.catalogue.listings.items()
            if listing.channel == AMAZON and seller.pools[key].changed_at(epoch) is not None
        ]

    def _shipments(self) -> list[tuple[Any, ...]]:
        return [
            (shipment.order_item_id, shipment.shipped_at, shipment.quantity)
            for shipment in truth_reports.fba_shipments(self.world, SELLER, self.now)
            if shipment.reported_at <= self.now
            and shipment.shipped_at.astimezone(ZoneInfo(MARKETPLACES[shipment.marketplace_id].time_zone)).date()
            == self.day
        ]

    def _listings(self) -> list[tuple[Any, ...]]:
        return [(*key, listing.asin) for key, listing in self.world.seller(SELLER, self.now).catalogue.listings.items()]


def facts(platform: Platform, source: tuple[str, ...], day: date = DAY) -> list[tuple[Any, ...]]:
    """The same facts, as the lake has them. Rows that are there twice are in it twice."""
    if source == ORDERS:
        orders = {row["order_id"]: row for row in rows(platform, "orders", day)}
        assert len(orders) == len(rows(platform, "orders", day))
        found: list[tuple[Any, ...]] = [
            (
                row["order_id"],
                orders[row["order_id"]]["status"],
                orders[row["order_id"]]["last_updated_at"],
                row["order_item_id"],
                row["quantity_ordered"],
            )
            for row in rows(platform, "order_items", day)
        ]
        assert {row[0] for row in found} == orders.keys()
        return sorted(found, key=str)
    columns = {
        INVENTORY: ("sku", "marketplace_id", "fulfillable_units", "reserved_units", "total_units"),
        SHIPMENTS: ("order_item_id", "shipped_at", "units"),
        LISTINGS: ("sku", "marketplace_id", "asin"),
    }[source]
    return sorted((tuple(row[name] for name in columns) for row in rows(platform, source[0], day)), key=str)
