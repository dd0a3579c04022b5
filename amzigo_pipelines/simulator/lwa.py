"""Login with Amazon: authorisation codes and refresh tokens in, access tokens out.

Belongs here: the token endpoint, who an access token belongs to, which client secrets are good. Does not belong here:
what a seller may see (roles are asked by the operations). Tokens and codes live by real time, as clients' caches do.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qs

from amzigo_pipelines.simulator.answers import Answer, Refusal, as_json
from amzigo_pipelines.simulator.marketplaces import MARKETPLACES
from amzigo_pipelines.simulator.profiles import CLIENT_ID, CLIENT_SECRET, SellerProfile, WorldConfig

ROTATION_SCOPE = "sellingpartnerapi::client_credential:rotation"
CODE_LIFETIME_S = 300.0


@dataclass(frozen=True)
class _Access:
    """What an access token opens, and until which monotonic second."""

    ends_at: float
    profile: SellerProfile | None = None
    scope: str = ""


class LoginWithAmazon:
    """Gives access tokens and knows their sellers. The event loop is its only caller.

    Args:
        config: the sellers and their refresh tokens.
        lifetime_s: how long an access token lives, in real seconds.
        code_lifetime_s: how long an authorisation code lives, in real seconds.
    """

    client = (CLIENT_ID, CLIENT_SECRET)
    """Id and first secret of the one application that is let in."""

    def __init__(self, config: WorldConfig, lifetime_s: float, code_lifetime_s: float = CODE_LIFETIME_S) -> None:
        self._refresh = {token: part for profile in config.sellers for token, part in _openings(profile).items()}
        self._lifetime_s = lifetime_s
        self._code_lifetime_s = code_lifetime_s
        self._access: dict[str, _Access] = {}
        self._codes: dict[str, tuple[str, float]] = {}  # code -> (refresh token, monotonic second of its end)
        self._client_secrets = [self.client[1]]

    def answer(self, form: str) -> Answer:
        """What `POST /auth/o2/token` says to a form-encoded body."""
        fields = {name: values[0] for name, values in parse_qs(form).items()}
        if any(name not in fields for name in ("grant_type", "client_id", "client_secret")):
            return _error(400, "invalid_request", "The request is missing a required parameter")
        grant_type = fields["grant_type"]
        if grant_type not in ("refresh_token", "authorization_code", "client_credentials"):
            return _error(400, "unsupported_grant_type", "The grant type is not supported")
        if fields["client_id"] != self.client[0] or fields["client_secret"] not in self._client_secrets:
            return _error(401, "invalid_client", "Client authentication failed")
        if grant_type == "client_credentials":
            if fields.get("scope") != ROTATION_SCOPE:
                return _error(400, "invalid_scope", "The requested scope is invalid")
            return self._granted(_Access(self._end(), scope=ROTATION_SCOPE))
        if grant_type == "refresh_token":
            refresh_token = fields.get("refresh_token", "")
        else:
            # A code is used up by the first who shows it, also when it comes too late.
            refresh_token, ends_at = self._codes.pop(fields.get("code", ""), ("", 0.0))
            refresh_token = refresh_token if ends_at > time.monotonic() else ""
        profile = self._refresh.get(refresh_token)
        if profile is None:
            what = "refresh_token" if grant_type == "refresh_token" else "code"
            return _error(400, "invalid_grant", f"The request has an invalid grant parameter : {what}")
        return self._granted(_Access(self._end(), profile), {"refresh_token": refresh_token})

    def new_code(self, profile: SellerProfile, region: str | None) -> str:
        """An authorisation code, as a seller's consent in a region gives it; it can be exchanged once."""
        code = f"synthetic-{secrets.token_urlsafe(12)}"
        refresh_token = profile.regional_tokens.get(region or "", profile.refresh_token)
        self._codes[code] = (refresh_token, time.monotonic() + self._code_lifetime_s)
        return code

    def new_client_secret(self) -> str:
        """Make a further client secret; those before stay good until `end_old_client_secrets`."""
        self._client_secrets.append(f"{self.client[1]}-{secrets.token_urlsafe(8)}")
        return self._client_secrets[-1]

    def end_old_client_secrets(self) -> None:
        """Let a week pass for client secrets: only the newest is good from now on."""
        del self._client_secrets[:-1]

    def profile_of(self, token: str | None) -> SellerProfile:
        """The seller of an access token, with those marketplaces only that its authorisation covers.

        Raises:
            Refusal: 403, there is no token, it is not ours, it has expired, or it is none of a seller.
        """
        profile = self._opened(token).profile
        if profile is None:
            raise _denied("The access token you provided is not one of a selling partner.")
        return profile

    def seller_of(self, token: str | None) -> str:
        """The id of the seller of an access token; errors as `profile_of`."""
        return self.profile_of(token).seller_id

    def check_grantless(self, token: str | None, scope: str) -> None:
        """Pass an access token that was given for a scope and no seller.

        Raises:
            Refusal: 403, it is another one.
        """
        if self._opened(token).scope != scope:
            raise _denied("The access token you provided has not the scope of this operation.")

    def _opened(self, token: str | None) -> _Access:
        if not token:
            raise _denied("Access token is missing in the request header.")
        access = self._access.get(token)
        if access is None:
            raise _denied("The access token you provided is revoked, malformed or invalid.")
        if access.ends_at <= time.monotonic():
            raise _denied("The access token you provided has expired.")
        return access

    def _end(self) -> float:
        return time.monotonic() + self._lifetime_s

    def _granted(self, access: _Access, more: Mapping[str, str] | None = None) -> Answer:
        token = f"Atza|synthetic-{secrets.token_urlsafe(24)}"
        now = time.monotonic()
        self._access = {key: entry for key, entry in self._access.items() if entry.ends_at > now - 3_600}
        self._access[token] = access
        return as_json(
            {
                "access_token": token,
                **(more or {}),
                "token_type": "bearer",
                "expires_in": int(self._lifetime_s),
            }
        )


def _openings(profile: SellerProfile) -> dict[str, SellerProfile]:
    """Each refresh token of a seller, and what it opens: the seller, cut down to the marketplaces it was given for."""
    regions: dict[str, list[str]] = {}
    for marketplace_id in profile.marketplace_ids:
        token = profile.regional_tokens.get(MARKETPLACES[marketplace_id].region, profile.refresh_token)
        regions.setdefault(token, []).append(marketplace_id)
    return {token: replace(profile, marketplace_ids=tuple(ids)) for token, ids in regions.items()}


def _denied(details: str) -> Refusal:
    return Refusal(403, "Unauthorized", "Access to requested resource is denied.", details)


def _error(status: int, code: str, description: str) -> Answer:
    return as_json({"error": code, "error_description": description}, status)
