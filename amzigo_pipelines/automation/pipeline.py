"""What runs by itself: the jobs, the daily schedules, and the sensor that publishes after extraction.

Belongs here: which run is asked for when. Each decision is level-triggered: it compares what the control database says
is there with what should be, so that a day missed while nothing ran is asked for later. Does not belong here: what a
run does, and retention's own (`automation/retention.py`).
"""

# No "from __future__ import annotations" here: Dagster reads the annotations of schedules and sensors itself.

from collections.abc import Iterator
from datetime import UTC, date, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from amzigo_pipelines.assets.mart_definitions import mart_names
from amzigo_pipelines.assets.partitions import SELLERS, partition_key, range_tags, ranges_of
from amzigo_pipelines.automation import freshness, retention
from amzigo_pipelines.automation.unfinished import is_unfinished
from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.catalog.order_items import ORDER_ITEMS
from amzigo_pipelines.catalog.order_report import REPORT_TYPE as ORDER_REPORT
from amzigo_pipelines.catalog.orders import ORDERS
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.clock import today
from amzigo_pipelines.quality.checks import lake_check_keys
from amzigo_pipelines.quality.mart_results import MartResults
from amzigo_pipelines.quality.mart_suites import suite_keys
from amzigo_pipelines.quality.results import QualityResults
from amzigo_pipelines.resources.control.freezes import frozen_sellers
from amzigo_pipelines.resources.labels import EXTRACTION_JOB, PUBLISH_JOB, SELLER_TAG, lake_key
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.resources.reports.ledger import Request

QUALITY_JOB = "check_lake"
MART_QUALITY_JOB = "check_published_marts"

# How far back a missed day is asked for by itself. Older days are history: `amzigo extract --from --to`.
CATCH_UP_DAYS = 30

extraction_job = dg.define_asset_job(
    EXTRACTION_JOB,
    # Checks run by themselves: Great Expectations is not loaded to extract.
    selection=dg.AssetSelection.groups("extraction").without_checks(),
    description="One seller, one day or a range of days: all datasets from Amazon into the encrypted lake.",
    executor_def=dg.in_process_executor,
)
quality_job = dg.define_asset_job(
    QUALITY_JOB,
    selection=dg.AssetSelection.checks(*lake_check_keys()),
    description="One seller: look at all partitions that are new since the last look.",
    executor_def=dg.in_process_executor,
)
mart_quality_job = dg.define_asset_job(
    MART_QUALITY_JOB,
    # Not those that compare with the last publish: they run with every publish.
    selection=dg.AssetSelection.checks(*suite_keys(mart_names())),
    description="One seller: look at the marts that were published since the last look.",
    executor_def=dg.in_process_executor,
)
publish_job = dg.define_asset_job(
    PUBLISH_JOB,
    # Great Expectations is not loaded to publish.
    selection=dg.AssetSelection.groups("marts") - dg.AssetSelection.checks(*suite_keys(mart_names())),
    description="One seller: bring the marts up to date with the lake and publish them.",
    executor_def=dg.in_process_executor,
)


def align_seller_partitions(instance: dg.DagsterInstance, platform: Platform) -> list[str]:
    """Make Dagster's seller partitions those of the control database.

    Returns:
        The ids of the sellers for whom runs may be asked: those that an incident froze are left out. Their missed days
        are asked for once it is closed.
    """
    wanted = [seller.seller_id for seller in platform.sellers.list()]
    known = set(instance.get_dynamic_partitions(str(SELLERS.name)))
    if missing := [seller_id for seller_id in wanted if seller_id not in known]:
        instance.add_dynamic_partitions(str(SELLERS.name), missing)
    for seller_id in known.difference(wanted):
        instance.delete_dynamic_partition(str(SELLERS.name), seller_id)
    with platform.control.read() as connection:
        frozen = frozen_sellers(connection)
    return [seller_id for seller_id in wanted if seller_id not in frozen]


def missing_days(platform: Platform, seller_id: str, last: date) -> dict[tuple[date, date], list[str]]:
    """What the lake lacks of the last `CATCH_UP_DAYS` up to `last`: unbroken ranges of days, with their datasets.

    Snapshots are left out, as Amazon keeps no history of them, and so are sources that the seller has not connected.
    """
    first = max(platform.home.first_day, last - timedelta(days=CATCH_UP_DAYS - 1))
    there: dict[str, set[date]] = {name: set() for name in DATASETS}
    for record in platform.lake.partitions(seller_id):
        if record.dataset in there:
            there[record.dataset].add(record.day)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    found: dict[tuple[date, date], list[str]] = {}
    for name in platform.connected_datasets(seller_id):
        if not DATASETS[name].source.is_snapshot:
            for bounds in ranges_of(day for day in days if day not in there[name]):
                found.setdefault(bounds, []).append(name)
    return dict(sorted(found.items()))


@dg.schedule(
    job=extraction_job,
    cron_schedule="30 0 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: yesterday for every connected seller, and days that were missed.",
)
def daily_extraction_schedule(
    context: dg.ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for yesterday of every seller, and for days of the last month that are missing."""
    sellers = align_seller_partitions(context.instance, platform)
    if not sellers:
        yield dg.SkipReason("No seller is connected (amzigo seller add), or an incident froze all.")
    yesterday = today(platform.clock) - timedelta(days=1)
    for seller_id in sellers:
        for (first, last), names in missing_days(platform, seller_id, yesterday - timedelta(days=1)).items():
            yield dg.RunRequest(
                run_key=f"{yesterday}|{seller_id}|{first}..{last}",
                asset_selection=[lake_key(name) for name in names],
                tags=range_tags(first, last, seller_id),
            )
        yield dg.RunRequest(
            run_key=f"{yesterday}|{seller_id}",
            partition_key=partition_key(yesterday, seller_id),
            tags={SELLER_TAG: seller_id},
        )


@dg.sensor(
    job=extraction_job,
    minimum_interval_seconds=600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Asks again for reports that Amazon gave up, cancelled or was late with, once its cooldown is over: a deferred "
        "report holds up nothing else."
    ),
)
def deferred_extraction(
    context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for the partitions of reports that came to nothing and may be asked for again now."""
    known = set(align_seller_partitions(context.instance, platform))
    asked = 0
    for request in platform.desk.due_again():
        wanted = deferred_days(platform, request)
        if wanted is None or request.seller_id not in known or _is_extracting(context.instance, request.seller_id):
            continue
        names, first, last = wanted
        asked += 1
        yield dg.RunRequest(
            run_key=f"report {request.number}|{request.attempts}|{request.retry_at}",
            asset_selection=[lake_key(name) for name in names],
            **(
                {"partition_key": partition_key(first, request.seller_id), "tags": {SELLER_TAG: request.seller_id}}
                if first == last
                else {"tags": range_tags(first, last, request.seller_id)}
            ),
        )
    if not asked:
        yield dg.SkipReason("No report is deferred, or none may be asked for again yet.")


def deferred_days(platform: Platform, request: Request) -> tuple[tuple[str, ...], date, date] | None:
    """Datasets, first and last day of a report that came to nothing; None where it can't be had any more."""
    yesterday = today(platform.clock) - timedelta(days=1)
    report, zone = None, "UTC"
    if request.report_type == ORDER_REPORT:
        # Orders come by report on busy days and old ones; the extraction finds the same way again.
        names: tuple[str, ...] = (ORDERS.name, ORDER_ITEMS.name)
    else:
        names = tuple(d.name for d in DATASETS.values() if d.source.report_type == request.report_type)[:1]
        report = DATASETS[names[0]].source.report if names else None
        zone = MARKETPLACES[request.marketplace_ids[0]].time_zone
        if report is None:
            return None
    if request.start is None:
        # A snapshot of the night's day; tomorrow it is past.
        return (names, yesterday, yesterday) if request.asked_at.date() > yesterday else None
    if report is not None and report.is_weekly and request.end is not None:
        # Weeks are asked for by dates in UTC, and their rows are of the last day.
        last = request.end.astimezone(UTC).date()
        return names, last, last
    first = request.start.astimezone(ZoneInfo(zone)).date()
    last = yesterday if request.end is None else min(yesterday, request.end.astimezone(ZoneInfo(zone)).date())
    first = max(first, platform.home.first_day)
    return (names, first, last) if first <= last else None


def reason_to_publish(platform: Platform, seller_id: str) -> str | None:
    """Why a seller's marts should be published now, as a run's key; None where they are as they should be.

    Marts die with the first of what they hold. So they are published anew the day before, without what dies then:
    nobody finds them closed at midnight.
    """
    changed_at, published = platform.lake.changed_at(seller_id), platform.warehouse.published(seller_id)
    now_on = today(platform.clock)
    if changed_at is None:
        return None
    if published is None:
        # The day, because retention may have taken away what an earlier run of the same data published.
        return f"{changed_at.isoformat()}|none on {now_on}"
    if published.published_at < changed_at:
        return changed_at.isoformat()
    tomorrow = now_on + timedelta(days=1)
    if published.expires_on > tomorrow:
        return None
    files = platform.lake.files(seller_id=seller_id, families=[RetentionClass.BUSINESS])
    lives_on = any(file.expires_on > tomorrow for file in files)
    return f"version {published.version} dies on {published.expires_on}" if lives_on else None


@dg.sensor(
    job=publish_job,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Publishes a seller's marts when its lake holds something newer that was checked, or something in them dies "
        "tomorrow, and no extraction of it is running."
    ),
)
def publish_after_extraction(
    context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for a publish of every seller whose lake is newer than its marts, or whose marts die tomorrow."""
    sellers = align_seller_partitions(context.instance, platform)
    asked = 0
    for seller_id in sellers:
        reason = reason_to_publish(platform, seller_id)
        if reason is None:
            continue
        if _is_extracting(context.instance, seller_id) or QualityResults(platform.control).unchecked(seller_id):
            continue
        asked += 1
        yield dg.RunRequest(
            run_key=f"{seller_id}|{reason}",
            partition_key=seller_id,
            tags={SELLER_TAG: seller_id},
        )
    if not asked:
        yield dg.SkipReason("Every seller's marts are as new as its lake, or that is not extracted or checked yet.")


@dg.sensor(
    job=quality_job,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Checks what is new in a seller's lake once no extraction of it is running.",
)
def check_after_extraction(
    context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for a look at every seller that has partitions nobody looked at."""
    known = set(align_seller_partitions(context.instance, platform))
    waiting: dict[str, int] = {}
    for (seller_id, _), versions in QualityResults(platform.control).unchecked().items():
        waiting[seller_id] = waiting.get(seller_id, 0) + len(versions)
    asked = 0
    for seller_id in sorted(known.intersection(waiting)):
        if _is_extracting(context.instance, seller_id):
            continue
        changed_at = platform.lake.changed_at(seller_id)
        asked += 1
        # One run for each state of the lake: a look that failed is not repeated until something changes.
        yield dg.RunRequest(run_key=f"{seller_id}|{changed_at}", tags={SELLER_TAG: seller_id})
    if not asked:
        yield dg.SkipReason("Everything in the lake was looked at, or its extraction is still running.")


@dg.sensor(
    job=mart_quality_job,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Checks a seller's published marts once a version of them is new.",
)
def check_after_publish(
    context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for a look at every seller with a published version that nobody looked at."""
    known = set(align_seller_partitions(context.instance, platform))
    waiting = {one: version for one, version in MartResults(platform.control).unchecked().items() if one in known}
    for seller_id, version in sorted(waiting.items()):
        # One run for each version: a look that failed is not repeated until something changes.
        yield dg.RunRequest(run_key=f"{seller_id}|version {version}", tags={SELLER_TAG: seller_id})
    if not waiting:
        yield dg.SkipReason("Every published version was looked at.")


def _is_extracting(instance: dg.DagsterInstance, seller_id: str) -> bool:
    return is_unfinished(instance, EXTRACTION_JOB, {SELLER_TAG: seller_id})


JOBS = (extraction_job, quality_job, publish_job, mart_quality_job, freshness.freshness_job, *retention.RETENTION_JOBS)
SCHEDULES = (daily_extraction_schedule, freshness.freshness_schedule, *retention.SCHEDULES)
SENSORS = (check_after_extraction, publish_after_extraction, check_after_publish, deferred_extraction)
