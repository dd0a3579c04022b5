"""The report GET_FBA_INVENTORY_PLANNING_DATA: how old stock at Amazon is, how fast it goes, how much is too much.

Belongs here: its columns, ages and speeds, as of the moment of asking. Does not belong here: movements (`stock.py`).

Units leave oldest first. The ages of a line add up to what is on hand. Columns of Amazon's own forecasts are empty.
"""

from __future__ import annotations

import zlib
from collections import Counter, deque

from amzigo_pipelines.simulator import stock
from amzigo_pipelines.simulator.catalogue import AMAZON, Listing
from amzigo_pipelines.simulator.marketplaces import Marketplace
from amzigo_pipelines.simulator.report_request import DAY_S, ReportRequest, local_day, tab_separated
from amzigo_pipelines.simulator.stock import Movement

_PERIODS = (7, 30, 60, 90)
# Column to the days of age that it counts, both included. Amazon's columns overlap: five of them cover all.
AGES: dict[str, tuple[int, int]] = {
    "inv-age-0-to-90-days": (0, 90),
    "inv-age-91-to-180-days": (91, 180),
    "inv-age-181-to-270-days": (181, 270),
    "inv-age-271-to-365-days": (271, 365),
    "inv-age-365-plus-days": (366, 10_000),
    "inv-age-0-to-30-days": (0, 30),
    "inv-age-31-to-60-days": (31, 60),
    "inv-age-61-to-90-days": (61, 90),
    "inv-age-181-to-330-days": (181, 330),
    "inv-age-331-to-365-days": (331, 365),
}
HEADER = (
    "snapshot-date",
    "sku",
    "fnsku",
    "asin",
    "product-name",
    "condition",
    "available",
    "pending-removal-quantity",
    "inv-age-0-to-90-days",
    "inv-age-91-to-180-days",
    "inv-age-181-to-270-days",
    "inv-age-271-to-365-days",
    "inv-age-365-plus-days",
    "currency",
    "units-shipped-t7",
    "units-shipped-t30",
    "units-shipped-t60",
    "units-shipped-t90",
    "alert",
    "your-price",
    "sales-price",
    "lowest-price-new-plus-shipping",
    "lowest-price-used",
    "recommended-action",
    "healthy-inventory-level",
    "recommended-sales-price",
    "recommended-sale-duration-days",
    "recommended-removal-quantity",
    "estimated-cost-savings-of-recommended-actions",
    "sell-through",
    "item-volume",
    "volume-unit-measurement",
    "storage-type",
    "storage-volume",
    "marketplace",
    "product-group",
    "sales-rank",
    "days-of-supply",
    "estimated-excess-quantity",
    "weeks-of-cover-t30",
    "weeks-of-cover-t90",
    "featuredoffer-price",
    "sales-shipped-last-7-days",
    "sales-shipped-last-30-days",
    "sales-shipped-last-60-days",
    "sales-shipped-last-90-days",
    "inv-age-0-to-30-days",
    "inv-age-31-to-60-days",
    "inv-age-61-to-90-days",
    "inv-age-181-to-330-days",
    "inv-age-331-to-365-days",
    "estimated-storage-cost-next-month",
    "inbound-quantity",
    "inbound-working",
    "inbound-shipped",
    "inbound-received",
    "no-sale-last-6-months",
    "reserved-quantity",
    "unfulfillable-quantity",
)


def build(request: ReportRequest) -> str | None:
    """The report's content, one line a SKU that Amazon holds or held, ordered by marketplace and SKU."""
    rows = [
        _row(request, listing, market)
        for market in request.markets
        for (_, market_id), listing in sorted(request.seller.catalogue.listings.items())
        if market_id == market.marketplace_id and listing.channel == AMAZON
    ]
    return tab_separated(HEADER, rows) if rows else None


def _row(request: ReportRequest, listing: Listing, market: Marketplace) -> tuple[object, ...]:
    pool = request.seller.pool_of(listing)
    movements, levels = pool.until(request.as_of), pool.levels(request.as_of)
    ages = _ages(listing, movements, request.as_of)
    units, sales = _shipped(request, listing, movements)
    available = levels.fulfillable
    by_speed = {days: available / (units[days] / days) if units[days] else None for days in (30, 90)}
    excess = max(0, available - units[90]) if units[90] else 0
    price = market.amount(listing.price)
    values: dict[str, object] = {
        "snapshot-date": local_day(request.as_of, market).isoformat(),
        "sku": listing.sku,
        "fnsku": listing.fnsku,
        "asin": listing.asin,
        "product-name": listing.title,
        "condition": "New",
        "available": available,
        "pending-removal-quantity": 0,
        "currency": market.currency,
        "alert": "Low stock" if not available else "",
        "your-price": price,
        "sales-price": price,
        "recommended-action": "Create sale" if excess else "",
        "storage-type": "Standard-Size",
        "marketplace": market.country,
        "days-of-supply": "" if by_speed[30] is None else round(by_speed[30]),
        "estimated-excess-quantity": excess,
        "weeks-of-cover-t30": _weeks(by_speed[30]),
        "weeks-of-cover-t90": _weeks(by_speed[90]),
        "inbound-quantity": levels.inbound,
        "inbound-working": levels.inbound_working,
        "inbound-shipped": levels.inbound_shipped,
        "inbound-received": levels.inbound_receiving,
        "no-sale-last-6-months": 0,
        "reserved-quantity": levels.reserved,
        "unfulfillable-quantity": levels.unfulfillable,
    }
    values |= {name: sum(n for age, n in ages.items() if low <= age <= high) for name, (low, high) in AGES.items()}
    values |= {f"units-shipped-t{days}": units[days] for days in _PERIODS}
    values |= {f"sales-shipped-last-{days}-days": market.amount(sales[days]) for days in _PERIODS}
    return tuple(values.get(name, "") for name in HEADER)


def _weeks(days: float | None) -> object:
    return "" if days is None else f"{days / 7:.1f}"


def _ages(listing: Listing, movements: list[Movement], now: int) -> Counter[int]:
    """Units on hand by their age in whole days."""
    lots: deque[list[int]] = deque()  # [when it came, units], oldest first
    for movement in movements:
        if movement.kind == stock.START:
            # What was there at the beginning came before it: half of it long before.
            oldest = max(listing.opened_at, movement.at - zlib.crc32(listing.fnsku.encode()) % 480 * DAY_S)
            half = movement.quantity // 2
            lots += [[oldest, half], [(2 * movement.at + oldest) // 3, movement.quantity - half]]
        elif movement.kind in (stock.RECEIVED, stock.RETURNED):
            lots.append([movement.at, movement.quantity])
        elif movement.kind in (stock.SHIPPED, stock.LOST):
            left = movement.quantity
            while left:
                taken = min(left, lots[0][1])
                left -= taken
                lots[0][1] -= taken
                if not lots[0][1]:
                    lots.popleft()
    ages: Counter[int] = Counter()
    for came_at, units in lots:
        ages[(now - came_at) // DAY_S] += units
    return ages


def _shipped(request: ReportRequest, listing: Listing, movements: list[Movement]) -> tuple[Counter[int], Counter[int]]:
    """Units, and price times units in minor units, that left within each period."""
    units: Counter[int] = Counter()
    sales: Counter[int] = Counter()
    for movement in reversed(movements):
        age = request.as_of - movement.at
        if age >= _PERIODS[-1] * DAY_S:
            break
        if movement.kind == stock.SHIPPED:
            items = request.seller.by_id[movement.reference].items
            price = next(item.unit_price for item in items if item.listing.sku == listing.sku)
            for days in _PERIODS:
                if age < days * DAY_S:
                    units[days] += movement.quantity
                    sales[days] += movement.quantity * price
    return units, sales
