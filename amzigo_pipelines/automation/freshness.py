"""When freshness is looked at: every hour, whether or not anything ran.

Belongs here: the job and its schedule. Does not belong here: what is looked at (`quality/completeness.py`).
"""

from __future__ import annotations

import dagster as dg

from amzigo_pipelines.quality.freshness_checks import freshness_keys

FRESHNESS_JOB = "hourly_freshness_checks"

freshness_job = dg.define_asset_job(
    FRESHNESS_JOB,
    selection=dg.AssetSelection.checks(*freshness_keys()),
    description="All sellers: which days are there, late, missing, empty or failed.",
    executor_def=dg.in_process_executor,
)
freshness_schedule = dg.ScheduleDefinition(
    name=f"{FRESHNESS_JOB}_schedule",
    job=freshness_job,
    cron_schedule="20 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every hour: lateness is the absence of a run, which no run can tell.",
)
