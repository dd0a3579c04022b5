"""What really happened in the synthetic world, as far as reports tell of it, for tests to compare with.

Belongs here: questions that no operation but a report answers. Does not belong here: orders, stock and people
(`truth.py`). Instants are timezone-aware datetimes, money is Decimal in the marketplace's currency.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from amzigo_pipelines.simulator.catalogue import MERCHANT
from amzigo_pipelines.simulator.fulfilment import shipped_items
from amzigo_pipelines.simulator.marketplaces import MARKETPLACES
from amzigo_pipelines.simulator.stranding import stranded_since
from amzigo_pipelines.simulator.world import World


@dataclass(frozen=True)
class ShipmentTruth:
    """Units of an order item in one parcel that Amazon sent.

    Attributes:
        reported_at: from when on reports know of it; the truth lists it from `shipped_at` on.
        sales: price times units, without tax and shipping.
    """

    order_id: str
    order_item_id: str
    marketplace_id: str
    sku: str
    quantity: int
    sales: Decimal
    shipped_at: datetime
    reported_at: datetime


@dataclass(frozen=True)
class ReturnRequestTruth:
    """What a buyer asked to send back to the merchant. The tracking number is personal.

    Attributes:
        returned_at: when it arrived, if it has by the instant asked about.
    """

    order_id: str
    order_item_id: str
    marketplace_id: str
    sku: str
    quantity: int
    requested_at: datetime
    returned_at: datetime | None
    reason: str
    tracking_number: str


@dataclass(frozen=True)
class FeedbackTruth:
    """What a buyer said of the seller, 1 to 5 stars. Comment and e-mail are the buyer's and personal."""

    order_id: str
    marketplace_id: str
    at: datetime
    rating: int
    comment: str
    rater_email: str


def feedback(world: World, seller_id: str, now: datetime) -> list[FeedbackTruth]:
    """All feedback given by an instant, by order."""
    return [
        FeedbackTruth(
            order_id=order.order_id,
            marketplace_id=order.market.marketplace_id,
            at=_instant(order.feedback.at),
            rating=order.feedback.rating,
            comment=order.feedback.comment,
            rater_email=order.buyer.email,
        )
        for order in world.seller(seller_id, now).orders
        if order.feedback is not None and order.feedback.at <= int(now.timestamp())
    ]


def fba_shipments(world: World, seller_id: str, now: datetime) -> list[ShipmentTruth]:
    """Everything that Amazon had sent by an instant, by order."""
    epoch = int(now.timestamp())
    return [
        ShipmentTruth(
            order_id=order.order_id,
            order_item_id=shipped.item.item_id,
            marketplace_id=order.market.marketplace_id,
            sku=shipped.item.listing.sku,
            quantity=shipped.quantity,
            sales=Decimal(order.market.amount(shipped.goods)),
            shipped_at=_instant(shipped.parcel.shipped_at),
            reported_at=_instant(shipped.reported_at),
        )
        for order in world.seller(seller_id, now).orders
        for shipped in shipped_items(order)
        if shipped.parcel.shipped_at <= epoch
    ]


def return_requests(world: World, seller_id: str, now: datetime) -> list[ReturnRequestTruth]:
    """Everything that buyers had asked to send back to the merchant by an instant, by order."""
    epoch = int(now.timestamp())
    return [
        ReturnRequestTruth(
            order_id=order.order_id,
            order_item_id=order.items[back.item].item_id,
            marketplace_id=order.market.marketplace_id,
            sku=order.items[back.item].listing.sku,
            quantity=back.quantity,
            requested_at=_instant(back.requested_at),
            returned_at=_instant(back.at) if back.at <= epoch else None,
            reason=back.reason,
            tracking_number=back.tracking_number,
        )
        for order in world.seller(seller_id, now).orders
        for back in order.returns
        if order.channel == MERCHANT and back.requested_at <= epoch
    ]


def stranded(world: World, seller_id: str, now: datetime) -> dict[tuple[str, str], datetime]:
    """Since when listings with stock are stranded at an instant, by (SKU, marketplace id)."""
    epoch = int(now.timestamp())
    seller = world.seller(seller_id, now)
    found = {key: stranded_since(listing, epoch) for key, listing in seller.catalogue.listings.items()}
    return {
        key: _instant(since)
        for key, since in found.items()
        if since is not None and seller.pools[key].levels(epoch).on_hand
    }


def ledger_balance(world: World, seller_id: str, marketplace_id: str, day: date) -> dict[tuple[str, str], int]:
    """Units that the ledger has at the end of a marketplace's local day, by (SKU, disposition), none left out but 0.

    A unit that is being searched for is in no balance.
    """
    following = day + timedelta(days=1)
    zone = MARKETPLACES[marketplace_id].zone
    end = datetime(following.year, following.month, following.day, tzinfo=zone) - timedelta(seconds=1)
    out: dict[tuple[str, str], int] = {}
    for (sku, pool_market_id), pool in world.seller(seller_id, end).pools.items():
        if pool_market_id == marketplace_id:
            levels = pool.levels(int(end.timestamp()))
            out[sku, "SELLABLE"] = levels.fulfillable + levels.reserved
            out[sku, "CUSTOMER_DAMAGED"] = levels.customer_damaged
            out[sku, "WAREHOUSE_DAMAGED"] = levels.warehouse_damaged
            out[sku, "DEFECTIVE"] = levels.defective
    return {key: units for key, units in out.items() if units}


def _instant(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)
