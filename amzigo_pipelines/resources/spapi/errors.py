"""What can go wrong at Amazon, and what each thing means: the one place where an answer is classified.

Belongs here: the error types and `error_for_answer`. Does not belong here: how often something is tried again
(`retries.py`) and what was asked (`client.py`).

No sentence holds an address, a token or anything of an answer's body but Amazon's error code and request id, and
those only where they look like one: a body may quote the data it is about.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from amzigo_pipelines.errors import AmzigoError

_TOKEN_LIKE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
# Details of a 403 by which Amazon says that the access token, not a role, is the trouble.
_STALE_TOKEN = re.compile(r"access token.{0,40}(expired|revoked|malformed|invalid)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Asked:
    """What was asked for whom: how errors name it."""

    seller_id: str
    operation: str

    def __str__(self) -> str:
        return f"{self.operation} for seller {self.seller_id}"


class SpApiError(AmzigoError):
    """Amazon refused, failed, or answered something that can't be used.

    Attributes:
        seller_id: on whose behalf Amazon was asked.
        operation: what was asked, in Amazon's terms (`searchOrders`).
        status: HTTP status, or None where there was no answer.
        code: Amazon's error code, or an empty string.
        request_id: Amazon's id of the request, for its support, or an empty string.
        retry_after_s: how long Amazon asks to wait, in seconds, or None.
    """

    def __init__(
        self,
        asked: Asked,
        sentence: str,
        *,
        status: int | None = None,
        code: str = "",
        request_id: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        facts = [str(status)] if status is not None else []
        facts += [code] if code else []
        facts += [f"request {request_id}"] if request_id else []
        super().__init__(f"{asked}: {sentence}" + (f" ({', '.join(facts)})" if facts else ""))
        self.seller_id = asked.seller_id
        self.operation = asked.operation
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after_s = retry_after_s

    def add(self, sentence: str) -> None:
        """Say one thing more at the end of the message."""
        self.args = (f"{self.args[0]}; {sentence}",)


class RefreshTokenRefused(SpApiError):
    """The seller's refresh token is wrong, or the seller withdrew the authorisation."""


class RegionNotAuthorised(SpApiError):
    """The seller has a marketplace in a region for which we hold no refresh token: Amazon authorises by region."""


class CodeRefused(SpApiError):
    """An authorisation code is no good (any more)."""


class ClientRefused(SpApiError):
    """Our own LWA client id or secret is wrong or has run out."""


class AccessTokenStale(SpApiError):
    """The access token ran out; a fresh one is fetched, once a call."""

    is_retryable = True


class AuthorisationLost(SpApiError):
    """Amazon refuses a fresh access token too: the seller's authorisation has ended."""


class MissingRole(SpApiError):
    """Amazon does not let the application see what was asked for (403)."""


class Throttled(SpApiError):
    """Too many requests (429)."""

    is_retryable = True


class TurnTooLate(Throttled):
    """Amazon's allowance is used up for so long that waiting here makes no sense; nothing was sent."""


class NoTurnYet(TurnTooLate):
    """The next turn is in the future, and the caller has better things to do than to wait for it; nothing was sent."""

    is_retryable = False


class AmazonUnavailable(SpApiError):
    """Amazon's trouble, or the network's: 5xx, a broken connection, no answer in time."""

    is_retryable = True


class BadAnswer(SpApiError):
    """An answer that is not what the operation gives: torn, HTML, empty. Never taken for "no data"."""

    is_retryable = True


class BadRequest(SpApiError):
    """Amazon refuses the request itself; the same request will be refused again."""


class PageTokenRefused(BadRequest):
    """The page token is no good any more: the listing must be started again."""

    is_retryable = True


class WindowIncomplete(SpApiError):
    """Amazon answered for less time than was asked for."""

    is_retryable = True


class PagesRepeat(SpApiError):
    """Paging does not come to an end: the same pages keep coming."""

    is_retryable = True


class ReportError(SpApiError):
    """A report was asked for and did not come."""


class ReportFatal(ReportError):
    """Amazon gave the report up (FATAL). Asking again at once makes it worse, so nothing here does."""


class ReportLate(ReportError):
    """The report was not ready within the time limit."""

    is_retryable = True


class ReportDeferred(ReportError):
    """Asking for the report now would be in vain: it was given up, or Amazon makes it anew only later.

    Attributes:
        retry_at: from when on it is worth asking again.
    """

    def __init__(self, asked: Asked, sentence: str, retry_at: datetime) -> None:
        super().__init__(asked, sentence)
        self.retry_at = retry_at


class ReportNotTabular(ReportError):
    """The report is DONE, but its content is no table: an error sentence, or nothing at all."""


class ReportColumnsChanged(ReportError):
    """The report lacks columns that it should have."""


class ReportUnreadable(ReportError):
    """The report is not written in the character set that it names, or a line has too many or too few fields."""


class DownloadFailed(ReportError):
    """A report's document did not arrive whole: expired link, torn body, cut gzip."""

    is_retryable = True


def error_for_answer(asked: Asked, status: int, headers: Mapping[str, str], body: bytes) -> SpApiError:
    """The error that an answer of the SP-API stands for. For every answer that is not 2xx.

    Args:
        asked: what was asked.
        status: HTTP status.
        headers: of the answer.
        body: of the answer; only Amazon's code is taken from it.
    """
    code, details = _code_and_details(body)
    facts: dict[str, Any] = {"status": status, "code": code, "request_id": request_id_of(headers)}
    if status == 401 or (status == 403 and _STALE_TOKEN.search(details)):
        return AccessTokenStale(asked, "Amazon says that the access token is no longer valid", **facts)
    if status == 403:
        return MissingRole(
            asked,
            "Amazon denies access: the application lacks the role for it, or the seller's authorisation does not cover "
            "it; check the application's roles in the developer console, then let the seller authorise it again",
            **facts,
        )
    if status == 429:
        return Throttled(
            asked,
            "Amazon allows no more requests at the moment: wait and try again",
            retry_after_s=retry_after_s(headers),
            **facts,
        )
    if status >= 500 or status == 408:
        return AmazonUnavailable(
            asked, "Amazon has trouble: try again later", retry_after_s=retry_after_s(headers), **facts
        )
    if status < 400:
        return BadAnswer(asked, "the answer is a redirect instead of data: check the endpoint", **facts)
    return BadRequest(
        asked,
        "Amazon refuses the request as it is; this is a fault of ours or a change of Amazon's: report it",
        **facts,
    )


def error_for_token_answer(asked: Asked, status: int, headers: Mapping[str, str], body: bytes) -> SpApiError:
    """The error that an answer of Login with Amazon, which is not a token, stands for."""
    code = _lwa_code(body)
    facts: dict[str, Any] = {"status": status, "code": code, "request_id": request_id_of(headers)}
    if code == "invalid_grant":
        return RefreshTokenRefused(
            asked,
            f"the refresh token is wrong or was revoked: let seller {asked.seller_id} authorise the application again, "
            f"then give the new token with 'amzigo seller token {asked.seller_id}'",
            **facts,
        )
    if code in ("invalid_client", "unauthorized_client") or status == 401:
        return ClientRefused(
            asked,
            "Login with Amazon refuses the application's client id or secret: set AMZIGO_LWA_CLIENT_ID and "
            "AMZIGO_LWA_CLIENT_SECRET to valid ones, where 'amzigo credentials status' says that they are kept "
            "(a secret lives 180 days)",
            **facts,
        )
    if status == 429:
        return Throttled(
            asked,
            "Login with Amazon allows no more requests at the moment",
            retry_after_s=retry_after_s(headers),
            **facts,
        )
    if status >= 500 or status == 408:
        return AmazonUnavailable(asked, "Login with Amazon has trouble: try again later", **facts)
    if status < 400:
        return BadAnswer(asked, "Login with Amazon answered something that is no access token", **facts)
    return BadRequest(asked, "Login with Amazon refuses the request: check the endpoint and the credentials", **facts)


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """What Retry-After asks for, in seconds; None if it is absent or makes no sense."""
    text = headers.get("retry-after")
    if text is None:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(text)
        return max(0.0, (when - (now or datetime.now(when.tzinfo))).total_seconds())
    except (ValueError, TypeError):
        return None


def request_id_of(headers: Mapping[str, str]) -> str:
    """Amazon's id of the request, if it gave one."""
    return _clean(headers.get("x-amzn-requestid"))


def _clean(text: object) -> str:
    return text if isinstance(text, str) and _TOKEN_LIKE.fullmatch(text) else ""


def _code_and_details(body: bytes) -> tuple[str, str]:
    answer = _json_object(body)
    errors = answer.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    return _clean(first.get("code")), f"{first.get('details') or ''} {first.get('message') or ''}"


def _lwa_code(body: bytes) -> str:
    return _clean(_json_object(body).get("error"))


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
