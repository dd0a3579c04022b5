"""The simulator's own HTTP paths: clock, faults, sellers, truth. Amazon has none of these.

Belongs here: everything under `/simulator/`. Does not belong here: the answers' substance (`truth.py`, `faults.py`).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.simulator import truth, truth_reports, truth_sales
from amzigo_pipelines.simulator.calls import Simulator
from amzigo_pipelines.simulator.profiles import CLIENT_ID, CLIENT_SECRET
from amzigo_pipelines.simulator.world import World

_TRUTHS: dict[str, Callable[[World, str, datetime], Any]] = {
    "order-versions": truth.order_versions,
    "orders": truth.orders,
    "sales": truth.sales_daily,
    "stock": truth.stock,
    "stock-balance": truth.stock_balance,
    "returns": truth.returns,
    "deliveries": truth.deliveries,
    "people": truth.people,
    "fba-shipments": truth_reports.fba_shipments,
    "feedback": truth_reports.feedback,
    "return-requests": truth_reports.return_requests,
    "stranded": truth_reports.stranded,
    "traffic": truth_sales.traffic_daily,
    "order-metrics": truth_sales.order_metrics,
}


def routes(simulator: Simulator) -> list[Route]:
    """The control paths."""
    control = _Control(simulator)
    return [
        Route("/simulator/health", control.health, methods=["GET"]),
        Route("/simulator/clock", control.get_clock, methods=["GET"]),
        Route("/simulator/clock", control.put_clock, methods=["PUT"]),
        Route("/simulator/faults", control.get_faults, methods=["GET"]),
        Route("/simulator/faults", control.put_faults, methods=["PUT"]),
        Route("/simulator/faults", control.delete_faults, methods=["DELETE"]),
        Route("/simulator/sellers", control.sellers, methods=["GET"]),
        Route("/simulator/requests", control.requests, methods=["GET"]),
        Route("/simulator/truth/{question}/{sellerId}", control.truth, methods=["GET"]),
    ]


class _Control:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    async def health(self, request: Request) -> Response:
        return _json({"status": "ok", "now": self._simulator.clock.now()})

    async def get_clock(self, request: Request) -> Response:
        is_virtual = isinstance(self._simulator.clock, VirtualClock)
        return _json({"now": self._simulator.clock.now(), "is_virtual": is_virtual})

    async def put_clock(self, request: Request) -> Response:
        clock = self._simulator.clock
        if not isinstance(clock, VirtualClock):
            return _json({"error": "The clock is the machine's own and cannot be set."}, 409)
        try:
            clock.set(datetime.fromisoformat((await request.json())["now"]))
        except (ValueError, KeyError, TypeError):
            return _json({"error": 'Send {"now": "<ISO 8601 instant with offset>"}.'}, 400)
        return _json({"now": clock.now(), "is_virtual": True})

    async def get_faults(self, request: Request) -> Response:
        return _json(self._simulator.faults.describe())

    async def put_faults(self, request: Request) -> Response:
        try:
            self._simulator.faults.set(await request.json())
        except (ValueError, TypeError) as error:
            return _json({"error": f"Not a list of faults: {error}"}, 400)
        return _json(self._simulator.faults.describe())

    async def delete_faults(self, request: Request) -> Response:
        self._simulator.faults.clear()
        return _json([])

    async def sellers(self, request: Request) -> Response:
        return _json(
            {
                "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET,
                "sellers": [
                    {
                        "seller_id": profile.seller_id,
                        "refresh_token": profile.refresh_token,
                        "marketplace_ids": profile.marketplace_ids,
                        "roles": sorted(profile.roles),
                        "first_day": self._simulator.world.config.first_day,
                    }
                    for profile in self._simulator.world.config.sellers
                ],
            }
        )

    async def requests(self, request: Request) -> Response:
        return _json({"requests": dict(self._simulator.traffic.requests), "log": list(self._simulator.traffic.log)})

    async def truth(self, request: Request) -> Response:
        """`/simulator/truth/{question}/{sellerId}?now=...`; without `now`, as of the clock."""
        question = _TRUTHS.get(request.path_params["question"])
        seller_id = request.path_params["sellerId"]
        if question is None or seller_id not in self._simulator.world.seller_ids:
            return _json({"error": f"Ask one of {sorted(_TRUTHS)} about a known seller."}, 404)
        try:
            text = request.query_params.get("now")
            now = self._simulator.clock.now() if text is None else _aware(datetime.fromisoformat(text))
        except ValueError:
            return _json({"error": "now is not an ISO 8601 instant."}, 400)
        return _json(question(self._simulator.world, seller_id, now))


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _json(value: Any, status: int = 200) -> Response:
    body = json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False)
    return Response(body, status, media_type="application/json")


def _plain(value: Any) -> Any:
    """A value of the simulator as JSON values; a mapping with composite keys becomes a list of [key, value]."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        if any(isinstance(key, tuple) for key in value):
            return [[_plain(list(key)), _plain(entry)] for key, entry in value.items()]
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value
