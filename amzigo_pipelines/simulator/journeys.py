"""What becomes of an order after it is placed: payment, shipping, delivery, cancellation, return.

Belongs here: planning the whole life of one order by chance, at the moment it is placed. Does not belong here: what
was ordered (`demand.py`) or what it does to stock (`seller_world.py` books it).

Two things are as at Amazon and matter to whoever counts days from delivery: orders that Amazon ships show no parcels,
so nothing tells when they arrive; and a merchant's parcel is reported as delivered hours after it was, or never.
"""

from __future__ import annotations

import random

from amzigo_pipelines.simulator import people
from amzigo_pipelines.simulator.catalogue import AMAZON, MERCHANT
from amzigo_pipelines.simulator.orders import (
    CANCELLED,
    PARTIALLY_SHIPPED,
    PENDING,
    SHIPPED,
    UNSHIPPED,
    Feedback,
    Order,
    Parcel,
    Return,
    Version,
)
from amzigo_pipelines.simulator.stock import CUSTOMER_DAMAGED, DEFECTIVE, SELLABLE

HOUR = 3_600
DAY = 86_400
_CARRIERS = ("Synthetic Post", "Example Parcel", "Model Express")
_FEEDBACK_SHARE = 0.011
_REASONS = (
    ("UNWANTED_ITEM", SELLABLE),
    ("ORDERED_WRONG_ITEM", SELLABLE),
    ("UNDELIVERABLE_UNKNOWN", SELLABLE),
    ("DEFECTIVE", DEFECTIVE),
    ("DAMAGED_BY_CUSTOMER", CUSTOMER_DAMAGED),
    ("NOT_AS_DESCRIBED", SELLABLE),
)


def plan(rng: random.Random, order: Order) -> None:
    """Fill in the versions, parcels, returns and feedback of an order that was just placed."""
    is_fba = order.channel == AMAZON
    pending_until = order.created_at + 180 + min(int(rng.expovariate(1 / 1_500)), 6 * HOUR)
    if rng.random() < 0.015:  # the payment fails at first
        pending_until += rng.randrange(DAY, 4 * DAY)
    nothing = (0,) * len(order.items)
    order.versions.append(Version(order.created_at, PENDING, nothing, ()))
    if rng.random() < 0.012:
        order.cancelled_by = "AMAZON"
        order.cancel_reason = "Payment was not completed"
        order.versions.append(Version(pending_until, CANCELLED, nothing, ()))
        return
    order.versions.append(Version(pending_until, UNSHIPPED, nothing, ()))
    if rng.random() < (0.013 if is_fba else 0.022):
        _cancel_by_buyer(rng, order, pending_until + rng.randrange(HOUR, 5 * HOUR))
        return
    ship_at = pending_until + rng.randrange(5 * HOUR, (38 if is_fba else 66) * HOUR)
    if not is_fba and rng.random() < 0.012:
        ship_at = pending_until + rng.randrange(12 * DAY, 50 * DAY)
        if rng.random() < 0.4:
            order.cancelled_by = "MERCHANT"
            order.cancel_reason = "Could not ship"
            order.versions.append(Version(ship_at, CANCELLED, nothing, ()))
            return
    _ship(rng, order, ship_at, is_fba)
    _return(rng, order)
    _give_feedback(order)


def _cancel_by_buyer(rng: random.Random, order: Order, at: int) -> None:
    order.cancelled_by = "BUYER"
    order.cancel_request = people.cancel_reason(rng, order.buyer)
    order.cancel_reason = "Buyer asked for it"
    order.versions.append(Version(at, CANCELLED, (0,) * len(order.items), ()))


def _shipments(rng: random.Random, order: Order) -> list[list[tuple[int, int]]]:
    """Which units go into which parcel: all into one, or split in two."""
    lines = [(position, item.quantity) for position, item in enumerate(order.items)]
    units = sum(quantity for _, quantity in lines)
    if units < 2 or rng.random() > 0.15:
        return [lines]
    if len(lines) > 1:
        return [lines[:1], lines[1:]]
    return [[(0, units // 2)], [(0, units - units // 2)]]


def _ship(rng: random.Random, order: Order, ship_at: int, is_fba: bool) -> None:
    shipments = _shipments(rng, order)
    events: list[tuple[int, int, tuple[str, str]]] = []  # (when Amazon tells, parcel, state)
    for number, contents in enumerate(shipments):
        shipped_at = ship_at + (rng.randrange(6 * HOUR, 60 * HOUR) if number else 0)
        delivered_at = shipped_at + rng.randrange(20 * HOUR, (5 if is_fba else 8) * DAY)
        order.parcels.append(
            Parcel(
                number=number + 1,
                packed_at=shipped_at - rng.randrange(HOUR // 2, 4 * HOUR),
                shipped_at=shipped_at,
                delivered_at=delivered_at,
                contents=tuple(contents),
                carrier=rng.choice(_CARRIERS),
                service=rng.choice(("Standard", "Express")),
                tracking_number=f"SYN{order.market.country}{rng.randrange(10**14):014d}",
            )
        )
        events.append((shipped_at + rng.randrange(60, HOUR), number, ("IN_TRANSIT", "PICKED_UP")))
        if is_fba or rng.random() > 0.88:
            continue
        if rng.random() < 0.2:
            events.append((delivered_at - rng.randrange(HOUR, 9 * HOUR), number, ("IN_TRANSIT", "OUT_FOR_DELIVERY")))
        events.append((delivered_at + rng.randrange(HOUR, 26 * HOUR), number, ("DELIVERED", "DELIVERED")))
    _tell(order, events)


def _tell(order: Order, events: list[tuple[int, int, tuple[str, str]]]) -> None:
    """Turn what Amazon learns about parcels into versions of the order, each a second apart at least."""
    states = [("PENDING", "PENDING_PICK_UP")] * len(order.parcels)
    ordered = sum(item.quantity for item in order.items)
    shipped = [0] * len(order.items)
    left: set[int] = set()
    for at, number, state in sorted(events):
        if number not in left:
            left.add(number)
            for position, quantity in order.parcels[number].contents:
                shipped[position] += quantity
        states[number] = state
        status = SHIPPED if sum(shipped) == ordered else PARTIALLY_SHIPPED
        at = max(at, order.versions[-1].at + 1)
        order.versions.append(Version(at, status, tuple(shipped), tuple(states)))


def _return(rng: random.Random, order: Order) -> None:
    if order.replaces or rng.random() > 0.055:
        return
    parcel = order.parcels[0]
    position, quantity = parcel.contents[0]
    reason, disposition = rng.choice(_REASONS)
    comment = people.return_comment(rng, order.buyer) if rng.random() < 0.6 else ""
    took = rng.randrange(2 * DAY, 25 * DAY)
    order.returns.append(
        Return(
            requested_at=parcel.delivered_at + took // 3,
            at=parcel.delivered_at + took,
            item=position,
            quantity=1 if rng.random() < 0.8 else quantity,
            disposition=disposition,
            reason=reason,
            comment=comment,
            tracking_number=f"SYNR{order.order_id.replace('-', '')}" if order.channel == MERCHANT else "",
        )
    )


def _give_feedback(order: Order) -> None:
    # A source of chance of its own: the rest of the world stays as it is whatever is said about it.
    rng = random.Random(f"feedback/{order.order_id}")
    delivered_at = order.delivered_at
    if delivered_at is None or order.replaces or rng.random() > _FEEDBACK_SHARE:
        return
    rating = rng.choices((5, 4, 3, 2, 1), cum_weights=(70, 82, 88, 92, 100))[0]
    at = delivered_at + rng.randrange(HOUR, 15 * DAY)
    order.feedback = Feedback(at, rating, people.feedback_comment(rng, order.buyer, rating))
