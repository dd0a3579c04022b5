"""Erasure requests and legal holds as Dagster sees them: the assets `erasures` and `legal_holds`.

Belongs here: partitions, metadata, and the translation of what was done. Does not belong here: doing it (`erasing.py`,
`holds.py`, `hold_ending.py`), when a run is asked for (`automation/privacy.py`).
"""

# No "from __future__ import annotations" here: Dagster reads the annotation of `context` itself.

from collections.abc import Callable

import dagster as dg

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.resources.failures import explained
from amzigo_pipelines.resources.labels import PRIVACY_TEAM, keys_holding
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention import holds
from amzigo_pipelines.retention.erasing import erase
from amzigo_pipelines.retention.hold_ending import end_holds

ERASURE_REQUESTS = dg.DynamicPartitionsDefinition(name="erasure_request")
ERASURES = dg.AssetKey("erasures")
LEGAL_HOLDS = dg.AssetKey("legal_holds")

_ERASURES = """Carries out an approved request to erase an order, a buyer or a seller; one partition a request.

The subject's rows leave the lake: whatever else their data keys opened moves to fresh keys with the same dates of
death, the old keys are destroyed and the key-encryption keys exchanged, the marts are built anew. Tombstones keep later
extractions from bringing it back. Verified by the predicate that erased, and certified."""
_HOLDS = """Copies what legal holds cover into the vault before it dies, and destroys the vaults of holds that are over.

Nothing in the lake lives longer for a hold. Each vault has a key of its own, which only the role privacy opens."""


def erasure_assets(publish: Callable[[Platform, str], None]) -> list[dg.AssetsDefinition]:
    """The assets of erasure requests and legal holds.

    Args:
        publish: builds and publishes the marts of a seller.
    """
    upstream = [
        dg.AssetDep(key, partition_mapping=dg.AllPartitionMapping()) for key in keys_holding(RetentionClass.PII)
    ]

    @dg.asset(
        key=ERASURES,
        group_name="retention",
        deps=upstream,
        partitions_def=ERASURE_REQUESTS,
        required_resource_keys={"platform"},
        owners=[PRIVACY_TEAM],
        kinds={"python"},
        tags={"retention": "erasure"},
        description=_ERASURES,
        metadata={"method": "NIST SP 800-88 cryptographic erase, then unlink"},
    )
    def erasures(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        platform = context.resources.platform
        with explained():
            request = erase(
                platform,
                context.partition_key,
                publish=lambda seller_id: publish(platform, seller_id),
                actor=f"run {context.run.run_id}",
            )
        removed = request.detail.get("removed", [])
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(sum(entry["rows"].values()) for entry in removed),
                "scope": str(request.scope),
                "seller": request.seller_id,
                "keys_destroyed": len(removed),
                "state": str(request.state),
                "certificate": request.certificate or 0,
            }
        )

    @dg.asset(
        key=LEGAL_HOLDS,
        group_name="retention",
        deps=upstream,
        required_resource_keys={"platform"},
        owners=[PRIVACY_TEAM],
        kinds={"python"},
        tags={"retention": "hold"},
        description=_HOLDS,
    )
    def legal_holds(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        platform = context.resources.platform
        with explained():
            # Copies first: what ends is not copied, and what lasts must not wait for it.
            copied = holds.secure(platform)
            ended = end_holds(platform, actor=f"run {context.run.run_id}")
            active = holds.active(platform)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(f.rows for hold in active for f in platform.vault.files(hold.number)),
                "holds_in_force": ", ".join(hold.hold_id for hold in active) or "none",
                "rows_copied": copied,
                "vaults_destroyed": ", ".join(one.hold.hold_id for one in ended) or "none",
            }
        )

    return [erasures, legal_holds]
