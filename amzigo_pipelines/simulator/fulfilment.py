"""Amazon's fulfilment network in the synthetic world: warehouses, and the numbers it gives to what passes through them.

Belongs here: names that several reports must agree on, each made from what it names. Does not belong here: stock
(`stock.py`) and the reports.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from amzigo_pipelines.simulator.catalogue import AMAZON
from amzigo_pipelines.simulator.orders import Item, Order, Parcel

_CENTRES = {
    "US": ("ONT8", "PHX3", "MDW2"),
    "CA": ("YYZ1", "YVR2"),
    "MX": ("MEX1", "MEX2"),
    "GB": ("BHX4", "LTN1"),
    "DE": ("LEJ1", "DTM2", "HAM2"),
    "FR": ("ORY1", "LIL1"),
    "JP": ("NRT5", "KIX3"),
}
_REPORTED_AFTER_S = 5 * 3_600


@dataclass(frozen=True, slots=True)
class ShippedItem:
    """Units of one line of an order in one parcel that Amazon sends. Amounts are their share, in minor units.

    Attributes:
        reported_at: epoch second from which on reports know of it, minutes to hours after it left.
    """

    order: Order
    parcel: Parcel
    item: Item
    position: int
    quantity: int
    reported_at: int
    goods: int
    tax: int
    shipping: int
    shipping_tax: int
    gift_wrap: int
    discount: int
    shipping_discount: int

    @property
    def shipment_id(self) -> str:
        """Amazon's identifier of the parcel."""
        return shipment_id(self.order, self.parcel)

    @property
    def shipment_item_id(self) -> str:
        """Amazon's identifier of the line within the parcel."""
        return f"{self.shipment_id}{self.position + 1:02d}"


def centre(country: str, fnsku: str) -> str:
    """The one warehouse in a country where all units of an FNSKU lie."""
    centres = _CENTRES[country]
    return centres[zlib.crc32(fnsku.encode()) % len(centres)]


def shipment_id(order: Order, parcel: Parcel) -> str:
    """Amazon's identifier of a parcel, unique within a seller."""
    return f"D{order.number:08d}{parcel.number}"


def inbound_id(reference: str) -> str:
    """Amazon's identifier of an inbound shipment, from the reference of its movements."""
    return f"FBA15{zlib.crc32(reference.encode()):08X}"


def licence_plate(order: Order, position: int) -> str:
    """Amazon's number of a unit that a buyer returned."""
    return f"LPN{order.market.country}{order.number:08d}{position}"


def shipped_items(order: Order) -> Iterator[ShippedItem]:
    """All that Amazon will ever send for an order, parcel after parcel; shares of one line add up to the line."""
    if order.channel != AMAZON:
        return
    sent = [0] * len(order.items)
    for parcel in order.parcels:
        reported_at = parcel.shipped_at + 900 + order.number * 7_919 % _REPORTED_AFTER_S
        for position, quantity in parcel.contents:
            item, before = order.items[position], sent[position]
            sent[position] = after = before + quantity

            def share(amount: int, before: int = before, after: int = after, ordered: int = item.quantity) -> int:
                return amount * after // ordered - amount * before // ordered

            yield ShippedItem(
                order=order,
                parcel=parcel,
                item=item,
                position=position,
                quantity=quantity,
                reported_at=reported_at,
                goods=item.unit_price * quantity,
                tax=share(item.tax),
                shipping=share(item.shipping),
                shipping_tax=share(item.shipping_tax),
                gift_wrap=share(item.gift_wrap),
                discount=share(item.discount),
                shipping_discount=share(item.shipping_discount),
            )
