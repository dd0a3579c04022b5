"""The mart assets: one a `.sql` file, partitioned by seller, all built in one step on one connection.

Belongs here: how Dagster sees the marts. Does not belong here: what a mart says (`marts/*.sql`), how the files are read
(`mart_definitions.py`) or built (`resources/marts/warehouse.py`).
"""

# No "from __future__ import annotations" here: Dagster reads the annotation of `context` itself.

from collections.abc import Iterator, Sequence

import dagster as dg

from amzigo_pipelines.assets.mart_definitions import Mart
from amzigo_pipelines.assets.mart_pictures import picture
from amzigo_pipelines.assets.partitions import SELLERS
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.quality.results import QualityResults
from amzigo_pipelines.resources.failures import explained
from amzigo_pipelines.resources.labels import DATA_TEAM, lake_key, mart_key
from amzigo_pipelines.resources.platform import Platform

# A run that carries this tag as "true" builds from nothing instead of from what changed.
REBUILD_TAG = "amzigo/rebuild"
# Likewise, publishes although checks of the lake's structure failed.
DESPITE_CHECKS_TAG = "amzigo/despite-failed-checks"


class PublishBlocked(AmzigoError):
    """Checks of the seller's lake failed: marts made of it could not be trusted."""


def mart_assets(marts: Sequence[Mart]) -> list[dg.AssetsDefinition]:
    """The assets of all marts, as one multi-asset.

    Args:
        marts: in dependency order.
    """

    @dg.multi_asset(
        name="publish",
        specs=[_spec(mart) for mart in marts],
        partitions_def=SELLERS,
        required_resource_keys={"platform"},
    )
    def publish(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        seller_id = context.partition_key
        with explained():
            platform = context.resources.platform
            platform.sellers.get(seller_id)
            if context.run.tags.get(DESPITE_CHECKS_TAG) != "true":
                _refuse_broken(platform, seller_id)
            is_rebuild = context.run.tags.get(REBUILD_TAG) == "true"
            report = platform.warehouse.publish(seller_id, marts, rebuild=is_rebuild)
        way = "from nothing" if report.is_rebuilt else f"{report.loaded_days} changed partitions"
        way += " applied to a copy" if report.is_updated else ""
        context.log.info(f"{seller_id}: published version {report.version} ({way})")
        with explained(), platform.warehouse.connect(seller_id) as connection:
            pictures = {mart.name: picture(connection, mart.name) for mart in marts}
        for mart in marts:
            seen = pictures[mart.name]
            yield dg.MaterializeResult(
                asset_key=mart_key(mart.name),
                metadata={
                    "dagster/row_count": report.tables[mart.name],
                    "version": report.version,
                    "built": way,
                    "bytes_of_the_seller_file": report.bytes,
                    "duration_s": dg.MetadataValue.float(round(report.duration_s, 3)),
                    **({"picture": seen} if seen else {}),
                },
            )

    return [publish]


def _key_of(table: str) -> dg.AssetKey | None:
    """The asset behind a table that a mart reads; None for facts that no asset makes."""
    name = table.removeprefix("staging.")
    if name == table:
        return mart_key(name)
    return lake_key(name) if name in DATASETS else None


def _column_sources(mart: Mart) -> str:
    rows = [
        f"| `{column}` | {', '.join(f'`{table}.{source}`' for table, source in sources) or 'made here'} |"
        for column, sources in mart.lineage.items()
    ]
    return "\n".join(["| column | made from |", "|---|---|", *rows])


def _refuse_broken(platform: Platform, seller_id: str) -> None:
    blocking = QualityResults(platform.control).blocking(seller_id)
    if blocking:
        first = blocking[0]
        raise PublishBlocked(
            f"{len(blocking)} partitions of seller {seller_id} fail the checks of their structure, the first "
            f"{first.dataset} of {first.day} ({', '.join(first.broken)}): extract them again, or publish all the same "
            "with 'amzigo publish --despite-failed-checks'; the marts published before stand"
        )


def _spec(mart: Mart) -> dg.AssetSpec:
    by_seller = dg.MultiToSingleDimensionPartitionMapping("seller")
    upstream = [dg.AssetDep(lake_key(name), partition_mapping=by_seller) for name in mart.datasets if name in DATASETS]
    upstream += [dg.AssetDep(mart_key(name)) for name in mart.depends_on]
    return dg.AssetSpec(
        key=mart_key(mart.name),
        deps=upstream,
        group_name="marts",
        description=f"{mart.description}\n\nOne row per {', '.join(mart.grain)}. No PII.",
        owners=[DATA_TEAM],
        kinds={"duckdb", "sql"},
        tags={"pii": "none"},
        metadata={
            "dagster/column_schema": dg.TableSchema(
                columns=[dg.TableColumn(name, mart.types[name], text) for name, text in mart.columns.items()],
                constraints=dg.TableConstraints(other=[f"one row per {', '.join(mart.grain)}"]),
            ),
            "dagster/column_lineage": dg.TableColumnLineage(
                {
                    column: [dg.TableColumnDep(key, source) for table, source in sources if (key := _key_of(table))]
                    for column, sources in mart.lineage.items()
                }
            ),
            # The open-source UI draws no lineage of columns: there it is to be read.
            "column_sources": dg.MetadataValue.md(_column_sources(mart)),
            "sql": dg.MetadataValue.md(f"```sql\n{mart.sql}\n```"),
        },
    )
