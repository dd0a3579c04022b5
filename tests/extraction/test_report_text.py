"""A report's bytes: gzip, charsets, lines."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pyarrow as pa
import pytest

from amzigo_pipelines.resources.report_text import charset_of, gunzip, table_batches, to_utf8
from amzigo_pipelines.resources.spapi_errors import (
    Asked,
    DownloadFailed,
    ReportColumnsChanged,
    ReportNotTabular,
    ReportUnreadable,
)

ASKED = Asked("A1B2C3", "report GET_X")


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_gzip_of_several_members_is_read_to_its_end(size: int) -> None:
    data = gzip.compress(b"first ") + gzip.compress(b"second ") + b"\0\0" + gzip.compress(b"third")
    assert b"".join(gunzip(ASKED, pieces(data, size))) == b"first second third"


@pytest.mark.parametrize("size", [1, 10_000])
def test_gzip_cut_anywhere_is_an_error(size: int) -> None:
    data = gzip.compress(b"first member, long enough") + gzip.compress(b"second member")
    whole_members = {len(gzip.compress(b"first member, long enough")), len(data), 0}
    for length in set(range(1, len(data))) - whole_members:
        with pytest.raises(DownloadFailed):
            list(gunzip(ASKED, pieces(data[:length], size)))
    with pytest.raises(DownloadFailed):
        list(gunzip(ASKED, [b"<Error>not gzip</Error>"]))


def test_charset_of_content_types() -> None:
    assert charset_of("text/tab-separated-values; charset=Windows-31J") == "cp932"
    assert charset_of('text/plain; charset="Cp1252"') == "cp1252"
    assert charset_of("text/plain;charset=UTF-8") == "utf-8"
    assert charset_of("text/plain; charset=iso-8859-1") == "cp1252"  # as browsers read it
    assert charset_of("text/plain; charset=unheard-of") is None
    assert charset_of("text/plain") is None
    assert charset_of(None) is None


@pytest.mark.parametrize("size", [1, 3, 1_000])
@pytest.mark.parametrize(
    ("text", "written_in", "named", "fallback"),
    [
        ("Töpfe, 5 €", "cp1252", "cp1252", "cp1252"),
        ("Töpfe, 5 €", "cp1252", None, "cp1252"),
        ("湯飲み ①", "cp932", "cp932", "cp1252"),
        ("湯飲み ①", "cp932", None, "cp932"),
        ("湯飲み ①", "utf-8", "utf-8", "cp1252"),
        ("plain", "ascii", None, "cp932"),
        ("mit BOM ä", "utf-8-sig", "cp1252", "cp1252"),
    ],
)
def test_any_charset_in_any_pieces(text: str, written_in: str, named: str | None, fallback: str, size: int) -> None:
    if size == 1 and (written_in == "utf-8-sig" or named is None):
        size = 8  # nothing can be told from a first piece of a single byte
    chunks = to_utf8(ASKED, pieces(text.encode(written_in), size), named, fallback)
    assert b"".join(chunks).decode() == text


def test_unnamed_utf_8_is_recognised_after_a_long_stretch_of_ascii() -> None:
    data = b"a" * 5_000 + "日本".encode()
    assert b"".join(to_utf8(ASKED, pieces(data, 500), None, "cp1252")).decode() == "a" * 5_000 + "日本"


@pytest.mark.parametrize(
    ("data", "named"), [("Töpfe".encode("cp1252"), "utf-8"), (b"\x81\x8d", "cp1252"), (b"\xe6", "utf-8")]
)
def test_a_charset_that_is_not_true_is_an_error(data: bytes, named: str) -> None:
    with pytest.raises(ReportUnreadable) as caught:
        list(to_utf8(ASKED, [b"a\n", data], named, "cp1252"))
    assert named in str(caught.value)


def rows(text: str, size: int = 5, columns: tuple[str, ...] = ("sku", "price")) -> list[dict[str, str]]:
    batches = list(table_batches(ASKED, pieces(text.encode(), size), columns))
    return pa.Table.from_batches(batches).to_pylist() if batches else []


@pytest.mark.parametrize("size", [1, 5, 1_000])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_become_rows(size: int, end: str) -> None:
    text = end.join(["price\tother\tsku", '1.0\t"x\tS1', "\ty\tS2", ""])
    assert rows(text, size) == [{"sku": "S1", "price": "1.0"}, {"sku": "S2", "price": None}]


def test_numbers_stay_texts_and_quotes_stay_quotes() -> None:
    assert rows('sku\tprice\n007\t1.50\n"a"\tN/A\n') == [
        {"sku": "007", "price": "1.50"},
        {"sku": '"a"', "price": "N/A"},
    ]


def test_a_header_alone_is_an_empty_report() -> None:
    assert rows("sku\tprice\n") == []
    assert rows("sku\tprice\r\n\r\n") == []


@pytest.mark.parametrize(
    "text", ["", "\n", "Your report could not be made. Ask for at most 30 days.\n", "<html></html>"]
)
def test_a_sentence_is_no_report(text: str) -> None:
    with pytest.raises(ReportNotTabular) as caught:
        rows(text)
    assert "30 days" not in str(caught.value)


def test_missing_columns_are_named() -> None:
    with pytest.raises(ReportColumnsChanged, match="price"):
        rows("sku\tprix\nS1\t1\n")


@pytest.mark.parametrize("line", ["S1\tSECRET\t1", "SECRET"])
def test_a_line_of_another_length_is_an_error_without_its_text(line: str) -> None:
    with pytest.raises(ReportUnreadable) as caught:
        rows(f"sku\tprice\nS0\t1\n{line}\n")
    assert "SECRET" not in str(caught.value)


def test_a_failure_of_the_source_comes_through_as_it_is() -> None:
    def torn() -> Iterator[bytes]:
        yield b"sku\tprice\nS1\t1\nS2"
        raise DownloadFailed(ASKED, "torn")

    with pytest.raises(DownloadFailed, match="torn"):
        list(table_batches(ASKED, torn(), ("sku", "price")))


def test_a_long_report_comes_in_several_batches() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"sku\tprice\n"
        for number in range(200):
            yield b"".join(b"S%d-%d\t1.00 and something to fill the line up\n" % (number, n) for n in range(500))

    batches = list(table_batches(ASKED, chunks(), ("sku", "price")))
    assert len(batches) > 2
    assert sum(batch.num_rows for batch in batches) == 100_000
