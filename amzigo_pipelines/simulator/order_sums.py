"""The Sales API's sums of orders: by the time they were placed, as they stand when asked.

Belongs here: which orders count, and how they are cut into intervals. Does not belong here: parameters and JSON
(`api_sales.py`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from amzigo_pipelines.simulator.catalogue import AMAZON
from amzigo_pipelines.simulator.marketplaces import Marketplace
from amzigo_pipelines.simulator.orders import CANCELLED, Item, Order
from amzigo_pipelines.simulator.seller_world import SellerWorld


@dataclass(frozen=True)
class OrderFilter:
    """Which orders and items count; an empty text counts all.

    Attributes:
        buyer_type: `B2B` or `B2C`.
        network: `AFN` or `MFN`.
        asin, sku: items of this product alone.
    """

    buyer_type: str = ""
    network: str = ""
    asin: str = ""
    sku: str = ""

    def items(self, order: Order) -> list[Item]:
        """The items of an order that count."""
        if self.buyer_type and order.is_business != (self.buyer_type == "B2B"):
            return []
        if self.network and (order.channel == AMAZON) != (self.network == "AFN"):
            return []
        return [
            item for item in order.items if self.asin in ("", item.listing.asin) and self.sku in ("", item.listing.sku)
        ]


@dataclass
class Sums:
    """Sums of an interval. `sales` is in minor units: price times units, without tax and shipping."""

    orders: int = 0
    order_items: int = 0
    units: int = 0
    sales: int = 0


def order_sums(
    seller: SellerWorld, market: Marketplace, edges: Sequence[int], as_of: int, which: OrderFilter
) -> list[Sums]:
    """The sums of the intervals between edges (epoch seconds; the first included, the next not).

    Every order counts that is not cancelled at the instant asked about, pending ones too.
    """
    found = [Sums() for _ in edges[1:]]
    for order, version in seller.created_between(edges[0], edges[-1] - 1, as_of, (0, "")):
        if order.market.marketplace_id != market.marketplace_id or order.versions[version].status == CANCELLED:
            continue
        if items := which.items(order):
            sums = found[bisect_right(edges, order.created_at) - 1]
            sums.orders += 1
            sums.order_items += len(items)
            sums.units += sum(item.quantity for item in items)
            sums.sales += sum(item.goods for item in items)
    return found
