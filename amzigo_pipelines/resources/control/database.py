"""The control database: connections, transactions, and sentences for what a database can refuse.

Belongs here: how to connect, to SQLite (the default) or PostgreSQL, so that what is destroyed is really overwritten.
Does not belong here: tables (`schema.py`) and statements (the module that owns the rows).

Imports neither pyarrow nor duckdb: the command line lists sellers without them.
"""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.control import schema
from amzigo_pipelines.resources.spapi.addresses import is_loopback

BUSY_TIMEOUT_MS = 30_000
# Any fixed number: PostgreSQL's advisory lock that stands for SQLite's single writer.
_WRITER_LOCK = 0x616D7A69
# The revision of the tables of this release: the newest of `migrations/versions/`.
REVISION = "0001"
# Not Alembic's own name for it: Dagster's tables may be in the same database.
REVISION_TABLE = "amzigo_revision"
_REVISIONS = sa.table(REVISION_TABLE, sa.column("version_num", sa.String(32)))
_TLS_MODES = ("require", "verify-ca", "verify-full")


class ControlError(AmzigoError):
    """The control database is missing, damaged, busy, full or can't be written."""


class ControlBusy(ControlError):
    """Another process kept the control database to itself for too long."""

    is_retryable = True


class OtherRelease(ControlError):
    """The control database's tables are those of another release."""


class ControlDatabase:
    """A connection factory for the control database.

    Safe to share between threads: every transaction has its own connection. SQLite connections aren't pooled, so
    nothing survives a fork, and a database file that was moved away is noticed at once.

    Args:
        url: SQLAlchemy address; `sqlite:///<file>` or `postgresql://...`.

    Raises:
        ControlError: the address names no such database, or would send keys over a network in the clear.
    """

    def __init__(self, url: str) -> None:
        self._url = checked_address(url)
        self._is_sqlite = self._url.get_backend_name() == "sqlite"
        self._is_of_this_release = False
        # Parameters are hidden: an exception's text goes into logs, and a statement binds wrapped keys.
        if not self._is_sqlite:
            self.engine: Engine = sa.create_engine(self._url, hide_parameters=True, pool_pre_ping=True)
            return
        if not self._url.database or self._url.database == ":memory:":
            raise ControlError("the control database must be a file or a PostgreSQL server: it holds the keys")
        self._file = Path(self._url.database).absolute()
        self.engine = sa.create_engine(
            self._url, creator=self._connect_sqlite, poolclass=sa.pool.NullPool, hide_parameters=True
        )
        event.listen(self.engine, "begin", _begin_sqlite)

    def create(self, installation_id: str | None = None) -> None:
        """Make all tables that aren't there yet. Harmless when they are.

        Args:
            installation_id: of a restored installation; a new one when None.

        Raises:
            ControlError: the database can't be made.
        """
        if self._is_sqlite:
            try:
                # Made here and not by SQLite, so that it is ours alone from its first byte.
                os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))
            except OSError as error:
                raise ControlError(
                    f"the control database {self._file} can't be made ({error.strerror}): mend the folder's permissions"
                ) from None
        with self.transaction(of_any_release=True) as connection:
            schema.metadata.create_all(connection)
            # What the migrations make of nothing, without loading them: a test compares the two.
            connection.execute(
                sa.text(f"CREATE TABLE IF NOT EXISTS {REVISION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
            )
            if connection.execute(sa.select(_REVISIONS)).first() is None:
                connection.execute(_REVISIONS.insert().values(version_num=REVISION))
            if connection.execute(sa.select(schema.installation.c.installation_id)).first() is None:
                connection.execute(
                    schema.installation.insert().values(
                        installation_id=installation_id or uuid.uuid4().hex, created_at=datetime.now(UTC)
                    )
                )

    @property
    def place(self) -> str:
        """Where it is, for people; no password."""
        return str(self._file) if self._is_sqlite else self._url.render_as_string(hide_password=True)

    def is_there(self) -> bool:
        """Whether there is a database with an installation in it; one that can't be read counts as there."""
        if self._is_sqlite:
            return self._file.exists()
        with self._clear_errors():
            if not sa.inspect(self.engine).has_table(schema.installation.name):
                return False
        with self.read(of_any_release=True) as connection:
            return connection.execute(sa.select(schema.installation.c.installation_id)).first() is not None

    def discard(self) -> None:
        """Remove the database with all that is in it: only for one that a restore left half made."""
        if not self._is_sqlite:
            with self._clear_errors():
                schema.metadata.drop_all(self.engine)
                with self.engine.begin() as connection:
                    connection.execute(sa.text(f"DROP TABLE IF EXISTS {REVISION_TABLE}"))
            return
        for suffix in ("", "-journal", "-wal", "-shm"):
            self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)

    def installation_id(self) -> str:
        """The id that this database and the lake that belongs to it have in common."""
        with self.read() as connection:
            return str(connection.execute(sa.select(schema.installation.c.installation_id)).scalar_one())

    @contextmanager
    def transaction(self, *, of_any_release: bool = False) -> Iterator[Connection]:
        """One write transaction: commits on a clean exit, else rolls back. Writers take turns, readers don't wait.

        Args:
            of_any_release: do not look whether the tables are this release's: for making and upgrading them.

        Raises:
            OtherRelease: the tables are not this release's.
            ControlError: the database refused, with the reason.
        """
        with self._clear_errors(), self.engine.connect() as connection:
            connection = connection.execution_options(amzigo_write=True)
            with connection.begin():
                if not self._is_sqlite:
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITER_LOCK)))
                if not of_any_release:
                    self._check_release(connection)
                yield connection

    @contextmanager
    def read(self, *, of_any_release: bool = False) -> Iterator[Connection]:
        """A connection for reading one consistent state. Leave it soon: a writer waits for its end before committing.

        Args:
            of_any_release: as for `transaction`.

        Raises:
            OtherRelease: the tables are not this release's.
            ControlError: the database refused, with the reason.
        """
        with self._clear_errors(), self.engine.connect() as connection, connection.begin():
            if not of_any_release:
                self._check_release(connection)
            yield connection

    def _check_release(self, connection: Connection) -> None:
        """Once for each of these objects: a process does not outlive an upgrade, see docs/operations."""
        if self._is_of_this_release:
            return
        revision = connection.execute(sa.select(_REVISIONS)).scalar()
        if revision != REVISION:
            raise OtherRelease(
                f"the control database {self.place} is of another release (revision {revision}, this one's is "
                f"{REVISION}): stop all processes and run 'amzigo upgrade'"
            )
        self._is_of_this_release = True

    def _connect_sqlite(self) -> sqlite3.Connection:
        # mode=rw: a missing database is an error, not a new empty one in which no key and no seller exists.
        connection = sqlite3.connect(
            f"file:{quote(str(self._file))}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            # DELETE and not WAL: in WAL mode an overwritten key stays readable in the -wal file.
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            # Statement journals and sorts would go to the system's temporary folder.
            connection.execute("PRAGMA temp_store = MEMORY")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.IntegrityError:
            raise
        except (sa.exc.OperationalError, sa.exc.DatabaseError) as error:
            raise self._clear_error(str(error.orig)) from None

    def _clear_error(self, reason: str) -> ControlError:
        place = self.place
        low = reason.lower()
        if self._is_sqlite and not self._file.exists():
            return ControlError(
                f"the control database {place} is missing: restore it from a backup, or make a new home in another "
                "folder with 'amzigo init'"
            )
        if "no such table" in low or "undefinedtable" in low or ("relation" in low and "does not exist" in low):
            return ControlError(
                f"the control database {place} lacks its tables: restore it from a backup, or make a new home in "
                "another folder with 'amzigo init'"
            )
        if "locked" in low or "busy" in low:
            return ControlBusy(f"the control database {place} is in use by another process: try again in a minute")
        if "readonly" in low or "read-only" in low:
            return ControlError(
                f"the control database {place} can't be written: mend the permissions of it and its folder"
            )
        if "full" in low or "disk i/o" in low:
            return ControlError(f"the control database {place} can't grow ({reason}): free space, nothing was changed")
        if "not a database" in low or "malformed" in low:
            return ControlError(f"the control database {place} is damaged ({reason}): restore it from a backup")
        return ControlError(
            f"the control database {place} refused ({reason}): check that it can be reached and written"
        )


def checked_address(url: str) -> URL:
    """A database's address, if what we know may travel to it.

    Raises:
        ControlError: neither SQLite nor PostgreSQL, or a PostgreSQL server on another machine without TLS.
    """
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise ControlError(
            "the database's address is none: write it as postgresql://user:password@host/name (AMZIGO_DATABASE_URL, or "
            "dagster.yaml)"
        )
    if parsed.get_backend_name() == "sqlite":
        return parsed
    # The bare scheme means another driver to SQLAlchemy than to Dagster, and only this one is installed.
    parsed = parsed.set(drivername="postgresql+psycopg2")
    hosts = [parsed.host, parsed.query.get("host"), parsed.query.get("hostaddr")]
    is_here = all(host is None or str(host).startswith("/") or is_loopback(str(host)) for host in hosts)
    if not is_here and parsed.query.get("sslmode") not in _TLS_MODES:
        raise ControlError(
            "the database is on another machine, and its address asks for no TLS: add ?sslmode=verify-full (and "
            "sslrootcert=...) to AMZIGO_DATABASE_URL or dagster.yaml"
        )
    return parsed


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that turns from reading to writing can fail at once with "locked", whatever the timeout.
    writes: Any = connection.get_execution_options().get("amzigo_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
