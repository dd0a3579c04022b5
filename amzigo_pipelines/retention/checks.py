"""The checks of the retention assets as Dagster sees them: whether everything is gone on its date.

Belongs here: result, severity and metadata. Does not belong here: looking (`deadlines.py`).
"""

# No "from __future__ import annotations" here: Dagster reads the annotation of `context` itself.

import dagster as dg

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.resources.failures import explained
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.assets import asset_name
from amzigo_pipelines.retention.deadlines import WARN_DAYS, deadlines

CHECK = "nothing_past_its_date"


def retention_checks() -> list[dg.AssetChecksDefinition]:
    """One check for each retention asset."""
    return [_check(retention_class) for retention_class in RetentionClass]


def _check(retention_class: RetentionClass) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset_name(retention_class),
        name=CHECK,
        required_resource_keys={"platform"},
        description=(
            f"Fails when a key, a file or a mart of class {retention_class} is past its date of death, a sweep is not "
            f"certified, or something could not be looked at. Warns when deaths of the next {WARN_DAYS} days have "
            "something in their way: no sweep that runs, the guard, a folder that can't be written."
        ),
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with explained():
            return result_of(context.resources.platform, retention_class)

    return check


def result_of(platform: Platform, retention_class: RetentionClass) -> dg.AssetCheckResult:
    """How a class stands, as a check's result."""
    found = deadlines(platform, retention_class)
    return dg.AssetCheckResult(
        passed=found.is_kept and not found.obstacles,
        severity=dg.AssetCheckSeverity.WARN if found.is_kept else dg.AssetCheckSeverity.ERROR,
        description=found.sentence,
        metadata={
            "keys_overdue": found.keys_overdue,
            "files_overdue": found.files_overdue,
            "keys_dying_within_five_days": found.keys_dying_soon,
            "sellers": found.sellers,
        },
    )
