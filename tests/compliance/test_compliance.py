"""The table of promises: green where evidence is found, red as soon as anything speaks against it or can't be seen."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from amzigo_pipelines.cli.main import app
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.compliance.evidence import Promise, State, look_at
from amzigo_pipelines.compliance.page import page
from amzigo_pipelines.compliance.table import PROMISES, look
from amzigo_pipelines.resources.control.schema import data_keys, lake_files
from amzigo_pipelines.resources.platform import Platform

ROOT = Path(__file__).parents[2]


def states(platform: Platform) -> dict[str, set[State]]:
    found: dict[str, set[State]] = {}
    for one in look(platform):
        found.setdefault(one.promise.clause, set()).add(one.state)
    return found


def red(platform: Platform) -> dict[str, str]:
    """The clauses that are red, with what is said."""
    return {one.promise.clause: one.finding for one in look(platform) if one.state is State.RED}


def test_where_everything_is_kept_nothing_is_red(platform: Platform) -> None:
    assert red(platform) == {}
    # What nobody can look at here is nobody's to claim.
    assert {clause for clause, found in states(platform).items() if State.DEPLOYMENT in found} == {"3.1", "4.3"}
    for one in look(platform):
        assert one.finding, one.promise.promise


def plain_file(platform: Platform) -> None:
    (file,) = [path for path in platform.home.lake_dir.rglob("business-*.parquet")]
    file.write_bytes(b"PAR1" + file.read_bytes()[4:-4] + b"PAR1")


def plain_mart(platform: Platform) -> None:
    (file,) = platform.home.marts_dir.rglob("*.duckdb")
    file.write_bytes(file.read_bytes()[:20] + b"\0" + file.read_bytes()[21:])


def telemetry_on(platform: Platform) -> None:
    (platform.home.dagster_dir / "dagster.yaml").write_text("telemetry:\n  enabled: true\n")


def another_sellers_key(platform: Platform) -> None:
    with platform.control.transaction() as connection:
        connection.execute(data_keys.update().values(seller_id="B2SELLER"))


def changed_entry(platform: Platform) -> None:
    with platform.control.transaction() as connection:
        connection.execute(sa.text("UPDATE audit SET action = 'none' WHERE number = 1"))


def forged_certificate(platform: Platform) -> None:
    with platform.control.transaction() as connection:
        connection.execute(sa.text("UPDATE certificates SET body = replace(body, 'pii', 'pIi')"))


def later(days: int) -> Callable[[Platform], None]:
    def move(platform: Platform) -> None:
        assert isinstance(platform.clock, VirtualClock)
        platform.clock.set(platform.clock.now() + timedelta(days=days))

    return move


def open_kek(platform: Platform) -> None:
    next(path for path in platform.home.kek_dir.rglob("*") if path.is_file()).chmod(0o644)


def unknown_dataset(platform: Platform) -> None:
    with platform.control.transaction() as connection:
        connection.execute(lake_files.update().values(dataset="orders_copy"))


def no_database(platform: Platform) -> None:
    (platform.home.path / "control.db").unlink()


@pytest.mark.parametrize(
    ("damage", "clause", "sentence"),
    [
        (plain_file, "3.1", "1 files are not encrypted"),
        (plain_mart, "3.1", "1 files are not encrypted"),
        (open_kek, "3.1", "is open to others: chmod 600 it"),
        (telemetry_on, "5.1", "Dagster's telemetry is not off"),
        (another_sellers_key, "AUP", "files are under another seller's key"),
        (changed_entry, "3.2", "entry 1"),
        (forged_certificate, "6.2", "was changed after it was signed"),
        (later(9), "3.3", "no restore drill has passed in the last 8 days"),
        (later(21), "2.2", "should be gone since"),
        (later(40), "3.2", "were not reviewed"),
        (later(60), "4.1", "nobody reviewed who has access"),
        (later(400), "3.1", "'amzigo keys rotate'"),
        (unknown_dataset, "1.1", "the lake holds orders_copy"),
        (no_database, "6.1", "is missing: restore it from a backup"),
        (lambda platform: shutil.rmtree(platform.home.lake_dir), "2.2", "could not be"),
    ],
)
def test_what_speaks_against_a_promise_is_red(
    platform: Platform, damage: Callable[[Platform], None], clause: str, sentence: str
) -> None:
    damage(platform)
    found = [look_at(promise, platform) for promise in PROMISES if promise.clause == clause]
    told = [one.finding for one in found if one.state is State.RED]
    assert any(sentence in finding for finding in told), told


def test_an_installation_without_data_claims_nothing(platform: Platform) -> None:
    shutil.rmtree(platform.home.lake_dir)
    shutil.rmtree(platform.home.marts_dir)
    (promise,) = [promise for promise in PROMISES if "at rest" in promise.promise]
    said = look_at(promise, platform).finding
    assert "no data yet whose encryption could be looked at" in said


def test_what_cannot_be_looked_at_is_red(platform: Platform) -> None:
    def refuse(_: Platform) -> str:
        raise PermissionError(13, "Permission denied", "/secret")

    found = look_at(Promise("9", "x", "y", "z", refuse), platform)
    assert (found.state, found.finding) == (State.RED, "/secret can't be looked at: Permission denied")


def test_the_page_in_docs_is_that_of_the_table() -> None:
    assert (ROOT / "docs" / "compliance.md").read_text("utf-8") == page(), "run: make compliance"


def test_every_proof_is_there() -> None:
    """Tests that a row names exist, and so do its commands."""
    commands = _commands()
    for promise in PROMISES:
        for proof in re.findall(r"`([^`]+)`", promise.proof):
            if proof.startswith("amzigo "):
                words = [word for word in proof.split()[1:] if not word.startswith("-")]
                assert " ".join(words) in commands, proof
            else:
                assert (ROOT / proof).exists(), proof


def test_every_promise_is_kept_by_something_or_left_to_the_deployment() -> None:
    for promise in PROMISES:
        assert promise.look is not None or promise.deployment, promise.promise
    assert {one.clause for one in PROMISES} >= {"1.1", "1.2", "1.3", "2.1", "2.2", "3.1", "3.2", "3.3", "4.1", "4.2"}


def _commands() -> set[str]:
    import typer.main

    def walk(command: object, path: tuple[str, ...]) -> set[str]:
        children = getattr(command, "commands", None)
        if not children:
            return {" ".join(path)}
        return {found for name, child in children.items() for found in walk(child, (*path, name))}

    return walk(typer.main.get_command(app), ())


def test_the_command(kept_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    shutil.copytree(kept_home, tmp_path / "home")
    monkeypatch.setenv("AMZIGO_HOME", str(tmp_path / "home"))
    result = CliRunner().invoke(app, ["doctor", "--compliance", "--json"])
    rows = json.loads(result.stdout)
    assert len(rows) == len(PROMISES) and {row["state"] for row in rows} <= {"green", "red", "deployment"}
    # On the machine's own clock the drill of the fixture is old, or the sweep is: then the command says so and fails.
    assert (result.exit_code == 1) == any(row["state"] == "red" for row in rows)
