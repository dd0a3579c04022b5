"""Carrying out a history: its lanes side by side, shown on one bar, ended by one Ctrl-C.

Belongs here: which run comes when, the bar and its estimate. Does not belong here: which runs there are and which may
go side by side (`assets/extraction/history.py`), the runs themselves (`history_worker.py`), words before and after
(`extraction.py`). What lanes share is the control database, with Amazon's allowances in it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from amzigo_pipelines.cli import history_worker
from amzigo_pipelines.cli.output import complain, stderr

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from amzigo_pipelines.assets.extraction.history import Stretch
    from amzigo_pipelines.cli.history_worker import Extracted
    from amzigo_pipelines.cli.runs import Runner
    from amzigo_pipelines.resources.platform import Platform

# Beyond that this machine, not Amazon, is what runs wait for: a worker takes 300 MB.
_MOST_AT_ONCE = 4
# After Ctrl-C: longer than answers of Amazon's usually take. Whoever has not ended then is killed, which harms nothing:
# partitions are all or nothing.
_PATIENCE_S = 20.0
_LOOK_EVERY_S = 0.2


@dataclass
class _Lane:
    """Runs that follow each other.

    Attributes:
        stretches: what is left, the present one included.
        done: partitions that were extracted, or failed.
        began_at: monotonic second; None before it began.
        spent_s: seconds up to the end of its last run.
        sentence: of its last run, if that brought nothing.
    """

    stretches: list[Stretch]
    done: int = 0
    began_at: float | None = None
    spent_s: float = 0.0
    sentence: str = ""

    @property
    def left(self) -> int:
        """Partitions that are not done."""
        return sum(stretch.partitions for stretch in self.stretches)


@dataclass
class Outcome:
    """What came of a history.

    Attributes:
        rows: by dataset.
        failures: the sentences of what failed.
    """

    rows: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


class SideBySide:
    """A history of one seller on its way.

    Args:
        platform: the installation.
        runner: starts the runs of a single lane in this process.
        seller_id: whose.
        lanes: see `lanes_of`.
    """

    def __init__(self, platform: Platform, runner: Runner, seller_id: str, lanes: Sequence[Sequence[Stretch]]) -> None:
        from amzigo_pipelines.clock import today
        from amzigo_pipelines.retention.dates import earliest_pii_day

        self._platform, self._runner, self._seller_id = platform, runner, seller_id
        self._lanes = [_Lane(list(lane)) for lane in lanes]
        self._marketplace_ids = platform.sellers.get(seller_id).marketplace_ids
        self._first_personal = earliest_pii_day(today(platform.clock), platform.home.retention.pii_days)
        self._outcome = Outcome()

    def carry_out(self) -> Outcome:
        """Run everything. A dataset that fails holds up no other.

        Raises:
            KeyboardInterrupt: on Ctrl-C, once all that was under way has ended; what is stored stays.
        """
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        shown_on = stderr()
        told, left = TextColumn("{task.description}"), TextColumn("{task.fields[left]}")
        columns = (told, BarColumn(), MofNCompleteColumn(), left)
        with Progress(*columns, console=shown_on, transient=True, disable=not shown_on.is_terminal) as bar:
            task = bar.add_task(self._seller_id, total=sum(lane.left for lane in self._lanes), left=self._left())
            if len(self._lanes) > 1:
                self._in_workers(bar, task)
            else:
                self._in_this_process(bar, task)
        return self._outcome

    def _in_this_process(self, bar: Progress, task: TaskID) -> None:
        for lane in self._lanes:
            lane.began_at = time.monotonic()
            while lane.stretches:
                self._show(bar, task)
                self._note(lane, history_worker.extracted(self._runner, self._seller_id, lane.stretches[0]))

    def _in_workers(self, bar: Progress, task: TaskID) -> None:
        self._runner.know_sellers()
        pool = ProcessPoolExecutor(
            min(_MOST_AT_ONCE, len(self._lanes)),
            multiprocessing.get_context("spawn"),
            history_worker.start,
            (self._platform.home.path,),
        )
        under_way: dict[Future[Extracted], _Lane] = {}
        try:
            for lane in self._lanes:
                under_way[pool.submit(history_worker.extract, self._seller_id, lane.stretches[0])] = lane
            while under_way:
                for future, lane in under_way.items():
                    if lane.began_at is None and future.running():
                        lane.began_at = time.monotonic()
                self._show(bar, task)
                done, _ = wait(under_way, _LOOK_EVERY_S, FIRST_COMPLETED)
                for future in done:
                    lane = under_way.pop(future)
                    self._note(lane, future.result())
                    if lane.stretches:
                        again = pool.submit(history_worker.extract, self._seller_id, lane.stretches[0])
                        under_way[again] = lane
        except BrokenProcessPool:
            self._outcome.failures.append("a worker process was killed, perhaps because memory was short: start again")
        except BaseException:
            self._end(under_way)
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _end(self, under_way: dict[Future[Extracted], _Lane]) -> None:
        """End the workers: with a signal, and if that is not enough, without mercy."""
        complain("ending what is under way ...")
        for future in under_way:
            future.cancel()
        # In a terminal Ctrl-C has reached them already; they take it once.
        for worker in multiprocessing.active_children():
            with suppress(ProcessLookupError):
                os.kill(worker.pid or 0, signal.SIGINT)
        with suppress(KeyboardInterrupt):
            wait([future for future in under_way if not future.cancelled()], _PATIENCE_S)
        for worker in multiprocessing.active_children():
            worker.kill()

    def _note(self, lane: _Lane, extracted: Extracted) -> None:
        self._outcome.rows.update(extracted.rows)
        if extracted.sentence:
            self._outcome.failures.append(extracted.sentence)
        lane.done += lane.stretches.pop(0).partitions
        lane.spent_s = time.monotonic() - (lane.began_at or time.monotonic())
        came_to_nothing = extracted.sentence if not extracted.rows else ""
        if came_to_nothing and came_to_nothing == lane.sentence:
            # Twice the same, and nothing came: the third would end alike.
            lane.stretches.clear()
        lane.sentence = came_to_nothing

    # -- what is shown -----------------------------------------------------------------------------------------------

    def _show(self, bar: Progress, task: TaskID) -> None:
        done = sum(lane.done for lane in self._lanes)
        bar.update(task, completed=done, description=self._current(), left=self._left())

    def _current(self) -> str:
        current = [lane.stretches[0] for lane in self._lanes if lane.began_at is not None and lane.stretches]
        if not current:
            return self._seller_id
        names = sorted({name for stretch in current for name in stretch.datasets})
        first, last = min(stretch.first for stretch in current), max(stretch.last for stretch in current)
        days = str(first) if first == last else f"{first} to {last}"
        return f"{self._seller_id}, {days}: {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")

    def _left(self) -> str:
        """The lane that takes longest decides; one of which no run has ended yet is known by Amazon's rates alone."""
        from amzigo_pipelines.assets.extraction.history import estimate_s, seconds_by_rates

        by_rates = seconds_by_rates(
            [stretch for lane in self._lanes for stretch in lane.stretches],
            self._marketplace_ids,
            self._first_personal,
            self._platform.home.rate_scale_in_force,
        )
        unfinished = [lane for lane in self._lanes if lane.stretches]
        seconds = max((estimate_s(by_rates, lane.done, lane.spent_s, lane.left) for lane in unfinished), default=0.0)
        return in_words(seconds, all(lane.done for lane in unfinished))


def in_words(seconds: float, is_measured: bool) -> str:
    """A time to come as a person says it; before anything was measured only a lower bound is known."""
    minutes = -(-int(seconds) // 60)
    if minutes < 2:
        amount = "about a minute" if is_measured else "a minute"
    elif minutes < 120:
        amount = f"{'about ' if is_measured else ''}{minutes} minutes"
    else:
        amount = f"{'about ' if is_measured else ''}{minutes // 60} h {minutes % 60:02} min"
    return f"{amount} left" if is_measured else f"at least {amount}, by Amazon's rates"
