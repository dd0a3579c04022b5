"""A report's bytes on their way to Arrow: gunzip, decode, split into rows; a few megabytes at a time, never on disk.

Belongs here: formats. Does not belong here: HTTP (`reports.py`) and what the columns mean (`assets/extraction/`).
"""

from __future__ import annotations

import codecs
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.csv as csv

from amzigo_pipelines.resources.spapi_errors import (
    Asked,
    DownloadFailed,
    ReportColumnsChanged,
    ReportNotTabular,
    ReportUnreadable,
)

_BLOCK_BYTES = 1 << 20
_MAX_HEADER_BYTES = 1 << 16
# Python knows Amazon's "Windows-31J" and "Cp1252" under other names than their own.
_CODECS = {"windows-31j": "cp932", "cp1252": "cp1252", "shift_jis": "cp932", "sjis": "cp932", "iso-8859-1": "cp1252"}


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
                data = member.decompress(chunk)
            except zlib.error:
                raise DownloadFailed(asked, "the report's compressed content is damaged: try again") from None
            if data:
                yield data
            chunk = member.unused_data if member.eof else b""
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

    Where no charset is named: a byte order mark decides; else the first chunk with anything beyond ASCII is taken for
    UTF-8 if it is valid as such, and for `fallback` if not.

    Raises:
        ReportUnreadable: the bytes are not of the charset.
    """
    chosen = charset
    decoder: codecs.IncrementalDecoder | None = None
    is_first = True
    try:
        for chunk in chunks:
            if is_first and chunk.startswith(codecs.BOM_UTF8):
                chunk, chosen = chunk[len(codecs.BOM_UTF8) :], "utf-8"
            is_first = False
            if chunk.isascii() and decoder is None:
                yield chunk
                continue
            if decoder is None:
                chosen = chosen or ("utf-8" if _is_utf8(chunk) else fallback)
                decoder = codecs.getincrementaldecoder(chosen)("strict")
            yield decoder.decode(chunk).encode()
        if decoder is not None:
            yield decoder.decode(b"", final=True).encode()
    except UnicodeError:
        raise ReportUnreadable(
            asked, f"the report is not written in {chosen}, as it says or as is usual: report this"
        ) from None


def table_batches(asked: Asked, chunks: Iterable[bytes], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Tab-separated UTF-8 lines with a header, as batches of the wanted columns; empty fields are null.

    Raises:
        ReportNotTabular: there is no header line: an error sentence, or nothing.
        ReportColumnsChanged: wanted columns are missing.
        ReportUnreadable: a line has too many or too few fields.
    """
    source = _Bytes(chunks)
    header = source.read_line()
    names = [name.strip().strip('"') for name in header.decode().rstrip("\r\n").split("\t")]
    missing = [name for name in columns if name not in names]
    if len(missing) == len(columns):
        raise ReportNotTabular(
            asked,
            "the report is DONE, but holds a sentence instead of a table (usually a refusal): check its dates and "
            "options, then ask again",
        )
    if missing:
        raise ReportColumnsChanged(
            asked, f"the report lacks the columns {', '.join(missing)}: Amazon changed or translated them; report this"
        )
    if not source.has_more():
        return
    # A header may name a column twice; Arrow wants names to differ.
    unique = [name if names.index(name) == n else f"{name}#{n}" for n, name in enumerate(names)]
    try:
        reader = csv.open_csv(
            pa.PythonFile(source, mode="r"),
            read_options=csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES, column_names=unique),
            parse_options=csv.ParseOptions(
                delimiter="\t", quote_char=False, double_quote=False, ignore_empty_lines=True
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                include_columns=list(columns),
                strings_can_be_null=True,
                null_values=[""],
                check_utf8=False,
            ),
        )
        yield from reader
    except pa.ArrowInvalid:
        if source.failure is not None:
            raise source.failure from None
        # Arrow's own text quotes the line.
        raise ReportUnreadable(
            asked, "a line of the report has another number of fields than its header: torn, or a change of Amazon's"
        ) from None


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
