"""When retention runs by itself: a job and a schedule for each class, and one for the checks.

Belongs here: which sweep is asked for when. Does not belong here: what a sweep does (`sweep.py`), and the jobs that
extract and publish (`automation/pipeline.py`).
"""

# No "from __future__ import annotations" here: Dagster reads the annotations of schedules itself.

from typing import TYPE_CHECKING

import dagster as dg

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.clock import today
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.assets import asset_name

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

CHECKS_JOB = "daily_retention_checks"
# Just after midnight UTC, personal data first.
_MINUTES = {RetentionClass.PII: 5, RetentionClass.PSEUDONYM: 10, RetentionClass.BUSINESS: 15}


def job_name(retention_class: RetentionClass) -> str:
    """Name of a class's daily job, such as `daily_pii_retention`."""
    return f"daily_{asset_name(retention_class)}"


def _job(retention_class: RetentionClass) -> "UnresolvedAssetJobDefinition":
    return dg.define_asset_job(
        job_name(retention_class),
        # Its check looks on its own, also after a sweep that failed.
        selection=dg.AssetSelection.assets(asset_name(retention_class)).without_checks(),
        description=f"All sellers: destroy the keys of {retention_class} data whose date has come, verify, certify.",
        executor_def=dg.in_process_executor,
    )


def _schedule(retention_class: RetentionClass, job: "UnresolvedAssetJobDefinition") -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{job_name(retention_class)}_schedule",
        job=job,
        cron_schedule=f"{_MINUTES[retention_class]} 0 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Every day just after midnight UTC: {retention_class} data whose date has come is destroyed.",
    )
    def schedule(context: dg.ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]) -> dg.RunRequest:
        # The sweep of today takes with it whatever an earlier day left behind.
        day = today(platform.clock).isoformat()
        return dg.RunRequest(run_key=day, partition_key=day)

    return schedule


_CLASS_JOBS = {retention_class: _job(retention_class) for retention_class in RetentionClass}
checks_job = dg.define_asset_job(
    CHECKS_JOB,
    selection=dg.AssetSelection.checks_for_assets(*(asset_name(one) for one in RetentionClass)),
    description="Whether anything is past its date of death, or may come to be within five days.",
    executor_def=dg.in_process_executor,
)
checks_schedule = dg.ScheduleDefinition(
    name=f"{CHECKS_JOB}_schedule",
    job=checks_job,
    cron_schedule="0 1 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day at 01:00 UTC, after the sweeps: whether anything is past its date of death.",
)

RETENTION_JOBS = (*_CLASS_JOBS.values(), checks_job)
RETENTION_SCHEDULES = {one: _schedule(one, job) for one, job in _CLASS_JOBS.items()}
SCHEDULES = (*RETENTION_SCHEDULES.values(), checks_schedule)
