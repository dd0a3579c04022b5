"""A report's bytes: gzip, charsets, lines."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import pyarrow as pa
import pytest

from amzigo_pipelines.catalog.report_headers import SPELLINGS
from amzigo_pipelines.resources.reports.encoding import charset_of, gunzip, to_utf8
from amzigo_pipelines.resources.reports.headers import Drift, Wanted
from amzigo_pipelines.resources.reports.text import ReportTable
from amzigo_pipelines.resources.spapi.errors import (
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


def test_a_few_bytes_that_stand_for_many_come_in_bounded_pieces() -> None:
    data = gzip.compress(b"\0" * 50_000_000)
    found = [len(piece) for piece in gunzip(ASKED, [data])]
    assert sum(found) == 50_000_000 and max(found) <= 1 << 20


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
        ("湯飲み, UTF-16", "utf-16", None, "cp932"),
    ],
)
def test_any_charset_in_any_pieces(text: str, written_in: str, named: str | None, fallback: str, size: int) -> None:
    if size == 1 and named is None:
        size = 8  # nothing can be told from a single byte
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
    batches = list(table(text, size, columns).batches())
    return pa.Table.from_batches(batches).to_pylist() if batches else []


def table(
    text: str,
    size: int = 1_000,
    columns: tuple[str, ...] = ("sku", "price"),
    report_type: str = "GET_X",
    required: tuple[str, ...] = (),
) -> ReportTable:
    return ReportTable(ASKED, pieces(text.encode(), size), Wanted(report_type, columns, required))


@pytest.mark.parametrize("size", [1, 5, 1_000])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_become_rows(size: int, end: str) -> None:
    text = end.join(["price\tsku", "1.0\tS1", "\tS2", ""])
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


def test_a_missing_column_is_told_and_empty_unless_it_is_required() -> None:
    text = "sku\tprix\nS1\t1\n"
    found = table(text)
    assert found.drift == Drift(unknown=("prix",), missing=("price",))
    assert rows(text) == [{"sku": "S1", "price": None, "unclassified": '{"prix":"1"}'}]
    with pytest.raises(ReportColumnsChanged, match="price"):
        table(text, required=("sku", "price"))


VALUES = ['a "quoted" \\ one', "湯飲み", "\x01\x1f", None, "plain"]


@pytest.mark.parametrize("size", [3, 1_000])
def test_values_of_unknown_columns_are_kept_as_json(size: int) -> None:
    lines = ['new\tsku\tne"w\tsku\t']
    lines += [f"{value or ''}\tS{n}\t{'x' if n else ''}\t\t" for n, value in enumerate(VALUES)]
    found = table("\n".join(lines), size)
    assert found.drift == Drift(unknown=("new", 'ne"w', "sku", "column 5"), missing=("price",))
    batches = list(found.batches())
    assert [batch.schema.names for batch in batches] == [["sku", "price", "unclassified"]]
    made = pa.Table.from_batches(batches).to_pylist()
    assert [row["sku"] for row in made] == ["S0", "S1", "S2", "S3", "S4"]
    for n, row in enumerate(made):
        expected = {"new": VALUES[n], 'ne"w': "x" if n else None}
        assert json.loads(row["unclassified"]) == {k: v for k, v in expected.items() if v is not None}


def test_rows_without_unknown_values_have_none() -> None:
    assert [row["unclassified"] for row in rows("sku\tprice\tnew\nS1\t1\t\nS2\t1\tx\n")] == [None, '{"new":"x"}']
    assert [row["unclassified"] for row in rows("sku\tprice\tnew\nS1\t1\t\n")] == [None]
    text = "sku\tprice\tnew\tnewer\nS1\t1\t\t\nS2\t1\tx\ty\nS3\t1\t\ty\n"
    assert [row["unclassified"] for row in rows(text)] == [None, '{"new":"x","newer":"y"}', '{"newer":"y"}']


@pytest.mark.parametrize(
    "header", ["SKU\tPrice", "s_k u\t PRICE ", '"sku"\t"price"', "\ufeffsku\tprice", "\uff53ku\tpri\uff43e"]
)
def test_headers_differ_by_more_than_their_dress(header: str) -> None:
    found = table(header + "\n")
    assert found.drift == Drift()


LISTINGS = "GET_MERCHANT_LISTINGS_ALL_DATA"


@pytest.mark.parametrize(
    "header",
    [
        "item-name\tseller-sku\tprice\tasin1\tfulfillment-channel\tzshop-boldface\tpending-quantity",
        "Artikelbezeichnung\tHändler-SKU\tPreis\tASIN 1\tVersender\tzshop-boldface\tAnzahl Bestellungen",
        "商品名\t出品者SKU\t価格\tASIN 1\tフルフィルメント・チャンネル\tzshop-boldface\t在庫数",
        "item-name\tseller-sku\tprice\tasin1\tfulfilment-channel\tasin2\tasin3",
    ],
    ids=["English", "German", "Japanese", "British"],
)
def test_translated_headers(header: str) -> None:
    columns = ("seller-sku", "item-name", "price", "asin1", "fulfillment-channel")
    found = table(f"{header}\nTasse\tS1\t5\tB1\tDEFAULT\t\t3\n", columns=columns, report_type=LISTINGS)
    assert found.drift == Drift()  # the last two are known, and nobody needs them
    row = {"seller-sku": "S1", "item-name": "Tasse", "price": "5", "asin1": "B1", "fulfillment-channel": "DEFAULT"}
    assert [batch.to_pylist() for batch in found.batches()] == [[row]]


def test_no_spelling_stands_for_two_columns() -> None:
    for report_type, headers in SPELLINGS.items():
        every = [(header, spelling) for header, others in headers.items() for spelling in (header, *others)]
        for header, spelling in every:
            found = table(f"{spelling}\n", columns=tuple(headers), report_type=report_type)
            assert found.drift.unknown == ()
            assert set(headers) - set(found.drift.missing) == {header}


@pytest.mark.parametrize("size", [3, 1_000])
def test_quoted_fields_where_the_header_is_quoted(size: int) -> None:
    text = '"sku"\t"price"\r\n"S1"\t"1,5"\r\n"S""2"\t""\r\n"S\n3"\t"a\tb"\r\n'
    assert rows(text, size) == [
        {"sku": "S1", "price": "1,5"},
        {"sku": 'S"2', "price": None},
        {"sku": "S\n3", "price": "a\tb"},
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_breaks_in_a_buyers_words_are_mended(end: str) -> None:
    columns = ("sku", "comment", "price", "new")
    lines = ["sku\tcomment\tprice\tnewer", "S1\tgood\t1\tx", "S2\tbad", "and late\t2\t", "S3\tone", "two", "three\t\ty"]
    text = end.join([*lines, "S4\t\t4\t", ""])
    found = {row["sku"]: row for row in rows(text, columns=columns)}
    assert {sku: (row["comment"], row["price"], row["unclassified"]) for sku, row in found.items()} == {
        "S1": ("good", "1", '{"newer":"x"}'),
        "S2": ("bad\nand late", "2", None),
        "S3": ("one\ntwo\nthree", None, '{"newer":"y"}'),
        "S4": (None, "4", None),
    }


def test_lines_are_mended_across_blocks() -> None:
    lines = [f"S{n}\t{'x' * 100}\nand more\t{n}" for n in range(5_000)]
    lines += [f"T{n}\t{'x' * 1_000}\t{n}" for n in range(5_000)]
    text = "sku\tcomment\tprice\n" + "\n".join(lines)
    found = rows(text, 100_000, columns=("sku", "comment", "price"))
    assert {row["sku"]: row["price"] for row in found} == {f"{kind}{n}": str(n) for kind in "ST" for n in range(5_000)}


@pytest.mark.parametrize(
    "lines",
    [
        "S1\tSECRET",  # the rest is missing
        "S1\tSECRET\nmore\t1\t2",  # together too many
        "S1\tSECRET\nS2\tx\t1\nmore\t1",  # a whole line between
        "S1\tx\t1\nSECRET",  # a break in the last field
    ],
)
def test_lines_that_dont_fit_together_are_an_error(lines: str) -> None:
    with pytest.raises(ReportUnreadable) as caught:
        rows(f"sku\tcomment\tprice\nS0\tx\t1\n{lines}\n", columns=("sku", "comment", "price"))
    assert "SECRET" not in str(caught.value)


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
        list(ReportTable(ASKED, torn(), Wanted("GET_X", ("sku", "price"))).batches())


def test_a_long_report_comes_in_several_batches() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"sku\tprice\n"
        for number in range(200):
            yield b"".join(b"S%d-%d\t1.00 and something to fill the line up\n" % (number, n) for n in range(500))

    batches = list(ReportTable(ASKED, chunks(), Wanted("GET_X", ("sku", "price"))).batches())
    assert len(batches) > 2
    assert sum(batch.num_rows for batch in batches) == 100_000
