"""Asking the Amazon Ads API for one seller: profiles and reports, each answer complete or an error.

Belongs here: operations, and what surrounds each call: token, retries, whether the answer is one. Does not belong here:
the life and the content of reports (`reports.py`), what an error means (`errors.py`), HTTP and the client
library's traps (`library.py`).

The Ads API publishes no rates: it is asked as it comes, and waits as it says (Retry-After) or ever longer.
Imports the client library only when something is called.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.resources.ads.accounts import AdsAccount
from amzigo_pipelines.resources.ads.errors import AdsReportRepeated
from amzigo_pipelines.resources.spapi.auth import TOKENS, Endpoint, LwaCredentials
from amzigo_pipelines.resources.spapi.calls import Usage
from amzigo_pipelines.resources.spapi.errors import AccessTokenStale, Asked, AuthorisationLost, BadAnswer
from amzigo_pipelines.resources.spapi.retries import Retries, Sleep

if TYPE_CHECKING:
    import httpx

    from amzigo_pipelines.resources.ads.library import AdsTokens, ReportsOperations
    from amzigo_pipelines.resources.spapi.transport import Connection, Observe

T = TypeVar("T")
# It goes into a path: nothing that could lead elsewhere.
_REPORT_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True)
class AdsProfile:
    """An advertising profile: an account in one marketplace.

    Attributes:
        profile_id: Amazon's id, digits.
        marketplace_id: where.
        account_id: for sellers the merchant token, by which the account's owner is known.
        kind: `seller`, `vendor` or `agency`.
    """

    profile_id: str
    marketplace_id: str
    account_id: str
    kind: str


class AdsPartner:
    """A client that acts for one seller at the Ads API. Not for threads to share; close it after use.

    Args:
        account: the seller and its profiles; without any, only profiles can be listed.
        refresh_token: the account's; never in an error, a log or a repr.
        credentials: the Ads application's.
        endpoint: where the Ads API and Login with Amazon are.
        sleep: waits so many seconds; the only waiting there is.
        retries: how often and how long to ask again.
        http: makes the HTTP client; for tests.
        deadline_s: longest time for one answer.
        permit: called before each request; raises where the seller's token may not be used now.
    """

    def __init__(
        self,
        account: AdsAccount,
        refresh_token: str,
        credentials: LwaCredentials,
        endpoint: Endpoint,
        *,
        sleep: Sleep = time.sleep,
        retries: Retries | None = None,
        http: Callable[[], httpx.Client] | None = None,
        deadline_s: float = 120.0,
        permit: Callable[[], None] = lambda: None,
        observe: Observe | None = None,
    ) -> None:
        self.seller_id = account.seller_id
        self.profiles: Mapping[str, str] = dict(account.profiles)
        self.sleep = sleep
        self.usage = Usage()
        self._refresh_token = refresh_token
        self._credentials = credentials
        self._endpoint = endpoint
        self._retries = retries or Retries(sleep)
        self._http = http
        self._deadline_s = deadline_s
        self._permit = permit
        self._observe = observe
        self._clients: dict[str, ReportsOperations] = {}

    def __enter__(self) -> AdsPartner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"AdsPartner({self.seller_id})"

    def close(self) -> None:
        """Close all connections."""
        if "connection" in vars(self):
            self.connection.close()

    # -- operations --------------------------------------------------------------------------------------------------

    def list_profiles(self, region: str) -> list[AdsProfile]:
        """The profiles of a region that the account's user may see, of all marketplaces that we know.

        Raises:
            SpApiError: after retries.
        """
        from amzigo_pipelines.resources.ads.library import profiles_client

        client = profiles_client(**self._settings(region))
        asked = Asked(self.seller_id, "listProfiles")

        def ask() -> list[AdsProfile]:
            answer = self._once(asked, client.list_profiles)
            if not isinstance(answer, list):
                raise BadAnswer(asked, "the answer is no list of profiles")
            return [_profile(asked, one) for one in answer]

        return [profile for profile in self._retries.call(ask) if profile.marketplace_id in MARKETPLACES]

    def create_report(self, marketplace_id: str, request: dict[str, Any]) -> str:
        """Ask for a report; the id of a report that was asked for by the same words a short time ago will do.

        Args:
            marketplace_id: one with a profile.
            request: `name`, `startDate`, `endDate`, `configuration`.

        Raises:
            SpApiError: after retries.
        """
        client = self._reports(marketplace_id)
        asked = Asked(self.seller_id, "createAsyncReport")

        def ask() -> str:
            try:
                answer = self._once(asked, lambda: client.post_report(body=request))
            except AdsReportRepeated as error:
                # Asked for by a run before this one, or by a try of ours whose answer was lost.
                if not error.report_id:
                    raise
                return error.report_id
            report_id = answer.get("reportId") if isinstance(answer, dict) else None
            if not isinstance(report_id, str) or not _REPORT_ID.fullmatch(report_id):
                raise BadAnswer(asked, "the answer names no report")
            return report_id

        return self._retries.call(ask)

    def get_report(self, marketplace_id: str, report_id: str) -> dict[str, Any]:
        """How far a report has come, with a fresh link if it is ready.

        Raises:
            SpApiError: after retries.
        """
        client = self._reports(marketplace_id)
        asked = Asked(self.seller_id, "getAsyncReport")

        def ask() -> dict[str, Any]:
            answer = self._once(asked, lambda: client.get_report(report_id))
            if not isinstance(answer, dict) or not isinstance(answer.get("status"), str):
                raise BadAnswer(asked, "the answer does not say how far the report is")
            return answer

        return self._retries.call(ask)

    @cached_property
    def connection(self) -> Connection:
        """The HTTP connection, for downloads too."""
        from amzigo_pipelines.resources.spapi.transport import Connection

        client = self._http() if self._http else None
        return Connection(self._endpoint.login, self._deadline_s, client=client, observe=self._observe)

    # -- how a call is made ------------------------------------------------------------------------------------------

    def _once(self, asked: Asked, ask: Callable[[], T]) -> T:
        self.connection.asked = asked
        try:
            return self._sent(ask)
        except AccessTokenStale:
            # Ran out in mid-run, or revoked: a fresh one at once. If that is refused too, it is not the token's age.
            self._tokens.drop()
            self.connection.asked = asked
            try:
                return self._sent(ask)
            except AccessTokenStale as error:
                raise AuthorisationLost(
                    asked,
                    "the Ads API refuses even a fresh access token: let the seller authorise the Ads application "
                    f"again, then 'amzigo seller ads {self.seller_id}'",
                    status=error.status,
                    code=error.code,
                    request_id=error.request_id,
                ) from None

    def _sent(self, ask: Callable[[], T]) -> T:
        self._permit()
        self._tokens.access_token()
        self.usage.requests += 1
        return ask()

    def _reports(self, marketplace_id: str) -> ReportsOperations:
        if marketplace_id not in self._clients:
            from amzigo_pipelines.resources.ads.library import reports_client

            settings = self._settings(MARKETPLACES[marketplace_id].region)
            self._clients[marketplace_id] = reports_client(**settings, profile_id=self.profiles[marketplace_id])
        return self._clients[marketplace_id]

    def _settings(self, region: str) -> dict[str, Any]:
        return {
            "connection": self.connection,
            "tokens": self._tokens,
            "api": self._endpoint.api[region],
            "client_id": self._credentials.client_id,
        }

    @cached_property
    def _tokens(self) -> AdsTokens:
        from amzigo_pipelines.resources.ads.library import AdsTokens

        return AdsTokens(
            connection=self.connection,
            login=self._endpoint.login,
            credentials=self._credentials,
            refresh_token=self._refresh_token,
            tokens=TOKENS,
        )


def _profile(asked: Asked, one: Any) -> AdsProfile:
    account = one.get("accountInfo") if isinstance(one, dict) else None
    if not isinstance(account, dict) or not isinstance(one.get("profileId"), int):
        raise BadAnswer(asked, "the list of profiles holds something that is no profile")
    return AdsProfile(
        profile_id=str(one["profileId"]),
        marketplace_id=str(account.get("marketplaceStringId") or ""),
        account_id=str(account.get("id") or ""),
        kind=str(account.get("type") or ""),
    )
