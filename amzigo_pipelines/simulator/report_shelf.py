"""The reports that sellers have asked for, and how far each has come.

Belongs here: states, cooldown, content and its encoding. Does not belong here: HTTP (`api_reports.py`) and what a
report says (`report_types.py`). Waiting and working take real time; the rest is as of the simulator's clock.
"""

from __future__ import annotations

import gzip
import secrets
import threading
import time
from dataclasses import dataclass, field

from amzigo_pipelines.simulator.report_drift import ColumnDrift
from amzigo_pipelines.simulator.report_types import REPORT_TYPES, ReportRequest

IN_QUEUE = "IN_QUEUE"
IN_PROGRESS = "IN_PROGRESS"
DONE = "DONE"
CANCELLED = "CANCELLED"
FATAL = "FATAL"

_FAST_FROM_BYTES = 1 << 22


@dataclass
class Report:
    """One report.

    Attributes:
        created_at: epoch second by the simulator's clock.
        stamp: when it was asked for, by both clocks (see `sealing.py`).
        queue_s, work_s: real seconds it waits, then works.
        fate: FATAL or CANCELLED if it was doomed when asked for or has been cancelled; else empty.
        never_ends: whether it stays IN_PROGRESS for ever.
        drift: what happened to its columns, or None.
    """

    report_id: str
    seller_id: str
    report_type: str
    request: ReportRequest
    created_at: float
    stamp: tuple[float, float]
    queue_s: float
    work_s: float
    fate: str = ""
    never_ends: bool = False
    drift: ColumnDrift | None = None
    document_id: str = field(default_factory=lambda: f"amzn1.spdoc.1.4.na.{secrets.token_hex(16)}.T1SYNTHETIC")
    _text: str | None = None
    _is_built: bool = False
    _documents: dict[tuple[str, int], bytes] = field(default_factory=dict)

    def status(self) -> str:
        """Amazon's processing status at this moment."""
        waited = time.monotonic() - self.stamp[1]
        if self.fate == CANCELLED and waited < self.queue_s + self.work_s:
            return CANCELLED
        if waited < self.queue_s:
            return IN_QUEUE
        if self.never_ends or waited < self.queue_s + self.work_s:
            return IN_PROGRESS
        if self.fate:
            return self.fate
        return DONE if self.text() is not None else CANCELLED

    def text(self) -> str | None:
        """The content, made when first needed; None if there is no data."""
        if not self._is_built:
            text = REPORT_TYPES[self.report_type].build(self.request)
            self._text = self.drift.applied_to(text) if text and self.drift else text
            self._is_built = True
        return self._text

    def document(self, charset: str | None, gzip_members: int) -> bytes:
        """The content as bytes, made once.

        Args:
            charset: overrides the encoding of the document.
            gzip_members: how many gzip members it has, cut anywhere; 0 for no compression.
        """
        key = (self.charset(charset), gzip_members)
        if key not in self._documents:
            raw = (self.text() or "").encode(key[0], "replace")
            self._documents[key] = _compressed(raw, gzip_members) if gzip_members else raw
        return self._documents[key]

    def charset(self, override: str | None) -> str:
        """The encoding of the document, by Python's name."""
        return override or REPORT_TYPES[self.report_type].charset or self.request.markets[0].report_charset


def _compressed(raw: bytes, members: int) -> bytes:
    step = -(-len(raw) // members) or 1
    level = 1 if len(raw) >= _FAST_FROM_BYTES else 9
    starts = range(0, max(len(raw), 1), step)
    return b"".join(gzip.compress(raw[start : start + step], level, mtime=0) for start in starts)


class ReportShelf:
    """All reports of all sellers."""

    def __init__(self) -> None:
        self._reports: list[Report] = []
        self._next_id = 50_000_019_000
        self._claimed: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def claim(self, seller_id: str, key: str) -> bool:
        """Whether a report that Amazon makes by itself is still to be made; true once only."""
        with self._lock:
            is_new = (seller_id, key) not in self._claimed
            self._claimed.add((seller_id, key))
            return is_new

    def new_id(self) -> str:
        """A report id that was not used before."""
        self._next_id += 1
        return str(self._next_id)

    def add(self, report: Report) -> None:
        """Keep a report."""
        self._reports.append(report)

    def of(self, seller_id: str) -> list[Report]:
        """A seller's reports, newest first."""
        own = [report for report in reversed(self._reports) if report.seller_id == seller_id]
        return sorted(own, key=_created_at, reverse=True)

    def find(self, seller_id: str, report_id: str) -> Report | None:
        """A seller's report by its id."""
        return next((report for report in self.of(seller_id) if report.report_id == report_id), None)

    def by_document(self, document_id: str) -> Report | None:
        """The report of a document."""
        return next((report for report in reversed(self._reports) if report.document_id == document_id), None)


def _created_at(report: Report) -> float:
    return report.created_at
