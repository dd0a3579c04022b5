"""Calling Amazon for one seller: the one way through which every call passes.

Belongs here: what surrounds any call: connection, access token, turn, retries, whether the answer is one. Does not
belong here: which operations there are (`client.py`), how often to ask again (`retries.py`), how long to wait for a
turn (`pacing.py`), HTTP and the client library's traps (`transport.py`, `library.py`).

Imports the client library only when something is called: it takes a second, and refuses a wrong environment while
being imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.resources.spapi.auth import ANY_REGION, TOKENS, Endpoint, LwaCredentials
from amzigo_pipelines.resources.spapi.errors import (
    AccessTokenStale,
    Asked,
    AuthorisationLost,
    BadAnswer,
    RegionNotAuthorised,
    Throttled,
)
from amzigo_pipelines.resources.spapi.pacing import Pacer
from amzigo_pipelines.resources.spapi.retries import Retries

if TYPE_CHECKING:
    import httpx

    from amzigo_pipelines.resources.quarantine.tape import Tape
    from amzigo_pipelines.resources.sellers import Seller
    from amzigo_pipelines.resources.spapi.library import Answer, Library
    from amzigo_pipelines.resources.spapi.transport import Connection, Observe


# Their answers are links that open a document to anybody; the document itself is kept.
_NOT_KEPT = frozenset({"getReportDocument", "getDocument"})


@dataclass
class Usage:
    """What was asked so far: requests that were sent (retries included) and pages that came."""

    requests: int = 0
    pages: int = 0


class Calls:
    """Calls for one seller, in all its regions. Not for threads to share; close it after use.

    Args:
        seller: id and marketplaces, all of them Amazon's.
        refresh_tokens: the seller's by region, `ANY_REGION` for the others; never in an error, a log or a repr.
        credentials: the application's.
        endpoint: where the SP-API and Login with Amazon are.
        renew: reads the application's credentials anew after Amazon refused them; None for never.
        retries: how often and how long to ask again.
        pacer: where calls wait for their turn.
        http: makes the HTTP client of an address; for tests.
        deadline_s: longest time for one answer.
        observe: told of every answer.
    """

    def __init__(
        self,
        seller: Seller,
        refresh_tokens: Mapping[str, str],
        credentials: LwaCredentials,
        endpoint: Endpoint,
        *,
        renew: Callable[[], LwaCredentials] | None,
        retries: Retries,
        pacer: Pacer,
        http: Callable[[], httpx.Client] | None,
        deadline_s: float,
        observe: Observe | None,
    ) -> None:
        self.usage = Usage()
        self.tape: Tape | None = None
        self._seller_id = seller.seller_id
        self._marketplace_ids = tuple(seller.marketplace_ids)
        self._refresh_tokens = refresh_tokens
        self._credentials = credentials
        self._endpoint = endpoint
        self._renew = renew
        self._retries = retries
        self._pacer = pacer
        self._http = http
        self._deadline_s = deadline_s
        self._observe = observe
        self._connection_made: Connection | None = None
        self._libraries: dict[str, Library] = {}

    def close(self) -> None:
        """Close all connections."""
        if self._connection_made is not None:
            self._connection_made.close()

    def call(
        self,
        operation: str,
        ask: Callable[[], Answer],
        required: dict[str, type],
        region: str | None = None,
        about: str = "",
    ) -> Answer:
        """One call of one operation, retried as its failures allow. Everything that asks Amazon goes through here.

        With a tape that plays, Amazon is asked for nothing that is on it.

        Args:
            operation: Amazon's name for it.
            ask: does it, with the client library.
            required: top-level fields that a good answer has, with their JSON types.
            region: whose refresh token is used; may be left out where all marketplaces share one.
            about: what is asked about, where calls of an operation don't follow from one another.

        Raises:
            SpApiError: the last failure.
        """
        region = region or self._region_of_all
        name = f"{operation} {region} {about}"
        kept = self.tape.answer(name) if self.tape is not None else None
        if kept is not None:
            return _answer_of(kept)
        answer = self._retries.call(lambda: self._once(operation, ask, required, region))
        if self.tape is not None and operation not in _NOT_KEPT:
            self.tape.keep(name, {"payload": answer.payload, "is_without_data": answer.is_without_data})
        return answer

    @property
    def connection(self) -> Connection:
        """The HTTP connection, for downloads."""
        if self._connection_made is None:
            from amzigo_pipelines.resources.spapi.transport import Connection

            client = self._http() if self._http else None
            self._connection_made = Connection(
                self._endpoint.login, self._deadline_s, client=client, observe=self._observe
            )
        return self._connection_made

    @cached_property
    def regions(self) -> dict[str, tuple[str, ...]]:
        """The seller's marketplaces by region, in its order."""
        regions: dict[str, tuple[str, ...]] = {}
        for marketplace_id in self._marketplace_ids:
            region = MARKETPLACES[marketplace_id].region
            regions[region] = (*regions.get(region, ()), marketplace_id)
        return regions

    @cached_property
    def _region_of_all(self) -> str | None:
        shares_token = not any(region in self._refresh_tokens for region in self.regions)
        return next(iter(self.regions)) if shares_token or len(self.regions) == 1 else None

    def library(self, region: str) -> Library:
        """The client library's clients for one region.

        Raises:
            RegionNotAuthorised: there is no refresh token for it.
        """
        if region not in self._libraries:
            from amzigo_pipelines.resources.spapi.library import Library, StrictTokenClient

            refresh_token = self._refresh_token(region)
            tokens = StrictTokenClient(
                connection=self.connection,
                login=self._endpoint.login,
                credentials=self._credentials,
                refresh_token=refresh_token,
                tokens=TOKENS,
                renew=self._renew,
            )
            self._libraries[region] = Library(
                connection=self.connection,
                tokens=tokens,
                api=self._endpoint.api[region],
                region=region,
                marketplace_id=self.regions.get(region, self._marketplace_ids)[0],
                credentials=self._credentials,
                refresh_token=refresh_token,
            )
        return self._libraries[region]

    def _once(self, operation: str, ask: Callable[[], Answer], required: dict[str, type], region: str | None) -> Answer:
        connection = self.connection
        asked = connection.asked = Asked(self._seller_id, operation)
        try:
            answer = self._sent(operation, ask, region)
        except AccessTokenStale:
            # Ran out in mid-run, or revoked: a fresh one at once. If that is refused too, it is not the token's age.
            connection.asked = asked
            try:
                answer = self._sent(operation, ask, region)
            except AccessTokenStale as error:
                raise AuthorisationLost(
                    asked,
                    "Amazon refuses even a fresh access token: let the seller authorise the application again",
                    status=error.status,
                    code=error.code,
                    request_id=error.request_id,
                ) from None
        self._pacer.learn(operation, answer.rate_limit)
        lacking = [name for name, kind in required.items() if not isinstance(answer.payload.get(name), kind)]
        if lacking and not answer.is_without_data:
            raise BadAnswer(asked, f"the answer lacks {', '.join(lacking)}, so it says nothing about the data")
        return answer

    def _sent(self, operation: str, ask: Callable[[], Answer], region: str | None) -> Answer:
        self._pacer.permit()
        # Log in first: between its turn and the request nothing may take time, for Amazon counts at the arrival.
        if region is not None:
            self.library(region).tokens.get_auth()
        self._pacer.before(operation)
        self.usage.requests += 1
        try:
            return ask()
        except Throttled as error:
            # Logging in can be refused as well, which says nothing about the operation.
            if error.operation == operation:
                wait_s = self._pacer.refused(operation)
                error.retry_after_s = wait_s if error.retry_after_s is None else error.retry_after_s
            raise

    def _refresh_token(self, region: str) -> str:
        try:
            return self._refresh_tokens.get(region) or self._refresh_tokens[ANY_REGION]
        except KeyError:
            countries = ", ".join(MARKETPLACES[known].country for known in self.regions.get(region, ()))
            raise RegionNotAuthorised(
                Asked(self._seller_id, "logging in"),
                f"there is no refresh token for region {region} ({countries}), and Amazon authorises by region: let "
                f"the seller authorise the application there, then run 'amzigo seller token {self._seller_id} --region "
                f"{region}'",
            ) from None


def _answer_of(kept: dict[str, Any]) -> Answer:
    from amzigo_pipelines.resources.spapi.library import Answer

    return Answer(kept["payload"], {}, is_without_data=kept["is_without_data"])
