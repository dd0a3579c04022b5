"""Values of reports: each country's forms, and nothing that could be read in two ways."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amzigo_pipelines.catalog.marketplaces import MARKETPLACES
from amzigo_pipelines.catalog.model import BOOLEAN, DATE, INSTANT, INTEGER, MONEY, STRING
from amzigo_pipelines.resources.reports.values import ValueUnreadable, parse_values

MARKETS = {market.country: market for market in MARKETPLACES.values()}
DAY = date(2026, 1, 31)


def parsed(texts: list[str | None], type_: pa.DataType, country: str = "US") -> list[Any]:
    found: list[Any] = parse_values("things", "thing", pa.array(texts, STRING), type_, MARKETS[country]).to_pylist()
    return found


def refused(text: str, type_: pa.DataType, country: str) -> None:
    with pytest.raises(ValueUnreadable, match="column thing of dataset things") as caught:
        parsed([None, text], type_, country)
    assert text not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("country", "text"),
    [
        ("US", "2026-01-31"),
        ("DE", "2026-01-31T10:00:00+01:00"),
        ("US", "01/31/2026"),
        ("GB", "01/31/2026"),
        ("US", "1/31/26"),
        ("GB", "31/01/26"),
        ("FR", "31/01/26"),
        ("IT", "31/1/26"),
        ("DE", "31.01.26"),
        ("DE", "31.01.2026"),
        ("JP", "2026/01/31"),
        ("US", "31-Jan-2026"),
    ],
)
def test_dates(country: str, text: str) -> None:
    assert parsed([text, None, " ", f" {text} "], DATE, country) == [DAY, None, None, DAY]


@pytest.mark.parametrize(
    ("country", "text"),
    [
        ("US", "31/01/26"),
        ("GB", "01/31/26"),
        ("GB", "31/01/2026"),
        ("US", "2026-13-01"),
        ("US", "2026-02-30"),
        ("US", "yesterday"),
        ("DE", "31.01"),
        ("US", "31-Jän-2026"),
        ("US", "20260131"),
    ],
)
def test_what_is_no_date_there(country: str, text: str) -> None:
    refused(text, DATE, country)


@pytest.mark.parametrize(
    ("country", "text"),
    [
        ("US", "2026-01-31T10:00:00+00:00"),
        ("US", "2026-01-31T10:00:00Z"),
        ("US", "2026-01-31T10:00:00+0000"),
        ("US", "2026-01-31T02:00:00-08:00"),
        ("US", "2026-01-31 10:00:00 UTC"),
        ("DE", "31.01.2026 10:00:00 UTC"),
        ("DE", "31.01.2026 11:00:00 MEZ"),
        ("US", "2026-01-31 02:00:00 PST"),
        ("JP", "2026/01/31 19:00:00 JST"),
        ("US", "01/31/2026 10:00:00 UTC"),
        ("GB", "31/01/26 10:00 GMT"),
        ("US", "2026-01-31 2:00:00 PST"),
    ],
)
def test_instants(country: str, text: str) -> None:
    moment = datetime(2026, 1, 31, 10, tzinfo=UTC)
    assert parsed([text, None, "2026-01-31T10:00:00.5+00:00"], INSTANT, country) == [
        moment,
        None,
        moment.replace(microsecond=500_000),
    ]


@pytest.mark.parametrize(
    "text", ["2026-01-31 10:00:00", "2026-01-31", "2026-01-31 10:00:00 IST", "2026-01-31 25:00:00Z"]
)
def test_what_is_no_instant(text: str) -> None:
    refused(text, INSTANT, "IN")


@pytest.mark.parametrize(
    ("country", "text", "amount"),
    [
        ("US", "1234.56", "1234.56"),
        ("US", "1,234.56", "1234.56"),
        ("US", "-1,234,567.8", "-1234567.8"),
        ("US", "1,234", "1234"),
        ("IN", "1,23,456.00", "123456"),
        ("JP", "1,980", "1980"),
        ("DE", "1.234,56", "1234.56"),
        ("DE", "-0,5", "-0.5"),
        ("DE", "12.5", "12.5"),
        ("DE", "1234.56", "1234.56"),
        ("DE", "0.125", "0.125"),
        ("DE", "1.234.567", "1234567"),
        ("FR", "1\u202f234,56", "1234.56"),
        ("FR", "1\u00a0234\u00a0567,5", "1234567.5"),
        ("PL", "1 234,56", "1234.56"),
        ("DE", "12", "12"),
    ],
)
def test_amounts(country: str, text: str, amount: str) -> None:
    assert parsed([text, None, "0"], MONEY, country) == [Decimal(amount), None, Decimal(0)]


@pytest.mark.parametrize(
    ("country", "text"),
    [
        ("US", "12,34"),
        ("US", "1.234,56"),
        ("US", "$5"),
        ("US", "1.23456"),
        ("DE", "1.234"),
        ("DE", "1,234.56"),
        ("DE", "1,2,3"),
        ("DE", "5 EUR"),
        ("US", "."),
    ],
)
def test_what_is_no_amount_there(country: str, text: str) -> None:
    refused(text, MONEY, country)


def test_whole_numbers() -> None:
    assert parsed(["1,234", "-5", None], INTEGER, "US") == [1234, -5, None]
    assert parsed(["1.234", "12", "7,00"], INTEGER, "DE") == [1234, 12, 7]
    assert parsed(["3.0", "4"], INTEGER, "US") == [3, 4]
    for text in ("3.5", "many", "12,34"):
        refused(text, INTEGER, "US")
    refused("3,5", INTEGER, "DE")


def test_truth() -> None:
    assert parsed(["true", "FALSE", "Y", "n", "", None], BOOLEAN) == [True, False, True, False, None, None]
    refused("maybe", BOOLEAN, "US")


def test_texts_are_trimmed_and_columns_without_values_are_null() -> None:
    assert parsed([" a ", "", None], STRING) == ["a", None, None]
    for type_ in (DATE, INSTANT, MONEY, INTEGER, BOOLEAN):
        found = parse_values("d", "c", pa.array(["", None], STRING), type_, MARKETS["US"])
        assert found.type == type_ and found.null_count == 2


COMMA = str.maketrans(",.", ".,")


@given(amounts=st.lists(st.decimals("-1e9", "1e9", places=2), min_size=1), country=st.sampled_from(["US", "DE", "JP"]))
def test_what_a_country_writes_is_read_back(amounts: list[Decimal], country: str) -> None:
    texts = [f"{amount:,.2f}" for amount in amounts]
    if country == "DE":
        texts = [text.translate(COMMA) for text in texts]
    assert parsed([*texts], MONEY, country) == amounts


@given(days=st.lists(st.dates(date(2000, 1, 1), date(2099, 12, 31)), min_size=1))
def test_days_are_read_back(days: list[date]) -> None:
    forms = {"US": "%m/%d/%y", "GB": "%d/%m/%y", "DE": "%d.%m.%y", "JP": "%Y/%m/%d", "CA": "%m/%d/%Y"}
    for country, form in forms.items():
        assert parsed([day.strftime(form) for day in days], DATE, country) == days
