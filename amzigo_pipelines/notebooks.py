"""What a notebook needs: `amzigo_pipelines.connect()`.

Belongs here: the one call for analysts who write Python. Does not belong here: anything that the warehouse does itself.
It imports nothing of weight before it is called, because every import of the package passes here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    import duckdb


def connect(*seller_ids: str, home: str | os.PathLike[str] | None = None) -> duckdb.DuckDBPyConnection:
    """A read-only DuckDB connection to sellers' published marts.

    With one seller its marts are there by name: `connect("A1B2C3").sql("FROM sales_daily").df()`. With several, each is
    a schema named by its id: `SELECT * FROM A1B2C3.sales_daily`; they are never put together for you. An open
    connection keeps seeing the version it opened; connect again for a newer one.

    Args:
        seller_ids: whose marts.
        home: the installation's folder; AMZIGO_HOME, or `.amzigo` in the working directory, when None.

    Raises:
        HomeError: there is no installation.
        UnknownSeller: there is no such seller.
        WarehouseError: nothing is published, or the file is damaged or past its date; the sentence says what to do.
    """
    from pathlib import Path

    from amzigo_pipelines.resources.home import load_home
    from amzigo_pipelines.resources.platform import Platform

    platform = Platform(load_home(Path(home) if home is not None else None))
    connection = platform.warehouse.connect(*(platform.sellers.get(seller_id).seller_id for seller_id in seller_ids))
    # Who opened which keys; nobody will be there to write it down later.
    platform.audit.flush()
    return connection
