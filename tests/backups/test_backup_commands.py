"""`amzigo backup` and `amzigo restore`, and what `amzigo doctor` says about them."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from backup_kit import content, everything_in, make_platform, take_keys

from amzigo_pipelines.cli import checks
from amzigo_pipelines.cli import main as command
from amzigo_pipelines.clock import SystemClock
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.schema import backups, restore_drills
from amzigo_pipelines.resources.home import load_home
from amzigo_pipelines.resources.platform import Platform

Amzigo = Callable[..., tuple[int, str, str]]


@pytest.fixture
def amzigo(monkeypatch: pytest.MonkeyPatch) -> Amzigo:
    """Call the command line; gives exit code, stdout, stderr."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(home: Path, *arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setenv("AMZIGO_HOME", str(home))
        monkeypatch.setattr("sys.argv", ["amzigo", *arguments])
        code: object = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                command.main()
            except SystemExit as exit_:
                code = exit_.code
        return code if isinstance(code, int) else 0, out.getvalue(), err.getvalue()

    return call


@pytest.fixture
def today_platform(new_home: Path, tmp_path: Path) -> Platform:
    """The installation on the machine's own clock; its data died, or not, as that says."""
    shutil.copytree(new_home, tmp_path / "home")
    return Platform(load_home(tmp_path / "home"), SystemClock())


def test_from_a_backup_to_a_new_home(today_platform: Platform, amzigo: Amzigo, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    home = today_platform.home.path
    code, out, _ = amzigo(home, "backup", "--to", str(folder), "--keep-days", "10", "--json")
    made = json.loads(out)
    assert code == 0 and made["sellers"] == 2 and made["left_out"] == []
    assert made["expires_on"] == str((datetime.now(UTC) + timedelta(days=10)).date())
    code, out, err = amzigo(home, "backup", "--drill")
    assert code == 0 and "was restored and opened: 2 sellers" in out, err
    new = tmp_path / "new"
    take_keys(today_platform, new / "kek")
    code, out, err = amzigo(new, "restore", made["path"])
    assert code == 0 and "restored 2 sellers" in out, err
    restored = Platform(load_home(new), SystemClock())
    assert content(restored, "A1SELLER") == content(today_platform, "A1SELLER")
    code, out, err = amzigo(new, "restore", made["path"])
    assert code == 1 and not out and err.startswith("amzigo: ") and "is an Amzigo home already" in err


def test_wrong_use_is_one_sentence(today_platform: Platform, amzigo: Amzigo, tmp_path: Path) -> None:
    home = today_platform.home.path
    for arguments, sentence in [
        (["backup"], "no folder is named: give --to, or folder under [backup]"),
        (["backup", "--to", str(tmp_path / "nowhere")], "is not there: make it, or mount it"),
        (["backup", "--drill"], "the restore drill failed: there is no living backup"),
    ]:
        code, out, err = amzigo(home, *arguments)
        assert (code, out) == (1, "") and sentence in err and len(err.splitlines()) == 1
    assert amzigo(home, "backup", "--keep-days", "400")[0] == 2
    (tmp_path / "note.txt").write_text("no backup")
    code, _, err = amzigo(tmp_path / "new", "restore", str(tmp_path / "note.txt"))
    assert code == 1 and "is no backup that Amzigo made" in err
    assert not (tmp_path / "new").exists()
    text = today_platform.home.settings_file.read_text()
    for section in ('folder = "relative"', "keep_days = 0", "keep_days = true", "colour = 1"):
        today_platform.home.settings_file.write_text(f"{text}\n[backup]\n{section}\n")
        code, _, err = amzigo(home, "backup")
        assert code == 1 and "has a missing or wrong setting" in err and len(err.splitlines()) == 1


def test_doctor_knows_backups_and_drills(today_platform: Platform, amzigo: Amzigo, tmp_path: Path) -> None:
    platform, home = today_platform, today_platform.home.path
    look = lambda: checks._backups(Platform(load_home(home), SystemClock()))  # noqa: E731
    with pytest.raises(AmzigoError, match="none is made: give a folder"):
        look()
    (tmp_path / "backups").mkdir()
    with platform.home.settings_file.open("a") as file:
        file.write(f'\n[backup]\nfolder = "{tmp_path / "backups"}"\n')
    with pytest.raises(AmzigoError, match="there is no living backup"):
        look()
    assert amzigo(home, "backup")[0] == 0
    with pytest.raises(AmzigoError, match="it was not tried out"):
        look()
    assert amzigo(home, "backup", "--drill")[0] == 0
    assert "the last restore drill passed" in look()
    old = datetime.now(UTC) - timedelta(days=3)
    with platform.control.transaction() as connection:
        connection.execute(backups.update().values(created_at=old))
    with pytest.raises(AmzigoError, match="one is due every day"):
        look()
    with platform.control.transaction() as connection:
        connection.execute(restore_drills.update().values(has_passed=False))
    with pytest.raises(AmzigoError, match="the last restore drill failed"):
        look()
    assert everything_in(tmp_path / "backups") and make_platform
