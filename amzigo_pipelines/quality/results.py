"""What the checks found, in the control database: the truth that blocks a publish.

Belongs here: storing findings and answering what is unchecked or broken now. Does not belong here: evaluating rules
(`suite.py`) and showing results (`checks.py`, `cli/quality.py`).

A result belongs to a version of a partition. A partition that was replaced is unchecked again; results of its former
versions stay as history.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from amzigo_pipelines.quality.rules import Severity
from amzigo_pipelines.quality.suite import Finding
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import partitions, quality_results
from amzigo_pipelines.resources.control.statements import put_row


@dataclass(frozen=True)
class PartitionQuality:
    """What was found of one version of a partition.

    Attributes:
        seller_id: whose data.
        dataset: name of the dataset.
        day: the partition's day.
        version: of the partition.
        checked_at: when (UTC).
        rows: how many were looked at.
        rules: how many rules were evaluated.
        errors: how many rules of severity ERROR are broken.
        warnings: how many of severity WARN.
        broken: rows that break a rule, by the rule's name.
    """

    seller_id: str
    dataset: str
    day: date
    version: int
    checked_at: datetime
    rows: int
    rules: int
    errors: int
    warnings: int
    broken: Mapping[str, int]


class QualityResults:
    """The results in the control database.

    Args:
        control: the control database.
    """

    def __init__(self, control: ControlDatabase) -> None:
        self._control = control

    def store(
        self, seller_id: str, dataset: str, day: date, version: int, findings: Sequence[Finding], at: datetime
    ) -> None:
        """Keep what was found of a version of a partition; a second look replaces the first."""
        broken = [finding for finding in findings if not finding.held]
        values = {
            "checked_at": at,
            "rows": max((finding.rows for finding in findings), default=0),
            "rules": len(findings),
            "errors": sum(finding.rule.severity is Severity.ERROR for finding in broken),
            "warnings": sum(finding.rule.severity is Severity.WARN for finding in broken),
            "detail": json.dumps({finding.rule.name: finding.unexpected for finding in broken}),
        }
        key = {"seller_id": seller_id, "dataset": dataset, "day": day, "version": version}
        with self._control.transaction() as connection:
            put_row(connection, quality_results, key, values)

    def unchecked(self, seller_id: str | None = None) -> dict[tuple[str, str], dict[date, int]]:
        """Partitions whose current version was not looked at: (seller, dataset) to days with their versions."""
        query = (
            sa.select(partitions.c.seller_id, partitions.c.dataset, partitions.c.day, partitions.c.version)
            .outerjoin(quality_results, _same_version())
            .where(quality_results.c.version.is_(None))
            .order_by(partitions.c.seller_id, partitions.c.dataset, partitions.c.day)
        )
        if seller_id is not None:
            query = query.where(partitions.c.seller_id == seller_id)
        found: dict[tuple[str, str], dict[date, int]] = {}
        with self._control.read() as connection:
            for row in connection.execute(query):
                found.setdefault((row.seller_id, row.dataset), {})[row.day] = row.version
        return found

    def current(self, seller_id: str | None = None, *, only_broken: bool = False) -> list[PartitionQuality]:
        """The results of the versions that are current now, by seller, dataset and day."""
        query = (
            sa.select(quality_results)
            .join(partitions, _same_version())
            .order_by(quality_results.c.seller_id, quality_results.c.dataset, quality_results.c.day)
        )
        if seller_id is not None:
            query = query.where(quality_results.c.seller_id == seller_id)
        if only_broken:
            query = query.where((quality_results.c.errors > 0) | (quality_results.c.warnings > 0))
        with self._control.read() as connection:
            return [_quality(row) for row in connection.execute(query)]

    def history(self, seller_id: str) -> list[PartitionQuality]:
        """All results of a seller, also of versions that were replaced since, by dataset, day and version."""
        c = quality_results.c
        query = sa.select(quality_results).where(c.seller_id == seller_id).order_by(c.dataset, c.day, c.version)
        with self._control.read() as connection:
            return [_quality(row) for row in connection.execute(query)]

    def blocking(self, seller_id: str) -> list[PartitionQuality]:
        """What must be mended before the seller's marts are published again."""
        return [result for result in self.current(seller_id, only_broken=True) if result.errors]


def _same_version() -> sa.ColumnElement[bool]:
    return sa.and_(
        *(quality_results.c[name] == partitions.c[name] for name in ("seller_id", "dataset", "day", "version"))
    )


def _quality(row: sa.Row[tuple[object, ...]]) -> PartitionQuality:
    values = dict(row._mapping)
    return PartitionQuality(broken=json.loads(values.pop("detail")), **values)
