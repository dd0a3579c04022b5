"""`amzigo costs import`: all of a file or nothing, with a sentence that tells lines; and what the plan makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from amzigo_pipelines.catalog.product_costs import PRODUCT_COSTS
from amzigo_pipelines.resources.platform import Platform

from .conftest import Amzigo, Outcome, Published

Attempt = Callable[..., Outcome]
HEADER = "marketplace,sku,currency,unit_cost,lead_time_days,service_level"


@pytest.fixture
def skus(published: Published, amzigo: Amzigo) -> list[str]:
    """SKUs with stock in the USA."""
    sql = "SELECT sku FROM inventory_position WHERE marketplace = 'US' ORDER BY sku"
    return [row["sku"] for row in json.loads(amzigo("sql", "--format", "json", sql).out)]


@pytest.fixture
def attempt(amzigo: Amzigo, published: Published, tmp_path: Path) -> Attempt:
    """Import the text of a file."""

    def run(text: str | bytes, *options: str) -> Outcome:
        file = tmp_path / "costs.csv"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return amzigo("costs", "import", str(file), "--seller", published.seller, *options)

    return run


def stored(published: Published) -> int:
    return sum(record.rows for record in Platform(published.home).lake.partitions(published.seller, PRODUCT_COSTS))


def test_costs_reach_the_reorder_plan_encrypted(
    attempt: Attempt, amzigo: Amzigo, published: Published, skus: list[str]
) -> None:
    lines = [HEADER, f"US,{skus[0]},USD,12.3456,14,0.98", f"us,{skus[1]},usd,3,,"]
    outcome = attempt("\ufeff" + "\r\n".join(lines) + "\r\n")
    assert (outcome.code, outcome.err) == (0, "")
    assert "imported costs of 2 SKUs in US" in outcome.out
    assert amzigo("publish", "--seller", published.seller).code == 0
    sql = (
        "SELECT sku, unit_cost, lead_time_days AS l, service_level AS s, plan_note FROM reorder_plan "
        "WHERE marketplace_id = 'ATVPDKIKX0DER' ORDER BY sku LIMIT 3"
    )
    first, second, third = json.loads(amzigo("sql", "--format", "json", sql).out)
    assert (float(first["unit_cost"]), first["l"], first["s"], first["plan_note"]) == (12.3456, 14, 0.98, None)
    assert (float(second["unit_cost"]), second["l"], second["s"]) == (3, None, 0.95)
    assert "no lead time" in second["plan_note"] and "no costs" in third["plan_note"]
    files = Platform(published.home).lake.files(PRODUCT_COSTS, published.seller)
    assert [str(file.family) for file in files] == ["business"]
    folder = published.home.lake_dir / "product_costs"
    assert not any(skus[0].encode() in file.read_bytes() for file in folder.rglob("*.parquet"))
    # A second import on the same day replaces the first as a whole.
    assert json.loads(attempt(f"{HEADER}\nUS,{skus[2]},USD,1,1,\n", "--json").out)["skus"] == {"US": 1}
    assert stored(published) == 1


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("US,{sku},USD,1,,\nUS,{sku},USD,2,,", "line 3: SKU '{sku}' stands in line 2 already for the same marketplace"),
        ("US,NEVER-SEEN,USD,1,,", "line 2: SKU 'NEVER-SEEN' is not known in US"),
        ("US,,USD,1,,", "line 2: sku is empty"),
        ("US,{sku},EUR,1,,", "line 2: currency 'EUR' is not that of US, USD: costs are never converted"),
        ("DE,{sku},EUR,1,,", "line 2: marketplace 'DE' is none in which the seller sells (US"),
        ("US,{sku},USD,,,", "line 2: unit_cost is empty"),
        ("US,{sku},USD,NaN,,", "line 2: unit_cost 'NaN' is no number"),
        ("US,{sku},USD,1e3,,", "line 2: unit_cost '1e3' is no number: write it as 1234.50"),
        ('US,{sku},USD,"3,50",,', "line 2: unit_cost '3,50' is no number: write it as 1234.50"),
        (
            "US,{sku},USD,3,50,,",
            "line 2: 7 values under 6 headers; decimals have a point, and a value that holds a comma",
        ),
        ('US,{sku},USD,"1,234.50",,', "line 2: unit_cost '1,234.50' is no number: write it as 1234.50"),
        ("US,{sku},USD,$3.50,,", "line 2: unit_cost '$3.50' is no number: write it as 1234.50"),
        ("US,{sku},USD,3,abc,", "line 2: lead_time_days 'abc' is no number"),
        ("\n\nUS,,USD,1,,", "line 4: sku is empty"),
        ("US,{sku},USD,-1,,", "line 2: unit_cost -1 is not between 0 and"),
        ("US,{sku},USD,1.23456,,", "line 2: unit_cost 1.23456 has more than four decimals"),
        ("US,{sku},USD,1,2.5,", "line 2: lead_time_days 2.5 is no whole number"),
        ("US,{sku},USD,1,5,1.5", "line 2: service_level 1.5 is not between 0.5 and 0.999"),
        ("US,{sku},USD,1,5", "line 2: 5 values under 6 headers"),
        ('US,"{sku},USD,1,5,', "is no CSV file in line 3: unexpected end"),
        ("", "has a header and no line of costs"),
    ],
)
def test_one_wrong_line_and_nothing_is_imported(
    attempt: Attempt, published: Published, skus: list[str], line: str, says: str
) -> None:
    good = f"\nUS,{skus[1]},USD,1,1,0.9" if line else ""
    outcome = attempt(f"{HEADER}\n{line.format(sku=skus[0])}{good}\n")
    assert says.format(sku=skus[0]) in outcome.sentence
    assert stored(published) == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sku,currency,unit_cost\n", "the header of costs.csv lacks 'marketplace'"),
        (HEADER + ",colour\n", "has unknown 'colour'"),
        (HEADER + ",sku\n", "has twice 'sku'"),
        (HEADER + ",\n", "column 7 in the header of costs.csv has no name: give it one, or remove it"),
        ("", "costs.csv is empty: its first line is a header with marketplace, sku, currency, unit_cost"),
        ("\n \n", "costs.csv is empty"),
        ("\n" + HEADER + "\n", "lacks 'marketplace', 'sku'"),
        (HEADER.encode("utf-16"), "is not in UTF-8 (line 1): save it as 'CSV UTF-8'"),
        (HEADER.encode() + b"\nUS,\xff,USD,1,,\n", "is not in UTF-8 (line 2)"),
    ],
)
def test_a_file_that_is_not_one_of_costs_is_refused(
    attempt: Attempt, published: Published, text: str | bytes, says: str
) -> None:
    assert says in attempt(text).sentence


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_spreadsheets_other_ways_of_writing_it(
    attempt: Attempt, published: Published, skus: list[str], separator: str
) -> None:
    lines = [HEADER, f"US,{skus[0]},USD,12.50,14,", "", f"US,{skus[1]},USD,3,,"]
    text = "\ufeff" + "\r\n".join(line.replace(",", separator) for line in lines) + "\r\n"
    assert "imported costs of 2 SKUs in US" in attempt(text).out and stored(published) == 2
    comma = text.replace("12.50", "12,50")
    assert "line 2: unit_cost '12,50' is no number: write it as 1234.50" in attempt(comma).sentence
    assert stored(published) == 2


def test_many_problems_are_counted(attempt: Attempt, published: Published) -> None:
    lines = "\n".join(f"US,NEVER-{n},USD,1,," for n in range(8))
    sentence = attempt(f"{HEADER}\n{lines}\n").sentence
    assert "line 6: SKU 'NEVER-4' is not known" in sentence and sentence.endswith("; and 3 more")


def test_without_any_known_sku_the_file_cant_be_checked(amzigo: Amzigo, seller: str, tmp_path: Path) -> None:
    file = tmp_path / "costs.csv"
    file.write_text(HEADER + "\n")
    assert "run 'amzigo extract" in amzigo("costs", "import", str(file), "--seller", seller).sentence
    missing = amzigo("costs", "import", str(tmp_path / "none.csv"), "--seller", "ANOBODY01")
    assert missing.code == 1
