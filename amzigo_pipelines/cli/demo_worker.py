"""What a worker process of the demo does: a seller's extraction and publish at one instant of the virtual clock.

Belongs here: the tasks that are sent to the workers. Does not belong here: the story (`demo.py`). Two workers, because
sellers are independent of one another and a small machine has two cores.
"""

from __future__ import annotations

import gc
import signal
import time
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amzigo_pipelines.cli.runs import Runner
    from amzigo_pipelines.clock import VirtualClock


_ORDERS = ("orders", "order_items")


@dataclass(frozen=True)
class Outcome:
    """What one task did: rows that came by dataset, rows in each mart, seconds of each stage."""

    rows: dict[str, int]
    marts: dict[str, int]
    extract_s: float
    publish_s: float


@dataclass
class _Worker:
    clock: VirtualClock
    runner: Runner


_worker: _Worker | None = None


def start(home: Path, now: datetime) -> None:
    """Initialise this worker process: open the platform and load the code location once."""
    global _worker
    # Ctrl-C reaches this process too. It ends at once and says nothing: what it was writing is swept later, and the
    # command itself has the word. So first of all, and Dagster's seconds of imports after it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from amzigo_pipelines.cli.runs import Runner
    from amzigo_pipelines.clock import VirtualClock
    from amzigo_pipelines.resources.home import load_home
    from amzigo_pipelines.resources.platform import Platform

    clock = VirtualClock(now)
    _worker = _Worker(clock, Runner(Platform(load_home(home), clock)))
    # What is loaded by now lives to the end: the cycle collector needn't walk through Dagster's modules again.
    gc.collect()
    gc.freeze()


def extract_and_publish(
    seller_id: str, first: date, last: date, now: datetime, everything_since: date | None
) -> Outcome:
    """Extract the days from `first` to `last` and publish, as if it were `now`.

    A range brings orders only, a single day orders, stock and listings; with `everything_since` all that Amazon has
    for a seller, the history from that day on included.
    """
    from amzigo_pipelines.assets.partitions import DAYS_PER_RUN, partition_key, range_tags
    from amzigo_pipelines.catalog.registry import DATASETS
    from amzigo_pipelines.cli.runs import rows_by_asset
    from amzigo_pipelines.resources.labels import EXTRACTION_JOB, PUBLISH_JOB, SELLER_TAG, lake_key

    assert _worker is not None  # the pool runs start() first
    _worker.clock.set(now)
    runner = _worker.runner
    tags = {SELLER_TAG: seller_id}
    started = time.perf_counter()
    rows: Counter[str] = Counter()
    if everything_since is not None:
        history = [lake_key(d.name) for d in DATASETS.values() if not d.source.is_snapshot and d.name not in _ORDERS]
        while everything_since < first:
            until = min(everything_since + timedelta(days=DAYS_PER_RUN), first) - timedelta(days=1)
            days = range_tags(everything_since, until, seller_id)
            rows.update(rows_by_asset(runner.run(EXTRACTION_JOB, tags=days, selection=history)))
            everything_since = until + timedelta(days=1)
        selection = None
    else:
        names = _ORDERS if first < last else (*_ORDERS, "fba_inventory", "listings")
        selection = [lake_key(name) for name in names]
    if first == last:
        key = partition_key(last, seller_id)
        rows.update(rows_by_asset(runner.run(EXTRACTION_JOB, partition_key=key, tags=tags, selection=selection)))
    else:
        days = range_tags(first, last, seller_id)
        rows.update(rows_by_asset(runner.run(EXTRACTION_JOB, tags=days, selection=selection)))
    extracted = time.perf_counter()
    published = runner.run(PUBLISH_JOB, partition_key=seller_id, tags=tags)
    return Outcome(
        rows=rows,
        marts=rows_by_asset(published),
        extract_s=extracted - started,
        publish_s=time.perf_counter() - extracted,
    )
