"""Orders that replace another free of charge, on days that come by the bulk report.

Belongs here: which orders of the report may be replacements, and asking. Does not belong here: lines
(`order_lines.py`), the rest of a window's extraction (`bulk_orders.py`).

In some accounts the report names the order that is replaced; in most it doesn't. But a replacement costs nothing: every
order at 0.00 is asked for with `getOrder`, without any section on buyers or recipients, and that tells.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from amzigo_pipelines.assets.extraction.flatten import FlatOrders
from amzigo_pipelines.assets.extraction.order_rows import flat_orders_of
from amzigo_pipelines.assets.extraction.results import Extraction
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.resources.spapi.errors import BadRequest

MOST_ASKED = 200
"""Orders that are asked for in one window of days at most: beyond `getOrder`'s burst that is 6 minutes."""
_COLUMN = "replaced_order_id"


class Replacements:
    """What is known of replacements in a window of days.

    Args:
        extraction: what it works with.
    """

    def __init__(self, extraction: Extraction) -> None:
        self._extraction = extraction
        self._known: dict[str, str | None] = {}
        self._unasked: set[str] = set()

    def may_be(self, flat: FlatOrders) -> pa.Array:
        """Which orders cost nothing, and of which the report doesn't say whether they replace another."""
        orders = flat.orders
        zero = pa.scalar(0, orders.schema.field("item_amount").type)
        costs_nothing = pc.and_(pc.equal(orders["item_amount"], zero), pc.equal(orders["grand_total"], zero))
        found = pc.and_(pc.fill_null(costs_nothing, False), pc.is_null(orders[_COLUMN]))
        return found.combine_chunks()

    def told(self, flat: FlatOrders) -> FlatOrders:
        """The orders with what they replace, asked for where it was not before.

        Raises:
            SpApiError: an order can't be had.
        """
        ids = flat.orders["order_id"].to_pylist()
        self._ask(zip(ids, flat.orders["marketplace_id"].to_pylist(), strict=True))
        place = flat.orders.schema.get_field_index(_COLUMN)
        values = pa.array([self._known.get(order_id) for order_id in ids], ORDERS.schema.field(_COLUMN).type)
        return FlatOrders(
            flat.orders.set_column(place, flat.orders.schema.field(place), values), flat.items, flat.parents
        )

    def warnings(self) -> list[str]:
        """What a person should know."""
        if not self._unasked:
            return []
        return [
            f"{len(self._unasked):,} orders at 0.00 may be replacements of others and were not asked for, which would "
            "take too long: they count as orders"
        ]

    def _ask(self, orders: Iterable[tuple[str, str | None]]) -> None:
        for order_id, marketplace_id in orders:
            if order_id in self._known:
                continue
            if len(self._known) >= MOST_ASKED:
                self._unasked.add(order_id)
                continue
            try:
                order = self._extraction.partner.get_order(order_id, ("PROCEEDS",), marketplace_id)
            except BadRequest as error:
                if error.status != 404:
                    raise
                self._known[order_id] = None  # too old for the API
                continue
            told = flat_orders_of([order], self._extraction.key).orders[_COLUMN]
            self._known[order_id] = told[0].as_py()
