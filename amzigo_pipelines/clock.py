"""The one source of time. Everything that asks what time it is asks a `Clock`.

Belongs here: telling the time, for real or on a virtual time line. Does not belong here: what follows from
the time (dates of death live in `retention/`, windows of extraction in `assets/`).

Imports nothing of ours, so that every layer may use it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Protocol


class Clock(Protocol):
    """Something that tells the time."""

    def now(self) -> datetime:
        """The present instant, timezone-aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The machine's present instant in UTC."""
        return datetime.now(UTC)


class VirtualClock:
    """A clock that stands still until it is moved; the demo and the tests live on one.

    Args:
        now: the instant to start from, timezone-aware.

    Raises:
        ValueError: the instant has no time zone.
    """

    def __init__(self, now: datetime) -> None:
        self._now = _in_utc(now)

    def now(self) -> datetime:
        """The instant last set, in UTC."""
        return self._now

    def set(self, now: datetime) -> None:
        """Move the clock, forwards or back, to a timezone-aware instant."""
        self._now = _in_utc(now)


def today(clock: Clock) -> date:
    """The clock's present day in UTC: the day in which partitions and dates of death are counted."""
    return clock.now().astimezone(UTC).date()


def _in_utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("a clock needs an instant with a time zone, such as datetime(..., tzinfo=UTC)")
    return instant.astimezone(UTC)
