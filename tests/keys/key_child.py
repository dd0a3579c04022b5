"""What the tests do in a process of its own: `python key_child.py HOME STEP` rotates all KEKs, killed at a step."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from keys_kit import open_platform

from amzigo_pipelines.resources.keys.roles import KekPurpose


def main(home: Path, killed_at: int) -> None:
    seen = 0

    def step(name: str) -> None:
        nonlocal seen
        if seen == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    platform = open_platform(home)
    for purpose in KekPurpose:
        platform.keys.rotate(purpose, step)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
