"""A report's text on its way to Arrow: lines and fields, a few megabytes at a time, never on disk.

Belongs here: tab-separated lines. Does not belong here: compression and charsets (`encoding.py`), which column is
which (`headers.py`), values (`values.py`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from threading import Semaphore
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

from amzigo_pipelines.catalog.model import UNCLASSIFIED
from amzigo_pipelines.resources.reports.headers import Drift, Wanted, layout_of
from amzigo_pipelines.resources.spapi.errors import Asked, ReportUnreadable

_BLOCK_BYTES = 1 << 20
# Arrow itself would read 32 blocks ahead.
_BLOCKS_AHEAD = 3
_LONGEST_PAUSE_S = 0.5
_MAX_HEADER_BYTES = 1 << 16
# Lines that are put together again, because somebody wrote them with line breaks; more are a damaged report.
_MOST_BROKEN_LINES = 10_000


class ReportTable:
    """A report's lines, tab-separated UTF-8 with a header, as Arrow batches.

    Attributes:
        drift: columns that are new or missing.

    Args:
        asked: for errors.
        chunks: the text.
        wanted: which columns.

    Raises:
        ReportNotTabular: there is no header line: an error sentence, or nothing.
        ReportColumnsChanged: a required column is missing.
    """

    def __init__(self, asked: Asked, chunks: Iterable[bytes], wanted: Wanted) -> None:
        self._asked, self._wanted = asked, wanted
        self._source = _Bytes(chunks)
        self._layout = layout_of(asked, self._source.read_line().decode(), wanted)
        self.drift: Drift = self._layout.drift

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, once: wanted columns as strings under the headers that they were asked for by; empty fields null.

        A wanted column that is missing is all null. Where Amazon sent columns that nobody has classified, the column
        `unclassified` holds their values as a JSON object a row, null for rows without any.

        Raises:
            ReportUnreadable: a line has too many or too few fields.
        """
        if not self._source.has_more():
            return
        unknown = {f"#{place}": header for place, header in self._layout.unknown.items()}
        included = [*self._wanted.headers, *unknown]
        broken: list[csv.InvalidRow] = []

        def on_broken(row: csv.InvalidRow) -> str:
            if row.actual_columns > row.expected_columns or len(broken) >= _MOST_BROKEN_LINES:
                return "error"
            broken.append(row)
            return "skip"

        try:
            reader = csv.open_csv(
                pa.PythonFile(self._source, mode="r"),
                read_options=csv.ReadOptions(
                    use_threads=False, block_size=_BLOCK_BYTES, column_names=list(self._layout.names)
                ),
                parse_options=csv.ParseOptions(
                    delimiter="\t",
                    quote_char='"' if self._layout.is_quoted else False,
                    double_quote=self._layout.is_quoted,
                    newlines_in_values=self._layout.is_quoted,
                    ignore_empty_lines=True,
                    invalid_row_handler=on_broken,
                ),
                convert_options=csv.ConvertOptions(
                    column_types=dict.fromkeys(included, pa.string()),
                    include_columns=included,
                    include_missing_columns=True,
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                    null_values=[""],
                    check_utf8=False,
                ),
            )
            for batch in reader:
                self._source.consumed()
                yield _with_unclassified(batch, unknown) if unknown else batch
            if broken:
                batch = _batch_of(_mended(broken), self._layout.names, included)
                yield _with_unclassified(batch, unknown) if unknown else batch
        except pa.ArrowInvalid:
            if self._source.failure is not None:
                raise self._source.failure from None
            # Arrow's own text quotes the line.
            raise ReportUnreadable(
                self._asked,
                "a line of the report has another number of fields than its header: torn, or a change of Amazon's",
            ) from None


def _mended(broken: list[csv.InvalidRow]) -> list[list[str]]:
    """Rows out of lines that have too few fields, because a buyer's words had a line break.

    Only what fits is put together: lines that follow each other, up to exactly as many fields as a row has.

    Raises:
        pa.ArrowInvalid: they don't fit.
    """
    rows: list[list[str]] = []
    fields: list[str] = []
    last = 0
    for line in broken:
        parts = line.text.split("\t")
        if fields and line.number != last + 1:
            raise pa.ArrowInvalid
        fields = [*fields[:-1], f"{fields[-1]}\n{parts[0]}", *parts[1:]] if fields else parts
        last = line.number
        if len(fields) > line.expected_columns:
            raise pa.ArrowInvalid
        if len(fields) == line.expected_columns:
            rows.append(fields)
            fields = []
    if fields:
        raise pa.ArrowInvalid
    return rows


def _batch_of(rows: list[list[str]], names: Sequence[str], included: Sequence[str]) -> pa.RecordBatch:
    places = {name: place for place, name in enumerate(names)}
    columns = [[row[places[name]] or None if name in places else None for row in rows] for name in included]
    return pa.RecordBatch.from_arrays([pa.array(column, pa.string()) for column in columns], list(included))


def _with_unclassified(batch: pa.RecordBatch, unknown: dict[str, str]) -> pa.RecordBatch:
    """The batch with its unknown columns replaced by one of JSON objects."""
    parts = []
    for name, header in unknown.items():
        values = batch.column(name)
        if values.null_count < len(values):
            key = json.dumps(header, ensure_ascii=False)
            parts.append(pc.fill_null(pc.binary_join_element_wise(f",{key}:", _json_texts(values), ""), ""))
    wanted = [name for name in batch.schema.names if name not in unknown]
    objects = pa.nulls(batch.num_rows, pa.string())
    if parts:
        # Not Arrow's own skipping of nulls: it loses the rows that have nothing but nulls.
        inner = pc.utf8_slice_codeunits(pc.binary_join_element_wise(*parts, ""), 1)
        objects = pc.if_else(pc.equal(inner, ""), None, pc.binary_join_element_wise("{", inner, "}", ""))
    return pa.RecordBatch.from_arrays([*(batch.column(name) for name in wanted), objects], [*wanted, UNCLASSIFIED])


def _json_texts(values: pa.Array) -> pa.Array:
    """Each text as JSON writes it; nulls stay null."""
    values = pc.replace_substring(values, "\\", "\\\\")
    values = pc.replace_substring(values, '"', '\\"')
    if pc.any(pc.match_substring_regex(values, "[\\x00-\\x1f]")).as_py():
        for code in range(0x20):
            values = pc.replace_substring(values, chr(code), f"\\u{code:04x}")
    return pc.binary_join_element_wise('"', values, '"', "")


class _Bytes(io.RawIOBase):
    """Chunks as a file that Arrow reads. Remembers what went wrong while they came."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        super().__init__()
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")
        self._turns = Semaphore(_BLOCKS_AHEAD)
        self.failure: Exception | None = None

    def readable(self) -> bool:
        return True

    def has_more(self) -> bool:
        """Whether anything is left but line ends."""
        while not bytes(self._rest).strip(b"\r\n"):
            if not (chunk := self._next()):
                return False
            self._rest = memoryview(bytes(self._rest) + chunk)
        return True

    def read_line(self) -> bytes:
        """The first line."""
        held = b""
        while b"\n" not in held and len(held) < _MAX_HEADER_BYTES and (chunk := self._next()):
            held += chunk
        line, _, rest = held.partition(b"\n")
        self._rest = memoryview(rest)
        return line

    def read(self, size: int | None = -1) -> Any:
        """`size` bytes, fewer only at the end: Arrow takes every block for whole lines and one cut line.

        In Arrow's own memory: megabytes that Python allocates in Arrow's thread stay with that thread's heap.
        """
        # Not for ever: a block that makes no batch, because a value goes on in the next, gives no turn back.
        self._turns.acquire(timeout=_LONGEST_PAUSE_S)
        wanted = _BLOCK_BYTES if size is None or size < 0 else size
        block, held = pa.allocate_buffer(wanted), 0
        space = memoryview(block).cast("B")
        while held < wanted:
            if not self._rest:
                self._rest = memoryview(self._next())
                if not self._rest:
                    break
            part = self._rest[: wanted - held]
            space[held : held + len(part)] = part
            self._rest = self._rest[len(part) :]
            held += len(part)
        return block.slice(0, held)

    def consumed(self) -> None:
        """A block was turned into rows: one more may be read ahead."""
        self._turns.release()

    def _next(self) -> bytes:
        try:
            return next((chunk for chunk in self._chunks if chunk), b"")
        except Exception as error:
            self.failure = error
            raise
