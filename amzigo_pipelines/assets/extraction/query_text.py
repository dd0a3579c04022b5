"""The GraphQL text of a Data Kiosk query, from the catalog's word alone.

Belongs here: writing the query. Does not belong here: asking it (`resources/reports/desk.py`), reading what comes of it
(`query_rows.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date

from amzigo_pipelines.catalog.model import Dataset

_Fields = dict[str, "_Fields"]


def query_text(dataset: Dataset, marketplace_ids: Sequence[str], first: date, last: date) -> str:
    """The query for a dataset's columns: always the same text for the same question, so that it is asked once.

    Args:
        dataset: one that comes by a query.
        marketplace_ids: of one region.
        first: local day.
        last: local day, included.
    """
    assert dataset.source.report is not None and dataset.source.report.query is not None
    query = dataset.source.report.query
    fields: _Fields = {}
    for column in dataset:
        if column.source and not column.source.startswith("@"):
            place = fields
            for name in column.source.split("."):
                place = place.setdefault(name, {})
    arguments = (
        f"aggregateBy: {query.aggregate_by} startDate: {json.dumps(first.isoformat())} "
        f"endDate: {json.dumps(last.isoformat())} marketplaceIds: {json.dumps(sorted(marketplace_ids))}"
    )
    return f"query {{ {query.schema} {{ {query.view}({arguments}) {_selection(fields)} }} }}"


def _selection(fields: _Fields) -> str:
    return "{ " + " ".join(f"{name} {_selection(below)}" if below else name for name, below in fields.items()) + " }"
