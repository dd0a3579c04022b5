"""What is unusual in two weeks of the audit trail, against the weeks before.

Belongs here: the rules, over a stream of entries. Does not belong here: keeping a review (`reviews.py`), and reading
the trail. Counts and names only, like the trail itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from amzigo_pipelines.resources.audit.trail import AuditEntry

WINDOW = timedelta(days=14)
PAST_WINDOWS = 6
# Volume is unusual beyond so many times the highest of the past windows, and above a floor of what nobody looks at.
_TIMES_MORE = 3
_FLOOR = {"count": 100, "rows": 10_000, "bytes": 100_000_000}
# Hours are known of whom so many entries are known; an hour beside a known one is no surprise.
_HOURS_KNOWN_FROM = 20
_FAILED_SHARE, _FAILED_FROM = 0.05, 10
_EXPORTS = frozenset({"export", "export_audit"})
_PII = frozenset({"read_pii", "read_hold"})
_CHANGES = frozenset(
    {
        "change_settings",
        "change_credentials",
        "add_seller",
        "change_seller",
        "remove_seller",
        "rotate_kek",
        "connect_ads",
    }
)


@dataclass(frozen=True)
class Finding:
    """Something that whoever reviews should look at.

    Attributes:
        rule: which rule: `new_user`, `unusual_volume`, `unusual_hour`, `pii_read`, `failed_calls`, `denied_key`,
            `export`, `change`, `trail_broken`.
        user: who.
        number: how often.
        sentence: what was found.
    """

    rule: str
    user: str
    number: int
    sentence: str


@dataclass
class _User:
    now: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    past: dict[str, dict[int, Counter[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Counter)))
    past_hours: Counter[int] = field(default_factory=Counter)
    hours: Counter[int] = field(default_factory=Counter)


class Look:
    """Goes through the entries of the window and of those before it, once.

    Args:
        start: first instant of the window.
        end: first instant after it.
    """

    def __init__(self, start: datetime, end: datetime) -> None:
        self._start, self._end = start, end
        self._users: dict[str, _User] = defaultdict(_User)
        self._has_past = False
        self._pii: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._calls: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._denied: Counter[tuple[str, str, str, str]] = Counter()
        self._exports: Counter[tuple[str, str, str]] = Counter()
        self._changes: Counter[tuple[str, str, str]] = Counter()
        self.entries = 0

    def add(self, entries: Iterable[AuditEntry]) -> None:
        """Take entries from `WINDOW * PAST_WINDOWS` before the window to its end."""
        for entry in entries:
            user = self._users[entry.user]
            amounts = Counter({"count": entry.count, "rows": entry.rows or 0, "bytes": entry.bytes or 0})
            # A run is at work when its schedule says so.
            is_person = not entry.acting.run_id
            if entry.at < self._start:
                self._has_past = True
                user.past[entry.action][(self._start - entry.at) // WINDOW].update(amounts)
                user.past_hours[entry.at.hour] += is_person
            elif entry.at < self._end:
                self.entries += 1
                user.now[entry.action].update(amounts)
                user.hours[entry.at.hour] += is_person
                self._sort(entry)

    def findings(self) -> list[Finding]:
        """What is unusual, or to be looked at each time."""
        return [
            *self._new_users(),
            *self._volumes(),
            *self._unusual_hours(),
            *(
                Finding(
                    "pii_read",
                    user,
                    reads["count"],
                    f"{user} read personal data of {seller} {reads['count']:,} times, {reads['rows']:,} rows",
                )
                for (user, seller), reads in sorted(self._pii.items())
            ),
            *self._failed_calls(),
            *(
                Finding("denied_key", user, n, f"{user} was denied {subject} of {seller} {n:,} times: {why}")
                for (user, seller, subject, why), n in sorted(self._denied.items())
            ),
            *(
                Finding("export", user, n, f"{user} took data of {seller} out {n:,} times: {subject}")
                for (user, seller, subject), n in sorted(self._exports.items())
            ),
            *(
                Finding("change", user, n, f"{user}: {action} of {seller}, {n:,} times")
                for (user, seller, action), n in sorted(self._changes.items())
            ),
        ]

    def volumes(self) -> list[dict[str, Any]]:
        """What everybody did, by user and action."""
        return [
            {"user": name, "action": action, **{unit: amounts[unit] for unit in _FLOOR}}
            for name, user in sorted(self._users.items())
            for action, amounts in sorted(user.now.items())
        ]

    def _sort(self, entry: AuditEntry) -> None:
        user, seller = entry.user, entry.seller_id or "no seller"
        if entry.action in _PII:
            self._pii[user, seller].update({"count": 1, "rows": entry.rows or 0})
        elif entry.action == "call_api":
            is_good = entry.outcome.startswith("2")
            self._calls[seller, entry.subject].update({"all": entry.count, "failed": 0 if is_good else entry.count})
        elif entry.action in _EXPORTS:
            self._exports[user, seller, entry.subject] += 1
        elif entry.action in _CHANGES:
            self._changes[user, seller, entry.action] += 1
        if entry.outcome.startswith("refused"):
            self._denied[user, seller, f"{entry.action} {entry.subject}", entry.outcome] += entry.count

    def _new_users(self) -> list[Finding]:
        new = [name for name, user in sorted(self._users.items()) if user.now and not user.past]
        if not self._has_past:
            # Nobody is known before the first review.
            return [Finding("new_user", name, 1, f"{name} is seen for the first time, as is everybody") for name in new]
        return [Finding("new_user", name, 1, f"{name} was not seen in the twelve weeks before") for name in new]

    def _volumes(self) -> list[Finding]:
        found = []
        for name, user in sorted(self._users.items()):
            if not user.past:
                continue
            for action, amounts in sorted(user.now.items()):
                windows = user.past.get(action, {}).values()
                for unit, floor in _FLOOR.items():
                    highest = max((window[unit] for window in windows), default=0)
                    if amounts[unit] >= floor and amounts[unit] > _TIMES_MORE * highest:
                        told = f"{amounts[unit]:,} {'times' if unit == 'count' else unit}"
                        sentence = f"{name}: {action} {told}, {highest:,} at most in the two-week spans before"
                        found.append(Finding("unusual_volume", name, amounts[unit], sentence))
        return found

    def _unusual_hours(self) -> list[Finding]:
        found = []
        for name, user in sorted(self._users.items()):
            if user.past_hours.total() < _HOURS_KNOWN_FROM:
                continue
            known = {(hour + beside) % 24 for hour, n in user.past_hours.items() if n for beside in (-1, 0, 1)}
            strange = {hour: n for hour, n in sorted(user.hours.items()) if n and hour not in known}
            if strange:
                hours = ", ".join(f"{hour:02}:00" for hour in strange)
                sentence = f"{name} worked at hours (UTC) as never before: {hours}"
                found.append(Finding("unusual_hour", name, sum(strange.values()), sentence))
        return found

    def _failed_calls(self) -> list[Finding]:
        found = []
        for (seller, subject), calls in sorted(self._calls.items()):
            if calls["failed"] >= _FAILED_FROM and calls["failed"] > _FAILED_SHARE * calls["all"]:
                sentence = f"{subject} for {seller}: {calls['failed']:,} of {calls['all']:,} calls failed"
                found.append(Finding("failed_calls", "", calls["failed"], sentence))
        return found


def as_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings as a review keeps them."""
    return [asdict(finding) for finding in findings]
