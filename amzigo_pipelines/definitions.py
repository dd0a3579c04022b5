"""The code location: `build_definitions()` puts all parts together, with another platform for tests and commands.

Belongs here: assembly only. Loading it opens no database and asks nothing of the network.
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from amzigo_pipelines.assets.extraction.assets import extraction_assets
from amzigo_pipelines.assets.mart_assets import mart_assets
from amzigo_pipelines.assets.mart_definitions import load_marts
from amzigo_pipelines.automation.alerts import ALERT_SENSORS
from amzigo_pipelines.automation.audit import AUDIT_JOBS, AUDIT_SCHEDULES
from amzigo_pipelines.automation.backups import BACKUP_JOBS, BACKUP_SCHEDULES
from amzigo_pipelines.automation.killed_commands import COMMAND_SENSORS
from amzigo_pipelines.automation.pipeline import JOBS, SCHEDULES, SENSORS
from amzigo_pipelines.automation.privacy import PRIVACY_JOBS, PRIVACY_SCHEDULES, PRIVACY_SENSORS
from amzigo_pipelines.quality.checks import lake_checks
from amzigo_pipelines.quality.erasure_checks import erasure_checks
from amzigo_pipelines.quality.freshness_checks import freshness_checks
from amzigo_pipelines.quality.key_checks import key_checks
from amzigo_pipelines.quality.mart_checks import mart_checks
from amzigo_pipelines.quality.mart_suites import mart_suites
from amzigo_pipelines.quality.results import QualityResults
from amzigo_pipelines.resources.dagster_platform import platform_resource
from amzigo_pipelines.resources.logs import protect_logs
from amzigo_pipelines.resources.platform import Platform, open_platform
from amzigo_pipelines.retention.assets import retention_assets
from amzigo_pipelines.retention.backup_assets import backup_assets
from amzigo_pipelines.retention.checks import retention_checks
from amzigo_pipelines.retention.erasure_assets import erasure_assets
from amzigo_pipelines.review.assets import audit_assets, audit_checks


def build_definitions(platform: Platform | None = None) -> dg.Definitions:
    """The whole code location of an installation.

    Args:
        platform: the parts to work on; those of AMZIGO_HOME, on the machine's clock, when None.

    Raises:
        HomeError: there is no home to take the first day of the partitions from.
        CatalogError: a dataset is not fully declared.
        MartError: a mart's SQL file lacks its grain, a comment, or reads what there is not.
    """
    protect_logs()
    platform = platform or open_platform()
    marts = load_marts()
    return dg.Definitions(
        assets=[
            *extraction_assets(platform.home.first_day),
            *mart_assets(marts),
            *retention_assets(platform.home.first_day),
            *backup_assets(),
            *erasure_assets(_publish),
            *audit_assets(),
        ],
        asset_checks=[
            *key_checks(),
            *retention_checks(),
            *lake_checks(_quality_page),
            *freshness_checks(),
            *mart_checks(),
            *mart_suites(marts),
            *erasure_checks(),
            *audit_checks(),
        ],
        jobs=[*JOBS, *BACKUP_JOBS, *PRIVACY_JOBS, *AUDIT_JOBS],
        schedules=[*SCHEDULES, *BACKUP_SCHEDULES, *PRIVACY_SCHEDULES, *AUDIT_SCHEDULES],
        sensors=[*SENSORS, *PRIVACY_SENSORS, *ALERT_SENSORS, *COMMAND_SENSORS],
        resources={"platform": platform_resource(platform)},
        # In-process: a step of its own process costs seconds, and runs are the unit that is spread out.
        executor=dg.in_process_executor,
    )


def _publish(platform: Platform, seller_id: str) -> None:
    """Publish after an erasure; what checks have found broken is published once it is mended, as always."""
    if not QualityResults(platform.control).blocking(seller_id):
        platform.warehouse.publish(seller_id, load_marts())


def _quality_page(platform: Platform, seller_id: str) -> Path:
    # Here, because charts take a second to load and nothing but a check run draws any.
    from amzigo_pipelines.assets.report.quality import write_quality_page

    return write_quality_page(platform, seller_id)


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads: the code location of AMZIGO_HOME."""
    return build_definitions()
