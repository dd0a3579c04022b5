"""What an analyst's SQL may do: read the marts, and nothing else."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from amzigo_pipelines.resources.marts.query import QueryError, QueryTimeout
from tests.warehouse.conftest import DAY, SELLER, World, simple


@pytest.fixture
def published(world: World) -> World:
    simple(world, DAY, count=2)
    world.publish()
    return world


def test_marts_are_in_the_way_and_staging_is_not(published: World) -> None:
    names = {"mart_notes", *(mart.name for mart in published.marts)}
    assert {row["name"] for row in published.rows("SHOW TABLES")} == names
    assert published.one(f"SELECT COUNT(*) AS n FROM {SELLER}.orders") == {"n": 2}
    assert published.rows("DESCRIBE sales_daily")[0]["column_name"] == "day"
    assert published.rows("EXPLAIN SELECT 1")
    assert published.rows("FROM orders LIMIT 0") == []


def test_every_table_and_column_of_the_marts_is_commented(published: World) -> None:
    tables = published.rows(
        "SELECT table_name, comment FROM duckdb_tables() WHERE schema_name = 'main' "
        "UNION ALL SELECT view_name, comment FROM duckdb_views() WHERE schema_name = 'main' AND NOT internal"
    )
    columns = published.rows("SELECT table_name, column_name, comment FROM duckdb_columns() WHERE schema_name = 'main'")
    columns = [row for row in columns if row["table_name"] in {t["table_name"] for t in tables}]
    assert len(tables) == len(published.marts) + 1
    assert len(columns) > 100
    assert [row for row in [*tables, *columns] if not row["comment"]] == []
    comment = next(
        r["comment"] for r in columns if (r["table_name"], r["column_name"]) == ("sales_daily", "ordered_product_sales")
    )
    assert comment == "Ordered product sales: unit price x units, without tax and shipping."


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELEC 1", 'the query can\'t be read: syntax error at or near "SELEC"'),
        ("SELECT * FROM nowhere", "the query is wrong: Table with name nowhere does not exist!"),
        ("SELECT nothing FROM orders", 'the query is wrong: Referenced column "nothing" not found'),
        ("", "there is no SQL statement"),
        ("-- only a comment", "there is no SQL statement"),
        ("SELECT 1; SELECT 2", "holds 2 statements"),
        ("SELECT 1; DROP TABLE orders", "DROP is refused"),
        ("INSERT INTO orders SELECT * FROM orders", "INSERT is refused"),
        ("UPDATE orders SET status = 'X'", "UPDATE is refused"),
        ("DELETE FROM orders", "DELETE is refused"),
        ("CREATE TABLE memory.main.t AS SELECT 1", "CREATE is refused"),
        ("COPY orders TO '/tmp/out.csv'", "COPY is refused"),
        ("ATTACH ':memory:' AS other", "ATTACH is refused"),
        ("SET memory_limit = '9GB'", "SET is refused"),
        ("CALL force_checkpoint()", "CALL is refused"),
        ("INSTALL spatial", "LOAD is refused"),
        ("SELECT * FROM read_text('/etc/hostname')", "may read the published marts only"),
        ("SELECT * FROM '/etc/hostname'", "the query is wrong: Table with name /etc/hostname does not exist!"),
        ("SELECT CAST(sku AS INTEGER) FROM order_items", "a value does not fit"),
    ],
)
def test_refusals_say_why(published: World, sql: str, says: str) -> None:
    with pytest.raises(QueryError) as caught:
        published.rows(sql)
    assert says in str(caught.value)
    assert "SKU-1" not in str(caught.value)


def test_a_query_that_never_ends_is_stopped(published: World) -> None:
    with pytest.raises(QueryTimeout, match=r"stopped after 0\.3 s"):
        published.warehouse.query(
            SELLER, "SELECT COUNT(*) FROM range(10000000000) AS a, range(1000) AS b", timeout_s=0.3
        )


def test_rows_stream_and_the_timeout_holds_while_they_do(published: World) -> None:
    reader = published.warehouse.query(SELLER, "SELECT range AS n FROM range(10000000000)", timeout_s=0.5)
    assert reader.read_next_batch().column(0)[0].as_py() == 0
    with pytest.raises(QueryTimeout):
        for _ in reader:
            pass


def test_a_query_over_its_memory_is_said(published: World) -> None:
    published.warehouse._memory_limit = "50MB"
    with pytest.raises(QueryError, match="more memory than it may use"):
        published.rows("SELECT COUNT(DISTINCT hash(a) || hash(a + 1)) FROM range(5000000) AS t(a)")


def test_a_connection_for_notebooks_reads_and_does_nothing_else(published: World, tmp_path: Path) -> None:
    mart = published.warehouse.published(SELLER).path
    connection = published.warehouse.connect(SELLER)
    assert connection.execute("SELECT COUNT(*) FROM orders").fetchone() == (2,)
    assert connection.execute("SELECT current_setting('TimeZone')").fetchone() == ("UTC",)
    frame = connection.execute("SELECT 1 AS one").to_arrow_table()
    for sql in (
        f"COPY orders TO '{tmp_path}/out.csv'",
        # Both are let through by enable_external_access = false alone.
        f"COPY (SELECT 'x') TO '{mart}.wal'",
        f"SELECT * FROM read_blob('{mart}')",
        f"ATTACH '{tmp_path}/other.duckdb' AS other",
        "DELETE FROM orders",
        "CREATE TABLE staging.t AS SELECT 1",
        "SET enable_external_access = true",
        "SET disabled_filesystems = ''",
        "INSTALL spatial",
        "SELECT * FROM frame",
    ):
        with pytest.raises(duckdb.Error):
            connection.execute(sql)
    assert frame.num_rows == 1
    assert list(tmp_path.glob("out*")) == []
    assert list(mart.parent.iterdir()) == [mart]
    connection.close()
