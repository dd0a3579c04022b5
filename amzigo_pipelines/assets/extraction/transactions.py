"""Extracting transactions and their breakdowns: sweeps of `listTransactions`, committed together day by day.

Belongs here: which days are asked for together, and which transactions belong to them. Does not belong here: paging and
retries (`resources/spapi/finances.py`, `resources/spapi/`), columns (`flatten_transactions.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from amzigo_pipelines.assets.extraction.flatten_transactions import FlatTransactions, flatten_transactions
from amzigo_pipelines.assets.extraction.paths import wrong_value
from amzigo_pipelines.assets.extraction.results import Extraction, ExtractionResult, results_of, window_of
from amzigo_pipelines.catalog.model import DATE, STRING
from amzigo_pipelines.catalog.transactions import TRANSACTION_BREAKDOWNS, TRANSACTIONS
from amzigo_pipelines.resources.lake.files import PartitionCommit
from amzigo_pipelines.resources.spapi.collection import collection_paused
from amzigo_pipelines.resources.spapi.errors import MissingRole, PageTokenRefused
from amzigo_pipelines.resources.spapi.finances import transaction_pages

_DATASETS = (TRANSACTIONS, TRANSACTION_BREAKDOWNS)
# How often a sweep is begun; each time its page tokens are fresh.
_STARTS = 3


def extract_transactions(extraction: Extraction, days: Sequence[date]) -> Iterator[ExtractionResult]:
    """Replace days' partitions of `transactions` and `transaction_breakdowns` by what Amazon says now.

    History is asked for many days at once. The days that are looked back to are asked for one by one, so that a
    transaction that is late changes no other day's pages, and such days can be seen to be as before.

    Args:
        extraction: what it works with.
        days: UTC days without a gap, in order.

    Raises:
        ExtractionRefused: a day isn't over.
        MissingRole: the application may not see finances; the sentence names the role and what stays empty.
        SpApiError, FlattenError, LakeWriteError, PartitionBusy: nothing was stored of that window and the later ones.
    """
    for day in days:
        window_of(day, extraction.clock)
    recent = TRANSACTIONS.source.lookback_days + 1
    size = TRANSACTIONS.source.window_days if len(days) > recent else 1
    for start in range(0, len(days), size):
        window = days[start : start + size]
        sweep = _started_again(extraction, window)
        for commits in sweep.commits:
            yield from results_of(commits, extraction.partner, sweep.warnings(), _told(window))


@dataclass
class _Sweep:
    """One sweep over a window: what it has seen, and what came of it."""

    seen: set[str] = field(default_factory=set)
    contradictory: int = 0
    elsewhere: int = 0
    commits: list[list[PartitionCommit]] = field(default_factory=list)

    def warnings(self) -> list[str]:
        """What a person should know."""
        found = []
        if self.contradictory:
            found.append(
                f"the breakdowns of {self.contradictory} transactions don't add up to their totals: Amazon's own "
                "contradiction; both are stored as Amazon says"
            )
        if self.elsewhere:
            found.append(
                f"{self.elsewhere} transactions are of marketplaces that this seller has not connected: they are "
                "left out"
            )
        return found


def _started_again(extraction: Extraction, window: Sequence[date]) -> _Sweep:
    try:
        for _ in range(_STARTS - 1):
            try:
                return _swept(extraction, window)
            except PageTokenRefused:
                continue
        return _swept(extraction, window)
    except MissingRole as error:
        error.add(
            f"transactions need the role '{TRANSACTIONS.source.role}': add it in the developer console and let the "
            "seller authorise the application again. Until then transactions, transaction_breakdowns and all columns "
            "made from them stay empty; nothing was stored"
        )
        raise


def _swept(extraction: Extraction, window: Sequence[date]) -> _Sweep:
    sweep, partner = _Sweep(), extraction.partner
    origin = {"operation": "listTransactions 2024-06-19", "window": _told(window)}
    with ExitStack() as stack:
        writers = {day: stack.enter_context(extraction.writer(day, _DATASETS, origin)) for day in window}
        for page in transaction_pages(partner, _midnight(window[0]), _midnight(window[-1] + timedelta(days=1))):
            with collection_paused():
                flat = flatten_transactions(_fresh(sweep, page.rows, frozenset(partner.marketplace_ids)))
            sweep.contradictory += flat.contradictory
            for day, transactions, breakdowns in _by_day(flat):
                # Whatever edge Amazon includes: what is of another day belongs to that day's partition.
                if day in writers:
                    writers[day].append(TRANSACTIONS, transactions)
                    writers[day].append(TRANSACTION_BREAKDOWNS, breakdowns)
    sweep.commits = [writers[day].committed for day in window]
    return sweep


def _fresh(sweep: _Sweep, rows: Sequence[dict[str, Any]], marketplace_ids: frozenset[str]) -> list[dict[str, Any]]:
    """The rows that did not come before, of marketplaces that are the seller's here or of none."""
    fresh = []
    for row in rows:
        transaction_id = row.get("transactionId")
        if not isinstance(transaction_id, str) or not transaction_id:
            raise wrong_value(TRANSACTIONS.name, "transaction_id", "transactionId", STRING)
        # Pages repeat themselves; and one server may answer for several regions.
        if transaction_id in sweep.seen:
            continue
        sweep.seen.add(transaction_id)
        place = row.get("marketplaceDetails") or row.get("sellingPartnerMetadata")
        marketplace_id = place.get("marketplaceId") if isinstance(place, dict) else None
        if marketplace_id and marketplace_id not in marketplace_ids:
            sweep.elsewhere += 1
            continue
        fresh.append(row)
    return fresh


def _by_day(flat: FlatTransactions) -> Iterator[tuple[date, pa.Table, pa.Table]]:
    days = pc.cast(flat.transactions["posted_at"].cast(pa.timestamp("us")), DATE, safe=False).combine_chunks()
    of_nodes = days.take(flat.parents)
    for day in sorted(pc.unique(days).to_pylist()):
        wanted = pa.scalar(day, DATE)
        yield (
            day,
            flat.transactions.filter(pc.equal(days, wanted)),
            flat.breakdowns.filter(pc.equal(of_nodes, wanted)),
        )


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _told(window: Sequence[date]) -> str:
    return f"{window[0]}T00:00:00Z <= posted < {window[-1] + timedelta(days=1)}T00:00:00Z"
