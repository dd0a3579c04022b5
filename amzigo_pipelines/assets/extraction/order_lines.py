"""From lines of the report of all orders to rows of `orders` and `order_items`, in the schema of the Orders API.

Belongs here: how lines become an order and its items. Does not belong here: fetching (`bulk_orders.py`), what the
report's words mean (`catalog/order_report.py`).

All on whole columns. An order's lines stand together in the report, so of each batch everything but the last order is
whole; that one waits for the next batch. Should an order come back later all the same, it could not be added up any
more: `Scattered` says so, and the caller reads the report again with all lines at hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from amzigo_pipelines.assets.extraction.flatten import FlatOrders, postal_areas, table_of
from amzigo_pipelines.assets.extraction.paths import FlattenError, typed
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES, Marketplace
from amzigo_pipelines.catalog.model import INSTANT, INTEGER, MONEY, STRING, UNCLASSIFIED
from amzigo_pipelines.catalog.order_items import ORDER_ITEMS
from amzigo_pipelines.catalog.order_report import FULFILLED_BY, NON_AMAZON, SALES_CHANNELS, STATUSES
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.reports.values import parse_values

_BY_COUNTRY = {market.country: market.marketplace_id for market in MARKETPLACES.values()}
_AMOUNTS = {
    "item_amount": "item-price",
    "shipping_amount": "shipping-price",
    "gift_wrap_amount": "gift-wrap-price",
    "item_tax": "item-tax",
    "shipping_tax": "shipping-tax",
    "gift_wrap_tax": "gift-wrap-tax",
    "item_discount": "item-promotion-discount",
    "shipping_discount": "ship-promotion-discount",
}
_TAXES = ("item_tax", "shipping_tax", "gift_wrap_tax")
_DISCOUNTS = ("item_discount", "shipping_discount")
_MARKETPLACES = {name: _BY_COUNTRY[country] for name, country in SALES_CHANNELS.items()}
_OF_THE_ORDER = (
    "amazon-order-id",
    "sales-channel",
    "purchase-date",
    "last-updated-date",
    "order-status",
    "fulfillment-channel",
    "ship-service-level",
    "is-business-order",
    "currency",
    "ship-city",
    "ship-state",
    "ship-country",
    "ship-postal-code",
    "purchase-order-number",
)
_REPLACES = ("is-replacement-order", "original-order-id")
_NO_TEXT = pa.scalar(None, STRING)
_TEN_THOUSANDTH = pa.scalar(Decimal("0.0001"), pa.decimal128(5, 4))
_ADDED_UP = ("item_amount", "shipping_amount", "gift_wrap_amount", "tax_amount", "discount_amount")


class Scattered(AmzigoError):
    """Lines of one order do not stand together in the report."""


def flat_orders(batches: Iterable[pa.RecordBatch], market: Marketplace) -> Iterator[FlatOrders]:
    """The orders of a report, batch by batch.

    Args:
        batches: its lines, columns by Amazon's headers.
        market: decides how numbers are written.

    Raises:
        FlattenError: a value of the wrong kind, or a line without what identifies it.
        Scattered: an order came in two places.
    """
    waiting: pa.Table | None = None
    seen = _Seen()
    for batch in batches:
        lines = pa.Table.from_batches([batch])
        if waiting is not None:
            lines = pa.concat_tables([waiting, lines], promote_options="default")
        ids = lines["amazon-order-id"].combine_chunks()
        cut = _last_run(ids)
        waiting = lines.slice(cut)
        if cut:
            yield _flat(lines.slice(0, cut).combine_chunks(), market, seen)
    if waiting is not None and waiting.num_rows:
        yield _flat(waiting.combine_chunks(), market, seen)
    seen.check()


def gathered(batches: Iterable[pa.RecordBatch], market: Marketplace) -> FlatOrders:
    """The same with all lines at hand, for a report whose orders are scattered: in memory, 300 bytes a line."""
    lines = pa.concat_tables([pa.Table.from_batches([b]) for b in batches], promote_options="default")
    # Stable, so that the lines of an order keep their places among each other.
    order = pc.sort_indices(lines, [("amazon-order-id", "ascending")])
    return _flat(lines.take(order).combine_chunks(), market, _Seen())


def _last_run(ids: pa.Array) -> int:
    """Where the last order's lines begin."""
    last, at = ids[-1], len(ids) - 1
    while at and ids[at - 1] == last:
        at -= 1
    return at


class _Seen:
    """Which orders came, in eight bytes an order: their ids themselves would take half of the memory of a download."""

    def __init__(self) -> None:
        self._hashes: list[np.ndarray[Any, Any]] = []

    def add(self, ids: pa.Array) -> None:
        """Note orders, each once."""
        self._hashes.append(np.fromiter(map(hash, ids.to_pylist()), np.int64, len(ids)))

    def check(self) -> None:
        """At the end, since nothing is stored before.

        Raises:
            Scattered: an order came in two places; or, once in a thousand million reports, two orders have one hash.
        """
        hashes = np.concatenate([np.empty(0, np.int64), *self._hashes])
        hashes.sort()
        if (hashes[1:] == hashes[:-1]).any():
            raise Scattered("an order's lines do not stand together in the report of all orders")


def _flat(lines: pa.Table, market: Marketplace, seen: _Seen) -> FlatOrders:
    # One chunk each; asking Arrow to combine it copies it.
    columns = {name: lines[name].chunk(0) for name in lines.column_names}
    ids = columns["amazon-order-id"]
    if ids.null_count or pc.any(pc.equal(ids, "")).as_py():
        raise FlattenError(
            "lines of the report of all orders have no order id: Amazon's format has changed, or the report is "
            "damaged; nothing was stored"
        )
    begins = np.concatenate([[True], np.asarray(pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False))])
    starts = np.flatnonzero(begins)
    seen.add(ids.take(pa.array(starts)))
    parents = np.cumsum(begins) - 1
    amounts = _amounts(columns, market)
    orders = _orders(columns, amounts, starts, parents, market)
    items = _items(columns, amounts, starts, parents, market, orders)
    return FlatOrders(orders, items, pa.array(parents, pa.int64()))


def _orders(
    columns: dict[str, pa.Array],
    amounts: dict[str, pa.Array],
    starts: np.ndarray[Any, Any],
    parents: np.ndarray[Any, Any],
    market: Marketplace,
) -> pa.Table:
    places = pa.array(starts)
    first = {name: columns[name].take(places) for name in (*_OF_THE_ORDER, *_REPLACES) if name in columns}
    rows = len(starts)
    made = {
        "order_id": first["amazon-order-id"],
        "marketplace_id": _words(first["sales-channel"], _MARKETPLACES),
        "sales_channel": _channel(first["sales-channel"]),
        "created_at": _read("orders", "created_at", first["purchase-date"], INSTANT, market),
        "last_updated_at": _read("orders", "last_updated_at", first["last-updated-date"], INSTANT, market),
        "status": _status(first["order-status"]),
        "fulfilled_by": _words(first["fulfillment-channel"], FULFILLED_BY),
        "service_level": pc.utf8_upper(_text(first["ship-service-level"])),
        "programs": pc.if_else(
            pc.equal(pc.utf8_lower(first["is-business-order"]), "true"), pa.scalar("AMAZON_BUSINESS"), _NO_TEXT
        ),
        "currency": _text(first["currency"]),
        "ship_city": _text(first["ship-city"]),
        "ship_state": _text(first["ship-state"]),
        "ship_country": _text(first["ship-country"]),
        "replaced_order_id": _replaced(first),
        "postal_code": _text(first["ship-postal-code"]),
        "purchase_order_number": _text(first["purchase-order-number"]),
        "item_count": pa.array(np.bincount(parents, minlength=rows), INTEGER),
        **_sums(
            {
                "units_ordered": _read("orders", "units_ordered", columns["quantity"], INTEGER, market),
                **{name: amounts[name] for name in (*_ADDED_UP, "proceeds_total")},
            },
            parents,
        ),
    }
    made["grand_total"] = made.pop("proceeds_total")
    made["postal_area"] = postal_areas(made["postal_code"], made["ship_country"])
    return table_of(ORDERS, {c.name: made.get(c.name, pa.nulls(rows, c.type)) for c in ORDERS})


def _items(
    columns: dict[str, pa.Array],
    amounts: dict[str, pa.Array],
    starts: np.ndarray[Any, Any],
    parents: np.ndarray[Any, Any],
    market: Marketplace,
    orders: pa.Table,
) -> pa.Table:
    rows = len(parents)
    places = pa.array(parents, pa.int64())
    quantity = _read("order_items", "quantity_ordered", columns["quantity"], INTEGER, market)
    status, item_status = orders["status"].take(places), columns["item-status"]
    is_gone = pc.equal(status, "CANCELLED")
    # "Shipping" is a part of it, and the report doesn't say which.
    shipped = pc.case_when(
        pc.make_struct(pc.equal(item_status, "Shipped"), pc.is_in(item_status, pa.array(["Unshipped", "Cancelled"]))),
        quantity,
        pa.scalar(0, INTEGER),
    )
    left = pc.if_else(pc.fill_null(is_gone, False), pa.scalar(0, INTEGER), pc.subtract(quantity, shipped))
    # The how-manieth line of its order: a stand-in where Amazon names no item, until the API names it.
    number = pa.array(np.arange(rows) - starts[parents] + 1).cast(STRING)
    stand_in = pc.binary_join_element_wise("line", number, ":")
    named = _text(columns["order-item-id"]) if "order-item-id" in columns else pa.nulls(rows, STRING)
    made = {
        "order_id": columns["amazon-order-id"],
        "order_item_id": pc.coalesce(named, stand_in),
        "marketplace_id": orders["marketplace_id"].take(places),
        "order_created_at": orders["created_at"].take(places),
        "last_updated_at": orders["last_updated_at"].take(places),
        "asin": _text(columns["asin"]),
        "sku": _text(columns["sku"]),
        "title": _text(columns["product-name"]),
        "price_designation": pc.if_else(
            pc.equal(columns["price-designation"], "Business Price"), pa.scalar("BUSINESS_PRICE"), _NO_TEXT
        ),
        "quantity_ordered": quantity,
        "quantity_fulfilled": shipped,
        "quantity_unfulfilled": left,
        "currency": _text(columns["currency"]),
        "unit_price": _unit_prices(amounts["item_amount"], quantity),
        "promotion_ids": _text(columns["promotion-ids"]),
        UNCLASSIFIED: columns.get(UNCLASSIFIED, pa.nulls(rows, STRING)),
        **{name: amounts[name] for name in (*_ADDED_UP, "proceeds_total")},
    }
    plain = {
        name: values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        for name, values in made.items()
    }
    return table_of(ORDER_ITEMS, {c.name: plain.get(c.name, pa.nulls(rows, c.type)) for c in ORDER_ITEMS})


def _amounts(columns: dict[str, pa.Array], market: Marketplace) -> dict[str, pa.Array]:
    """Amounts of each line: as given, taxes and discounts added up, and what the buyer pays; null where unpriced."""
    found = {name: _read("order_items", name, columns[header], MONEY, market) for name, header in _AMOUNTS.items()}
    is_priced = pc.is_valid(found["item_amount"])
    found["tax_amount"] = _total([found[name] for name in _TAXES], is_priced, nothing_is_null=True)
    # The report has discounts as positive amounts, the Orders API as negative ones.
    found["discount_amount"] = pc.negate(_total([found[name] for name in _DISCOUNTS], is_priced, nothing_is_null=True))
    parts = [found[name] for name in _ADDED_UP]
    found["proceeds_total"] = _total(parts, is_priced, nothing_is_null=False)
    return found


def _total(parts: list[pa.Array], is_priced: pa.Array, *, nothing_is_null: bool) -> pa.Array:
    nothing = pa.scalar(0, MONEY)
    total = pc.fill_null(parts[0], nothing)
    for part in parts[1:]:
        total = pc.cast(pc.add(total, pc.fill_null(part, nothing)), MONEY)
    keep = pc.and_(is_priced, pc.not_equal(total, nothing)) if nothing_is_null else is_priced
    return pc.if_else(keep, total, pa.scalar(None, MONEY))


def _sums(columns: Mapping[str, pa.Array], parents: np.ndarray[Any, Any]) -> dict[str, pa.Array]:
    """Sums of the values of each order; null where none of its lines has one."""
    # All columns at once: the grouping is what takes time.
    lines = pa.table({**columns, "parent": parents})
    sums = lines.group_by("parent", use_threads=False).aggregate([(name, "sum") for name in columns])
    return {name: sums[f"{name}_sum"].combine_chunks().cast(values.type) for name, values in columns.items()}


def _unit_prices(amounts: pa.Array, quantity: pa.Array) -> pa.Array:
    """Price x units divided by units, where that comes out even; else the report can't tell the price."""
    units = pc.if_else(pc.greater(quantity, 0), quantity, pa.scalar(None, INTEGER))
    minor = pc.cast(
        pc.cast(
            pc.multiply(pc.cast(amounts, pa.decimal128(24, 4)), pa.scalar(10_000, pa.decimal128(5, 0))),
            pa.decimal128(24, 0),
        ),
        INTEGER,
    )
    each = pc.divide(minor, units)
    is_even = pc.equal(pc.multiply(each, units), minor)
    exact = pc.if_else(is_even, each, pa.scalar(None, INTEGER))
    return pc.cast(pc.multiply(pc.cast(exact, pa.decimal128(19, 0)), _TEN_THOUSANDTH), MONEY)


def _read(dataset: str, column: str, texts: pa.Array, type_: pa.DataType, market: Marketplace) -> pa.Array:
    return parse_values(dataset, column, texts, type_, market)


def _text(values: pa.Array) -> pa.Array:
    return typed("orders", "", values, STRING)


def _words(values: pa.Array, meanings: Mapping[str, str]) -> pa.Array:
    return pc.take(pa.array(list(meanings.values())), pc.index_in(values, pa.array(list(meanings))))


def _replaced(first: Mapping[str, pa.Array]) -> pa.Array:
    """The order that each replaces, where the report says it: an original order may be that of an exchange too."""
    flags, originals = (first.get(name) for name in _REPLACES)
    if flags is None or originals is None:
        return pa.nulls(len(first["amazon-order-id"]), STRING)
    is_one = pc.fill_null(pc.equal(pc.utf8_lower(flags), "true"), False)
    return pc.if_else(is_one, _text(originals), _NO_TEXT)


def _channel(values: pa.Array) -> pa.Array:
    return pc.if_else(pc.starts_with(values, NON_AMAZON), pa.scalar("NON_AMAZON"), pa.scalar("AMAZON"))


def _status(values: pa.Array) -> pa.Array:
    found = _words(values, STATUSES)
    if found.null_count:
        raise FlattenError(
            f"{found.null_count} orders of the report of all orders have a status that nobody knows here, and it "
            "decides when personal data must be gone: add it to catalog/order_report.py; nothing was stored"
        )
    return found
