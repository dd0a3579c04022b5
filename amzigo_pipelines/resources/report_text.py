"""A report's bytes on their way to Arrow: gunzip, decode, split into rows; a few megabytes at a time, never on disk.

Belongs here: formats. Does not belong here: HTTP (`reports.py`), which column is which (`report_headers.py`), values
(`report_values.py`).
"""

from __future__ import annotations

import codecs
import io
import json
import zlib
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

from amzigo_pipelines.catalog.model import UNCLASSIFIED
from amzigo_pipelines.resources.report_headers import Drift, Wanted, layout_of
from amzigo_pipelines.resources.spapi_errors import Asked, DownloadFailed, ReportUnreadable

_BLOCK_BYTES = 1 << 20
_MAX_HEADER_BYTES = 1 << 16
# What tells a byte order mark.
_MARK_BYTES = 4
# Python knows Amazon's "Windows-31J" and "Cp1252" under other names than their own.
_CODECS = {"windows-31j": "cp932", "cp1252": "cp1252", "shift_jis": "cp932", "sjis": "cp932", "iso-8859-1": "cp1252"}
# ASCII bytes mean the same wherever a character begins.
_ASCII_ALIKE = ("utf-8", "cp1252", "cp932")


def gunzip(asked: Asked, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress, member after member: Amazon's big documents have several.

    Raises:
        DownloadFailed: no gzip, or its end is missing.
    """
    member = zlib.decompressobj(wbits=31)
    is_open = False  # within a member
    for chunk in chunks:
        while chunk:
            if not is_open:
                chunk = chunk.lstrip(b"\0")  # padding between members is allowed
                if not chunk:
                    break
                member, is_open = zlib.decompressobj(wbits=31), True
            try:
                # In bounded pieces: a few bytes may stand for a thousand times as many.
                data = member.decompress(chunk, _BLOCK_BYTES)
            except zlib.error:
                raise DownloadFailed(asked, "the report's compressed content is damaged: try again") from None
            if data:
                yield data
            chunk = member.unused_data if member.eof else member.unconsumed_tail
            is_open = not member.eof
    if is_open:
        raise DownloadFailed(asked, "the report's compressed content ends in the middle: try again")


def charset_of(content_type: str | None) -> str | None:
    """The Python codec of a Content-Type's charset; None if it names none that is known."""
    for part in (content_type or "").split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "charset":
            wanted = value.strip("\"' ").lower()
            try:
                return codecs.lookup(_CODECS.get(wanted, wanted)).name
            except LookupError:
                return None
    return None


def to_utf8(asked: Asked, chunks: Iterable[bytes], charset: str | None, fallback: str) -> Iterator[bytes]:
    """Text in any charset as UTF-8.

    A byte order mark decides, then the charset that is named; where there is neither, the first chunk with anything
    beyond ASCII is taken for UTF-8 if it is valid as such, and for `fallback` if not.

    Raises:
        ReportUnreadable: the bytes are not of the charset.
    """
    chosen = charset or fallback
    decoder: codecs.IncrementalDecoder | None = None
    try:
        for place, chunk in enumerate(_with_whole_mark(chunks)):
            if place == 0 and chunk.startswith(codecs.BOM_UTF8):
                chunk, charset = chunk[len(codecs.BOM_UTF8) :], "utf-8"
            elif place == 0 and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                charset = "utf-16"
            # ASCII is the same in all that Amazon writes, unless it ends a character that began before.
            if chunk.isascii() and (decoder is None or (chosen in _ASCII_ALIKE and not decoder.getstate()[0])):
                yield chunk
                continue
            if decoder is None:
                chosen = charset or ("utf-8" if _is_utf8(chunk) else fallback)
                decoder = codecs.getincrementaldecoder(chosen)("strict")
            text = decoder.decode(chunk)
            # Of UTF-8 only the check is needed.
            yield chunk if chosen == "utf-8" else text.encode()
        if decoder is not None:
            yield decoder.decode(b"", final=True).encode()
    except UnicodeError:
        raise ReportUnreadable(
            asked, f"the report is not written in {chosen}, as it says or as is usual: report this"
        ) from None


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
                yield _with_unclassified(batch, unknown) if unknown else batch
        except pa.ArrowInvalid:
            if self._source.failure is not None:
                raise self._source.failure from None
            # Arrow's own text quotes the line.
            raise ReportUnreadable(
                self._asked,
                "a line of the report has another number of fields than its header: torn, or a change of Amazon's",
            ) from None


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


def _with_whole_mark(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks, the first of them long enough to show a byte order mark."""
    rest = iter(chunks)
    first = b""
    while len(first) < _MARK_BYTES and (chunk := next(rest, None)) is not None:
        first += chunk
    yield first
    yield from rest


def _is_utf8(chunk: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(chunk)
    except UnicodeDecodeError:
        return False
    return True


class _Bytes(io.RawIOBase):
    """Chunks as a file that Arrow reads. Remembers what went wrong while they came."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        super().__init__()
        self._chunks = iter(chunks)
        self._rest = b""
        self.failure: Exception | None = None

    def readable(self) -> bool:
        return True

    def has_more(self) -> bool:
        """Whether anything is left but line ends."""
        while not self._rest.strip(b"\r\n"):
            chunk = self._next()
            if not chunk:
                return False
            self._rest += chunk
        return True

    def read_line(self) -> bytes:
        """The first line."""
        while b"\n" not in self._rest and len(self._rest) < _MAX_HEADER_BYTES:
            chunk = self._next()
            if not chunk:
                break
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def read(self, size: int | None = -1) -> bytes:
        """`size` bytes, fewer only at the end: Arrow takes every block for whole lines and one cut line."""
        wanted = _BLOCK_BYTES if size is None or size < 0 else size
        parts, held = [self._rest], len(self._rest)
        while held < wanted and (chunk := self._next()):
            parts.append(chunk)
            held += len(chunk)
        data = b"".join(parts)
        self._rest = data[wanted:]
        return data[:wanted]

    def _next(self) -> bytes:
        try:
            return next((chunk for chunk in self._chunks if chunk), b"")
        except Exception as error:
            self.failure = error
            raise
