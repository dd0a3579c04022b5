"""The client library, made strict: what python-amazon-sp-api does with HTTP, tokens and errors, replaced.

Belongs here: subclasses of the library's classes, and keeping it silent. Does not belong here: the connection they use
(`transport.py`), what is asked and how often (`client.py`, `calls.py`), what an answer means (`errors.py`).

The library's traps (each seen in 2.1.35) and where they are closed:

- errors without an `errors` array pass as empty answers: `_check_response`;
- credentials fall through to the environment and to files: one credential provider;
- the token cache is keyed by refresh token alone: `auth.TokenCache`;
- 5 s for everything, and no limit on a body that drips: `transport.Connection`;
- a Host header that loses its first character over http: `headers`;
- addresses and tokens in logs: `logs.protect_logs`, which every `Connection` sees to.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from sp_api.api import CustomerFeedback as LibraryFeedback
from sp_api.api import DataKiosk as LibraryDataKiosk
from sp_api.api import FinancesV20240619 as LibraryFinances
from sp_api.api import Inventories as LibraryInventories
from sp_api.api import OrdersV20260101 as LibraryOrders
from sp_api.api import Reports as LibraryReports
from sp_api.api import Sales as LibrarySales
from sp_api.api import Sellers as LibrarySellers
from sp_api.auth import AccessTokenClient
from sp_api.base.credential_provider import FromCodeCredentialProvider

from amzigo_pipelines.resources.spapi.access_token import fetch_token
from amzigo_pipelines.resources.spapi.auth import LwaCredentials, TokenCache
from amzigo_pipelines.resources.spapi.collection import collection_paused
from amzigo_pipelines.resources.spapi.errors import (
    AccessTokenStale,
    Asked,
    BadAnswer,
    ClientRefused,
    SpApiError,
    error_for_answer,
    error_for_token_answer,
    request_id_of,
)
from amzigo_pipelines.resources.spapi.operations import (
    DataKioskOperations,
    FeedbackOperations,
    FinancesOperations,
    InventoriesOperations,
    OrdersOperations,
    ReportsOperations,
    SalesOperations,
    SellersOperations,
)
from amzigo_pipelines.resources.spapi.transport import TIMEOUT, USER_AGENT, Connection, RawAnswer, tls_context


@dataclass
class Answer:
    """An answer that passed all checks. The library's operations hand it through.

    Attributes:
        payload: the JSON object; numbers with a fraction as the text that Amazon wrote, never as floats.
        headers: of the answer.
        is_without_data: Amazon said in so many words that there is not enough data, where an operation has that.
    """

    payload: dict[str, Any]
    headers: Mapping[str, str] = field(repr=False)
    character_code: str | None = None  # the library sets it on documents
    is_without_data: bool = False

    @property
    def rate_limit(self) -> float | None:
        """Requests a second that Amazon allows for the operation, if it says so."""
        try:
            return float(self.headers["x-amzn-ratelimit-limit"])
        except (KeyError, ValueError):
            return None


class StrictTokenClient(AccessTokenClient):  # type: ignore[misc]
    """Login with Amazon, with a cache that keeps one seller's or secret's token from passing for another's.

    Args:
        connection: to Login with Amazon.
        login: its base address.
        credentials: the application's.
        refresh_token: a seller's.
        tokens: the cache.
        renew: reads the application's credentials anew, once those that we have are refused: they may have been
            exchanged since; None where there is nothing to read.
    """

    user_agent = USER_AGENT

    def __init__(
        self,
        *,
        connection: Connection,
        login: str,
        credentials: LwaCredentials,
        refresh_token: str,
        tokens: TokenCache,
        renew: Callable[[], LwaCredentials] | None = None,
    ) -> None:
        # The base class's own __init__ would open a client without timeouts; nothing of it is needed.
        self._connection = connection
        self._login = login
        self._address = login + self.path
        self._tokens = tokens
        self._renew = renew
        self._refresh_token = refresh_token
        self._use(credentials)

    def get_auth(self) -> Any:
        """The access token, in the shape that the library expects."""
        token = self._tokens.get(self._key)
        if token is None:
            token, lifetime_s = self._fetch_with_good_credentials()
            self._tokens.put(self._key, token, lifetime_s)
        return SimpleNamespace(access_token=token)

    def drop(self) -> None:
        """Forget the token that Amazon refused."""
        token = self._tokens.get(self._key)
        if token is not None:
            self._tokens.drop(self._key, token)

    def _use(self, credentials: LwaCredentials) -> None:
        self._credentials = credentials
        self._key = self._tokens.key(self._login, credentials, self._refresh_token)
        self.cred = SimpleNamespace(
            client_id=credentials.client_id, client_secret=credentials.client_secret, refresh_token=self._refresh_token
        )

    def _fetch_with_good_credentials(self) -> tuple[str, float]:
        try:
            return self._fetch()
        except ClientRefused:
            renewed = self._renew() if self._renew else self._credentials
            if renewed == self._credentials:
                raise
            self._use(renewed)
            return self._fetch()

    def _fetch(self) -> tuple[str, float]:
        asked = Asked(self._connection.asked.seller_id, "logging in")
        return fetch_token(self._connection, self._address, self.data, self.headers, asked, error_for_token_answer)


class _Strict:
    """Mixed into the library's clients. Answers are objects of JSON or exceptions, nothing between."""

    user_agent = USER_AGENT
    _connection: Connection
    _tokens: StrictTokenClient

    @property
    def headers(self) -> dict[str, str]:
        """Without the library's Host, which over http loses its first character."""
        return {
            "user-agent": self.user_agent,
            "x-amz-access-token": self._tokens.get_auth().access_token,
            "x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
            "content-type": "application/json",
        }

    def _check_response(
        self, res: RawAnswer, res_no_data: bool = False, bulk: bool = False, wrap_list: bool = False
    ) -> Answer:
        asked = self._connection.asked
        if not 200 <= res.status_code < 300:
            error = error_for_answer(asked, res.status_code, res.headers, res.content)
            if isinstance(error, AccessTokenStale):
                self._tokens.drop()
            raise error
        return Answer(parse_object(asked, res), res.headers)


def parse_object(asked: Asked, res: RawAnswer) -> dict[str, Any]:
    """The JSON object of a 2xx answer.

    Raises:
        BadAnswer: it is something else: HTML, empty, cut off, a list, or an object with errors.
    """
    try:
        # Fractions stay text: money must not pass through a float on its way to a decimal.
        with collection_paused():
            answer = json.loads(res.content, parse_float=str, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or answer.get("errors"):
        raise _bad(asked, res, "Amazon answered as if all were well, but not with the JSON object of this operation")
    return answer


def _bad(asked: Asked, res: RawAnswer, sentence: str) -> SpApiError:
    return BadAnswer(asked, sentence, status=res.status_code, request_id=request_id_of(res.headers))


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


class OrdersClient(_Strict, LibraryOrders):  # type: ignore[misc]
    """Orders API 2026-01-01."""


class InventoriesClient(_Strict, LibraryInventories):  # type: ignore[misc]
    """FBA Inventory API v1."""


class ReportsClient(_Strict, LibraryReports):  # type: ignore[misc]
    """Reports API 2021-06-30."""


class FeedbackClient(_Strict, LibraryFeedback):  # type: ignore[misc]
    """Customer Feedback API 2024-06-01: the one where 204 is an answer. It means "not enough data"."""

    def _check_response(
        self, res: RawAnswer, res_no_data: bool = False, bulk: bool = False, wrap_list: bool = False
    ) -> Answer:
        if res.status_code == 204 and not res.content:
            return Answer({}, res.headers, is_without_data=True)
        return super()._check_response(res, res_no_data, bulk, wrap_list)


class DataKioskClient(_Strict, LibraryDataKiosk):  # type: ignore[misc]
    """Data Kiosk API 2023-11-15."""


class SalesClient(_Strict, LibrarySales):  # type: ignore[misc]
    """Sales API v1."""


class SellersClient(_Strict, LibrarySellers):  # type: ignore[misc]
    """Sellers API v1."""


class FinancesClient(_Strict, LibraryFinances):  # type: ignore[misc]
    """Finances API 2024-06-19."""


class Library:
    """The library's clients of one seller and region, over one connection.

    Args:
        connection: shared by all of them.
        tokens: gives access tokens.
        api: base address of the region's SP-API.
        region: `NA`, `EU` or `FE`.
        marketplace_id: any marketplace of the region; the library wants one.
        credentials: the application's.
        refresh_token: the seller's.
    """

    def __init__(
        self,
        connection: Connection,
        tokens: StrictTokenClient,
        api: str,
        region: str,
        marketplace_id: str,
        credentials: LwaCredentials,
        refresh_token: str,
    ) -> None:
        def client(kind: type[Any]) -> Any:
            made = kind(
                marketplace=SimpleNamespace(endpoint=api, marketplace_id=marketplace_id, region=region.lower()),
                refresh_token=refresh_token,
                credentials={
                    "lwa_app_id": credentials.client_id,
                    "lwa_client_secret": credentials.client_secret,
                    "refresh_token": refresh_token,
                },
                # Nothing but what is given here: an empty secret must fail, not find some other account's.
                credential_providers=(FromCodeCredentialProvider,),
                auth_token_client_class=lambda **_: tokens,
                verify=tls_context(),
                timeout=TIMEOUT,
            )
            made._transport.close()
            made._transport = made._connection = connection
            made._tokens = tokens
            return made

        self.tokens = tokens
        self.orders = cast(OrdersOperations, client(OrdersClient))
        self.inventories = cast(InventoriesOperations, client(InventoriesClient))
        self.reports = cast(ReportsOperations, client(ReportsClient))
        self.feedback = cast(FeedbackOperations, client(FeedbackClient))
        self.data_kiosk = cast(DataKioskOperations, client(DataKioskClient))
        self.sales = cast(SalesOperations, client(SalesClient))
        self.sellers = cast(SellersOperations, client(SellersClient))
        self.finances = cast(FinancesOperations, client(FinancesClient))
