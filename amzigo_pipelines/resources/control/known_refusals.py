"""What Amazon refuses a seller because of what the seller is: told loudly once, then known.

Belongs here: the rows of `known_refusals`. Does not belong here: which datasets can be refused so (the catalog), what
is told and when (`assets/extraction/extract.py`).
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import known_refusals
from amzigo_pipelines.resources.control.statements import put_row


class KnownRefusals:
    """The refusals in the control database.

    Args:
        control: the control database.
    """

    def __init__(self, control: ControlDatabase) -> None:
        self._control = control

    def of(self, seller_id: str) -> dict[str, datetime]:
        """The datasets that a seller is refused, and since when (UTC)."""
        query = sa.select(known_refusals.c.dataset, known_refusals.c.since).where(
            known_refusals.c.seller_id == seller_id
        )
        with self._control.read() as connection:
            return {row.dataset: row.since for row in connection.execute(query)}

    def add(self, seller_id: str, dataset: str, since: datetime) -> None:
        """Amazon refused it."""
        with self._control.transaction() as connection:
            put_row(connection, known_refusals, {"seller_id": seller_id, "dataset": dataset}, {"since": since})

    def remove(self, seller_id: str, dataset: str) -> None:
        """Amazon gave it."""
        these = sa.and_(known_refusals.c.seller_id == seller_id, known_refusals.c.dataset == dataset)
        with self._control.transaction() as connection:
            connection.execute(known_refusals.delete().where(these))
