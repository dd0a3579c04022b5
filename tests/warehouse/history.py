"""A seller's lake that lives from day to day as Amazon's data does: late, restated, cancelled, released.

Belongs here: events, and the partitions that they leave behind. Does not belong here: what the marts must make of them
(`test_incremental.py`).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tests.warehouse.conftest import CURRENCY, DE, JP, NOW, US, World, item, listing, money, order, stock

FIRST = date(2026, 6, 1)
SKUS = ("SKU-1", "SKU-2", "SKU-3")
# Partitions that are written together, as their extraction does.
TOGETHER = {
    "orders": ("orders", "order_items"),
    "transactions": ("transactions", "transaction_breakdowns"),
    "settlements": ("settlements", "settlement_lines"),
    "review_topics": ("review_topics", "review_trends"),
}

_market = st.sampled_from((US, DE, JP))
_key = st.sampled_from((None, "a", "b", "c"))
_sku = st.sampled_from(SKUS)
_back = st.integers(0, 3)
_number = st.integers(0, 30)
_few = st.integers(0, 9)
_order = st.tuples(st.just("order"), st.integers(0, 23), _market, _key, _sku, st.integers(1, 3))
_book = st.tuples(
    st.just("book"),
    _number,
    st.sampled_from(("Shipment", "Refund", "ServiceFee")),
    st.sampled_from(("RELEASED", "RELEASED", "DEFERRED")),
    st.integers(1, 50),
)
EVENT = st.one_of(
    _order,
    _order,
    st.tuples(st.just("move"), _number, st.sampled_from(("UNSHIPPED", "SHIPPED", "CANCELLED")), _key),
    st.tuples(st.just("again"), _back),
    st.tuples(st.just("shipment"), _number),
    st.tuples(st.just("return"), _number, st.sampled_from(("SELLABLE", "CUSTOMER_DAMAGED"))),
    st.tuples(st.just("merchant_return"), _number, _back),
    st.tuples(st.just("feedback"), _number, st.integers(1, 5), _back),
    # Money: what is held back is released later, on the day on which it was posted, and a settlement pays it out.
    _book,
    _book,
    st.tuples(st.just("release"), _number),
    st.tuples(st.just("settle"), _market, st.integers(0, 2)),
    # What Amazon restates for days.
    st.tuples(st.just("traffic"), _back, _market, _few),
    st.tuples(st.just("traffic_of_sku"), _back, _market, _sku, _few),
    st.tuples(st.just("metrics"), _back, _market, _few),
    st.tuples(st.just("ads"), _back, _market, st.integers(0, 500)),
    st.tuples(st.just("ads_of_product"), _back, _market, _sku, st.integers(0, 500)),
    st.tuples(st.just("ledger"), _back, _sku, _few, st.integers(-3, 3)),
    st.tuples(st.just("repeat"), _back, _market, _few),
    # Snapshots of the day, and one that was taken anew later.
    st.tuples(st.just("stock"), _back, _sku, _market, st.integers(0, 4)),
    st.tuples(st.just("price"), _sku, _market, st.integers(5, 9)),
    st.tuples(st.just("age"), _sku, _market, _few),
    st.tuples(st.just("stranded"), _sku, _market, _few),
    st.tuples(st.just("cost"), _sku, _market, st.integers(1, 5)),
    st.tuples(st.just("health"), _back, _market, _few),
    st.tuples(st.just("topic"), _market, st.sampled_from(("POSITIVE", "NEGATIVE")), _few),
    st.tuples(st.just("marketplace"), _market),
)


class History:
    """A small lake that lives from day to day as Amazon's data does: an order sits in the day of its last update."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._orders: dict[str, dict[str, Any]] = {}
        self._items: dict[str, dict[str, Any]] = {}
        self._bookings: list[dict[str, Any]] = []
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
                names = TOGETHER.get(name, (name,))
                self._world.write(day, **{one: list(self._other[one, day].values()) for one in names})

    def _put(self, name: str, day: date, key: tuple[Any, ...], row: dict[str, Any]) -> None:
        self._other[name, day][key] = row
        written_with = {other: first for first, names in TOGETHER.items() for other in names}
        self._touched.add((written_with.get(name, name), day))

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

    def _stock(self, today: date, number: int, back: int, sku: str, market: str, units: int) -> None:
        self._put("fba_inventory", today - timedelta(days=back), (sku, market), stock(sku, units, market))

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

    def _shipment(self, today: date, number: int, which: int) -> None:
        picked = self._pick(which)
        if picked is not None:
            row = {
                "shipment_id": f"{today}-{number}", "shipment_item_id": "1", "order_id": picked["order_id"],
                "marketplace_id": picked["marketplace_id"], "shipped_at": _at(today, number),
            }  # fmt: skip
            self._put("fba_shipments", today, (number,), row)

    def _merchant_return(self, today: date, number: int, which: int, back: int) -> None:
        picked, day = self._pick(which), today - timedelta(days=back)
        if picked is not None:
            row = {
                "marketplace_id": picked["marketplace_id"], "requested_on": day, "order_id": picked["order_id"],
                "sku": self._items[picked["order_id"]]["sku"], "occurrence": number, "units": 1, "reason": "LATE",
            }  # fmt: skip
            self._put("merchant_returns", day, (picked["order_id"], number), row)

    def _book(self, today: date, number: int, which: int, kind: str, status: str, amount: int) -> None:
        picked = self._pick(which)
        if picked is None:
            return
        market, sku = picked["marketplace_id"], self._items[picked["order_id"]]["sku"]
        booking = {
            "transaction_id": f"T-{today}-{number}", "posted_at": _at(today, number), "marketplace_id": market,
            "transaction_type": kind, "status": status, "order_id": picked["order_id"], "currency": CURRENCY[market],
        }  # fmt: skip
        sign = -1 if kind == "Refund" else 1
        parts = (
            {"ServiceFees/Subscription": -amount}
            if kind == "ServiceFee"
            else {"ProductCharges/Principal": sign * amount, "AmazonFees/Commission/Base": -sign * 2}
        )
        self._bookings.append({**booking, "parts": parts, "sku": None if kind == "ServiceFee" else sku})
        self._write_booking(self._bookings[-1])

    def _write_booking(self, booking: dict[str, Any]) -> None:
        day, parts = booking["posted_at"].date(), booking["parts"]
        row = {name: value for name, value in booking.items() if name not in ("parts", "sku")}
        self._put("transactions", day, (row["transaction_id"],), {**row, "total_amount": money(sum(parts.values()))})
        shared = {name: value for name, value in row.items() if name not in ("settlement_id",)}
        for path, amount in parts.items():
            leaf = {
                **shared, "item_index": 1 if booking["sku"] else 0, "path": path, "depth": path.count("/") + 1,
                "breakdown_type": path.split("/")[-1], "is_summary": False, "amount": money(amount),
                "sku": booking["sku"], "quantity": 1,
            }  # fmt: skip
            self._put("transaction_breakdowns", day, (row["transaction_id"], path), leaf)

    def _release(self, today: date, number: int, which: int) -> None:
        held = [booking for booking in self._bookings if booking["status"] == "DEFERRED"]
        if held:
            held[which % len(held)]["status"] = "RELEASED"
            self._write_booking(held[which % len(held)])

    def _settle(self, today: date, number: int, market: str, unknown: int) -> None:
        """Pay out what is booked in a marketplace and in no settlement yet, and perhaps what nobody booked."""
        name = f"S-{today}-{number}"
        paid = [
            booking
            for booking in self._bookings
            if booking["marketplace_id"] == market
            and booking["status"] == "RELEASED"
            and "financial_event_group_id" not in booking
        ]
        lines = [(booking["posted_at"], Decimal(sum(booking["parts"].values()))) for booking in paid]
        lines += [(_at(today, number), Decimal(unknown))] if unknown else []
        total = sum(amount for _, amount in lines)
        row = {
            "settlement_id": name, "currency": CURRENCY[market], "started_at": _at(FIRST, 0),
            "ended_at": _at(today, number), "total_amount": money(total), "line_count": len(lines),
            "lines_amount": money(total),
        }  # fmt: skip
        self._put("settlements", today, (name,), row)
        for index, (posted_at, amount) in enumerate(lines):
            line = {
                "settlement_id": name, "line_number": index + 1, "currency": CURRENCY[market], "amount": money(amount),
                "marketplace_id": market, "posted_at": posted_at,
            }  # fmt: skip
            self._put("settlement_lines", today, (name, index), line)
        transfer = {
            "transaction_id": f"P-{name}", "posted_at": _at(today, number), "marketplace_id": market,
            "transaction_type": "Transfer", "status": "RELEASED", "currency": CURRENCY[market], "settlement_id": name,
            "parts": {"Transfer/Disbursement": -int(total)}, "sku": None,
        }  # fmt: skip
        for booking in (*paid, transfer):
            booking["financial_event_group_id"] = f"G-{name}"
            self._write_booking(booking)

    def _traffic(self, today: date, number: int, back: int, market: str, sessions: int) -> None:
        day = today - timedelta(days=back)
        row = {
            "happened_on": day, "marketplace_id": market, "currency": CURRENCY[market], "sessions": sessions,
            "page_views": 2 * sessions, "units_ordered": sessions // 2, "ordered_product_sales": money(sessions),
            "featured_offer_percentage": 90.0,
        }  # fmt: skip
        self._put("sales_and_traffic_daily", day, (market,), row)

    def _traffic_of_sku(self, today: date, number: int, back: int, market: str, sku: str, sessions: int) -> None:
        day = today - timedelta(days=back)
        row = {
            "happened_on": day, "marketplace_id": market, "parent_asin": "B0", "child_asin": "B1", "sku": sku,
            "currency": CURRENCY[market], "sessions": sessions, "page_views": 2 * sessions,
            "units_ordered": sessions // 2, "featured_offer_percentage": 80.0,
        }  # fmt: skip
        self._put("sales_and_traffic_by_sku", day, (market, sku), row)

    def _metrics(self, today: date, number: int, back: int, market: str, sales: int) -> None:
        day = today - timedelta(days=back)
        row = {
            "ordered_on": day, "marketplace_id": market, "currency": CURRENCY[market], "orders": 1, "units": 1,
            "sales": money(sales),
        }  # fmt: skip
        self._put("sales_metrics", day, (market,), row)

    def _ads_of_product(self, today: date, number: int, back: int, market: str, sku: str, cost: int) -> None:
        day = today - timedelta(days=back)
        row = {
            "performed_on": day, "marketplace_id": market, "ad_product": "SPONSORED_PRODUCTS", "campaign_id": "C",
            "ad_group_id": "G", "ad_id": sku, "sku": sku, "currency": CURRENCY[market], "cost": money(cost),
        }  # fmt: skip
        self._put("ads_products", day, (market, sku), row)

    def _repeat(self, today: date, number: int, back: int, market: str, customers: int) -> None:
        day = today - timedelta(days=back)
        row = {
            "marketplace_id": market, "asin": "B1", "week_ends_on": day, "week_starts_on": day - timedelta(days=6),
            "orders": customers + 1, "customers": customers, "repeat_customer_share": 0.5,
        }  # fmt: skip
        self._put("repeat_purchase", day, (market,), row)

    def _stranded(self, today: date, number: int, sku: str, market: str, units: int) -> None:
        row = {
            "marketplace_id": market, "sku": sku, "condition": "New", "taken_at": NOW, "stranded_on": FIRST,
            "fulfillable_units": units, "price": money(3),
        }  # fmt: skip
        self._put("stranded_inventory", today, (sku, market), row)

    def _cost(self, today: date, number: int, sku: str, market: str, cost: int) -> None:
        row = {
            "marketplace_id": market, "sku": sku, "currency": CURRENCY[market], "unit_cost": money(cost),
            "lead_time_days": 10, "lead_time_deviation_days": 2.0, "service_level": 0.95, "service_factor": 1.645,
            "target_days": 30, "minimum_order_units": 1,
        }  # fmt: skip
        self._put("product_costs", today, (sku, market), row)

    def _health(self, today: date, number: int, back: int, market: str, late: int) -> None:
        row = {
            "marketplace_id": market, "taken_at": NOW, "account_status": "NORMAL", "late_shipment_rate": late / 100,
            "late_shipment_rate_limit": 0.04,
        }  # fmt: skip
        self._put("account_health", today - timedelta(days=back), (market,), row)

    def _topic(self, today: date, number: int, market: str, sentiment: str, mentions: int) -> None:
        key = {"marketplace_id": market, "asin": "B1", "sentiment": sentiment, "topic": "size", "taken_at": NOW}
        row = {**key, "position": 1, "mentions": mentions, "occurrence_percent": 5.0}
        self._put("review_topics", today, (market, sentiment), row)
        self._put("review_trends", today, (market, sentiment), {**key, "month_starts_on": FIRST})

    def _marketplace(self, today: date, number: int, market: str) -> None:
        row = {"marketplace_id": market, "taken_at": NOW, "name": market, "is_extracted": True}
        self._put("marketplaces", today, (market,), row)


def _at(day: date, minute: int) -> datetime:
    return datetime(day.year, day.month, day.day, 12, minute % 60, tzinfo=UTC)


def full_life() -> dict[date, list[tuple[Any, ...]]]:
    """A history in which every kind of event happens, and most of them again for days that were told before."""
    buyers = [f"buyer-{n}" for n in range(8)]
    first: list[tuple[Any, ...]] = [
        *(("order", 3 * n, US, key, SKUS[n % 3], 1 + n % 2) for n, key in enumerate(buyers)),
        ("order", 1, DE, "buyer-0", "SKU-1", 2),
        ("order", 23, JP, None, "SKU-2", 3),
        *(("stock", 0, sku, US, units) for sku, units in zip(SKUS, (4, 0, 2), strict=True)),
        ("price", "SKU-1", US, 9),
        ("cost", "SKU-1", US, 4),
        ("marketplace", US),
    ]
    shipped: list[tuple[Any, ...]] = [
        *(("move", n, "SHIPPED", buyers[n % 8]) for n in range(9)),
        *(("book", n, "Shipment", "DEFERRED" if n % 3 else "RELEASED", 10 + n) for n in range(7)),
        ("shipment", 0),
        ("traffic", 1, US, 7),
        ("traffic_of_sku", 1, US, "SKU-1", 5),
        ("metrics", 1, US, 8),
        ("ads", 1, US, 200),
        ("ads_of_product", 1, US, "SKU-1", 100),
        ("ledger", 1, "SKU-1", 9, -2),
        ("stock", 0, "SKU-2", US, 0),
        ("age", "SKU-1", US, 8),
        ("stranded", "SKU-3", US, 2),
        ("health", 0, US, 3),
        ("topic", US, "POSITIVE", 5),
        ("repeat", 0, US, 4),
    ]
    restated: list[tuple[Any, ...]] = [
        ("move", 1, "CANCELLED", "buyer-1"),
        *(("release", n) for n in range(3)),
        ("book", 2, "Refund", "RELEASED", 5),
        ("book", 2, "ServiceFee", "RELEASED", 40),
        ("settle", US, 1),
        ("return", 2, "SELLABLE"),
        ("merchant_return", 3, 2),
        ("feedback", 4, 5, 1),
        ("traffic", 3, US, 9),
        ("traffic_of_sku", 3, US, "SKU-1", 6),
        ("metrics", 3, US, 9),
        ("ads", 3, US, 300),
        ("ads_of_product", 3, US, "SKU-1", 150),
        ("ledger", 3, "SKU-1", 8, -1),
        ("stock", 2, "SKU-3", US, 1),
        ("health", 2, US, 5),
    ]
    late: list[tuple[Any, ...]] = [
        ("again", 3),
        ("order", 5, US, "buyer-2", "SKU-2", 1),
        ("release", 0),
        ("book", 0, "Refund", "DEFERRED", 3),
        ("return", 5, "CUSTOMER_DAMAGED"),
        ("settle", US, 0),
        ("topic", US, "POSITIVE", 6),
        ("stranded", "SKU-3", US, 1),
        ("age", "SKU-1", US, 6),
        ("cost", "SKU-1", US, 5),
    ]
    return {FIRST + timedelta(days=n): events for n, events in ((0, first), (1, shipped), (3, restated), (10, late))}
