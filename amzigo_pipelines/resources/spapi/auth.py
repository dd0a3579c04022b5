"""Whom we talk to and who we are: endpoints, the application's credentials, access tokens.

Belongs here: which addresses a home may use, the application's credentials, the cache of access tokens. Does not belong
here: where secrets are kept (`secret_sources.py`), HTTP (`library.py`) and the sellers' refresh tokens
(`sellers.py`).

Does not import the client library, so that `amzigo doctor` is quick.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.spapi.addresses import EndpointRefused, check_address
from amzigo_pipelines.resources.spapi.secret_sources import CredentialsMissing, forget_secrets, secret_values

REGIONS = ("NA", "EU", "FE")
# Under which a refresh token stands that was given without saying for which region.
ANY_REGION = "*"
AMAZON_API = {
    "NA": "https://sellingpartnerapi-na.amazon.com",
    "EU": "https://sellingpartnerapi-eu.amazon.com",
    "FE": "https://sellingpartnerapi-fe.amazon.com",
}
AMAZON_LOGIN = "https://api.amazon.com"

CLIENT_ID_VARIABLE = "AMZIGO_LWA_CLIENT_ID"
CLIENT_SECRET_VARIABLE = "AMZIGO_LWA_CLIENT_SECRET"  # noqa: S105 - a name, not a secret
# Seconds before its end at which an access token counts as over: a request under way must not outlive it.
_TOKEN_MARGIN_S = 60.0


@dataclass(frozen=True)
class LwaCredentials:
    """The application's Login with Amazon client; never a seller's.

    Attributes:
        client_id: public part.
        client_secret: secret part; never printed.

    Raises:
        CredentialsMissing: one of them is empty: the client library would go looking for others.
    """

    client_id: str
    client_secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.client_id or not self.client_secret:
            raise CredentialsMissing("the application's Login with Amazon client id or secret is empty: set both")


# What the simulator accepts. Synthetic: they open nothing else, and a test home sends no others.
SIMULATOR_CREDENTIALS = LwaCredentials(
    "amzn1.application-oa2-client.synthetic0simulator",
    "amzn1.oa2-cs.v1.synthetic0simulator",
)


@dataclass(frozen=True)
class Endpoint:
    """Where the SP-API and Login with Amazon are.

    Attributes:
        kind: of the home that talks to them.
        api: base address of the SP-API for each region (`NA`, `EU`, `FE`).
        login: base address of Login with Amazon.

    Raises:
        EndpointRefused: plain http to anything but this machine, an address that is none, or one that a home of this
            kind may not talk to.
    """

    kind: Kind
    api: Mapping[str, str]
    login: str

    def __post_init__(self) -> None:
        for address in (*self.api.values(), self.login):
            check_address(address)
            if self.kind is Kind.TEST and _is_amazon(address):
                raise EndpointRefused(
                    "a test home talks to the simulator only, not to Amazon: set endpoint in amzigo.toml to the "
                    "simulator's address, or make a production home"
                )
            if self.kind is Kind.PRODUCTION and not _is_amazon(address):
                raise EndpointRefused(
                    "a production home talks to Amazon only: remove endpoint from amzigo.toml, or make a test home "
                    "for the simulator"
                )


def endpoint_for(home: Home) -> Endpoint:
    """The endpoint that a home talks to: Amazon's, or for a `test` home its simulator for everything.

    All regions are in it: a seller may have marketplaces in several.

    Raises:
        EndpointRefused: the home's setting is missing or not allowed.
    """
    if home.kind is Kind.PRODUCTION:
        if home.endpoint and home.endpoint.rstrip("/") not in AMAZON_API.values():
            return Endpoint(home.kind, dict.fromkeys(REGIONS, home.endpoint), home.endpoint)
        return Endpoint(home.kind, AMAZON_API, AMAZON_LOGIN)
    if not home.endpoint:
        raise EndpointRefused("this test home has no endpoint: set endpoint in amzigo.toml to the simulator's address")
    address = home.endpoint.rstrip("/")
    return Endpoint(home.kind, dict.fromkeys(REGIONS, address), address)


def credentials_for(home: Home, environment: Mapping[str, str] | None = None) -> LwaCredentials:
    """The application's credentials: the simulator's for a `test` home without a secret store, else the secrets'.

    Raises:
        CredentialsMissing: one of them is not there.
        AwsError: the secret store refuses, or can't be reached.
    """
    if home.is_simulators_client:
        return SIMULATOR_CREDENTIALS
    return LwaCredentials(*secret_values(home, (CLIENT_ID_VARIABLE, CLIENT_SECRET_VARIABLE), environment))


def renewed_credentials(home: Home) -> LwaCredentials:
    """The application's credentials, read anew at their source: after Amazon refused those that we had.

    Raises:
        CredentialsMissing, AwsError: as `credentials_for`.
    """
    forget_secrets()
    return credentials_for(home)


class TokenCache:
    """Access tokens in memory, each under everything that it was given for. Threads may share it.

    The client library's own cache knows a token by the refresh token alone: after a change of the client secret, or
    against another endpoint, it would go on serving the old one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: dict[bytes, tuple[str, float]] = {}

    @staticmethod
    def key(login: str, credentials: LwaCredentials, refresh_token: str) -> bytes:
        """What an access token belongs to; a hash, so that no secret is kept as a key."""
        parts = (login, credentials.client_id, credentials.client_secret, refresh_token)
        digest = hashlib.sha256()
        for part in parts:
            digest.update(len(part.encode()).to_bytes(4, "big") + part.encode())
        return digest.digest()

    def get(self, key: bytes) -> str | None:
        """The token, if there is one that will live on for a while."""
        with self._lock:
            token, ends_at = self._tokens.get(key, ("", 0.0))
            return token if ends_at > time.monotonic() else None

    def put(self, key: bytes, token: str, lifetime_s: float) -> None:
        """Keep a token until shortly before its end."""
        now = time.monotonic()
        with self._lock:
            self._tokens = {known: entry for known, entry in self._tokens.items() if entry[1] > now}
            self._tokens[key] = (token, now + lifetime_s - min(_TOKEN_MARGIN_S, lifetime_s / 2))

    def drop(self, key: bytes, token: str) -> None:
        """Forget a token that Amazon refused, unless another thread has fetched a newer one."""
        with self._lock:
            if self._tokens.get(key, ("", 0.0))[0] == token:
                del self._tokens[key]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._tokens.clear()


TOKENS = TokenCache()


def _is_amazon(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    return address.startswith("https://") and (host == "api.amazon.com" or host.endswith(".amazon.com"))
