"""The marts' files: fully declared, in order, and unable to reach PII."""

from __future__ import annotations

import pytest

from amzigo_pipelines.assets.mart_definitions import Mart, MartError, check_marts, in_order, parse_mart
from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.registry import STORED
from amzigo_pipelines.resources.marts.duckdb_session import open_sealed_memory
from amzigo_pipelines.resources.marts.staging import create_staging

GOOD = """-- What a row is.
--
-- More of it.
-- @grain order_id
-- @reads staging.orders
-- @column order_id: Which order,
--   told on two lines.
SELECT order_id FROM staging.orders
"""


def test_the_marts_come_in_dependency_order_with_all_declarations(marts: list[Mart]) -> None:
    names = [mart.name for mart in marts]
    assert len(set(names)) == len(names) > 20
    for mart in marts:
        assert all(names.index(name) < names.index(mart.name) for name in mart.depends_on)
        assert list(mart.types) == list(mart.columns)
        assert mart.description
    by_name = {mart.name: mart for mart in marts}
    assert by_name["order_items"].depends_on == ("orders",)
    assert by_name["order_items"].datasets == ("listings", "order_items")
    assert by_name["sales_daily"].grain == ("day", "marketplace_id", "currency")
    assert by_name["sales_daily"].types["ordered_product_sales"] == "DECIMAL(18,4)"


def test_money_is_decimal_and_currency_stands_beside_it(marts: list[Mart]) -> None:
    for mart in marts:
        money = [name for name, kind in mart.types.items() if kind.startswith("DECIMAL")]
        assert not money or "currency" in mart.columns
        if money and "day" in mart.grain:
            assert "currency" in mart.grain


def test_staging_has_no_pii_column() -> None:
    pii = {c.name for d in STORED.values() for c in d if c.retention is RetentionClass.PII}
    with open_sealed_memory() as connection:
        create_staging(connection, "memory")
        found = {
            (table, column)
            for table, column in connection.execute(
                "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'staging'"
            ).fetchall()
        }
    assert pii
    assert {pair for pair in found if pair[1] in pii} == set()
    for dataset in STORED.values():
        there = {column for table, column in found if table == dataset.name}
        assert there == {c.name for c in dataset if c.retention is not RetentionClass.PII} | {"day"}


def test_a_file_is_read() -> None:
    mart = parse_mart("some", GOOD)
    assert mart.description == "What a row is.\n\nMore of it."
    assert mart.columns == {"order_id": "Which order, told on two lines."}
    (checked,) = check_marts([mart])
    assert checked.types == {"order_id": "VARCHAR"}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("-- What a row is.\n--\n-- More of it.\n", "", "has no description"),
        ("-- @grain order_id\n", "", "has no '-- @grain' line"),
        ("-- @reads staging.orders\n", "", "has no '-- @reads' line"),
        ("@grain order_id", "@grain order_id, day", "grain column 'day' has no '-- @column' line"),
        ("order_id: Which order,\n--   told on two lines.", "order_id:", "column 'order_id' has no meaning"),
        ("@grain", "@grian", "unknown or repeated line '-- @grian'"),
        ("--   told", "-- told", "indent what continues"),
    ],
)
def test_a_file_that_lacks_a_declaration_is_refused(old: str, new: str, says: str) -> None:
    with pytest.raises(MartError, match=says):
        parse_mart("some", GOOD.replace(old, new))


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT order_id, status FROM staging.orders", "differ in status"),
        ("SELECT order_id FROM staging.order_items", "reads staging.order_items, but its @reads line says"),
        ("SELECT content AS order_id FROM read_text('/etc/hostname')", "refused by DuckDB"),
        ("SELECT FROM", "refused by DuckDB: syntax error"),
    ],
)
def test_sql_that_does_other_things_than_declared_is_refused(sql: str, says: str) -> None:
    with pytest.raises(MartError, match=says):
        check_marts([parse_mart("some", GOOD.replace("SELECT order_id FROM staging.orders", sql))])


UPSERT = "-- @upsert order_id\n-- @affected SELECT order_id FROM changed.{x}\n-- @slice {y}: order_id\n"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            UPSERT.format(x="staging_orders", y="staging.orders").replace("@upsert order_id", "@upsert day"),
            "names a column of the grain",
        ),
        ("-- @upsert order_id\n", "needs @affected and @slice lines"),
        (
            UPSERT.format(x="staging_orders", y="staging.listings"),
            "'staging.listings', which is not among what it reads",
        ),
        (UPSERT.format(x="nothing", y="staging.orders"), "refused by DuckDB"),
        ("-- @without nothing: order_id: why\n", "write '-- @without dataset: column, column: why they are null'"),
        ("-- @without listings: other: why\n", "a @ line names column 'other'"),
    ],
)
def test_wrong_lines_on_updates_and_gaps_are_refused(lines: str, says: str) -> None:
    with pytest.raises(MartError, match=says):
        check_marts([parse_mart("some", GOOD.replace("-- @column", lines + "-- @column", 1))])


def test_a_mart_that_follows_by_key_reads_only_such(marts: list[Mart]) -> None:
    base = parse_mart("base", GOOD)
    text = GOOD.replace("staging.orders", "base").replace(
        "-- @column", UPSERT.format(x="staging_orders", y="base") + "-- @column"
    )
    with pytest.raises(MartError, match="has @upsert and reads base, which has none"):
        check_marts([base, parse_mart("some", text)])


def test_missing_and_circular_marts_are_refused() -> None:
    a = parse_mart("a", GOOD.replace("@reads staging.orders", "@reads b"))
    b = parse_mart("b", GOOD.replace("@reads staging.orders", "@reads a"))
    with pytest.raises(MartError, match=r"marts/a\.sql reads 'b', but there is no such mart"):
        in_order([a])
    with pytest.raises(MartError, match="circle: "):
        in_order([a, b])
