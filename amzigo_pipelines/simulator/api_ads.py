"""The Amazon Ads API, as far as it is used: profiles, reporting version 3, and the download of reports.

Belongs here: its door, its parameters, answers, errors. Does not belong here: the life of a report (`ads_shelf.py`),
what it says (`ads_report_types.py`), who may enter (`ads_login.py`).

Its errors look otherwise than the SP-API's: one object with `code` and `detail` or `details`, and no `errors`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp

from amzigo_pipelines.simulator import ads_report_types
from amzigo_pipelines.simulator.ads_login import ADS_CLIENT_ID, AdsLogin, profile_id_of, profile_json
from amzigo_pipelines.simulator.ads_report_types import ADS_REPORT_TYPES, MAX_DAYS
from amzigo_pipelines.simulator.ads_shelf import COMPLETED, DUPLICATE_FOR_S, FAILED, AdsReport, AdsShelf
from amzigo_pipelines.simulator.advertising import Advertising
from amzigo_pipelines.simulator.answers import Answer, Refusal, as_json, instant
from amzigo_pipelines.simulator.calls import Simulator
from amzigo_pipelines.simulator.faults import REPLACING, Fault
from amzigo_pipelines.simulator.marketplaces import MARKETPLACES
from amzigo_pipelines.simulator.wire import WireAnswer

REPORT_MEDIA_TYPE = "application/vnd.createasyncreportrequest.v3+json"
_LINK_LIFETIME_S = 3_600.0
_EXPIRED_XML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Expired</Message></Error>'
)


class AdsRefusal(Exception):
    """An operation refuses, with a status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status

    def answer(self) -> Answer:
        """The refusal as the Ads API writes it."""
        return as_json({"code": str(self.status), "detail": str(self)}, self.status)


@dataclass
class _Call:
    request: Request
    body: bytes
    seller_id: str
    now: datetime
    origin: str
    fault: Fault | None


def routes(simulator: Simulator, login: AdsLogin) -> list[Route]:
    """The paths of the Ads API."""
    ads = _Ads(simulator, login)
    return [
        Route("/v2/profiles", ads.operation("listProfiles", ads.list_profiles), methods=["GET"]),
        Route("/reporting/reports", ads.operation("createAsyncReport", ads.create), methods=["POST"]),
        Route("/reporting/reports/{reportId}", ads.operation("getAsyncReport", ads.get), methods=["GET"]),
        Route("/ads-documents/{reportId}", ads.download, methods=["GET"]),
    ]


class _Ads:
    def __init__(self, simulator: Simulator, login: AdsLogin) -> None:
        self._simulator = simulator
        self._login = login
        self._shelf = AdsShelf()

    def operation(self, name: str, function: Callable[[_Call], Answer]) -> Callable[[Request], Awaitable[ASGIApp]]:
        """An operation behind the door: fault, client id, token."""

        async def endpoint(request: Request) -> ASGIApp:
            fault = self._simulator.faults.take(name)
            if fault is not None and fault.kind in REPLACING:
                answer = fault.answer()
            else:
                body = await request.body()
                try:
                    answer = function(self._call(request, body, fault))
                except AdsRefusal as refusal:
                    answer = refusal.answer()
            self._simulator.traffic.note(name, answer.status)
            return WireAnswer(answer, fault)

        return endpoint

    def _call(self, request: Request, body: bytes, fault: Fault | None) -> _Call:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            seller_id = self._login.seller_of(token if scheme == "Bearer" else None)
        except Refusal:
            raise AdsRefusal(401, "Not authorized to access this resource: the access token is not valid") from None
        if request.headers.get("amazon-advertising-api-clientid") != ADS_CLIENT_ID:
            raise AdsRefusal(401, "Not authorized to access this advertiser: the client id does not fit the token")
        host, port = request.scope["server"]
        return _Call(request, body, seller_id, self._simulator.clock.now(), f"http://{host}:{port}", fault)

    def list_profiles(self, call: _Call) -> Answer:
        """`GET /v2/profiles`."""
        markets = self._simulator.world.profile(call.seller_id).marketplace_ids
        return as_json([profile_json(call.seller_id, MARKETPLACES[marketplace_id]) for marketplace_id in markets])

    def create(self, call: _Call) -> Answer:
        """`POST /reporting/reports`."""
        profile_id, marketplace_id = self._scope(call)
        if call.request.headers.get("content-type") != REPORT_MEDIA_TYPE:
            raise AdsRefusal(415, "Cannot consume content type")
        try:
            body = json.loads(call.body)
        except ValueError:
            raise AdsRefusal(400, "Could not parse JSON") from None
        market = MARKETPLACES[marketplace_id]
        kind, first, last = _checked(body, call.now.astimezone(market.zone).date())
        settings = self._simulator.settings
        sealer = self._simulator.sealer
        former = self._shelf.same(profile_id, body, lambda report: sealer.age(report.stamp) < DUPLICATE_FOR_S)
        if former is not None:
            return as_json({"code": "425", "detail": f"The Request is a duplicate of : {former.report_id}"}, 425)
        world, now = self._simulator.world, call.now
        columns = list(body["configuration"]["columns"])
        kind_of_fault = call.fault.kind if call.fault else ""

        def build() -> list[dict[str, Any]]:
            advertising = Advertising(world.config, world.seller(call.seller_id, now), market)
            return ads_report_types.rows(kind, advertising, first, last, columns, now)

        report = AdsReport(
            profile_id=profile_id,
            request=body,
            build=build,
            created_at=instant(call.now.timestamp()),
            stamp=sealer.stamp(),
            queue_s=math.inf if kind_of_fault == "never_ends" else settings.report_queue_s,
            work_s=settings.report_work_s,
            is_doomed=kind_of_fault == "fatal",
        )
        self._shelf.add(report)
        return as_json(self._as_json(report, call.origin))

    def get(self, call: _Call) -> Answer:
        """`GET /reporting/reports/{reportId}`: every answer has a fresh link."""
        profile_id, _ = self._scope(call)
        report = self._shelf.find(call.request.path_params["reportId"], profile_id)
        if report is None:
            raise AdsRefusal(404, "Report not found")
        return as_json(self._as_json(report, call.origin))

    async def download(self, request: Request) -> ASGIApp:
        """What the link of a report answers: the bytes, or XML as the file store does when it has expired."""
        fault = self._simulator.faults.take("downloadAdsReport")
        answer = fault.answer() if fault is not None and fault.kind in REPLACING else self._document(request, fault)
        self._simulator.traffic.note("downloadAdsReport", answer.status)
        return WireAnswer(answer, fault)

    def _document(self, request: Request, fault: Fault | None) -> Answer:
        report = self._shelf.find(request.path_params["reportId"])
        content = self._simulator.sealer.open(request.query_params.get("X-Amz-Signature", ""), _LINK_LIFETIME_S)
        kind = fault.kind if fault else ""
        if report is None or content is None or content.get("report") != report.report_id or kind == "expired_link":
            return Answer(403, _EXPIRED_XML.encode(), "application/xml")
        if request.headers.get("authorization"):
            # As the file store: a link is signed already, and a second way to say who one is makes it refuse both.
            return Answer(400, b"<Error><Code>InvalidArgument</Code></Error>", "application/xml")
        body = report.document()
        if kind == "error_sentence" and fault is not None:
            body = (fault.body or "The report could not be made.").encode()
        if kind == "truncated_gzip" and fault is not None:
            body = body[: int(len(body) * fault.keep)]
        return Answer(200, body, "application/octet-stream")

    def _scope(self, call: _Call) -> tuple[int, str]:
        given = call.request.headers.get("amazon-advertising-api-scope", "")
        if not given:
            raise AdsRefusal(400, "Missing required header Amazon-Advertising-API-Scope")
        for marketplace_id in self._simulator.world.profile(call.seller_id).marketplace_ids:
            profile_id = profile_id_of(call.seller_id, marketplace_id)
            if given == str(profile_id):
                return profile_id, marketplace_id
        raise AdsRefusal(401, f"Not authorized to access scope {given}")

    def _as_json(self, report: AdsReport, origin: str) -> dict[str, Any]:
        sealer = self._simulator.sealer
        status = report.status(sealer.stamp()[1] - report.stamp[1])
        out: dict[str, Any] = {
            **report.request,
            "reportId": report.report_id,
            "status": status,
            "createdAt": report.created_at,
            "updatedAt": report.created_at,
            "generatedAt": None,
            "failureReason": "Report generation failed due to an internal error" if status == FAILED else None,
            "fileSize": None,
            "url": None,
            "urlExpiresAt": None,
        }
        if status == COMPLETED:
            query = urlencode({"X-Amz-Expires": "3600", "X-Amz-Signature": sealer.seal({"report": report.report_id})})
            out["url"] = f"{origin}/ads-documents/{report.report_id}?{query}"
            out["urlExpiresAt"] = instant(self._simulator.clock.now().timestamp() + _LINK_LIFETIME_S)
            out["generatedAt"] = report.created_at
            out["fileSize"] = len(report.document())
        return out


def _checked(body: Any, today: date) -> tuple[ads_report_types.AdsReportType, date, date]:
    configuration = body.get("configuration") if isinstance(body, dict) else None
    if not isinstance(configuration, dict):
        raise AdsRefusal(400, "configuration is required")
    kind = ADS_REPORT_TYPES.get(str(configuration.get("reportTypeId")))
    if kind is None or configuration.get("adProduct") != kind.ad_product:
        raise AdsRefusal(400, "configuration reportTypeId is not supported for the adProduct")
    if configuration.get("groupBy") != [kind.group_by]:
        raise AdsRefusal(400, "configuration groupBy has invalid values for the reportTypeId")
    if configuration.get("timeUnit") != "DAILY" or configuration.get("format") != "GZIP_JSON":
        raise AdsRefusal(400, "the simulator makes DAILY reports in the format GZIP_JSON only")
    columns = configuration.get("columns")
    if not isinstance(columns, list) or not columns:
        raise AdsRefusal(400, "configuration columns is required")
    invalid = [str(column) for column in columns if column not in kind.columns]
    if invalid:
        raise AdsRefusal(400, f"configuration columns includes invalid values: ({', '.join(invalid)})")
    try:
        first, last = date.fromisoformat(body["startDate"]), date.fromisoformat(body["endDate"])
    except (KeyError, TypeError, ValueError):
        raise AdsRefusal(400, "startDate and endDate must be dates as YYYY-MM-DD") from None
    if first > last or last > today:
        raise AdsRefusal(400, "startDate must not be after endDate, and endDate not in the future")
    if (last - first).days + 1 > MAX_DAYS:
        raise AdsRefusal(400, f"startDate to endDate range must not be greater than {MAX_DAYS} days")
    if first < today - timedelta(days=kind.history_days):
        raise AdsRefusal(400, f"startDate must not be before {kind.history_days} days ago")
    return kind, first, last
