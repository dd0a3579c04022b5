"""The audit trail: who or which run did what, to whose data, when, how much, and why.

Belongs here: writing entries, one by one (`record`) or summed (`count`), and reading them. Does not belong here: the
chain (`chain.py`), checking it (`verify.py`), deciding what is audited (whoever opens PII, destroys keys, changes
sellers), and anything of a buyer: an entry holds counts and names of things, never a row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy.engine import Connection

from amzigo_pipelines.clock import Clock
from amzigo_pipelines.resources.audit import marks
from amzigo_pipelines.resources.audit.acting import Acting, process_acting
from amzigo_pipelines.resources.audit.chain import (
    AuditBroken,
    Draft,
    Head,
    append,
    context_of,
    head_of,
    rows_backwards,
    rows_in_order,
)
from amzigo_pipelines.resources.audit.marks import AuditError, Mark
from amzigo_pipelines.resources.audit.sealing import SECRET, Opener, Sealer, ensure_key
from amzigo_pipelines.resources.audit.sums import Kind, Sum, Sums
from amzigo_pipelines.resources.audit.verify import Verified, verify
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import audit
from amzigo_pipelines.resources.keys.files import KekError
from amzigo_pipelines.resources.keys.roles import MAY_OPEN, KekPurpose, Role
from amzigo_pipelines.resources.keys.signing import PUBLIC_KEY_FILE, SIGNING_SECRET
from amzigo_pipelines.resources.keys.store import SecretMissing

if TYPE_CHECKING:
    from amzigo_pipelines.resources.home import Home
    from amzigo_pipelines.resources.keys.store import KeyStore

__all__ = ["AuditBroken", "AuditEntry", "AuditError", "AuditTrail"]

# A head is signed once so many entries, or so much time, came after the last: what could be cut off unseen.
SIGN_AFTER_ENTRIES = 200
SIGN_AFTER = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class AuditEntry:
    """One entry.

    Attributes:
        number: 1, 2, 3, ... without gaps.
        at: when (UTC).
        actor: who: a user, or the run that acted.
        action: what, as a word: `read_pii`, `destroy_keys`.
        seller_id: whose data; None for what concerns no seller.
        subject: what was acted on: dataset and days, key ids, a file.
        purpose: why.
        rows: how many rows it concerned, where that is known.
        bytes: how many bytes moved, where that is known.
        count: how often, in the minute that `detail` names.
        outcome: `ok`, a status, or why not.
        acting: who acted, as the process knows it: see `Acting`.
        detail: further facts.
        hash: SHA-256 over the entry and the hash of the one before.
    """

    number: int
    at: datetime
    actor: str
    action: str
    seller_id: str | None
    subject: str
    purpose: str
    rows: int | None
    bytes: int | None
    count: int
    outcome: str
    acting: Acting
    detail: dict[str, Any] = field(default_factory=dict)
    hash: str = ""

    @property
    def user(self) -> str:
        """Whose doing it was: the person, or the login that the run ran under."""
        return self.acting.claimed or self.acting.user


class AuditTrail:
    """The entries in the control database; threads may share it.

    Args:
        control: the control database.
        keys: where the trail's own key and the signing key are.
        clock: dates the entries.
        home: where the newest signed head and the public key lie; without it no head is signed.
        sums: what `count` adds to.
        acting: who acts; as the process says when None.
    """

    def __init__(
        self,
        control: ControlDatabase,
        keys: KeyStore,
        clock: Clock,
        home: Home | None = None,
        sums: Sums | None = None,
        acting: Acting | None = None,
    ) -> None:
        self.control = control
        self._keys = keys
        self.clock = clock
        self._home = home
        self._sealer: Sealer | None = None
        self.sums = sums or Sums(clock)
        self.acting = acting or process_acting()
        self.count = self.sums.add

    def record(
        self,
        actor: str,
        action: str,
        seller_id: str | None,
        subject: str,
        purpose: str,
        rows: int | None = None,
        *,
        bytes_: int | None = None,
        outcome: str = "ok",
        detail: dict[str, Any] | None = None,
    ) -> int:
        """Write an entry, durable when this returns. What was counted until now is written with it, before it.

        Args:
            actor: who: `acting_user()`, or the run.
            action: what, as a word.
            seller_id: whose data; None for what concerns no seller.
            subject: what was acted on. Never a buyer's data.
            purpose: why.
            rows: how many rows it concerns.
            bytes_: how many bytes moved.
            outcome: `ok`, or why not.
            detail: further facts, as JSON can hold them.

        Returns:
            Its number.

        Raises:
            ValueError: no actor, action or purpose.
            ControlError: the control database refuses: what was to be recorded must not happen.
        """
        draft = self._draft(actor, action, seller_id, subject, purpose, rows, bytes_, outcome, detail)
        with self._counted() as counted, self.control.transaction() as connection:
            return self._append(connection, [*counted, draft])

    def record_in(
        self,
        connection: Connection,
        actor: str,
        action: str,
        seller_id: str | None,
        subject: str,
        purpose: str,
        rows: int | None = None,
        *,
        detail: dict[str, Any] | None = None,
    ) -> int:
        """As `record`, in the caller's write transaction: with what it is about, or not at all."""
        return self._append(
            connection, [self._draft(actor, action, seller_id, subject, purpose, rows, None, "ok", detail)]
        )

    def flush(self) -> None:
        """Write what was counted, and sign the head if that is due. Not within a transaction."""
        with self._counted() as counted:
            if counted:
                with self.control.transaction() as connection:
                    self._append(connection, counted)
        self.sign_if_due()

    def flush_if_due(self) -> None:
        """`flush` once a minute; cheap otherwise. Not within a transaction."""
        if self.sums.is_due():
            self.flush()

    @contextmanager
    def acting_as(self, acting: Acting) -> Iterator[None]:
        """Within the block everything is somebody else's doing; what was counted is written at both ends."""
        before = self.acting
        self.flush()
        self.acting = acting
        try:
            yield
        finally:
            try:
                self.flush()
            finally:
                self.acting = before

    def entries(
        self,
        seller_id: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        user: str | None = None,
        after: int = 0,
        until: datetime | None = None,
    ) -> Iterator[AuditEntry]:
        """Entries in order, streaming.

        Args:
            seller_id: of this seller only.
            action: only this action.
            since: not older.
            user: only of this login name, AMZIGO_USER, actor or run id.
            after: only those with a higher number.
            until: older than this.

        Raises:
            RoleRefused: the role may not read the trail.
            AuditBroken: an entry doesn't open.
        """
        where = _where(seller_id, action, since, after, until)
        return self._opened(rows_in_order(self.control, *where), user)

    def read(
        self,
        seller_id: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        limit: int | None = None,
        user: str | None = None,
    ) -> list[AuditEntry]:
        """Entries in order; with `limit`, the newest so many. See `entries`."""
        if limit is None:
            return list(self.entries(seller_id, action, since, user))
        newest: list[AuditEntry] = []
        for entry in self._opened(rows_backwards(self.control, *_where(seller_id, action, since, 0, None)), user):
            newest.append(entry)
            if len(newest) >= limit:
                break
        return newest[::-1]

    def verify(self) -> int:
        """Check the whole trail; returns the number of entries.

        Raises:
            AuditBroken: the first entry that doesn't fit.
        """
        return self.verified().entries

    def verified(self, public: Ed25519PublicKey | None = None, expected: Head | None = None) -> Verified:
        """As `verify`, with what was found. See `verify.verify`.

        Args:
            public: checks the signed heads; the home's own when None.
            expected: number and hash of an entry as an export wrote them down.
        """
        return verify(self.control, public or self._public, self._folder, expected)

    def head(self) -> Head:
        """Where the trail ends."""
        with self.control.read() as connection:
            return head_of(connection)

    def sign_if_due(self) -> Mark | None:
        """Sign the head, if enough came after the last that was signed, and if the role may sign."""
        with self.control.read() as connection:
            head, (signed, signed_at) = head_of(connection), marks.newest(connection)
        fresh = head.number - signed
        if not fresh or (
            fresh < SIGN_AFTER_ENTRIES and signed_at is not None and self.clock.now() - signed_at < SIGN_AFTER
        ):
            return None
        return self.sign()

    def sign(self) -> Mark | None:
        """Sign the head, in the control database and in the home; None where the role may not, or nothing can sign."""
        private = self.signing_key()
        if private is None or self._folder is None:
            return None
        installation_id = self.control.installation_id()
        with self.control.transaction() as connection:
            head = head_of(connection)
            if marks.newest(connection)[0] >= head.number:
                return None
            mark = marks.sign(private, marks.HEAD, head, self.clock.now(), installation_id)
            marks.put(connection, mark)
        marks.write_file(self._folder, mark)
        return mark

    def signing_key(self) -> Ed25519PrivateKey | None:
        """The key that signs heads; None where the role may not open it, or there is none yet."""
        if self.acting.role and KekPurpose.SECRET not in MAY_OPEN[Role(self.acting.role)]:
            # Not even tried: it would count as a key that was refused.
            return None
        try:
            return Ed25519PrivateKey.from_private_bytes(self._keys.secret(SIGNING_SECRET))
        except (SecretMissing, KekError):
            return None

    def sealer(self, connection: Connection) -> Sealer:
        """Seals for the trail's key; made once a process."""
        if self._sealer is None:
            self._sealer = Sealer(ensure_key(connection, self._keys, self.clock))
        return self._sealer

    @cached_property
    def opener(self) -> Opener:
        """Opens what was sealed for the trail's key.

        Raises:
            RoleRefused: the role may not.
            AuditError: the trail's key was lost.
        """
        try:
            return Opener(self._keys.secret(SECRET))
        except SecretMissing:
            raise AuditError(
                "the audit trail's key is not in the control database: no entry was ever written, or restore it from a "
                "backup"
            ) from None

    @property
    def _folder(self) -> Path | None:
        return None if self._home is None else self._home.audit_dir

    @property
    def _public(self) -> Ed25519PublicKey | None:
        return None if self._home is None else marks.load_public(self._home.certificate_dir / PUBLIC_KEY_FILE)

    def _append(self, connection: Connection, drafts: list[Draft]) -> int:
        had_one = self._sealer is not None
        try:
            return append(connection, self.sealer(connection), drafts)
        except BaseException:
            if not had_one:
                # A key pair that was made just now goes with the transaction.
                self._sealer = None
            raise

    @contextmanager
    def _counted(self) -> Iterator[list[Draft]]:
        """What was counted, as entries to be; kept on if they can't be written."""
        taken = self.sums.take()
        try:
            yield [self._summed(kind, sum_) for kind, sum_ in taken.items()]
        except BaseException:
            self.sums.give_back(taken)
            raise

    def _summed(self, kind: Kind, sum_: Sum) -> Draft:
        detail = {"minute": kind.minute.isoformat(timespec="minutes"), "count": sum_.count}
        return self._draft(
            self.acting.label,
            kind.action,
            kind.seller_id,
            kind.subject,
            self.acting.reason,
            sum_.rows or None,
            sum_.bytes or None,
            kind.outcome,
            detail,
        )

    def _draft(
        self,
        actor: str,
        action: str,
        seller_id: str | None,
        subject: str,
        purpose: str,
        rows: int | None,
        bytes_: int | None,
        outcome: str,
        detail: dict[str, Any] | None,
    ) -> Draft:
        if not (actor and action and purpose):
            raise ValueError("an audit entry needs an actor, an action and a purpose")
        facts = {
            "actor": actor,
            "subject": subject,
            "purpose": purpose,
            "rows": rows,
            "bytes": bytes_,
            "outcome": None if outcome == "ok" else outcome,
            "acting": self.acting.facts,
            "detail": detail,
        }
        known = {name: value for name, value in facts.items() if value is not None}
        return Draft(microseconds(self.clock.now()), action, seller_id, known)

    def _opened(self, rows: Iterator[sa.Row[Any]], user: str | None) -> Iterator[AuditEntry]:
        for row in rows:
            text = self.opener.open(context_of(row.number, row.at_us, row.action, row.seller_id), row.sealed)
            if text is None:
                raise AuditBroken("changed", row.number, "it was changed, or sealed for another key")
            entry = _entry(row, json.loads(text))
            if user is None or user in (entry.actor, entry.acting.user, entry.acting.claimed, entry.acting.run_id):
                yield entry


def _entry(row: sa.Row[Any], facts: dict[str, Any]) -> AuditEntry:
    detail = facts.get("detail") or {}
    return AuditEntry(
        number=row.number,
        at=_EPOCH + timedelta(microseconds=row.at_us),
        actor=facts["actor"],
        action=row.action,
        seller_id=row.seller_id,
        subject=facts["subject"],
        purpose=facts["purpose"],
        rows=facts.get("rows"),
        bytes=facts.get("bytes"),
        count=detail.get("count", 1),
        outcome=facts.get("outcome", "ok"),
        acting=Acting(**facts["acting"]),
        detail=detail,
        hash=row.hash.hex(),
    )


def _where(
    seller_id: str | None, action: str | None, since: datetime | None, after: int, until: datetime | None
) -> list[sa.ColumnElement[bool]]:
    c, where = audit.c, []
    if seller_id is not None:
        where.append(c.seller_id == seller_id)
    if action is not None:
        where.append(c.action == action)
    if since is not None:
        where.append(c.at_us >= microseconds(since))
    if until is not None:
        where.append(c.at_us < microseconds(until))
    if after:
        where.append(c.number > after)
    return where


def microseconds(at: datetime) -> int:
    """Microseconds since 1970, as entries are dated."""
    return (at - _EPOCH) // timedelta(microseconds=1)
