"""Fees, profit, settlements and sales against Amazon's sums: numbers worked out by hand, a trap in each test."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from tests.warehouse.conftest import CURRENCY, DAY, DE, JP, US, World, instant, item, money, order

MONTH = date(2026, 6, 1)


def leaf(transaction: str, path: str, amount: object, **values: Any) -> dict[str, Any]:
    """A row of a breakdown: of one unit of a shipment in the USA unless said otherwise."""
    market = values.get("marketplace_id", US)
    row = {
        "transaction_id": transaction, "item_index": 1, "path": path, "depth": path.count("/") + 1,
        "breakdown_type": path.split("/")[-1], "is_summary": False, "currency": CURRENCY.get(market, "USD"),
        "amount": money(amount), "posted_at": instant("2026-06-10T20:00:00"), "marketplace_id": market,
        "transaction_type": "Shipment", "status": "RELEASED", "sku": "SKU-1", "quantity": 1, **values,
    }  # fmt: skip
    if isinstance(row["posted_at"], str):
        row["posted_at"] = instant(row["posted_at"])
    return row


def booked(transaction: str, amount: object, **values: Any) -> dict[str, Any]:
    """A transaction of a settlement's group, in the USA unless said otherwise."""
    row = {
        "transaction_id": transaction, "posted_at": "2026-06-10T20:00:00", "marketplace_id": US,
        "transaction_type": "Shipment", "status": "RELEASED", "financial_event_group_id": "G", "currency": "USD",
        "total_amount": money(amount), **values,
    }  # fmt: skip
    return {**row, "posted_at": instant(row["posted_at"])}


def line(number: int, amount: object, posted: str = "2026-06-10T20:00:00", **values: Any) -> dict[str, Any]:
    """A line of settlement S."""
    return {
        "settlement_id": "S", "line_number": number, "currency": "USD", "amount": money(amount),
        "marketplace_id": US, "posted_at": instant(posted), **values,
    }  # fmt: skip


def settle(world: World, total: object, *lines: dict[str, Any]) -> None:
    """Write settlement S with its lines."""
    row = {
        "settlement_id": "S", "currency": "USD", "started_at": instant("2026-06-01T00:00:00"),
        "ended_at": instant("2026-06-14T00:00:00"), "total_amount": money(total), "line_count": len(lines),
        "lines_amount": sum(one["amount"] for one in lines),
    }  # fmt: skip
    world.write(date(2026, 6, 14), settlements=[row], settlement_lines=list(lines))


def test_fees_by_local_day_and_type_each_currency_for_itself(world: World) -> None:
    rows = [
        leaf("A", "AmazonFees", -3, is_summary=True),
        leaf("A", "AmazonFees/Commission/Base", -4),
        leaf("A", "AmazonFees/Commission/Discount", 1),
        leaf("B", "Expenses/AmazonFees/FBAPerUnitFulfillmentFee#2", -2),
        # Six in the morning UTC is the evening before in Los Angeles; noon is the next day in Tokyo at 21:00.
        leaf("C", "AmazonFees/Commission/Base", -5, posted_at="2026-06-10T06:00:00"),
        leaf("D", "AmazonFees/Commission/Base", -700, marketplace_id=JP, posted_at="2026-06-10T15:00:00"),
        leaf("E", "StorageRenewalBilling", -9, transaction_type="ServiceFee", item_index=0, sku=None, quantity=None),
        leaf("F", "AmazonFees/Commission/Base", -90, status="DEFERRED"),
        leaf("G", "AmazonFees/Commission/Base", 2, transaction_type="Refund"),
    ]
    world.write(DAY, transaction_breakdowns=rows)
    world.publish()
    found = world.rows("SELECT day, marketplace_id AS m, currency AS c, fee_type AS t, fees AS f FROM fees_daily")
    assert {(r["day"], r["m"], r["c"], r["t"]): r["f"] for r in found} == {
        (DAY, US, "USD", "Commission"): 1,
        (DAY, US, "USD", "FBAPerUnitFulfillmentFee"): 2,
        (DAY - timedelta(days=1), US, "USD", "Commission"): 5,
        (DAY + timedelta(days=1), JP, "JPY", "Commission"): 700,
        (DAY, US, "USD", "StorageRenewalBilling"): 9,
    }
    row = world.one(f"SELECT * FROM fees_daily WHERE day = '{DAY}' AND fee_type = 'Commission'")
    assert (row["fees_charged"], row["fees_given_back"], row["fees_by_sku"]) == (3, 2, 1)
    unallocated = world.one("SELECT SUM(fees_unallocated) AS s FROM fees_daily")
    assert unallocated == {"s": 9}


def ad(sku: str | None, cost: object, **values: Any) -> dict[str, Any]:
    return {
        "performed_on": DAY, "marketplace_id": US, "ad_product": "SPONSORED_PRODUCTS", "campaign_id": "C",
        "ad_group_id": "G", "ad_id": str(sku), "sku": sku, "currency": "USD", "cost": money(cost), **values,
    }  # fmt: skip


def test_profit_of_a_sku_with_costs_and_ads(world: World) -> None:
    rows = [
        leaf("A", "ProductCharges/OurPricePrincipal", 60, quantity=3),
        leaf("A", "Tax/OurPriceTax", 5, quantity=3),
        leaf("A", "MarketplaceWithheldTax/MarketplaceFacilitatorTaxPrincipal", -5, quantity=3),
        leaf("A", "Shipping/ShippingPrincipal", 4, quantity=3),
        leaf("A", "Shipping/ShippingTax", 1, quantity=3),
        leaf("A", "PromotionRebates/PromotionPrincipal", -2, quantity=3),
        leaf("A", "AmazonFees/Commission/Base", -9, quantity=3),
        leaf("B", "ProductCharges/OurPricePrincipal", -20, transaction_type="Refund"),
        leaf("B", "AmazonFees/Commission/Base", 3, transaction_type="Refund"),
        leaf("C", "Adjustment/FBAInventoryReimbursement", 7, transaction_type="Adjustment", quantity=9),
        leaf("D", "ServiceFees/Subscription", -40, transaction_type="ServiceFee", item_index=0, sku=None),
        leaf("T", "Transfer/Disbursement", -1000, transaction_type="Transfer", item_index=0, sku=None),
        leaf("E", "ProductCharges/OurPricePrincipal", 50, marketplace_id=DE),
        leaf("F", "ProductCharges/OurPricePrincipal", 8, sku="SKU-2"),
    ]
    costs = [
        {"marketplace_id": US, "sku": "SKU-1", "currency": "USD", "unit_cost": money(10)},
        # The same SKU elsewhere has a cost of its own; one in another currency is of no use.
        {"marketplace_id": DE, "sku": "SKU-1", "currency": "USD", "unit_cost": money(11)},
    ]
    campaign = {
        "performed_on": DAY, "marketplace_id": US, "ad_product": "SPONSORED_PRODUCTS", "campaign_id": "C",
        "currency": "USD", "cost": money(6),
    }  # fmt: skip
    world.write(DAY, transaction_breakdowns=rows, ads_products=[ad("SKU-1", 4)], ads_campaigns=[campaign])
    world.write(DAY + timedelta(days=1), product_costs=costs)
    world.publish()
    found = {(r["marketplace_id"], r["sku"]): r for r in world.rows("SELECT * FROM profit_by_sku")}
    one = found[US, "SKU-1"]
    assert (one["month"], one["currency"], one["units_shipped"], one["units_refunded"]) == (MONTH, "USD", 3, 1)
    assert (one["product_sales"], one["shipping_and_gift_wrap"], one["promotions"]) == (60, 4, -2)
    assert (one["refunds"], one["net_sales"], one["reimbursements"], one["fees"]) == (-20, 42, 7, 6)
    assert (one["product_cost"], one["contribution"], one["ad_spend"], one["profit"]) == (20, 23, 4, 19)
    assert one["margin"] == pytest.approx(19 / 42) and one["profit_note"] is None
    rest = found[US, "(unallocated)"]
    assert (rest["fees"], rest["ad_spend"], rest["profit"], rest["profit_note"]) == (40, 2, -42, None)
    other, without = found[DE, "SKU-1"], found[US, "SKU-2"]
    assert (other["net_sales"], other["profit"]) == (50, None) and "another currency" in other["profit_note"]
    assert (without["ad_spend"], without["profit"]) == (0, None) and "no cost of this SKU" in without["profit_note"]


def test_refunds_count_on_their_own_day_as_booked_and_where_nothing_is_booked_as_returned(world: World) -> None:
    sold = order("1", "2026-06-01T20:00:00", marketplace_id=JP)
    later = order("2", "2026-06-10T20:00:00", marketplace_id=JP)
    world.write(MONTH, orders=[sold], order_items=[item(sold, unit_price=money(999), quantity_ordered=3)])
    world.write(DAY, orders=[later], order_items=[item(later, unit_price=money(500))])
    back = {"marketplace_id": JP, "returned_at": later["created_at"], "order_id": "1", "sku": "SKU-1", "occurrence": 1,
            "units": 2, "disposition": "SELLABLE"}  # fmt: skip
    world.write(DAY, fba_returns=[back])
    world.publish()
    columns = (
        "day, net_sales AS n, refund_rate AS r, refund_basis AS b, refunded_sales AS s, returned_sales AS came_back"
    )
    # Tokyo is nine hours ahead: both orders and the refund are of the next local day; a return's day is Amazon's.
    query = f"SELECT {columns} FROM sales_daily WHERE ordered_product_sales > 0 OR returned_units > 0 ORDER BY day"
    first, returned, second = (tuple(row.values()) for row in world.rows(query))
    assert first == (MONTH + timedelta(days=1), 2997, 0.0, "returns", None, 0)
    assert returned == (DAY, -1998, None, "returns", None, 1998)
    assert second == (DAY + timedelta(days=1), 500, 0.0, "returns", None, 0)
    # Of three units one is refunded, in whole yen, and part of another; held back money is not refunded yet.
    refund = {"transaction_type": "Refund", "marketplace_id": JP}
    rows = [
        leaf("A", "ProductCharges/OurPricePrincipal", -999, **refund),
        leaf("A", "Tax/OurPriceTax", -99, **refund),
        leaf("A", "AmazonFees/Commission/Base", 90, **refund),
        leaf("B", "ProductCharges/OurPricePrincipal", -1, **refund),
        leaf("C", "ProductCharges/OurPricePrincipal", -500, status="DEFERRED", **refund),
    ]
    world.write(DAY, transaction_breakdowns=rows)
    world.write(DAY + timedelta(days=1), transaction_breakdowns=[])
    assert world.publish().is_updated
    first, returned, second = (tuple(row.values()) for row in world.rows(query))
    assert first == (MONTH + timedelta(days=1), 2997, 0.0, "returns", None, 0)
    assert returned == (DAY, 0, None, "transactions", 0, 1998)
    assert second == (DAY + timedelta(days=1), -500, 2.0, "transactions", 1000, 0)
    # The order's own day keeps its sales: nothing there was refunded.
    assert world.one("SELECT SUM(net_sales) AS n FROM sales_daily") == {"n": 2997 + 500 - 1000}


def test_without_transactions_the_marts_are_there_and_say_why(world: World) -> None:
    o = order("1", "2026-06-10T20:00:00")
    world.write(DAY, orders=[o], order_items=[item(o)])
    world.publish()
    notes = {(r["mart"], r["missing_dataset"]) for r in world.rows("SELECT * FROM mart_notes")}
    assert {("fees_daily", "transaction_breakdowns"), ("profit_by_sku", "product_costs")} <= notes
    assert ("sales_daily", "transaction_breakdowns") in notes
    assert world.rows("FROM fees_daily") == world.rows("FROM profit_by_sku") == []


def test_a_settlement_that_fits(world: World) -> None:
    settle(world, 70, line(1, 100), line(2, -30, posted="2026-06-02T00:00:00"))
    world.write(date(2026, 6, 2), transactions=[booked("B", -30, posted_at="2026-06-02T00:00:00")])
    world.write(DAY, transactions=[booked("A", 100), booked("H", 9, status="DEFERRED", financial_event_group_id=None)])
    transfer = booked("T", -70, transaction_type="Transfer", settlement_id="S", posted_at="2026-06-14T01:00:00")
    world.write(date(2026, 6, 14), transactions=[transfer])
    world.publish()
    row = world.one("FROM settlement_reconciliation")
    assert (row["payout"], row["transfer_amount"], row["transactions"], row["transactions_amount"]) == (70, 70, 2, 70)
    assert (row["difference"], row["explanation"]) == (0, "equal")


def test_where_a_settlement_differs_it_says_why(world: World) -> None:
    lines = [
        line(1, 100),
        line(2, -30, posted="2026-06-02T00:00:00"),  # a day that was not extracted
        line(3, -8, amount_description="Current Reserve Amount"),
        line(4, 5, posted="2026-06-13T22:00:00"),  # told up to 48 hours late
        line(5, 3),  # nothing says why
    ]
    settle(world, 71, *lines)
    world.write(DAY, transactions=[booked("A", 100)])
    world.write(date(2026, 6, 13), transactions=[])
    transfer = booked("T", -71, transaction_type="Transfer", settlement_id="S", posted_at="2026-06-14T01:00:00")
    world.write(date(2026, 6, 14), transactions=[transfer])
    world.publish()
    row = world.one("FROM settlement_reconciliation")
    assert (row["difference"], row["report_difference"], row["reserve_amount"]) == (-29, 1, -8)
    assert (row["not_extracted_amount"], row["late_amount"], row["unexplained_difference"]) == (-30, 5, 3)
    for words in ("contradicts itself: 1", "reserve: -8", "without transactions: -30", "still come: 5", "explained: 3"):
        assert words in row["explanation"]


def test_a_settlement_without_its_transfer_is_not_compared(world: World) -> None:
    settle(world, 100, line(1, 100))
    world.write(DAY, transactions=[booked("A", 100)])
    world.publish()
    row = world.one("FROM settlement_reconciliation")
    assert (row["transactions"], row["difference"], row["unexplained_difference"]) == (None, None, None)
    assert "nothing to compare with" in row["explanation"]


def test_sales_against_amazons_sums(world: World) -> None:
    sold = order("1", "2026-06-01T20:00:00")
    late = order("2", "2026-06-01T20:00:00", status="CANCELLED", last_updated_at="2026-06-10T12:00:00")
    pending = order("3", "2026-06-01T20:00:00", status="PENDING")
    world.write(MONTH, orders=[sold, pending], order_items=[item(sold), item(pending, unit_price=None)])
    world.write(DAY, orders=[late], order_items=[item(late, unit_price=money(4))])
    price = {
        "marketplace_id": US,
        "sku": "SKU-1",
        "currency": "USD",
        "price": money(12),
        "taken_at": sold["created_at"],
    }
    world.write(date(2026, 6, 9), listings=[price])
    metrics = {
        "ordered_on": MONTH,
        "marketplace_id": US,
        "currency": "USD",
        "sales": money(22),
        "units": 2,
        "orders": 2,
    }
    traffic = {
        "happened_on": MONTH, "marketplace_id": US, "currency": "USD", "ordered_product_sales": money(29),
        "units_ordered": 3,
    }  # fmt: skip
    world.write(MONTH, sales_metrics=[metrics], sales_and_traffic_daily=[traffic])
    world.publish()
    row = world.one(f"FROM sales_reconciliation WHERE day = '{MONTH}'")
    assert (row["is_settled"], row["sales"], row["pending_sales_estimated"]) == (True, 10, 12)
    assert (row["metrics_difference"], row["metrics_cancelled_later"], row["metrics_unexplained"]) == (12, 0, 0)
    assert "pending: 12" in row["metrics_explanation"]
    # The analytics keep what is cancelled after a week; the rest may be another price than the listing's.
    assert (row["analytics_difference"], row["analytics_cancelled_later"], row["analytics_unexplained"]) == (19, 4, 3)
    assert "another price than listed: 3" in row["analytics_explanation"]


def test_days_that_amazon_did_not_tell_are_not_compared(world: World) -> None:
    o = order("1", "2026-06-10T20:00:00")
    world.write(DAY, orders=[o], order_items=[item(o)])
    world.publish()
    row = world.one("FROM sales_reconciliation")
    assert (row["metrics_difference"], row["metrics_explanation"]) == (None, "not extracted")
    assert (row["is_settled"], row["analytics_unexplained"]) == (False, None)
