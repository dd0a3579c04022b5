"""Delivering what the book of alerts wrote down: each message until it is taken, ever more seldom.

A message is delivered at least once: killed between handing it over and noting that, it is handed over again, with the
same key. Belongs here: which message is due, and when it is tried again. Does not belong here: handing over
(`channels.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from amzigo_pipelines.clock import Clock
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.alerts.channels import NotDelivered, mail, post
from amzigo_pipelines.resources.alerts.messages import WARN, Change, Message, Told, unpack
from amzigo_pipelines.resources.alerts.settings import EMAIL, WEBHOOK
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import alert_messages
from amzigo_pipelines.resources.home import Home

_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
# Delivered ones are forgotten then; what was not delivered in this time is told no more: it is no news.
_KEEP = timedelta(days=7)
# One turn of a sensor must end: what is left waits for the next.
_AT_ONCE = 20


@dataclass(frozen=True)
class Undelivered:
    """A message that nobody has taken yet.

    Attributes:
        owner: whose troubles it tells.
        channel: `email` or `webhook`.
        attempts: how often it was tried.
        reason: why it was not taken the last time; empty before the first.
        written_at: UTC.
    """

    owner: str
    channel: str
    attempts: int
    reason: str
    written_at: datetime


class Delivery:
    """Delivers the messages of one installation.

    Args:
        home: whose settings hold the routes.
        control: its control database.
        clock: when a message is due.
        environment: where secrets are looked up; the process's own when None.
    """

    def __init__(
        self, home: Home, control: ControlDatabase, clock: Clock, environment: Mapping[str, str] | None = None
    ) -> None:
        self._home = home
        self._control = control
        self._clock = clock
        self._environment = environment

    def run(self) -> tuple[int, list[str]]:
        """Try every message that is due.

        Returns:
            How many were taken, and why others were not: one sentence each.
        """
        m, now = alert_messages.c, self._clock.now()
        with self._control.transaction() as connection:
            connection.execute(alert_messages.delete().where(m.written_at < now - _KEEP))
            query = sa.select(alert_messages).where(m.sent_at.is_(None), m.due_at <= now).order_by(m.number)
            due = connection.execute(query.limit(_AT_ONCE)).mappings().all()
            installation_id = self._control.installation_id() if due else ""
        taken, reasons = 0, []
        for row in due:
            try:
                self._hand_over(row, installation_id)
            except AmzigoError as error:
                reasons.append(str(error))
                self._note(row, due_at=now + _wait(row["attempts"]), reason=str(error))
            else:
                taken += 1
                self._note(row, sent_at=now, reason="")
        return taken, reasons

    def undelivered(self) -> list[Undelivered]:
        """The messages that wait, oldest first."""
        m = alert_messages.c
        with self._control.read() as connection:
            rows = connection.execute(sa.select(alert_messages).where(m.sent_at.is_(None)).order_by(m.number)).all()
        return [Undelivered(r.owner, r.channel, r.attempts, r.reason, r.written_at) for r in rows]

    def ways(self) -> list[tuple[str, str]]:
        """Every route of the settings with each of its channels."""
        routes = self._home.alerts.routes.items()
        return [(name, way) for name, route in routes for way in (EMAIL, WEBHOOK) if getattr(route, way)]

    def try_out(self, route: str, channel: str) -> None:
        """Hand a message over now that says that it is a test.

        Raises:
            NotDelivered: it was not taken.
            AwsError: the webhook's address could not be had from AWS Secrets Manager.
        """
        now = self._clock.now()
        told = Told(Change.OPENED, WARN, "test", "this is a test: nothing is wrong", now.isoformat(timespec="minutes"))
        self._send(
            route, channel, Message(f"{self._control.installation_id()}-test-{now:%Y%m%d%H%M%S}", route, now, [told])
        )

    def _hand_over(self, row: RowMapping, installation_id: str) -> None:
        key = f"{installation_id}-{row['number']}-{row['written_at']:%Y%m%d%H%M%S}"
        self._send(row["route"], row["channel"], Message(key, row["owner"], row["written_at"], unpack(row["told"])))

    def _send(self, name: str, channel: str, message: Message) -> None:
        route = self._home.alerts.routes.get(name)
        if route is None:
            raise NotDelivered(f'the route "{name}" is no longer in amzigo.toml')
        if channel == WEBHOOK:
            post(self._home, route.webhook, message, self._environment)
        else:
            mail(self._home, self._home.alerts, route.email, message, self._environment)

    def _note(self, row: RowMapping, **values: object) -> None:
        with self._control.transaction() as connection:
            connection.execute(
                alert_messages.update()
                .where(alert_messages.c.number == row["number"])
                .values(attempts=row["attempts"] + 1, **values)
            )


def _wait(attempts: int) -> timedelta:
    doubled: int = 2 ** min(attempts, 10)
    return min(_FIRST_WAIT * doubled, _LONGEST_WAIT)
