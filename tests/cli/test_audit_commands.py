"""`amzigo audit` and `amzigo access` on real work: an extraction, queries, exports."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from amzigo_pipelines.resources.home import load_home
from amzigo_pipelines.resources.keys.roles import login_name
from amzigo_pipelines.resources.platform import Platform
from tests.cli.conftest import Amzigo, Published


def records(amzigo: Amzigo, *arguments: str) -> list[dict[str, object]]:
    outcome = amzigo("audit", "tail", "--json", "-n", "1000", *arguments)
    assert outcome.code == 0, outcome.err
    found: list[dict[str, object]] = json.loads(outcome.out)
    return found


def test_a_run_is_in_the_trail_with_its_calls_keys_and_rows(amzigo: Amzigo, seller: str, yesterday: date) -> None:
    day = yesterday.isoformat()
    outcome = amzigo("extract", "-s", seller, "--from", day, "--to", day, "--dataset", "marketplaces")
    assert outcome.code == 0, outcome.err
    calls = records(amzigo, "--action", "call_api", "--seller", seller)
    assert {"SP-API logging in", "SP-API getMarketplaceParticipations"} <= {str(call["on"]) for call in calls}
    for call in calls:
        assert call["outcome"] == "200" and int(str(call["bytes"])) > 0 and int(str(call["times"])) > 0
        assert call["run"] and call["launched_by"] == "amzigo extract" and call["login"] == login_name()
        assert call["who"] == f"run {call['run']}" and call["why"] == "daily_extraction"
    (written,) = records(amzigo, "--action", "write_lake")
    assert (written["on"], written["seller"], written["run"]) == ("marketplaces", seller, calls[0]["run"])
    assert int(str(written["rows"])) >= 1 and int(str(written["bytes"])) > 0
    assert {str(one["on"]) for one in records(amzigo, "--action", "open_secret")} >= {"refresh-token"}
    commands = [record["on"] for record in records(amzigo, "--action", "log_in")]
    assert commands[0] == "amzigo extract" and set(commands[1:]) == {"amzigo audit tail"}
    assert records(amzigo, "--user", str(calls[0]["run"]))
    verified = amzigo("audit", "verify")
    assert verified.code == 0 and "nothing is changed, missing or moved" in verified.out


def test_sql_sessions_and_exports_are_in_the_trail_without_their_text(
    amzigo: Amzigo, published: Published, tmp_path: Path
) -> None:
    query = "SELECT day, 'Quuxwright' AS canary FROM sales_daily"
    csv = tmp_path / "rows.csv"
    assert amzigo("sql", query).code == 0
    assert amzigo("sql", "--format", "csv", "-o", str(csv), query).code == 0
    assert amzigo("sql", "SELECT nonsense FROM sales_daily").code == 1
    assert amzigo("report", "-s", published.seller, "-o", str(tmp_path / "r.html")).code == 0
    rows = len(csv.read_text().splitlines()) - 1
    found = records(amzigo)
    queries = [record for record in found if record["action"] == "query_marts"]
    assert [(q["on"], q["rows"], q["outcome"]) for q in queries] == [
        ("SELECT statement", rows, "ok"),
        ("SELECT statement", rows, "ok"),
        ("SELECT statement", 0, "QueryError"),
    ]
    assert all(q["seller"] == published.seller and q["command"] == "amzigo sql" for q in queries)
    assert len([record for record in found if record["action"] == "open_marts"]) == 4
    exports = [record["on"] for record in found if record["action"] == "export"]
    assert exports == ["csv file", "report as HTML file"]
    assert "Quuxwright" not in json.dumps(found) and "canary" not in json.dumps(found)
    assert {r["on"] for r in found if r["action"] == "open_key"} == {"mart"}


def test_a_connection_of_a_notebook_is_in_the_trail(published: Published) -> None:
    import amzigo_pipelines

    with amzigo_pipelines.connect(published.seller, home=published.home.path) as connection:
        connection.sql("FROM sales_daily").fetchall()
    actions = [entry.action for entry in Platform(load_home(published.home.path)).audit.read(limit=2)]
    assert actions == ["open_marts", "open_key"]


def test_export_verify_review_and_access(
    amzigo: Amzigo, seller: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "all.audit"
    exported = amzigo("audit", "export", "-o", str(file))
    assert exported.code == 0 and not exported.out
    head = exported.err.strip().rpartition("head ")[2]
    assert b"add_seller" not in file.read_bytes()
    lines = amzigo("audit", "open", str(file)).out.splitlines()
    plain = amzigo("audit", "export", "--plain", "--action", "add_seller").out.splitlines()
    assert len(lines) > 3 and len(plain) == 1 and json.loads(plain[0])["entity"]["type"] == "seller"
    assert json.loads(plain[0]) in [json.loads(line) for line in lines]
    assert amzigo("audit", "export").code == amzigo("audit", "export", "--plain", "-o", "x").code == 2
    assert amzigo("audit", "verify", "--expect", head).code == 0
    number, _, hash_ = head.partition(":")
    wrong = f"{number}:{'0' * 64}"
    assert "they were rewritten" in amzigo("audit", "verify", "--expect", wrong).sentence
    assert amzigo("audit", "verify", "--expect", "7").code == 2 and len(hash_) == 64
    assert [record["who"] for record in records(amzigo, "--action", "export_audit")]
    assert "Nothing to build" in amzigo("audit", "review", "build").out
    assert amzigo("audit", "review", "list", "--json").out.strip() == "[]"
    assert "there is no review 'R7'" in amzigo("audit", "review", "show", "R7").sentence
    signed = amzigo("access", "sign", "--note", "nobody left")
    assert signed.code == 0 and "R1: access in the quarter" in signed.out
    assert "nobody left" in amzigo("audit", "review", "list").out
    report = json.loads(amzigo("access", "report", "--json").out)
    assert {user["user"] for user in report["users"]} == {login_name()}
    assert amzigo("access", "report").code == amzigo("audit", "tail").code == 0
    monkeypatch.setenv("AMZIGO_ROLE", "analyst")
    for command in (("audit", "tail"), ("audit", "export", "--plain"), ("access", "report")):
        assert "role analyst may not open" in amzigo(*command).sentence
    assert amzigo("audit", "verify").code == 0


def test_a_trail_that_was_tampered_with_fails_the_command(amzigo: Amzigo, seller: str) -> None:
    home = Platform(load_home())
    with home.control.transaction() as connection:
        connection.exec_driver_sql("UPDATE audit SET seller_id = 'OTHER' WHERE action = 'add_seller'")
    assert "it was changed" in amzigo("audit", "verify").sentence


def test_tail_follows_what_is_written(amzigo: Amzigo, seller: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = iter(range(3))

    def meanwhile(_: float) -> None:
        number = next(rounds)
        if number == 2:
            raise KeyboardInterrupt
        Platform(load_home()).audit.record("ben", "export", seller, f"round {number}", "why")

    monkeypatch.setattr("amzigo_pipelines.cli.audit.time.sleep", meanwhile)
    outcome = amzigo("audit", "tail", "--follow", "--json", "--action", "export")
    assert [json.loads(line)["on"] for line in outcome.out.splitlines()] == ["round 0", "round 1"]
    assert outcome.code == 130
