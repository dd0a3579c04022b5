"""Handing a message over: to a webhook or to a mail server. Each way returns, or raises with a sentence.

Belongs here: connections to servers that are not Amazon's. Does not belong here: what is said (`messages.py`), to whom
(`settings.py`), and trying again (`delivery.py`).
"""

from __future__ import annotations

import os
import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import format_datetime

import httpx

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.alerts.messages import Message
from amzigo_pipelines.resources.alerts.settings import AlertSettings, is_on_this_machine
from amzigo_pipelines.resources.home import Home, Kind, SecretProvider
from amzigo_pipelines.resources.logs import protect_logs
from amzigo_pipelines.resources.spapi.addresses import EndpointRefused, check_address, is_loopback
from amzigo_pipelines.resources.spapi.secret_sources import CredentialsMissing, secret_value
from amzigo_pipelines.resources.spapi.transport import tls_context

SMTP_USER, SMTP_PASSWORD = "AMZIGO_SMTP_USER", "AMZIGO_SMTP_PASSWORD"
_TIMEOUT_S = 15.0


class NotDelivered(AmzigoError):
    """A message was not taken. The sentence holds no address and no secret."""

    is_retryable = True


def post(home: Home, secret: str, message: Message, environment: Mapping[str, str] | None = None) -> None:
    """Post a message as JSON to the webhook whose address is a secret.

    The body has `text`, which chat services show as it is, and `alerts`, a list for programs. The header
    `Idempotency-Key` is the same each time that a message is tried.

    Args:
        home: its kind decides where messages may go: those of a `test` home stay on this machine.
        secret: the secret's name.
        message: what to say.
        environment: the process's own when None.

    Raises:
        NotDelivered: no such secret, no such address, or the server did not take it.
    """
    try:
        address = check_address(secret_value(home, secret, environment))
    except CredentialsMissing:
        where = "AWS Secrets Manager" if home.secrets.provider is SecretProvider.AWS else "the environment"
        raise NotDelivered(f"{secret} is not set in {where}: it holds the webhook's address") from None
    except EndpointRefused:
        raise NotDelivered(f"{secret} holds no address that begins with https://") from None
    host = httpx.URL(address).host
    _stay_on_this_machine(home, host)
    protect_logs()
    headers = {"idempotency-key": message.key, "user-agent": "Amzigo/1"}
    try:
        with httpx.Client(
            verify=tls_context(), timeout=_TIMEOUT_S, follow_redirects=False, trust_env=not is_loopback(host)
        ) as client:
            status = client.post(address, json=message.as_json(), headers=headers).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # Its own text holds the address.
        raise NotDelivered(f"the webhook of {secret} can't be reached ({type(error).__name__})") from None
    if not 200 <= status < 300:
        raise NotDelivered(f"the webhook of {secret} answered {status}: check its address")


def mail(
    home: Home,
    settings: AlertSettings,
    to: tuple[str, ...],
    message: Message,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Hand a message to the mail server, encrypted unless the server is on this machine.

    Raises:
        NotDelivered: no server, or it did not take the message for every address.
    """
    server = settings.smtp
    if server is None:
        raise NotDelivered("no mail server is set: give smtp under [alerts] in amzigo.toml")
    _stay_on_this_machine(home, server.host)
    given = os.environ if environment is None else environment
    user, password = given.get(SMTP_USER, ""), given.get(SMTP_PASSWORD, "")
    try:
        with _connected(server.host, server.port, server.is_tls) as connection:
            connection.ehlo()
            if not server.is_tls:
                if connection.has_extn("starttls"):
                    connection.starttls(context=_mail_tls())
                    connection.ehlo()
                elif not is_on_this_machine(server):
                    raise NotDelivered("the mail server offers no STARTTLS, and mails are not sent in the clear")
            if user:
                connection.login(user, password)
            refused = connection.send_message(_letter(settings.sender, to, message))
    except smtplib.SMTPResponseException as error:
        # Its words may repeat an address.
        raise NotDelivered(f"the mail server answered {error.smtp_code}: check {_what_to_check(error)}") from None
    except (smtplib.SMTPException, ssl.SSLError) as error:
        raise NotDelivered(f"the mail server did not take it ({type(error).__name__})") from None
    except OSError as error:
        raise NotDelivered(f"the mail server can't be reached ({error.strerror or type(error).__name__})") from None
    if refused:
        raise NotDelivered(f"the mail server refused {len(refused)} of {len(to)} addresses")


def _connected(host: str, port: int, is_tls: bool) -> smtplib.SMTP:
    if is_tls:
        return smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT_S, context=_mail_tls())
    return smtplib.SMTP(host, port, timeout=_TIMEOUT_S)


def _mail_tls() -> ssl.SSLContext:
    # The system's authorities, and SSL_CERT_FILE: a company's mail server often has a certificate of its own authority.
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _what_to_check(error: smtplib.SMTPResponseException) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"{SMTP_USER} and {SMTP_PASSWORD}"
    return "the sender under [alerts]" if isinstance(error, smtplib.SMTPSenderRefused) else "its log"


def _letter(sender: str, to: tuple[str, ...], message: Message) -> EmailMessage:
    letter = EmailMessage()
    letter["Subject"] = message.subject
    letter["From"] = sender
    letter["To"] = ", ".join(to)
    letter["Date"] = format_datetime(message.written_at)
    # The same each time that it is tried, so that a mailbox shows it once.
    letter["Message-ID"] = f"<{message.key}@{sender.partition('@')[2]}>"
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(message.text)
    return letter


def _stay_on_this_machine(home: Home, host: str) -> None:
    if home.kind is Kind.TEST and not is_loopback(host):
        raise NotDelivered("a test home tells nobody but servers on this machine: its troubles are synthetic")
