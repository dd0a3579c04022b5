"""Addresses: which ones a connection may be opened to at all.

Belongs here: the rule that nothing leaves this machine in the clear. Does not belong here: which service is where
(`auth.py`, `home.py`).
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from amzigo_pipelines.errors import AmzigoError


class EndpointRefused(AmzigoError):
    """An address that this home may not talk to."""


def check_address(address: str) -> str:
    """The address itself, if a connection to it may be opened.

    Raises:
        EndpointRefused: no http(s) address, one with a user in it, or plain http to another machine.
    """
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.password:
        raise EndpointRefused("the endpoint is no web address: write it as http://127.0.0.1:8571")
    if parts.scheme == "http" and not is_loopback(host):
        raise EndpointRefused(
            f"plain http to {host} is refused, because buyers' data would cross the network unencrypted: "
            "use https; http is for a simulator on this machine (127.0.0.1)"
        )
    return address


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
