"""The assets `backup` and `restore_drill` as Dagster sees them.

Belongs here: metadata, and the translation of reports. Does not belong here: making backups (`backups.py`), trying them
out (`drill.py`), when they run (`automation/backups.py`).
"""

# No "from __future__ import annotations" here: Dagster reads the annotation of `context` itself.

import dagster as dg

from amzigo_pipelines.resources.backup_places import backup_place
from amzigo_pipelines.resources.failures import explained
from amzigo_pipelines.resources.labels import PRIVACY_TEAM
from amzigo_pipelines.retention.backups import BackupError, make_backup
from amzigo_pipelines.retention.drill import run_drill

_ACTOR = "dagster"


def backup_assets() -> list[dg.AssetsDefinition]:
    """The two assets."""

    @dg.asset(
        name="backup",
        group_name="retention",
        required_resource_keys={"platform"},
        owners=[PRIVACY_TEAM],
        kinds={"file"},
        tags={"retention": "backup"},
        description=(
            "One encrypted file of the books and of every seller's business and pseudonymous data, into the folder "
            "or S3 prefix of [backup] in amzigo.toml. It holds no PII key and no key-encryption key, and PII only in "
            "the vaults of legal holds, each in a part of its own. It dies on its own date: its keys are destroyed "
            "then, a part's with the seller who leaves or the hold that ends."
        ),
    )
    def backup(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        platform = context.resources.platform
        with explained():
            settings = platform.home.backup
            if not settings.folder:
                raise BackupError("no folder for backups is set: give one under [backup] in amzigo.toml")
            place = backup_place(platform.home, settings.folder)
            report = make_backup(platform, place, keep_days=settings.keep_days, actor=_ACTOR)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": report.total.rows,
                "file": report.place.rpartition("/")[2],
                "bytes": report.bytes,
                "files": report.total.files,
                "sellers": len(report.sellers),
                "sellers_left_out_frozen": ", ".join(report.frozen) or "none",
                "vaults_of_holds": len(report.holds),
                "vaults_left_out": ", ".join(report.holds_left_out) or "none",
                "dead_backups_not_removed": ", ".join(report.not_removed) or "none",
                "expires_on": report.expires_on.isoformat(),
            }
        )

    @dg.asset(
        name="restore_drill",
        group_name="retention",
        deps=[backup],
        required_resource_keys={"platform"},
        owners=[PRIVACY_TEAM],
        kinds={"python"},
        tags={"retention": "backup"},
        description=(
            "The newest backup, restored for real into a folder of its own: every file is compared with its SHA-256 "
            "and opened with its key, files, rows and bytes are compared with the ledger, the chains of audit trail "
            "and certificates are checked; then it is removed again. A drill that looked at nothing fails."
        ),
    )
    def restore_drill(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with explained():
            report = run_drill(context.resources.platform, _ACTOR)
        context.log.info(report.sentence)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": report.amount.rows,
                "backup_made_at": report.created_at.isoformat(),
                "files_opened": report.amount.files,
                "bytes": report.amount.bytes,
                "sellers": report.sellers,
                "sellers_dead": ", ".join(report.dead_sellers) or "none",
                "duration_s": report.duration_s,
            }
        )

    return [backup, restore_drill]
