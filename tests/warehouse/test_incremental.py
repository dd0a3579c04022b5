"""A chain of publishes gives the same tables as one from nothing, whatever happened in between."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from amzigo_pipelines.assets.mart_definitions import Mart
from tests.warehouse.conftest import (
    CURRENCY,
    DAY,
    DE,
    JP,
    NOW,
    SELLER,
    US,
    World,
    item,
    listing,
    money,
    open_world,
    order,
    simple,
    stock,
)

FIRST = date(2026, 6, 1)
SKUS = ("SKU-1", "SKU-2", "SKU-3")

_market = st.sampled_from((US, DE, JP))
_key = st.sampled_from((None, "a", "b", "c"))
_sku = st.sampled_from(SKUS)
_back = st.integers(0, 3)
_number = st.integers(0, 30)
_event = st.one_of(
    st.tuples(st.just("order"), st.integers(0, 23), _market, _key, _sku, st.integers(1, 3)),
    st.tuples(st.just("order"), st.integers(0, 23), _market, _key, _sku, st.integers(1, 3)),
    st.tuples(st.just("move"), _number, st.sampled_from(("UNSHIPPED", "SHIPPED", "CANCELLED")), _key),
    st.tuples(st.just("return"), _number, st.sampled_from(("SELLABLE", "CUSTOMER_DAMAGED"))),
    st.tuples(st.just("feedback"), _number, st.integers(1, 5), _back),
    st.tuples(st.just("ads"), _back, _market, st.integers(0, 500)),
    st.tuples(st.just("stock"), _sku, _market, st.integers(0, 4)),
    st.tuples(st.just("price"), _sku, _market, st.integers(5, 9)),
    st.tuples(st.just("ledger"), _back, _sku, st.integers(0, 9), st.integers(-3, 3)),
    st.tuples(st.just("age"), _sku, _market, st.integers(0, 9)),
    st.tuples(st.just("again"), _back),
)


class History:
    """A small lake that lives from day to day as Amazon's data does: an order sits in the day of its last update."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._orders: dict[str, dict[str, Any]] = {}
        self._items: dict[str, dict[str, Any]] = {}
        self._other: dict[tuple[str, date], dict[tuple[Any, ...], dict[str, Any]]] = defaultdict(dict)

    def live(self, today: date, events: list[tuple[Any, ...]]) -> None:
        """Let a day's events happen, and write every partition that they touch."""
        self._touched = {("orders", today), ("fba_inventory", today)}
        for number, (kind, *values) in enumerate(events):
            getattr(self, f"_{kind}")(today, number, *values)
        for name, day in sorted(self._touched):
            if name == "orders":
                orders = [o for o in self._orders.values() if o["last_updated_at"].date() == day]
                items = [{**self._items[o["order_id"]], "last_updated_at": o["last_updated_at"]} for o in orders]
                self._world.write(day, orders=orders, order_items=items)
            else:
                self._world.write(day, **{name: list(self._other[name, day].values())})

    def _put(self, name: str, day: date, key: tuple[Any, ...], row: dict[str, Any]) -> None:
        self._other[name, day][key] = row
        self._touched.add((name, day))

    def _order(self, today: date, number: int, hour: int, market: str, key: str | None, sku: str, units: int) -> None:
        made = order(
            f"{today}-{number}",
            f"{today}T{hour:02}:30:00",
            marketplace_id=market,
            status="PENDING",
            buyer_key=key,
            ship_by_latest_at=f"{today + timedelta(days=1)}T12:00:00",
            deliver_by_latest_at=f"{today + timedelta(days=3)}T12:00:00",
            ship_state="WA",
        )
        self._orders[made["order_id"]] = made
        self._items[made["order_id"]] = item(made, sku=sku, unit_price=None, quantity_ordered=units)

    def _pick(self, number: int) -> dict[str, Any] | None:
        names = sorted(self._orders)
        return self._orders[names[number % len(names)]] if names else None

    def _move(self, today: date, number: int, which: int, status: str, key: str | None) -> None:
        picked = self._pick(which)
        if picked is not None:
            at = datetime(today.year, today.month, today.day, 23, number, tzinfo=UTC)
            picked |= {"status": status, "last_updated_at": at, "buyer_key": key}
            picked["last_shipped_at"] = at if status == "SHIPPED" else None
            self._items[picked["order_id"]]["unit_price"] = money(number + 1)

    def _return(self, today: date, number: int, which: int, disposition: str) -> None:
        picked = self._pick(which)
        if picked is not None:
            at = datetime(today.year, today.month, today.day, 12, number, tzinfo=UTC)
            row = {
                "marketplace_id": picked["marketplace_id"], "returned_at": at, "order_id": picked["order_id"],
                "sku": self._items[picked["order_id"]]["sku"], "occurrence": 1, "units": 1,
                "disposition": disposition, "reason": "DEFECTIVE",
            }  # fmt: skip
            self._put("fba_returns", today, (number,), row)

    def _feedback(self, today: date, number: int, which: int, rating: int, back: int) -> None:
        picked, day = self._pick(which), today - timedelta(days=back)
        if picked is not None:
            row = {
                "marketplace_id": picked["marketplace_id"], "given_on": day, "order_id": picked["order_id"],
                "occurrence": 1, "rating": rating,
            }  # fmt: skip
            self._put("seller_feedback", day, (picked["order_id"],), row)

    def _ads(self, today: date, number: int, back: int, market: str, cost: int) -> None:
        day = today - timedelta(days=back)
        row = {
            "performed_on": day, "marketplace_id": market, "ad_product": "SPONSORED_PRODUCTS", "campaign_id": "C",
            "currency": CURRENCY[market], "impressions": 9, "clicks": 3, "cost": money(cost), "orders_14d": 1,
            "units_14d": 1, "sales_14d": money(cost * 3),
        }  # fmt: skip
        self._put("ads_campaigns", day, (market,), row)

    def _stock(self, today: date, number: int, sku: str, market: str, units: int) -> None:
        self._put("fba_inventory", today, (sku, market), stock(sku, units, market))

    def _price(self, today: date, number: int, sku: str, market: str, price: int) -> None:
        self._put("listings", today, (sku, market), listing(sku, price, market))

    def _ledger(self, today: date, number: int, back: int, sku: str, start: int, lost: int) -> None:
        day = today - timedelta(days=back)
        row = {
            "marketplace_id": US, "day_on": day, "fn_sku": sku, "sku": sku, "disposition": "SELLABLE", "location": "US",
            "start_units": start, "lost_units": lost, "end_units": start,
        }  # fmt: skip
        self._put("inventory_ledger_summary", day, (sku,), row)

    def _age(self, today: date, number: int, sku: str, market: str, units: int) -> None:
        row = {
            "marketplace_id": market, "sku": sku, "condition": "New", "taken_at": NOW, "currency": CURRENCY[market],
            "available_units": units, "age_0_90_units": units, "your_price": money(7), "excess_units": units // 2,
        }  # fmt: skip
        self._put("inventory_planning", today, (sku, market), row)

    def _again(self, today: date, number: int, back: int) -> None:
        day = today - timedelta(days=back)
        if day >= FIRST:
            self._touched.add(("orders", day))


@settings(
    max_examples=12,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(days=st.lists(st.lists(_event, max_size=8), min_size=2, max_size=5))
def test_a_chain_of_publishes_equals_a_build_from_nothing(marts: list[Mart], days: list[list[tuple[Any, ...]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = open_world(Path(folder) / "home", marts)
        history = History(world)
        for step, events in enumerate(days):
            history.live(FIRST + timedelta(days=step), events)
            report = world.publish()
            event(f"updated: {report.is_updated}")
        updated = world.dump()
        rebuilt = world.publish(rebuild=True)
        from_nothing = world.dump()
        assert rebuilt.tables == report.tables
        for name, rows in from_nothing.items():
            assert updated[name] == rows, name


def test_a_new_day_touches_only_what_it_changes(world: World) -> None:
    simple(world, count=3, buyer_key="k")
    first = world.publish()
    simple(world, DAY + timedelta(days=1), count=2, buyer_key="k")
    second = world.publish()
    assert (first.is_updated, second.is_updated, second.loaded_days) == (False, True, 2)
    assert world.rows("SELECT day, orders FROM sales_daily ORDER BY day") == [
        {"day": DAY, "orders": 3}, {"day": DAY + timedelta(days=1), "orders": 2},
    ]  # fmt: skip
    assert world.one("SELECT MAX(buyer_order_number) AS n FROM orders") == {"n": 5}
    updated = world.dump()
    assert not world.publish(rebuild=True).is_updated
    assert world.dump() == updated


def test_restated_days_are_replaced_and_rows_that_are_gone_go(world: World) -> None:
    simple(world)
    two = [stock("SKU-1", 5), stock("SKU-2", 6)]
    world.write(DAY, fba_inventory=two)
    world.publish()
    world.write(DAY, fba_inventory=[stock("SKU-1", 4)])
    report = world.publish()
    assert (report.is_updated, report.loaded_days) == (True, 1)
    assert world.rows("SELECT sku, fulfillable_units AS f FROM inventory_position") == [{"sku": "SKU-1", "f": 4}]
    world.write(DAY, fba_inventory=[])
    assert world.publish().is_updated
    assert world.rows("SELECT sku FROM inventory_position") == []


def test_the_first_write_of_a_seller_may_be_an_empty_day_of_what_is_looked_back_at(world: World) -> None:
    # Comparing such days with their former content needs a key of the seller's, which is made then.
    world.write(DAY, fba_returns=[])
    assert [(r.dataset, r.rows) for r in world.lake.partitions(SELLER)] == [("fba_returns", 0)]


def test_what_must_be_forgotten_is_never_left_in_a_copy(world: World) -> None:
    simple(world, buyer_key="a-very-telling-key")
    world.publish()
    # The same day again without the pseudonym, as an erasure rewrites it: the file is made anew by rows.
    simple(world, buyer_key=None)
    assert not world.publish().is_updated
    assert world.one("SELECT buyer_key FROM orders") == {"buyer_key": None}


def test_marts_that_changed_their_sql_are_made_anew(world: World) -> None:
    simple(world)
    world.publish()
    world.marts = world.marts[:-1]
    assert not world.publish().is_updated


def test_columns_that_lack_a_dataset_say_why(world: World) -> None:
    gaps = [(mart.name, gap) for mart in world.marts for gap in mart.gaps]
    assert gaps
    simple(world)
    world.publish()
    rows = world.rows("SELECT * FROM mart_notes")
    assert {(r["mart"], r["column_name"]) for r in rows} == {(name, c) for name, gap in gaps for c in gap.columns}
    assert all(row["reason"] for row in rows)
