"""The client of the Ads API: what python-amazon-ad-api would do by itself, and doesn't."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import traceback
from pathlib import Path

import httpx
import pytest

from amzigo_pipelines.resources.ads.accounts import AdsAccount
from amzigo_pipelines.resources.ads.auth import ADS_API, ads_credentials_for, ads_endpoint_for
from amzigo_pipelines.resources.ads.client import AdsPartner
from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.spapi.addresses import EndpointRefused
from amzigo_pipelines.resources.spapi.auth import Endpoint, LwaCredentials
from amzigo_pipelines.resources.spapi.errors import (
    AmazonUnavailable,
    BadAnswer,
    ClientRefused,
    RefreshTokenRefused,
    SpApiError,
)
from amzigo_pipelines.resources.spapi.retries import Retries
from amzigo_pipelines.resources.spapi.secret_sources import CredentialsMissing

from .conftest import FIRST_DAY, JP, US

SECRET = "very-secret"
ACCOUNT = AdsAccount("A1B2C3", {US: "111", JP: "333"})
BODIES = {
    "empty": b"",
    "html": b"<html>very-secret</html>",
    "ads": b'{"code": "SOME_CODE", "details": "very-secret"}',
    "message": b'{"message": "very-secret"}',
    "like data": b"[]",
    "null": b"null",
}


class Amazon:
    """Answers everything but logins from one handler; keeps the requests."""

    def __init__(self, answer: httpx.Response, login: httpx.Response | None = None) -> None:
        self.answer = answer
        self.login = login or httpx.Response(
            200, json={"access_token": f"Atza|{SECRET}", "expires_in": 3600, "token_type": "bearer"}
        )
        self.asked: list[httpx.Request] = []
        self.logins: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        is_login = request.url.path == "/auth/o2/token"
        (self.logins if is_login else self.asked).append(request)
        answer = self.login if is_login else self.answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def partner(self, client_secret: str = SECRET) -> AdsPartner:
        return AdsPartner(
            ACCOUNT,
            f"Atzr|{SECRET}",
            LwaCredentials("client", client_secret),
            Endpoint(Kind.PRODUCTION, ADS_API, "https://api.amazon.com"),
            sleep=lambda _: None,
            retries=Retries(lambda _: None, attempts=3),
            http=lambda: httpx.Client(transport=httpx.MockTransport(self)),
        )


@pytest.mark.parametrize("body", BODIES)
def test_no_status_of_an_error_ever_looks_like_data(body: str) -> None:
    for status in [*range(400, 419), 422, 423, 425, 429, 451, *range(500, 512), 599, 301, 302, 304]:
        amazon = Amazon(httpx.Response(status, content=BODIES[body]))
        for ask in (
            lambda partner: partner.list_profiles("NA"),
            lambda partner: partner.get_report(US, "1"),
            lambda partner: partner.create_report(US, {}),
        ):
            with amazon.partner() as partner, pytest.raises(SpApiError) as caught:
                ask(partner)
            text = "".join(traceback.format_exception(caught.value))
            assert SECRET not in text and "https://" not in text and "A1B2C3" in str(caught.value)


@pytest.mark.parametrize("body", [body for body in BODIES if body != "like data"])
def test_a_good_status_without_the_answer_is_an_error(body: str) -> None:
    amazon = Amazon(httpx.Response(200, content=BODIES[body]))
    with amazon.partner() as partner, pytest.raises(BadAnswer):
        partner.list_profiles("NA")
    assert len(amazon.asked) == 3


def test_an_empty_list_of_profiles_is_an_empty_list() -> None:
    with Amazon(httpx.Response(200, content=b"[]")).partner() as partner:
        assert partner.list_profiles("NA") == []


def test_each_profile_is_asked_where_it_lives() -> None:
    amazon = Amazon(httpx.Response(200, json={"reportId": "r-1", "status": "PENDING"}))
    with amazon.partner() as partner:
        partner.create_report(US, {"name": "x"})
        partner.get_report(JP, "r-1")
    first, second = amazon.asked
    assert first.url == "https://advertising-api.amazon.com/reporting/reports"
    assert second.url == "https://advertising-api-fe.amazon.com/reporting/reports/r-1"
    assert [r.headers["Amazon-Advertising-API-Scope"] for r in amazon.asked] == ["111", "333"]
    assert {r.headers["Amazon-Advertising-API-ClientId"] for r in amazon.asked} == {"client"}
    assert first.headers["content-type"] == "application/vnd.createasyncreportrequest.v3+json"
    assert json.loads(first.content) == {"name": "x"}
    assert len(amazon.logins) == 1


def test_another_secret_is_another_token() -> None:
    amazon = Amazon(httpx.Response(200, content=b"[]"))
    for secret in ("one", "one", "two"):
        with amazon.partner(secret) as partner:
            partner.list_profiles("EU")
    assert len(amazon.logins) == 2


@pytest.mark.parametrize(
    ("login", "error"),
    [
        (httpx.Response(400, json={"error": "invalid_grant", "error_description": SECRET}), RefreshTokenRefused),
        (httpx.Response(401, json={"error": "invalid_client"}), ClientRefused),
        (httpx.Response(503, content=b"<html>very-secret"), AmazonUnavailable),
        (httpx.Response(200, content=b"<html>very-secret"), BadAnswer),
        (httpx.Response(200, json={"access_token": "", "expires_in": 1}), BadAnswer),
    ],
)
def test_logins_that_fail_are_told_apart(login: httpx.Response, error: type[SpApiError]) -> None:
    amazon = Amazon(httpx.Response(200, content=b"[]"), login)
    with amazon.partner() as partner, pytest.raises(error) as caught:
        partner.list_profiles("NA")
    assert SECRET not in "".join(traceback.format_exception(caught.value)) and amazon.asked == []


def test_nothing_of_a_request_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), Amazon(httpx.Response(200, content=b"[]")).partner() as partner:
        partner.list_profiles("NA")
    assert SECRET not in caplog.text and "amazon.com" not in caplog.text


def _python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


def test_the_library_leaves_logging_alone() -> None:
    code = (
        "import logging, amzigo_pipelines.resources.ads.library\n"
        "root = logging.getLogger()\n"
        "assert root.level == logging.WARNING and not root.handlers, (root.level, root.handlers)"
    )
    outcome = _python(code)
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize("name", ["AD_API_DEFAULT_MARKETPLACE", "AD_API_CLIENT_ID", "AD_API_AUTH_CACHE_SIZE"])
def test_variables_that_the_library_obeys_are_refused(name: str) -> None:
    outcome = _python("import amzigo_pipelines.resources.ads.library", **{name: SECRET})
    assert f"{name} set" in outcome.stderr and "AdsClientMisconfigured" in outcome.stderr
    assert SECRET not in outcome.stderr


def test_a_home_talks_where_it_may(tmp_path: Path) -> None:
    test = Home(path=tmp_path, kind=Kind.TEST, first_day=FIRST_DAY, endpoint="http://127.0.0.1:1")
    assert set(ads_endpoint_for(test).api.values()) == {"http://127.0.0.1:1"}
    production = Home(path=tmp_path, kind=Kind.PRODUCTION, first_day=FIRST_DAY)
    assert ads_endpoint_for(production).api == ADS_API
    with pytest.raises(EndpointRefused):
        ads_endpoint_for(Home(path=tmp_path, kind=Kind.TEST, first_day=FIRST_DAY, endpoint="http://example.com"))
    with pytest.raises(EndpointRefused):
        ads_endpoint_for(Home(path=tmp_path, kind=Kind.TEST, first_day=FIRST_DAY, endpoint=ADS_API["EU"]))
    with pytest.raises(CredentialsMissing, match="AMZIGO_ADS_CLIENT_ID and AMZIGO_ADS_CLIENT_SECRET not set"):
        ads_credentials_for(production, {})
    given = {"AMZIGO_ADS_CLIENT_ID": "a", "AMZIGO_ADS_CLIENT_SECRET": " b "}
    assert ads_credentials_for(production, given) == LwaCredentials("a", "b")
