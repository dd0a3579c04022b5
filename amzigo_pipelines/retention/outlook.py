"""Looking ahead: what a sweep would destroy, and how things stand. Changes nothing.

Belongs here: the figures of `amzigo retention plan` and `status`. Does not belong here: what is due (`due.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import sqlalchemy as sa

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.clock import today
from amzigo_pipelines.resources.control.schema import data_keys, lake_files, retention_runs
from amzigo_pipelines.resources.keys.store import KeyClass
from amzigo_pipelines.resources.lake.files import DESTROYED
from amzigo_pipelines.retention.due import due
from amzigo_pipelines.retention.guard import too_much
from amzigo_pipelines.retention.ledger import OPEN
from amzigo_pipelines.retention.verify import snapshot

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform


@dataclass(frozen=True)
class PlanLine:
    """What a sweep would do to one seller.

    Attributes:
        seller_id: whose data.
        retention_class: of which class.
        keys: data keys it would destroy.
        mart_keys: keys of published marts that it would destroy, as they hold data of the class.
        files: files it would unlink.
        rows: rows in them.
        bytes: their size.
        files_staying: files of the other families in the same partitions.
        rows_staying: rows of these partitions that stay, without the columns of the class.
        needs_confirmation: whether the guard would stop it.
    """

    seller_id: str
    retention_class: RetentionClass
    keys: int
    mart_keys: int
    files: int
    rows: int
    bytes: int
    files_staying: int
    rows_staying: int
    needs_confirmation: bool


@dataclass(frozen=True)
class StatusLine:
    """How one seller and class stand.

    Attributes:
        seller_id: whose data.
        key_class: the class; `mart` for the keys of published marts, which the sweeps of what they hold destroy.
        keys_alive: keys not destroyed yet, overdue ones included.
        next_death: the next date after today on which one dies; None when there is none.
        overdue: keys whose date has come and that no sweep destroyed (the key store refuses them all the same).
        files_overdue: files whose date has come and that are not known to be unlinked.
        unfinished: sweeps that were begun and not certified.
    """

    seller_id: str
    key_class: KeyClass
    keys_alive: int
    next_death: date | None
    overdue: int
    files_overdue: int
    unfinished: int


def plan(
    platform: Platform,
    *,
    as_of: date,
    retention_class: RetentionClass = RetentionClass.PII,
    seller_ids: Collection[str] | None = None,
) -> list[PlanLine]:
    """What a sweep of a day would destroy, one line a seller that it would touch. The day may be in the future.

    Args:
        platform: the installation.
        as_of: the day of death.
        retention_class: which class.
        seller_ids: only these sellers; all when None.
    """
    found = due(platform.control, retention_class, as_of, seller_ids)
    stopped = too_much(platform.control, platform.home.retention, as_of, found)
    staying = snapshot(platform, retention_class, [file for one in found.values() for file in one.files])
    lines = []
    for seller_id, one in found.items():
        others = staying.get(seller_id, {})
        lines.append(
            PlanLine(
                seller_id=seller_id,
                retention_class=retention_class,
                keys=len(one.keys),
                mart_keys=len(one.mart_keys),
                files=len(one.files),
                rows=sum(file.rows for file in one.files),
                bytes=sum(file.bytes for file in one.files),
                files_staying=len(others),
                # Each row of a partition stands once in its business file.
                rows_staying=sum(rows for path, (rows, _) in others.items() if f"/{RetentionClass.BUSINESS}-" in path),
                needs_confirmation=seller_id in stopped,
            )
        )
    return lines


def status(platform: Platform) -> list[StatusLine]:
    """How every seller and class stands that has keys, files or sweeps to speak of, by seller and class."""
    now_on = today(platform.clock)
    k, f, r = data_keys.c, lake_files.c, retention_runs.c
    classes = [*map(str, RetentionClass), str(KeyClass.MART)]
    is_past = sa.case((k.expires_on <= now_on, 1), else_=0)
    ahead = sa.case((k.expires_on > now_on, k.expires_on))
    with platform.control.read() as connection:
        keys = connection.execute(
            sa.select(k.seller_id, k.key_class, sa.func.count(), sa.func.min(ahead), sa.func.sum(is_past))
            .where(k.destroyed_at.is_(None), k.key_class.in_(classes))
            .group_by(k.seller_id, k.key_class)
        ).all()
        files = connection.execute(
            sa.select(f.seller_id, f.family, sa.func.count())
            .where(f.state != DESTROYED, f.expires_on <= now_on)
            .group_by(f.seller_id, f.family)
        ).all()
        runs = connection.execute(
            sa.select(r.seller_id, r.retention_class, sa.func.count())
            .where(r.state.in_(OPEN))
            .group_by(r.seller_id, r.retention_class)
        ).all()
    alive = {(seller, name): (int(count), first, int(past)) for seller, name, count, first, past in keys}
    late = {(seller, name): int(count) for seller, name, count in files}
    unfinished = {(seller, name): int(count) for seller, name, count in runs}
    order = {name: position for position, name in enumerate(classes)}
    lines = []
    for seller, name in sorted({*alive, *late, *unfinished}, key=lambda pair: (pair[0], order[pair[1]])):
        count, first, past = alive.get((seller, name), (0, None, 0))
        lines.append(
            StatusLine(
                seller_id=seller,
                key_class=KeyClass(name),
                keys_alive=count,
                next_death=first,
                overdue=past,
                files_overdue=late.get((seller, name), 0),
                unfinished=unfinished.get((seller, name), 0),
            )
        )
    return lines
