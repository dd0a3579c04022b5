"""The section `[alerts]` of the settings: who is told of a trouble, and by which way.

Belongs here: addresses and their limits. Does not belong here: what is told (`automation/alert_conditions.py`), sending
(`channels.py`), and secrets: a webhook's address opens it, so the settings hold the name of the secret only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from amzigo_pipelines.resources.spapi.addresses import EndpointRefused, check_address, is_loopback

# The route of owners that have none of their own.
DEFAULT = "default"
# The ways that a route has, by the names of its settings.
EMAIL, WEBHOOK = "email", "webhook"
_SECRET_NAME = re.compile(r"AMZIGO_[A-Z0-9_]+")
_EMAIL = re.compile(r"[^@\s,<>]+@[^@\s,<>]+")
_MOST_HOURS = 24 * 30


@dataclass(frozen=True)
class Route:
    """Where an owner's alerts go.

    Attributes:
        email: addresses, all in one message.
        webhook: name of the secret that holds the webhook's address, such as `AMZIGO_ALERT_WEBHOOK`; empty: none.
    """

    email: tuple[str, ...] = ()
    webhook: str = ""


@dataclass(frozen=True)
class MailServer:
    """Where mails are handed in.

    Attributes:
        host: name or address.
        port: usually 587 (STARTTLS) or 465 (TLS from the first byte).
        is_tls: TLS from the first byte; otherwise STARTTLS, which only a server on this machine may lack.
    """

    host: str
    port: int
    is_tls: bool


@dataclass(frozen=True)
class AlertSettings:
    """Who is told, how, and how often.

    Attributes:
        routes: by owner, as assets name it (`team:privacy`), and `default`. Empty: nobody is told.
        smtp: the mail server; None where no route has an address.
        sender: address that mails come from.
        remind_hours: hours after which an error that still stands is told again.
        ui: base address of the Dagster UI, for links; empty: no links.
    """

    routes: Mapping[str, Route] = field(default_factory=dict)
    smtp: MailServer | None = None
    sender: str = ""
    remind_hours: int = 24
    ui: str = ""

    def route_of(self, owner: str) -> str | None:
        """The name of the route for an owner; None when nobody is told of its troubles."""
        return owner if owner in self.routes else DEFAULT if DEFAULT in self.routes else None


def read_alert_settings(section: Any) -> AlertSettings:
    """The settings from the section as TOML has it.

    Raises:
        ValueError: with the sentence for the user.
    """
    section = _mapping(section, "alerts", AlertSettings.__dataclass_fields__)
    raw_routes = section.get("routes", {})
    if not isinstance(raw_routes, Mapping):
        raise ValueError('routes of [alerts] must be sections, such as [alerts.routes."team:privacy"]')
    routes = {name: _route(name, route) for name, route in raw_routes.items()}
    smtp = _smtp(section.get("smtp", ""))
    sender = section.get("sender", "")
    if any(route.email for route in routes.values()):
        if smtp is None:
            raise ValueError('[alerts] needs smtp to send mail, such as "smtp://mail.example.com:587"')
        if not isinstance(sender, str) or not _EMAIL.fullmatch(sender):
            raise ValueError('[alerts] needs the sender of its mails, such as sender = "amzigo@example.com"')
    hours = section.get("remind_hours", 24)
    if not isinstance(hours, int) or isinstance(hours, bool) or not 1 <= hours <= _MOST_HOURS:
        raise ValueError(f"remind_hours of [alerts] must be a whole number from 1 to {_MOST_HOURS}, it is {hours!r}")
    return AlertSettings(routes, smtp, sender, hours, _ui(section.get("ui", "")))


def _mapping(section: Any, name: str, known: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(section, Mapping):
        raise ValueError(f"{name} must be a section: write [{name}] on a line of its own")
    if unknown := sorted(section.keys() - known.keys()):
        raise ValueError(f"[{name}] has {', '.join(unknown)}, which Amzigo does not know")
    return section


def _route(name: str, raw: Any) -> Route:
    section = _mapping(raw, f'alerts.routes."{name}"', Route.__dataclass_fields__)
    given = section.get("email", [])
    addresses = [given] if isinstance(given, str) else given
    is_list = isinstance(addresses, list)
    if not is_list or not all(isinstance(one, str) and _EMAIL.fullmatch(one) for one in addresses):
        raise ValueError(f'email of the route "{name}" must be a list such as ["dpo@example.com"]')
    webhook = section.get("webhook", "")
    if not isinstance(webhook, str) or (webhook and not _SECRET_NAME.fullmatch(webhook)):
        # The value is not shown: it may be the address, which is the secret itself.
        raise ValueError(
            f'webhook of the route "{name}" must be the name of the secret that holds its address, such as '
            '"AMZIGO_ALERT_WEBHOOK"'
        )
    if not addresses and not webhook:
        raise ValueError(f'the route "{name}" needs email or webhook: otherwise nobody would be told')
    return Route(tuple(addresses), webhook)


def _smtp(value: Any) -> MailServer | None:
    if value == "":
        return None
    wanted = "smtp of [alerts] must be an address such as smtp://mail.example.com:587 (STARTTLS) or smtps://...:465"
    try:
        parts = urlsplit(str(value))
        port = parts.port
    except ValueError:
        raise ValueError(wanted) from None
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.username or parts.path not in ("", "/"):
        raise ValueError(wanted)
    is_tls = parts.scheme == "smtps"
    return MailServer(parts.hostname, port or (465 if is_tls else 587), is_tls)


def _ui(value: Any) -> str:
    try:
        return str(value) and check_address(str(value)).rstrip("/")
    except EndpointRefused:
        raise ValueError(f"ui of [alerts] must be an address that begins with https://, it is {value!r}") from None


def is_on_this_machine(server: MailServer) -> bool:
    """Whether mails never cross a network on their way to the server."""
    return is_loopback(server.host)
