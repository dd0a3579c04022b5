"""The extraction assets: one a dataset, partitioned by day and seller, made from the catalog.

Belongs here: how Dagster sees an extraction. Does not belong here: the extraction itself (`extract.py` and its
neighbours), which knows nothing of Dagster.
"""

# No "from __future__ import annotations" here: Dagster reads the annotation of `context` itself.

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import dagster as dg

from amzigo_pipelines.assets.extraction.extract import (
    LAST_SOURCES,
    SOURCES,
    ExtractionResult,
    SourceSkipped,
    extract_partitions,
)
from amzigo_pipelines.assets.partitions import DAYS_PER_RUN, day_and_seller, day_and_seller_of, partition_key
from amzigo_pipelines.catalog.model import Dataset, RetentionClass
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.resources.failures import explained
from amzigo_pipelines.resources.labels import DATA_TEAM, column_schema, lake_key

# Within a run they wait for nothing, but come after all others.
_LAST = {"dagster/priority": "-1"}


def extraction_assets(first_day: date) -> list[dg.AssetsDefinition]:
    """The assets of all datasets.

    Args:
        first_day: first day of the partitions (UTC).

    Returns:
        one multi-asset for each source, because datasets of one source come from the same calls.
    """
    return [_from_source(group, first_day) for group in SOURCES]


def _from_source(group: Sequence[str], first_day: date) -> dg.AssetsDefinition:
    datasets = [DATASETS[name] for name in group]

    @dg.multi_asset(
        name="extract_" + "_and_".join(group),
        specs=[_spec(dataset) for dataset in datasets],
        partitions_def=day_and_seller(first_day),
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=DAYS_PER_RUN),
        required_resource_keys={"platform"},
        op_tags=_LAST if group in LAST_SOURCES else {},
    )
    def extract(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        platform = context.resources.platform
        wanted = {day_and_seller_of(key): key for key in sorted(context.partition_keys)}
        days, seller_id = sorted({day for day, _ in wanted}), next(seller_id for _, seller_id in wanted)
        rows: Counter[str] = Counter()
        with explained():
            try:
                for result in extract_partitions(platform, seller_id, days, group, ahead=_ahead(context)):
                    _report(context, result, seller_id, wanted.get((result.day, seller_id)))
                    rows[result.dataset] += result.rows
            except SourceSkipped as skipped:
                # Nothing is materialised: an empty partition would look as if there had been nothing.
                context.log.info(str(skipped))
                return
        told = ", ".join(f"{name} {count:,} rows" for name, count in rows.items())
        context.log.info(f"{seller_id}, {days[0]} to {days[-1]}: {told}")
        for name in group:
            yield dg.MaterializeResult(asset_key=lake_key(name))

    return extract


def _ahead(context: dg.AssetExecutionContext) -> list[str]:
    """The datasets of the run, so that Amazon works on all their reports while the first is waited for."""
    chosen = context.run.asset_selection
    return [name for name in DATASETS if not chosen or lake_key(name) in chosen]


def _report(context: dg.AssetExecutionContext, result: ExtractionResult, seller_id: str, key: str | None) -> None:
    """Tell Dagster of a partition: one of the run's own (`key`), or an earlier day that Amazon had restated."""
    metadata = _metadata(result)
    if key is not None:
        context.add_asset_metadata(metadata, asset_key=lake_key(result.dataset), partition_key=key)
    elif not result.is_unchanged:
        context.log_event(
            dg.AssetMaterialization(
                lake_key(result.dataset),
                description="Fetched again with a later day: Amazon had added to it or restated it.",
                partition=str(partition_key(result.day, seller_id)),
                metadata=metadata,
            )
        )
    for warning in result.warnings:
        context.log.warning(f"{result.dataset} of {seller_id}, {result.day}: {warning}")


def _metadata(result: ExtractionResult) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "dagster/row_count": result.rows,
        "bytes": result.bytes,
        "requests": result.requests,
        "pages": result.pages,
        "window": result.window,
    }
    if RetentionClass.PII in DATASETS[result.dataset].families:
        metadata["rows_with_pii"] = result.pii_rows
        metadata["rows_whose_pii_was_past_its_date"] = result.pii_rows_dropped
    if result.way:
        metadata["way"] = result.way
        metadata["orders_asked_for_again"] = result.asked_again
    if result.warnings:
        metadata["warnings"] = "; ".join(result.warnings)
    return metadata


def _spec(dataset: Dataset) -> dg.AssetSpec:
    classes = [str(retention) for retention in dataset.families]
    return dg.AssetSpec(
        key=lake_key(dataset.name),
        skippable=dataset.source.is_optional or dataset.source.needs_brand,
        group_name="extraction",
        description=(
            f"{dataset.description}\n\nPartition day: {dataset.partition_day}.\n\n"
            f"Used for: {dataset.purpose}. Legal basis: {dataset.legal_basis}."
        ),
        owners=[DATA_TEAM],
        kinds={"parquet", "python"},
        tags={"source": dataset.source.report_type or dataset.source.operation, **{f"holds_{c}": "" for c in classes}},
        metadata={
            "dagster/column_schema": column_schema(dataset),
            "retention_classes": ", ".join(classes),
            "encryption": "Parquet Modular Encryption, AES-256-GCM; one key a class and date of death",
        },
    )
