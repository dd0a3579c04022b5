"""What the backup tests do in processes of their own: `python backup_child.py ACTION FOLDER`."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from backup_kit import NOW, open_platform, take_keys

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.backup_places import FolderPlace
from amzigo_pipelines.retention.backups import make_backup
from amzigo_pipelines.retention.restore import restore


class KillAt:
    """Ends the process with SIGKILL when the step of that number is reached."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __call__(self, name: str) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1


def forked(run: Callable[[], object]) -> int:
    """Run in a forked process; gives the exit code, negative for a signal."""
    process_id = os.fork()
    if process_id == 0:
        try:
            run()
        except BaseException as error:
            print(type(error).__name__, error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1])


def kill_backups(folder: Path) -> None:
    """A backup of a copy of `home` into `crash-N/backups`, killed one step later each time, until one is not."""
    for number in range(50):
        place = folder / f"crash-{number:02}"
        shutil.copytree(folder / "home", place / "home")
        (place / "backups").mkdir()

        def run(place: Path = place, number: int = number) -> None:
            platform = open_platform(place / "home")
            make_backup(platform, FolderPlace(place / "backups"), keep_days=35, actor="tester", on_step=KillAt(number))

        if forked(run) == 0:
            return


def kill_restores(folder: Path) -> None:
    """A restore of `backup` into `crash-N/new`, killed one step later each time, until one is not."""
    for number in range(50):
        target = folder / f"crash-{number:02}" / "new"
        take_keys(open_platform(folder / "home"), target / "kek")
        run = lambda: restore(folder / "one.backup", target, VirtualClock(NOW), on_step=KillAt(number))  # noqa: B023, E731
        if forked(run) == 0:
            return


def full(folder: Path) -> None:
    """Back up and restore while no file may grow beyond a limit; says the error's kind and sentence."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def back_up() -> None:
        platform = open_platform(folder / "home")
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
        _say("backup", lambda: make_backup(platform, FolderPlace(folder / "backups"), keep_days=35, actor="tester"))

    def bring_back() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
        _say("restore", lambda: restore(folder / "one.backup", folder / "new", VirtualClock(NOW)))

    assert forked(back_up) == 0
    assert forked(bring_back) == 0


def _say(name: str, run: Callable[[], object]) -> None:
    try:
        run()
    except AmzigoError as error:
        print(json.dumps([name, type(error).__name__, str(error)]), flush=True)


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
