"""The pictures in Dagster's metadata: small, readable, and without amounts, counts or products."""

from __future__ import annotations

import base64
import re
from xml.etree import ElementTree

import dagster as dg
import duckdb
import pytest

from amzigo_pipelines.assets.mart_pictures import MAX_BYTES, PICTURES, picture
from amzigo_pipelines.definitions import build_definitions
from amzigo_pipelines.resources.platform import Platform
from tests.report.conftest import FULL

SVG = "{http://www.w3.org/2000/svg}"


def words_of(metadata: dg.MarkdownMetadataValue) -> list[str]:
    """What is written into a picture."""
    assert metadata.md_str is not None
    found = re.fullmatch(r"!\[([^\]]+)\]\(data:image/svg\+xml;base64,([^)]+)\)\n\n(.*)", metadata.md_str)
    assert found, metadata.md_str[:200]
    assert found[3].startswith(found[1]) and "No amounts, as this log is not encrypted" in found[3]
    drawn = ElementTree.fromstring(base64.b64decode(found[2]))
    return [text.text or "" for text in drawn.iter(f"{SVG}text")]


@pytest.mark.parametrize("mart", sorted(PICTURES.keys() - {"buyer_cohorts"}))
def test_a_picture_is_small_and_tells_shares_only(marts: duckdb.DuckDBPyConnection, mart: str) -> None:
    found = picture(marts, mart)
    assert found is not None and found.md_str is not None and len(found.md_str) < MAX_BYTES
    words = words_of(found)
    assert {"CA", "US"} <= set(words)
    # Numbers are whole percents, the index, days, months, or the names of bands and of spans of days.
    told = re.compile(r"\d+%|100|0|\d{4}-\d\d(-\d\d)?|\d+-\d+ days|365\+ days|(under )?\d+( to \d+)? days( and more)?")
    assert all(told.fullmatch(word) for word in words if re.search(r"\d", word)), words
    assert not any("SKU" in word or "." in word for word in words)


def test_the_index_ends_at_100_and_bars_are_the_marts_shares(marts: duckdb.DuckDBPyConnection) -> None:
    found = marts.execute(
        "SELECT SUM(units) FILTER (age_band = '0-90') / SUM(units) FROM inventory_aging WHERE marketplace_id = $1",
        ["ATVPDKIKX0DER"],
    ).fetchone()
    seen = picture(marts, "inventory_aging")
    assert found is not None and seen is not None and f"{float(found[0]):.0%}" in words_of(seen)
    lines = picture(marts, "sales_daily")
    assert lines is not None and words_of(lines)[:2] == ["100", "0"]


def test_cohorts_too_small_to_be_told_are_not_drawn() -> None:
    with duckdb.connect() as connection:
        connection.execute(
            """
            CREATE TABLE buyer_cohorts AS SELECT 'ATVPDKIKX0DER' AS marketplace_id, * FROM (VALUES
                (DATE '2026-08-01', 1, 0.25, false),
                (DATE '2026-09-01', 1, NULL, true),
                (DATE '2026-08-01', 2, 0.5, false)
            ) AS cells (first_month, months_later, retention, is_hidden)
            """
        )
        seen = picture(connection, "buyer_cohorts")
    assert seen is not None and words_of(seen) == ["US", "2026-08", "25%"]


def test_nothing_to_be_seen_is_no_picture(bare_marts: duckdb.DuckDBPyConnection) -> None:
    assert [picture(bare_marts, mart) for mart in PICTURES] == [None] * len(PICTURES)
    assert picture(bare_marts, "orders") is None


def test_a_publish_shows_them_and_nothing_of_the_business(
    platform: Platform, marts: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    job = build_definitions(platform).resolve_job_def("publish_marts")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("seller", [FULL])
        result = job.execute_in_process(instance=instance, partition_key=FULL)
    events = [event.materialization for event in result.get_asset_materialization_events()]
    pictures = {event.asset_key.path[-1] for event in events if "picture" in event.metadata}
    assert pictures - {"buyer_cohorts"} == PICTURES.keys() - {"buyer_cohorts"}
    log = " ".join(str(value) for event in events for value in event.metadata.values())
    for (sku,) in marts.execute("SELECT DISTINCT sku FROM inventory_position").fetchall():
        assert sku not in log
