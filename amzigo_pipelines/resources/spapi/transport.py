"""HTTP as all requests to Amazon use it: TLS, timeouts, a deadline, and no exception that holds an address.

Belongs here: connections and the bytes of answers. Does not belong here: what a status or a body means
(`errors.py`), access tokens and the client library (`library.py`).
"""

from __future__ import annotations

import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx

from amzigo_pipelines.resources.logs import protect_logs
from amzigo_pipelines.resources.spapi.addresses import is_loopback
from amzigo_pipelines.resources.spapi.errors import AmazonUnavailable, Asked, BadAnswer, BadRequest

TIMEOUT = httpx.Timeout(connect=10.0, read=60.0, write=30.0, pool=10.0)
NO_ANSWER = "no answer"
Observe = Callable[[Asked, str, int], None]
USER_AGENT = f"Amzigo/1 (Language=Python/{sys.version_info.major}.{sys.version_info.minor})"


@dataclass(frozen=True)
class RawAnswer:
    """Status, headers and body, as far as the library looks at them."""

    status_code: int
    headers: httpx.Headers
    content: bytes = field(repr=False)


class Connection:
    """HTTP as all of us use it: TLS 1.2 or newer, explicit timeouts, a deadline for the whole answer, no redirects.

    Stands in for the library's transport. Not for threads to share.

    Args:
        base: the address that will be talked to; plain http is for loopback, and goes through no proxy.
        deadline_s: longest time for one answer from first to last byte.
        timeout: of each step.
        client: for tests.
        observe: told of every answer, or that none came: who asked what, the status, bytes on the wire.
    """

    def __init__(
        self,
        base: str,
        deadline_s: float = 120.0,
        timeout: httpx.Timeout = TIMEOUT,
        client: httpx.Client | None = None,
        observe: Observe | None = None,
    ) -> None:
        # Before the first request: httpx and what is below it log addresses and headers.
        protect_logs()
        self._client = client or httpx.Client(
            verify=tls_context(),
            timeout=timeout,
            follow_redirects=False,
            trust_env=not is_loopback(httpx.URL(base).host),
        )
        self._deadline_s = deadline_s
        self._observe = observe
        self.asked = Asked("?", "?")

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Any = None,
        data: Any = None,
        content: Any = None,
        headers: Any = None,
    ) -> RawAnswer:
        """Ask and read the whole answer.

        Raises:
            AmazonUnavailable: no answer, or not in time.
            BadAnswer: an answer that broke off.
        """
        with (
            self.transport_errors(),
            self._observed(
                self._client.stream(method, url, params=params, data=data, content=content, headers=headers)
            ) as response,
        ):
            body = b"".join(self.chunks(response.iter_bytes()))
            return RawAnswer(response.status_code, response.headers, body)

    @contextmanager
    def stream(self, url: str) -> Iterator[httpx.Response]:
        """Get an address, without reading the body yet. Nothing of ours is sent with it: no token, no cookie.

        Raises:
            AmazonUnavailable, BadAnswer: as `request`, also while the body is read within the block.
        """
        with (
            self.transport_errors(),
            self._observed(
                self._client.stream("GET", url, headers={"accept-encoding": "identity", "user-agent": USER_AGENT})
            ) as response,
        ):
            yield response

    @contextmanager
    def _observed(self, answer: AbstractContextManager[httpx.Response]) -> Iterator[httpx.Response]:
        asked, response, is_whole = self.asked, None, False
        try:
            with answer as response:
                yield response
            is_whole = True
        finally:
            if self._observe is not None:
                received = response.num_bytes_downloaded if response else 0
                self._observe(asked, _outcome(response, is_whole), received)

    def chunks(self, body: Iterator[bytes]) -> Iterator[bytes]:
        """The chunks of a body, as long as the deadline holds: httpx's own timeout starts anew with every byte."""
        ends_at = time.monotonic() + self._deadline_s
        for chunk in body:
            if time.monotonic() > ends_at:
                raise AmazonUnavailable(self.asked, f"the answer did not end within {self._deadline_s:.0f} s")
            yield chunk

    @contextmanager
    def transport_errors(self) -> Iterator[None]:
        """Turn httpx's exceptions, whose text may hold an address, into ours."""
        try:
            yield
        except httpx.TimeoutException as error:
            raise AmazonUnavailable(
                self.asked, f"no answer in time ({type(error).__name__}): try again later"
            ) from None
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise BadRequest(
                self.asked, f"the request could not be written ({type(error).__name__}): check the seller's token"
            ) from None
        except (httpx.RemoteProtocolError, httpx.DecodingError) as error:
            raise BadAnswer(self.asked, f"the answer broke off ({type(error).__name__}): try again later") from None
        except httpx.HTTPError as error:
            raise AmazonUnavailable(
                self.asked, f"no connection ({type(error).__name__}): check the network, or try again later"
            ) from None

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


def _outcome(response: httpx.Response | None, is_whole: bool) -> str:
    if response is None:
        return NO_ANSWER
    status = str(response.status_code)
    return status if is_whole or not response.is_success else f"broken off ({status})"


@cache
def tls_context() -> ssl.SSLContext:
    """Certificates checked against certifi's authorities, TLS 1.2 or newer; made once a process."""
    context = httpx.create_ssl_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
