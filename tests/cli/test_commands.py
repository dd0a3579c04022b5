"""The commands as a user meets them: connect, extract, publish, ask, forget."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date

import pytest

from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.resources.home import Home
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.simulator.server import SimulatorServer

from .conftest import Amzigo


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from amzigo_pipelines.cli.main import app\n"
        "print([m for m in ('dagster', 'pyarrow', 'duckdb', 'pandas', 'sqlalchemy', 'rich') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


COMMANDS = (
    "init, doctor, demo, dev, simulator, seller authorize, seller add, seller token, seller marketplaces, seller list, "
    "seller remove, credentials status, credentials rotate, credentials rotated, "
    "extract, publish, sql, report, dictionary, retention status, retention plan, retention run, "
    "quality run, quality status"
)


@pytest.mark.parametrize("words", ["", *COMMANDS.split(", ")])
def test_every_command_has_help(amzigo: Amzigo, words: str) -> None:
    outcome = amzigo(*words.split(), "--help")
    assert outcome.code == 0
    assert "Usage: amzigo" in outcome.out


def test_from_connecting_a_seller_to_forgetting_it(
    amzigo: Amzigo, home: Home, simulator: SimulatorServer, yesterday: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = simulator.world.profile(simulator.world.seller_ids[0])
    monkeypatch.setenv("AMZIGO_REFRESH_TOKEN", profile.refresh_token)
    assert "No seller is connected yet" in amzigo("seller", "list").out
    assert amzigo("seller", "add", profile.seller_id, "-m", "US", "-m", "ca", "--name", "North").code == 0
    listed = json.loads(amzigo("seller", "list", "--json").out)
    assert [(line["seller"], line["marketplaces"]) for line in listed] == [(profile.seller_id, "US, CA")]

    extracted = amzigo(
        "extract", "-s", profile.seller_id, "--from", str(home.first_day), "--to", str(yesterday), "--json"
    )
    assert extracted.code == 0, extracted.err
    rows = json.loads(extracted.out)["rows"]
    assert rows.keys() == {name for name, dataset in DATASETS.items() if not dataset.source.is_optional}
    assert all(rows[name] > 0 for name in ("orders", "order_items", "fba_inventory", "listings"))
    assert amzigo("publish", "-s", profile.seller_id).code == 0
    answer = amzigo("sql", "--format", "json", "SELECT count(*) AS n FROM orders")
    assert 0 < json.loads(answer.out)[0]["n"] <= rows["orders"]
    assert "nothing was due" in amzigo("retention", "run").out
    doctor = amzigo("doctor", "--json")
    assert doctor.code == 0, doctor.out

    removed = amzigo("seller", "remove", profile.seller_id, "--yes")
    assert removed.code == 0, removed.err
    platform = Platform(home)
    assert platform.keys.alive(profile.seller_id) == []
    assert [p for p in home.lake_dir.rglob("*.parquet")] == []
    assert [p for p in home.marts_dir.rglob("*.duckdb")] == []
    assert amzigo("sql", "-s", profile.seller_id, "SELECT 1").code == 1


def test_extraction_runs_are_in_dagsters_history(amzigo: Amzigo, home: Home, seller: str, yesterday: date) -> None:
    assert amzigo("extract", "-s", seller).code == 0
    import dagster as dg

    with dg.DagsterInstance.from_config(str(home.dagster_dir)) as instance:
        keys = instance.get_materialized_partitions(dg.AssetKey(["lake", "orders"]))
        assert keys == {f"{yesterday}|{seller}"}


def test_a_new_refresh_token_replaces_a_revoked_one(
    amzigo: Amzigo, home: Home, simulator: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = simulator.world.profile(simulator.world.seller_ids[0])
    Platform(home).sellers.add(profile.seller_id, "Test", profile.marketplace_ids, "Atzr|revoked")
    refused = amzigo("extract", "-s", profile.seller_id).sentence
    assert f"amzigo seller token {profile.seller_id}" in refused
    monkeypatch.setenv("AMZIGO_REFRESH_TOKEN", "Atzr|two\nlines")
    assert "no usable refresh token" in amzigo("seller", "token", profile.seller_id).sentence
    monkeypatch.setenv("AMZIGO_REFRESH_TOKEN", profile.refresh_token)
    assert "there is no seller" in amzigo("seller", "token", "ANOBODY01").sentence
    assert amzigo("seller", "token", profile.seller_id).code == 0
    assert amzigo("extract", "-s", profile.seller_id).code == 0
    assert b"Atzr" not in (home.path / "control.db").read_bytes()
