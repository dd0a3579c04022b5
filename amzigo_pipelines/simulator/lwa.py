"""Login with Amazon: refresh tokens in, access tokens out.

Belongs here: the token endpoint and who an access token belongs to. Does not belong here: what a seller may see
(roles are asked by the operations). Access tokens live by real time, as the clients' caches do.
"""

from __future__ import annotations

import secrets
import time
from urllib.parse import parse_qs

from amzigo_pipelines.simulator.answers import Answer, Refusal, as_json
from amzigo_pipelines.simulator.profiles import CLIENT_ID, CLIENT_SECRET, WorldConfig


class LoginWithAmazon:
    """Gives access tokens and knows their sellers.

    Args:
        config: the sellers and their refresh tokens.
        lifetime_s: how long an access token lives, in real seconds.
    """

    client = (CLIENT_ID, CLIENT_SECRET)
    """Id and secret of the one application that is let in."""

    def __init__(self, config: WorldConfig, lifetime_s: float) -> None:
        self._sellers = {profile.refresh_token: profile.seller_id for profile in config.sellers}
        self._lifetime_s = lifetime_s
        self._access: dict[str, tuple[str, float]] = {}  # token -> (seller, monotonic second of its end)

    def answer(self, form: str) -> Answer:
        """What `POST /auth/o2/token` says to a form-encoded body."""
        fields = {name: values[0] for name, values in parse_qs(form).items()}
        if any(name not in fields for name in ("grant_type", "client_id", "client_secret")):
            return _error(400, "invalid_request", "The request is missing a required parameter")
        if fields["grant_type"] != "refresh_token":
            return _error(400, "unsupported_grant_type", "The grant type is not supported")
        if (fields["client_id"], fields["client_secret"]) != self.client:
            return _error(401, "invalid_client", "Client authentication failed")
        seller_id = self._sellers.get(fields.get("refresh_token", ""))
        if seller_id is None:
            return _error(400, "invalid_grant", "The request has an invalid grant parameter : refresh_token")
        token = f"Atza|synthetic-{secrets.token_urlsafe(24)}"
        now = time.monotonic()
        self._access = {key: entry for key, entry in self._access.items() if entry[1] > now - 3_600}
        self._access[token] = (seller_id, now + self._lifetime_s)
        return as_json(
            {
                "access_token": token,
                "refresh_token": fields["refresh_token"],
                "token_type": "bearer",
                "expires_in": int(self._lifetime_s),
            }
        )

    def seller_of(self, token: str | None) -> str:
        """The seller of an access token.

        Raises:
            Refusal: 403, there is no token, it is not ours, or it has expired.
        """
        if not token:
            raise _denied("Access token is missing in the request header.")
        entry = self._access.get(token)
        if entry is None:
            raise _denied("The access token you provided is revoked, malformed or invalid.")
        if entry[1] <= time.monotonic():
            raise _denied("The access token you provided has expired.")
        return entry[0]


def _denied(details: str) -> Refusal:
    return Refusal(403, "Unauthorized", "Access to requested resource is denied.", details)


def _error(status: int, code: str, description: str) -> Answer:
    return as_json({"error": code, "error_description": description}, status)
