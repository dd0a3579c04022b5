"""Asking for reports over HTTP and reading them, for the tests of the report types.

Belongs here: from a type to its lines. Does not belong here: expectations.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import httpx

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.simulator.server import SimulatorServer, SimulatorSettings
from amzigo_pipelines.simulator.world import World

from .conftest import NOW, Client

PLAIN = httpx.Client(timeout=60, verify=False, trust_env=False)
_CHARSETS = {"Cp1252": "cp1252", "Windows-31J": "cp932", "UTF-8": "utf-8"}


@contextmanager
def running(
    world: World, *seller_ids: str, now: datetime = NOW, **settings: Any
) -> Iterator[tuple[SimulatorServer, list[Client]]]:
    """A simulator of one's own with clients for sellers."""
    chosen = SimulatorSettings(**({"rate_scale": 10_000.0} | settings))
    with SimulatorServer(world, VirtualClock(now), chosen) as server:
        yield server, [Client(server.url, world.profile(seller_id)) for seller_id in seller_ids]


def report(client: Client, kind: str, start: datetime | None = None, end: datetime | None = None, **body: Any) -> Any:
    """Ask for a report and wait until it is finished: Amazon's description of it."""
    window = {"dataStartTime": start, "dataEndTime": end}
    body |= {name: moment.isoformat() for name, moment in window.items() if moment is not None}
    answer = client.ask_report(kind, **body)
    assert answer.status_code == 202, answer.text
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = client.http.get(f"/reports/2021-06-30/reports/{answer.json()['reportId']}").json()
        if found["processingStatus"] in ("DONE", "CANCELLED", "FATAL"):
            return found
    raise AssertionError("the report is never finished")


def text_of(client: Client, kind: str, *window: datetime, **body: Any) -> str:
    """The content of a report."""
    found = report(client, kind, *window, **body)
    assert found["processingStatus"] == "DONE", found
    document = client.http.get(f"/reports/2021-06-30/documents/{found['reportDocumentId']}").json()
    answer = PLAIN.get(document["url"])
    charset = answer.headers["content-type"].partition("charset=")[2]
    return gzip.decompress(answer.content).decode(_CHARSETS[charset])


def rows_of(client: Client, kind: str, *window: datetime, **body: Any) -> list[dict[str, str]]:
    """The lines of a report as mappings from column to field; no lines if it ends in CANCELLED."""
    if report(client, kind, *window, **body)["processingStatus"] == "CANCELLED":
        return []
    header, *lines = text_of(client, kind, *window, **body).splitlines()
    names = header.split("\t")
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines]
