"""The application's client secret: how old it is, and exchanging it before Amazon ends it.

Belongs here: the secret's age, asking Amazon for a new one, receiving it. Does not belong here: where secrets are kept
(`secret_sources.py`), what is said about it (`cli/credentials.py`).

Amazon ends a client secret after 180 days. `rotateApplicationClientSecret` makes a new one, which comes as a
notification `APPLICATION_OAUTH_CLIENT_NEW_SECRET` through the SQS queue that is registered in the developer console;
the old one stays good for seven days. Source: "Rotate your application's client secret" in Amazon's documentation.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from amzigo_pipelines.clock import Clock
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.audit.trail import AuditTrail
from amzigo_pipelines.resources.aws import aws_client, aws_errors
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import client_secrets
from amzigo_pipelines.resources.control.statements import put_row
from amzigo_pipelines.resources.home import Home, SecretProvider
from amzigo_pipelines.resources.locks import exclusive
from amzigo_pipelines.resources.spapi.auth import (
    CLIENT_SECRET_VARIABLE,
    LwaCredentials,
    credentials_for,
    endpoint_for,
    renewed_credentials,
)
from amzigo_pipelines.resources.spapi.errors import ClientRefused
from amzigo_pipelines.resources.spapi.lwa_grants import ask_for_new_secret, check_client
from amzigo_pipelines.resources.spapi.secret_sources import store_secret

LIVES_DAYS = 180
WARN_FROM_DAY = 150
NOTIFICATION = "APPLICATION_OAUTH_CLIENT_NEW_SECRET"
# Asking twice makes two new secrets: within this time a second call only goes on waiting for the first one's.
_ON_ITS_WAY_FOR = timedelta(days=1)
_POLL_S = 20


class RotationRefused(AmzigoError):
    """The client secret can't be exchanged like this."""


class RotationLate(AmzigoError):
    """Amazon was asked for a new client secret, and it has not come yet."""

    is_retryable = True


@dataclass(frozen=True)
class SecretAge:
    """How old a client secret is.

    Attributes:
        since: in force since then; first seen then if not `is_exact`.
        is_exact: whether that is known, by a rotation of ours or because somebody said so.
        days: whole days since.
        asked_at: when Amazon was asked for a new one that has not come yet; None if it was not.
    """

    since: datetime
    is_exact: bool
    days: int
    asked_at: datetime | None


class ClientSecretBook:
    """What is known of the application's client secrets; no secret is in it.

    Args:
        control: the control database.
        clock: dates what is seen.
        audit: where changes are written down, with the change or not at all; nowhere when None.
    """

    def __init__(self, control: ControlDatabase, clock: Clock, audit: AuditTrail | None = None) -> None:
        self._control = control
        self._clock = clock
        self._audit = audit

    def age(self, credentials: LwaCredentials) -> SecretAge:
        """The age of the secret that is in use. One that was never seen before counts from now on."""
        row = self._row(credentials)
        if row is None or row.fingerprint != _fingerprint(credentials):
            self._put(
                credentials, "a client secret not seen before", since=self._clock.now(), is_exact=False, asked_at=None
            )
            row = self._row(credentials)
        assert row is not None
        days = (self._clock.now() - row.since).days
        return SecretAge(row.since, bool(row.is_exact), days, row.asked_at)

    def note_rotated(self, credentials: LwaCredentials, since: datetime) -> None:
        """Take down since when the secret in use is in force."""
        self._put(credentials, "the client secret was exchanged", since=since, is_exact=True, asked_at=None)

    def note_asked(self, credentials: LwaCredentials) -> None:
        """Take down that Amazon is being asked for a new secret."""
        age = self.age(credentials)
        told = "a new client secret was asked for"
        self._put(credentials, told, since=age.since, is_exact=age.is_exact, asked_at=self._clock.now())

    def forget_asked(self, credentials: LwaCredentials) -> None:
        """Take it back: Amazon refused."""
        age = self.age(credentials)
        told = "no new client secret: Amazon refused"
        self._put(credentials, told, since=age.since, is_exact=age.is_exact, asked_at=None)

    def _row(self, credentials: LwaCredentials) -> sa.Row[Any] | None:
        with self._control.read() as connection:
            return connection.execute(
                sa.select(client_secrets).where(client_secrets.c.application == _application(credentials))
            ).first()

    def _put(self, credentials: LwaCredentials, told: str, **values: Any) -> None:
        with self._control.transaction() as connection:
            key = {"application": _application(credentials)}
            put_row(connection, client_secrets, key, {"fingerprint": _fingerprint(credentials), **values})
            if self._audit is not None:
                acting = self._audit.acting
                self._audit.record_in(connection, acting.label, "change_credentials", None, told, acting.reason)


def rotate_client_secret(
    home: Home, book: ClientSecretBook, clock: Clock, wait_s: float, say: Callable[[str], None]
) -> None:
    """Have Amazon make a new client secret, receive it, see that it works, store it. Safe to be called again.

    What an earlier call asked for and did not live to receive is received first. The notification stays in the queue
    until its secret is stored.

    Args:
        home: says where secrets are kept, and the queue.
        book: how old they are.
        clock: dates the new one.
        wait_s: how long to wait for the new secret, in seconds.
        say: told of each step; no secret is in it.

    Raises:
        RotationRefused: secrets are kept in the environment, or no queue is set.
        RotationLate: the new secret did not come in time.
        AwsError: AWS refuses, or can't be reached.
        SpApiError: Amazon refuses.
        LockBusy: another process is at it.
    """
    if home.secrets.provider is not SecretProvider.AWS:
        raise RotationRefused(
            "client id and secret come from the environment, which is not ours to change: keep them in AWS Secrets "
            "Manager ([secrets] in amzigo.toml), or rotate in the developer console, set AMZIGO_LWA_CLIENT_SECRET "
            "anew, and run 'amzigo credentials rotated --on DATE'"
        )
    if not home.secrets.rotation_queue_url:
        raise RotationRefused(
            "rotation_queue_url is not set under [secrets] in amzigo.toml: register an SQS queue for the application's "
            "notifications in the developer console, and write its URL there"
        )
    with exclusive(home.lock_dir, "credentials-rotation"):
        credentials = renewed_credentials(home)
        queue = _Queue(home, credentials.client_id)
        if _receive(home, book, clock, queue, 0.0):
            say("received the client secret that was asked for before, and stored it")
            return
        asked_at = book.age(credentials).asked_at
        if asked_at is None or clock.now() - asked_at > _ON_ITS_WAY_FOR:
            # Taken down first: who asks and dies must not ask again.
            book.note_asked(credentials)
            try:
                ask_for_new_secret(endpoint_for(home), credentials)
            except AmzigoError as error:
                if not error.is_retryable:
                    book.forget_asked(credentials)
                raise
            say("asked Amazon for a new client secret; waiting for it")
        else:
            say(f"Amazon was asked for a new client secret on {asked_at:%Y-%m-%d at %H:%M} UTC; waiting for it")
        if not _receive(home, book, clock, queue, wait_s):
            raise RotationLate(
                f"no new client secret came within {wait_s:.0f} s: the old one stays good; run 'amzigo credentials "
                "rotate' again, it goes on waiting without asking twice"
            )
        say("received the new client secret, logged in with it, and stored it; the old one stays good for 7 days")


@dataclass(frozen=True)
class _NewSecret:
    sent_at: datetime
    secret: str = field(repr=False)
    handle: str


class _Queue:
    """The SQS queue, as far as new secrets of one application are concerned; everything else stays in it."""

    def __init__(self, home: Home, client_id: str) -> None:
        self._client = aws_client(home, "sqs")
        self._url = home.secrets.rotation_queue_url
        self._client_id = client_id

    def receive(self, wait_s: float) -> list[_NewSecret]:
        """New secrets that came within the time, oldest first."""
        ends_at = time.monotonic() + wait_s
        while True:
            poll_s = max(0, min(_POLL_S, int(ends_at - time.monotonic())))
            with aws_errors("the queue of rotation_queue_url"):
                messages = self._client.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=10,
                    WaitTimeSeconds=poll_s,
                    VisibilityTimeout=60,
                    MessageSystemAttributeNames=["SentTimestamp"],
                ).get("Messages", [])
            found = []
            for message in messages:
                secret = _secret_in(message.get("Body", ""), self._client_id)
                # What is not for us becomes visible again by itself: given back at once, it would come back at once.
                if secret is not None:
                    sent_at = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1_000, UTC)
                    found.append(_NewSecret(sent_at, secret, message["ReceiptHandle"]))
            if found or time.monotonic() >= ends_at:
                return sorted(found, key=lambda new: new.sent_at)

    def delete(self, notifications: list[_NewSecret]) -> None:
        """Remove notifications that were dealt with."""
        for notification in notifications:
            with aws_errors("the queue of rotation_queue_url"):
                self._client.delete_message(QueueUrl=self._url, ReceiptHandle=notification.handle)

    def give_back(self, notifications: list[_NewSecret]) -> None:
        """Let notifications be received again at once."""
        for notification in notifications:
            with aws_errors("the queue of rotation_queue_url"):
                self._client.change_message_visibility(
                    QueueUrl=self._url, ReceiptHandle=notification.handle, VisibilityTimeout=0
                )


def _receive(home: Home, book: ClientSecretBook, clock: Clock, queue: _Queue, wait_s: float) -> bool:
    """Receive, check and store what has come; whether anything had."""
    received = queue.receive(wait_s)
    if not received:
        return False
    age = book.age(credentials_for(home))
    if age.is_exact and received[-1].sent_at < age.since:
        # Left over from before the secret that is in force now.
        queue.delete(received)
        return _receive(home, book, clock, queue, wait_s)
    newest = received[-1].secret
    credentials = LwaCredentials(credentials_for(home).client_id, newest)
    try:
        # A secret that does not work must not replace one that does.
        check_client(endpoint_for(home), credentials)
        store_secret(home, CLIENT_SECRET_VARIABLE, newest)
        if renewed_credentials(home) != credentials:
            raise RotationRefused(
                "the stored client secret reads differently: see who else writes it, then run it again"
            )
    except ClientRefused:
        queue.give_back(received)
        raise RotationRefused(
            "Amazon refuses the new client secret that is in the queue, so the old one was kept: try again in a few "
            "minutes; if that lasts, the notification is out of date: remove it from the queue"
        ) from None
    except AmzigoError:
        queue.give_back(received)
        raise
    book.note_rotated(credentials, clock.now())
    queue.delete(received)
    return True


def _secret_in(body: str, client_id: str) -> str | None:
    try:
        notification = json.loads(body)
        content = notification["payload"]["applicationOAuthClientNewSecret"]
        if notification["notificationType"] != NOTIFICATION or content["clientId"] != client_id:
            return None
        secret = content["newClientSecret"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return secret if isinstance(secret, str) and secret else None


def _application(credentials: LwaCredentials) -> str:
    return hashlib.sha256(credentials.client_id.encode()).hexdigest()[:16]


def _fingerprint(credentials: LwaCredentials) -> str:
    return hashlib.sha256(f"{credentials.client_id}\n{credentials.client_secret}".encode()).hexdigest()[:16]
