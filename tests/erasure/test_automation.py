"""Erasures and holds in Dagster: sensors ask for what is to be done, runs do it, the check tells what is late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
import pytest
from erasure_kit import ANNA, DAY, SELLER, Sold, move, people, write

from amzigo_pipelines.automation.privacy import (
    DEADLINE_JOB,
    ERASURE_JOB,
    HOLD_JOB,
    align_erasure_partitions,
    approved_erasures,
    hold_work,
)
from amzigo_pipelines.clock import VirtualClock
from amzigo_pipelines.definitions import build_definitions
from amzigo_pipelines.quality.erasure_checks import check_deadlines
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention import erasures, holds
from amzigo_pipelines.retention.certificates import verify_chain
from amzigo_pipelines.retention.erasures import Source, State
from amzigo_pipelines.retention.subjects import buyer_subject


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


def asked(sensor: dg.SensorDefinition, instance: dg.DagsterInstance, platform: Platform) -> list[dg.RunRequest]:
    context = dg.build_sensor_context(instance=instance, resources={"platform": platform})
    return [one for one in sensor(context) if isinstance(one, dg.RunRequest)]  # type: ignore[union-attr]


def run(
    job: str, instance: dg.DagsterInstance, platform: Platform, key: str | None = None
) -> dg.ExecuteInProcessResult:
    found = build_definitions(platform).resolve_job_def(job)
    return found.execute_in_process(instance=instance, partition_key=key, raise_on_error=False)


def test_only_approved_requests_are_asked_for_and_carried_out(platform: Platform, instance: dg.DagsterInstance) -> None:
    # The rows of these tests are no world of which marts could be made.
    request_id = erasures.receive_buyer(platform, SELLER, email=ANNA, actor="tester").request.request_id
    assert asked(approved_erasures, instance, platform) == []
    erasures.approve(platform, request_id, "tester")
    (request,) = asked(approved_erasures, instance, platform)
    assert (request.partition_key, request.tags["amzigo/seller"]) == (request_id, SELLER)
    result = run(ERASURE_JOB, instance, platform, request_id)
    assert result.success
    (event,) = result.asset_materializations_for_node("erasures")
    assert event.metadata["dagster/row_count"].value == 8
    assert "111-A" not in people(platform)["orders"]
    assert erasures.get(platform, request_id).state is State.CERTIFIED
    assert asked(approved_erasures, instance, platform) == []


def test_a_failed_run_says_why_without_anybodys_data_and_is_asked_for_again(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    request_id = erasures.receive_buyer(platform, SELLER, email=ANNA, actor="tester").request.request_id
    erasures.approve(platform, request_id, "tester")
    align_erasure_partitions(instance, platform)
    (file,) = platform.lake.files("orders", SELLER, [DAY - timedelta(days=1)], ["pii"])  # type: ignore[list-item]
    path = platform.home.lake_dir / file.path
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    result = run(ERASURE_JOB, instance, platform, request_id)
    assert not result.success
    (first,) = asked(approved_erasures, instance, platform)
    platform.clock.set(platform.clock.now() + timedelta(hours=1))  # type: ignore[attr-defined]
    (second,) = asked(approved_erasures, instance, platform)
    assert first.run_key != second.run_key
    path.write_bytes(whole)
    assert run(ERASURE_JOB, instance, platform, request_id).success
    assert len(verify_chain(platform)) == 1


def test_holds_are_worked_on_when_there_is_something_to_do(platform: Platform, instance: dg.DagsterInstance) -> None:
    assert isinstance(platform.clock, VirtualClock)
    subject = buyer_subject(platform, SELLER, email=ANNA, actor="tester")
    hold = holds.add(platform, subject, holds.HoldTerms("case 7", "a court", DAY + timedelta(days=5)), actor="tester")
    assert asked(hold_work, instance, platform) == []
    platform.clock.set(platform.clock.now() + timedelta(hours=1))
    write(platform, DAY - timedelta(days=1), [Sold("444-A", ANNA, DAY + timedelta(days=9))])
    assert len(asked(hold_work, instance, platform)) == 1
    assert run(HOLD_JOB, instance, platform).success
    assert asked(hold_work, instance, platform) == []
    held = {row for _, table in holds.read(platform, hold.hold_id, purpose="p", actor="tester") for row in ids(table)}
    assert held == {"111-A", "333-A", "444-A"}
    move(platform, hold.ends_on)
    assert len(asked(hold_work, instance, platform)) == 1
    result = run(HOLD_JOB, instance, platform)
    (event,) = result.asset_materializations_for_node("legal_holds")
    assert event.metadata["vaults_destroyed"].value == hold.hold_id
    assert asked(hold_work, instance, platform) == []


def ids(table: object) -> list[str]:
    names = table.column_names  # type: ignore[attr-defined]
    return table.column("order_id").to_pylist() if "order_id" in names else []  # type: ignore[attr-defined]


def test_the_check_fails_on_what_is_late(platform: Platform, instance: dg.DagsterInstance) -> None:
    def looked() -> tuple[bool, str]:
        result = run(DEADLINE_JOB, instance, platform)
        (evaluation,) = result.get_asset_check_evaluations()
        assert evaluation.passed == check_deadlines(platform).passed
        return evaluation.passed, evaluation.severity.value

    assert looked()[0]
    erasures.receive_buyer(platform, SELLER, email=ANNA, source=Source.AMAZON, actor="tester")
    assert looked()[0]
    move(platform, DAY + timedelta(days=26))
    assert looked() == (False, "WARN")
    move(platform, DAY + timedelta(days=31))
    assert looked() == (False, "ERROR")
    erasures.refuse(platform, "E000001", "not a buyer of ours", "tester")
    assert looked()[0]
