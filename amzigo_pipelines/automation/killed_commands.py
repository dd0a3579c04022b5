"""Runs whose command was killed: they are ended, or their seller's next runs would wait for them for ever.

A command executes its run in its own process. Killed with -9, or gone with its machine's power, it can't say so, and
Dagster takes the run for one that goes on: it asks the launcher about processes that the launcher started, and about
no other. So each command marks its run with its process, and a sensor looks whether that still lives.

Belongs here: the mark and the look. Does not belong here: what a run that was ended leaves (everything that was
committed), and asking for it again (`pipeline.py`).
"""

# No "from __future__ import annotations" here: Dagster reads the annotations of sensors itself.

import os
import socket
from pathlib import Path

import dagster as dg

PROCESS_TAG = "amzigo/process"
# The place of the moment at which a process began in /proc/PID/stat, counted after the name, which may hold spaces.
_STARTED_AT = 19


def process_mark(pid: int | None = None) -> str:
    """The mark of a process of this machine: host, id, and when it began, as ids are given anew.

    Args:
        pid: its id; this process's when None.
    """
    pid = os.getpid() if pid is None else pid
    return f"{socket.gethostname()}:{pid}:{_began(pid)}"


def is_gone(mark: str) -> bool:
    """Whether the process of a mark is of this machine, and lives no more."""
    host, _, rest = mark.partition(":")
    pid_text, _, began = rest.partition(":")
    if host != socket.gethostname() or not pid_text.isdecimal():
        return False
    pid = int(pid_text)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return _began(pid) != began


def _began(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except OSError:
        # No such system: the id alone must do.
        return ""
    fields = stat.rpartition(")")[2].split()
    # A zombie has ended; nobody has asked for its exit code yet.
    return "ended" if fields[0] == "Z" else fields[_STARTED_AT]


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose command was killed: the seller's next runs would wait for them for ever.",
)
def end_killed_commands(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Report runs as failed whose process is gone."""
    going_on = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])
    ended = 0
    for run in context.instance.get_runs(going_on):
        mark = run.tags.get(PROCESS_TAG)
        if mark and is_gone(mark):
            context.instance.report_run_failed(
                run,
                "the command that ran it was killed: what it committed stays; run it again, or wait for the schedule",
            )
            ended += 1
    return dg.SkipReason(f"{ended} runs of killed commands ended." if ended else "No command was killed within a run.")


COMMAND_SENSORS = (end_killed_commands,)
