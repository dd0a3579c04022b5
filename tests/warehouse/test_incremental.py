"""A chain of publishes gives the same tables as one from nothing, whatever happened in between."""

from __future__ import annotations

import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from amzigo_pipelines.assets.mart_definitions import Mart
from tests.warehouse.conftest import DAY, SELLER, World, open_world, simple, stock
from tests.warehouse.history import EVENT, FIRST, History, full_life

# Methods of a history that are no events.
HELPERS = {"put", "pick", "write_booking"}


@settings(
    max_examples=6,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(days=st.lists(st.lists(EVENT, max_size=12), min_size=2, max_size=4))
def test_a_chain_of_publishes_equals_a_build_from_nothing(marts: list[Mart], days: list[list[tuple[Any, ...]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = open_world(Path(folder) / "home", marts)
        _, ways = _live_and_compare(world, {FIRST + timedelta(days=step): lived for step, lived in enumerate(days)})
        event(f"updated: {sum(ways)} of {len(ways)}")


def test_a_life_with_everything_in_it_leaves_no_mart_out(world: World) -> None:
    life = full_life()
    kinds = {kind for events in life.values() for kind, *_ in events}
    assert kinds == {name[1:] for name in vars(History) if name[0] == "_" != name[1]} - HELPERS
    tables, ways = _live_and_compare(world, life)
    assert set(ways) == {True, False}  # applied to a copy, and filled by rows
    assert [mart.name for mart in world.marts if not tables[mart.name]] == []
    # Money that was held back counts once it is released, on the day on which it was posted.
    held = world.one("SELECT COUNT(*) AS n FROM staging.transactions WHERE status = 'DEFERRED'")
    assert held == {"n": 1}


def _live_and_compare(world: World, life: dict[date, list[tuple[Any, ...]]]) -> tuple[dict[str, int], list[bool]]:
    """Publish after each day, then from nothing, and compare every table; gives their rows, and what updated a copy."""
    history, ways = History(world), []
    for day, events in life.items():
        history.live(day, events)
        report = world.publish()
        ways.append(report.is_updated)
    updated = world.dump()
    rebuilt = world.publish(rebuild=True)
    from_nothing = world.dump()
    assert rebuilt.tables == report.tables
    assert updated.keys() == from_nothing.keys()
    for name, rows in from_nothing.items():
        assert updated[name] == rows, name
    return dict(rebuilt.tables), ways


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
