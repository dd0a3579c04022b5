"""What runs by itself for erasure requests and legal holds: jobs, sensors, and the daily look at deadlines.

Belongs here: which run is asked for when, level-triggered like `automation/`. Does not belong here: what a run does
(`retention/erasure_assets.py`), and approving requests, which a person does.
"""

# No "from __future__ import annotations" here: Dagster reads the annotations of schedules and sensors itself.

from collections.abc import Iterator

import dagster as dg

from amzigo_pipelines.automation.unfinished import is_unfinished
from amzigo_pipelines.quality.erasure_checks import DEADLINES
from amzigo_pipelines.resources.labels import SELLER_TAG
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention import erasures, holds
from amzigo_pipelines.retention.erasure_assets import ERASURE_REQUESTS, ERASURES, LEGAL_HOLDS
from amzigo_pipelines.retention.erasures import State

ERASURE_JOB = "erasure"
HOLD_JOB = "legal_holds_job"
DEADLINE_JOB = "erasure_deadlines_job"

erasure_job = dg.define_asset_job(
    ERASURE_JOB,
    selection=dg.AssetSelection.assets(ERASURES).without_checks(),
    description="One erasure request: take the subject out of lake and marts for good, verify, certify.",
    executor_def=dg.in_process_executor,
)
hold_job = dg.define_asset_job(
    HOLD_JOB,
    selection=dg.AssetSelection.assets(LEGAL_HOLDS),
    description="Copy what legal holds cover into the vault, destroy the vaults of those that are over.",
    executor_def=dg.in_process_executor,
)
deadline_job = dg.define_asset_job(
    DEADLINE_JOB,
    selection=dg.AssetSelection.checks(dg.AssetCheckKey(ERASURES, DEADLINES)),
    description="Look whether an erasure request is past its deadline, or soon will be.",
    executor_def=dg.in_process_executor,
)


def align_erasure_partitions(instance: dg.DagsterInstance, platform: Platform) -> None:
    """Make Dagster know the requests of the control database that are to be carried out, or were."""
    decided = (State.APPROVED, State.RUNNING, State.VERIFIED, State.CERTIFIED)
    wanted = [request.request_id for request in erasures.list_requests(platform, decided)]
    name = str(ERASURE_REQUESTS.name)
    known = set(instance.get_dynamic_partitions(name))
    if missing := [request_id for request_id in wanted if request_id not in known]:
        instance.add_dynamic_partitions(name, missing)


@dg.sensor(
    job=erasure_job,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Carries out approved erasure requests; one that failed is asked for again every hour.",
)
def approved_erasures(
    context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for a run of every request that is approved and not certified."""
    align_erasure_partitions(context.instance, platform)
    asked = 0
    for request in erasures.list_requests(platform, (State.APPROVED, State.RUNNING, State.VERIFIED)):
        if is_unfinished(context.instance, ERASURE_JOB, {"dagster/partition": request.request_id}):
            continue
        asked += 1
        yield dg.RunRequest(
            run_key=f"{request.request_id}|{platform.clock.now():%Y-%m-%dT%H}",
            partition_key=request.request_id,
            tags={SELLER_TAG: request.seller_id},
        )
    if not asked:
        yield dg.SkipReason("No erasure request is approved and not done, or its run has not ended yet.")


@dg.sensor(
    job=hold_job,
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Copies new data that a legal hold covers, and ends holds that are over.",
)
def hold_work(
    context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for a run when the lake of a held seller changed since it was looked through, or when a hold is over."""
    changed = [
        (hold.hold_id, changed_at)
        for hold in holds.active(platform)
        if (changed_at := platform.lake.changed_at(hold.seller_id)) is not None
        and (hold.secured_at is None or changed_at > hold.secured_at)
    ]
    over = [hold.hold_id for hold in holds.over(platform)]
    if not changed and not over:
        yield dg.SkipReason("Everything that holds cover is in the vault, and no hold is over.")
    elif is_unfinished(context.instance, HOLD_JOB):
        yield dg.SkipReason("A run is under way.")
    else:
        what = [*over, *(f"{hold_id} {changed_at.isoformat()}" for hold_id, changed_at in changed)]
        yield dg.RunRequest(run_key=f"{platform.clock.now():%Y-%m-%dT%H}|{';'.join(what)}")


@dg.schedule(
    job=deadline_job,
    cron_schedule="0 6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every morning: is an erasure request late?",
)
def erasure_deadline_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for the look at the deadlines."""
    return dg.RunRequest()


PRIVACY_JOBS = (erasure_job, hold_job, deadline_job)
PRIVACY_SCHEDULES = (erasure_deadline_schedule,)
PRIVACY_SENSORS = (approved_erasures, hold_work)
