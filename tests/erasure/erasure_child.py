"""Erasures and endings of holds that die: reads lines `home|what|step`, forks for each, and the fork is killed there.

`what` is the id of a request to carry out, or `holds` for ending those that are over. One interpreter for all, as
importing pyarrow costs more than an erasure. It prints how each fork ended.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import duckdb  # noqa: F401 - what the fork needs is imported before it
import pyarrow.dataset  # noqa: F401
from erasure_kit import DAY, no_publish, open_platform

from amzigo_pipelines.resources.audit import trail  # noqa: F401
from amzigo_pipelines.resources.lake import vault  # noqa: F401
from amzigo_pipelines.resources.lake.store import Lake
from amzigo_pipelines.resources.marts import warehouse  # noqa: F401
from amzigo_pipelines.retention.erasing import erase
from amzigo_pipelines.retention.hold_ending import end_holds


def run(home: Path, what: str, step: str) -> None:
    def on_step(name: str) -> None:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    platform = open_platform(home, DAY)
    platform.lake = Lake(
        home=platform.home, control=platform.control, keys=platform.keys, clock=platform.clock, on_step=on_step
    )
    if what == "holds":
        end_holds(platform, actor="child", on_step=on_step)
    else:
        erase(platform, what, publish=no_publish, actor="child", on_step=on_step)


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        home, what, step = line.strip().split("|")
        pid = os.fork()
        if not pid:
            try:
                run(Path(home), what, step)
            finally:
                os._exit(0)
        _, status = os.waitpid(pid, 0)
        print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else "ended", flush=True)


if __name__ == "__main__":
    main()
