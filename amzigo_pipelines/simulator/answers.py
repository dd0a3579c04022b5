"""What goes over the wire: an answer, Amazon's error bodies, instants as Amazon writes and reads them.

Belongs here: shapes shared by all operations. Does not belong here: any one operation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

_EPOCH = date(1970, 1, 1)


@dataclass
class Answer:
    """An HTTP answer before faults have been at it."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """Raised by an operation that refuses, with Amazon's status and error code.

    Args:
        status: HTTP status.
        code: Amazon's code, e.g. `InvalidInput`.
        message: one sentence; never holds what the caller sent, which may be personal.
        details: a further sentence, or empty.
    """

    def __init__(self, status: int, code: str, message: str, details: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details = details

    def answer(self) -> Answer:
        """The refusal as an answer with Amazon's `errors` array."""
        return errors(self.status, self.code, str(self), self.details)


def as_json(value: Any, status: int = 200) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def errors(status: int, code: str, message: str, details: str = "") -> Answer:
    """An answer with Amazon's `errors` array."""
    return as_json({"errors": [{"code": code, "message": message, "details": details}]}, status)


def invalid(message: str) -> Refusal:
    """The 400 that Amazon gives for parameters it does not accept."""
    return Refusal(400, "InvalidInput", message)


def instant(epoch: float) -> str:
    """An epoch second as Amazon writes it: UTC, with milliseconds only if there are any."""
    # By arithmetic: a page of orders has a thousand instants, and strftime would take half of its time.
    seconds, fraction = epoch, ""
    if isinstance(epoch, float):
        seconds, milliseconds = divmod(round(epoch * 1_000), 1_000)
        fraction = f".{milliseconds:03d}" if milliseconds else ""
    day, rest = divmod(int(seconds), 86_400)
    return f"{_day(day)}T{rest // 3_600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}{fraction}Z"


@lru_cache(maxsize=4_096)
def _day(number: int) -> str:
    return (_EPOCH + timedelta(days=number)).isoformat()


def parse_instant(text: str, name: str) -> float:
    """An ISO 8601 instant as an epoch second; without an offset it is UTC.

    Raises:
        Refusal: 400, the text is no instant.
    """
    try:
        # A plus sign that the caller did not escape arrives as a space.
        moment = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise invalid(f"{name} is not an ISO 8601 date and time.") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()
