"""Bad input gets one clear sentence, exit code 1 (2 for wrong usage), no traceback, and changes nothing."""

from __future__ import annotations

import base64
import os
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.resources.control.schema import data_keys
from amzigo_pipelines.resources.home import Home
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.simulator.server import SimulatorServer

from .conftest import Amzigo, Published


def partitions(home: Home, seller: str) -> list[object]:
    return list(Platform(home).lake.partitions(seller))


def test_no_home(amzigo: Amzigo) -> None:
    assert "is no Amzigo home yet: run 'amzigo init'" in amzigo("seller", "list").sentence


def test_a_damaged_settings_file(amzigo: Amzigo, home: Home) -> None:
    home.settings_file.write_text("kind = [")
    assert f"{home.settings_file} can't be read" in amzigo("seller", "list").sentence
    home.settings_file.write_text('kind = "tst"\nfirst_day = "2026-01-01"\n')
    assert "missing or wrong setting" in amzigo("seller", "list").sentence


def test_a_home_is_not_made_twice(amzigo: Amzigo, home: Home) -> None:
    assert "is an Amzigo home already" in amzigo("init").sentence


def test_unknown_seller(amzigo: Amzigo, seller: str) -> None:
    for command in (
        ("extract", "--seller", "ANOBODY01"),
        ("publish", "--seller", "ANOBODY01"),
        ("sql", "--seller", "ANOBODY01", "SELECT 1"),
        ("seller", "remove", "ANOBODY01", "--yes"),
    ):
        sentence = amzigo(*command).sentence
        assert "ANOBODY01" in sentence and seller in sentence


def test_a_seller_id_that_is_none(amzigo: Amzigo, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMZIGO_REFRESH_TOKEN", "Atzr|x")
    assert "../x" in amzigo("seller", "add", "../x", "-m", "US").sentence


def test_unknown_marketplace(amzigo: Amzigo, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMZIGO_REFRESH_TOKEN", "Atzr|x")
    assert "there is no marketplace 'XX'" in amzigo("seller", "add", "A123456", "-m", "XX").sentence


def test_unknown_dataset(amzigo: Amzigo, seller: str) -> None:
    assert "there is no dataset 'ordrs'" in amzigo("extract", "--seller", seller, "--dataset", "ordrs").sentence


def test_days_that_make_no_sense(amzigo: Amzigo, home: Home, seller: str, yesterday: date) -> None:
    today, tomorrow = yesterday + timedelta(days=1), yesterday + timedelta(days=2)
    for day in (today, tomorrow):
        assert "isn't over yet" in amzigo("extract", "--seller", seller, "--from", str(day)).sentence
    before = home.first_day - timedelta(days=1)
    assert "before the first day" in amzigo("extract", "--seller", seller, "--from", str(before)).sentence
    swapped = amzigo(
        "extract", "--seller", seller, "--from", str(yesterday), "--to", str(yesterday - timedelta(days=1))
    )
    assert "swap them" in swapped.sentence
    wrong = amzigo("extract", "--seller", seller, "--from", "20.11.2026")
    assert wrong.code == 2 and "write it as 2026-11-20" in wrong.err
    assert "has not come yet" in amzigo("retention", "run", "--as-of", str(tomorrow)).sentence
    assert partitions(home, seller) == []


def test_a_snapshot_of_a_day_long_gone(amzigo: Amzigo, home: Home, seller: str) -> None:
    day = str(home.first_day)
    sentence = amzigo("extract", "--seller", seller, "--from", day, "--dataset", "fba_inventory").sentence
    assert "fba_inventory" in sentence and day in sentence
    assert partitions(home, seller) == []


def test_a_revoked_refresh_token(amzigo: Amzigo, home: Home) -> None:
    Platform(home).sellers.add("AREVOKED01", "Revoked", ("ATVPDKIKX0DER",), "Atzr|no-such-token")
    sentence = amzigo("extract", "--seller", "AREVOKED01").sentence
    assert "AREVOKED01" in sentence and "refresh token" in sentence
    assert "no-such-token" not in sentence
    assert partitions(home, "AREVOKED01") == []


def test_a_missing_role(amzigo: Amzigo, home: Home, seller: str, simulator: SimulatorServer) -> None:
    simulator.faults.add("searchOrders", "forbidden_errors", times=1)
    sentence = amzigo("extract", "--seller", seller, "--dataset", "orders", "--dataset", "order_items").sentence
    assert "role" in sentence and seller in sentence
    assert partitions(home, seller) == []


def test_plain_http_beyond_loopback(amzigo: Amzigo, home: Home, seller: str) -> None:
    text = home.settings_file.read_text()
    home.settings_file.write_text(text.replace(home.endpoint, "http://192.0.2.7:8571"))
    sentence = amzigo("extract", "--seller", seller).sentence
    assert "http" in sentence and "192.0.2.7" in sentence


def test_a_test_home_does_not_talk_to_amazon(amzigo: Amzigo, home: Home, seller: str) -> None:
    text = home.settings_file.read_text()
    home.settings_file.write_text(text.replace(home.endpoint, "https://sellingpartnerapi-na.amazon.com"))
    assert "test" in amzigo("extract", "--seller", seller).sentence


def test_a_production_home_without_credentials(
    amzigo: Amzigo, home: Home, seller: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AMZIGO_LWA_CLIENT_ID", "AMZIGO_LWA_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    text = home.settings_file.read_text()
    home.settings_file.write_text(text.replace('"test"', '"production"').replace(home.endpoint, ""))
    assert "AMZIGO_LWA_CLIENT_ID" in amzigo("extract", "--seller", seller).sentence


def test_a_missing_kek(amzigo: Amzigo, home: Home, seller: str) -> None:
    for file in home.kek_dir.glob("secret-*.key"):
        file.unlink()
    assert "secret-000001.key is missing" in amzigo("extract", "--seller", seller).sentence


def test_a_wrong_kek(amzigo: Amzigo, home: Home, seller: str) -> None:
    (file,) = home.kek_dir.glob("secret-*.key")
    file.write_bytes(base64.b64encode(os.urandom(32)) + b"\n")
    sentence = amzigo("extract", "--seller", seller).sentence
    assert "secret" in sentence or "refresh token" in sentence


def test_broken_sql(amzigo: Amzigo, published: Published, tmp_path: Path) -> None:
    assert "syntax error" in amzigo("sql", "-s", published.seller, "SELEC 1").sentence
    assert "nonsense" in amzigo("sql", "-s", published.seller, "SELECT * FROM nonsense").sentence
    for statement in ("DROP TABLE orders", "SELECT 1; SELECT 2", f"COPY orders TO '{tmp_path / 'x.csv'}'", ""):
        assert amzigo("sql", "-s", published.seller, statement).code == 1
    assert not (tmp_path / "x.csv").exists()
    endless = "SELECT COUNT(*) FROM range(10000000000) AS a, range(1000) AS b"
    assert "stopped after 0.3 s" in amzigo("sql", "-s", published.seller, "--timeout", "0.3", endless).sentence
    assert "parquet needs a file" in amzigo("sql", "-s", published.seller, "-f", "parquet", "SELECT 1").sentence


def test_an_unpublished_seller(amzigo: Amzigo, seller: str) -> None:
    assert "publish" in amzigo("sql", "-s", seller, "SELECT 1").sentence


def test_a_tampered_lake_file(amzigo: Amzigo, published: Published) -> None:
    file = Platform(published.home).lake.files(DATASETS["orders"], published.seller, families=["business"])[0]
    path = published.home.lake_dir / file.path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert file.path.split("/")[-1] in amzigo("publish", "--seller", published.seller, "--rebuild").sentence


def test_a_lake_file_deleted_by_hand(amzigo: Amzigo, published: Published) -> None:
    file = Platform(published.home).lake.files(DATASETS["orders"], published.seller, families=["business"])[0]
    (published.home.lake_dir / file.path).unlink()
    assert file.path.split("/")[-1] in amzigo("publish", "--seller", published.seller, "--rebuild").sentence
    doctor = amzigo("doctor")
    assert doctor.code == 1 and "lake files are gone" in doctor.out


def test_a_tampered_key_row(amzigo: Amzigo, published: Published) -> None:
    platform = Platform(published.home)
    with platform.control.transaction() as connection:
        connection.execute(
            sa.update(data_keys).where(data_keys.c.key_class == "business").values(expires_on=date(2099, 1, 1))
        )
    assert "key" in amzigo("publish", "--seller", published.seller, "--rebuild").sentence


def test_a_second_process_on_the_same_partition(amzigo: Amzigo, home: Home, seller: str, yesterday: date) -> None:
    datasets = [DATASETS["orders"], DATASETS["order_items"]]
    with Platform(home).lake.writer(seller, yesterday, datasets, {"source": "test"}):
        sentence = amzigo("extract", "--seller", seller).sentence
    assert str(yesterday) in sentence


def test_a_home_that_cannot_be_written(amzigo: Amzigo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("no folder")
    monkeypatch.setenv("AMZIGO_HOME", str(in_the_way / "home"))
    assert "can't be written" in amzigo("init").sentence


def test_wrong_usage(amzigo: Amzigo, seller: str) -> None:
    assert amzigo("extract").code == 2
    assert amzigo("nonsense").code == 2
    assert amzigo("sql", "-s", seller, "-f", "xml", "SELECT 1").code == 2
