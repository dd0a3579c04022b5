"""The index of columns by which people are found misses none, and the predicate that uses it."""

from __future__ import annotations

import pyarrow as pa

from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.resources.lake.row_match import EMAIL_COLUMNS, ORDER_COLUMN, RowMatch


def test_no_column_that_tells_a_buyer_is_missing() -> None:
    emails = {
        (dataset.name, column.name)
        for dataset in DATASETS.values()
        for column in dataset
        if "email" in column.name or "e-mail" in column.description.lower()
    }
    # The pseudonym is derived from the address and looked at by its own name.
    assert emails - {("orders", "buyer_key")} == set(EMAIL_COLUMNS.items())


def test_personal_columns_are_reached_by_an_order_or_are_nobodys() -> None:
    out_of_reach = {
        (dataset.name, column.name)
        for dataset in DATASETS.values()
        if ORDER_COLUMN not in {c.name for c in dataset}
        for column in dataset
        if column.retention in ("pii", "pseudonym")
    }
    # What Amazon sends under unknown headers of reports about stock and listings: no order, no buyer, 30 days at most.
    assert {name for _, name in out_of_reach} == {"unclassified"}


def test_what_matches() -> None:
    orders = DATASETS["orders"]
    rows = pa.table(
        {
            "order_id": ["1", "2", "3", "4"],
            "buyer_email": [" Anna@X.example", None, "boris@x.example", None],
            "buyer_key": ["a", "a", "b", None],
        }
    )

    def matched(match: RowMatch) -> list[bool]:
        return match.mask(orders, rows).to_pylist()  # type: ignore[no-any-return]

    assert matched(RowMatch()) == [False] * 4
    assert matched(RowMatch(is_all=True)) == [True] * 4
    assert matched(RowMatch(order_ids=frozenset("34"))) == [False, False, True, True]
    assert matched(RowMatch(is_order=lambda order_id: order_id == "2")) == [False, True, False, False]
    assert matched(RowMatch(is_buyer=lambda email: email == "anna@x.example")) == [True, False, False, False]
    assert matched(RowMatch(buyer_key="a")) == [True, True, False, False]
    assert matched(RowMatch(is_buyer_key=lambda key: key == "b", order_ids=frozenset("4"))) == [
        False,
        False,
        True,
        True,
    ]
    assert RowMatch().mask(orders, rows.slice(0, 0)).to_pylist() == []
