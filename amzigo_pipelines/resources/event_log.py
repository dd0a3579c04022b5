"""Dagster's SQLite event log with its connections kept open, named in `dagster.yaml`.

Belongs here: how connections to the event log are made. Does not belong here: what is stored; that is Dagster's.

Dagster's own class makes an engine and opens a connection for every single event, and in WAL mode closing the last
connection writes the whole log back. Half of a run's time went there. This class differs in nothing else: same files,
same schema, so that an installation can go back to Dagster's class by removing it from `dagster.yaml`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import QueuePool

# The index, the run that is executing and the few that somebody looks at. Each open shard costs a file handle.
_OPEN_SHARDS = 8


class PooledSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's SQLite event log, keeping a connection to each of the shards used last.

    Args:
        base_dir: DAGSTER_HOME; the log lies in `history/runs` below it, as by Dagster's default.
        inst_data: Dagster's own.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._empty_shard = b""
        super().__init__(str(Path(base_dir) / "history" / "runs"), inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> PooledSqliteEventLogStorage:
        """Dagster's way of making the storage from `dagster.yaml`."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        # One thread at a time, as in Dagster's class: the lock is what makes sharing a connection safe.
        with self._db_lock, self._engine(shard).connect() as connection, connection.begin():
            yield connection

    def _engine(self, shard: str) -> Engine:
        engine = self._engines.get(shard)
        if engine is None:
            engine = sa.create_engine(
                self.conn_string_for_shard(shard),
                poolclass=QueuePool,
                pool_size=1,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
            self._engines[shard] = engine
            if len(self._engines) > _OPEN_SHARDS:
                self._engines.popitem(last=False)[1].dispose()
        self._engines.move_to_end(shard)
        if shard not in self._initialized_dbs:
            self._initialise(shard, engine)
            self._initialized_dbs.add(shard)
        return engine

    def _initialise(self, shard: str, engine: Engine) -> None:
        """Make a shard's tables; from the second new one on by copying an empty shard, as migrations load slowly."""
        path = Path(self.path_for_shard(shard))
        is_new = shard != INDEX_SHARD_NAME and not path.exists()
        if is_new and self._empty_shard:
            temporary = path.with_suffix(".tmp")
            temporary.write_bytes(self._empty_shard)
            temporary.replace(path)
            return
        self._initdb(engine)
        if is_new:
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            self._empty_shard = path.read_bytes()

    def wipe(self) -> None:
        """Forget everything; connections are closed first, since the files are removed under them."""
        self._close()
        super().wipe()

    def dispose(self) -> None:
        """Close all connections."""
        self._close()
        super().dispose()

    def _close(self) -> None:
        with self._db_lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()
