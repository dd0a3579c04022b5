"""What a message says: the alerts that begin, end or still stand, for people and for programs.

Belongs here: words. They are made of our own sentences only, which hold no buyer's data. Does not belong here: which
alerts there are (`book.py`), and handing over (`channels.py`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

# A night in which Amazon is down fails every seller's run: a message tells the first of them, and how many there are.
_MOST_TOLD = 20


ERROR, WARN = "ERROR", "WARN"


class Change(StrEnum):
    """Why an alert is told."""

    OPENED = "opened"
    WORSE = "worse"
    REMINDER = "still stands"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Told:
    """An alert as a message tells it.

    Attributes:
        change: why now.
        severity: `ERROR` or `WARN`.
        title: what it is about, such as `run of daily_extraction, seller A1`.
        sentence: what is wrong and what to do.
        since: when it began, ISO 8601.
        link: the page in the Dagster UI; empty without one.
    """

    change: Change
    severity: str
    title: str
    sentence: str
    since: str
    link: str = ""


@dataclass(frozen=True)
class Message:
    """One message to one route.

    Attributes:
        key: tells it from all other messages of all installations.
        owner: whose troubles these are.
        written_at: UTC.
        told: the alerts, worst first.
    """

    key: str
    owner: str
    written_at: datetime
    told: Sequence[Told]

    @property
    def subject(self) -> str:
        """One line."""
        counts = Counter(one.change for one in self.told)
        return f"[Amzigo] {', '.join(f'{counts[c]} {c}' for c in Change if counts[c])} ({self.owner})"

    @property
    def text(self) -> str:
        """All of it for people, as plain text."""
        lines = [self.subject, ""]
        for one in self.told[:_MOST_TOLD]:
            lines.append(f"{one.change.upper()} {one.severity} {one.title} (since {one.since})")
            lines.append(f"  {one.sentence}")
            if one.link:
                lines.append(f"  {one.link}")
        if len(self.told) > _MOST_TOLD:
            lines.append(f"and {len(self.told) - _MOST_TOLD} more: amzigo alerts list")
        return "\n".join(lines) + "\n"

    def as_json(self) -> dict[str, Any]:
        """The same for programs: `text`, `owner`, `alerts`."""
        return {"text": self.text, "owner": self.owner, "alerts": [asdict(one) for one in self.told[:_MOST_TOLD]]}


def pack(told: Sequence[Told]) -> str:
    """As the control database keeps it until it is delivered."""
    return json.dumps([asdict(one) for one in told])


def unpack(packed: str) -> list[Told]:
    """Back from `pack`."""
    return [Told(**{**one, "change": Change(one["change"])}) for one in json.loads(packed)]
