"""The retention asset as Dagster sees it: `pii_retention`, partitioned by day of death.

Belongs here: partitions, metadata, and the translation of a sweep's report. Does not belong here: the sweep
(`sweep.py`).
"""

# No "from __future__ import annotations" here: Dagster reads the annotation of `context` itself.

from datetime import date, timedelta
from typing import Any

import dagster as dg

from amzigo_pipelines.catalog.model import PERIOD_DAYS, RetentionClass
from amzigo_pipelines.resources.failures import explained
from amzigo_pipelines.resources.labels import PII_KEYS, PRIVACY_TEAM
from amzigo_pipelines.retention.sweep import SweepReport, sweep

_DESCRIPTION = f"""Destroys buyers' personal data whose date of death has come: {PERIOD_DAYS[RetentionClass.PII]} days
after the last moment at which the order is known not to have been delivered.

For every seller the data keys due on or before the partition's day are destroyed, their files unlinked, the result
verified and certified, and the key-encryption key rotated, so that no old copy of the database brings a key back.
Running it twice destroys nothing twice; a late run takes with it what earlier days left."""


def retention_assets(first_day: date) -> list[dg.AssetsDefinition]:
    """The retention assets.

    Args:
        first_day: first day of extraction (UTC); nothing can be due on it yet.
    """

    @dg.asset(
        name="pii_retention",
        group_name="retention",
        # Every partition may hold something that dies on the day.
        deps=[dg.AssetDep(key, partition_mapping=dg.AllPartitionMapping()) for key in PII_KEYS],
        # One day more than closed days: today's deaths are due today.
        partitions_def=dg.DailyPartitionsDefinition(
            start_date=(first_day + timedelta(days=1)).isoformat(), end_offset=1
        ),
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={"platform"},
        owners=[PRIVACY_TEAM],
        kinds={"python"},
        tags={"retention": str(RetentionClass.PII)},
        description=_DESCRIPTION,
        metadata={"method": "NIST SP 800-88 cryptographic erase, then unlink"},
    )
    def pii_retention(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        # Missed days are made up for in one run: a sweep takes all that was due on or before its day.
        *earlier, last = sorted(context.partition_keys)
        with explained():
            report = sweep(context.resources.platform, as_of=date.fromisoformat(last))
        context.log.info(report.sentence)
        for key in earlier:
            context.add_asset_metadata({"swept_with": last}, partition_key=key)
        context.add_asset_metadata(_metadata(report), partition_key=last)
        return dg.MaterializeResult()

    return [pii_retention]


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
