"""The switches that make the simulator misbehave as the real services do.

Belongs here: which faults exist, which is due, and the answers of those that replace the whole answer. Does not belong
here: cutting connections (`wire.py`) and what needs an operation's own knowledge (a repeated page, a report's content).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from amzigo_pipelines.simulator.answers import Answer, as_json, errors
from amzigo_pipelines.simulator.report_drift import ColumnDrift

REPLACING = frozenset(
    {
        "html_503",
        "empty_429",
        "json_429",
        "forbidden_message",
        "forbidden_errors",
        "expired_token",
        "status",
    }
)
"""Kinds that answer instead of the operation."""
WIRE = frozenset({"slow_body", "torn_body", "reset"})
"""Kinds that spoil how the answer is sent."""
REPORT = frozenset({"never_ends", "fatal", "cancelled", "columns"})
"""Kinds that decide about a report or a query when it is asked for (`createReport`, `createQuery`)."""
CONTENT = frozenset({"repeat_page", "truncated_gzip", "expired_link", "error_sentence"}) | REPORT
"""Kinds that an operation carries out itself: pages, reports, and their download (`downloadReport`)."""


@dataclass
class Fault:
    """One switch.

    Attributes:
        operation: the operation it spoils, or `*` for all. A report's download is `downloadReport`, that of a
            document of Data Kiosk `downloadQuery`, the token endpoint `token`. `createReport/GET_...` and
            `downloadReport/GET_...` are of one type of report only, `createQuery/salesAndTraffic...` of one view, and
            for the kinds of `CONTENT` only.
        kind: one of `REPLACING`, `WIRE` and `CONTENT`.
        times: how often it strikes; None for ever.
        after: how many calls of the operation are let through first.
        status: for `status` the HTTP status; for `expired_token` 403 or 401.
        body: for `status` and `error_sentence` the text; None for an empty body.
        retry_after: seconds for the Retry-After header of a 429.
        seconds: for `slow_body` how long the body takes.
        keep: for `torn_body` and `truncated_gzip` the share of the bytes that is sent.
        columns: for `columns` the fields of a `ColumnDrift`; of a query's fields the dotted paths.

    Raises:
        ValueError, TypeError: an unknown kind or field, or one that cannot be confined to a type of report.
    """

    operation: str
    kind: str
    times: int | None = 1
    after: int = 0
    status: int | None = None
    body: str | None = None
    retry_after: float | None = None
    seconds: float = 1.0
    keep: float = 0.5
    columns: dict[str, Any] = field(default_factory=dict)
    struck: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        if self.kind not in REPLACING | WIRE | CONTENT:
            raise ValueError(f"no such fault: {self.kind}")
        if "/" in self.operation and self.kind not in CONTENT:
            raise ValueError(f"{self.kind} cannot be confined to one type of report")
        ColumnDrift(**self.columns)  # complains of unknown fields

    def answer(self) -> Answer:
        """The answer of a kind that replaces the operation's."""
        if self.kind == "html_503":
            page = b"<html><head><title>503</title></head><body>Service Unavailable</body></html>"
            return Answer(503, page, "text/html")
        if self.kind == "empty_429":
            return self._delayed(Answer(429, b"", "text/plain"))
        if self.kind == "json_429":
            return self._delayed(errors(429, "QuotaExceeded", "You exceeded your quota for the requested resource."))
        if self.kind == "forbidden_message":
            return as_json({"message": "Forbidden"}, 403)
        if self.kind == "forbidden_errors":
            return errors(403, "Unauthorized", "Access to requested resource is denied.")
        if self.kind == "expired_token":
            return errors(
                self.status or 403,
                "Unauthorized",
                "Access to requested resource is denied.",
                "The access token you provided has expired.",
            )
        content_type = "application/json" if (self.body or "").lstrip()[:1] in ("{", "[") else "text/plain"
        return self._delayed(Answer(self.status or 500, (self.body or "").encode(), content_type))

    def _delayed(self, answer: Answer) -> Answer:
        if self.retry_after is not None:
            answer.headers["Retry-After"] = f"{self.retry_after:g}"
        return answer


class FaultBoard:
    """The switches that are set. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def set(self, faults: Iterable[Fault | Mapping[str, Any]]) -> None:
        """Replace all switches by these, given as `Fault` or as its fields.

        Raises:
            ValueError, TypeError: an unknown kind or field.
        """
        made = [fault if isinstance(fault, Fault) else Fault(**fault) for fault in faults]
        with self._lock:
            self._faults = made

    def add(self, operation: str, kind: str, **settings: Any) -> Fault:
        """Set one more switch; see `Fault` for the settings."""
        fault = Fault(operation, kind, **settings)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Unset every switch."""
        self.set(())

    def describe(self) -> list[dict[str, Any]]:
        """The switches as JSON values, with how often each has struck."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def take(self, operation: str) -> Fault | None:
        """The fault that is due for a call of an operation, if any; counts the call against all that name it.

        `*` names every operation, but not the `operation/report type` that is asked about besides it.
        """
        names = (operation,) if "/" in operation else (operation, "*")
        due: Fault | None = None
        with self._lock:
            for fault in self._faults:
                if fault.operation not in names or fault.times == 0:
                    continue
                if fault.after > 0:
                    fault.after -= 1
                elif due is None:
                    due = fault
                    fault.struck += 1
                    if fault.times is not None:
                        fault.times -= 1
        return due
