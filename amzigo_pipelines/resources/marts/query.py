"""One analyst's query against published marts: what is allowed, how long it may take, how its errors read.

Belongs here: the guard around one SQL text and its stream of rows. Does not belong here: opening the file
(`warehouse.py`) and printing rows (`cli/`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import duckdb
import pyarrow as pa

from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.marts.duckdb_session import first_line

BATCH_ROWS = 100_000
_ALLOWED = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
T = TypeVar("T")


class QueryError(AmzigoError):
    """The query is wrong, or failed."""


class QueryRefused(QueryError):
    """The text is not one statement that only reads."""


class QueryTimeout(QueryError):
    """The query took longer than it may."""


def run_query(connection: duckdb.DuckDBPyConnection, sql: str, timeout_s: float) -> pa.RecordBatchReader:
    """Run one reading statement; rows come as they are made.

    Args:
        connection: a sealed one of its own; it is closed after the last row, or on an error.
        sql: one SELECT, FROM, SHOW, DESCRIBE, SUMMARIZE or EXPLAIN.
        timeout_s: seconds that DuckDB may work on it, in all; a slow reader's own time does not count.

    Raises:
        QueryRefused: no statement, several, or one that does more than read.
        QueryTimeout: it took too long; also from the reader.
        QueryError: DuckDB's reason; also from the reader.
    """
    budget = _Budget(connection, timeout_s)
    try:
        _check(connection, sql)
        budget.spend(lambda: connection.execute(sql))
        reader = budget.spend(lambda: connection.to_arrow_reader(BATCH_ROWS))
    except BaseException:
        connection.close()
        raise

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            while (batch := budget.spend(lambda: next(reader, None))) is not None:
                yield batch
        finally:
            connection.close()

    return pa.RecordBatchReader.from_batches(reader.schema, batches())


def _check(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryError(f"the query can't be read: {first_line(error)}") from None
    if not statements:
        raise QueryRefused("there is no SQL statement in the query: write one SELECT")
    refused = next((s for s in statements if s.type not in _ALLOWED), None)
    if refused is not None:
        raise QueryRefused(
            f"marts are read-only and a query is one SELECT: {refused.type.name} is refused"
            + (" (name PIVOT's columns with IN (...))" if sql.lstrip().upper().startswith("PIVOT") else "")
        )
    if len(statements) > 1:
        raise QueryRefused(f"the query holds {len(statements)} statements: send one at a time")


class _Budget:
    """Seconds that DuckDB may work, spent call by call, and the translation of its errors."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._left_s = timeout_s

    def spend(self, work: Callable[[], T]) -> T:
        began = time.monotonic()
        timer = threading.Timer(max(self._left_s, 0.001), self._connection.interrupt)
        timer.daemon = True
        timer.start()
        try:
            return work()
        except duckdb.InterruptException:
            raise QueryTimeout(
                f"the query was stopped after {self._timeout_s:g} s: narrow it down, or allow it more time"
            ) from None
        except duckdb.Error as error:
            raise _explained(error) from None
        except (OSError, pa.ArrowException) as error:
            # Arrow's reader hands on DuckDB's errors as its own, with DuckDB's text.
            if "INTERRUPT" in str(error):
                raise QueryTimeout(
                    f"the query was stopped after {self._timeout_s:g} s: narrow it down, or allow it more time"
                ) from None
            raise QueryError(f"the query failed while its rows were read ({type(error).__name__})") from None
        finally:
            timer.cancel()
            self._left_s -= time.monotonic() - began


def _explained(error: duckdb.Error) -> QueryError:
    if isinstance(error, duckdb.ParserException | duckdb.CatalogException | duckdb.BinderException):
        return QueryError(f"the query is wrong: {first_line(error)}")
    if isinstance(error, duckdb.PermissionException):
        return QueryRefused("a query may read the published marts only, no files and no other databases")
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryError("the query needs more memory than it may use: narrow it down or aggregate more")
    if isinstance(error, duckdb.ConversionException | duckdb.OutOfRangeException):
        # Such a message quotes the value.
        return QueryError(f"a value does not fit what the query makes of it ({type(error).__name__}): use TRY_CAST")
    if "AES tag" in str(error) or isinstance(error, duckdb.IOException):
        return QueryError("the published marts are damaged: publish them again")
    return QueryError(f"the query failed ({type(error).__name__})")
