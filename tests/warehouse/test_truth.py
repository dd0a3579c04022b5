"""The marts against the simulator's truth: three marketplaces, currencies and time zones, over the ends of summer time.

Everything comes over HTTP through the real extraction; what the world knows is compared to the cent and to the unit.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from amzigo_pipelines.assets.mart_definitions import Mart
from amzigo_pipelines.simulator import truth, truth_reports
from amzigo_pipelines.simulator.marketplaces import BY_COUNTRY
from tests.warehouse.told import (
    COUNTRIES,
    FIRST,
    LAST,
    NOW,
    SELLER,
    Told,
    assert_nights_gave_what_a_build_from_nothing_gives,
    local_day,
    seen_orders,
    tell,
)

HISTORY = (
    ("orders", "order_items"),
    ("fba_shipments",),
    ("fba_returns",),
    ("merchant_returns",),
    ("seller_feedback",),
    ("inventory_ledger_summary",),
)
SNAPSHOTS = (("fba_inventory",), ("listings",), ("stranded_inventory",), ("inventory_planning",), ("account_health",))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, marts: list[Mart]) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("truth")
    # A week later than the marts of money need it: these know their numbers at once.
    first = FIRST + timedelta(days=7)
    with tell(folder, marts, orders_per_day=60, skus=25, history=HISTORY, newest=SNAPSHOTS, first=first) as found:
        yield found


def test_sales_of_every_day_marketplace_and_currency(told: Told) -> None:
    expected = told_sales(told)
    assert {currency for _, _, currency in expected} == {"USD", "EUR", "JPY"} and len(expected) > 45
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
        day = local_day(back.returned_at, order.marketplace_id)
        if order.channel == "AMAZON" and day <= LAST:
            expected[back.order_id, back.sku, "AMAZON", day] += back.quantity
    for asked in truth_reports.return_requests(told.world, SELLER, NOW):
        day = local_day(asked.requested_at, asked.marketplace_id)
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
        day = local_day(said.at, said.marketplace_id)
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
    assert len(rows) > 250 and {row["difference_units"] for row in rows} == {0}
    checked = 0
    for country in COUNTRIES:
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


def test_cover_counts_the_units_that_amazon_has_to_ship(told: Told) -> None:
    ordered: Counter[tuple[str, str, int]] = Counter()
    for order in seen_orders(told):
        if order.channel == "AMAZON" and order.status != "CANCELLED":
            for item in order.items:
                for window in (7, 30):
                    if LAST - timedelta(days=window) < order.local_day <= LAST:
                        ordered[order.marketplace_id, item.sku, window] += item.quantity
    levels = {key: level.fulfillable for key, level in truth.stock(told.world, SELLER, NOW).items()}
    rows = told.rows("FROM inventory_cover")
    assert len(rows) > 15 and sum(row["units_7d"] for row in rows) > 50
    for row in rows:
        key = (row["marketplace_id"], row["sku"])
        assert (row["units_7d"], row["units_30d"]) == (ordered[*key, 7], ordered[*key, 30]), key
        assert row["fulfillable_units"] == levels[row["sku"], row["marketplace_id"]]
        assert row["velocity_7d"] in (None, pytest.approx(row["units_7d"] / max(row["in_stock_days_7d"], 1)))
    shelves = told.rows("SELECT sku, marketplace_id AS m, fulfillable_units AS f FROM inventory_position")
    assert {(r["sku"], r["m"]): r["f"] for r in shelves} == {k: n for k, n in levels.items() if k[1]}


def test_ranks_of_skus_follow_their_true_sales(told: Told) -> None:
    sales: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for order in seen_orders(told):
        if order.status != "CANCELLED" and order.has_prices and not order.replaces:
            for item in order.items:
                sales[order.marketplace_id, item.sku] += item.sales
    rows = told.rows("FROM abc_xyz ORDER BY marketplace_id, sales_rank")
    assert {(r["marketplace_id"], r["sku"]): r["ordered_product_sales"] for r in rows} == sales
    for country in COUNTRIES:
        ranked = [row for row in rows if row["marketplace_id"] == BY_COUNTRY[country].marketplace_id]
        assert [r["ordered_product_sales"] for r in ranked] == sorted(
            (r["ordered_product_sales"] for r in ranked), reverse=True
        )
        assert ranked[-1]["cumulative_share"] == pytest.approx(1.0)


def test_a_pseudonym_is_one_true_buyer_and_has_all_its_orders(told: Told) -> None:
    true = {order.order_id: order.buyer.email for order in told.world.seller(SELLER, NOW).orders}
    orders = {r["order_id"]: r for r in told.rows("FROM orders WHERE buyer_key IS NOT NULL")}
    people = {(row["buyer_key"], true[order_id]) for order_id, row in orders.items()}
    assert len(people) == len({key for key, _ in people}) == len({email for _, email in people}) > 50
    counted = [
        row
        for row in orders.values()
        if not row["is_cancelled"] and not row["is_replacement"] and row["sales_channel"] != "NON_AMAZON"
    ]
    expected = Counter((row["marketplace_id"], row["buyer_key"]) for row in counted)
    found = {(r["marketplace_id"], r["buyer_key"]): r for r in told.rows("FROM buyers")}
    assert {key: row["orders"] for key, row in found.items()} == expected and max(expected.values()) > 1
    for key, row in found.items():
        days = [o["ordered_on"] for o in counted if (o["marketplace_id"], o["buyer_key"]) == key]
        assert (row["first_ordered_on"], row["last_ordered_on"]) == (min(days), max(days))


def test_no_cell_of_few_buyers_or_orders_is_shown(told: Told) -> None:
    for mart, size, numbers in (
        (
            "buyer_segments",
            "buyers",
            ("buyers", "orders", "item_amount", "average_order_value", "recency_days_average"),
        ),
        ("buyer_cohorts", "active_buyers", ("active_buyers", "retention", "orders")),
    ):
        rows = told.rows(f"FROM {mart}")
        assert all(row[size] >= 5 for row in rows if not row["is_hidden"]) and any(r["is_hidden"] for r in rows), mart
        assert all(row[name] is None for row in rows if row["is_hidden"] for name in numbers), mart
    truly = told.rows("SELECT marketplace_id AS m, segment AS s, COUNT(*) AS n FROM buyers GROUP BY ALL")
    large = {(row["m"], row["s"]): row["n"] for row in truly if row["n"] >= 5}
    reached = told.rows("SELECT marketplace_id AS m, segment AS s, COUNT(*) AS n FROM campaign_audiences GROUP BY ALL")
    assert {(row["m"], row["s"]): row["n"] for row in reached} == large and len(large) < len(truly)
    regions = told.rows("FROM sales_by_region")
    assert all(row["orders"] >= 5 for row in regions if row["state"] != "other")
    # What is folded is never one place alone, unless the whole month has fewer than 5 orders.
    assert all(row["orders"] >= 5 or row["folded_places"] > 0 for row in regions if row["state"] == "other")


def test_updating_night_by_night_gave_what_a_build_from_nothing_gives(told: Told) -> None:
    assert_nights_gave_what_a_build_from_nothing_gives(told)
