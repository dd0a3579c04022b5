"""JSON lines that arrive in pieces: whatever the pieces are, the same objects, or an error."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amzigo_pipelines.resources.spapi.errors import Asked, DownloadFailed, ReportNotTabular
from amzigo_pipelines.resources.spapi.json_lines import json_lines

ASKED = Asked("A1", "query made up")
ROWS = [{"a": 1, "b": "ä\n"}, {"c": {"d": None}}, {"e": "2"}]
TEXT = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in ROWS).encode()


@given(st.lists(st.integers(0, len(TEXT)), max_size=8), st.booleans())
def test_however_it_is_cut(cuts: list[int], is_ended: bool) -> None:
    text = TEXT if is_ended else TEXT[:-1]
    edges = [0, *sorted(cuts), len(text)]
    chunks = [text[start:end] for start, end in pairwise(edges)]
    assert list(json_lines(ASKED, chunks)) == ROWS


def test_fractions_stay_as_amazon_wrote_them() -> None:
    assert list(json_lines(ASKED, [b'{"a": 0.1000, "b": 1.0E7, "c": 3}\r\n\n'])) == [
        {"a": "0.1000", "b": "1.0E7", "c": 3}
    ]


@pytest.mark.parametrize("end", range(1, len(b'{"e": "2"}')))
def test_a_last_line_that_is_cut_is_no_row(end: int) -> None:
    chunks = [b'{"a": 1}\n', b'{"e": "2"}'[:end]]
    with pytest.raises(DownloadFailed, match="ends in the middle"):
        list(json_lines(ASKED, chunks))


@pytest.mark.parametrize(
    "text", [b"Your request was refused.\n", b"<html></html>", b"[1, 2]\n", b'"text"\n', b'{"a": NaN}\n', b"\xff{}\n"]
)
def test_something_else_is_no_document(text: bytes) -> None:
    with pytest.raises(ReportNotTabular, match="something else"):
        list(json_lines(ASKED, [text]))


def test_a_line_without_end_is_not_held() -> None:
    with pytest.raises(ReportNotTabular):
        list(json_lines(ASKED, (b"x" * 65_536 for _ in range(100))))
