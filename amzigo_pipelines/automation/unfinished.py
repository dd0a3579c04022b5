"""Whether a run is still to come or going on: nobody asks for the same a second time meanwhile.

Belongs here: the question. Does not belong here: what is asked for when (the modules beside this one).
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def is_unfinished(instance: dg.DagsterInstance, job: str, tags: Mapping[str, str] | None = None) -> bool:
    """Whether a run of a job has not ended.

    Args:
        instance: Dagster's records.
        job: its name.
        tags: only runs with these tags.
    """
    wanted = dg.RunsFilter(job_name=job, tags=dict(tags or {}), statuses=_UNFINISHED)
    return bool(instance.get_runs(wanted, limit=1))
