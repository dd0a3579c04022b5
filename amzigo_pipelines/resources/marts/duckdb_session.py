"""The one factory of DuckDB connections: encrypted files, encrypted spills, nothing from the network.

Belongs here: how a connection is set up, how an encrypted file is attached, how a connection is closed off for an
analyst. Does not belong here: what is in the files (`staging.py`, `build.py`) and which file is current
(`warehouse.py`).

Nothing else in the package may call `duckdb.connect`.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from amzigo_pipelines.errors import AmzigoError

DEFAULT_MEMORY = "1GB"
MAX_THREADS = 4

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    # DuckDB would download what it misses.
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_persistent_secrets": False,
    # A table name in SQL must never turn into some Python variable of ours.
    "python_enable_replacements": False,
}


class EngineError(AmzigoError):
    """DuckDB can't be set up on this machine."""


class CannotOpen(AmzigoError):
    """A file can't be attached: missing, damaged, or not of this key. Caught and said better by the warehouse."""


def open_session(
    spill_dir: Path | None, memory_limit: str = DEFAULT_MEMORY, threads: int | None = None
) -> duckdb.DuckDBPyConnection:
    """An in-memory connection able to write encrypted files.

    Args:
        spill_dir: where it may spill, always encrypted; None = never, then a query that needs more memory fails.
        memory_limit: as DuckDB writes it.
        threads: how many; by default as the machine has, at most 4.

    Raises:
        EngineError: the httpfs extension, which brings the cryptography, is missing or does not fit this DuckDB.
    """
    connection = duckdb.connect(":memory:", config=_CONFIG)
    try:
        connection.execute(f"LOAD {_text(str(_httpfs()))}")
        connection.execute("SET temp_file_encryption = true")
        connection.execute(f"SET temp_directory = {_text(str(spill_dir or ''))}")
        connection.execute(f"SET memory_limit = {_text(memory_limit)}")
        connection.execute(f"SET threads = {threads or min(MAX_THREADS, os.cpu_count() or 1)}")
        # Instants are shown in UTC, whatever the machine's own zone is.
        connection.execute("SET TimeZone = 'UTC'")
    except duckdb.Error as error:
        connection.close()
        raise EngineError(
            f"DuckDB {duckdb.__version__} can't be set up ({first_line(error)}): install the locked packages again"
        ) from None
    return connection


def attach(connection: duckdb.DuckDBPyConnection, path: Path, name: str, secret: bytes, *, is_read_only: bool) -> None:
    """Attach an AES-256-GCM encrypted database file under a name; a new file is made if it may be written.

    Args:
        connection: from `open_session`.
        path: the file.
        name: name of the database within the connection.
        secret: 32 bytes.
        is_read_only: True to open an existing file for reading only.

    Raises:
        CannotOpen: it is missing, damaged, or made with another key.
    """
    options = ", READ_ONLY" if is_read_only else ""
    try:
        # The key is a bound value: it stands in no statement, so in no log and no message.
        connection.execute(
            f"ATTACH {_text(str(path))} AS {quoted(name)} (ENCRYPTION_KEY ?, ENCRYPTION_CIPHER 'GCM'{options})",
            [base64.b64encode(secret).decode("ascii")],
        )
    except duckdb.Error as error:
        raise CannotOpen(f"{path.name} can't be opened ({type(error).__name__})") from None


def seal(connection: duckdb.DuckDBPyConnection) -> None:
    """Close a connection off: from now on its SQL opens, reads and writes no file, and changes no setting.

    Attached files stay readable. `enable_external_access` alone is not enough: it still lets a COPY write beside an
    attached file and into the spill folder. So the local file system goes too, and with it any spill.
    """
    connection.execute("SET enable_external_access = false")
    connection.execute("SET disabled_filesystems = 'LocalFileSystem'")
    connection.execute("SET lock_configuration = true")


@contextmanager
def open_sealed_memory() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own for checking SQL: no files, no spills, no extension."""
    connection = duckdb.connect(":memory:", config=_CONFIG)
    try:
        connection.execute("SET temp_directory = ''")
        connection.execute("SET threads = 1")
        connection.execute("SET TimeZone = 'UTC'")
        seal(connection)
        yield connection
    finally:
        connection.close()


def quoted(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def first_line(error: duckdb.Error) -> str:
    """The first line of DuckDB's message, without DuckDB's word for the kind of error."""
    line = (str(error).strip().splitlines() or ["no reason given"])[0]
    return line.partition("Error: ")[2] or line


def text_literal(value: str) -> str:
    """A string as an SQL literal, where DuckDB takes no bound value (`COMMENT ON`, `SET`)."""
    return _text(value)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _httpfs() -> Path:
    try:
        import duckdb_extension_httpfs
    except ImportError:
        raise EngineError("the package duckdb-extension-httpfs is missing: install the locked packages again") from None
    folder = Path(str(duckdb_extension_httpfs.__file__)).parent / "extensions" / f"v{duckdb.__version__}"
    return folder / "httpfs.duckdb_extension"
