"""The freeze of a seller: while it lasts, none of its keys and tokens may be used, by any process.

Belongs here: the flag and its check, in the transaction that reads the key itself. Does not belong here: who freezes
and why (`retention/incidents.py`).
"""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import seller_freezes


class SellerFrozen(AmzigoError):
    """The seller's keys and tokens are frozen by an incident."""


def refuse_frozen(connection: Connection, seller_ids: Collection[str]) -> None:
    """Make sure that none of these sellers is frozen.

    Args:
        connection: the one that reads the keys or tokens: freezing then takes effect between two uses, not within one.
        seller_ids: whose keys or tokens.

    Raises:
        SellerFrozen: one is; the sentence names the incident.
    """
    if not seller_ids:
        return
    f = seller_freezes.c
    query = sa.select(f.seller_id, f.incident_id, f.frozen_at).order_by(f.seller_id)
    for row in connection.execute(query):
        if row.seller_id in seller_ids:
            raise SellerFrozen(
                f"seller {row.seller_id} is frozen since {row.frozen_at:%Y-%m-%d %H:%M} UTC by incident "
                f"{row.incident_id}: none of its keys and tokens is used until 'amzigo incident close "
                f"{row.incident_id}'"
            )


def frozen_sellers(connection: Connection) -> dict[str, str]:
    """The frozen sellers, each with its incident."""
    rows = connection.execute(sa.select(seller_freezes.c.seller_id, seller_freezes.c.incident_id))
    return {row.seller_id: row.incident_id for row in rows}


def check_not_frozen(control: ControlDatabase, seller_id: str) -> None:
    """The same for whoever holds a token in memory already: asked before each request to Amazon.

    Raises:
        SellerFrozen: the seller is frozen.
    """
    with control.read() as connection:
        refuse_frozen(connection, (seller_id,))
