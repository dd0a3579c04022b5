"""The client: nothing that goes wrong looks like data, nothing secret gets out, nothing is asked of the wrong place."""

from __future__ import annotations

import io
import json
import logging
import ssl
import traceback
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.resources.home import Home, Kind
from amzigo_pipelines.resources.spapi.auth import (
    AMAZON_API,
    SIMULATOR_CREDENTIALS,
    TOKENS,
    CredentialsMissing,
    Endpoint,
    EndpointRefused,
    LwaCredentials,
    credentials_for,
    endpoint_for,
)
from amzigo_pipelines.resources.spapi.client import ClientMisconfigured, SellingPartner
from amzigo_pipelines.resources.spapi.errors import (
    AmazonUnavailable,
    Asked,
    AuthorisationLost,
    BadAnswer,
    BadRequest,
    ClientRefused,
    MissingRole,
    PagesRepeat,
    PageTokenRefused,
    RefreshTokenRefused,
    SpApiError,
    Throttled,
    WindowIncomplete,
    error_for_answer,
    retry_after_s,
)
from amzigo_pipelines.resources.spapi.pacing import Pacer
from amzigo_pipelines.resources.spapi.retries import Retries
from amzigo_pipelines.simulator.profiles import CLIENT_ID, CLIENT_SECRET

US, DE, JP = "ATVPDKIKX0DER", "A1PA6795UKMFR9", "A1VC38T7YXB528"
SELLER = SimpleNamespace(seller_id="A1B2C3", marketplace_ids=(US,))
REFRESH_TOKEN = "Atzr|very-secret-refresh"
ACCESS_TOKEN = "Atza|very-secret-access"
CREDENTIALS = LwaCredentials("client-id", "very-secret-client")
START, END = datetime(2026, 9, 20, tzinfo=UTC), datetime(2026, 9, 21, tzinfo=UTC)
DATA = "Wanda Geheim, Musterweg 1"

Handler = Callable[[httpx.Request], httpx.Response]


def token(expires_in: Any = 3600) -> httpx.Response:
    return httpx.Response(200, json={"access_token": ACCESS_TOKEN, "expires_in": expires_in, "token_type": "bearer"})


def page(*ids: str, next_token: str | None = None, before: str = "2026-09-21T00:00:00Z", **more: Any) -> httpx.Response:
    body: dict[str, Any] = {"orders": [{"orderId": known} for known in ids], "lastUpdatedBefore": before, **more}
    if next_token:
        body["pagination"] = {"nextToken": next_token}
    return httpx.Response(200, json=body)


class Amazon:
    """Answers from a list, the last one for ever; keeps the requests."""

    def __init__(self, *answers: httpx.Response | Handler, login: Handler | None = None) -> None:
        self.answers = list(answers)
        self.login = login or (lambda _: token())
        self.asked: list[httpx.Request] = []
        self.logins = 0
        self.waits: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/o2/token":
            self.logins += 1
            return self.login(request)
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return (
            answer(request)
            if callable(answer)
            else httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        )

    def partner(self, attempts: int = 3, **settings: Any) -> SellingPartner:
        return SellingPartner(
            settings.pop("seller", SELLER),
            {"*": settings.pop("refresh_token", REFRESH_TOKEN)},
            settings.pop("credentials", CREDENTIALS),
            settings.pop("endpoint", Endpoint(Kind.PRODUCTION, AMAZON_API, "https://api.amazon.com")),
            VirtualClock(END),
            sleep=self.waits.append,
            retries=Retries(self.waits.append, attempts=attempts),
            http=lambda: httpx.Client(transport=httpx.MockTransport(self)),
            **settings,
        )

    def orders(self, **settings: Any) -> list[str]:
        with self.partner(**settings) as partner:
            pages = partner.search_orders(START, END, ["BUYER", "PROCEEDS"])
            return [row["orderId"] for page in pages for row in page.rows]


def assert_tells_nothing(error: BaseException) -> None:
    """Neither the sentence nor a traceback holds a secret, a link or data."""
    text = "".join(traceback.format_exception(error)) + str(error) + repr(error)
    for secret in ("very-secret", DATA, "X-Amz-Signature", "nextToken", "https://"):
        assert secret not in text
    assert "A1B2C3" in str(error)


BODIES = {
    "empty": b"",
    "html": b"<html>" + DATA.encode() + b"</html>",
    "message": json.dumps({"message": DATA}).encode(),
    "errors": json.dumps({"errors": [{"code": "SomeCode", "message": DATA, "details": DATA}]}).encode(),
    "like data": json.dumps({"orders": [], "lastUpdatedBefore": "2026-09-21T00:00:00Z"}).encode(),
    "null": b"null",
    "list": b"[]",
    "errors of nonsense": b'{"errors": "yes"}',
}


@pytest.mark.parametrize("body", BODIES)
def test_no_status_of_an_error_ever_looks_like_data(body: str) -> None:
    for status in [*range(400, 512), 599, 301, 302, 304]:
        amazon = Amazon(httpx.Response(status, content=BODIES[body]))
        with pytest.raises(SpApiError) as caught:
            amazon.orders()
        assert_tells_nothing(caught.value)
        assert "searchOrders" in str(caught.value)
        is_retried = len(amazon.asked) == 3
        if status in (429, 500, 502, 503, 504):
            assert is_retried and caught.value.is_retryable
        if status in (400, 403, 404):
            assert amazon.waits == [] and not caught.value.is_retryable


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, content=b""),
        httpx.Response(200, content=b"<html>ok</html>"),
        httpx.Response(200, content=b'{"orders": ['),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={}),
        httpx.Response(200, json={"orders": None, "lastUpdatedBefore": "2026-09-21T00:00:00Z"}),
        httpx.Response(200, json={"orders": {}, "lastUpdatedBefore": "2026-09-21T00:00:00Z"}),
        httpx.Response(200, json={"orders": ["x"], "lastUpdatedBefore": "2026-09-21T00:00:00Z"}),
        httpx.Response(200, json={"orders": []}),
        httpx.Response(200, json={"orders": [], "lastUpdatedBefore": "soon"}),
        httpx.Response(
            200, json={"orders": [], "lastUpdatedBefore": "2026-09-21T00:00:00Z", "errors": [{"code": "X"}]}
        ),
        httpx.Response(200, content=b'{"orders": [{"x": NaN}], "lastUpdatedBefore": "2026-09-21T00:00:00Z"}'),
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(204),
        httpx.Response(206, json={"message": DATA}),
    ],
    ids=range(15),
)
def test_a_good_status_without_the_expected_object_is_an_error(answer: httpx.Response) -> None:
    with pytest.raises(BadAnswer) as caught:
        Amazon(answer).orders()
    assert_tells_nothing(caught.value)


def test_trouble_that_passes_gives_the_data() -> None:
    amazon = Amazon(httpx.Response(503, content=b"<html>"), httpx.Response(200, content=b'{"ord'), page("1", "2"))
    assert amazon.orders() == ["1", "2"]
    assert len(amazon.waits) == 2


def test_connections_that_break_are_retried_and_told() -> None:
    for problem in (
        httpx.ConnectError,
        httpx.ReadTimeout,
        httpx.ReadError,
        httpx.RemoteProtocolError,
        httpx.PoolTimeout,
    ):

        def broken(request: httpx.Request, problem: type[httpx.TransportError] = problem) -> httpx.Response:
            raise problem(f"while reading {request.url}?X-Amz-Signature={ACCESS_TOKEN}")

        assert Amazon(broken, page("1")).orders() == ["1"]
        with pytest.raises((AmazonUnavailable, BadAnswer)) as caught:
            Amazon(broken).orders()
        assert_tells_nothing(caught.value)
        assert caught.value.is_retryable


def test_an_answer_that_drips_has_a_deadline() -> None:
    class Drip(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            while True:
                yield b" "

    amazon = Amazon(lambda _: httpx.Response(200, stream=Drip()))
    with pytest.raises(AmazonUnavailable, match="did not end within"):
        amazon.orders(attempts=1, deadline_s=0.01)


# -- waiting ---------------------------------------------------------------------------------------------------------


def test_retry_after_is_kept_to_and_spread() -> None:
    amazon = Amazon(httpx.Response(429, headers={"Retry-After": "7"}), page("1"))
    assert amazon.orders() == ["1"]
    (wait,) = amazon.waits
    assert 7.0 <= wait <= 8.0


def test_a_429_waits_for_the_rate_that_amazon_stated() -> None:
    first = page("1", next_token="t")
    first.headers["x-amzn-RateLimit-Limit"] = "0.05"
    amazon = Amazon(first, httpx.Response(429), page("2"))
    assert amazon.orders() == ["1", "2"]
    (wait,) = amazon.waits
    assert 20.0 <= wait <= 22.2


def test_the_time_for_retries_is_bounded() -> None:
    amazon = Amazon(httpx.Response(429, headers={"Retry-After": "100000"}))
    with pytest.raises(Throttled):
        amazon.orders()
    assert amazon.waits == []
    amazon = Amazon(httpx.Response(503))
    with pytest.raises(AmazonUnavailable, match="asked"):
        amazon.orders(attempts=10_000)
    assert sum(amazon.waits) <= 900


def test_waits_grow_and_differ() -> None:
    amazon = Amazon(httpx.Response(503))
    with pytest.raises(AmazonUnavailable):
        amazon.orders(attempts=6)
    for number, wait in enumerate(amazon.waits):
        assert 0.5 * 2**number <= wait <= 2**number
    assert len({wait / 2**number for number, wait in enumerate(amazon.waits)}) > 1


def test_retry_after_as_a_date_and_as_nonsense() -> None:
    now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    assert retry_after_s({"retry-after": "Fri, 20 Nov 2026 12:00:30 GMT"}, now) == 30.0
    assert retry_after_s({"retry-after": "Fri, 20 Nov 2026 11:00:30 GMT"}, now) == 0.0
    assert retry_after_s({"retry-after": "soon"}, now) is None
    assert retry_after_s({}, now) is None


def test_every_request_passes_the_pacer() -> None:
    class Counting(Pacer):
        seen: list[str]

        def before(self, operation: str) -> None:
            self.seen.append(operation)

    pacer = Counting()
    pacer.seen = []
    Amazon(httpx.Response(503), page("1", next_token="t"), page("2")).orders(pacer=pacer)
    assert pacer.seen == ["searchOrders"] * 3


# -- paging ----------------------------------------------------------------------------------------------------------


def test_every_page_repeats_all_parameters() -> None:
    amazon = Amazon(page("1", next_token="a+/="), page("2", next_token="b"), page("3"))
    assert amazon.orders() == ["1", "2", "3"]
    first, *later = (dict(request.url.params) for request in amazon.asked)
    assert first["lastUpdatedAfter"] == "2026-09-20T00:00:00.000Z"
    assert first["lastUpdatedBefore"] == "2026-09-21T00:00:00.000Z"
    assert first["includedData"] == "BUYER,PROCEEDS"
    assert first["marketplaceIds"] == US
    assert later == [{**first, "paginationToken": "a+/="}, {**first, "paginationToken": "b"}]


def test_an_empty_page_in_the_middle_is_not_the_end() -> None:
    assert Amazon(page("1", next_token="a"), page(next_token="b"), page("2")).orders() == ["1", "2"]


def test_an_empty_day_is_empty() -> None:
    assert Amazon(page()).orders() == []


def test_an_echo_before_the_end_of_the_window_is_an_error() -> None:
    with pytest.raises(WindowIncomplete) as caught:
        Amazon(page("1", before="2026-09-20T23:59:59.999Z")).orders()
    assert caught.value.is_retryable
    assert Amazon(page("1", before="2026-09-21T02:00:00+02:00")).orders() == ["1"]


def test_pages_in_a_circle_are_noticed() -> None:
    with pytest.raises(PagesRepeat):
        Amazon(page("1", next_token="same")).orders()
    fresh_tokens = iter(range(10_000))
    with pytest.raises(PagesRepeat):
        Amazon(lambda _: page("1", next_token=str(next(fresh_tokens)))).orders()


def test_one_repeated_page_is_no_circle() -> None:
    amazon = Amazon(page("1", next_token="a"), page("1", next_token="a"), page("2"))
    assert amazon.orders() == ["1", "1", "2"]


def test_a_dead_page_token_is_told_from_a_bad_request() -> None:
    refused = httpx.Response(400, json={"errors": [{"code": "InvalidInput"}]})
    with pytest.raises(PageTokenRefused):
        Amazon(page("1", next_token="a"), refused).orders()
    with pytest.raises(BadRequest) as caught:
        Amazon(refused).orders()
    assert not isinstance(caught.value, PageTokenRefused)


def test_a_seller_in_several_regions_is_asked_for_in_each() -> None:
    seller = SimpleNamespace(seller_id="A1B2C3", marketplace_ids=(US, DE, JP))
    amazon = Amazon(page("1"), page("2"), page("3"))
    assert amazon.orders(seller=seller) == ["1", "2", "3"]
    assert [(r.url.host, dict(r.url.params)["marketplaceIds"]) for r in amazon.asked] == [
        ("sellingpartnerapi-na.amazon.com", US),
        ("sellingpartnerapi-eu.amazon.com", DE),
        ("sellingpartnerapi-fe.amazon.com", JP),
    ]


def test_one_order() -> None:
    amazon = Amazon(httpx.Response(200, json={"order": {"orderId": "302/1"}}))
    with amazon.partner() as partner:
        assert partner.get_order("302/1", ["FULFILLMENT"]) == {"orderId": "302/1"}
    assert amazon.asked[0].url.raw_path.startswith(b"/orders/2026-01-01/orders/302%2F1")
    with pytest.raises(BadRequest) as caught, Amazon(httpx.Response(404)).partner() as partner:
        partner.get_order("302-1", [])
    assert caught.value.status == 404


def test_amounts_never_pass_through_a_float() -> None:
    body = b'{"order": {"amount": 0.10000000000000000000001}}'
    with Amazon(httpx.Response(200, content=body)).partner() as partner:
        assert partner.get_order("1", []) == {"amount": "0.10000000000000000000001"}


# -- tokens and roles ------------------------------------------------------------------------------------------------

EXPIRED = {"errors": [{"code": "Unauthorized", "details": "The access token you provided has expired."}]}


@pytest.mark.parametrize("answer", [httpx.Response(403, json=EXPIRED), httpx.Response(401)])
def test_an_expired_access_token_is_replaced_once(answer: httpx.Response) -> None:
    amazon = Amazon(page("1", next_token="a"), answer, page("2"))
    assert amazon.orders() == ["1", "2"]
    assert amazon.logins == 2
    assert amazon.waits == []
    amazon = Amazon(answer)
    TOKENS.clear()
    with pytest.raises(AuthorisationLost, match="even a fresh access token"):
        amazon.orders()
    assert amazon.logins == 2


def test_a_token_is_asked_for_once_and_is_nobody_elses() -> None:
    amazon = Amazon(page("1"))
    amazon.orders()
    amazon.orders()
    assert amazon.logins == 1
    amazon.orders(refresh_token="Atzr|another")
    assert amazon.logins == 2
    amazon.orders(credentials=LwaCredentials("client-id", "rotated"))
    assert amazon.logins == 3
    amazon.orders(credentials=LwaCredentials("client-id2", "rotated"))
    assert amazon.logins == 4
    amazon.orders()
    assert amazon.logins == 4


def test_a_token_that_is_about_to_end_is_not_used() -> None:
    amazon = Amazon(page("1"), login=lambda _: token(expires_in=0))
    amazon.orders()
    amazon.orders()
    assert amazon.logins == 4  # each time before the turn, and again before the request


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (400, {"error": "invalid_grant", "error_description": DATA}, RefreshTokenRefused, "authorise"),
        (401, {"error": "invalid_client"}, ClientRefused, "AMZIGO_LWA_CLIENT_SECRET"),
        (400, {"error": "unauthorized_client"}, ClientRefused, "AMZIGO_LWA_CLIENT_ID"),
        (400, {"error": "invalid_request"}, BadRequest, "credentials"),
        (200, {"token_type": "bearer"}, BadAnswer, "access token"),
        (200, {"access_token": "", "expires_in": 3600}, BadAnswer, "access token"),
        (503, {}, AmazonUnavailable, "later"),
        (429, {}, Throttled, "Login with Amazon"),
    ],
)
def test_login_that_fails(status: int, body: dict[str, Any], kind: type[SpApiError], says: str) -> None:
    amazon = Amazon(page("1"), login=lambda _: httpx.Response(status, json=body))
    with pytest.raises(kind, match=says) as caught:
        amazon.orders()
    assert_tells_nothing(caught.value)
    assert amazon.asked == []
    assert amazon.logins == (3 if caught.value.is_retryable else 1)


def test_login_that_answers_html() -> None:
    with pytest.raises(AmazonUnavailable):
        Amazon(page("1"), login=lambda _: httpx.Response(503, content=b"<html>")).orders()
    with pytest.raises(BadAnswer):
        Amazon(page("1"), login=lambda _: httpx.Response(200, content=b"<html>")).orders()


def test_the_missing_role_is_named() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        denied = "BUYER" in request.url.params["includedData"]
        return httpx.Response(403, json={"errors": [{"code": "Unauthorized"}]}) if denied else page("1")

    with pytest.raises(MissingRole, match=r"refuses BUYER data of orders.*Direct-to-Consumer Delivery") as caught:
        Amazon(answer).orders()
    assert not caught.value.is_retryable
    with pytest.raises(MissingRole) as caught:
        Amazon(httpx.Response(403, json={"message": "Forbidden"})).orders()
    assert "BUYER" not in str(caught.value)


# -- endpoints, environment, secrets -----------------------------------------------------------------------------------


def home(kind: Kind, endpoint: str) -> Home:
    return Home(path=Path("/nowhere"), kind=kind, first_day=date(2026, 9, 1), endpoint=endpoint)


@pytest.mark.parametrize(
    ("kind", "endpoint", "says"),
    [
        (Kind.TEST, "http://example.com:8571", "plain http to example.com"),
        (Kind.TEST, "http://192.168.0.7:8571", "plain http to 192.168.0.7"),
        (Kind.TEST, "http://127.0.0.1.example.com", "plain http"),
        (Kind.TEST, "http://user:pass@127.0.0.1:1", "no web address"),
        (Kind.TEST, "ftp://127.0.0.1", "no web address"),
        (Kind.TEST, "127.0.0.1:8571", "no web address"),
        (Kind.TEST, "http://127.0.0.1:port", "no web address"),
        (Kind.TEST, "", "no endpoint"),
        (Kind.TEST, "https://sellingpartnerapi-na.amazon.com", "test home talks to the simulator only"),
        (Kind.PRODUCTION, "http://127.0.0.1:8571", "production home talks to Amazon only"),
        (Kind.PRODUCTION, "https://sellingpartnerapi-na.amazon.com.example.com", "production home talks to Amazon"),
        (Kind.PRODUCTION, "http://sellingpartnerapi-na.amazon.com", "plain http"),
    ],
)
def test_endpoints_that_are_refused(kind: Kind, endpoint: str, says: str) -> None:
    with pytest.raises(EndpointRefused, match=says) as caught:
        endpoint_for(home(kind, endpoint))
    assert "pass@" not in str(caught.value)


def test_endpoints_that_are_used() -> None:
    assert endpoint_for(home(Kind.PRODUCTION, "")).api == AMAZON_API
    for address in ("http://127.0.0.1:8571", "http://[::1]:8571", "http://localhost:8571/"):
        chosen = endpoint_for(home(Kind.TEST, address))
        assert set(chosen.api.values()) == {chosen.login} == {address.rstrip("/")}


def test_credentials_come_from_the_environment_or_not_at_all() -> None:
    production = home(Kind.PRODUCTION, "")
    with pytest.raises(CredentialsMissing, match="AMZIGO_LWA_CLIENT_SECRET"):
        credentials_for(production, {"AMZIGO_LWA_CLIENT_ID": "id", "LWA_CLIENT_SECRET": "other", "LWA_APP_ID": "other"})
    given = credentials_for(production, {"AMZIGO_LWA_CLIENT_ID": "id", "AMZIGO_LWA_CLIENT_SECRET": "very-secret"})
    assert given == LwaCredentials("id", "very-secret")
    assert "very-secret" not in repr(given)
    with pytest.raises(CredentialsMissing):
        LwaCredentials("id", "")


def test_a_test_home_sends_the_simulators_credentials_and_no_others() -> None:
    real = {"AMZIGO_LWA_CLIENT_ID": "real", "AMZIGO_LWA_CLIENT_SECRET": "real"}
    assert credentials_for(home(Kind.TEST, "http://127.0.0.1:1"), real) == LwaCredentials(CLIENT_ID, CLIENT_SECRET)
    assert SIMULATOR_CREDENTIALS.client_id == CLIENT_ID


@pytest.mark.parametrize("value", ["DE", "nonsense"])
def test_a_marketplace_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SP_API_DEFAULT_MARKETPLACE", value)
    with pytest.raises(ClientMisconfigured, match="SP_API_DEFAULT_MARKETPLACE"):
        Amazon(page()).partner()


def test_the_environments_credentials_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LWA_APP_ID", "LWA_CLIENT_SECRET", "SP_API_REFRESH_TOKEN"):
        monkeypatch.setenv(name, "someone-else")
    forms: list[str] = []

    def login(request: httpx.Request) -> httpx.Response:
        forms.append(request.content.decode())
        return token()

    Amazon(page("1"), login=login).orders()
    (form,) = forms
    assert "someone-else" not in form
    assert "very-secret-client" in form


def test_a_marketplace_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ClientMisconfigured, match="NOWHERE"):
        Amazon(page()).partner(seller=SimpleNamespace(seller_id="A1B2C3", marketplace_ids=("NOWHERE",)))


def test_requests_name_their_host_rightly() -> None:
    amazon = Amazon(page("1"))
    amazon.orders(
        endpoint=Endpoint(Kind.TEST, dict.fromkeys(AMAZON_API, "http://127.0.0.1:1234"), "http://127.0.0.1:1234")
    )
    assert amazon.asked[0].headers["host"] == "127.0.0.1:1234"
    assert amazon.asked[0].headers["x-amz-access-token"] == ACCESS_TOKEN


def test_tls_is_1_2_at_least_and_certificates_are_checked() -> None:
    from amzigo_pipelines.resources.spapi.transport import Connection, tls_context

    assert tls_context().minimum_version is ssl.TLSVersion.TLSv1_2
    assert tls_context().verify_mode is ssl.CERT_REQUIRED
    assert tls_context().check_hostname
    connection = Connection("https://api.amazon.com")
    used = connection._client._transport._pool._ssl_context  # type: ignore[attr-defined]
    assert used is tls_context()
    assert None not in connection._client.timeout.as_dict().values()
    connection.close()


def test_a_local_simulator_is_reached_past_any_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    from amzigo_pipelines.resources.spapi.transport import Connection

    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example.com:3128")
    connection = Connection("http://127.0.0.1:1")
    assert not connection._client._mounts
    connection.close()


def test_nothing_secret_is_logged_even_when_everything_is_logged() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        amazon = Amazon(page("1"))
        with amazon.partner() as partner:
            # Someone turns them all on, after the client was made.
            for name in list(logging.root.manager.loggerDict):
                if name.split(".")[0] in ("httpx", "httpcore", "sp_api"):
                    logging.getLogger(name).setLevel(logging.DEBUG)
            list(partner.search_orders(START, END, ["BUYER"]))
        logging.getLogger("httpx").warning("still heard: %s", "very-secret")
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    assert "still heard" in stream.getvalue()
    assert "very-secret" not in stream.getvalue()
    assert "amazon.com" not in stream.getvalue()


def test_nothing_secret_is_in_a_repr() -> None:
    with Amazon(page("1")).partner() as partner:
        (only,) = partner.search_orders(START, END, ["BUYER"])
        texts = repr(partner) + repr(only) + repr(partner._calls._credentials)
    assert "very-secret" not in texts
    assert "orderId" not in texts


def test_codes_and_request_ids_are_told_only_if_they_look_like_it() -> None:
    asked = Asked("A1B2C3", "searchOrders")
    body = json.dumps({"errors": [{"code": "InvalidInput"}]}).encode()
    told = error_for_answer(asked, 400, httpx.Headers({"x-amzn-RequestId": "abc-1"}), body)
    assert (told.code, told.request_id) == ("InvalidInput", "abc-1")
    assert "InvalidInput" in str(told) and "abc-1" in str(told)
    body = json.dumps({"errors": [{"code": DATA}]}).encode()
    told = error_for_answer(asked, 400, httpx.Headers({"x-amzn-RequestId": DATA}), body)
    assert (told.code, told.request_id) == ("", "")
    assert_tells_nothing(told)
