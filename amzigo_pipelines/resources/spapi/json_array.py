"""A JSON array of objects, read while it arrives.

Belongs here: from chunks of bytes to objects. Does not belong here: where the bytes come from (`ads/reports.py`) and
what the objects mean.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from amzigo_pipelines.resources.spapi.errors import Asked, DownloadFailed, ReportNotTabular

# An object is a row of some hundred bytes; one that doesn't end within this is none.
_LONGEST_OBJECT = 1 << 20
_SPACE = " \t\r\n"


def json_objects(asked: Asked, chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The objects of an array in UTF-8, one after the other. Numbers with a fraction are decimals, never floats.

    Raises:
        ReportNotTabular: it is no JSON array of objects: a sentence, an object, a list of something else.
        DownloadFailed: it ends in the middle.
    """
    decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse)
    text, at = "", 0
    expected = "["  # the next sign: `[` before all, `{` an object or the end, `,` after an object, "" after all
    is_first = True
    for piece in _text(asked, chunks):
        text, at = text[at:] + piece, 0
        while True:
            while at < len(text) and text[at] in _SPACE:
                at += 1
            if at == len(text):
                break
            sign = text[at]
            if expected == "{" and sign == "{":
                try:
                    found, at = decoder.raw_decode(text, at)
                except (ValueError, RecursionError):
                    if len(text) - at > _LONGEST_OBJECT:
                        raise _no_table(asked) from None
                    break  # the rest of the object is still to come
                yield found
                expected, is_first = ",", False
            elif sign == expected:  # the array's beginning, or a comma
                expected, at = "{", at + 1
            elif sign == "]" and (expected == "," or (expected == "{" and is_first)):
                expected, at = "", at + 1
            else:
                raise _no_table(asked)
    if expected == "[":
        raise ReportNotTabular(asked, "the report is empty, it lacks even the list of no rows: try again later")
    if expected:
        raise DownloadFailed(asked, "the report's list of rows ends in the middle: try again")


def _text(asked: Asked, chunks: Iterable[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")("strict")
    try:
        for chunk in chunks:
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise ReportNotTabular(asked, "the report is not written in UTF-8: report this") from None


def _no_table(asked: Asked) -> ReportNotTabular:
    return ReportNotTabular(
        asked,
        "the report is no list of rows but something else, most often a sentence of Amazon's that refuses it: check "
        "its window and columns, then ask again",
    )


def _refuse(name: str) -> None:
    raise ValueError(name)
