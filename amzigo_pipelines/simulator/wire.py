"""Sending an answer, whole or spoiled: slow, torn off in the middle, or not at all.

Belongs here: everything that touches the connection. Does not belong here: which fault is due (`faults.py`).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from amzigo_pipelines.simulator.answers import Answer
from amzigo_pipelines.simulator.faults import Fault

_CONNECTIONS: dict[tuple[str, int], asyncio.Transport] = {}


class CuttableProtocol(H11Protocol):
    """uvicorn's HTTP protocol, with the connection within reach: a fault may cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember the connection by its client's address."""
        super().connection_made(transport)
        _CONNECTIONS[transport.get_extra_info("peername")[:2]] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        _CONNECTIONS.pop(self.transport.get_extra_info("peername")[:2], None)
        super().connection_lost(exc)


class WireAnswer:
    """An ASGI answer that may be spoiled on its way.

    Args:
        answer: what to send.
        fault: `slow_body`, `torn_body` or `reset`; None to send it whole. Other kinds are ignored here.
    """

    def __init__(self, answer: Answer, fault: Fault | None) -> None:
        self._answer = answer
        self._fault = fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        kind = self._fault.kind if self._fault else ""
        if kind == "reset":
            await _cut(scope, reset=True)
            return
        # These have no body, whatever a fault would give them: HTTP forbids it.
        body = b"" if self._answer.status in (204, 304) else self._answer.body
        headers = {"content-type": self._answer.content_type, "content-length": str(len(body)), **self._answer.headers}
        start: dict[str, Any] = {
            "type": "http.response.start",
            "status": self._answer.status,
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
        }
        await send(start)
        if self._fault is not None and kind in ("slow_body", "torn_body"):
            kept = int(len(body) * self._fault.keep) if body else 0
            await send({"type": "http.response.body", "body": body[:kept], "more_body": True})
            if kind == "torn_body":
                await asyncio.sleep(0.02)  # let the first part leave before the connection goes
                await _cut(scope, reset=False)
                return
            await asyncio.sleep(self._fault.seconds)
            body = body[kept:]
        await send({"type": "http.response.body", "body": body})


async def _cut(scope: Scope, *, reset: bool) -> None:
    """Close the connection of a request at once.

    Raises:
        RuntimeError: the server is not ours, so that the connection is out of reach.
    """
    transport = _CONNECTIONS.get(tuple(scope["client"]))
    if transport is None:
        raise RuntimeError("connections can be cut only under SimulatorServer")
    if reset:  # no lingering: the other side sees a reset, not an orderly end
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await asyncio.sleep(0.01)  # uvicorn must have noticed before the application returns, else it complains
