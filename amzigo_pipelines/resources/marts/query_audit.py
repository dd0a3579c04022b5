"""What the audit trail knows of SQL on published marts: who opened whose marts, and what each query took out.

Belongs here: the entries `open_marts` and `query_marts`, of a person's one by one, of a run's summed. Does not belong
here: running queries (`query.py`), and the text of a statement: its literals are somebody's, so the trail keeps its
kind and its SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from amzigo_pipelines.resources.audit.trail import AuditTrail

_KINDS = ("SELECT", "WITH", "FROM", "SHOW", "DESCRIBE", "SUMMARIZE", "EXPLAIN", "PIVOT", "UNPIVOT", "VALUES", "TABLE")


def note_session(audit: AuditTrail, seller_id: str, version: int, rows: int, bytes_: int) -> None:
    """Write down, before they open, that a seller's marts are opened, and how much there is to read."""
    detail = {"mart_rows": rows, "mart_bytes": bytes_}
    acting = audit.acting
    if acting.run_id:
        # A run's queries are our own code's, and many: the checks of marts.
        audit.count("open_marts", seller_id, f"marts, version {version}")
        return
    audit.record(acting.label, "open_marts", seller_id, f"marts, version {version}", acting.reason, detail=detail)


def noted(
    audit: AuditTrail, seller_ids: Sequence[str], sql: str, run: Callable[[], pa.RecordBatchReader]
) -> pa.RecordBatchReader:
    """Run a query; when its rows end, or nobody wants more, write down how many came, or that it was refused."""
    rows = bytes_ = 0

    def note(outcome: str) -> None:
        acting, detail = audit.acting, {"sha256": hashlib.sha256(sql.encode("utf-8", "replace")).hexdigest()}
        for seller_id in seller_ids:
            if acting.run_id:
                audit.count("query_marts", seller_id, f"{_kind(sql)} statement", outcome, rows=rows, bytes_=bytes_)
                continue
            audit.record(
                acting.label,
                "query_marts",
                seller_id,
                f"{_kind(sql)} statement",
                acting.reason,
                rows,
                bytes_=bytes_,
                outcome=outcome,
                detail=detail,
            )

    try:
        reader = run()
    except Exception as error:
        note(type(error).__name__)
        raise

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal rows, bytes_
        outcome = "stopped early"
        try:
            for batch in reader:
                rows += batch.num_rows
                bytes_ += batch.nbytes
                yield batch
            outcome = "ok"
        except Exception as error:
            outcome = type(error).__name__
            raise
        finally:
            note(outcome)

    return pa.RecordBatchReader.from_batches(reader.schema, batches())


def _kind(sql: str) -> str:
    first = (sql.split(maxsplit=1) or [""])[0].upper()
    return next((kind for kind in _KINDS if first.startswith(kind)), "other")
