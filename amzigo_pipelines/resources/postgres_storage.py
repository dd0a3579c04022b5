"""Dagster's PostgreSQL storage with a few connections kept open, named in `deploy/dagster.postgres.yaml`.

Belongs here: how connections are made, and that they are encrypted. Does not belong here: what is stored; that is
dagster-postgres's.

dagster-postgres opens and closes a connection for every single event of a run. This class gives its three storages one
pool, and differs in nothing else: same tables, same migrations (`dagster instance migrate`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import pg_url_from_config
from sqlalchemy.pool import QueuePool

from amzigo_pipelines.resources.control.database import checked_address

# A run writes from one thread; the daemon and the webserver from a few.
_POOL_SIZE, _MORE = 2, 8
# Below the time after which firewalls between machines usually forget a connection.
_RECYCLE_S = 1800


class PooledPostgresStorage(DagsterPostgresStorage):
    """Runs, events and schedules in one PostgreSQL database, over one pool of connections.

    Args:
        postgres_url: address of the database; on another machine only with `sslmode` of `require` or stricter.
        should_autocreate_tables: make Dagster's tables where they are missing.
        inst_data: Dagster's own.

    Raises:
        ControlError: the address would send event logs over a network in the clear.
    """

    def __init__(
        self, postgres_url: str, should_autocreate_tables: bool = True, inst_data: ConfigurableClassData | None = None
    ) -> None:
        address = checked_address(postgres_url).render_as_string(hide_password=False)
        super().__init__(address, should_autocreate_tables, inst_data)
        self._pool = sa.create_engine(
            address,
            isolation_level="AUTOCOMMIT",
            poolclass=QueuePool,
            pool_size=_POOL_SIZE,
            max_overflow=_MORE,
            pool_recycle=_RECYCLE_S,
            # A server that was restarted costs a question, not a run.
            pool_pre_ping=True,
            hide_parameters=True,
        )
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine.dispose()
            storage._engine = self._pool

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> PooledPostgresStorage:
        """Dagster's way of making the storage from `dagster.yaml`."""
        return cls(
            pg_url_from_config(config_value), config_value.get("should_autocreate_tables", True), inst_data=inst_data
        )

    def dispose(self) -> None:
        """Close all connections."""
        self._pool.dispose()
