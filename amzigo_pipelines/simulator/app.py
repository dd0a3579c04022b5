"""The HTTP application: which path is which operation, and the door every call passes.

Belongs here: routes, and the order of the door: fault, access token, rate. Does not belong here: what an operation
answers (the `api_*` modules).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp

from amzigo_pipelines.clock import Clock
from amzigo_pipelines.simulator import (
    api_ads,
    api_application,
    api_control,
    api_feedback,
    api_inventory,
    api_kiosk,
    api_orders,
    api_reports,
    api_sales,
)
from amzigo_pipelines.simulator.ads_login import ADS_CLIENT_ID, AdsLogin
from amzigo_pipelines.simulator.answers import Answer, Refusal, errors
from amzigo_pipelines.simulator.api_finances import list_transactions
from amzigo_pipelines.simulator.api_sellers import get_marketplace_participations
from amzigo_pipelines.simulator.calls import Call, Simulator, SimulatorSettings
from amzigo_pipelines.simulator.faults import REPLACING, Fault
from amzigo_pipelines.simulator.wire import WireAnswer
from amzigo_pipelines.simulator.world import World

__all__ = ["SimulatorSettings", "create_app"]

Operation = Callable[[Call], Answer]
Endpoint = Callable[[Request], Awaitable[ASGIApp]]

OPERATIONS: tuple[tuple[str, str, str, Operation], ...] = (
    ("getMarketplaceParticipations", "GET", "/sellers/v1/marketplaceParticipations", get_marketplace_participations),
    ("searchOrders", "GET", "/orders/2026-01-01/orders", api_orders.search_orders),
    ("getOrder", "GET", "/orders/2026-01-01/orders/{orderId}", api_orders.get_order),
    ("getInventorySummaries", "GET", "/fba/inventory/v1/summaries", api_inventory.get_inventory_summaries),
    (
        "getItemReviewTopics",
        "GET",
        "/customerFeedback/2024-06-01/items/{asin}/reviews/topics",
        api_feedback.get_item_review_topics,
    ),
    (
        "getItemReviewTrends",
        "GET",
        "/customerFeedback/2024-06-01/items/{asin}/reviews/trends",
        api_feedback.get_item_review_trends,
    ),
    ("listTransactions", "GET", "/finances/2024-06-19/transactions", list_transactions),
    ("createReport", "POST", "/reports/2021-06-30/reports", api_reports.create_report),
    ("getReports", "GET", "/reports/2021-06-30/reports", api_reports.get_reports),
    ("getReport", "GET", "/reports/2021-06-30/reports/{reportId}", api_reports.get_report),
    ("cancelReport", "DELETE", "/reports/2021-06-30/reports/{reportId}", api_reports.cancel_report),
    ("createQuery", "POST", "/dataKiosk/2023-11-15/queries", api_kiosk.create_query),
    ("getQueries", "GET", "/dataKiosk/2023-11-15/queries", api_kiosk.get_queries),
    ("getQuery", "GET", "/dataKiosk/2023-11-15/queries/{queryId}", api_kiosk.get_query),
    ("cancelQuery", "DELETE", "/dataKiosk/2023-11-15/queries/{queryId}", api_kiosk.cancel_query),
    ("getDocument", "GET", "/dataKiosk/2023-11-15/documents/{documentId}", api_kiosk.get_document),
    ("getOrderMetrics", "GET", "/sales/v1/orderMetrics", api_sales.get_order_metrics),
    ("getReportDocument", "GET", "/reports/2021-06-30/documents/{reportDocumentId}", api_reports.get_report_document),
)
"""Every operation of the SP-API that the simulator knows: name, method, path, function."""


def create_app(world: World, clock: Clock, settings: SimulatorSettings | None = None) -> Starlette:
    """The simulator as an ASGI application.

    Args:
        world: the synthetic sellers.
        clock: as of when their data is seen.
        settings: how to behave; the defaults are Amazon's.

    Returns:
        The application. `app.state.simulator` is its `Simulator`: faults, traffic, world and clock.
    """
    simulator = Simulator(world, clock, settings or SimulatorSettings())
    routes = [
        Route(path, _operation(simulator, name, function), methods=[method])
        for name, method, path, function in OPERATIONS
    ]
    ads_login = AdsLogin(world.config, simulator.settings.token_lifetime_s)
    routes.append(Route("/auth/o2/token", _token(simulator, ads_login), methods=["POST"]))
    routes.append(Route("/applications/2023-11-30/clientSecret", _rotation(simulator), methods=["POST"]))
    routes.append(Route("/apps/authorize/consent", _consent(simulator), methods=["GET"]))
    routes.append(Route("/documents/{documentId}", _download(simulator), methods=["GET"]))
    routes.append(Route("/kioskDocuments/{documentId}", _download_query(simulator), methods=["GET"]))
    routes += api_ads.routes(simulator, ads_login)
    routes += api_control.routes(simulator)
    app = Starlette(routes=routes)
    app.state.simulator = simulator
    return app


def _answered(simulator: Simulator, name: str, fault: Fault | None, answer: Answer) -> WireAnswer:
    simulator.traffic.note(name, answer.status)
    return WireAnswer(answer, fault)


def _operation(simulator: Simulator, name: str, function: Operation) -> Endpoint:
    async def endpoint(request: Request) -> ASGIApp:
        fault = simulator.faults.take(name)
        if fault is not None and fault.kind in REPLACING:
            answer = fault.answer()
        else:
            raw = await request.body()
            try:
                answer = _called(simulator, name, function, request, raw, fault)
            except Refusal as refusal:
                answer = refusal.answer()
        limit = simulator.buckets.limit(name)
        if limit is not None and answer.content_type == "application/json":
            answer.headers.setdefault("x-amzn-RateLimit-Limit", limit)
        return _answered(simulator, name, fault, answer)

    return endpoint


def _called(
    simulator: Simulator, name: str, function: Operation, request: Request, raw: bytes, fault: Fault | None
) -> Answer:
    profile = simulator.login.profile_of(request.headers.get("x-amz-access-token"))
    if not simulator.buckets.take(profile.seller_id, name):
        return errors(429, "QuotaExceeded", "You exceeded your quota for the requested resource.")
    return function(
        Call(
            simulator=simulator,
            profile=profile,
            now=simulator.clock.now(),
            query=request.query_params,
            path=dict(request.path_params),
            body=_parsed(raw),
            origin=_origin(request),
            fault=fault,
        )
    )


def _parsed(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        raise Refusal(400, "InvalidInput", "The body is not JSON.") from None


def _origin(request: Request) -> str:
    # The socket's own address: the Host header is not to be trusted, the client library cuts a character off it.
    host, port = request.scope["server"]
    return f"http://{host}:{port}"


def _token(simulator: Simulator, ads_login: AdsLogin) -> Endpoint:
    async def endpoint(request: Request) -> ASGIApp:
        fault = simulator.faults.take("token")
        if fault is not None and fault.kind in REPLACING:
            return _answered(simulator, "token", fault, fault.answer())
        form = (await request.body()).decode("utf-8", "replace")
        login = ads_login if ADS_CLIENT_ID in form else simulator.login
        return _answered(simulator, "token", fault, login.answer(form))

    return endpoint


def _rotation(simulator: Simulator) -> Endpoint:
    name = "rotateApplicationClientSecret"

    async def endpoint(request: Request) -> ASGIApp:
        fault = simulator.faults.take(name)
        if fault is not None and fault.kind in REPLACING:
            return _answered(simulator, name, fault, fault.answer())
        try:
            token = request.headers.get("x-amz-access-token")
            # In a thread: delivering takes as long as the queue needs.
            answer = await run_in_threadpool(api_application.rotate_client_secret, simulator, token)
        except Refusal as refusal:
            answer = refusal.answer()
        return _answered(simulator, name, fault, answer)

    return endpoint


def _consent(simulator: Simulator) -> Endpoint:
    async def endpoint(request: Request) -> ASGIApp:
        return _answered(simulator, "consent", None, api_application.consent(simulator, request.query_params))

    return endpoint


def _download(simulator: Simulator) -> Endpoint:
    async def endpoint(request: Request) -> ASGIApp:
        fault = simulator.faults.take("downloadReport")
        if fault is not None and fault.kind in REPLACING:
            answer = fault.answer()
        else:
            document_id = request.path_params["documentId"]
            answer = api_reports.download(simulator, document_id, request.query_params, fault)
        return _answered(simulator, "downloadReport", fault, answer)

    return endpoint


def _download_query(simulator: Simulator) -> Endpoint:
    async def endpoint(request: Request) -> ASGIApp:
        fault = simulator.faults.take("downloadQuery")
        if fault is not None and fault.kind in REPLACING:
            answer = fault.answer()
        else:
            document_id = request.path_params["documentId"]
            answer = api_kiosk.download(simulator, document_id, request.query_params, fault)
        return _answered(simulator, "downloadQuery", fault, answer)

    return endpoint
