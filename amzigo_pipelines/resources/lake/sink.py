"""One Parquet file being written.

Belongs here: bytes on disk. Does not belong here: folders (`durability.py`), keys, names, books (`writer.py`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_ROWS = 122_880
# Of wide tables fewer rows make a row group: what waits for it is most of the memory that an extraction takes.
_GROUP_BYTES = 8 << 20
_SMALL_ROWS = 1000


class ParquetSink:
    """One Parquet file being written, by row groups of 122,880 rows or 8 MB of them, whichever is less.

    Args:
        path: where to write; made with mode 0600.
        schema: of the rows.
        encryption: Parquet encryption properties; the lake always gives them (None is for benchmarks alone).
        facts: goes into the file's metadata, inside the encrypted footer.
        is_scanned: whether queries filter on it. Where they don't and the file is small, dictionaries, statistics and
            compression are left out: a partition has some thirty PII files, and these took 60 % of their time.
    """

    def __init__(
        self, path: Path, schema: pa.Schema, encryption: Any, facts: Mapping[str, str], is_scanned: bool
    ) -> None:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        self.path = path
        self.rows = 0
        self._buffered_rows = 0
        self.buffered_bytes = 0
        self._schema, self._encryption, self._facts = schema, encryption, dict(facts)
        self._is_scanned = is_scanned
        self._buffer: list[pa.Table] = []
        self._file = pa.OSFile(str(path), "wb")
        self._writer: pq.ParquetWriter | None = None

    def append(self, table: pa.Table) -> None:
        """Add rows; whole row groups are written at once."""
        self._buffer.append(table)
        self._buffered_rows += table.num_rows
        self.buffered_bytes += table.nbytes
        self.rows += table.num_rows
        if self._buffered_rows >= ROW_GROUP_ROWS:
            self._write(self._buffered_rows // ROW_GROUP_ROWS * ROW_GROUP_ROWS)
        elif self.buffered_bytes >= _GROUP_BYTES:
            self.flush()
            # Arrow's allocator would keep what it needed for good: 60 MB of a busy day's report.
            pa.default_memory_pool().release_unused()

    def flush(self) -> None:
        """Write what is buffered, as a row group that may be short."""
        if self._buffered_rows:
            self._write(self._buffered_rows)

    def finish(self) -> tuple[int, str]:
        """Write the rest and the footer, make the file durable; returns its size and SHA-256."""
        self.flush()
        writer = self._open_writer()
        writer.add_key_value_metadata(self._facts)
        writer.close()
        self._file.close()
        with self.path.open("rb") as file:
            # Read back from the page cache. Hashing on the way would need a Python file object under Arrow's writer and
            # is no faster: writing and hashing took 0.93 ms of CPU like this and 0.98 ms on the way for 10 kB, 0.60 s
            # either way for 30 MB (the best of 200 and of 3 runs).
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
            return os.fstat(file.fileno()).st_size, digest

    def abandon(self) -> None:
        """Close without caring for the content, and remove the file if it still has its temporary name."""
        # Else the writer would add a footer to the closed file when it is garbage collected, and complain on stderr.
        if self._writer is not None:
            self._writer.is_open = False
        # A full disk refuses the last flush too, a read-only one the removal: then the sweep removes it.
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self.path.unlink()

    def _write(self, rows: int) -> None:
        table = pa.concat_tables(self._buffer)
        self._open_writer().write_table(table.slice(0, rows), row_group_size=ROW_GROUP_ROWS)
        rest = table.slice(rows)
        self._buffer = [rest] if rest.num_rows else []
        self._buffered_rows, self.buffered_bytes = rest.num_rows, rest.nbytes

    def _open_writer(self) -> pq.ParquetWriter:
        # Opened with the first rows to be written, when it is known whether the file stays small.
        if self._writer is None:
            is_plain = not self._is_scanned and self.rows < _SMALL_ROWS
            self._writer = pq.ParquetWriter(
                self._file,
                self._schema,
                compression="none" if is_plain else "zstd",
                compression_level=None if is_plain else 1,
                use_dictionary=not is_plain,
                write_statistics=not is_plain,
                encryption_properties=self._encryption,
            )
        return self._writer
