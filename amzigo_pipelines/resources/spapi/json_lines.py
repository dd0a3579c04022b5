"""JSON lines, read while they arrive: one object a line.

Belongs here: from chunks of bytes to objects. Does not belong here: where the bytes come from (`reports/documents.py`)
and what the objects mean.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from amzigo_pipelines.resources.spapi.errors import Asked, DownloadFailed, ReportNotTabular

# A row has some kilobytes at most; a line that doesn't end within this is none.
_LONGEST_LINE_BYTES = 1 << 20


def json_lines(asked: Asked, chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The objects of a text in UTF-8, one after the other. Fractions are the text that Amazon wrote, never floats.

    Raises:
        ReportNotTabular: a line is no JSON object: a sentence, a list, a page of a proxy.
        DownloadFailed: the last line has no end, and is none as it stands.
    """
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n") if rest else chunk.split(b"\n")
        for line in lines:
            if line.strip():
                yield _object(asked, line)
        if len(rest) > _LONGEST_LINE_BYTES:
            raise _no_lines(asked)
    if rest.strip():
        try:
            last = _object(asked, rest)
        except ReportNotTabular:
            if not rest.lstrip().startswith(b"{"):
                raise
            raise DownloadFailed(asked, "the document's last line ends in the middle: try again") from None
        yield last


def _object(asked: Asked, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line, parse_float=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise _no_lines(asked) from None
    if not isinstance(found, dict):
        raise _no_lines(asked)
    return found


def _no_lines(asked: Asked) -> ReportNotTabular:
    return ReportNotTabular(
        asked,
        "the document holds something else than rows of JSON, most often a sentence of Amazon's that refuses the "
        "request: check its window and fields, then ask again",
    )


def _refuse(name: str) -> None:
    raise ValueError(name)
