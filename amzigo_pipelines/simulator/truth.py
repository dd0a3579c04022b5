"""What really happened in the synthetic world, for tests to compare with.

Belongs here: questions about the world as of an instant, answered without going through the API. Does not belong here:
making the world. Instants are timezone-aware datetimes, money is Decimal in the named currency.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal

from amzigo_pipelines.simulator import stock as stock_kinds
from amzigo_pipelines.simulator.orders import CANCELLED, Order
from amzigo_pipelines.simulator.stock import Levels
from amzigo_pipelines.simulator.world import World


@dataclass(frozen=True)
class VersionTruth:
    """One version of one order. `is_latest` says whether it holds at the instant asked about."""

    order_id: str
    version: int
    last_updated_at: datetime
    status: str
    is_latest: bool


@dataclass(frozen=True)
class ItemTruth:
    """One line of an order. Amounts are for the line; `sales` is price times units, without tax and shipping."""

    order_item_id: str
    sku: str
    asin: str
    quantity: int
    quantity_shipped: int
    sales: Decimal
    total: Decimal


@dataclass(frozen=True)
class OrderTruth:
    """One order as of an instant.

    Attributes:
        has_prices: False while payment is pending and for orders cancelled before: no API shows prices then, though
            `total` and the items tell them here.
        shipped_at, delivered_at: of the last parcel, if it has been by the instant asked about and no parcel is left.
        last_status_before_shipping_at: `lastUpdatedTime` of the last version that was not shipped at all.
    """

    order_id: str
    marketplace_id: str
    currency: str
    channel: str
    status: str
    created_at: datetime
    last_updated_at: datetime
    local_day: date
    is_business: bool
    replaces: str
    has_prices: bool
    total: Decimal
    items: tuple[ItemTruth, ...]
    shipped_at: datetime | None
    delivered_at: datetime | None
    last_status_before_shipping_at: datetime


@dataclass
class SalesTruth:
    """Sales of one local day, marketplace and currency, by the day the order was placed.

    `orders`, `order_items`, `units`, `sales` count every order that shows prices and is not cancelled; pending and
    cancelled ones are counted apart. Replacements count as orders, at 0.00.
    """

    orders: int = 0
    order_items: int = 0
    units: int = 0
    sales: Decimal = field(default_factory=Decimal)
    totals: Decimal = field(default_factory=Decimal)
    pending_orders: int = 0
    pending_units: int = 0
    cancelled_orders: int = 0
    cancelled_units: int = 0
    cancelled_sales: Decimal = field(default_factory=Decimal)


@dataclass(frozen=True)
class BalanceTruth:
    """The books of one pool of stock: start + received - shipped + returned - lost = on hand."""

    start: int
    received: int
    shipped: int
    returned: int
    lost: int
    on_hand: int


@dataclass(frozen=True)
class ReturnTruth:
    """Units that came back. `comment` is the buyer's and personal."""

    order_id: str
    order_item_id: str
    sku: str
    returned_at: datetime
    quantity: int
    disposition: str
    reason: str
    comment: str


def order_versions(world: World, seller_id: str, now: datetime) -> list[VersionTruth]:
    """Every version of every order up to an instant, by order and time."""
    out = []
    epoch = int(now.timestamp())
    for order, latest in _orders(world, seller_id, now):
        out += [
            VersionTruth(order.order_id, position, _instant(version.at), version.status, position == latest)
            for position, version in enumerate(order.versions)
            if version.at <= epoch
        ]
    return out


def orders(world: World, seller_id: str, now: datetime) -> list[OrderTruth]:
    """Every order as of an instant, by the time it was placed."""
    epoch = int(now.timestamp())
    return [_order(order, version, epoch) for order, version in _orders(world, seller_id, now)]


def sales_daily(world: World, seller_id: str, now: datetime) -> dict[tuple[date, str, str], SalesTruth]:
    """Sales as of an instant, by (local day of the marketplace, marketplace id, currency)."""
    out: dict[tuple[date, str, str], SalesTruth] = {}
    for order in orders(world, seller_id, now):
        row = out.setdefault((order.local_day, order.marketplace_id, order.currency), SalesTruth())
        units = sum(item.quantity for item in order.items)
        sales = sum((item.sales for item in order.items), Decimal())
        if order.status == CANCELLED:
            row.cancelled_orders += 1
            row.cancelled_units += units
            row.cancelled_sales += sales if order.has_prices else 0
        elif not order.has_prices:
            row.pending_orders += 1
            row.pending_units += units
        else:
            row.orders += 1
            row.order_items += len(order.items)
            row.units += units
            row.sales += sales
            row.totals += order.total
    return out


def stock(world: World, seller_id: str, now: datetime) -> dict[tuple[str, str], Levels]:
    """Stock as of an instant, by (SKU, marketplace id); the id is empty for the seller's own warehouse."""
    epoch = int(now.timestamp())
    return {key: pool.levels(epoch) for key, pool in world.seller(seller_id, now).pools.items()}


def stock_balance(world: World, seller_id: str, now: datetime) -> dict[tuple[str, str], BalanceTruth]:
    """The books of stock as of an instant, counted from the movements, by (SKU, marketplace id)."""
    epoch = int(now.timestamp())
    out = {}
    for key, pool in world.seller(seller_id, now).pools.items():
        sums: Counter[str] = Counter()
        for movement in pool.until(epoch):
            sums[movement.kind] += movement.quantity
        out[key] = BalanceTruth(
            start=sums[stock_kinds.START],
            received=sums[stock_kinds.RECEIVED],
            shipped=sums[stock_kinds.SHIPPED],
            returned=sums[stock_kinds.RETURNED],
            lost=sums[stock_kinds.LOST],
            on_hand=pool.levels(epoch).on_hand,
        )
    return out


def returns(world: World, seller_id: str, now: datetime) -> list[ReturnTruth]:
    """Every return up to an instant."""
    epoch = int(now.timestamp())
    return [
        ReturnTruth(
            order.order_id,
            order.items[back.item].item_id,
            order.items[back.item].listing.sku,
            _instant(back.at),
            back.quantity,
            back.disposition,
            back.reason,
            back.comment,
        )
        for order, _ in _orders(world, seller_id, now)
        for back in order.returns
        if back.at <= epoch
    ]


def deliveries(world: World, seller_id: str, now: datetime) -> dict[str, datetime]:
    """When the last parcel of each order truly arrived, by order id; only what has arrived by an instant."""
    return {
        order.order_id: order.delivered_at for order in orders(world, seller_id, now) if order.delivered_at is not None
    }


def people(world: World, seller_id: str, now: datetime) -> list[str]:
    """Everything of the buyers of a seller that is long enough to search files for, sorted, without duplicates.

    Names, e-mails, phones, address lines, companies, tax numbers, delivery instructions, gift messages, customised
    URLs, purchase orders, payment codes, tracking numbers there and back, cancel reasons, comments on returns and in
    feedback: of every order placed by an instant, given out by the API or not. Each has 10 characters or more. Postal
    codes are too short to be told from other numbers and are left out.
    """
    out: set[str] = set()
    for order, _ in _orders(world, seller_id, now):
        out.update(order.buyer.strings(), order.recipient.strings(), order.personal_strings())
    return sorted(out)


def canaries(world: World, seller_id: str, now: datetime) -> dict[str, list[str]]:
    """Orders of a seller's canaries (`people.CANARIES`) by an instant: order id -> their strings, as in `people`."""
    return {
        order.order_id: sorted({*order.buyer.strings(), *order.recipient.strings()})
        for order, _ in _orders(world, seller_id, now)
        if order.buyer.is_canary
    }


def _orders(world: World, seller_id: str, now: datetime) -> list[tuple[Order, int]]:
    epoch = int(now.timestamp())
    found = ((order, order.version_at(epoch)) for order in world.seller(seller_id, now).orders)
    return [(order, version) for order, version in found if version is not None]


def _order(order: Order, version: int, epoch: int) -> OrderTruth:
    state = order.versions[version]
    is_out = bool(order.parcels) and all(parcel.shipped_at <= epoch for parcel in order.parcels)
    delivered_at = order.delivered_at
    before_shipping = [v.at for v in order.versions[: version + 1] if not any(v.shipped)]
    return OrderTruth(
        order_id=order.order_id,
        marketplace_id=order.market.marketplace_id,
        currency=order.market.currency,
        channel=order.channel,
        status=state.status,
        created_at=_instant(order.created_at),
        last_updated_at=_instant(state.at),
        local_day=_instant(order.created_at).astimezone(order.market.zone).date(),
        is_business=order.is_business,
        replaces=order.replaces,
        has_prices=order.was_priced(version),
        total=Decimal(order.market.amount(order.total)),
        items=tuple(
            ItemTruth(
                order_item_id=item.item_id,
                sku=item.listing.sku,
                asin=item.listing.asin,
                quantity=item.quantity,
                quantity_shipped=state.shipped[position],
                sales=Decimal(order.market.amount(item.goods)),
                total=Decimal(order.market.amount(item.total)),
            )
            for position, item in enumerate(order.items)
        ),
        shipped_at=_instant(max(parcel.shipped_at for parcel in order.parcels)) if is_out else None,
        delivered_at=_instant(delivered_at) if delivered_at is not None and delivered_at <= epoch else None,
        last_status_before_shipping_at=_instant(before_shipping[-1]),
    )


def _instant(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)
