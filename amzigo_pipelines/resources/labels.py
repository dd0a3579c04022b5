"""Asset keys, and what every asset says of itself in the UI: owners, kinds, tags, column schemas.

Belongs here: names and labels. Does not belong here: the assets (`assets/extraction/assets.py`,
`assets/mart_assets.py`, `retention/assets.py`).
"""

from __future__ import annotations

import dagster as dg

from amzigo_pipelines.catalog.model import Dataset, RetentionClass
from amzigo_pipelines.catalog.registry import DATASETS

DATA_TEAM = "team:data-engineering"
PRIVACY_TEAM = "team:privacy"

# The name is here, because a check must know whether it runs beside an extraction.
EXTRACTION_JOB = "daily_extraction"
# Likewise.
PUBLISH_JOB = "publish_marts"

# The tag by which dagster.yaml serialises runs of one seller. Not Dagster's own "dagster/partition/seller": it sets
# that for a single partition only, and on a run over a range it would be taken for a partition key of one dimension.
SELLER_TAG = "amzigo/seller"


def lake_key(dataset: str) -> dg.AssetKey:
    """The asset of a dataset in the lake, such as `lake/orders`."""
    return dg.AssetKey(["lake", dataset])


def mart_key(mart: str) -> dg.AssetKey:
    """The asset of a mart, such as `marts/sales_daily`."""
    return dg.AssetKey(["marts", mart])


ORDER_KEYS = (lake_key("orders"), lake_key("order_items"))


def keys_holding(retention_class: RetentionClass) -> list[dg.AssetKey]:
    """The assets of the datasets that have columns of a class."""
    return [lake_key(dataset.name) for dataset in DATASETS.values() if retention_class in dataset.families]


def column_schema(dataset: Dataset) -> dg.TableSchema:
    """A dataset's columns for the UI: types, meaning, retention class; PII carries the tag `pii` and its purpose."""
    columns = []
    for column in dataset.columns:
        retention = dataset.retention_of(column.name)
        is_pii = retention is RetentionClass.PII
        columns.append(
            dg.TableColumn(
                name=column.name,
                type=str(column.type),
                description=f"{'PII. ' if is_pii else ''}{column.description}"
                + (f" For {column.purpose}." if column.purpose else ""),
                constraints=dg.TableColumnConstraints(nullable=column.name not in dataset.grain),
                tags={"retention": str(retention), **({"pii": ""} if is_pii else {})},
            )
        )
    return dg.TableSchema(
        columns=columns,
        constraints=dg.TableConstraints(other=[f"one row per {', '.join(dataset.grain)} within a partition"]),
    )
