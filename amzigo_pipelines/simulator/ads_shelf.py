"""The advertising reports that were asked for, and how far each has come.

Belongs here: states, duplicates, content. Does not belong here: HTTP (`api_ads.py`) and what a report says
(`ads_report_types.py`). Waiting and working take real time; the content is as of the instant of asking.
"""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

PENDING = "PENDING"
PROCESSING = "PROCESSING"
COMPLETED = "COMPLETED"
FAILED = "FAILED"

DUPLICATE_FOR_S = 3_600.0
"""So long after a request the same one is refused as its duplicate, even when its report is there already."""


@dataclass
class AdsReport:
    """One report.

    Attributes:
        profile_id: whose.
        request: the body of the request.
        build: makes the rows.
        created_at: when it was asked for, as Amazon writes instants.
        stamp: the same, by both clocks (see `sealing.py`).
        queue_s, work_s: real seconds that it waits, then works.
        is_doomed: whether it will fail.
    """

    profile_id: int
    request: dict[str, Any]
    build: Callable[[], list[dict[str, Any]]]
    created_at: str
    stamp: tuple[float, float]
    queue_s: float
    work_s: float
    is_doomed: bool = False
    report_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    _document: bytes | None = None

    def status(self, age_s: float) -> str:
        """Amazon's status at an age in real seconds."""
        if age_s < self.queue_s:
            return PENDING
        if age_s < self.queue_s + self.work_s:
            return PROCESSING
        return FAILED if self.is_doomed else COMPLETED

    def document(self) -> bytes:
        """The gzipped JSON array, made when first needed."""
        if self._document is None:
            text = json.dumps(self.build(), separators=(",", ":"), ensure_ascii=False)
            self._document = gzip.compress(text.encode(), mtime=0)
        return self._document


class AdsShelf:
    """All reports of all profiles."""

    def __init__(self) -> None:
        self._reports: dict[str, AdsReport] = {}

    def add(self, report: AdsReport) -> None:
        """Keep a report."""
        self._reports[report.report_id] = report

    def find(self, report_id: str, profile_id: int | None = None) -> AdsReport | None:
        """A report by its id, of a profile or of any."""
        report = self._reports.get(report_id)
        return None if report is None or profile_id not in (None, report.profile_id) else report

    def same(
        self, profile_id: int, request: dict[str, Any], is_recent: Callable[[AdsReport], bool]
    ) -> AdsReport | None:
        """The recent report of a profile that was asked for by the same words, its name aside."""

        def asked(body: dict[str, Any]) -> dict[str, Any]:
            return {name: value for name, value in body.items() if name != "name"}

        for report in reversed(self._reports.values()):
            if report.profile_id == profile_id and asked(report.request) == asked(request) and is_recent(report):
                return report
        return None
