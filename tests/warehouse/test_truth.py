"""The marts against the simulator's truth: three marketplaces, currencies and time zones, over the ends of summer time.

Everything comes over HTTP through the real extraction; what the world knows is compared to the cent and to the unit.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
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
from amzigo_pipelines.simulator import truth, truth_reports
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
HISTORY = (
    ("orders", "order_items"),
    ("fba_shipments",),
    ("fba_returns",),
    ("merchant_returns",),
    ("seller_feedback",),
    ("inventory_ledger_summary",),
)
SNAPSHOTS = (("fba_inventory",), ("listings",), ("stranded_inventory",), ("inventory_planning",), ("account_health",))


@dataclass
class Told:
    """What is published, and the world it is of."""

    platform: Platform
    world: World

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return self.platform.warehouse.query(SELLER, sql).read_all().to_pylist()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, marts: list[Mart]) -> Iterator[Told]:
    """A seller's three weeks, extracted night by night at the end and published after each of the last two nights."""
    TOKENS.clear()
    countries = ("US", "DE", "JP")
    profile = SellerProfile(
        seller_id=SELLER,
        refresh_token="Atzr|synthetic-truth",
        marketplace_ids=tuple(BY_COUNTRY[country].marketplace_id for country in countries),
        orders_per_day=60,
        sku_count=25,
    )
    world = World(WorldConfig(seed=11, first_day=FIRST, sellers=(profile,)))
    clock = VirtualClock(NOW - timedelta(days=1))
    with (
        SimulatorServer(world, clock, SimulatorSettings(rate_scale=100_000)) as server,
        pytest.MonkeyPatch.context() as m,
    ):
        m.delenv("DAGSTER_HOME", raising=False)
        home = Home(tmp_path_factory.mktemp("truth") / "home", Kind.TEST, FIRST, endpoint=server.url)
        initialise(home)
        platform = Platform(home, clock)
        platform.sellers.add(SELLER, SELLER, profile.marketplace_ids, profile.refresh_token)
        night_before = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days)]
        for source in HISTORY:
            list(extract_partitions(platform, SELLER, night_before, source))
        for source in SNAPSHOTS:
            extract_partition(platform, SELLER, night_before[-1], source)
        platform.warehouse.publish(SELLER, marts)
        clock.set(NOW)
        for source in (*HISTORY, *SNAPSHOTS):
            extract_partition(platform, SELLER, LAST, source)
        assert platform.warehouse.publish(SELLER, marts).is_updated
        yield Told(platform, world)


def test_sales_of_every_day_marketplace_and_currency(told: Told) -> None:
    expected = told_sales(told)
    assert {currency for _, _, currency in expected} == {"USD", "EUR", "JPY"} and len(expected) > 60
    found = {
        (r["day"], r["marketplace_id"], r["currency"]): (
            r["ordered_product_sales"], r["orders"], r["order_items"], r["units"], r["pending_orders"],
            r["pending_units"], r["cancelled_orders"], r["replacement_orders"],
        )
        for r in told.rows("SELECT * FROM sales_daily")
    }  # fmt: skip
    empty = (Decimal(0), 0, 0, 0, 0, 0, 0, 0)
    assert {key: row for key, row in found.items() if row != empty} == expected


def told_sales(told: Told) -> dict[tuple[date, str, str], tuple[Any, ...]]:
    out: dict[tuple[date, str, str], list[Any]] = defaultdict(lambda: [Decimal(0), 0, 0, 0, 0, 0, 0, 0])
    for order in seen_orders(told):
        row = out[order.local_day, order.marketplace_id, order.currency]
        units = sum(item.quantity for item in order.items)
        if order.status == "CANCELLED":
            row[6] += not order.replaces
        elif order.replaces:
            row[7] += 1
        elif not order.has_prices:
            row[4], row[5] = row[4] + 1, row[5] + units
        else:
            row[0] += sum(item.sales for item in order.items)
            row[1], row[2], row[3] = row[1] + 1, row[2] + len(order.items), row[3] + units
    return {key: tuple(row) for key, row in out.items()}


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


def test_sales_by_sku_add_up_in_each_marketplace(told: Told) -> None:
    expected: Counter[tuple[str, str]] = Counter()
    for order in seen_orders(told):
        if order.status != "CANCELLED" and order.has_prices and not order.replaces:
            for item in order.items:
                expected[order.marketplace_id, item.sku] += int(item.sales * 100)
    found = told.rows(
        "SELECT marketplace_id AS m, sku, SUM(ordered_product_sales) AS s "
        "FROM sales_by_sku_daily GROUP BY ALL HAVING s > 0"
    )
    assert {(r["m"], r["sku"]): int(r["s"] * 100) for r in found} == dict(expected)
    skus = {sku: {m for m, other in expected if other == sku} for _, sku in expected}
    assert any(len(places) > 1 for places in skus.values())  # the trap is there: SKUs in several marketplaces


def test_regions_add_up_to_sales(told: Told) -> None:
    columns = "marketplace_id, currency, SUM(ordered_product_sales) AS s, SUM(units) AS u"
    sums = f"SELECT {columns} FROM {{}} GROUP BY ALL ORDER BY ALL"
    assert told.rows(sums.format("sales_by_region")) == told.rows(sums.format("sales_daily"))
    assert not told.rows("SELECT 1 FROM sales_by_region WHERE orders < 5 AND state <> 'other'")
    assert told.rows("SELECT 1 FROM sales_by_region WHERE state = 'other'")


def test_returns_of_both_channels(told: Told) -> None:
    markets = {order.order_id: order for order in seen_orders(told)}
    expected: Counter[tuple[str, str, str, date]] = Counter()
    for back in truth.returns(told.world, SELLER, NOW):
        order = markets[back.order_id]
        day = back.returned_at.astimezone(ZoneInfo(MARKETPLACES[order.marketplace_id].time_zone)).date()
        if order.channel == "AMAZON" and day <= LAST:
            expected[back.order_id, back.sku, "AMAZON", day] += back.quantity
    for asked in truth_reports.return_requests(told.world, SELLER, NOW):
        day = asked.requested_at.astimezone(ZoneInfo(MARKETPLACES[asked.marketplace_id].time_zone)).date()
        if day <= LAST:
            expected[asked.order_id, asked.sku, "MERCHANT", day] += asked.quantity
    found: Counter[tuple[str, str, str, date]] = Counter()
    for row in told.rows("SELECT * FROM returns"):
        found[row["order_id"], row["sku"], row["fulfilled_by"], row["returned_on"]] += row["units"]
    assert {channel for _, _, channel, _ in expected} == {"AMAZON", "MERCHANT"}
    assert found == expected
    by_order = told.rows("SELECT SUM(returned_units_of_orders) AS o, SUM(returned_units) AS d FROM returns_by_sku")
    assert by_order == [{"o": sum(expected.values()), "d": sum(expected.values())}]


def test_ship_times_and_lateness_of_both_channels(told: Told) -> None:
    shipped = {o.order_id: o.shipped_at for o in seen_orders(told) if o.status == "SHIPPED"}
    found = {r["order_id"]: r for r in told.rows("SELECT * FROM orders WHERE status = 'SHIPPED'")}
    assert found.keys() == shipped.keys() and len(found) > 300
    known = {order_id: row["shipped_at"] for order_id, row in found.items() if row["shipped_at"] is not None}
    assert {row["fulfilled_by"] for row in found.values() if row["shipped_at"]} == {"AMAZON", "MERCHANT"}
    assert {order_id: at for order_id, at in known.items() if at != shipped[order_id]} == {}
    judged = told.rows("SELECT SUM(shipped_orders) AS s, SUM(orders) AS n FROM fulfillment_tracking")
    alive = sum(order.status != "CANCELLED" for order in seen_orders(told))
    assert judged == [{"s": len(shipped), "n": alive}]


def test_feedback_of_every_day(told: Told) -> None:
    expected: Counter[tuple[date, str, str]] = Counter()
    for said in truth_reports.feedback(told.world, SELLER, NOW):
        day = said.at.astimezone(ZoneInfo(MARKETPLACES[said.marketplace_id].time_zone)).date()
        if day <= LAST:
            expected[day, said.marketplace_id, "all"] += 1
            expected[day, said.marketplace_id, "positive"] += said.rating >= 4
            expected[day, said.marketplace_id, "negative"] += said.rating <= 2
    found: Counter[tuple[date, str, str]] = Counter()
    for row in told.rows("SELECT * FROM feedback_daily"):
        for name, column in (("all", "feedbacks"), ("positive", "positive"), ("negative", "negative")):
            found[row["day"], row["marketplace_id"], name] += row[column]
    assert expected and found == expected


def test_the_ledger_balances_on_every_day_and_ends_with_what_is_there(told: Told) -> None:
    rows = told.rows("SELECT * FROM ledger_balance")
    assert len(rows) > 300 and {row["difference_units"] for row in rows} == {0}
    checked = 0
    for country in ("US", "DE", "JP"):
        market = BY_COUNTRY[country].marketplace_id
        day = max(row["day"] for row in rows if row["marketplace_id"] == market)
        expected = truth_reports.ledger_balance(told.world, SELLER, market, day)
        found = {
            (row["sku"], row["disposition"]): row["end_units"]
            for row in rows
            if (row["marketplace_id"], row["day"]) == (market, day) and row["end_units"]
        }
        assert found == expected, country
        checked += len(found)
    assert checked > 10


def test_stock_and_what_is_stranded(told: Told) -> None:
    expected = {key: level.fulfillable for key, level in truth.stock(told.world, SELLER, NOW).items() if key[1]}
    found = {
        (r["sku"], r["marketplace_id"]): r["fulfillable_units"]
        for r in told.rows(f"SELECT * FROM inventory_daily WHERE day = '{LAST}'")
    }
    assert found == expected and any(expected.values())
    stranded = {(r["sku"], r["marketplace_id"]) for r in told.rows("SELECT * FROM stranded")}
    assert stranded == set(truth_reports.stranded(told.world, SELLER, NOW))


def test_updating_night_by_night_gave_what_a_build_from_nothing_gives(told: Told, marts: list[Mart]) -> None:
    def dump() -> dict[str, list[str]]:
        names = [mart.name for mart in marts]
        return {name: sorted(map(repr, told.rows(f'SELECT * FROM "{name}"'))) for name in names}

    updated = dump()
    told.platform.warehouse.publish(SELLER, marts, rebuild=True)
    rebuilt = dump()
    assert [name for name in updated if updated[name] != rebuilt[name]] == []
