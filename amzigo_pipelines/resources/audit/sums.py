"""What happens often, summed: calls of an API, uses of keys. In memory until the trail writes it.

Belongs here: counting. Does not belong here: writing (`trail.py`), and deciding what is counted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from amzigo_pipelines.clock import Clock

Count = Callable[..., None]


@dataclass(frozen=True)
class Kind:
    """What is summed together: one minute, action, seller, subject and outcome."""

    minute: datetime
    action: str
    seller_id: str | None
    subject: str
    outcome: str


@dataclass
class Sum:
    """How often, and how much in all."""

    count: int = 0
    rows: int = 0
    bytes: int = 0


class Sums:
    """Sums by minute. Never touches the database, so that it may be used within a transaction. Threads may share it.

    Args:
        clock: tells the minute.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sums: dict[Kind, Sum] = {}

    def add(
        self,
        action: str,
        seller_id: str | None,
        subject: str,
        outcome: str = "ok",
        *,
        count: int = 1,
        rows: int = 0,
        bytes_: int = 0,
    ) -> None:
        """Count something that happened.

        Args:
            action: what, as a word.
            seller_id: whose data.
            subject: an operation, a class of keys, a dataset.
            outcome: `ok`, a status, or why not.
            count: how often.
            rows: rows concerned.
            bytes_: bytes moved.
        """
        kind = Kind(self._clock.now().replace(second=0, microsecond=0), action, seller_id, subject, outcome)
        with self._lock:
            found = self._sums.get(kind)
            if found is None:
                found = self._sums[kind] = Sum()
            found.count += count
            found.rows += rows
            found.bytes += bytes_

    def is_due(self) -> bool:
        """Whether a minute is over of which something is kept."""
        with self._lock:
            first = next(iter(self._sums), None)
        return first is not None and first.minute != self._clock.now().replace(second=0, microsecond=0)

    def take(self) -> dict[Kind, Sum]:
        """All that is kept; it is kept no longer."""
        with self._lock:
            taken, self._sums = self._sums, {}
        return taken

    def give_back(self, taken: dict[Kind, Sum]) -> None:
        """Keep what was taken and could not be written."""
        with self._lock:
            for kind, sum_ in taken.items():
                found = self._sums.setdefault(kind, Sum())
                found.count += sum_.count
                found.rows += sum_.rows
                found.bytes += sum_.bytes
