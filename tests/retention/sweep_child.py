"""Sweeps that die: reads lines `home|day|step`, forks for each, and the fork is killed with SIGKILL at that step.

One interpreter for all, as importing pyarrow costs more than a sweep. It prints how each fork ended.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import duckdb  # noqa: F401 - what the fork needs is imported before it
import pyarrow.dataset  # noqa: F401
from retention_kit import open_platform

from amzigo_pipelines.resources.audit import trail  # noqa: F401
from amzigo_pipelines.resources.lake import store  # noqa: F401
from amzigo_pipelines.resources.lake.files import LakeFile
from amzigo_pipelines.retention.sweep import SweepBusy, sweep

BUSY = 3


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run(home: Path, day: date, step: str) -> None:
    platform = open_platform(home, day)
    if step == "half_the_files":
        whole = platform.lake.destroy_files

        def half(files: Sequence[LakeFile]) -> None:
            whole(files[: len(files) // 2])
            # One more is gone from the disk, and the books don't know.
            (home / "lake" / files[-1].path).unlink()
            die()

        platform.lake.destroy_files = half  # type: ignore[method-assign,assignment]
    sweep(platform, as_of=day, on_step=lambda name: die() if name == step else None)


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        home, day, step = line.strip().split("|")
        pid = os.fork()
        if not pid:
            code = 0
            try:
                run(Path(home), date.fromisoformat(day), step)
            except SweepBusy:
                code = BUSY
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        end = "busy" if os.WEXITSTATUS(status) == BUSY else "ended"
        print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else end, flush=True)


if __name__ == "__main__":
    main()
