"""A process that extracts and is killed: each number on its standard input is a request at which a fork of it dies.

Usage: `python child.py FOLDER URL NOW`. It answers each number with the fork's exit code.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.home import load_home
from amzigo_pipelines.resources.spapi.transport import Connection
from tests.extraction.conftest import Platform
from tests.faults.kit import SOURCES, extract


def kill_at(number: int) -> None:
    """Die when the HTTP request of that number, from 1, has been answered."""
    left = number
    real_request, real_stream = Connection.request, Connection.stream

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def request(self: Connection, *arguments: Any, **named: Any) -> Any:
        answer = real_request(self, *arguments, **named)
        count()
        return answer

    def stream(self: Connection, *arguments: Any) -> Any:
        count()
        return real_stream(self, *arguments)

    Connection.request, Connection.stream = request, stream  # type: ignore[method-assign]


def extract_all(folder: Path, now: datetime) -> None:
    """All sources, one after the other."""
    platform = Platform(load_home(folder / "home"), VirtualClock(now))
    for source in SOURCES:
        extract(platform, source)


if __name__ == "__main__":
    folder, now = Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
    for line in sys.stdin:
        process_id = os.fork()
        if process_id == 0:
            try:
                kill_at(int(line))
                extract_all(folder, now)
            except BaseException as error:
                print(type(error).__name__, error, file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1]), flush=True)
