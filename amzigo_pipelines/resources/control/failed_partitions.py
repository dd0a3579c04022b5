"""The standing list of partitions whose last extraction failed: a row each, gone as soon as one succeeds.

Belongs here: the rows of `failed_partitions`. Does not belong here: what counts as a failure and which sentence tells
it (`assets/extraction/extract.py`), showing them (`cli/status.py`).

Beside Dagster's own record, because that may be purged, and knows nothing of the days that a run looked back to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import failed_partitions
from amzigo_pipelines.resources.control.statements import put_row


@dataclass(frozen=True)
class FailedPartition:
    """A partition whose last extraction failed.

    Attributes:
        seller_id: whose.
        dataset: name of the dataset.
        day: the partition's day.
        failed_at: when (UTC).
        sentence: why, without any value.
    """

    seller_id: str
    dataset: str
    day: date
    failed_at: datetime
    sentence: str


class FailedPartitions:
    """The list in the control database.

    Args:
        control: the control database.
    """

    def __init__(self, control: ControlDatabase) -> None:
        self._control = control

    def list(self, seller_id: str | None = None) -> list[FailedPartition]:
        """All, by seller, dataset and day."""
        c = failed_partitions.c
        query = sa.select(*(c[name] for name in FailedPartition.__dataclass_fields__))
        if seller_id is not None:
            query = query.where(c.seller_id == seller_id)
        with self._control.read() as connection:
            return [FailedPartition(*row) for row in connection.execute(query.order_by(c.seller_id, c.dataset, c.day))]

    def add(
        self, seller_id: str, datasets: Sequence[str], days: Iterable[date], sentence: str, failed_at: datetime
    ) -> None:
        """Put partitions on the list, or what is newly known of them."""
        with self._control.transaction() as connection:
            for day in days:
                for dataset in datasets:
                    key = {"seller_id": seller_id, "dataset": dataset, "day": day}
                    put_row(connection, failed_partitions, key, {"failed_at": failed_at, "sentence": sentence})

    def remove(self, seller_id: str, dataset: str, day: date) -> None:
        """Take a partition off the list."""
        c = failed_partitions.c
        these = sa.and_(c.seller_id == seller_id, c.dataset == dataset, c.day == day)
        with self._control.transaction() as connection:
            connection.execute(failed_partitions.delete().where(these))
