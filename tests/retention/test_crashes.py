"""A sweep killed at each of its steps: the next run finishes it, and the certificates cover all that was destroyed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from retention_kit import DAY, OTHER, SELLER, business_rows, days, move, on_disk, open_platform, write_day

from amzigo_pipelines.resources.keys.keks import KekMissing
from amzigo_pipelines.resources.keys.store import KeyDead
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.certificates import verify_chain
from amzigo_pipelines.retention.outlook import status
from amzigo_pipelines.retention.sweep import sweep

HERE = Path(__file__).parent
DEATH = DAY + timedelta(days=20)
STEPS = (
    "holds_carried_out",
    "recorded",
    "keys_destroyed",
    "late_files_recorded",
    "kek_created",
    "kek_rewrapped",
    "kek_committed",
    "kek_destroyed",
    "kek_noted",
    "kek_exchanged",
    "half_the_files",
    "files_unlinked",
    "verified",
    "certified",
    "certificate_written",
)
Kill = Callable[[Platform, date, str], str]


@pytest.fixture(scope="module")
def kill() -> Iterator[Kill]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AMZIGO_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parent.parent), environment.get("PYTHONPATH", "")])
    command = [sys.executable, str(HERE / "sweep_child.py")]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout
        assert stdout.readline().strip() == "ready"

        def run(platform: Platform, day: date, step: str) -> str:
            stdin.write(f"{platform.home.path}|{day}|{step}\n")
            stdin.flush()
            return stdout.readline().strip()

        yield run
        stdin.close()


def certified(platform: Platform) -> tuple[list[str], int, int]:
    """Key ids, files and rows of all certificates together."""
    ids: list[str] = []
    files = rows = 0
    for certificate in verify_chain(platform):
        for seller in certificate.body["sellers"]:
            ids += [key_id for key_ids in seller["key_ids_by_day_of_death"].values() for key_id in key_ids]
            files += seller["files"]
            rows += seller["rows"]
    return sorted(ids), files, rows


@pytest.mark.parametrize("step", STEPS)
def test_killed_then_run_again(platform: Platform, kill: Kill, step: str) -> None:
    deaths = days(DEATH, 3)
    for seller in (SELLER, OTHER):
        write_day(platform, seller, DAY, deaths)
    before = {seller: business_rows(platform, seller) for seller in (SELLER, OTHER)}
    doomed = sorted(record.key_id for record in platform.keys.due("pii", deaths[1]))
    assert kill(platform, deaths[1], step) == str(int(signal.SIGKILL))

    # Whatever was destroyed before the kill is on record: nothing is gone that nobody answers for.
    move(platform, deaths[1])
    gone = {record.key_id for record in platform.keys.destroyed()}
    unfinished = sum(line.unfinished for line in status(platform))
    assert not gone or unfinished == 2 or step in ("certified", "certificate_written")

    # The next run is a day late, asked for the day of the interrupted one, in a process that knows nothing of it.
    platform = open_platform(platform.home.path, deaths[1])
    report = sweep(platform, as_of=deaths[1])
    assert report.resumed == ((SELLER, OTHER) if unfinished else ())
    assert certified(platform) == (doomed, 8, 24)
    assert len(verify_chain(platform)) == 1
    assert all(deaths[2].isoformat() in path for path in on_disk(platform))
    assert len(on_disk(platform)) == 4
    assert {seller: business_rows(platform, seller) for seller in (SELLER, OTHER)} == before
    assert [line for line in status(platform) if line.overdue or line.files_overdue or line.unfinished] == []
    for key_id in doomed:
        with pytest.raises(KeyDead):
            platform.keys.open(key_id)
    assert len(platform.keks.versions("pii")) == 1
    assert sweep(platform, as_of=deaths[1]).certificate is None


def test_two_processes_at_once_the_second_is_refused_and_changes_nothing(platform: Platform, kill: Kill) -> None:
    write_day(platform, SELLER, DAY, [DEATH])
    move(platform, DEATH)
    answers = {}

    def another(step: str) -> None:
        if step in ("recorded", "keys_destroyed", "files_unlinked"):
            answers[step] = kill(platform, DEATH, "never")

    assert sweep(platform, as_of=DEATH, on_step=another).keys_destroyed == 1
    assert answers == dict.fromkeys(("recorded", "keys_destroyed", "files_unlinked"), "busy")
    assert len(verify_chain(platform)) == 1
    assert kill(platform, DEATH, "never") == "ended"
    assert len(verify_chain(platform)) == 1


def test_an_interrupted_run_is_finished_with_what_came_due_since(platform: Platform, kill: Kill) -> None:
    deaths = days(DEATH, 3)
    write_day(platform, SELLER, DAY, deaths)
    assert kill(platform, deaths[0], "keys_destroyed") == str(int(signal.SIGKILL))
    move(platform, deaths[1])
    report = sweep(platform, as_of=deaths[1])
    assert (report.keys_destroyed, report.files_removed) == (2, 4)
    assert report.resumed == (SELLER,)
    (certificate,) = verify_chain(platform)
    assert certificate.day_of_death == deaths[1]
    assert list(certificate.body["sellers"][0]["key_ids_by_day_of_death"]) == [d.isoformat() for d in deaths[:2]]


def test_an_interrupted_run_is_finished_as_a_whole_by_one_of_an_earlier_day(platform: Platform, kill: Kill) -> None:
    deaths = days(DEATH, 3)
    write_day(platform, SELLER, DAY, deaths)
    assert kill(platform, deaths[1], "recorded") == str(int(signal.SIGKILL))
    move(platform, deaths[1])
    report = sweep(platform, as_of=deaths[0])
    assert report.keys_destroyed == 2
    (certificate,) = verify_chain(platform)
    assert certificate.day_of_death == deaths[1]


def test_killed_while_the_old_kek_is_still_there_a_copy_is_worth_nothing_after_the_next_run(
    platform: Platform, kill: Kill
) -> None:
    write_day(platform, SELLER, DAY, [DEATH, DEATH + timedelta(days=1)])
    (dying,) = platform.keys.due("pii", DEATH)
    old = (platform.home.path / "control.db").read_bytes()
    assert kill(platform, DEATH, "keys_destroyed") == str(int(signal.SIGKILL))
    move(platform, DEATH)
    sweep(platform, as_of=DEATH)
    (platform.home.path / "control.db").write_bytes(old)
    with pytest.raises(KekMissing):
        open_platform(platform.home.path, DAY).keys.open(dying.key_id)
