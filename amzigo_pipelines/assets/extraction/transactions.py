"""Extracting transactions and their breakdowns: sweeps of `listTransactions`, committed together day by day.

Belongs here: which days are asked for together, and which transactions belong to them. Does not belong here: paging and
retries (`resources/spapi/finances.py`, `resources/spapi/`), columns (`flatten_transactions.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from amzigo_pipelines.assets.extraction.flatten_transactions import FlatTransactions, flatten_transactions
from amzigo_pipelines.assets.extraction.paths import wrong_value
from amzigo_pipelines.assets.extraction.results import Extraction, ExtractionResult, results_of, window_of
from amzigo_pipelines.catalog.model import DATE, STRING
from amzigo_pipelines.catalog.transactions import TRANSACTION_BREAKDOWNS, TRANSACTIONS
from amzigo_pipelines.clock import today
from amzigo_pipelines.resources.lake.files import PartitionCommit
from amzigo_pipelines.resources.spapi.collection import collection_paused
from amzigo_pipelines.resources.spapi.errors import MissingRole, PageTokenRefused
from amzigo_pipelines.resources.spapi.finances import transaction_pages

_DATASETS = (TRANSACTIONS, TRANSACTION_BREAKDOWNS)
# How often a sweep is begun; each time its page tokens are fresh.
_STARTS = 3
_HELD_BACK = "DEFERRED"
# What a partition's origin says of transactions that Amazon held back: the first day on which one of them is due.
_DUE_ON = "deferred_due_on"
# What is held back longer than this is left as it is: Amazon answers no window that is longer either.
_LONGEST_DEFERRED = timedelta(days=180)


def extract_transactions(extraction: Extraction, days: Sequence[date]) -> Iterator[ExtractionResult]:
    """Replace days' partitions of `transactions` and `transaction_breakdowns` by what Amazon says now.

    History is asked for many days at once. The days that are looked back to are asked for one by one, so that a
    transaction that is late changes no other day's pages, and such days can be seen to be as before.

    With the night's own day come those days besides of which a transaction was held back and is due by now: Amazon
    changes its status when it is released, long after the days that are looked back to. They are asked for each night
    until nothing of them is due any more, whatever nights were missed.

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
        yield from _results(extraction, window)
    if days and days[-1] >= today(extraction.clock) - timedelta(days=1):
        due = _due_days(extraction, days)
        extraction = replace(extraction, restating=extraction.restating.union(due))
        for day in due:
            yield from _results(extraction, [day])


def _results(extraction: Extraction, window: Sequence[date]) -> Iterator[ExtractionResult]:
    sweep = _started_again(extraction, window)
    for commits in sweep.commits:
        yield from results_of(commits, extraction.partner, sweep.warnings(), _told(window))


def _due_days(extraction: Extraction, but: Sequence[date]) -> list[date]:
    """Days that hold transactions that were held back when they were last looked at, and are due."""
    now_on = today(extraction.clock)
    return [
        record.day
        for record in extraction.lake.partitions(extraction.partner.seller_id, TRANSACTIONS)
        if record.day not in but
        and record.day >= now_on - _LONGEST_DEFERRED
        and record.origin.get(_DUE_ON, now_on.isoformat()) < now_on.isoformat()
    ]


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
    due_on: dict[date, date] = {}
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
                    if (due := _first_due(transactions, day)) is not None:
                        due_on[day] = min(due, due_on.get(day, due))
        for day, due in due_on.items():
            writers[day].note(_DUE_ON, due.isoformat())
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


def _first_due(transactions: pa.Table, day: date) -> date | None:
    """When the first of what is held back is due; at once where Amazon does not say it."""
    held_back = transactions.filter(pc.fill_null(pc.equal(transactions["status"], _HELD_BACK), False))
    if not held_back.num_rows:
        return None
    due = [day if instant is None else instant.date() for instant in held_back["matures_at"].to_pylist()]
    return max(day, min(due))


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
