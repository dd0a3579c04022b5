"""The retention ledger: what a sweep is about to destroy, written down before, and closed when it is certified.

Belongs here: the rows of `retention_runs`. Does not belong here: when to write them (`sweep.py`).

A row is `stopped` when the guard or a legal hold kept a sweep from a seller, `pending` before anything of it is
destroyed, `failed` when it was destroyed but not verified, `certified` at the end. An unfinished row says all that the
next run needs: key ids, files, and the other families' counts before.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from amzigo_pipelines.clock import Clock
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.high_water import raise_high_water
from amzigo_pipelines.resources.control.schema import retention_runs
from amzigo_pipelines.resources.lake.files import is_lake_path

PENDING, FAILED, CERTIFIED, NOTHING_DUE = "pending", "failed", "certified", "nothing_due"
STOPPED = "stopped"
OPEN = (PENDING, FAILED)
EVERYONE = "*"


@dataclass
class Run:
    """A sweep's work on one seller.

    Attributes:
        run_id: its number in the ledger.
        seller_id: whose data.
        as_of: the sweep's day.
        keys: keys to destroy: date of death by key id.
        files: paths of files to unlink.
        confirmed_by: who confirmed it when the guard would have stopped it; None where it would not have.
        before: the other families' files of the same partitions as they were: path -> rows in the books, bytes on disk
            (None where the file was missing already).
    """

    run_id: str
    seller_id: str
    as_of: date
    keys: dict[str, date]
    files: set[str]
    before: dict[str, tuple[int, int | None]]
    confirmed_by: str | None = None

    def earliest_death(self, default: date) -> date:
        """The earliest date of death of its keys and files; `default` when there are none."""
        names = [path.rpartition("/")[2] for path in self.files if is_lake_path(path)]
        deaths = [date.fromisoformat(name.partition("-")[2][:10]) for name in names]
        return min([*self.keys.values(), *deaths], default=default)

    def detail(self) -> str:
        """As it is stored."""
        parts: dict[str, Any] = {
            "keys": {key_id: expires_on.isoformat() for key_id, expires_on in sorted(self.keys.items())},
            "files": sorted(self.files),
            "before": dict(sorted(self.before.items())),
            **({"confirmed_by": self.confirmed_by} if self.confirmed_by else {}),
        }
        return json.dumps(parts, separators=(",", ":"))


def open_runs(control: ControlDatabase, retention_class: str, seller_ids: Collection[str] | None = None) -> list[Run]:
    """The runs that were begun and not certified, oldest first."""
    c = retention_runs.c
    query = sa.select(c.run_id, c.seller_id, c.expires_on, c.detail).where(
        c.retention_class == retention_class, c.state.in_(OPEN)
    )
    if seller_ids is not None:
        query = query.where(c.seller_id.in_(sorted(set(seller_ids))))
    with control.read() as connection:
        rows = connection.execute(query.order_by(c.started_at, c.run_id)).all()
    found = []
    for row in rows:
        detail = json.loads(row.detail)
        found.append(
            Run(
                run_id=row.run_id,
                seller_id=row.seller_id,
                as_of=row.expires_on,
                keys={key_id: date.fromisoformat(text) for key_id, text in detail["keys"].items()},
                files=set(detail["files"]),
                before={path: (rows_, bytes_) for path, (rows_, bytes_) in detail["before"].items()},
                confirmed_by=detail.get("confirmed_by"),
            )
        )
    return found


def begin(control: ControlDatabase, clock: Clock, retention_class: str, runs: Sequence[Run]) -> None:
    """Write down what is about to be destroyed, in one transaction, durable when this returns."""
    if not runs:
        return
    with control.transaction() as connection:
        raise_high_water(connection, clock)
        connection.execute(retention_runs.insert(), [_row(run, clock, retention_class, PENDING) for run in runs])


def extend(control: ControlDatabase, runs: Iterable[Run]) -> None:
    """Write down what was added to unfinished runs."""
    with control.transaction() as connection:
        for run in runs:
            connection.execute(_of([run.run_id]).values(detail=run.detail()))


def fail(control: ControlDatabase, clock: Clock, runs: Sequence[Run]) -> None:
    """Mark runs that were carried out and not verified; they stay open."""
    with control.transaction() as connection:
        connection.execute(_of([run.run_id for run in runs]).values(state=FAILED, finished_at=clock.now()))


def certify(connection: Connection, clock: Clock, number: int, amounts: Sequence[tuple[Run, int, int]]) -> None:
    """Close runs under a certificate. Lists go: the certificate has them, and paths say when a seller sold.

    Args:
        connection: of the transaction that issues the certificate.
        clock: when.
        number: the certificate's.
        amounts: the runs, each with its files and their rows.
    """
    if not amounts:
        return
    closing = retention_runs.update().where(retention_runs.c.run_id == sa.bindparam("run")).values(state=CERTIFIED)
    facts = [
        {
            "run": run.run_id,
            "finished_at": clock.now(),
            "keys_destroyed": len(run.keys),
            "files_destroyed": files,
            "rows_destroyed": rows,
            "detail": json.dumps(
                {"certificate": number, **({"confirmed_by": run.confirmed_by} if run.confirmed_by else {})}
            ),
        }
        for run, files, rows in amounts
    ]
    values: dict[str, Any] = {name: sa.bindparam(name) for name in facts[0] if name != "run"}
    connection.execute(closing.values(values), facts)


def certificate_number(detail: str) -> int:
    """The number of the certificate in a certified run's detail."""
    return int(json.loads(detail)["certificate"])


def record_nothing(control: ControlDatabase, clock: Clock, retention_class: str, run_id: str, as_of: date) -> None:
    """Note a sweep that found nothing: that nothing was due is a fact that auditors ask for, too."""
    run = Run(run_id, EVERYONE, as_of, {}, set(), {})
    with control.transaction() as connection:
        raise_high_water(connection, clock)
        row = _row(run, clock, retention_class, NOTHING_DUE) | {"finished_at": clock.now(), "detail": "{}"}
        connection.execute(retention_runs.insert().values(row))


def record_stopped(
    control: ControlDatabase, clock: Clock, retention_class: str, as_of: date, seller_ids: Collection[str]
) -> None:
    """Note that the guard, or a hold that could not be carried out, kept a sweep from some sellers."""
    with control.transaction() as connection:
        raise_high_water(connection, clock)
        for seller_id in seller_ids:
            run = Run(uuid.uuid4().hex, seller_id, as_of, {}, set(), {})
            row = _row(run, clock, retention_class, STOPPED) | {"finished_at": clock.now(), "detail": "{}"}
            connection.execute(retention_runs.insert().values(row))


def last_ended(control: ControlDatabase, retention_class: str) -> datetime | None:
    """When the latest sweep of a class began that came to its end; None when none ever did."""
    c = retention_runs.c
    query = sa.select(sa.func.max(c.started_at)).where(
        c.retention_class == retention_class, c.state.in_((CERTIFIED, NOTHING_DUE))
    )
    with control.read() as connection:
        found: datetime | None = connection.execute(query).scalar()
    return found


def last_instant(control: ControlDatabase) -> datetime | None:
    """The latest moment that the ledger knows, over all classes; None when nothing was ever swept."""
    c = retention_runs.c
    with control.read() as connection:
        row = connection.execute(sa.select(sa.func.max(c.started_at), sa.func.max(c.finished_at))).one()
    moments = [moment for moment in row if moment is not None]
    return max(moments, default=None)


def _row(run: Run, clock: Clock, retention_class: str, state: str) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "seller_id": run.seller_id,
        "retention_class": retention_class,
        "expires_on": run.as_of,
        "state": state,
        "started_at": clock.now(),
        "finished_at": None,
        "keys_destroyed": 0,
        "files_destroyed": 0,
        "rows_destroyed": 0,
        "detail": run.detail(),
    }


def _of(run_ids: list[str]) -> sa.Update:
    return retention_runs.update().where(retention_runs.c.run_id.in_(run_ids))
