"""Asking Login with Amazon for an access token, for the SP-API and for the Ads API: an answer is a token or an error.

Belongs here: the one request and what its answer must be. Does not belong here: keeping tokens (`auth.py`), which form
is sent (`library.py`, `ads/library.py`), and what an error means (`errors.py`, `ads/errors.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from amzigo_pipelines.resources.spapi.errors import Asked, SpApiError
from amzigo_pipelines.resources.spapi.transport import Connection

ErrorOf = Callable[[Asked, int, Mapping[str, str], bytes], SpApiError]


def fetch_token(
    connection: Connection,
    address: str,
    form: Mapping[str, str],
    headers: Mapping[str, str],
    asked: Asked,
    error_of: ErrorOf,
) -> tuple[str, float]:
    """Exchange a refresh token for an access token.

    Args:
        connection: which names what it was about to ask again afterwards.
        address: where tokens are given.
        form: the grant, with the client's id and secret.
        headers: of the request.
        asked: how errors name this request.
        error_of: the error that an answer stands for which is no token.

    Returns:
        The access token, and for how many seconds it is good.

    Raises:
        SpApiError: there is none; see `error_of`.
    """
    before, connection.asked = connection.asked, asked
    try:
        raw = connection.request("POST", address, data=form, headers=headers)
    finally:
        connection.asked = before
    try:
        answer = json.loads(raw.content) if raw.status_code == 200 else {}
        token, lifetime_s = answer["access_token"], float(answer["expires_in"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise error_of(asked, raw.status_code, raw.headers, raw.content) from None
    if not isinstance(token, str) or not token:
        raise error_of(asked, raw.status_code, raw.headers, b"")
    return token, lifetime_s
