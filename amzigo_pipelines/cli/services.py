"""`amzigo demo`, `dev` and `simulator`: commands that start something and stay."""

from __future__ import annotations

import socket
from datetime import date, datetime, timedelta
from typing import Annotated

import typer

from amzigo_pipelines.cli.options import parse_day
from amzigo_pipelines.cli.output import say
from amzigo_pipelines.errors import AmzigoError


class ServiceRefused(AmzigoError):
    """A service can't be started as asked."""


def demo(
    days: Annotated[int, typer.Option(min=32, help="Days to live through; PII dies from the 31st on.")] = 45,
    orders_per_day: Annotated[int, typer.Option(min=1, help="Orders a seller and day.")] = 200,
) -> None:
    """Live through 45 days of synthetic sellers.

    Extraction, marts, and PII dying on its date, for two sellers and on a clock moved by hand: about a minute.
    Makes a test home in AMZIGO_HOME (.amzigo), replacing an earlier demo's.
    """
    from amzigo_pipelines.cli.demo import run_demo

    run_demo(days=days, orders_per_day=orders_per_day)


def dev(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the Dagster UI.")] = 3000,
) -> None:
    """Open the Dagster UI on this home.

    Its daemon, which runs the schedules, is started with it; so is a test home's simulator.
    """
    import contextlib
    import signal
    import sys

    from amzigo_pipelines.cli.runs import use_dagster_home
    from amzigo_pipelines.cli.simulation import running, running_simulator
    from amzigo_pipelines.resources.home import Kind, load_home

    home = load_home()
    _require_free(port)
    use_dagster_home(home)
    command = [sys.executable, "-m", "dagster", "dev", "--module-name", "amzigo_pipelines.definitions"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    say(f"Dagster UI: http://127.0.0.1:{port} (stop with Ctrl-C)")
    with contextlib.ExitStack() as services:
        # Whoever ends us with SIGTERM gets the same orderly end as with Ctrl-C: nothing is left running.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        if home.kind is Kind.TEST:
            services.enter_context(running_simulator(home, rate_scale=home.rate_scale))
        code = services.enter_context(running(command)).wait()
    raise typer.Exit(code)


def simulator(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen on; default: the home's, or 8571.")
    ] = None,
    first_day: Annotated[
        date | None, typer.Option(parser=parse_day, metavar="DATE", help="First day of the world; default: the home's.")
    ] = None,
    orders_per_day: Annotated[
        int | None, typer.Option(min=1, help="Orders a seller and day; default: the home's.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed and first day, same world; default: the home's.")] = None,
    rate_scale: Annotated[
        float | None, typer.Option(min=0.001, help="Multiplies Amazon's request limits; default: the home's, or 1.")
    ] = None,
    virtual_now: Annotated[
        str | None, typer.Option(help="Stand still at this instant until PUT /simulator/clock moves it.")
    ] = None,
) -> None:
    """Run the simulated SP-API until stopped.

    Synthetic sellers, on this machine only (127.0.0.1).

    Example: amzigo simulator --port 8571
    """
    from urllib.parse import urlsplit

    from amzigo_pipelines.clock import Clock, SystemClock, VirtualClock, today
    from amzigo_pipelines.resources.home import HomeError, load_home
    from amzigo_pipelines.simulator.calls import SimulatorSettings
    from amzigo_pipelines.simulator.server import serve
    from amzigo_pipelines.simulator.world import World, demo_config

    clock: Clock = SystemClock()
    if virtual_now is not None:
        try:
            clock = VirtualClock(datetime.fromisoformat(virtual_now))
        except ValueError:
            raise ServiceRefused(f"{virtual_now!r} is no instant: write it as 2026-11-20T00:30:00+00:00") from None
    try:
        home = load_home()
    except HomeError:
        home = None
    start = first_day or (home.first_day if home else today(clock) - timedelta(days=45))
    config = demo_config(
        start,
        orders_per_day=orders_per_day or (home.orders_per_day if home else 200),
        seed=seed if seed is not None else (home.simulator_seed if home else 1),
    )
    listen = port or (urlsplit(home.endpoint).port if home and home.endpoint else None) or 8571
    _require_free(listen)
    say(f"simulated SP-API on http://127.0.0.1:{listen}: synthetic people only")
    for seller in config.sellers:
        say(f"  seller {seller.seller_id}, refresh token {seller.refresh_token}")
    scale = rate_scale or (home.rate_scale if home else 1.0)
    serve(World(config), clock, SimulatorSettings(rate_scale=scale), port=listen)


def _require_free(port: int) -> None:
    # Before anything is started or said: Dagster would start its daemon first and then end in a traceback.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ServiceRefused(
                f"port {port} of 127.0.0.1 can't be used ({error.strerror}): stop what listens there, or choose "
                "another with --port"
            ) from None
