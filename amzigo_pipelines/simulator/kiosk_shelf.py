"""The Data Kiosk queries that sellers have made, and how far each has come.

Belongs here: states, documents and their encoding. Does not belong here: HTTP (`api_kiosk.py`) and what an answer says
(`kiosk_rows.py`). Waiting and working take real time; the rest is as of the simulator's clock.
"""

from __future__ import annotations

import copy
import gzip
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from amzigo_pipelines.simulator.report_drift import ColumnDrift
from amzigo_pipelines.simulator.report_shelf import CANCELLED, DONE, FATAL, IN_PROGRESS, IN_QUEUE

_ERROR = {"errors": [{"code": "InternalFailure", "message": "The query could not be processed. Try again later."}]}


@dataclass
class Query:
    """One query, or one page of its answer.

    Attributes:
        text: GraphQL as it was submitted.
        make: makes the rows, with the fields that were asked for.
        as_of: epoch second as of which the data is seen; that of the first page for the later ones.
        first_row: where its page begins.
        page_rows: rows of a page; 0 for all.
        created_at: epoch second by the simulator's clock.
        stamp: when it was asked for, by both clocks (see `sealing.py`).
        queue_s, work_s: real seconds it waits, then works.
        fate: FATAL or CANCELLED if it was doomed when asked for or has been cancelled; else empty.
        error: content of the error document where it was doomed; None for the usual.
        never_ends: whether it stays IN_PROGRESS for ever.
        drift: what happened to its fields, or None.
    """

    query_id: str
    seller_id: str
    text: str
    view: str
    make: Callable[[], list[dict[str, Any]]]
    as_of: int
    first_row: int
    page_rows: int
    created_at: float
    stamp: tuple[float, float]
    queue_s: float
    work_s: float
    fate: str = ""
    never_ends: bool = False
    error: str | None = None
    drift: ColumnDrift | None = None
    data_document_id: str = field(default_factory=lambda: f"amzn1.tortuga.4.na.{secrets.token_hex(16)}.T1DATA")
    error_document_id: str = field(default_factory=lambda: f"amzn1.tortuga.4.na.{secrets.token_hex(16)}.T1ERROR")
    _rows: list[dict[str, Any]] | None = None

    def status(self) -> str:
        """Amazon's processing status at this moment."""
        waited = time.monotonic() - self.stamp[1]
        if self.fate == CANCELLED:
            return CANCELLED
        if waited < self.queue_s:
            return IN_QUEUE
        if self.never_ends or waited < self.queue_s + self.work_s:
            return IN_PROGRESS
        return self.fate or DONE

    def rows(self) -> list[dict[str, Any]]:
        """All rows of the answer, made when first needed."""
        if self._rows is None:
            rows = self.make()
            self._rows = [_drifted(row, self.drift) for row in rows] if self.drift else rows
        return self._rows

    def page(self) -> list[dict[str, Any]]:
        """The rows of this page."""
        end = self.first_row + self.page_rows if self.page_rows else None
        return self.rows()[self.first_row : end]

    @property
    def next_row(self) -> int | None:
        """Where the next page begins; None if this is the last."""
        end = self.first_row + self.page_rows
        return end if self.page_rows and end < len(self.rows()) else None

    def document(self, document_id: str, is_compressed: bool) -> bytes:
        """A document as bytes: the data as JSON lines, or the error as JSON."""
        if document_id == self.error_document_id:
            text = json.dumps(_ERROR) if self.error is None else self.error
        else:
            lines = [json.dumps(row, separators=(",", ":"), ensure_ascii=False) for row in self.page()]
            text = "".join(f"{line}\n" for line in lines)
        return gzip.compress(text.encode(), mtime=0) if is_compressed else text.encode()


def _drifted(row: dict[str, Any], drift: ColumnDrift) -> dict[str, Any]:
    """A row after a change of fields. New ones are told apart by nothing but their name.

    Raises:
        ValueError: a field that is to go or to change its name does not exist: the test is wrong.
    """
    row = copy.deepcopy(row)
    for path in (*drift.missing, *drift.renamed):
        *above, leaf = path.split(".")
        holder = row
        for name in above:
            holder = holder[name]
        if leaf not in holder:
            raise ValueError(f"the answer has no field {path}")
        value = holder.pop(leaf)
        if path in drift.renamed:
            holder[drift.renamed[path]] = value
    return row | {name: "synthetic" for name in drift.extra}


class QueryShelf:
    """All queries of all sellers."""

    def __init__(self) -> None:
        self._queries: list[Query] = []
        self._next_id = 70_000_019_000

    def new_id(self) -> str:
        """A query id that was not used before."""
        self._next_id += 1
        return str(self._next_id)

    def add(self, query: Query) -> None:
        """Keep a query."""
        self._queries.append(query)

    def of(self, seller_id: str) -> list[Query]:
        """A seller's queries, newest first."""
        return [query for query in reversed(self._queries) if query.seller_id == seller_id]

    def find(self, seller_id: str, query_id: str) -> Query | None:
        """A seller's query by its id."""
        return next((query for query in self.of(seller_id) if query.query_id == query_id), None)

    def by_document(self, document_id: str) -> Query | None:
        """The query of a document that exists by now."""
        for query in reversed(self._queries):
            wanted = {DONE: query.data_document_id, FATAL: query.error_document_id}
            if document_id in wanted.values():
                return query if wanted.get(query.status()) == document_id else None
        return None
