"""What data an incident put in danger, from the books, and the notice about it for Amazon.

Belongs here: counting, and the notice's words. Does not belong here: the incident's steps (`incidents.py`), sending: a
person does that. Neither a buyer's data nor a seller's name is in a notice: counts, classes and times.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.resources.control.schema import holds, lake_files, vault_files
from amzigo_pipelines.retention.incidents import NOTICE_WITHIN, Incident

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

AMAZONS_ADDRESS = "security@amazon.com"


@dataclass(frozen=True)
class Affected:
    """What was there to be seen, of one seller, dataset and class.

    Attributes:
        seller_id: whose data.
        dataset: which.
        retention_class: pii, pseudonym or business.
        partitions: partitions (days).
        first_day: the first of them.
        last_day: the last of them.
        rows: rows in them.
        rows_destroyed: of these, rows that retention or an erasure destroyed since.
    """

    seller_id: str
    dataset: str
    retention_class: str
    partitions: int
    first_day: date
    last_day: date
    rows: int
    rows_destroyed: int


def affected_data(platform: Platform, incident: Incident) -> list[Affected]:
    """What the lake and the vaults of legal holds held of the incident's sellers at any moment of the exposure.

    A file counts if it was written before the exposure ended and not destroyed before it began. Files that a newer
    extraction replaced and that are unlinked are not in the books any more; their partition is. Of a vault nothing is
    in the books any more once its hold has ended.
    """
    f = lake_files.c
    until = incident.exposed_until or platform.clock.now()
    gone = sa.case((f.destroyed_at.is_not(None), f.rows), else_=0)
    query = (
        sa.select(
            f.seller_id,
            f.dataset,
            f.family,
            sa.func.count(f.day.distinct()),
            sa.func.min(f.day),
            sa.func.max(f.day),
            sa.func.sum(f.rows),
            sa.func.sum(gone),
        )
        .where(
            f.seller_id.in_(incident.seller_ids),
            f.created_at <= until,
            sa.or_(f.destroyed_at.is_(None), f.destroyed_at >= incident.exposed_from),
        )
        .group_by(f.seller_id, f.dataset, f.family)
        .order_by(f.seller_id, f.dataset, f.family)
    )
    with platform.control.read() as connection:
        rows = connection.execute(query).all()
    return [
        Affected(seller, dataset, family, int(days), first, last, int(held), int(destroyed))
        for seller, dataset, family, days, first, last, held, destroyed in rows
    ] + _in_vaults(platform, incident.seller_ids, until)


def _in_vaults(platform: Platform, seller_ids: Collection[str], until: datetime) -> list[Affected]:
    """Copies under legal holds: they may be of data that the lake has no more."""
    query = (
        sa.select(holds.c.seller_id, vault_files.c.source, vault_files.c.rows)
        .join(holds, holds.c.number == vault_files.c.hold)
        .where(holds.c.seller_id.in_(seller_ids), vault_files.c.copied_at <= until)
    )
    found: dict[tuple[str, str, str], tuple[set[date], int]] = {}
    with platform.control.read() as connection:
        for seller_id, source, rows in connection.execute(query):
            dataset, _, day, name = source.split("/")
            days, sum_ = found.get((seller_id, dataset, name.partition("-")[0]), (set(), 0))
            days.add(date.fromisoformat(day.removeprefix("day=")))
            found[seller_id, dataset, name.partition("-")[0]] = (days, sum_ + rows)
    return [
        Affected(seller_id, f"{dataset} under legal holds", family, len(days), min(days), max(days), rows, 0)
        for (seller_id, dataset, family), (days, rows) in sorted(found.items())
    ]


def draft_notice(platform: Platform, incident: Incident, found: list[Affected]) -> str:
    """The notice, for a person to read, complete and send."""
    now = platform.clock.now()
    has_pii = any(one.retention_class == "pii" for one in found)
    lines = [
        f"To: {AMAZONS_ADDRESS}",
        f"Subject: Security incident {incident.incident_id}: notification under the Data Protection Policy",
        "",
        f"Application: {platform.home.application_id or 'TO BE FILLED IN: the SP-API application id'}",
        "Contact: TO BE FILLED IN: name, role, telephone",
        "",
        f"Detected:   {_moment(incident.detected_at)}",
        f"Notice due: {_moment(incident.notice_due_at)} ({NOTICE_WITHIN.days * 24} hours after detection)",
        f"Drafted:    {_moment(now)}; {incident.clock_sentence(now)}",
        f"Exposure:   {_moment(incident.exposed_from)} to {_moment(incident.exposed_until)}",
        f"Contained:  {_moment(incident.contained_at)}",
        "",
        "What happened:",
        f"  {incident.summary}",
        "",
        f"Selling partners affected: {', '.join(incident.seller_ids)}",
        f"Personally identifiable information of buyers among it: {'yes' if has_pii else 'no'}",
        "",
        "Data in danger during the exposure (counted from our books; encrypted at rest with AES-256-GCM):",
    ]
    lines += [_line(one) for one in found] or ["  none: nothing of these sellers was stored then"]
    lines += ["", "What was done:"]
    lines += [f"  {_moment(action.at)}: {action.text}" for action in incident.actions] or ["  nothing yet"]
    lines += [
        "",
        f"Root cause: {incident.root_cause or 'under investigation; we will write again'}",
        "",
        "This notice holds no personal data. Names and contents can be given on a secure way.",
    ]
    return "\n".join(lines) + "\n"


def _line(one: Affected) -> str:
    source = DATASETS[one.dataset].source if one.dataset in DATASETS else None
    operation = f", from {source.report_type or source.operation}" if source else ""
    destroyed = f"; {one.rows_destroyed:,} of them destroyed since" if one.rows_destroyed else ""
    return (
        f"  {one.seller_id} {one.dataset} ({one.retention_class}): {one.rows:,} rows of {one.partitions:,} "
        f"{'day' if one.partitions == 1 else 'days'}, "
        f"{one.first_day} to {one.last_day}{operation}{destroyed}"
    )


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "not yet"
