"""An order as the world knows it: facts, its versions over time, its parcels and returns.

Belongs here: the nouns and what can be read off them. Does not belong here: how they come about (`demand.py`,
`journeys.py`) or how Amazon writes them down (`order_json.py`). Instants are epoch seconds, money is in minor units.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple

from amzigo_pipelines.simulator.catalogue import Listing
from amzigo_pipelines.simulator.marketplaces import Marketplace
from amzigo_pipelines.simulator.people import Person

PENDING = "PENDING"
UNSHIPPED = "UNSHIPPED"
PARTIALLY_SHIPPED = "PARTIALLY_SHIPPED"
SHIPPED = "SHIPPED"
CANCELLED = "CANCELLED"


@dataclass(slots=True)
class Item:
    """One line of an order. Amounts are for the whole line, except `unit_price`.

    Attributes:
        unit_price: what one unit costs; 0 on replacement orders.
        discount: what the seller's promotions take off the goods, positive.
        shipping_discount: what they take off shipping, positive.
        tax, shipping_tax: tax added to the price; 0 where prices include it.
    """

    item_id: str
    listing: Listing
    quantity: int
    unit_price: int
    shipping: int
    gift_wrap: int
    discount: int
    shipping_discount: int
    tax: int
    shipping_tax: int
    promotions: tuple[str, ...]
    is_business_price: bool
    gift_message: str
    customised_url: str

    @property
    def goods(self) -> int:
        """Price times units: the ordered product sales of the line."""
        return self.unit_price * self.quantity

    @property
    def total(self) -> int:
        """All that the line brings in."""
        return (
            self.goods
            + self.shipping
            + self.gift_wrap
            + self.tax
            + self.shipping_tax
            - self.discount
            - self.shipping_discount
        )


@dataclass(slots=True)
class Parcel:
    """One shipment of an order. `delivered_at` is the truth that no API tells for orders that Amazon ships."""

    number: int
    packed_at: int
    shipped_at: int
    delivered_at: int
    contents: tuple[tuple[int, int], ...]  # (position of the item, units)
    carrier: str
    service: str
    tracking_number: str


class Version(NamedTuple):
    """The state of an order from one instant on.

    Attributes:
        at: its `lastUpdatedTime`.
        status: Amazon's fulfilment status.
        shipped: units shipped, by item.
        parcel_states: what Amazon knows of each parcel: (status, detailed status); empty before there is one.
    """

    at: int
    status: str
    shipped: tuple[int, ...]
    parcel_states: tuple[tuple[str, str], ...]


class Return(NamedTuple):
    """Units that came back.

    Attributes:
        requested_at: when the buyer asked for it.
        at: when the units arrived.
        comment: the buyer's words, or empty.
        tracking_number: of the parcel back to a merchant; Amazon tells none of its own.
    """

    requested_at: int
    at: int
    item: int
    quantity: int
    disposition: str
    reason: str
    comment: str
    tracking_number: str


class Feedback(NamedTuple):
    """What a buyer says of the seller: 1 to 5 stars, in words that are the buyer's."""

    at: int
    rating: int
    comment: str


@dataclass(slots=True)
class Order:
    """One order with all that will become of it.

    Attributes:
        recipient: to whom it goes: the buyer, or the one a gift is for.
        cancelled_by: `BUYER`, `MERCHANT`, `AMAZON`, or empty.
    """

    number: int
    order_id: str
    market: Marketplace
    buyer: Person
    recipient: Person
    created_at: int
    channel: str
    items: list[Item]
    programs: tuple[str, ...]
    service_level: str
    ship_by: tuple[int, int]
    deliver_by: tuple[int, int]
    replaces: str = ""
    purchase_order: str = ""
    payment_code: str = ""
    seller_alias: str = ""
    cancelled_by: str = ""
    cancel_request: str = ""
    cancel_reason: str = ""
    versions: list[Version] = field(default_factory=list)
    parcels: list[Parcel] = field(default_factory=list)
    returns: list[Return] = field(default_factory=list)
    feedback: Feedback | None = None

    @property
    def is_business(self) -> bool:
        """Whether a business account ordered."""
        return "AMAZON_BUSINESS" in self.programs

    @property
    def total(self) -> int:
        """All that the order brings in."""
        return sum(item.total for item in self.items)

    @property
    def delivered_at(self) -> int | None:
        """When the last parcel truly arrived, or None if there will never be one."""
        return max((p.delivered_at for p in self.parcels), default=None)

    def version_at(self, now: int) -> int | None:
        """The position of the version that holds at an instant, or None before the order exists."""
        position = bisect_right(self.versions, now, key=_version_time)
        return position - 1 if position else None

    def was_priced(self, version: int) -> bool:
        """Whether a version shows prices: one that is or was accepted, not one pending payment."""
        # Every accepted order passes through UNSHIPPED as its second version.
        return version >= 1 and self.versions[1].status == UNSHIPPED

    def personal_strings(self) -> list[str]:
        """Strings of this order, beyond its people's own, that identify somebody."""
        out = [self.purchase_order, self.payment_code, self.cancel_request]
        for item in self.items:
            out += [item.gift_message, item.customised_url]
        out += [parcel.tracking_number for parcel in self.parcels]
        for back in self.returns:
            out += [back.comment, back.tracking_number]
        if self.feedback is not None:
            out.append(self.feedback.comment)
        return [text for text in out if text]


def _version_time(version: Version) -> int:
    return version.at
