"""What can go wrong at the Amazon Ads API: its answers, classified.

Belongs here: `error_for_ads_answer` and what only the Ads API has. Does not belong here: the kinds of errors, and their
rule of telling nothing of a body (`spapi/errors.py`).

Its errors are one object, `{"code": "401", "details": "..."}`, sometimes with `detail` or `message` instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from amzigo_pipelines.resources.spapi.errors import (
    AccessTokenStale,
    AmazonUnavailable,
    Asked,
    BadAnswer,
    BadRequest,
    ClientRefused,
    MissingRole,
    RefreshTokenRefused,
    SpApiError,
    Throttled,
    request_id_of,
    retry_after_s,
)

_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
# A 401 by which Amazon says that the profile, not the token, is the trouble.
_FOREIGN_PROFILE = re.compile(r"access (this )?(scope|advertiser|profile)", re.IGNORECASE)


class AdsReportRepeated(SpApiError):
    """The same report was asked for a short time ago (425).

    Attributes:
        report_id: of that report, or empty if Amazon doesn't say.
    """

    is_retryable = True

    def __init__(self, asked: Asked, sentence: str, *, report_id: str, status: int) -> None:
        super().__init__(asked, sentence, status=status)
        self.report_id = report_id


def error_for_ads_answer(asked: Asked, status: int, headers: Mapping[str, str], body: bytes) -> SpApiError:
    """The error that an answer of the Ads API stands for. For every answer that is not 2xx."""
    code, details = _code_and_details(body)
    facts: dict[str, Any] = {"status": status, "code": code, "request_id": request_id_of(headers)}
    if status == 403 or (status == 401 and _FOREIGN_PROFILE.search(details)):
        return MissingRole(
            asked,
            "Amazon denies access to the advertising profile: the user who authorised the application may not see it, "
            f"or Amazon has not let the application into the Ads API; then 'amzigo seller ads {asked.seller_id}'",
            **facts,
        )
    if status == 401:
        return AccessTokenStale(asked, "Amazon says that the access token is no longer valid", **facts)
    if status == 425:
        found = _UUID.search(details)
        return AdsReportRepeated(
            asked,
            "Amazon makes this report already, and does not say which it is: try again later",
            report_id=found.group() if found else "",
            status=status,
        )
    if status == 429:
        return Throttled(
            asked,
            "the Ads API allows no more requests at the moment: try again later",
            retry_after_s=retry_after_s(headers),
            **facts,
        )
    if status >= 500 or status == 408:
        return AmazonUnavailable(
            asked, "the Ads API has trouble: try again later", retry_after_s=retry_after_s(headers), **facts
        )
    if status < 400:
        return BadAnswer(asked, "the answer is a redirect instead of data: check the endpoint", **facts)
    return BadRequest(
        asked,
        "the Ads API refuses the request as it is; this is a fault of ours or a change of Amazon's: report it",
        **facts,
    )


def error_for_ads_token_answer(asked: Asked, status: int, headers: Mapping[str, str], body: bytes) -> SpApiError:
    """The error that an answer of Login with Amazon, which is no token for the Ads API, stands for."""
    code = _clean(_json_object(body).get("error"))
    facts: dict[str, Any] = {"status": status, "code": code, "request_id": request_id_of(headers)}
    if code == "invalid_grant":
        return RefreshTokenRefused(
            asked,
            "the refresh token for advertising is wrong or was revoked: let the seller authorise the Ads application "
            f"again, then give the new token with 'amzigo seller ads {asked.seller_id}'",
            **facts,
        )
    if code in ("invalid_client", "unauthorized_client") or status == 401:
        return ClientRefused(
            asked,
            "Login with Amazon refuses the Ads application's client id or secret: set AMZIGO_ADS_CLIENT_ID and "
            "AMZIGO_ADS_CLIENT_SECRET to valid ones",
            **facts,
        )
    if status == 429 or status >= 500 or status == 408:
        kind = Throttled if status == 429 else AmazonUnavailable
        return kind(
            asked, "Login with Amazon has trouble: try again later", retry_after_s=retry_after_s(headers), **facts
        )
    if status < 400:
        return BadAnswer(asked, "Login with Amazon answered something that is no access token", **facts)
    return BadRequest(asked, "Login with Amazon refuses the request: check the endpoint and the credentials", **facts)


def _code_and_details(body: bytes) -> tuple[str, str]:
    answer = _json_object(body)
    texts = [answer.get(name) for name in ("details", "detail", "message")]
    return _clean(answer.get("code")), " ".join(text for text in texts if isinstance(text, str))


def _clean(text: object) -> str:
    return text if isinstance(text, str) and _CODE.fullmatch(text) else ""


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
