"""python-amazon-ad-api, made strict: what it does with HTTP, tokens, errors and logs, replaced.

Belongs here: subclasses of the library's classes, and keeping it silent. Does not belong here: what is asked
(`client.py`), what an error means (`errors.py`), downloads (`reports.py`): the library's own is never used.

The library's traps (each seen in 1.2.9) and where they are closed:

- importing it turns the root logger on at INFO, and everybody's INFO with it: `_logging_kept`;
- a wrong AD_API_* variable breaks its import, a right one sends every call elsewhere or as somebody else, whatever
  credentials it is given: `refuse_environment`, and its own credentials are never looked for: `__init__`;
- a 2xx answer that is no JSON, HTML for instance, becomes an empty object, and so does an empty list: `_request`;
- its exceptions carry bodies and headers, also that of a token answer which is no JSON: `_request`, `_fetch`;
- no timeout at all, redirects followed with the token: `spapi/transport.py`;
- the token cache is keyed by refresh token alone and knows nothing of `expires_in`: `spapi/auth.py`;
- `debug` logs tokens: nothing of its `_request` is left;
- reports are asked for as plain JSON instead of their own media type: `headers`;
- its download ignores the status, swallows connection errors, and writes plaintext to disk.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.ads.errors import error_for_ads_answer, error_for_ads_token_answer
from amzigo_pipelines.resources.spapi.access_token import fetch_token
from amzigo_pipelines.resources.spapi.auth import LwaCredentials, TokenCache
from amzigo_pipelines.resources.spapi.errors import Asked, BadAnswer, request_id_of
from amzigo_pipelines.resources.spapi.transport import USER_AGENT, Connection

_VARIABLES = "AD_API_"
_REPORT_MEDIA_TYPE = "application/vnd.createasyncreportrequest.v3+json"


class AdsClientMisconfigured(AmzigoError):
    """The environment would make the client library do something else than it is told."""


def refuse_environment() -> None:
    """Refuse variables that python-amazon-ad-api obeys before anything that it is told.

    Raises:
        AdsClientMisconfigured: there are some.
    """
    found = sorted(name for name in os.environ if name.startswith(_VARIABLES))
    if found:
        raise AdsClientMisconfigured(
            f"{', '.join(found)} set: the advertising library would use that account or marketplace instead of the "
            "seller's: unset it"
        )


@contextmanager
def _logging_kept() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


refuse_environment()
with _logging_kept():
    from ad_api.api import Profiles as LibraryProfiles
    from ad_api.api import Reports as LibraryReports
    from ad_api.auth import AccessTokenClient


class AdsTokens(AccessTokenClient):  # type: ignore[misc]
    """Login with Amazon for the Ads API, with a cache that tells applications, endpoints and sellers apart."""

    user_agent = USER_AGENT

    def __init__(
        self, *, connection: Connection, login: str, credentials: LwaCredentials, refresh_token: str, tokens: TokenCache
    ) -> None:
        # Not the base class's own: it would want the credentials in a shape that its logs could show.
        self._connection = connection
        self._address = login + self.path
        self._tokens = tokens
        self._credentials = credentials
        self._refresh_token = refresh_token
        self._key = tokens.key(login, credentials, refresh_token)

    def access_token(self) -> str:
        """A token that will live on for a while."""
        token = self._tokens.get(self._key)
        if token is None:
            token, lifetime_s = self._fetch()
            self._tokens.put(self._key, token, lifetime_s)
        return token

    def drop(self) -> None:
        """Forget the token that Amazon refused."""
        token = self._tokens.get(self._key)
        if token is not None:
            self._tokens.drop(self._key, token)

    @property
    def data(self) -> dict[str, str]:
        """The form of the request."""
        return {
            "grant_type": self.grant_type,
            "client_id": self._credentials.client_id,
            "client_secret": self._credentials.client_secret,
            "refresh_token": self._refresh_token,
        }

    def _fetch(self) -> tuple[str, float]:
        asked = Asked(self._connection.asked.seller_id, "logging in for advertising")
        return fetch_token(self._connection, self._address, self.data, self.headers, asked, error_for_ads_token_answer)


class _Strict:
    """Mixed into the library's clients: the library says which path, this asks. Answers are JSON or exceptions."""

    def __init__(self, *, connection: Connection, tokens: AdsTokens, api: str, client_id: str, profile_id: str) -> None:
        # The library's own __init__ would look for credentials in the environment first, then in files.
        self._connection = connection
        self._tokens = tokens
        self._api = api
        self._client_id = client_id
        self._profile_id = profile_id

    @property
    def headers(self) -> dict[str, str]:
        """Who asks, and for which profile."""
        headers = {
            "user-agent": USER_AGENT,
            "authorization": f"Bearer {self._tokens.access_token()}",
            "amazon-advertising-api-clientid": self._client_id,
            "content-type": _REPORT_MEDIA_TYPE,
        }
        if self._profile_id:
            headers["amazon-advertising-api-scope"] = self._profile_id
        return headers

    def _request(self, path: str, data: Any = None, params: Any = None, headers: Any = None) -> Any:
        query = dict(params or {})
        method = query.pop("method")
        raw = self._connection.request(
            method, self._api + path, params=query or None, content=data, headers=self.headers
        )
        asked = self._connection.asked
        if not 200 <= raw.status_code < 300:
            raise error_for_ads_answer(asked, raw.status_code, raw.headers, raw.content)
        try:
            return json.loads(raw.content)
        except (ValueError, RecursionError):
            raise BadAnswer(
                asked,
                "Amazon answered as if all were well, but not with JSON",
                status=raw.status_code,
                request_id=request_id_of(raw.headers),
            ) from None


class ProfilesClient(_Strict, LibraryProfiles):  # type: ignore[misc]
    """Profiles API v2."""


class ReportsClient(_Strict, LibraryReports):  # type: ignore[misc]
    """Reporting API v3."""


class ProfilesOperations(Protocol):
    """What is used of the profiles client."""

    def list_profiles(self, **parameters: Any) -> Any:
        """`GET /v2/profiles`."""
        ...


class ReportsOperations(Protocol):
    """What is used of the reports client."""

    def post_report(self, *, body: dict[str, Any]) -> Any:
        """`POST /reporting/reports`."""
        ...

    # Amazon's spelling is the library's name of the parameter.
    def get_report(self, reportId: str) -> Any:
        """`GET /reporting/reports/{reportId}`."""
        ...


def profiles_client(**settings: Any) -> ProfilesOperations:
    """A client of the Profiles API; for the settings see `_Strict`."""
    return cast(ProfilesOperations, ProfilesClient(**settings, profile_id=""))


def reports_client(**settings: Any) -> ReportsOperations:
    """A client of the Reporting API; for the settings see `_Strict`."""
    return cast(ReportsOperations, ReportsClient(**settings))
