"""Amazon's transactions as Arrow tables: one of transactions, one of the nodes of their breakdown trees.

Belongs here: the tree, and which columns a node takes from its item and its transaction. Does not belong here: how a
path is followed (`paths.py`), fetching (`transactions.py`).

No value is ever logged or put in an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from amzigo_pipelines.assets.extraction.paths import Flattener, FlattenError, Path, wrong_value
from amzigo_pipelines.catalog.model import BOOLEAN, INTEGER, STRING, Dataset
from amzigo_pipelines.catalog.transactions import TRANSACTION_BREAKDOWNS, TRANSACTIONS
from amzigo_pipelines.resources.quarantine.structure import is_counted, placeholders

_NODE, _ITEM, _PARENT = "breakdowns[].", "items[].", "^"
# Amazon's trees are three or four deep.
_DEEPEST = 20
_EITHER_MARKETPLACE = "sellingPartnerMetadata.marketplaceId"


@dataclass(frozen=True)
class FlatTransactions:
    """Transactions and the nodes of their trees.

    Attributes:
        transactions: rows of the dataset `transactions`, in Amazon's order.
        breakdowns: rows of the dataset `transaction_breakdowns`.
        parents: int64, for each node the row number of its transaction.
        contradictory: how many transactions have nodes that don't add up to their total.
    """

    transactions: pa.Table
    breakdowns: pa.Table
    parents: pa.Array
    contradictory: int


@dataclass
class _Nodes:
    """The nodes of all trees, one list a column."""

    nodes: list[Mapping[str, Any]] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    items: list[int | None] = field(default_factory=list)
    item_indices: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    are_summaries: list[bool] = field(default_factory=list)


def flatten_transactions(rows: Sequence[Mapping[str, Any]]) -> FlatTransactions:
    """Transactions as `listTransactions` gives them.

    Raises:
        FlattenError: a value of the wrong type, or a row without what identifies it or tells its day.
    """
    columns = _flattener(TRANSACTIONS.name, "").columns(rows)
    columns["marketplace_id"] = pc.coalesce(columns["marketplace_id"], columns.pop("_either_marketplace"))
    items: list[Mapping[str, Any]] = []
    counts: list[int] = []
    found = _Nodes()
    for parent, row in enumerate(rows):
        own = _objects(row.get("items"), "items")
        # The transaction's tree sums up those of its items, where these have any.
        _grow(found, parent, None, 0, row.get("breakdowns"), any(item.get("breakdowns") for item in own))
        for index, item in enumerate(own, 1):
            _grow(found, parent, len(items), index, item.get("breakdowns"), False)
            items.append(item)
        counts.append(len(own))
    columns["item_count"] = pa.array(counts, INTEGER)
    transactions = _table(TRANSACTIONS, columns)
    parents = pa.array(found.parents, pa.int64())
    breakdowns = _table(TRANSACTION_BREAKDOWNS, _columns_of(found, items, columns, parents))
    return FlatTransactions(transactions, breakdowns, parents, _contradictory(transactions, breakdowns, parents))


def _columns_of(
    found: _Nodes, items: Sequence[Mapping[str, Any]], transactions: Mapping[str, pa.Array], parents: pa.Array
) -> dict[str, pa.Array]:
    columns = _flattener(TRANSACTION_BREAKDOWNS.name, _NODE).columns(found.nodes)
    places = pa.array(found.items, pa.int64())
    for name, values in _flattener(TRANSACTION_BREAKDOWNS.name, _ITEM).columns(items).items():
        columns[name] = values.take(places)
    by_source = {column.source: column.name for column in TRANSACTIONS if column.source}
    for column in TRANSACTION_BREAKDOWNS:
        if column.source.startswith(_PARENT):
            columns[column.name] = transactions[by_source[column.source.removeprefix(_PARENT)]].take(parents)
    is_whole = pc.equal(pa.array(found.item_indices, INTEGER), 0)
    for name in ("asin", "sku"):
        columns[name] = pc.if_else(is_whole, transactions[name].take(parents), columns[name])
    columns["item_index"] = pa.array(found.item_indices, INTEGER)
    columns["path"] = pa.array(found.paths, STRING)
    columns["depth"] = pa.array(found.depths, INTEGER)
    columns["is_summary"] = pa.array(found.are_summaries, BOOLEAN)
    return columns


def _grow(found: _Nodes, parent: int, item: int | None, item_index: int, tree: object, is_summed_up: bool) -> None:
    for node, path, depth in _walk(_objects(tree, "breakdowns"), "", 1):
        found.nodes.append(node)
        found.parents.append(parent)
        found.items.append(item)
        found.item_indices.append(item_index)
        found.paths.append(path)
        found.depths.append(depth)
        found.are_summaries.append(is_summed_up or bool(node.get("breakdowns")))


def _walk(nodes: Sequence[Mapping[str, Any]], above: str, depth: int) -> Iterator[tuple[Mapping[str, Any], str, int]]:
    if depth > _DEEPEST:
        raise FlattenError(f"a transaction's breakdown is more than {_DEEPEST} levels deep: report this")
    seen: Counter[str] = Counter()
    for node in nodes:
        name = node.get("breakdownType")
        if not isinstance(name, str) or not name:
            raise wrong_value(TRANSACTION_BREAKDOWNS.name, "breakdown_type", "breakdownType", STRING)
        seen[name] += 1
        path = f"{above}{name}" if seen[name] == 1 else f"{above}{name}#{seen[name]}"
        yield node, path, depth
        yield from _walk(_objects(node.get("breakdowns"), "breakdowns"), f"{path}/", depth + 1)


def _objects(value: object, name: str) -> Sequence[Mapping[str, Any]]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(element, dict) for element in value):
        raise wrong_value(TRANSACTION_BREAKDOWNS.name, name, name, None)
    return value


def _contradictory(transactions: pa.Table, breakdowns: pa.Table, parents: pa.Array) -> int:
    sums: dict[int, Decimal] = {}
    amounts = breakdowns["amount"].to_pylist()
    for parent, amount, is_summary in zip(
        parents.to_pylist(), amounts, breakdowns["is_summary"].to_pylist(), strict=True
    ):
        if not is_summary:
            sums[parent] = sums.get(parent, Decimal()) + (amount or 0)
    totals = transactions["total_amount"].to_pylist()
    return sum(1 for parent, total in sums.items() if total != totals[parent])


def _table(dataset: Dataset, columns: Mapping[str, pa.Array]) -> pa.Table:
    columns = dict(columns)
    for name in (*dataset.grain, "posted_at"):
        lacking = columns[name].null_count
        if lacking and is_counted(dataset.name, name, "missing, though it identifies rows or tells their day", lacking):
            columns[name] = placeholders(columns[name])
        elif lacking:
            raise FlattenError(
                f"{lacking} rows for dataset {dataset.name} have no {name}, which is part of what "
                "identifies a row or tells its day: Amazon's format has changed, or the answer is damaged; nothing "
                "was stored"
            )
    return pa.Table.from_arrays([columns[column.name] for column in dataset], schema=dataset.schema)


@cache
def _flattener(name: str, prefix: str) -> Flattener:
    dataset = {TRANSACTIONS.name: TRANSACTIONS, TRANSACTION_BREAKDOWNS.name: TRANSACTION_BREAKDOWNS}[name]
    own = [column for column in dataset if column.source.startswith(prefix) and column.source]
    paths = [Path.parse(column.name, column.source.removeprefix(prefix), column.type) for column in own]
    if dataset is TRANSACTIONS:
        paths.append(Path.parse("_either_marketplace", _EITHER_MARKETPLACE, STRING))
    return Flattener(dataset.name, paths)
