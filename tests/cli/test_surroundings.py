"""What surrounds a command and fails it: the terminal, pipes, ports, Dagster's folder, errors that nobody foresaw."""

from __future__ import annotations

import errno
import io
import json
import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from amzigo_pipelines.errors import machine_refusal
from amzigo_pipelines.resources.failures import explained
from amzigo_pipelines.resources.home import Home
from amzigo_pipelines.resources.platform import Platform

from .conftest import Amzigo, Published

AMZIGO = [sys.executable, "-m", "amzigo_pipelines.cli"]
BUYER = "Erika Mustermann"


def real(home: Path, shell: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own: `shell` says what stands around it, with "$@" for the command itself."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {shell}", "bash", *AMZIGO, *arguments],
        env={**os.environ, "AMZIGO_HOME": str(home), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=60,
        check=False,
    )


def test_a_foreign_error_is_withheld(amzigo: Amzigo, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Platform) -> None:
        raise RuntimeError(f"cannot convert {BUYER}")

    monkeypatch.setattr(Platform, "sellers", property(fail))
    sentence = amzigo("seller", "list").sentence
    assert BUYER not in sentence and "RuntimeError" in sentence and f"{Path(__file__).name}:" in sentence


def test_a_full_disk_is_named() -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/home/lake/x.parquet")
    assert "/home/lake/x.parquet" in (machine_refusal(full) or "") and "free space" in (machine_refusal(full) or "")
    with pytest.raises(dg.Failure, match="free space"), explained():
        raise full
    assert machine_refusal(ValueError(BUYER)) is None
    assert machine_refusal(OSError(BUYER)) is None


def test_a_full_disk_under_dagsters_history() -> None:
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE history (body BLOB)")
    database.execute("PRAGMA max_page_count = 2")
    with pytest.raises(sqlite3.OperationalError) as raised:
        database.execute("INSERT INTO history VALUES (randomblob(100000))")
    database.close()
    assert "the disk is full: free space" in (machine_refusal(raised.value) or "")


def test_output_into_head(published: Published) -> None:
    for format_ in ("csv", "json", "table"):
        query = ("sql", "-s", published.seller, "-f", format_, "SELECT * FROM range(1000000)")
        done = real(published.home.path, '"$@" | head -1 >/dev/null; true', *query)
        assert done.stderr == ""
    assert real(published.home.path, '"$@" | true; true', "--help").stderr == ""


def test_output_onto_a_full_disk(published: Published) -> None:
    for arguments in (("seller", "list"), ("seller", "list", "--json"), ("sql", "-s", published.seller, "SELECT 1")):
        done = real(published.home.path, '"$@" > /dev/full', *arguments)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
        assert "No space left" in done.stderr


def test_a_locale_that_knows_ascii_only(published: Published) -> None:
    ascii_ = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = real(published.home.path, '"$@"', "sql", "-s", published.seller, "SELECT chr(252) AS u", **ascii_)
    assert done.returncode == 0, done.stderr
    refused = real(published.home.path, '"$@"', "sql", "-s", published.seller, "SELECT 'ü'", **ascii_)
    assert refused.returncode == 1 and "LC_ALL=C.UTF-8" in refused.stderr and len(refused.stderr.splitlines()) == 1


def test_no_refresh_token_to_be_had(home: Home) -> None:
    add = ("seller", "add", "ANEWSELLER1", "-m", "US", "--no-check")
    for around in ('"$@"', '"$@" <&-', 'printf "\\n" | "$@"'):
        done = real(home.path, around, *add, AMZIGO_REFRESH_TOKEN="")
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
        assert "AMZIGO_REFRESH_TOKEN" in done.stderr
    assert Platform(home).sellers.list() == []
    assert real(home.path, 'echo "Atzr|x" | "$@"', *add, AMZIGO_REFRESH_TOKEN="").returncode == 0
    assert Platform(home).sellers.refresh_tokens("ANEWSELLER1") == {"*": "Atzr|x"}


def test_removing_needs_a_yes(amzigo: Amzigo, home: Home, seller: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert "nothing was destroyed" in amzigo("seller", "remove", seller).sentence
    assert [s.seller_id for s in Platform(home).sellers.list()] == [seller]


def test_a_port_that_is_taken(amzigo: Amzigo, home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for command in ("simulator", "dev"):
            assert f"port {port}" in amzigo(command, "--port", str(port)).sentence
    assert amzigo("simulator", "--port", "99999").code == 2


def test_no_simulator_is_running(amzigo: Amzigo, home: Home, seller: str) -> None:
    text = home.settings_file.read_text()
    home.settings_file.write_text(text.replace(home.endpoint, "http://127.0.0.1:9"))
    assert "start it with 'amzigo simulator'" in amzigo("extract", "--seller", seller).sentence


def test_dagster_home_that_cannot_be_used(
    amzigo: Amzigo, seller: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for folder, reason in ((tmp_path / "none", "no folder that can be written"), (bare, "lacks dagster.yaml")):
        monkeypatch.setenv("DAGSTER_HOME", str(folder))
        for command in (("extract", "--seller", seller), ("publish", "--seller", seller), ("retention", "run")):
            assert reason in amzigo(*command).sentence
    assert list(bare.iterdir()) == []


def test_the_control_database_of_another_installation(
    amzigo: Amzigo, published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMZIGO_HOME", str(tmp_path / "other"))
    assert amzigo("init", "--simulator").code == 0
    (tmp_path / "other" / "control.db").replace(published.home.path / "control.db")
    monkeypatch.setenv("AMZIGO_HOME", str(published.home.path))
    assert "belongs to another control database" in amzigo("retention", "run").sentence
    doctor = amzigo("doctor")
    assert doctor.code == 1 and "control database" in doctor.err


def test_a_lost_control_database_is_not_papered_over(amzigo: Amzigo, published: Published) -> None:
    (published.home.path / "control.db").unlink()
    assert "restore it from a backup" in amzigo("seller", "list").sentence
    assert "is an Amzigo home already" in amzigo("init").sentence
    assert not (published.home.path / "control.db").exists()


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ('endpoint = "http://127.0.0.1:99999"', "endpoint"),
        ('endpoint = "file:///etc/passwd"', "endpoint"),
        ("orders_per_day = -5", "orders_per_day"),
        ('orders_per_day = "many"', "orders_per_day"),
        ('first_day = "2026-13-01"', "first_day"),
        ('kind = "x"', "kind"),
    ],
)
def test_settings_that_are_wrong(amzigo: Amzigo, home: Home, setting: str, named: str) -> None:
    kept = [line for line in home.settings_file.read_text().splitlines() if not line.startswith(named)]
    home.settings_file.write_text("\n".join([*kept, setting]))
    sentence = amzigo("seller", "list").sentence
    assert f"{named} must be" in sentence and str(home.settings_file) in sentence


def test_a_bare_toml_date_will_do(amzigo: Amzigo, home: Home) -> None:
    text = home.settings_file.read_text()
    home.settings_file.write_text(text.replace(f'"{home.first_day}"', str(home.first_day)))
    assert amzigo("seller", "list").code == 0


def test_a_demo_leaves_foreign_things_alone(amzigo: Amzigo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("three years")
    for path in (folder, folder / "thesis.txt"):
        monkeypatch.setenv("AMZIGO_HOME", str(path))
        assert "set AMZIGO_HOME to another" in amzigo("demo").sentence
    assert (folder / "thesis.txt").read_text() == "three years" and len(list(folder.iterdir())) == 1


def test_columns_of_one_name(amzigo: Amzigo, published: Published) -> None:
    query = "SELECT 1 AS a, 2 AS a"
    table = amzigo("sql", "-s", published.seller, query)
    assert table.code == 0 and "1" in table.out and "2" in table.out
    assert "two columns named 'a'" in amzigo("sql", "-s", published.seller, "-f", "json", query).sentence


def test_json_has_no_nan(amzigo: Amzigo, published: Published) -> None:
    done = amzigo(
        "sql", "-s", published.seller, "-f", "json", "SELECT 'nan'::DOUBLE AS n, 1.5 AS x, 'inf'::DOUBLE AS i"
    )
    assert json.loads(done.out, parse_constant=pytest.fail) == [{"n": None, "x": "1.5", "i": None}]


def test_a_table_is_not_silently_not_written(amzigo: Amzigo, published: Published, tmp_path: Path) -> None:
    out = str(tmp_path / "x.txt")
    assert "--format" in amzigo("sql", "-s", published.seller, "-o", out, "SELECT 1").sentence


def test_timeouts_that_make_no_sense(amzigo: Amzigo, published: Published) -> None:
    for seconds in ("0", "-1", "inf"):
        assert amzigo("sql", "-s", published.seller, "--timeout", seconds, "SELECT 1").code == 2


def test_first_lines_of_help_fit(amzigo: Amzigo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for group in ((), ("seller",), ("retention",), ("keys",), ("incident",)):
        assert "..." not in amzigo(*group, "--help").out.partition("Commands:")[2]


def test_ctrl_c_within_a_step(amzigo: Amzigo, published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Platform, __: str) -> None:
        raise KeyboardInterrupt

    platform = Platform(published.home)
    before = [file.path for file in platform.lake.files()]
    monkeypatch.setattr(Platform, "selling_partner", interrupted)
    done = amzigo("extract", "--seller", published.seller)
    assert done.code == 130 and done.err == "amzigo: stopped; what was committed stays, nothing is half done\n"
    assert [file.path for file in platform.lake.files()] == before


def test_a_tampered_certificate(amzigo: Amzigo, published: Published) -> None:
    assert amzigo("doctor").code == 0
    (published.home.certificate_dir / "000001-2026-01-01.json").write_text("{}")
    doctor = amzigo("doctor")
    assert doctor.code == 1 and "certificates" in doctor.err


def test_a_key_of_any_class_missing(amzigo: Amzigo, published: Published) -> None:
    for name in ("pii", "business", "mart"):
        (file,) = published.home.kek_dir.glob(f"{name}-*.key")
        kept = file.read_bytes()
        file.unlink()
        doctor = amzigo("doctor")
        assert doctor.code == 1 and "keys" in doctor.err
        file.write_bytes(kept)
        file.chmod(0o600)
    assert amzigo("doctor").code == 0
