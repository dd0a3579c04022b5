"""What a worker process of a history does: one run after the other, for whichever lane has one.

Belongs here: the worker's start, its runs and its end. Does not belong here: which run comes when (`side_by_side.py`).
Processes and not threads, because Dagster sets up logging anew with each run, and two that do so at once lock up.
"""

from __future__ import annotations

import _thread
import multiprocessing
import os
import signal
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from amzigo_pipelines.cli.interrupts import keep_interrupts

if TYPE_CHECKING:
    from types import FrameType

    from amzigo_pipelines.assets.extraction.history import Stretch
    from amzigo_pipelines.cli.runs import Runner


@dataclass(frozen=True)
class Extracted:
    """What came of a run.

    Attributes:
        rows: by dataset; empty where nothing was materialised.
        sentence: what failed; empty where nothing did.
    """

    rows: Counter[str] = field(default_factory=Counter)
    sentence: str = ""


class _Ctrl_C:
    """Ends what is under way, once; an idle worker ends with the command, and has nothing to say."""

    def __init__(self) -> None:
        self.is_working = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.is_working:
            self.is_working = False
            raise KeyboardInterrupt

    def again(self) -> None:
        """Raise it once more: it came where nothing could take it."""
        self.is_working = True
        _thread.interrupt_main()


_ctrl_c = _Ctrl_C()
_runner: Runner | None = None


def start(home: Path) -> None:
    """Initialise this worker process."""
    global _runner
    # First of all, and Dagster's seconds of imports after it.
    signal.signal(signal.SIGINT, _ctrl_c)
    keep_interrupts(_ctrl_c.again)
    threading.Thread(target=_end_with_the_command, daemon=True).start()
    from amzigo_pipelines.cli.runs import Runner
    from amzigo_pipelines.resources.home import load_home
    from amzigo_pipelines.resources.platform import Platform

    _runner = Runner(Platform(load_home(home)))


def extract(seller_id: str, stretch: Stretch) -> Extracted:
    """One run in this worker."""
    assert _runner is not None  # the pool runs start() first
    _ctrl_c.is_working = True
    try:
        return extracted(_runner, seller_id, stretch)
    finally:
        _ctrl_c.is_working = False


def extracted(runner: Runner, seller_id: str, stretch: Stretch) -> Extracted:
    """One run, whoever starts it."""
    from amzigo_pipelines.assets.partitions import partition_key, range_tags
    from amzigo_pipelines.cli.runs import RunFailed, rows_by_asset
    from amzigo_pipelines.resources.labels import EXTRACTION_JOB, SELLER_TAG, lake_key

    is_range = stretch.first != stretch.last
    try:
        materialised = runner.run(
            EXTRACTION_JOB,
            partition_key=None if is_range else partition_key(stretch.first, seller_id),
            tags=range_tags(stretch.first, stretch.last, seller_id) if is_range else {SELLER_TAG: seller_id},
            selection=[lake_key(name) for name in stretch.datasets],
        )
    except RunFailed as failure:
        return Extracted(rows_by_asset(failure.materialised), str(failure))
    return Extracted(rows_by_asset(materialised))


def _end_with_the_command() -> None:
    """A command that is killed can't tell its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
