"""The world by itself: repeatable, in balance, plausible."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from amzigo_pipelines.simulator import truth
from amzigo_pipelines.simulator.profiles import SellerProfile
from amzigo_pipelines.simulator.seller_world import SellerWorld
from amzigo_pipelines.simulator.stock import DEFECTIVE, RETURNED, SHIPPED, START, Pool
from amzigo_pipelines.simulator.world import World, WorldConfig, demo_config

FIRST = date(2026, 1, 1)
NOW = datetime(2026, 2, 2, 12, 0, tzinfo=UTC)


def content(seller: SellerWorld) -> list[object]:
    return [seller.orders, [pool.movements for pool in seller.pools.values()], seller.catalogue.products]


def test_the_same_seed_gives_the_same_world_in_whatever_steps() -> None:
    config = demo_config(FIRST, orders_per_day=20)
    at_once, in_steps = World(config), World(config)
    for day in range(1, 21, 3):
        in_steps.seller("ASYNTHETICEUROPE", datetime(2026, 1, day, 7, tzinfo=UTC))
    end = datetime(2026, 1, 20, 3, tzinfo=UTC)
    assert content(at_once.seller("ASYNTHETICEUROPE", end)) == content(in_steps.seller("ASYNTHETICEUROPE", end))


def test_a_longer_world_begins_as_the_shorter_one() -> None:
    config = demo_config(FIRST, orders_per_day=20)
    short = World(config).seller("ASYNTHETICNORTH1", datetime(2026, 1, 8, tzinfo=UTC)).orders
    long = World(config).seller("ASYNTHETICNORTH1", datetime(2026, 1, 25, tzinfo=UTC)).orders
    assert short and long[: len(short)] == short


def test_another_seed_gives_another_world_and_sellers_do_not_disturb_each_other() -> None:
    config = demo_config(FIRST, orders_per_day=20)
    alone = WorldConfig(config.seed, FIRST, config.sellers[1:])
    other = replace(config, seed=2)
    ids = [
        [o.order_id for o in World(c).seller("ASYNTHETICEUROPE", datetime(2026, 1, 5, tzinfo=UTC)).orders]
        for c in (config, alone, other)
    ]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("seller_id", ["NORTH", "EUROPE", "FAREAST"])
def test_the_books_of_stock_balance_at_every_instant(world: World, seller_id: str) -> None:
    for days in (0, 1, 9, 32):
        now = datetime(2026, 1, 1, 18, tzinfo=UTC) + timedelta(days=days)
        for key, books in truth.stock_balance(world, seller_id, now).items():
            balance = books.start + books.received - books.shipped + books.returned - books.lost
            assert balance == books.on_hand, key
    for pool in world.seller(seller_id, NOW).pools.values():
        assert all(min(movement.after) >= 0 for movement in pool.movements)


def test_stock_tells_the_same_as_the_orders(world: World) -> None:
    seller = world.seller("NORTH", NOW)
    epoch = int(NOW.timestamp())
    shipped: Counter[tuple[str, str]] = Counter()
    reserved: Counter[tuple[str, str]] = Counter()
    returned: Counter[tuple[str, str]] = Counter()
    for order in seller.orders:
        if order.created_at > epoch:
            continue
        status = order.versions[order.version_at(epoch) or 0].status
        for position, item in enumerate(order.items):
            key = (item.listing.sku, seller.pool_of(item.listing).marketplace_id)
            sent = sum(
                quantity
                for parcel in order.parcels
                for at, quantity in parcel.contents
                if at == position and parcel.shipped_at <= epoch
            )
            shipped[key] += sent
            reserved[key] += 0 if status == "CANCELLED" else item.quantity - sent
            returned[key] += sum(r.quantity for r in order.returns if r.item == position and r.at <= epoch)
    levels = truth.stock(world, "NORTH", NOW)
    books = truth.stock_balance(world, "NORTH", NOW)
    assert sum(returned.values()) > 0
    for key in books:
        assert (books[key].shipped, books[key].returned) == (shipped[key], returned[key])
        assert levels[key].reserved == reserved[key]


def test_a_pool_refuses_impossible_movements() -> None:
    pool = Pool("SKU-1", "")
    pool.move(10, START, 2)
    with pytest.raises(ValueError, match="more of SKU-1 than there is"):
        pool.move(11, SHIPPED, 1)
    pool = Pool("SKU-1", "")
    pool.move(10, START, 2)
    with pytest.raises(ValueError, match="back in time"):
        pool.move(9, RETURNED, 1, DEFECTIVE)
    assert pool.levels(9).on_hand == 0 and pool.changed_at(9) is None and pool.changed_at(99) == 10


def test_orders_live_plausible_lives(world: World) -> None:
    orders = [o for s in ("NORTH", "EUROPE", "FAREAST") for o in world.seller(s, NOW).orders]
    assert len({o.order_id for o in orders}) == len(orders)
    item_ids = [(o.market.region, item.item_id) for o in orders for item in o.items]
    assert len(set(item_ids)) == len(item_ids)
    for order in orders:
        times = [version.at for version in order.versions]
        assert times == sorted(set(times)) and times[0] == order.created_at
        assert order.versions[0].status == "PENDING"
        if order.versions[-1].status == "CANCELLED":
            assert not order.parcels and order.cancelled_by and order.cancel_reason
        else:
            assert sum(order.versions[-1].shipped) == sum(item.quantity for item in order.items)
            # What the retention clock rests on: whatever is not shipped yet has not been delivered yet.
            before = [v.at for v in order.versions if sum(v.shipped) < sum(i.quantity for i in order.items)]
            assert order.delivered_at is not None and max(p.shipped_at for p in order.parcels) < order.delivered_at
            assert [v for v in order.versions if not any(v.shipped)][-1].at < order.delivered_at
            assert before[-1] < order.delivered_at
    kinds = Counter(version.status for o in orders for version in o.versions)
    assert set(kinds) == {"PENDING", "UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED", "CANCELLED"}
    assert any(o.replaces and o.total == 0 for o in orders)
    assert any(o.is_business and o.purchase_order for o in orders)
    assert {len(o.items) for o in orders} == {1, 2, 3, 4} and any(i.quantity > 1 for o in orders for i in o.items)
    assert {o.channel for o in orders} == {"AMAZON", "MERCHANT"}
    assert any(o.parcels and o.parcels[0].shipped_at - o.created_at > 12 * 86_400 for o in orders)
    assert any(item.discount for o in orders for item in o.items)
    buyers = Counter(o.buyer.email for o in orders)
    assert 0.1 < 1 - len(buyers) / len(orders) < 0.5


def test_a_sku_is_listed_in_several_marketplaces_and_some_have_a_twin(world: World) -> None:
    catalogue = world.seller("EUROPE", NOW).catalogue
    markets = Counter(sku for sku, _ in catalogue.listings)
    assert set(markets.values()) == {1, 2}
    assert any(len({channel for _, channel in p.listings}) == 2 for p in catalogue.products)
    assert len(markets) == 120
    assert any(not listing.title.isascii() for listing in catalogue.listings.values())


def test_some_stock_runs_out_and_is_refilled(world: World) -> None:
    pools = [p for s in ("NORTH", "EUROPE") for p in world.seller(s, NOW).pools.values()]
    empty = [p for p in pools if any(m.after.fulfillable == 0 for m in p.movements)]
    assert empty and any(p.fulfillable for p in empty)
    kinds = Counter(m.kind for p in pools for m in p.movements)
    assert {"RECEIVED", "RETURNED", "DAMAGED", "MISSING", "RELEASED"} <= set(kinds)


def test_people_are_distinct_and_long_enough_to_search_for(world: World) -> None:
    everybody: Counter[str] = Counter()
    for seller_id in ("NORTH", "EUROPE", "FAREAST"):
        strings = truth.people(world, seller_id, NOW)
        assert min(len(text) for text in strings) >= 10
        everybody.update(strings)
    assert max(everybody.values()) == 1, "two sellers share a person's string"
    names: dict[str, object] = {}
    for order in world.seller("NORTH", NOW).orders:
        for person in (order.buyer, order.recipient):
            for text in (person.name, person.email, person.address_line_1):
                assert names.setdefault(text, person) == person


def test_a_wrong_profile_is_refused() -> None:
    with pytest.raises(ValueError, match="marketplaces"):
        SellerProfile("S", "R", ("NOWHERE",))
    with pytest.raises(ValueError, match="roles"):
        SellerProfile("S", "R", ("ATVPDKIKX0DER",), roles=frozenset({"TAX"}))
    one = SellerProfile("S", "R", ("ATVPDKIKX0DER",))
    with pytest.raises(ValueError, match="of its own"):
        WorldConfig(1, FIRST, (one, replace(one, seller_id="T")))


def test_a_month_and_a_half_of_the_demo_is_made_in_seconds() -> None:
    started = time.process_time()
    world = World(demo_config(FIRST))
    count = sum(len(world.seller(s, datetime(2026, 2, 14, 12, tzinfo=UTC)).orders) for s in world.seller_ids)
    assert 15_000 < count < 21_000
    assert time.process_time() - started < 12, "about 2 on a quiet machine: something has become slow"
