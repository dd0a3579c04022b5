"""Random faults in any order and number: the lake ends equal to the truth, or the step failed and it is as before.

Every example starts from a day that is stored already. Hours later, while faults strike, each source is extracted
again: where that says that it succeeded, the partition is the truth of that moment; where it fails, with a sentence of
ours, the partition is what it was, version and all. Then the faults stop, and one more extraction makes it the truth.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.home import load_home
from amzigo_pipelines.resources.spapi.auth import TOKENS
from amzigo_pipelines.resources.spapi.retries import Retries
from amzigo_pipelines.simulator.server import SimulatorServer
from amzigo_pipelines.simulator.world import World
from tests.extraction.conftest import Platform
from tests.faults.kit import (
    INVENTORY,
    LISTINGS,
    NOW,
    ORDERS,
    SELLER,
    SHIPMENTS,
    Truth,
    extract,
    facts,
    make_platform,
    on_disk,
    versions,
)

# The present can be told for a day and the next one, so the last extraction of snapshots comes sooner than a report
# that never ended is asked for anew.
SOON, LATE = (ORDERS, INVENTORY, LISTINGS), (SHIPMENTS,)
LATER, AT_LAST, MUCH_LATER = NOW + timedelta(hours=5), NOW + timedelta(hours=11), NOW + timedelta(hours=31)

CALLS = ("searchOrders", "getInventorySummaries", "createReport", "getReport", "getReports", "getReportDocument")
BODIES = (
    None,
    "{}",
    "<html>Sorry!</html>",
    '{"message": "Forbidden"}',
    '{"errors": [{"code": "Some"}]}',
    '{"orders": []}',
)


def fault(operations: Sequence[str], kinds: Sequence[str], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {
            "operation": st.sampled_from(operations),
            "kind": st.sampled_from(kinds),
            "times": st.one_of(st.integers(1, 3), st.just(50)),
            "after": st.integers(0, 3),
            **fields,
        }
    )


ANYWHERE = (*CALLS, "downloadReport", "token", "*")
STATUSES = (200, 204, 301, 400, 401, 403, 404, 408, 409, 413, 415, 429, 500, 502, 503, 504)
FAULTS = st.one_of(
    fault(ANYWHERE, ("status",), status=st.sampled_from(STATUSES), body=st.sampled_from(BODIES)),
    fault(ANYWHERE, ("html_503", "empty_429", "reset", "forbidden_message", "forbidden_errors")),
    fault(ANYWHERE, ("json_429",), retry_after=st.integers(0, 90)),
    fault(ANYWHERE, ("torn_body",), keep=st.floats(0, 0.99)),
    fault(CALLS, ("expired_token",), status=st.sampled_from((401, 403))),
    fault(("searchOrders", "getInventorySummaries"), ("repeat_page",)),
    fault(("createReport",), ("fatal", "cancelled")),
    fault(("createReport/GET_AMAZON_FULFILLED_SHIPMENTS_DATA_GENERAL",), ("fatal", "cancelled", "never_ends")),
    fault(("downloadReport",), ("truncated_gzip",), keep=st.floats(0, 0.99)),
    fault(("downloadReport",), ("expired_link", "error_sentence")),
)


def move(platform: Platform, server: SimulatorServer, now: Any) -> None:
    for clock in (platform.clock, server.clock):
        clock.set(now)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, session_server: SimulatorServer, world: World) -> Path:
    """An installation with the day as it was at NOW: every example begins with a copy of it."""
    session_server.faults.clear()
    session_server.clock.set(NOW)  # type: ignore[attr-defined]
    folder = tmp_path_factory.mktemp("stored")
    platform = make_platform(folder, session_server.url)
    for source in (*SOON, *LATE):
        extract(platform, source)
        assert facts(platform, source) == Truth(world, NOW).of(source)
    return folder


@settings(
    max_examples=10,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(faults=st.lists(FAULTS, min_size=1, max_size=6))
def test_whatever_happens_the_lake_ends_equal_to_the_truth(
    stored: Path, server: SimulatorServer, world: World, faults: list[dict[str, Any]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server.faults.clear()
        TOKENS.clear()
        shutil.copytree(stored / "home", Path(folder) / "home")
        platform = Platform(load_home(Path(folder) / "home"), VirtualClock(NOW))
        platform.client = {"retries": Retries(platform.sleep, attempts=3)}
        move(platform, server, LATER)
        server.faults.set(faults)
        for source in (*SOON, *LATE):
            before = versions(platform, source), facts(platform, source)
            try:
                extract(platform, source)
            except AmzigoError as error:
                note(f"{source[0]}: {error}")
                assert SELLER in str(error)
                assert (versions(platform, source), facts(platform, source)) == before
            else:
                assert facts(platform, source) == Truth(world, LATER).of(source)
        note(str(server.faults.describe()))
        assert on_disk(platform) == {file.path for file in platform.lake.files(seller_id=SELLER)}

        server.faults.clear()
        for now, sources in ((AT_LAST, SOON), (MUCH_LATER, LATE)):
            move(platform, server, now)
            for source in sources:
                extract(platform, source)
                assert facts(platform, source) == Truth(world, now).of(source)
