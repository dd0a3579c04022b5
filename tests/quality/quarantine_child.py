"""What the quarantine's tests do in another process: `python quarantine_child.py FOLDER`; each attempt is a fork."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.home import load_home
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.quarantine.store import Quarantine
from amzigo_pipelines.resources.quarantine.structure import Fault

SELLER = "ATESTSELLER1"
DAY = date(2026, 9, 20)
NOW = datetime(2026, 9, 21, 0, 30, tzinfo=UTC)
NAME = "Erika Quarantaene"


class KillAt:
    """Ends the process with SIGKILL when the step of that number is reached."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __call__(self, name: str) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1


def keep(home: Path, on_step: Callable[[str], None], megabytes: int = 0) -> None:
    """Put a batch into quarantine, in which a person is named."""
    platform = Platform(load_home(home), VirtualClock(NOW))
    quarantine = Quarantine(platform.home, platform.control, platform.keys, platform.clock, on_step)
    with quarantine.recording(SELLER, DAY) as recording:
        recording.tape.keep("searchOrders EU ", {"payload": {"name": NAME}, "is_without_data": False})
        for _ in range(megabytes):
            list(recording.tape.keeping("document", [os.urandom(1 << 20)]))
        recording.keep(["orders", "order_items"], [DAY], "it does not fit", [Fault("orders", "order_id", "missing", 1)])


def main(folder: Path) -> None:
    """Copies of `template`, in each of which keeping was killed one step later; then a full disk."""
    for number in range(20):
        home = folder / f"crash-{number}"
        shutil.copytree(folder / "template", home)
        child = os.fork()
        if child == 0:
            keep(home, KillAt(number))
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            break
    home = folder / "full"
    shutil.copytree(folder / "template", home)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))
    try:
        keep(home, lambda _: None, megabytes=10)
    except AmzigoError as error:
        print(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
