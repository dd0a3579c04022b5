"""What a role can do from the command line: an analyst queries marts, and is refused tokens and buyers."""

from __future__ import annotations

import json

import pytest

from .conftest import Amzigo, Published


def test_an_analyst_queries_marts_and_extracts_nothing(
    amzigo: Amzigo, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    for purpose in ("pii", "pseudonym", "secret", "hold"):
        # The files are not even there: an analyst's credentials alone.
        for file in (published.home.path / "kek").glob(f"{purpose}-*.key"):
            file.unlink()
    monkeypatch.setenv("AMZIGO_ROLE", "analyst")
    done = amzigo("sql", "-s", published.seller, "-f", "json", "SELECT count(*) AS orders FROM orders")
    assert done.code == 0 and json.loads(done.out)[0]["orders"] > 0
    assert "the role analyst may not open" in amzigo("extract", "-s", published.seller).sentence
    assert "the role analyst may not open" in amzigo("keys", "rotate", "pii").sentence
    assert amzigo("keys", "list", "--json").code == 0
    assert amzigo("seller", "list").code == 0


def test_no_such_role(amzigo: Amzigo, published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMZIGO_ROLE", "admin")
    assert "AMZIGO_ROLE is 'admin'" in amzigo("sql", "-s", published.seller, "SELECT 1").sentence
