"""A report's bytes on their way to text: gunzip and decode, a few megabytes at a time, never on disk.

Belongs here: completeness, compression and charsets. Does not belong here: HTTP (`documents.py`), lines and
fields (`text.py`).
"""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterable, Iterator

from amzigo_pipelines.resources.spapi.errors import Asked, DownloadFailed, ReportUnreadable

_PIECE_BYTES = 1 << 17
# What tells a byte order mark.
_MARK_BYTES = 4
# Python knows Amazon's "Windows-31J" and "Cp1252" under other names than their own.
_CODECS = {"windows-31j": "cp932", "cp1252": "cp1252", "shift_jis": "cp932", "sjis": "cp932", "iso-8859-1": "cp1252"}
# ASCII bytes mean the same wherever a character begins.
_ASCII_ALIKE = ("utf-8", "cp1252", "cp932")


def all_of(asked: Asked, chunks: Iterable[bytes], promised: str | None) -> Iterator[bytes]:
    """The chunks of a download, with an eye on whether all of them came.

    Args:
        asked: what was asked.
        chunks: as they arrive.
        promised: the answer's Content-Length, where it has one.

    Raises:
        DownloadFailed: at the end, if fewer or more bytes came than were promised.
    """
    arrived = 0
    for chunk in chunks:
        arrived += len(chunk)
        yield chunk
    if promised is not None and promised.isdecimal() and arrived != int(promised):
        raise DownloadFailed(asked, f"only {arrived} of {promised} bytes of the report arrived: try again")


def gunzip(asked: Asked, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress, member after member: Amazon's big documents have several.

    Raises:
        DownloadFailed: no gzip, or its end is missing.
    """
    member = zlib.decompressobj(wbits=31)
    is_open = False  # within a member
    is_gzip = False  # nothing at all is no gzip either
    for chunk in chunks:
        while chunk:
            if not is_open:
                chunk = chunk.lstrip(b"\0")  # padding between members is allowed
                if not chunk:
                    break
                member, is_open = zlib.decompressobj(wbits=31), True
                is_gzip = True
            try:
                # In bounded pieces: a few bytes may stand for a thousand times as many.
                data = member.decompress(chunk, _PIECE_BYTES)
            except zlib.error:
                raise DownloadFailed(asked, "the report's compressed content is damaged: try again") from None
            if data:
                yield data
            chunk = member.unused_data if member.eof else member.unconsumed_tail
            is_open = not member.eof
    if is_open or not is_gzip:
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
