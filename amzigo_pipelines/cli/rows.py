"""Writing a query's rows: as a table, CSV, JSON lines or Parquet, batch by batch."""

from __future__ import annotations

import json
import math
import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from amzigo_pipelines.cli.output import complain, print_table, say
from amzigo_pipelines.errors import AmzigoError

TABLE_ROWS = 100


class ExportRefused(AmzigoError):
    """The rows can't be written as asked."""


def write_rows(rows: pa.RecordBatchReader, format_: str, output: str | None) -> None:
    """Write all rows of a reader; of a table only the first 100 are shown.

    Args:
        rows: the query's answer.
        format_: `table`, `csv`, `json` (one list) or `parquet`.
        output: file to write; stdout when None (not for Parquet).

    Raises:
        ExportRefused: Parquet without a file, or the file can't be written.
    """
    if format_ == "table":
        if output is not None:
            raise ExportRefused("a table is for the screen: to write a file add --format csv, json or parquet")
        _table(rows)
        return
    if format_ == "json":
        _refuse_doubled(rows.schema.names)
    if format_ == "parquet" and output is None:
        raise ExportRefused("parquet needs a file: add --output FILE.parquet")
    try:
        if output is None:
            _write(rows, format_, sys.stdout.buffer)
            sys.stdout.flush()
        else:
            with Path(output).open("wb") as file:
                _write(rows, format_, file)
            complain(f"written to {output}; from here on the copy is yours to protect and to delete")
    except BrokenPipeError:
        raise  # whoever read stdout has read enough
    except OSError as error:
        raise ExportRefused(
            f"{output or 'stdout'} can't be written ({error.strerror}): free space or write it elsewhere"
        ) from None


def _write(rows: pa.RecordBatchReader, format_: str, file: Any) -> None:
    if format_ == "csv":
        with pyarrow.csv.CSVWriter(file, rows.schema) as writer:
            for batch in rows:
                writer.write_batch(batch)
    elif format_ == "parquet":
        with pyarrow.parquet.ParquetWriter(file, rows.schema, compression="zstd") as writer:
            for batch in rows:
                writer.write_batch(batch)
    else:
        separator = b"[\n "
        for batch in rows:
            for record in batch.to_pylist():
                file.write(separator + json.dumps(_finite(record), default=_plain, ensure_ascii=False).encode())
                separator = b",\n "
        file.write(b"[]\n" if separator.startswith(b"[") else b"\n]\n")


def _table(rows: pa.RecordBatchReader) -> None:
    shown: list[list[Any]] = []
    is_cut = False
    for batch in rows:
        # Column by column: two columns may have one name, and a record would keep only one of them.
        for record in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            if len(shown) == TABLE_ROWS:
                is_cut = True
                break
            shown.append(list(record))
        if is_cut:
            break
    print_table("", rows.schema.names, shown)
    if is_cut:
        say(f"the first {TABLE_ROWS} rows; all of them: --format csv")


def _finite(record: dict[str, Any]) -> dict[str, Any]:
    # JSON has no NaN and no infinity: a strict reader would refuse the whole file.
    return {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in record.items()}


def _refuse_doubled(names: list[str]) -> None:
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise ExportRefused(f"the query has two columns named {doubled!r}: give one another name with AS")


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        # A JSON number would be read back as a float; cents must survive.
        return str(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    return str(value)
