"""`amzigo erase`, `hold` and `orders`: a buyer of the simulated world, from the request to the certificate."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from amzigo_pipelines.assets.extraction.extract import extract_partition
from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.resources.platform import Platform
from tests.cli.conftest import Amzigo, Published

ORDERS = DATASETS["orders"]


@pytest.fixture
def buyer(published: Published) -> dict[str, Any]:
    """Somebody who bought yesterday, as the lake has it: order, address, pseudonym."""
    lake = Platform(published.home).lake
    people = lake.read_pii(ORDERS, published.seller, purpose="test", actor="tester").to_pylist()
    keys = lake.scan(ORDERS, published.seller, families=(RetentionClass.PSEUDONYM,))
    assert keys is not None
    by_order = {row["order_id"]: row["buyer_key"] for row in keys.to_table().to_pylist()}
    return next({**row, "buyer_key": by_order[row["order_id"]]} for row in people if row["buyer_email"])


def in_bytes(folder: Path, text: str) -> list[Path]:
    """Files below a folder that hold a text."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path for path in files if text.encode() in path.read_bytes()]


def test_a_buyer_from_request_to_certificate(
    amzigo: Amzigo, published: Published, buyer: dict[str, Any], yesterday: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    seller, order_id, email = published.seller, buyer["order_id"], buyer["buyer_email"]
    query = f"SELECT count(*) AS n FROM orders WHERE buyer_key = '{buyer['buyer_key']}'"
    orders = "SELECT count(*) AS n, sum(units) AS units FROM sales_daily"

    def asked(sql: str) -> Any:
        return json.loads(amzigo("sql", "-s", seller, "-f", "json", sql).out)

    assert asked(query)[0]["n"] > 0
    sales = asked(orders)
    plain = amzigo("orders", "show", order_id, "-s", seller)
    assert (plain.code, email in plain.out, "not shown" in plain.out) == (0, False, True)
    shown = amzigo("orders", "show", order_id, "-s", seller, "--reveal-pii", "--purpose", "case 7", "--json")
    assert json.loads(shown.out)["people"]["orders"][0]["buyer_email"] == email

    monkeypatch.setenv("AMZIGO_BUYER_EMAIL", email)
    received = amzigo("erase", "buyer", "-s", seller)
    assert received.code == 0 and "E000001 is received" in received.out
    assert "is not approved yet" in amzigo("erase", "run", "E000001").sentence
    assert amzigo("erase", "approve", "E000001").code == 0
    done = amzigo("erase", "run", "E000001")
    assert done.code == 0 and "E000001 is certified" in done.out, done.err

    assert asked(query)[0]["n"] == 0
    assert asked(orders) == sales
    gone = amzigo("orders", "show", order_id, "-s", seller, "--reveal-pii", "--purpose", "case 7")
    assert gone.code == 0 and "is gone since" in gone.out and "request E000001" in gone.out
    # The day extracted again, from a world that still knows the buyer.
    extract_partition(Platform(published.home), seller, yesterday, ("orders", "order_items"))
    assert amzigo("publish", "-s", seller).code == 0
    assert asked(query)[0]["n"] == 0
    left = Platform(published.home).lake.read_pii(ORDERS, seller, purpose="test", actor="tester")
    assert left.num_rows and email not in left.column("buyer_email").to_pylist()
    assert "was carried out already" in amzigo("erase", "buyer", "-s", seller).out

    (listed,) = json.loads(amzigo("erase", "list", "--json").out)
    assert (listed["state"], listed["certificate"]) == ("certified", 1)
    facts = json.loads(amzigo("erase", "show", "e000001", "--json").out)
    assert facts["keys destroyed"] >= 2 and facts["rows erased"] >= 2
    assert amzigo("doctor").out.count("certificates of destruction") == 1
    for text in (email, buyer["buyer_name"]):
        assert in_bytes(published.home.path, text) == []


def test_a_hold_and_its_release(amzigo: Amzigo, published: Published, buyer: dict[str, Any]) -> None:
    seller, order_id = published.seller, buyer["order_id"]
    add = ("hold", "add", "-s", seller, "--order", order_id, "--reason", "case 7", "--authority", "a court")
    added = amzigo(*add, "--until", "2099-01-01")
    assert added.code == 0 and "H000001 holds until 2099-01-01" in added.out
    assert "must end after today" in amzigo(*add, "--until", "2020-01-01").sentence
    assert amzigo(*add, "--until", "2099-01-01", "--buyer").code == 2
    amzigo("erase", "order", order_id, "-s", seller)
    amzigo("erase", "approve", "E000001")
    done = amzigo("erase", "run", "E000001")
    assert done.code == 0 and "stays in the vault: H000001" in done.out
    assert {line["legal holds"] for line in json.loads(amzigo("retention", "status", "--json").out)} == {1}
    shown = amzigo("hold", "show", "H000001")
    assert shown.code == 0 and "a court" in shown.out and buyer["buyer_email"] not in shown.out
    assert amzigo("hold", "export", "H000001").code == 2
    assert amzigo("hold", "export", "H000001", "--reveal-pii").code == 2
    exported = amzigo("hold", "export", "H000001", "--reveal-pii", "--purpose", "ordered by the court")
    rows = [json.loads(line) for line in exported.out.splitlines()]
    assert buyer["buyer_email"] in {row.get("buyer_email") for row in rows}
    assert {row["order_id"] for row in rows} == {order_id}
    released = amzigo("hold", "release", "H000001", "--reason", "the case is closed")
    assert released.code == 0 and "certificate 000002" in released.out
    assert "is over since" in amzigo("hold", "export", "H000001", "--reveal-pii", "--purpose", "late").sentence
    for number, what in (("1", "E000001"), ("2", "H000001")):
        for form in ("text", "html", "json"):
            page = amzigo("certificate", "show", number, "--format", form)
            assert page.code == 0 and what in page.out and buyer["buyer_email"] not in page.out, page.err
    assert amzigo("certificate", "verify").code == 0
    (listed,) = json.loads(amzigo("hold", "list", "--json").out)
    assert (listed["state"], listed["rows"], listed["certificate"]) == ("ended", 0, 2)
    assert in_bytes(published.home.path, buyer["buyer_email"]) == []


def test_a_seller_who_leaves_gets_a_certificate(amzigo: Amzigo, published: Published) -> None:
    removed = amzigo("seller", "remove", published.seller, "--yes")
    assert removed.code == 0 and "certificate 1" in removed.out
    platform = Platform(published.home)
    assert platform.keys.alive(published.seller) == []
    assert not list(published.home.lake_dir.glob("*/seller=*")) and not list(published.home.marts_dir.glob("seller=*"))
    assert "there is no seller" in amzigo("orders", "show", "111", "-s", published.seller).sentence


def test_bad_input_gets_a_sentence(amzigo: Amzigo, published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    seller = published.seller
    monkeypatch.setenv("AMZIGO_BUYER_EMAIL", "nobody")
    assert "no e-mail address" in amzigo("erase", "buyer", "-s", seller).sentence
    assert "no buyer of that order" in amzigo("erase", "buyer", "-s", seller, "--order", "999-0").sentence
    assert "no order id" in amzigo("erase", "order", "a b", "-s", seller).sentence
    assert "there is no erasure request" in amzigo("erase", "show", "E000077").sentence
    assert "there is no hold" in amzigo("hold", "show", "H000077").sentence
    assert "there is no order 999-0" in amzigo("orders", "show", "999-0", "-s", seller).sentence
    assert amzigo("orders", "show", "999-0", "-s", seller, "--reveal-pii").code == 2
    assert "there is no seller" in amzigo("erase", "seller", "NOBODY1").sentence
    for command in (("erase", "list"), ("hold", "list")):
        assert amzigo(*command).code == 0
