"""When the audit trail is reviewed, checked and cleared of what is over a year old: its jobs and schedules.

Belongs here: which run is asked for when. Does not belong here: what a run does (`review/assets.py`).
"""

# No "from __future__ import annotations" here: Dagster reads the annotations of schedules itself.

import dagster as dg

from amzigo_pipelines.clock import today
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.review.assets import AUDIT_RETENTION, AUDIT_REVIEW
from amzigo_pipelines.review.reviews import due_spans

REVIEW_JOB, RETENTION_JOB = "audit_review_job", "audit_retention_job"

audit_review_job = dg.define_asset_job(
    REVIEW_JOB,
    selection=dg.AssetSelection.assets(AUDIT_REVIEW).without_checks(),
    description="Look through the audit trail of two weeks, for somebody to sign off.",
    executor_def=dg.in_process_executor,
)
audit_retention_job = dg.define_asset_job(
    RETENTION_JOB,
    selection=dg.AssetSelection.assets(AUDIT_RETENTION) | dg.AssetSelection.checks_for_assets(AUDIT_REVIEW),
    description="Sign the audit trail's head, delete what is over a year old, check chain and reviews.",
    executor_def=dg.in_process_executor,
)


@dg.schedule(
    job=audit_review_job,
    cron_schedule="0 7 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every morning: are two weeks over that nobody looked through? So every second Monday, or later.",
)
def audit_review_schedule(
    context: dg.ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.RunRequest | dg.SkipReason:
    """Ask for a review, where one is due."""
    spans = due_spans(platform)
    if not spans:
        return dg.SkipReason("Every two weeks that are over have a review.")
    return dg.RunRequest(run_key=f"{today(platform.clock)}|{spans[-1][1]:%Y-%m-%d}")


@dg.schedule(
    job=audit_retention_job,
    cron_schedule="30 6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every morning: sign the trail's head, delete entries of more than a year ago, check the chain.",
)
def audit_retention_schedule(
    context: dg.ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.RunRequest:
    """Ask for it."""
    return dg.RunRequest(run_key=today(platform.clock).isoformat())


AUDIT_JOBS = (audit_review_job, audit_retention_job)
AUDIT_SCHEDULES = (audit_review_schedule, audit_retention_schedule)
