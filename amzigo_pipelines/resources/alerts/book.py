"""The book of alerts in the control database: what stands, since when, and which messages tell of it.

Level-triggered: the book is shown all troubles of the moment and finds out itself what is new, worse or over. So a
trouble is told once however often it is seen, and once more when it is over. What is to be said is written down in the
same transaction, and delivered later (`delivery.py`): a server that is down delays a message and loses none.

Belongs here: the rows of `alerts` and `alert_messages`. Does not belong here: finding troubles
(`automation/alert_conditions.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from amzigo_pipelines.clock import Clock
from amzigo_pipelines.resources.alerts.messages import ERROR, Change, Told, pack
from amzigo_pipelines.resources.alerts.settings import EMAIL, WEBHOOK, AlertSettings
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import alert_messages, alerts
from amzigo_pipelines.resources.control.statements import next_number

# So long the book remembers what is over; the audit trail remembers longer.
_REMEMBER = timedelta(days=90)


@dataclass(frozen=True)
class Condition:
    """A trouble as it is now.

    Attributes:
        key: the same each time that the same trouble is seen, such as `check|marts/x|y`.
        severity: `ERROR` or `WARN`.
        owner: who is told, as assets name their owners.
        title: what it is about.
        sentence: what is wrong and what to do; never a value of the data.
        link: path of the page in the Dagster UI, such as `/runs/1`.
    """

    key: str
    severity: str
    owner: str
    title: str
    sentence: str
    link: str = ""


@dataclass(frozen=True)
class Alert:
    """A trouble in the book.

    Attributes:
        number: for people.
        opened_at, seen_at: first and last time that it was seen, UTC.
        resolved_at: when it was over; None while it stands.
    """

    number: int
    condition: Condition
    opened_at: datetime
    seen_at: datetime
    resolved_at: datetime | None


class AlertBook:
    """The alerts of one installation."""

    def __init__(self, control: ControlDatabase, settings: AlertSettings, clock: Clock) -> None:
        self._control = control
        self._settings = settings
        self._clock = clock

    def update(
        self, standing: Iterable[Condition], is_over: Callable[[str], bool] = lambda key: True
    ) -> dict[Change, int]:
        """Take over what stands now, and write down what has to be told.

        Args:
            standing: the troubles of the moment.
            is_over: whether an alert of the book that is not among them is over, by its key; otherwise it stays.

        Returns:
            How many alerts changed in which way.
        """
        now = self._clock.now()
        told: dict[str, list[Told]] = defaultdict(list)
        counts: dict[Change, int] = defaultdict(int)

        def tell(condition: Condition, change: Change, since: datetime) -> None:
            counts[change] += 1
            link = self._settings.ui + condition.link if self._settings.ui and condition.link else ""
            told[condition.owner].append(
                Told(change, condition.severity, condition.title, condition.sentence, _minute(since), link)
            )

        with self._control.transaction() as connection:
            rows = connection.execute(sa.select(alerts).where(alerts.c.resolved_at.is_(None))).mappings().all()
            open_rows = {row["alert_key"]: row for row in rows}
            seen = {condition.key: condition for condition in standing}
            for condition in seen.values():
                row = open_rows.get(condition.key)
                change = self._opened(connection, condition, now) if row is None else self._seen(row, condition, now)
                if row is not None:
                    _keep(connection, row, condition, now, is_told=change is not None)
                if change is not None:
                    tell(condition, change, now if row is None else row["opened_at"])
            for key, row in open_rows.items():
                if key in seen or not is_over(key):
                    continue
                _resolve(connection, row["number"], now)
                tell(_condition(row), Change.RESOLVED, row["opened_at"])
            for owner, ones in told.items():
                self._write_down(connection, owner, ones, now)
            connection.execute(alerts.delete().where(alerts.c.resolved_at < now - _REMEMBER))
        return dict(counts)

    def _opened(self, connection: Connection, condition: Condition, now: datetime) -> Change:
        connection.execute(
            alerts.insert().values(
                number=next_number(connection, alerts),
                alert_key=condition.key,
                **_facts(condition),
                opened_at=now,
                seen_at=now,
                told_at=now,
            )
        )
        return Change.OPENED

    def _seen(self, row: RowMapping, condition: Condition, now: datetime) -> Change | None:
        if condition.severity == ERROR and row["severity"] != ERROR:
            return Change.WORSE
        is_due = now - row["told_at"] >= timedelta(hours=self._settings.remind_hours)
        return Change.REMINDER if condition.severity == ERROR and is_due else None

    def _write_down(self, connection: Connection, owner: str, told: Sequence[Told], now: datetime) -> None:
        name = self._settings.route_of(owner)
        if name is None:
            return
        route = self._settings.routes[name]
        ordered = sorted(told, key=lambda one: (one.severity != ERROR, one.change is Change.RESOLVED))
        for channel in [way for way in (EMAIL, WEBHOOK) if getattr(route, way)]:
            connection.execute(
                alert_messages.insert().values(
                    number=next_number(connection, alert_messages),
                    owner=owner,
                    route=name,
                    channel=channel,
                    told=pack(ordered),
                    written_at=now,
                    attempts=0,
                    due_at=now,
                )
            )

    def list(self, *, with_resolved: bool = False) -> list[Alert]:
        """What stands, errors first; with what is over too, if asked for."""
        query = sa.select(alerts).order_by(alerts.c.severity, alerts.c.number)
        if not with_resolved:
            query = query.where(alerts.c.resolved_at.is_(None))
        with self._control.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            Alert(row["number"], _condition(row), row["opened_at"], row["seen_at"], row["resolved_at"]) for row in rows
        ]


def _facts(condition: Condition) -> dict[str, Any]:
    return {
        "severity": condition.severity,
        "owner": condition.owner,
        "title": condition.title,
        "sentence": condition.sentence,
        "link": condition.link,
    }


def _condition(row: RowMapping) -> Condition:
    return Condition(row["alert_key"], row["severity"], row["owner"], row["title"], row["sentence"], row["link"])


def _keep(connection: Connection, row: RowMapping, condition: Condition, now: datetime, *, is_told: bool) -> None:
    connection.execute(
        alerts.update()
        .where(alerts.c.number == row["number"])
        .values(**_facts(condition), seen_at=now, told_at=now if is_told else row["told_at"])
    )


def _resolve(connection: Connection, number: int, now: datetime) -> None:
    connection.execute(alerts.update().where(alerts.c.number == number).values(resolved_at=now))


def _minute(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")
