"""Buyers by pseudonym: segments, cohorts, audiences, and that small groups are hidden."""

from __future__ import annotations

from datetime import date

import pytest

from tests.warehouse.conftest import World, item, money, order

DAY = date(2026, 6, 10)


@pytest.fixture
def bought(world: World) -> World:
    orders = []
    # Six new buyers and five who also bought in January, at 10.00 in June and 20.00 in January.
    for n in range(11):
        orders.append(order(f"JUNE-{n}", "2026-06-10T19:00:00", buyer_key=f"b{n}", item_amount=money(10)))
    for n in range(5):
        orders.append(order(f"JAN-{n}", "2026-01-10T19:00:00", buyer_key=f"b{n}", item_amount=money(20)))
    # Three of these bought in March too, and one other only then: two small groups.
    for n in (0, 1, 2, 50):
        orders.append(order(f"MARCH-{n}", "2026-03-01T19:00:00", buyer_key=f"b{n}", item_amount=money(5)))
    orders += [
        order("NOBODY", "2026-06-10T19:00:00", item_amount=money(10)),
        order("GONE", "2026-06-10T19:00:00", buyer_key="b0", status="CANCELLED"),
        order("FREE", "2026-06-10T19:00:00", buyer_key="b0", replaced_order_id="JUNE-0"),
    ]
    world.write(DAY, orders=orders, order_items=[item(o) for o in orders])
    world.publish()
    return world


def test_buyers_have_recency_frequency_and_a_segment(bought: World) -> None:
    rows = bought.rows("SELECT segment, COUNT(*) AS n FROM buyers GROUP BY 1 ORDER BY 1")
    assert {r["segment"]: r["n"] for r in rows} == {"loyal": 3, "repeat": 2, "new": 6, "one-time": 1}
    row = bought.one("SELECT * FROM buyers WHERE buyer_key = 'b0'")
    assert (row["first_ordered_on"], row["last_ordered_on"], row["recency_days"]) == (date(2026, 1, 10), DAY, 0)
    assert (row["orders"], row["last_order_id"]) == (3, "JUNE-0")


def test_segments_hide_small_groups_and_tell_their_coverage(bought: World) -> None:
    rows = {row["segment"]: row for row in bought.rows("SELECT * FROM buyer_segments")}
    new, loyal = rows["new"], rows["loyal"]
    assert (new["buyers"], new["orders"], new["item_amount"], new["is_hidden"]) == (6, 6, 60, False)
    assert (loyal["buyers"], loyal["orders"], loyal["item_amount"], loyal["is_hidden"]) == (None, None, None, True)
    assert new["coverage"] == pytest.approx(20 / 21)
    assert new["repeat_rate"] == pytest.approx(5 / 12)


def test_cohorts_hide_small_cells(bought: World) -> None:
    rows = bought.rows("SELECT * FROM buyer_cohorts ORDER BY first_month, months_later")
    cells = [(r["first_month"].month, r["months_later"], r["buyers"], r["active_buyers"], r["retention"]) for r in rows]
    assert cells == [
        (1, 0, 5, 5, 1.0),
        (1, 2, 5, None, None),
        (1, 5, 5, 5, 1.0),
        (3, 0, None, None, None),
        (6, 0, 6, 6, 1.0),
    ]
    assert [r["is_hidden"] for r in rows] == [False, True, False, True, False]
    assert rows[-1]["coverage"] == pytest.approx(11 / 12)


def test_audiences_are_last_orders_of_large_segments(bought: World) -> None:
    rows = bought.rows("SELECT segment, order_id, segment_buyers AS n FROM campaign_audiences ORDER BY 2")
    assert [(r["segment"], r["order_id"], r["n"]) for r in rows] == [
        ("new", f"JUNE-{n}", 6) for n in (10, 5, 6, 7, 8, 9)
    ]
