"""When backups are made and tried out: the jobs and schedules of `backup` and `restore_drill`.

Belongs here: which run is asked for when. Does not belong here: what a run does (`retention/backup_assets.py`), and
everything else that runs by itself (`automation/`).
"""

# No "from __future__ import annotations" here: Dagster reads the annotations of schedules itself.

import dagster as dg

from amzigo_pipelines.clock import today
from amzigo_pipelines.resources.platform import Platform

_NO_FOLDER = dg.SkipReason("No folder for backups is set: give one under [backup] in amzigo.toml.")

backup_job = dg.define_asset_job(
    "daily_backup",
    selection=dg.AssetSelection.assets("backup"),
    description="Make a backup of the books and of all sellers' business and pseudonymous data.",
    executor_def=dg.in_process_executor,
)
restore_drill_job = dg.define_asset_job(
    "weekly_restore_drill",
    selection=dg.AssetSelection.assets("restore_drill"),
    description="Restore the newest backup, compare it with the ledger, and remove it again.",
    executor_def=dg.in_process_executor,
)


@dg.schedule(
    job=backup_job,
    cron_schedule="30 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night, after extraction and retention.",
)
def backup_schedule(
    context: dg.ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.RunRequest | dg.SkipReason:
    """Ask for a backup, where a folder for it is set."""
    if not platform.home.backup.folder:
        return _NO_FOLDER
    return dg.RunRequest(run_key=today(platform.clock).isoformat())


@dg.schedule(
    job=restore_drill_job,
    cron_schedule="30 5 * * 0",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every Sunday: a backup that nobody ever restored is none.",
)
def restore_drill_schedule(
    context: dg.ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.RunRequest | dg.SkipReason:
    """Ask for a drill, where backups are made."""
    if not platform.home.backup.folder:
        return _NO_FOLDER
    return dg.RunRequest(run_key=today(platform.clock).isoformat())


BACKUP_JOBS = (backup_job, restore_drill_job)
BACKUP_SCHEDULES = (backup_schedule, restore_drill_schedule)
