"""What the checks found in published marts, by published version, in the control database.

Belongs here: storing findings and answering how marts stand. Does not belong here: evaluating rules (`marts.py`) and
showing results (`mart_suites.py`, `cli/quality.py`).

A result belongs to a version of a seller's published file; those of former versions stay as history.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.quality.rules import Severity
from amzigo_pipelines.quality.suite import Finding
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import mart_quality_results, marts
from amzigo_pipelines.resources.control.statements import put_row


class MartsBroken(AmzigoError):
    """Published marts fail the checks of their structure: what is made of them could not be trusted."""


@dataclass(frozen=True)
class MartQuality:
    """What was found of one mart in one published version.

    Attributes:
        seller_id: whose.
        mart: its name.
        version: of the seller's published file.
        checked_at: when (UTC).
        rows: how many were looked at.
        rules: how many rules were evaluated.
        errors: how many rules of severity ERROR are broken.
        warnings: how many of severity WARN.
        broken: rows that break a rule, by the rule's name.
        unseen: rules that should have had rows to look at and had none.
    """

    seller_id: str
    mart: str
    version: int
    checked_at: datetime
    rows: int
    rules: int
    errors: int
    warnings: int
    broken: Mapping[str, int]
    unseen: Sequence[str]


class MartResults:
    """The results in the control database.

    Args:
        control: the control database.
    """

    def __init__(self, control: ControlDatabase) -> None:
        self._control = control

    def store(self, seller_id: str, mart: str, version: int, findings: Sequence[Finding], checked_at: datetime) -> None:
        """Keep what was found of a mart."""
        broken = [finding for finding in findings if not finding.held]
        unseen = [finding.rule.name for finding in findings if finding.rule.must_see and not finding.rows]
        values = {
            "checked_at": checked_at,
            "rows": max((finding.rows for finding in findings), default=0),
            "rules": len(findings),
            "errors": sum(finding.rule.severity is Severity.ERROR for finding in broken),
            "warnings": sum(finding.rule.severity is Severity.WARN for finding in broken),
            "detail": json.dumps(
                {"broken": {finding.rule.name: finding.unexpected for finding in broken}, "unseen": unseen}
            ),
        }
        key = {"seller_id": seller_id, "mart": mart, "version": version}
        with self._control.transaction() as connection:
            put_row(connection, mart_quality_results, key, values)

    def looked_at(self, seller_id: str, version: int) -> set[str]:
        """The marts of a published version that were looked at."""
        c = mart_quality_results.c
        query = sa.select(c.mart).where(c.seller_id == seller_id, c.version == version)
        with self._control.read() as connection:
            return set(connection.execute(query).scalars())

    def current(self, seller_id: str | None = None) -> list[MartQuality]:
        """The results of the versions that are published now, by seller and mart."""
        c = mart_quality_results.c
        query = (
            sa.select(mart_quality_results)
            .join(marts, sa.and_(c.seller_id == marts.c.seller_id, c.version == marts.c.version))
            .order_by(c.seller_id, c.mart)
        )
        if seller_id is not None:
            query = query.where(c.seller_id == seller_id)
        with self._control.read() as connection:
            return [_quality(row) for row in connection.execute(query)]

    def refuse_broken(self, seller_id: str) -> None:
        """Stop what is made of a seller's published marts where a rule of their structure is broken.

        Raises:
            MartsBroken: one is; the sentence names the first.
        """
        broken = [one for one in self.current(seller_id) if one.errors]
        if broken:
            raise MartsBroken(
                f"{len(broken)} published marts of seller {seller_id} fail the checks of their structure, the first "
                f"{broken[0].mart} ({', '.join(broken[0].broken)}): mend and publish again, or go on all the same with "
                "--despite-failed-checks"
            )

    def unchecked(self) -> dict[str, int]:
        """Sellers with a published version of which no mart was looked at, and that version."""
        c = mart_quality_results.c
        same = sa.and_(c.seller_id == marts.c.seller_id, c.version == marts.c.version)
        query = sa.select(marts.c.seller_id, marts.c.version).where(~sa.exists().where(same))
        with self._control.read() as connection:
            return {seller_id: version for seller_id, version in connection.execute(query)}


def _quality(row: sa.Row[tuple[object, ...]]) -> MartQuality:
    values = dict(row._mapping)
    return MartQuality(**json.loads(values.pop("detail")), **values)
