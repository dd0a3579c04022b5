"""The retention assets as Dagster sees them: one a class, partitioned by day of death.

Belongs here: partitions, run config, metadata, and the translation of a sweep's report. Does not belong here: the sweep
(`sweep.py`), when it runs (`automation/`), and whether dates are kept (`checks.py`).
"""

# No "from __future__ import annotations" here: Dagster reads the annotation of `context` itself.

from datetime import date, timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.resources.failures import explained
from amzigo_pipelines.resources.labels import PRIVACY_TEAM, keys_holding
from amzigo_pipelines.retention.sweep import SweepReport, sweep

_WHAT = {
    RetentionClass.PII: (
        "Destroys buyers' personal data whose date of death has come: 30 days (or less, as set) after the last moment "
        "at which the order is known not to have been delivered."
    ),
    RetentionClass.PSEUDONYM: (
        "Destroys the pseudonyms of buyers whose date of death has come: 365 days (as set) after the first of their "
        "partition's month. Published marts that hold them die with them; what is published next comes without."
    ),
    RetentionClass.BUSINESS: (
        "Destroys business data whose date of death has come: 548 days (or less, as set) after the first of its "
        "partition's month, Amazon's 18 months. Published marts that hold it die with it."
    ),
}
_HOW = """

For every seller the data keys due on or before the partition's day are destroyed, their files unlinked, the result
verified and certified, and the key-encryption key rotated, so that no old copy of the database brings a key back.
Running it twice destroys nothing twice; a late run takes with it what earlier days left. If most of a seller's keys are
due at once, it stops before that seller and asks: run it again with the seller in `confirm`."""


class SweepConfig(dg.Config):
    """What a person may tell a sweep.

    Attributes:
        confirm: sellers of whom all that is due may go, where the guard stopped before.
        confirmed_by: who says so; noted in the ledger, the audit trail and the certificate.
    """

    confirm: list[str] = Field(default_factory=list)
    confirmed_by: str = "retention"


def asset_name(retention_class: RetentionClass) -> str:
    """Name of a class's retention asset, such as `pii_retention`."""
    return f"{retention_class}_retention"


def retention_assets(first_day: date) -> list[dg.AssetsDefinition]:
    """The retention assets.

    Args:
        first_day: first day of extraction (UTC); nothing can be due on it yet.
    """
    return [_asset(retention_class, first_day) for retention_class in RetentionClass]


def _asset(retention_class: RetentionClass, first_day: date) -> dg.AssetsDefinition:
    @dg.asset(
        name=asset_name(retention_class),
        group_name="retention",
        # Every partition may hold something that dies on the day.
        deps=[dg.AssetDep(key, partition_mapping=dg.AllPartitionMapping()) for key in keys_holding(retention_class)],
        # One day more than closed days: today's deaths are due today.
        partitions_def=dg.DailyPartitionsDefinition(
            start_date=(first_day + timedelta(days=1)).isoformat(), end_offset=1
        ),
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={"platform"},
        owners=[PRIVACY_TEAM],
        kinds={"python"},
        tags={"retention": str(retention_class)},
        description=_WHAT[retention_class] + _HOW,
        metadata={"method": "NIST SP 800-88 Purge by Cryptographic Erase, then unlink"},
    )
    def retention(context: dg.AssetExecutionContext, config: SweepConfig) -> dg.MaterializeResult[None]:
        # Missed days are made up for in one run: a sweep takes all that was due on or before its day.
        *earlier, last = sorted(context.partition_keys)
        with explained():
            report = sweep(
                context.resources.platform,
                as_of=date.fromisoformat(last),
                retention_class=retention_class,
                confirmed=config.confirm,
                actor=config.confirmed_by,
            )
            # Backups die on their dates, too, whether or not a new one is made.
            context.resources.platform.backup_keys.destroy_due()
        context.log.info(report.sentence)
        for key in earlier:
            context.add_asset_metadata({"swept_with": last}, partition_key=key)
        context.add_asset_metadata(_metadata(report), partition_key=last)
        return dg.MaterializeResult()

    return retention


def _metadata(report: SweepReport) -> dict[str, Any]:
    return {
        "dagster/row_count": report.rows,
        "keys_destroyed": report.keys_destroyed,
        "files_removed": report.files_removed,
        "bytes_removed": report.bytes_removed,
        "sellers": ", ".join(report.seller_ids) or "none",
        "verified": report.verified,
        "certificate": report.certificate or "none: nothing was due",
    }
