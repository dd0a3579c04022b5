"""A JSON array read while it arrives: the same whatever the pieces, and never half of it."""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amzigo_pipelines.resources.spapi.errors import Asked, DownloadFailed, ReportNotTabular
from amzigo_pipelines.resources.spapi.json_array import json_objects

ASKED = Asked("SELLER", "report")
VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(), max_size=2)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), max_size=6)


def read(raw: bytes, cuts: list[int] | None = None) -> list[dict[str, Any]]:
    edges = sorted({0, len(raw), *(cut % (len(raw) + 1) for cut in cuts or [])})
    return list(json_objects(ASKED, [raw[a:b] for a, b in itertools.pairwise(edges)]))


@given(OBJECTS, st.lists(st.integers(0, 10_000)), st.booleans(), st.sampled_from([None, 1]))
def test_pieces_do_not_matter(rows: list[dict[str, Any]], cuts: list[int], ascii_: bool, indent: int | None) -> None:
    raw = json.dumps(rows, ensure_ascii=ascii_, indent=indent).encode("utf-8", "surrogatepass")
    if b"\xed" in raw and not ascii_:
        return  # lone surrogates are no UTF-8
    assert read(raw, cuts) == rows


@given(OBJECTS.filter(bool), st.integers(1, 10_000))
def test_what_is_cut_off_is_never_taken_for_the_whole(rows: list[dict[str, Any]], cut: int) -> None:
    raw = json.dumps(rows).encode()
    with pytest.raises((DownloadFailed, ReportNotTabular)):
        read(raw[: cut % len(raw)])


def test_fractions_are_decimals() -> None:
    assert read(b'[{"a": 0.1, "b": 12345678901234567890}]') == [{"a": Decimal("0.1"), "b": 12345678901234567890}]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"null",
        b"{}",
        b'"secret"',
        b"[1]",
        b"[[]]",
        b"[{}{}]",
        b"[{},]",
        b"[,{}]",
        b"[]]",
        b"[{}] secret",
        b"<html>secret</html>",
        b"\xff[]",
        b'[{"a": NaN}' + b" " * (1 << 21),
    ],
)
def test_anything_else_is_refused_without_being_quoted(raw: bytes) -> None:
    with pytest.raises(ReportNotTabular) as caught:
        read(raw)
    assert "secret" not in str(caught.value)


def test_a_byte_order_mark_is_no_sign() -> None:
    assert read("\ufeff[{}]".encode()) == [{}]
