"""The marts of money and traffic against the simulator's truth: three marketplaces, currencies and time zones.

Everything comes over HTTP through the real extraction, in two nights over the end of summer time; what the world knows
is compared to the cent and to the unit.
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
from amzigo_pipelines.simulator import truth, truth_finances, truth_sales
from amzigo_pipelines.simulator.calls import SimulatorSettings
from amzigo_pipelines.simulator.marketplaces import BY_COUNTRY
from amzigo_pipelines.simulator.profiles import SellerProfile, WorldConfig
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World

FIRST, LAST = date(2026, 10, 12), date(2026, 11, 3)
NOW = datetime(2026, 11, 4, 0, 30, tzinfo=UTC)
SELLER = "AMONEYSELLER"
HISTORY = (
    ("orders", "order_items"),
    ("transactions", "transaction_breakdowns"),
    ("settlements", "settlement_lines"),
    ("sales_and_traffic_daily",),
    ("sales_metrics",),
)
SNAPSHOTS = (("listings",), ("marketplaces",))
# By SKU Amazon takes a query a day, so only the last ones are asked for.
BY_SKU_DAYS = [LAST - timedelta(days=n) for n in (3, 2)]


@dataclass
class Told:
    """What is published, and the world it is of."""

    platform: Platform
    world: World

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return self.platform.warehouse.query(SELLER, sql).read_all().to_pylist()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, marts: list[Mart]) -> Iterator[Told]:
    """A seller's three weeks, extracted at the end and published after each of the last two nights."""
    TOKENS.clear()
    profile = SellerProfile(
        seller_id=SELLER,
        refresh_token="Atzr|synthetic-money",
        marketplace_ids=tuple(BY_COUNTRY[country].marketplace_id for country in ("US", "DE", "JP")),
        orders_per_day=40,
        sku_count=8,
    )
    world = World(WorldConfig(seed=5, first_day=FIRST, sellers=(profile,)))
    clock = VirtualClock(NOW - timedelta(days=1))
    with (
        SimulatorServer(world, clock, SimulatorSettings(rate_scale=100_000)) as server,
        pytest.MonkeyPatch.context() as m,
    ):
        m.delenv("DAGSTER_HOME", raising=False)
        home = Home(tmp_path_factory.mktemp("money") / "home", Kind.TEST, FIRST, endpoint=server.url)
        initialise(home)
        platform = Platform(home, clock)
        platform.sellers.add(SELLER, SELLER, profile.marketplace_ids, profile.refresh_token)
        # In Japan the first day begins on the UTC day before.
        night_before = [FIRST + timedelta(days=n) for n in range(-1, (LAST - FIRST).days)]
        for source in HISTORY:
            list(extract_partitions(platform, SELLER, night_before, source))
        platform.warehouse.publish(SELLER, marts)
        clock.set(NOW)
        for source in (*HISTORY, *SNAPSHOTS):
            extract_partition(platform, SELLER, LAST, source)
        list(extract_partitions(platform, SELLER, BY_SKU_DAYS, ["sales_and_traffic_by_sku"]))
        assert platform.warehouse.publish(SELLER, marts).is_updated
        yield Told(platform, world)


def booked(told: Told) -> list[truth_finances.TransactionTruth]:
    """The released transactions of the extracted UTC days that Amazon tells of by now."""
    return [
        row
        for row in truth_finances.transactions(told.world, SELLER, NOW)
        if row.status == "RELEASED" and row.known_at <= NOW and row.posted_at.date() <= LAST
    ]


def local_day(row: truth_finances.TransactionTruth) -> date:
    return row.posted_at.astimezone(ZoneInfo(MARKETPLACES[row.marketplace_id].time_zone)).date()


def test_fees_of_every_day_marketplace_currency_and_type(told: Told) -> None:
    expected: dict[tuple[date, str, str, str], Decimal] = defaultdict(Decimal)
    unallocated: dict[str, Decimal] = defaultdict(Decimal)
    for row in booked(told):
        for charge in row.charges:
            if charge.path[0] in ("AmazonFees", "ServiceFees"):
                expected[local_day(row), row.marketplace_id, row.currency, charge.path[1]] -= charge.amount
                unallocated[row.currency] -= Decimal(0) if charge.sku else charge.amount
    found = told.rows("SELECT * FROM fees_daily")
    assert {(r["day"], r["marketplace_id"], r["currency"], r["fee_type"]): r["fees"] for r in found} == expected
    assert len({key[3] for key in expected}) >= 4 and {key[2] for key in expected} == {"USD", "EUR", "JPY"}
    for currency, amount in unallocated.items():
        assert amount and sum(r["fees_unallocated"] for r in found if r["currency"] == currency) == amount
    assert all(r["fees"] == r["fees_charged"] - r["fees_given_back"] for r in found)
    assert all(r["fees"] == r["fees_by_sku"] + r["fees_unallocated"] for r in found)


def test_all_that_was_booked_is_in_the_account(told: Told) -> None:
    expected: dict[tuple[date, str, str], Decimal] = defaultdict(Decimal)
    for row in booked(told):
        expected[local_day(row), row.marketplace_id, row.currency] += row.total
    sums = "SELECT day, marketplace_id AS m, currency, SUM(amount) AS s FROM account_daily GROUP BY ALL"
    assert {(r["day"], r["m"], r["currency"]): r["s"] for r in told.rows(sums)} == expected
    # Some days differ from UTC days, and what is held back is there and not counted.
    assert any(local_day(row) != row.posted_at.date() for row in booked(told))
    held_back = told.rows("SELECT COUNT(*) AS n FROM staging.transactions WHERE status <> 'RELEASED'")
    assert held_back[0]["n"] > 0


def test_profit_of_every_sku_before_costs(told: Told) -> None:
    sales: dict[tuple[date, str, str, str], Decimal] = defaultdict(Decimal)
    fees: dict[tuple[date, str, str, str], Decimal] = defaultdict(Decimal)
    units: Counter[tuple[date, str, str, str]] = Counter()
    for row in booked(told):
        if row.kind == "Transfer":
            continue
        month = local_day(row).replace(day=1)
        per_line: dict[str, int] = {}
        for charge in row.charges:
            key = (month, row.marketplace_id, row.currency, charge.sku or "(unallocated)")
            if charge.path[0] in ("ProductCharges", "GiftWrap", "PromotionRebates") or charge.path[1] == (
                "ShippingPrincipal"
            ):
                sales[key] += charge.amount
            if charge.path[0] in ("AmazonFees", "ServiceFees"):
                fees[key] -= charge.amount
            if row.kind in ("Shipment", "Refund"):
                per_line[charge.sku] = charge.quantity
        for sku, quantity in per_line.items():
            units[month, row.marketplace_id, row.currency, sku] += quantity * (-1 if row.kind == "Refund" else 1)
    found = {(r["month"], r["marketplace_id"], r["currency"], r["sku"]): r for r in told.rows("FROM profit_by_sku")}
    assert {key: r["net_sales"] for key, r in found.items() if r["net_sales"]} == {k: v for k, v in sales.items() if v}
    assert {key: r["fees"] for key, r in found.items() if r["fees"]} == {k: v for k, v in fees.items() if v}
    assert {key: r["net_units"] for key, r in found.items() if r["net_units"]} == {k: n for k, n in units.items() if n}
    for key, row in found.items():
        assert row["profit"] is None and "no advertising" in row["profit_note"]
        assert ("no cost of this SKU" in row["profit_note"]) is (row["net_units"] != 0), key


def test_settlements_equal_their_transactions(told: Told) -> None:
    expected = {row.settlement_id: row for row in truth_finances.settlements(told.world, SELLER, NOW)}
    found = {row["settlement_id"]: row for row in told.rows("SELECT * FROM settlement_reconciliation")}
    assert found.keys() == expected.keys() and {row["currency"] for row in found.values()} == {"USD", "EUR", "JPY"}
    for settlement_id, row in found.items():
        true = expected[settlement_id]
        assert (row["payout"], row["transactions"]) == (true.total, len(true.transaction_ids))
        assert (row["difference"], row["unexplained_difference"], row["explanation"]) == (0, 0, "equal")
        assert row["transfer_amount"] == row["payout"] and row["marketplaces"] == true.marketplace_id


def test_traffic_of_every_day(told: Told) -> None:
    expected = truth_sales.traffic_daily(told.world, SELLER, NOW)
    found = {(r["day"], r["marketplace_id"]): r for r in told.rows("SELECT * FROM traffic_daily")}
    assert found.keys() == expected.keys() and len(found) > 60
    for key, row in found.items():
        true = expected[key]
        assert (
            row["currency"], row["sessions"], row["page_views"], row["units_ordered"], row["order_items"],
            row["ordered_product_sales"], row["business_sessions"],
        ) == (
            true.currency, true.sessions, true.page_views, true.units, true.order_items, true.sales,
            true.business_sessions,
        )  # fmt: skip
        assert row["unit_session_percentage"] == pytest.approx(100 * true.units / true.sessions)
        # Amazon's percentage has two decimals.
        assert row["featured_offer_page_views"] == pytest.approx(true.offer_views, abs=1 + true.page_views / 10_000)


def test_traffic_of_every_sku_adds_up_to_the_day(told: Told) -> None:
    expected = {
        key: true
        for key, true in truth_sales.traffic_by_sku(told.world, SELLER, NOW).items()
        if BY_SKU_DAYS[0] <= key[0] <= BY_SKU_DAYS[-1]
    }
    found = {
        (r["day"], r["marketplace_id"], r["sku"]): (r["sessions"], r["page_views"], r["units_ordered"])
        for r in told.rows(f"SELECT * FROM traffic_by_sku WHERE day BETWEEN '{BY_SKU_DAYS[0]}' AND '{BY_SKU_DAYS[-1]}'")
    }
    assert found == {key: (true.sessions, true.page_views, true.units) for key, true in expected.items()} and found
    both = told.rows(
        "SELECT day, marketplace_id AS m, SUM(s.page_views) = ANY_VALUE(d.page_views) AS is_equal, "
        "SUM(s.featured_offer_page_views) - ANY_VALUE(d.featured_offer_page_views) AS offer "
        "FROM traffic_by_sku AS s JOIN traffic_daily AS d USING (day, marketplace_id, currency) GROUP BY ALL"
    )
    assert both and all(row["is_equal"] and abs(row["offer"]) <= 8 for row in both)


def test_sales_are_amazons_own_sums_and_differences_are_explained(told: Told) -> None:
    metrics = truth_sales.order_metrics(told.world, SELLER, NOW)
    traffic = truth_sales.traffic_daily(told.world, SELLER, NOW)
    rows = told.rows("SELECT * FROM sales_reconciliation")
    settled = [row for row in rows if row["is_settled"] and row["day"] >= FIRST]
    assert len(settled) > 55 and {row["currency"] for row in settled} == {"USD", "EUR", "JPY"}
    for row in settled:
        key = (row["day"], row["marketplace_id"])
        assert (row["metrics_sales"], row["metrics_units"]) == (metrics[key].sales, metrics[key].units)
        assert (row["analytics_sales"], row["analytics_units"]) == (traffic[key].sales, traffic[key].units)
        assert row["metrics_difference"] == row["metrics_sales"] - row["sales"]
        assert (row["metrics_unexplained"], row["analytics_unexplained"]) == (0, 0), row
    assert any(row["metrics_explanation"] == "equal" for row in settled)
    assert any(row["pending_sales_estimated"] for row in rows)
    cancelled_later = sum(row["analytics_cancelled_later"] or 0 for row in settled)
    late = [
        order
        for order in truth.orders(told.world, SELLER, NOW)
        if order.status == "CANCELLED"
        and order.has_prices
        and order.local_day >= FIRST
        and order.last_updated_at.astimezone(ZoneInfo(MARKETPLACES[order.marketplace_id].time_zone)).date()
        > order.local_day + timedelta(days=7)
    ]
    assert cancelled_later == sum(item.sales for order in late for item in order.items)


def test_marketplaces_are_the_connected_ones(told: Told) -> None:
    found = {r["marketplace_id"]: r["currency"] for r in told.rows("FROM marketplaces WHERE is_extracted")}
    assert found == {BY_COUNTRY[c].marketplace_id: BY_COUNTRY[c].currency for c in ("US", "DE", "JP")}


def test_updating_night_by_night_gave_what_a_build_from_nothing_gives(told: Told, marts: list[Mart]) -> None:
    def dump() -> dict[str, list[str]]:
        names = [mart.name for mart in marts]
        return {name: sorted(map(repr, told.rows(f'SELECT * FROM "{name}"'))) for name in names}

    updated = dump()
    told.platform.warehouse.publish(SELLER, marts, rebuild=True)
    rebuilt = dump()
    assert [name for name in updated if updated[name] != rebuilt[name]] == []
