"""Running the simulator: in a thread for tests and the demo, or in the foreground for the command line.

Belongs here: sockets and threads. Does not belong here: what is served (`app.py`).
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections import Counter, deque
from types import TracebackType

import uvicorn

from amzigo_pipelines.clock import Clock
from amzigo_pipelines.simulator.app import SimulatorSettings, create_app
from amzigo_pipelines.simulator.calls import Simulator
from amzigo_pipelines.simulator.faults import FaultBoard
from amzigo_pipelines.simulator.wire import CuttableProtocol
from amzigo_pipelines.simulator.world import World

__all__ = ["SimulatorServer", "SimulatorSettings", "serve"]

_START_TIMEOUT_S = 20.0


class SimulatorServer:
    """The simulator behind a real socket, in a thread, as a context manager.

    Args:
        world: the synthetic sellers.
        clock: as of when their data is seen; a `VirtualClock` can be moved over HTTP too.
        settings: how to behave.
        host: a loopback address.
        port: 0 for any free one.

    Raises:
        ValueError: the host is not a loopback address. The tokens are public: nobody else may reach them.
    """

    def __init__(
        self,
        world: World,
        clock: Clock,
        settings: SimulatorSettings | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        _require_loopback(host)
        self._host = host
        self._port = port
        self._app = create_app(world, clock, settings)
        self._simulator: Simulator = self._app.state.simulator
        self._server: uvicorn.Server | None = None
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> SimulatorServer:
        self._socket = _bind(self._host, self._port)
        self._port = self._socket.getsockname()[1]
        self._server = uvicorn.Server(_config(self._app))
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="amzigo-simulator", daemon=True
        )
        # The socket listens already: whoever connects now is served as soon as the thread runs.
        self._socket.listen(128)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None and self._thread is not None and self._socket is not None:
            self._server.should_exit = True
            self._server.force_exit = True
            self._thread.join(timeout=_START_TIMEOUT_S)
            self._socket.close()

    @property
    def url(self) -> str:
        """Where it listens, e.g. `http://127.0.0.1:40123`. Known once the context is entered."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def world(self) -> World:
        """The synthetic sellers."""
        return self._simulator.world

    @property
    def clock(self) -> Clock:
        """The simulator's clock."""
        return self._simulator.clock

    @property
    def faults(self) -> FaultBoard:
        """The fault switches."""
        return self._simulator.faults

    @property
    def requests(self) -> Counter[str]:
        """How often each operation was called, refused calls included; `token` and `downloadReport` too."""
        return self._simulator.traffic.requests

    @property
    def log(self) -> deque[tuple[str, int]]:
        """The most recent calls as (operation, HTTP status), oldest first."""
        return self._simulator.traffic.log


def serve(
    world: World, clock: Clock, settings: SimulatorSettings | None = None, host: str = "127.0.0.1", port: int = 0
) -> None:
    """Run the simulator in the foreground until it is interrupted. Arguments and errors as `SimulatorServer`."""
    _require_loopback(host)
    with _bind(host, port) as bound:
        uvicorn.Server(_config(create_app(world, clock, settings))).run(sockets=[bound])


def _config(app: object) -> uvicorn.Config:
    # No access log: it would hold page tokens and signed links. Errors only when the simulator itself breaks.
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=CuttableProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        access_log=False,
        log_level="error",
    )


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named so that asyncio switches Nagle's algorithm off: else every answer waits 40 ms for an ACK.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def _require_loopback(host: str) -> None:
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise ValueError(f"the simulator serves this machine only, not {host}")
