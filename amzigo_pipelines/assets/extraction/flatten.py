"""Amazon's pages as Arrow tables of the catalog's schemas.

Belongs here: which columns come from where in each dataset, and the columns that we derive ourselves. Does not belong
here: how a path is followed (`paths.py`), and fetching.

No value is ever logged or put in an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from amzigo_pipelines.assets.extraction.paths import Flattener, FlattenError, Path, per_parent, typed, wrong_value
from amzigo_pipelines.catalog.fba_inventory import FBA_INVENTORY
from amzigo_pipelines.catalog.model import INSTANT, INTEGER, STRING, UNCLASSIFIED, Dataset
from amzigo_pipelines.catalog.order_items import ORDER_ITEMS
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.resources.lake.row_match import buyer_key_of, plain_email
from amzigo_pipelines.resources.quarantine.structure import is_counted, placeholders

# Characters of the postal code that tell a coarse area: the first three digits are some hundred places in the United
# States, Canada, Mexico and Japan, two the ten dozen regions of Germany, and a safe default elsewhere.
_AREA_LENGTH = {"US": 3, "CA": 3, "MX": 3, "JP": 3}
_AREA_LENGTH_ELSEWHERE = 2
# A British code ends in the inward part: a digit and two letters.
_GB_INWARD_LENGTH = 3


@dataclass(frozen=True)
class FlatOrders:
    """Orders and their items.

    Attributes:
        orders: rows of the dataset `orders`, in Amazon's order.
        items: rows of the dataset `order_items`.
        parents: int64, for each item the row number of its order.
    """

    orders: pa.Table
    items: pa.Table
    parents: pa.Array


def flatten_orders(orders: Sequence[Mapping[str, Any]], key: bytes) -> FlatOrders:
    """Orders as `searchOrders` and `getOrder` give them.

    Args:
        orders: JSON objects.
        key: the seller's own key for `buyer_key`, 32 bytes.

    Raises:
        FlattenError: a value of the wrong type, or a row without what identifies it.
    """
    columns = _orders_flattener().columns(orders)
    items, parents = _items_of(orders)
    item_columns = _items_flattener().columns(items)
    rows = len(orders)
    columns["package_count"] = _package_counts(orders)
    columns["first_shipped_at"], columns["last_shipped_at"] = _ship_times(orders)
    columns["item_count"] = pa.array(np.bincount(parents, minlength=rows), INTEGER)
    columns["units_ordered"] = _sums(item_columns["quantity_ordered"], parents, rows)
    columns["buyer_key"] = buyer_keys(columns["buyer_email"], key)
    columns["postal_area"] = postal_areas(columns["postal_code"], columns["ship_country"])
    places = pa.array(parents, pa.int64())
    for name, source in _inherited().items():
        item_columns[name] = columns[source].take(places)
    # Fields of JSON are taken by name: there is no surplus, as there is in the columns of a report.
    item_columns[UNCLASSIFIED] = pa.nulls(len(items), STRING)
    return FlatOrders(table_of(ORDERS, columns), table_of(ORDER_ITEMS, item_columns), places)


def flatten_inventory(summaries: Sequence[Mapping[str, Any]], marketplace_id: str, taken_at: datetime) -> pa.Table:
    """FBA stock of one marketplace, as `getInventorySummaries` gives it.

    Raises:
        FlattenError: a value of the wrong type, or a summary without SKU.
    """
    columns = _flattener(FBA_INVENTORY.name).columns(summaries)
    return table_of(FBA_INVENTORY, columns | _constants(len(summaries), marketplace_id, taken_at))


def table_of(dataset: Dataset, columns: Mapping[str, pa.Array]) -> pa.Table:
    """Columns as a table of the dataset's schema.

    Raises:
        FlattenError: a row without what identifies it.
    """
    columns = dict(columns)
    for name in dataset.grain:
        lacking = columns[name].null_count
        if lacking and is_counted(dataset.name, name, "missing, though it identifies rows", lacking):
            columns[name] = placeholders(columns[name])
        elif lacking:
            raise FlattenError(
                f"{lacking} rows for dataset {dataset.name} have no {name}, which is part of what "
                "identifies a row: Amazon's format has changed, or the answer is damaged; nothing was stored"
            )
    return pa.Table.from_arrays([columns[column.name] for column in dataset], schema=dataset.schema)


def buyer_keys(emails: pa.Array, key: bytes) -> pa.Array:
    """HMAC-SHA256 of each e-mail, lower-cased and stripped, as hexadecimal; null where there is none."""

    def keyed(email: str | None) -> str | None:
        return buyer_key_of(email, key) if email and plain_email(email) else None

    return pa.array([keyed(email) for email in emails.to_pylist()], STRING)


def postal_areas(postal_codes: pa.Array, countries: pa.Array) -> pa.Array:
    """The coarse area of each postal code; null where the code is too short to have one.

    US, CA, MX, JP: the first 3 characters. GB: the outward code (all but the last 3). Elsewhere: the first 2. Spaces
    and case don't count.
    """
    # On whole columns: a report of all orders has hundreds of thousands of them.
    codes = pc.utf8_upper(pc.replace_substring_regex(postal_codes, r"[\s\p{Z}]+", ""))
    areas = pc.utf8_slice_codeunits(codes, 0, _AREA_LENGTH_ELSEWHERE)
    # A code no longer than its area would be kept whole: that is no coarse area.
    is_long_enough = pc.greater(pc.utf8_length(codes), _AREA_LENGTH_ELSEWHERE)
    for length in set(_AREA_LENGTH.values()):
        own = [country for country, its_length in _AREA_LENGTH.items() if its_length == length]
        is_own = pc.is_in(countries, pa.array(own, STRING))
        areas = pc.if_else(is_own, pc.utf8_slice_codeunits(codes, 0, length), areas)
        is_long_enough = pc.if_else(is_own, pc.greater(pc.utf8_length(codes), length), is_long_enough)
    is_british = pc.is_in(countries, pa.array(["GB"], STRING))
    least = _AREA_LENGTH_ELSEWHERE + _GB_INWARD_LENGTH
    areas = pc.if_else(is_british, pc.utf8_slice_codeunits(codes, 0, -_GB_INWARD_LENGTH), areas)
    is_long_enough = pc.if_else(is_british, pc.greater_equal(pc.utf8_length(codes), least), is_long_enough)
    return pc.if_else(is_long_enough, areas, pa.scalar(None, STRING))


def _items_of(orders: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], np.ndarray[Any, Any]]:
    items: list[Mapping[str, Any]] = []
    counts = np.empty(len(orders), dtype=np.int64)
    for number, order in enumerate(orders):
        own = order.get("orderItems")
        if not isinstance(own, list) or not all(isinstance(item, dict) for item in own):
            raise wrong_value(ORDERS.name, "item_count", "orderItems", None)
        items += own
        counts[number] = len(own)
    return items, np.repeat(np.arange(len(orders)), counts)


def _package_counts(orders: Sequence[Mapping[str, Any]]) -> pa.Array:
    # The paths have checked that packages are a list, if they are there. Absent is not zero: FBA parcels are not told.
    return pa.array([None if (own := order.get("packages")) is None else len(own) for order in orders], INTEGER)


def _ship_times(orders: Sequence[Mapping[str, Any]]) -> tuple[pa.Array, pa.Array]:
    packages = [(n, p.get("shipTime")) for n, o in enumerate(orders) for p in o.get("packages") or () if p]
    shipped = [(number, time) for number, time in packages if time]
    numbers = np.array([number for number, _ in shipped], dtype=np.int64)
    try:
        texts = pa.array([time for _, time in shipped], STRING)
    except (ValueError, TypeError):
        raise wrong_value(ORDERS.name, "last_shipped_at", "packages[].shipTime", INSTANT) from None
    times = typed(ORDERS.name, "last_shipped_at", texts, INSTANT)
    ends = pa.table({"n": numbers, "t": times}).group_by("n").aggregate([("t", "min"), ("t", "max")])
    places = np.full(len(orders), -1, dtype=np.int64)
    places[ends["n"].to_numpy()] = np.arange(len(ends))
    where = pa.array(places, mask=places < 0)
    return ends["t_min"].combine_chunks().take(where), ends["t_max"].combine_chunks().take(where)


def _sums(values: pa.Array, parents: np.ndarray[Any, Any], rows: int) -> pa.Array:
    """Sums of the values of each parent; null where a value is missing."""
    numbers = pc.fill_null(values, 0).to_numpy(zero_copy_only=False)
    running = np.concatenate([[0], np.cumsum(numbers)])
    offsets = per_parent(parents, rows)
    sums = running[offsets[1:]] - running[offsets[:-1]]
    lacking = np.zeros(rows, dtype=bool)
    lacking[parents[pc.is_null(values).to_numpy(zero_copy_only=False)]] = True
    return pa.array(sums, INTEGER, mask=lacking)


def _constants(rows: int, marketplace_id: str, taken_at: datetime) -> dict[str, pa.Array]:
    return {
        "marketplace_id": pa.repeat(pa.scalar(marketplace_id, STRING), rows),
        "taken_at": pa.repeat(pa.scalar(taken_at, INSTANT), rows),
    }


@cache
def _orders_flattener() -> Flattener:
    return _flattener(ORDERS.name)


@cache
def _items_flattener() -> Flattener:
    own = [c for c in ORDER_ITEMS if c.source and not c.source.startswith("^")]
    return Flattener(ORDER_ITEMS.name, [Path.parse(c.name, c.source, c.type) for c in own])


@cache
def _inherited() -> dict[str, str]:
    """For each item column that comes from the order (`^`), the order's column of the same source."""
    by_source = {column.source: column.name for column in ORDERS if column.source}
    return {c.name: by_source[c.source[1:]] for c in ORDER_ITEMS if c.source.startswith("^")}


@cache
def _flattener(name: str) -> Flattener:
    dataset = {ORDERS.name: ORDERS, FBA_INVENTORY.name: FBA_INVENTORY}[name]
    return Flattener(name, [Path.parse(c.name, c.source, c.type) for c in dataset if c.source])
