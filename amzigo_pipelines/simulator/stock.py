"""Stock of one SKU in one warehouse, as a list of movements that always adds up.

Belongs here: what a movement does to the quantities. Does not belong here: why it happens (`journeys.py` plans what
orders do, `supply.py` what the seller and the warehouse do).

On hand = fulfillable + reserved + researching + unfulfillable. Inbound units are not on hand until received. The books:
start + received - shipped + returned - lost = on hand.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

START = "START"
RECEIVED = "RECEIVED"
RESERVED = "RESERVED"
RELEASED = "RELEASED"
SHIPPED = "SHIPPED"
RETURNED = "RETURNED"
DAMAGED = "DAMAGED"
MISSING = "MISSING"
FOUND = "FOUND"
LOST = "LOST"
INBOUND_WORKING = "INBOUND_WORKING"
INBOUND_SHIPPED = "INBOUND_SHIPPED"
INBOUND_RECEIVING = "INBOUND_RECEIVING"

SELLABLE = "SELLABLE"
CUSTOMER_DAMAGED = "CUSTOMER_DAMAGED"
WAREHOUSE_DAMAGED = "WAREHOUSE_DAMAGED"
DEFECTIVE = "DEFECTIVE"


class Levels(NamedTuple):
    """Units of one SKU in one warehouse at one instant."""

    fulfillable: int = 0
    reserved: int = 0
    researching: int = 0
    customer_damaged: int = 0
    warehouse_damaged: int = 0
    defective: int = 0
    inbound_working: int = 0
    inbound_shipped: int = 0
    inbound_receiving: int = 0

    @property
    def unfulfillable(self) -> int:
        """Units on hand that cannot be sold."""
        return self.customer_damaged + self.warehouse_damaged + self.defective

    @property
    def on_hand(self) -> int:
        """Units in the warehouse, whatever their state; a unit under research counts until it is written off."""
        return self.fulfillable + self.reserved + self.researching + self.unfulfillable

    @property
    def inbound(self) -> int:
        """Units on their way to the warehouse."""
        return self.inbound_working + self.inbound_shipped + self.inbound_receiving


class Movement(NamedTuple):
    """One change of stock.

    Attributes:
        at: epoch second.
        kind: one of this module's kinds, `START` to `INBOUND_RECEIVING`.
        quantity: units, always positive.
        disposition: for a return, where the unit went: `SELLABLE` or what is wrong with it; else empty.
        reference: the order or inbound shipment it belongs to; else empty.
        after: the levels that result.
    """

    at: int
    kind: str
    quantity: int
    disposition: str
    reference: str
    after: Levels


# What each kind does: which level it takes from and which it adds to ("" = outside the warehouse).
_FLOWS: dict[str, tuple[int | None, int | None]] = {
    START: (None, 0),
    RECEIVED: (8, 0),
    RESERVED: (0, 1),
    RELEASED: (1, 0),
    SHIPPED: (1, None),
    DAMAGED: (0, 4),
    MISSING: (0, 2),
    FOUND: (2, 0),
    LOST: (2, None),
    INBOUND_WORKING: (None, 6),
    INBOUND_SHIPPED: (6, 7),
    INBOUND_RECEIVING: (7, 8),
}
_RETURNS_TO = {SELLABLE: 0, CUSTOMER_DAMAGED: 3, WAREHOUSE_DAMAGED: 4, DEFECTIVE: 5}


class Pool:
    """The stock of one SKU in one warehouse: Amazon's in a marketplace's country, or the seller's own.

    Attributes:
        movements: every change, oldest first.
    """

    def __init__(self, sku: str, marketplace_id: str) -> None:
        self.sku = sku
        self.marketplace_id = marketplace_id
        self.movements: list[Movement] = []
        self._times: list[int] = []
        self._now = [0] * len(Levels._fields)

    @property
    def fulfillable(self) -> int:
        """Units that can be sold after the last movement made so far."""
        return self._now[0]

    @property
    def incoming(self) -> int:
        """Units on their way after the last movement made so far."""
        return self._now[6] + self._now[7] + self._now[8]

    def move(self, at: int, kind: str, quantity: int, disposition: str = "", reference: str = "") -> None:
        """Make a movement. Movements are made in the order of time.

        Raises:
            ValueError: it would leave a negative quantity or go back in time: the simulation is wrong.
        """
        source, target = (None, _RETURNS_TO[disposition]) if kind == RETURNED else _FLOWS[kind]
        if self._times and at < self._times[-1]:
            raise ValueError(f"movement {kind} of {self.sku} goes back in time")
        if source is not None:
            self._now[source] -= quantity
            if self._now[source] < 0:
                raise ValueError(f"movement {kind} takes more of {self.sku} than there is")
        if target is not None:
            self._now[target] += quantity
        self.movements.append(Movement(at, kind, quantity, disposition, reference, Levels(*self._now)))
        self._times.append(at)

    def levels(self, at: int) -> Levels:
        """The quantities at an epoch second, movements of that very second included."""
        position = bisect_right(self._times, at)
        return self.movements[position - 1].after if position else Levels()

    def changed_at(self, at: int) -> int | None:
        """The epoch second of the last movement at or before one, or None if there was none."""
        position = bisect_right(self._times, at)
        return self._times[position - 1] if position else None

    def until(self, at: int) -> list[Movement]:
        """The movements at or before an epoch second."""
        return self.movements[: bisect_right(self._times, at)]
