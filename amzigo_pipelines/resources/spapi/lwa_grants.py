"""Login with Amazon beyond refresh tokens: what an authorisation code and the application itself are given.

Belongs here: the grants `authorization_code` and `client_credentials`. Does not belong here: access tokens of a seller
(`library.py`), where codes come from (`authorisation.py`).

Source: "Authorize applications" and "Grantless operations" in Amazon's SP-API documentation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from amzigo_pipelines.resources.spapi.auth import Endpoint, LwaCredentials
from amzigo_pipelines.resources.spapi.errors import (
    Asked,
    BadAnswer,
    CodeRefused,
    RefreshTokenRefused,
    error_for_answer,
    error_for_token_answer,
)
from amzigo_pipelines.resources.spapi.transport import USER_AGENT, Connection

TOKEN_PATH = "/auth/o2/token"  # noqa: S105 - a path
ROTATION_SCOPE = "sellingpartnerapi::client_credential:rotation"
_ROTATION_PATH = "/applications/2023-11-30/clientSecret"


def exchange_code(
    endpoint: Endpoint, credentials: LwaCredentials, seller_id: str, code: str, redirect_uri: str = ""
) -> str:
    """The refresh token for an authorisation code, which is used up by it, whatever comes of it.

    Asked once and not again: a code that was shown twice is no good.

    Raises:
        CodeRefused: the code is wrong, older than five minutes, used up, or was given to another application.
        SpApiError: the application's credentials are refused, or there is no good answer.
    """
    asked = Asked(seller_id, "exchanging the authorisation code")
    grant = {"grant_type": "authorization_code", "code": code}
    if redirect_uri:
        grant["redirect_uri"] = redirect_uri
    try:
        answer = _granted(endpoint, credentials, asked, grant)
    except RefreshTokenRefused as error:
        raise CodeRefused(
            asked,
            "Amazon refuses the authorisation code: it lives five minutes, can be used once, and only by the "
            "application that the seller authorised; let the seller authorise again ('amzigo seller authorize')",
            status=error.status,
            code=error.code,
            request_id=error.request_id,
        ) from None
    token = answer.get("refresh_token")
    if not isinstance(token, str) or not token:
        raise BadAnswer(asked, "Login with Amazon answered without a refresh token: let the seller authorise again")
    return token


def check_client(endpoint: Endpoint, credentials: LwaCredentials) -> None:
    """Log in as the application itself: only to see that Amazon accepts its credentials.

    Raises:
        SpApiError: it does not, or there is no good answer.
    """
    _rotation_token(endpoint, credentials, Asked("(none)", "checking the client secret"))


def ask_for_new_secret(endpoint: Endpoint, credentials: LwaCredentials) -> None:
    """Call `rotateApplicationClientSecret`: Amazon makes a new client secret and sends it to the registered queue.

    Raises:
        SpApiError: Amazon refuses, such as with 400 where no queue is registered in the developer console.
    """
    asked = Asked("(none)", "rotateApplicationClientSecret")
    token = _rotation_token(endpoint, credentials, asked)
    headers = {"x-amz-access-token": token, "user-agent": USER_AGENT, "content-type": "application/json"}
    connection = Connection(endpoint.login)
    connection.asked = asked
    try:
        raw = connection.request("POST", endpoint.api["NA"] + _ROTATION_PATH, headers=headers)
    finally:
        connection.close()
    if not 200 <= raw.status_code < 300:
        raise error_for_answer(asked, raw.status_code, raw.headers, raw.content)


def _rotation_token(endpoint: Endpoint, credentials: LwaCredentials, asked: Asked) -> str:
    grant = {"grant_type": "client_credentials", "scope": ROTATION_SCOPE}
    token = _granted(endpoint, credentials, asked, grant).get("access_token")
    if not isinstance(token, str) or not token:
        raise BadAnswer(asked, "Login with Amazon answered without an access token")
    return token


def _granted(endpoint: Endpoint, credentials: LwaCredentials, asked: Asked, grant: Mapping[str, str]) -> dict[str, Any]:
    form = {**grant, "client_id": credentials.client_id, "client_secret": credentials.client_secret}
    connection = Connection(endpoint.login)
    connection.asked = asked
    try:
        raw = connection.request("POST", endpoint.login + TOKEN_PATH, data=form, headers={"user-agent": USER_AGENT})
    finally:
        connection.close()
    try:
        answer = json.loads(raw.content) if raw.status_code == 200 else None
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise error_for_token_answer(asked, raw.status_code, raw.headers, raw.content)
    return answer
