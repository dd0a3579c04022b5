"""A run whose command was killed with -9 is ended, and no other is."""

from __future__ import annotations

import subprocess
import sys
import time

import dagster as dg
from dagster._core.test_utils import create_run_for_test

from amzigo_pipelines.automation.killed_commands import PROCESS_TAG, end_killed_commands, is_gone, process_mark


def test_runs_of_killed_commands_are_ended_and_others_go_on() -> None:
    started = dg.DagsterRunStatus.STARTED
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as command:
        mark = process_mark(command.pid)
        assert not is_gone(mark) and not is_gone(process_mark())
        with dg.DagsterInstance.ephemeral() as instance:
            killed = create_run_for_test(instance, status=started, tags={PROCESS_TAG: mark}).run_id
            mine = create_run_for_test(instance, status=started, tags={PROCESS_TAG: process_mark()}).run_id
            launched = create_run_for_test(instance, status=started).run_id
            elsewhere = create_run_for_test(instance, status=started, tags={PROCESS_TAG: "another-host:1:7"}).run_id

            def look() -> dict[str, dg.DagsterRunStatus]:
                context = dg.build_sensor_context(instance=instance)
                assert isinstance(end_killed_commands(context), dg.SkipReason)
                return {run.run_id: run.status for run in instance.get_runs()}

            assert set(look().values()) == {started}
            command.kill()
            # Not waited for yet: a zombie has ended too.
            end = time.monotonic() + 10
            while not is_gone(mark) and time.monotonic() < end:
                time.sleep(0.01)
            after = look()
            assert after.pop(killed) is dg.DagsterRunStatus.FAILURE
            assert after == dict.fromkeys((mine, launched, elsewhere), started)


def test_an_id_that_was_given_anew_is_another_process() -> None:
    host, pid, began = process_mark().split(":")
    assert began and is_gone(f"{host}:{pid}:{int(began) - 1}")


def test_what_is_no_mark_ends_nothing() -> None:
    for mark in ("", "x", "x:y:z", ":::"):
        assert not is_gone(mark)
