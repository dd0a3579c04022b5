"""No mart can hold personal data: columns are followed down to the catalog, and what can't be followed is refused."""

from __future__ import annotations

import pytest

from amzigo_pipelines.assets.mart_definitions import Mart, check_marts, parse_mart
from amzigo_pipelines.assets.mart_lineage import LineageError
from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.registry import STORED

HEAD = "-- What a row is.\n-- @grain order_id\n-- @reads {reads}\n-- @column order_id: Which order.\n{more}"


def mart(name: str, sql: str, more: str = "", reads: str = "staging.orders") -> Mart:
    return parse_mart(name, HEAD.format(reads=reads, more=more) + sql)


def test_every_column_of_every_mart_is_followed_to_the_catalog_and_to_no_personal_data(marts: list[Mart]) -> None:
    by_name = {found.name: found for found in marts}
    followed = 0

    def leaves(name: str, column: str) -> set[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        for table, source in by_name[name].lineage[column]:
            found |= leaves(table, source) if table in by_name else {(table, source)}
        return found

    for name, found in by_name.items():
        assert list(found.lineage) == list(found.columns)
        for column in found.columns:
            for table, source in leaves(name, column):
                dataset = STORED.get(table.removeprefix("staging."))
                if dataset is not None and source != "day":
                    followed += 1
                    assert dataset.retention_of(source) is not RetentionClass.PII, (name, column)
    assert followed > 300
    assert ("staging.orders", "buyer_key") in by_name["orders"].lineage["buyer_key"]


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        (
            "WITH a AS (SELECT order_id, buyer_name AS n FROM staging.orders), "
            "b AS (SELECT order_id, UPPER(n) AS m FROM a) SELECT order_id || m AS order_id FROM b",
            r"column order_id reaches personal data: marts.leaky.order_id <- b.m <- a.n <- lake.orders.buyer_name "
            r"\(class pii\)",
        ),
        (
            "SELECT (SELECT MAX(phone) FROM staging.orders) AS order_id FROM staging.orders",
            "marts.leaky.order_id <- lake.orders.phone",
        ),
        (
            "SELECT order_id FROM staging.orders UNION ALL SELECT postal_code FROM staging.orders",
            "marts.leaky.order_id <- lake.orders.postal_code",
        ),
        ("SELECT order_id FROM staging.orders WHERE buyer_email LIKE 'a%'", "filters, joins or sorts by personal data"),
        ("SELECT order_id FROM staging.orders ORDER BY recipient_name", "filters, joins or sorts by personal data"),
        ("SELECT * FROM staging.orders", "its last SELECT has a star"),
        (
            "WITH a AS (SELECT o.* FROM staging.orders AS o) SELECT order_id FROM a",
            "from staging.orders AS o has",
        ),
        ("WITH a AS (SELECT order_id FROM staging.orders) SELECT * FROM a", "its last SELECT has a star"),
        ("SELECT nonsense AS order_id FROM staging.orders", "can't be followed to the catalog: Column 'nonsense'"),
    ],
)
def test_a_mart_that_reaches_personal_data_is_refused_with_the_way(sql: str, says: str) -> None:
    with pytest.raises(LineageError, match=says):
        check_marts([mart("leaky", sql)])


def test_columns_are_followed_through_unions_windows_and_subqueries() -> None:
    sql = (
        "WITH a AS (SELECT order_id, status FROM staging.orders UNION ALL "
        "SELECT order_id, sku FROM staging.order_items) "
        "SELECT a.order_id, MAX(a.status) OVER (PARTITION BY a.order_id) AS last, "
        "(SELECT COUNT(i.asin) FROM staging.order_items AS i WHERE i.order_id = a.order_id) AS n FROM a"
    )
    more = "-- @column last: Last.\n-- @column n: How many.\n"
    (found,) = check_marts([mart("fine", sql, more, "staging.orders, staging.order_items")])
    assert found.lineage["order_id"] == (("staging.order_items", "order_id"), ("staging.orders", "order_id"))
    assert set(found.lineage["last"]) == {
        ("staging.order_items", "order_id"), ("staging.order_items", "sku"),
        ("staging.orders", "order_id"), ("staging.orders", "status"),
    }  # fmt: skip
    assert found.lineage["n"] == (("staging.order_items", "asin"),)
