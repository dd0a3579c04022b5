"""What really happened in the synthetic world, as far as reports tell of it, for tests to compare with.

Belongs here: questions that no operation but a report answers. Does not belong here: orders, stock and people
(`truth.py`). Instants are timezone-aware datetimes, money is Decimal in the marketplace's currency.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from amzigo_pipelines.simulator.fulfilment import shipped_items
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


def _instant(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)
