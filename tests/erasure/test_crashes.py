"""Erasures killed at each step: the next run finishes, nobody else lost a row, and the certificate tells all of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Barrier, Thread

import pytest
from erasure_kit import ANNA, DAY, OTHER, SELLER, business, lake_bytes, no_publish, open_platform, people

from amzigo_pipelines.resources.locks import exclusive
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention import erasures, holds
from amzigo_pipelines.retention.certificates import verify_chain
from amzigo_pipelines.retention.erasing import erase, remove_seller
from amzigo_pipelines.retention.erasures import ErasureBusy, State
from amzigo_pipelines.retention.hold_ending import end_holds
from amzigo_pipelines.retention.subjects import buyer_subject

HERE = Path(__file__).parent
KILLED = str(int(signal.SIGKILL))
OTHERS = {"111-B", "111-N", "222-B", "333-B"}
PERSON_STEPS = (
    "running",
    "tombstones",
    "found",
    "holds_secured",
    "rewritten",
    "durable",
    "swapped",
    "committed",
    "unlinked",
    "key_replaced",
    "rows_removed",
    "kek_pii",
    "kek_pseudonym",
    "looked",
    "verified",
    "certified",
    "certificate_written",
)
SELLER_STEPS = (
    "running",
    "tombstones",
    "holds_secured",
    "seller_removed",
    "keys_destroyed",
    "kek_business",
    "kek_secret",
    "files_unlinked",
    "marts_dropped",
    "looked",
    "verified",
    "certified",
    "certificate_written",
)
HOLD_STEPS = ("ending", "key_destroyed", "kek_exchanged", "backups_ended", "files_removed", "verified", "certified")
Kill = Callable[[Platform, str, str], str]


@pytest.fixture(scope="module")
def kill() -> Iterator[Kill]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AMZIGO_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parent.parent), environment.get("PYTHONPATH", "")])
    command = [sys.executable, str(HERE / "erasure_child.py")]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout
        assert stdout.readline().strip() == "ready"

        def run(platform: Platform, what: str, step: str) -> str:
            stdin.write(f"{platform.home.path}|{what}|{step}\n")
            stdin.flush()
            return stdout.readline().strip()

        yield run
        stdin.close()


def certified(platform: Platform) -> tuple[int, int]:
    """Keys and rows of the one certificate that there is."""
    (certificate,) = verify_chain(platform)
    (statement,) = certificate.body["sellers"]
    return statement["keys"], statement["rows"]


@pytest.mark.parametrize("step", PERSON_STEPS)
def test_an_erasure_killed_then_run_again(platform: Platform, kill: Kill, step: str) -> None:
    before = business(platform)
    request_id = erasures.receive_buyer(platform, SELLER, email=ANNA, actor="tester").request.request_id
    erasures.approve(platform, request_id, "tester")
    assert kill(platform, request_id, step) == KILLED
    # Whatever the moment: everybody else is still there.
    platform = open_platform(platform.home.path)
    assert all(found >= OTHERS for found in people(platform).values())
    assert erase(platform, request_id, publish=no_publish, actor="tester").state is State.CERTIFIED
    assert set(map(frozenset, people(platform).values())) == {frozenset(OTHERS)}
    assert business(platform) == before
    assert certified(platform) == (3, 8)
    assert {len(platform.keks.versions(purpose)) for purpose in ("pii", "pseudonym")} == {1}
    platform.lake.sweep()
    assert set(lake_bytes(platform)) == {file.path for file in platform.lake.files()}


@pytest.mark.parametrize("step", SELLER_STEPS)
def test_offboarding_killed_then_run_again(platform: Platform, kill: Kill, step: str) -> None:
    other = (business(platform, OTHER), people(platform, OTHER))
    keys = len(platform.keys.alive(SELLER))
    request_id = erasures.receive_seller(platform, SELLER, actor="tester").request.request_id
    erasures.approve(platform, request_id, "tester")
    assert kill(platform, request_id, step) == KILLED
    platform = open_platform(platform.home.path)
    if step.startswith("certif"):
        request = erase(platform, request_id, publish=no_publish, actor="tester")
    else:
        # The person who ran `seller remove` runs it again.
        request = remove_seller(platform, SELLER, "tester")
    assert (request.request_id, request.state) == (request_id, State.CERTIFIED)
    assert certified(platform)[0] == keys
    assert platform.keys.alive(SELLER) == []
    assert not list(platform.home.lake_dir.glob(f"*/seller={SELLER}"))
    assert (business(platform, OTHER), people(platform, OTHER)) == other


@pytest.mark.parametrize("step", HOLD_STEPS)
def test_the_end_of_a_hold_killed_then_run_again(platform: Platform, kill: Kill, step: str) -> None:
    subject = buyer_subject(platform, SELLER, email=ANNA, actor="tester")
    hold = holds.add(platform, subject, holds.HoldTerms("case 7", "a court", DAY.replace(day=20)), actor="tester")
    with platform.control.transaction() as connection:
        connection.exec_driver_sql("UPDATE holds SET state = 'ending'")
    assert kill(platform, "holds", step) == KILLED
    platform = open_platform(platform.home.path)
    end_holds(platform, actor="tester")
    assert holds.get(platform, hold.hold_id).state == holds.ENDED
    (certificate,) = verify_chain(platform)
    assert (certificate.retention_class, certificate.body["sellers"][0]["rows"]) == ("hold", 14)
    assert platform.vault.is_gone(hold.number)
    assert platform.keys.alive(SELLER) and hold.key_id not in {k.key_id for k in platform.keys.alive(SELLER)}


def test_two_at_once(platform: Platform) -> None:
    request_id = erasures.receive_buyer(platform, SELLER, email=ANNA, actor="tester").request.request_id
    erasures.approve(platform, request_id, "tester")
    with exclusive(platform.home.lock_dir, f"erasure-{SELLER}"), pytest.raises(ErasureBusy, match="another erasure"):
        erase(platform, request_id, publish=no_publish, actor="tester")
    barrier, outcomes = Barrier(2), list[object]()

    def run() -> None:
        mine = open_platform(platform.home.path)
        barrier.wait()
        try:
            outcomes.append(erase(mine, request_id, publish=no_publish, actor="tester").state)
        except ErasureBusy as busy:
            outcomes.append(busy)

    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert State.CERTIFIED in outcomes and len(outcomes) == 2
    assert certified(platform) == (3, 8)
    assert people(platform)["orders"] == OTHERS


def test_two_requests_for_the_same_at_once_are_one(platform: Platform) -> None:
    barrier = Barrier(4)

    def ask() -> None:
        mine = open_platform(platform.home.path)
        barrier.wait()
        erasures.receive_order(mine, SELLER, "111-A", actor="tester")

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (request,) = erasures.list_requests(platform)
    assert request.times_asked == 4
