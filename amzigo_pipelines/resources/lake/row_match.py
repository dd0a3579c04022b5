"""Which rows of a seller's data are an order's or a buyer's: the one predicate that all who ask it share.

Belongs here: matching rows by order and by buyer. Does not belong here: reading files (`search.py`), what becomes
of rows that match (`writer.py`, `rewrite.py`, `vault.py`), and whose rows are asked for (`tombstones.py`).

Finding, deleting, keeping out and verifying ask this predicate and no other: two of them would drift, and a drift is a
person who was not forgotten.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from amzigo_pipelines.catalog.model import Dataset

ORDER_COLUMN = "order_id"
BUYER_KEY_COLUMN = "buyer_key"
# The column of each dataset that tells who bought. A test says that none is missing.
EMAIL_COLUMNS = {"orders": "buyer_email", "fba_shipments": "buyer_email", "seller_feedback": "rater_email"}

Test = Callable[[str], bool]


def plain_email(email: str) -> str:
    """The one form of an e-mail address in which it is compared: lower case, no white space around it."""
    return email.strip().lower()


def buyer_key_of(email: str, pseudonymiser: bytes) -> str:
    """A buyer's pseudonym, as the column `buyer_key` has it: HMAC-SHA256 of the address under the seller's own key."""
    return hmac.digest(pseudonymiser, plain_email(email).encode(), "sha256").hex()


@dataclass(frozen=True)
class RowMatch:
    """Rows of some orders, of a buyer, or all of them.

    A row matches if any of these does; a dataset that knows neither orders nor buyers has no row that matches.

    Attributes:
        order_ids: orders by their ids.
        is_order: orders by a test of their id; for ids that are known as keyed hashes only.
        is_buyer: buyers by a test of their e-mail address, as `plain_email` gives it.
        emails: a buyer by addresses, as they stand in the rows.
        buyer_key: a buyer by the pseudonym.
        is_buyer_key: buyers by a test of their pseudonym.
        is_all: every row of every dataset.
    """

    order_ids: frozenset[str] = frozenset()
    is_order: Test | None = field(default=None, repr=False)
    is_buyer: Test | None = field(default=None, repr=False)
    emails: frozenset[str] = field(default=frozenset(), repr=False)
    buyer_key: str | None = field(default=None, repr=False)
    is_buyer_key: Test | None = field(default=None, repr=False)
    is_all: bool = False

    def columns(self, dataset: Dataset) -> tuple[str, ...]:
        """The columns of a dataset that it looks at; none where no row can match."""
        wanted = (ORDER_COLUMN, BUYER_KEY_COLUMN, EMAIL_COLUMNS.get(dataset.name, ""))
        return tuple(column.name for column in dataset if column.name in wanted)

    def can_match(self, dataset: Dataset) -> bool:
        """Whether any row of a dataset can match.

        Whoever is known by address or pseudonym alone has none in a dataset that names orders only.
        """
        names = {column.name for column in dataset}
        email = EMAIL_COLUMNS.get(dataset.name, "")
        by_order = bool(self.order_ids) or self.is_order is not None
        by_key = self.buyer_key is not None or self.is_buyer_key is not None
        by_email = bool(self.emails) or self.is_buyer is not None
        return (
            self.is_all
            or (by_order and ORDER_COLUMN in names)
            or (by_key and BUYER_KEY_COLUMN in names)
            or (by_email and email in names)
        )

    def mask(self, dataset: Dataset, table: pa.Table) -> pa.Array:
        """True for each row that matches; columns that the table lacks are not looked at.

        Args:
            dataset: whose rows they are.
            table: rows with some of `columns(dataset)`.
        """
        if self.is_all:
            return pa.repeat(pa.scalar(True), table.num_rows)
        found = pa.repeat(pa.scalar(False), table.num_rows)
        there = set(table.column_names)
        if ORDER_COLUMN in there:
            ids = _combined(table, ORDER_COLUMN)
            if self.order_ids:
                found = pc.or_(found, pc.is_in(ids, pa.array(sorted(self.order_ids), pa.string())))
            if self.is_order is not None:
                found = pc.or_(found, _tested(ids, self.is_order))
        if BUYER_KEY_COLUMN in there:
            keys = _combined(table, BUYER_KEY_COLUMN)
            if self.buyer_key is not None:
                found = pc.or_(found, pc.fill_null(pc.equal(keys, pa.scalar(self.buyer_key)), False))
            if self.is_buyer_key is not None:
                found = pc.or_(found, _tested(keys, self.is_buyer_key))
        email = EMAIL_COLUMNS.get(dataset.name, "")
        if email in there:
            addresses = _combined(table, email)
            if self.emails:
                found = pc.or_(found, pc.is_in(addresses, pa.array(sorted(self.emails), pa.string())))
            if self.is_buyer is not None:
                is_buyer = self.is_buyer
                found = pc.or_(found, _tested(addresses, lambda text: is_buyer(plain_email(text))))
        return found


def _tested(values: pa.Array, test: Test) -> pa.Array:
    # Each different value is tested once: an order has several items, a buyer several orders.
    encoded = values.dictionary_encode()
    passed = pa.array([test(value) for value in encoded.dictionary.to_pylist()], pa.bool_())
    return pc.fill_null(passed.take(encoded.indices), False)


def _combined(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name).combine_chunks()
    return pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
