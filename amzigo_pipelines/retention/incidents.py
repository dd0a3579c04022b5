"""The register of security incidents: opened, contained, notified, closed; and the freeze that containing means.

Belongs here: the rows of `incidents` and `seller_freezes`, and the rules of their steps. Does not belong here: refusing
keys (`resources/control/freezes.py`), what data is affected and the notice (`incident_notice.py`).

Each step and its audit entry are one transaction. Containing freezes: from its commit on, whatever process asks for a
key or a token of the sellers is refused, for the flag is read together with the key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.schema import data_keys, incidents, seller_freezes
from amzigo_pipelines.resources.control.schema import secrets as secrets_table
from amzigo_pipelines.resources.control.statements import next_number

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform

# Amazon's Data Protection Policy: security@amazon.com is told within 24 hours of detecting an incident.
NOTICE_WITHIN = timedelta(hours=24)
OPEN, CONTAINED, CLOSED = "open", "contained", "closed"
_ID = re.compile(r"I(\d{1,9})")
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")


class IncidentError(AmzigoError):
    """A step of an incident can't be taken like this."""


@dataclass(frozen=True)
class Action:
    """Something that was done about an incident."""

    at: datetime
    text: str


@dataclass(frozen=True)
class Incident:
    """One incident.

    Attributes:
        number: 1, 2, 3, ...
        seller_ids: whose data is affected.
        summary: what happened, in a person's words.
        state: open, contained or closed.
        exposed_from: since when data was in danger.
        exposed_until: until when; None while it goes on.
        detected_at: when it was noticed: Amazon's 24 hours count from here.
        opened_at: when it was registered.
        contained_at: when keys and tokens were frozen.
        drafted_at: when the notice was drafted last.
        notified_at: when it was sent, as a person said.
        closed_at: when it was over.
        root_cause: why it happened.
        actions: what was done, in order.
        no_notice_reason: why Amazon need not be told.
    """

    number: int
    seller_ids: tuple[str, ...]
    summary: str
    state: str
    exposed_from: datetime
    exposed_until: datetime | None
    detected_at: datetime
    opened_at: datetime
    contained_at: datetime | None
    drafted_at: datetime | None
    notified_at: datetime | None
    closed_at: datetime | None
    root_cause: str | None
    actions: tuple[Action, ...]
    no_notice_reason: str | None

    @property
    def incident_id(self) -> str:
        """As people say it: `I1`."""
        return f"I{self.number}"

    @property
    def notice_due_at(self) -> datetime:
        """When Amazon must have been told."""
        return self.detected_at + NOTICE_WITHIN

    def clock_sentence(self, now: datetime) -> str:
        """How much is left of the 24 hours, or by how much they were missed."""
        due = f"{self.notice_due_at:%Y-%m-%d %H:%M} UTC"
        if self.notified_at is not None:
            late = self.notified_at > self.notice_due_at
            return f"told Amazon on {self.notified_at:%Y-%m-%d %H:%M} UTC, {'AFTER' if late else 'before'} {due}"
        if self.no_notice_reason:
            return f"Amazon is not told: {self.no_notice_reason}"
        left = self.notice_due_at - now
        hours, minutes = divmod(int(abs(left).total_seconds()) // 60, 60)
        if left >= timedelta(0):
            return f"tell Amazon by {due}: {hours} h {minutes} min left"
        return f"OVERDUE by {hours} h {minutes} min: Amazon was to be told by {due}"


def open_incident(
    platform: Platform,
    seller_ids: Sequence[str],
    summary: str,
    *,
    detected_at: datetime,
    exposed_from: datetime,
    exposed_until: datetime | None,
    actor: str,
) -> Incident:
    """Register an incident.

    Raises:
        UnknownSeller: there is no such seller.
        IncidentError: no seller, no summary, an address in it, or times that can't be.
    """
    ids = tuple(dict.fromkeys(seller_ids))
    if not ids:
        raise IncidentError("an incident needs at least one seller whose data is affected")
    known = {seller.seller_id for seller in platform.sellers.list(include_removed=True)}
    for seller_id in ids:
        if seller_id not in known:
            # The registry has the sentence.
            platform.sellers.get(seller_id)
    now = platform.clock.now()
    if detected_at > now or exposed_from > now or (exposed_until is not None and exposed_until > now):
        raise IncidentError(f"a time of the incident has not come yet: it is {now:%Y-%m-%d %H:%M} UTC")
    if exposed_until is not None and exposed_until < exposed_from:
        raise IncidentError("the data can't have been exposed until before it was: mend --from and --until")
    values: dict[str, Any] = {
        "seller_ids": json.dumps(ids),
        "summary": _text(summary, "summary"),
        "state": OPEN,
        "exposed_from": exposed_from,
        "exposed_until": exposed_until,
        "detected_at": detected_at,
        "opened_at": now,
        "actions": "[]",
    }
    with platform.control.transaction() as connection:
        number = next_number(connection, incidents)
        connection.execute(incidents.insert().values(number=number, **values))
        _audit(platform, connection, actor, "incident_open", number, ids, summary)
    return get(platform, f"I{number}")


def contain(platform: Platform, incident_id: str, actor: str) -> tuple[Incident, int]:
    """Freeze the sellers: none of their keys and tokens may be used from now on. Safe to repeat.

    Returns:
        The incident, and how many living keys and tokens are refused.

    Raises:
        IncidentError: there is no such incident, or it is closed.
    """
    incident = _unclosed(platform, incident_id)
    now = platform.clock.now()
    with platform.control.transaction() as connection:
        f = seller_freezes.c
        held = set(connection.execute(sa.select(f.seller_id).where(f.seller_id.in_(incident.seller_ids))).scalars())
        for seller_id in incident.seller_ids:
            if seller_id not in held:
                connection.execute(
                    seller_freezes.insert().values(seller_id=seller_id, incident_id=incident.incident_id, frozen_at=now)
                )
        refused = _refused(connection, incident.seller_ids)
        if incident.contained_at is None:
            _change(connection, incident, state=CONTAINED, contained_at=now)
            _add_action(connection, incident, now, f"froze {refused} keys and tokens")
        _audit(platform, connection, actor, "incident_contain", incident.number, incident.seller_ids, "freeze", refused)
    return get(platform, incident_id), refused


def note_drafted(platform: Platform, incident_id: str, actor: str) -> Incident:
    """Take down that the notice was drafted."""
    incident = _unclosed(platform, incident_id)
    with platform.control.transaction() as connection:
        _change(connection, incident, drafted_at=platform.clock.now())
        _audit(platform, connection, actor, "incident_draft", incident.number, incident.seller_ids, "notice to Amazon")
    return get(platform, incident_id)


def note_sent(platform: Platform, incident_id: str, actor: str, sent_at: datetime | None = None) -> Incident:
    """Take down that a person sent the notice to Amazon.

    Raises:
        IncidentError: it was never drafted, was sent before, or the time can't be.
    """
    incident, now = _unclosed(platform, incident_id), platform.clock.now()
    at = sent_at or now
    if incident.notified_at is not None:
        raise IncidentError(f"the notice of {incident.incident_id} was sent on {incident.notified_at:%Y-%m-%d %H:%M}")
    if incident.drafted_at is None:
        raise IncidentError(f"there is no notice yet: 'amzigo incident notify {incident.incident_id}' drafts it")
    if not incident.detected_at <= at <= now:
        raise IncidentError("the notice can't have been sent before the incident was detected, or in the future")
    with platform.control.transaction() as connection:
        _change(connection, incident, notified_at=at)
        _add_action(connection, incident, now, "told Amazon")
        _audit(platform, connection, actor, "incident_notify", incident.number, incident.seller_ids, "told Amazon")
    return get(platform, incident_id)


def close_incident(
    platform: Platform,
    incident_id: str,
    *,
    root_cause: str,
    actions: Sequence[str],
    no_notice_reason: str | None,
    actor: str,
) -> Incident:
    """Close an incident and let its sellers' keys be used again.

    Raises:
        IncidentError: it has no root cause or action, was not contained, or Amazon was not told and nobody says why.
    """
    incident, now = _unclosed(platform, incident_id), platform.clock.now()
    cause = _text(root_cause, "root cause")
    if not actions:
        raise IncidentError("say what was done so that it does not happen again: --action, once for each")
    if incident.contained_at is None:
        raise IncidentError(f"it was never contained: 'amzigo incident contain {incident.incident_id}' first")
    if incident.notified_at is None and not (no_notice_reason or "").strip():
        raise IncidentError(
            f"Amazon was not told: 'amzigo incident notify {incident.incident_id}', then --sent; or say why it need "
            "not be with --no-notice"
        )
    reason = _text(no_notice_reason, "reason") if no_notice_reason and incident.notified_at is None else None
    with platform.control.transaction() as connection:
        for text in actions:
            _add_action(connection, incident, now, _text(text, "action"))
        _change(
            connection,
            incident,
            state=CLOSED,
            closed_at=now,
            root_cause=cause,
            no_notice_reason=reason,
            exposed_until=incident.exposed_until or incident.contained_at,
        )
        _thaw(connection, incident)
        _audit(platform, connection, actor, "incident_close", incident.number, incident.seller_ids, cause)
    return get(platform, incident_id)


def get(platform: Platform, incident_id: str) -> Incident:
    """The incident of that id.

    Raises:
        IncidentError: there is none.
    """
    match = _ID.fullmatch(incident_id.strip().upper())
    with platform.control.read() as connection:
        query = sa.select(incidents).where(incidents.c.number == (int(match[1]) if match else 0))
        row = connection.execute(query).first()
    if row is None:
        raise IncidentError(f"there is no incident {incident_id!r}: see 'amzigo incident list'")
    return _incident(row)


def list_incidents(platform: Platform) -> list[Incident]:
    """All incidents, in order."""
    with platform.control.read() as connection:
        return [_incident(row) for row in connection.execute(sa.select(incidents).order_by(incidents.c.number))]


def _unclosed(platform: Platform, incident_id: str) -> Incident:
    incident = get(platform, incident_id)
    if incident.state == CLOSED:
        raise IncidentError(f"{incident.incident_id} was closed on {incident.closed_at:%Y-%m-%d}: open another one")
    return incident


def _thaw(connection: Connection, incident: Incident) -> None:
    """End the freeze, but leave a seller frozen for whom another contained incident is not over."""
    f = seller_freezes.c
    rows = connection.execute(sa.select(incidents).where(incidents.c.state == CONTAINED))
    others = [other for other in map(_incident, rows) if other.number != incident.number]
    for seller_id in incident.seller_ids:
        these = seller_freezes.c.seller_id == seller_id
        still = next((other for other in others if seller_id in other.seller_ids), None)
        if still is None:
            connection.execute(seller_freezes.delete().where(these))
        else:
            moved = seller_freezes.update().where(these, f.incident_id == incident.incident_id)
            connection.execute(moved.values(incident_id=still.incident_id))


def _refused(connection: Connection, seller_ids: Sequence[str]) -> int:
    k, s = data_keys.c, secrets_table.c
    keys = sa.select(sa.func.count()).where(k.seller_id.in_(seller_ids), k.wrapped.is_not(None))
    names = connection.execute(sa.select(s.name).where(s.wrapped.is_not(None))).scalars()
    tokens = sum(1 for name in names if len(parts := name.split("/")) > 1 and parts[1] in seller_ids)
    return int(connection.execute(keys).scalar_one()) + tokens


def _change(connection: Connection, incident: Incident, **values: Any) -> None:
    connection.execute(incidents.update().where(incidents.c.number == incident.number).values(**values))


def _add_action(connection: Connection, incident: Incident, at: datetime, text: str) -> None:
    these = incidents.c.number == incident.number
    done = json.loads(connection.execute(sa.select(incidents.c.actions).where(these)).scalar_one())
    done.append({"at": at.isoformat(), "text": text})
    connection.execute(incidents.update().where(these).values(actions=json.dumps(done)))


def _audit(
    platform: Platform,
    connection: Connection,
    actor: str,
    action: str,
    number: int,
    seller_ids: Sequence[str],
    purpose: str,
    rows: int | None = None,
) -> None:
    for seller_id in seller_ids:
        platform.audit.record_in(connection, actor, action, seller_id, f"incident I{number}", purpose, rows)


def _text(text: str | None, what: str) -> str:
    words = " ".join((text or "").split())
    if not words:
        raise IncidentError(f"say the incident's {what}")
    if _ADDRESS.search(words):
        raise IncidentError(f"the {what} holds an e-mail address: leave out whatever could be a buyer's")
    return words


def _incident(row: sa.Row[Any]) -> Incident:
    values = row._asdict()
    actions = tuple(Action(datetime.fromisoformat(one["at"]), one["text"]) for one in json.loads(row.actions))
    return Incident(**{**values, "seller_ids": tuple(json.loads(row.seller_ids)), "actions": actions})
