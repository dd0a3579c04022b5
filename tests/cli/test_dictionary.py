"""The data dictionary, the notebook, and several sellers side by side: what analysts find."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

import amzigo_pipelines
from amzigo_pipelines.assets.mart_definitions import load_marts
from amzigo_pipelines.catalog.registry import STORED
from amzigo_pipelines.resources.sellers import UnknownSeller
from tests.cli.conftest import Amzigo, Published

ROOT = Path(__file__).parents[2]


def test_every_table_and_column_is_in_it(amzigo: Amzigo) -> None:
    entries = {entry["name"]: entry for entry in json.loads(amzigo("dictionary", "--json").out)}
    wanted = {f"lake/{name}" for name in STORED} | {f"marts/{mart.name}" for mart in load_marts()}
    assert set(entries) == wanted
    for name, dataset in STORED.items():
        told = {c["name"]: c["retention"] for c in entries[f"lake/{name}"]["columns"]}
        assert told == {c.name: c.retention for c in dataset}
    assert all(c["meaning"] and c["type"] for entry in entries.values() for c in entry["columns"])


def test_the_page_in_the_docs_is_what_the_command_prints(amzigo: Amzigo) -> None:
    printed = amzigo("dictionary", "--markdown").out
    assert (ROOT / "docs" / "data-dictionary.md").read_text("utf-8") == printed, "run 'make dictionary'"
    for mart in load_marts():
        assert f"| [`marts/{mart.name}`](#marts{mart.name}) | {', '.join(mart.grain)} | " in printed


def test_one_table_for_a_person(amzigo: Amzigo) -> None:
    shown = amzigo("dictionary", "sales_daily").out
    assert "marts/sales_daily: " in shown and "ordered_product_sales" in shown and "lake/" not in shown
    assert "lake/orders: " in (both := amzigo("dictionary", "orders").out) and "marts/orders: " in both


def test_an_unknown_table(amzigo: Amzigo) -> None:
    assert amzigo("dictionary", "sale").sentence.startswith("there is no table 'sale': choose one of marts/")


def test_the_notebook_runs(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMZIGO_HOME", str(published.home.path))
    notebook = json.loads((ROOT / "docs" / "notebooks" / "marts.ipynb").read_text("utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell.get("outputs") for cell in notebook["cells"]), "no data is kept in the repository"
    names: dict[str, Any] = {}
    for cell in cells:
        exec(compile(cell.replace("ASYNTHETICEUROPE", published.seller), "notebook", "exec"), names)
    assert len(names["sales"]) > 0 and names["orders"].num_rows > 0


def test_a_connection_for_notebooks(published: Published) -> None:
    with amzigo_pipelines.connect(published.seller, home=published.home.path) as marts:
        assert marts.execute("SELECT COUNT(*) > 0 FROM orders").fetchone() == (True,)
        with pytest.raises(duckdb.Error):
            marts.execute("DELETE FROM orders")
    with pytest.raises(UnknownSeller):
        amzigo_pipelines.connect("NOBODY", home=published.home.path)


def test_several_sellers_stand_side_by_side(amzigo: Amzigo, published: Published) -> None:
    mine, other = published.seller, "BSECONDSELLER"
    from amzigo_pipelines.resources.platform import Platform

    platform = Platform(published.home)
    platform.sellers.add(other, "Second", platform.sellers.get(mine).marketplace_ids, "Atzr|unused")
    query = f"SELECT COUNT(*) AS n FROM {mine}.orders"
    assert amzigo("sql", "-s", mine, "-s", other, query).sentence.startswith(f"seller {other} has no published marts")
    assert json.loads(amzigo("sql", "-s", mine, "-s", mine, "-f", "json", query).out)[0]["n"] > 0
    assert "say which seller" in amzigo("sql", query).sentence
