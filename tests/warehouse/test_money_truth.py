"""The marts of money, traffic and advertising against the simulator's truth, in three marketplaces and currencies.

Everything comes over HTTP through the real extraction, in two nights over the end of summer time; what the world knows
is compared to the cent and to the unit.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest

from amzigo_pipelines.assets.extraction.extract import extract_partitions
from amzigo_pipelines.assets.mart_definitions import Mart
from amzigo_pipelines.simulator import truth, truth_finances, truth_sales
from amzigo_pipelines.simulator.advertising import Advertising
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
    tell,
)

HISTORY = (
    ("orders", "order_items"),
    ("transactions", "transaction_breakdowns"),
    ("settlements", "settlement_lines"),
    ("sales_and_traffic_daily",),
    ("sales_metrics",),
)
NEWEST = (("listings",), ("marketplaces",))
# By SKU Amazon takes a query a day, so only the last ones are asked for.
BY_SKU_DAYS = [LAST - timedelta(days=n) for n in (3, 2)]
# A report of advertising looks back over all of the weeks.
AD_DAYS = [LAST - timedelta(days=1), LAST]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, marts: list[Mart]) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("money")
    with tell(folder, marts, orders_per_day=40, skus=8, history=HISTORY, newest=NEWEST) as found:
        list(extract_partitions(found.platform, SELLER, BY_SKU_DAYS, ["sales_and_traffic_by_sku"]))
        list(extract_partitions(found.platform, SELLER, AD_DAYS, ["ads_campaigns", "ads_products"]))
        assert found.platform.warehouse.publish(SELLER, marts).is_updated
        yield found


def booked(told: Told) -> list[truth_finances.TransactionTruth]:
    """The released transactions of the extracted UTC days that Amazon tells of by now."""
    return [
        row
        for row in truth_finances.transactions(told.world, SELLER, NOW)
        if row.status == "RELEASED" and row.known_at <= NOW and row.posted_at.date() <= LAST
    ]


def test_fees_of_every_day_marketplace_currency_and_type(told: Told) -> None:
    expected: dict[tuple[date, str, str, str], Decimal] = defaultdict(Decimal)
    unallocated: dict[str, Decimal] = defaultdict(Decimal)
    for row in booked(told):
        for charge in row.charges:
            if charge.path[0] in ("AmazonFees", "ServiceFees"):
                expected[
                    local_day(row.posted_at, row.marketplace_id), row.marketplace_id, row.currency, charge.path[1]
                ] -= charge.amount
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
        expected[local_day(row.posted_at, row.marketplace_id), row.marketplace_id, row.currency] += row.total
    sums = "SELECT day, marketplace_id AS m, currency, SUM(amount) AS s FROM account_daily GROUP BY ALL"
    assert {(r["day"], r["m"], r["currency"]): r["s"] for r in told.rows(sums)} == expected
    # Some days differ from UTC days, and what is held back is there and not counted.
    assert any(local_day(row.posted_at, row.marketplace_id) != row.posted_at.date() for row in booked(told))
    held_back = told.rows("SELECT COUNT(*) AS n FROM staging.transactions WHERE status <> 'RELEASED'")
    assert held_back[0]["n"] > 0


def test_profit_of_every_sku_before_costs(told: Told) -> None:
    sales: dict[tuple[date, str, str, str], Decimal] = defaultdict(Decimal)
    fees: dict[tuple[date, str, str, str], Decimal] = defaultdict(Decimal)
    units: Counter[tuple[date, str, str, str]] = Counter()
    for row in booked(told):
        if row.kind == "Transfer":
            continue
        month = local_day(row.posted_at, row.marketplace_id).replace(day=1)
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
    # Nobody told unit costs, so there is a profit only where none are needed.
    for row in found.values():
        assert (row["profit"] is None) is (row["net_units"] != 0)
        assert ("no cost of this SKU" in (row["profit_note"] or "")) is (row["net_units"] != 0)
    spent = "SELECT marketplace_id AS m, CAST(DATE_TRUNC('month', day) AS DATE) AS t, SUM(spend) AS s FROM ads_daily"
    told_spend = {(r["t"], r["m"]): r["s"] for r in told.rows(f"{spent} WHERE spend > 0 GROUP BY ALL")}
    by_month: dict[tuple[date, str], Decimal] = defaultdict(Decimal)
    for (month, market, _, _), row in found.items():
        by_month[month, market] += row["ad_spend"] or 0
    assert by_month == told_spend and all(told_spend.values())


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
        and local_day(order.last_updated_at, order.marketplace_id) > order.local_day + timedelta(days=7)
    ]
    assert cancelled_later == sum(item.sales for order in late for item in order.items)


def test_marketplaces_are_the_connected_ones(told: Told) -> None:
    found = {r["marketplace_id"]: r["currency"] for r in told.rows("FROM marketplaces WHERE is_extracted")}
    assert found == {BY_COUNTRY[c].marketplace_id: BY_COUNTRY[c].currency for c in COUNTRIES}


def test_net_sales_are_less_what_was_refunded_on_the_day_and_not_on_the_order_s(told: Told) -> None:
    refunds: dict[tuple[date, str, str], Decimal] = defaultdict(Decimal)
    units: Counter[tuple[date, str, str]] = Counter()
    late = 0
    ordered_on = {order.order_id: order.local_day for order in truth.orders(told.world, SELLER, NOW)}
    for row in booked(told):
        if row.kind == "Refund":
            day = local_day(row.posted_at, row.marketplace_id)
            key = (day, row.marketplace_id, row.currency)
            late += day != ordered_on[row.order_id]
            refunds[key] -= sum(c.amount for c in row.charges if c.path[0] == "ProductCharges")
            units[key] += sum({c.sku: c.quantity for c in row.charges}.values())
    rows = {(r["day"], r["marketplace_id"], r["currency"]): r for r in told.rows("FROM sales_daily")}
    booked_on = {key: r for key, r in rows.items() if r["refund_basis"] == "transactions"}
    assert refunds.keys() <= booked_on.keys() and late and {key[2] for key in refunds} >= {"USD", "EUR"}
    assert {key: r["refunded_sales"] for key, r in booked_on.items() if r["refunded_sales"]} == refunds
    assert {key: r["refunded_units"] for key, r in booked_on.items() if r["refunded_units"]} == units
    for key, row in booked_on.items():
        assert row["net_sales"] == row["ordered_product_sales"] - refunds.get(key, 0)
        assert row["refund_rate"] == (pytest.approx(units[key] / row["units"]) if row["units"] else None)


def test_advertising_of_every_day_and_marketplace(told: Told) -> None:
    found = {(r["day"], r["marketplace_id"]): r for r in told.rows("FROM ads_daily WHERE clicks > 0")}
    days = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
    checked = 0
    for country in COUNTRIES:
        market = BY_COUNTRY[country]
        ads = Advertising(told.world.config, told.world.seller(SELLER, NOW), market)
        brought = ads.conversions(FIRST, LAST, NOW)
        for day in days:
            shown = [ads.traffic(ad, day, NOW) for ad in ads.ads]
            # What a click brought is what was ordered within 14 days of it.
            orders = sum(
                n for (_, on), c in brought.items() if on == day for lag, n in c.purchases.items() if lag <= 13
            )
            row = found[day, market.marketplace_id]
            assert (row["currency"], row["impressions"], row["clicks"], row["spend"], row["ad_orders"]) == (
                market.currency,
                sum(one.impressions for one in shown),
                sum(one.clicks for one in shown),
                Decimal(market.amount(sum(one.cost for one in shown))),
                orders,
            ), (day, country)
            checked += orders
    assert len(found) == 3 * len(days) and checked > 50


def test_updating_night_by_night_gave_what_a_build_from_nothing_gives(told: Told) -> None:
    assert_nights_gave_what_a_build_from_nothing_gives(told)
