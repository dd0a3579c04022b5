"""Values of reports as their types: dates, instants and numbers as Amazon writes them in each country.

Belongs here: forms of values. Does not belong here: headers (`headers.py`), lines (`text.py`), what a
value means (`assets/extraction/`).

All is done on whole columns. What fits no known form is an error, and so is what fits two: a wrong day or amount is
worse than none. Errors name the column, never the value.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from amzigo_pipelines.catalog.marketplaces import Marketplace
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.quarantine.structure import is_collecting, is_counted, salvaged

_STRING = pa.string()
# Countries in which Amazon writes 1.234,56 where it translates a report; elsewhere it is 1,234.56.
_DECIMAL_COMMA = frozenset({"DE", "FR", "IT", "ES", "NL", "BE", "SE", "PL", "TR", "BR"})
# Countries that write the month before the day.
_MONTH_FIRST = frozenset({"US"})
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Names of time zones that stand for one offset only. IST is India's or Ireland's, and so is not among them.
_ZONES = {
    "UTC": "+00:00",
    "GMT": "+00:00",
    "BST": "+01:00",
    "CET": "+01:00",
    "MEZ": "+01:00",
    "MET": "+01:00",
    "CEST": "+02:00",
    "MESZ": "+02:00",
    "MEST": "+02:00",
    "PST": "-08:00",
    "PDT": "-07:00",
    "JST": "+09:00",
    "AEST": "+10:00",
    "AEDT": "+11:00",
}

_YEAR_FIRST = r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})"
_DOTTED = r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4}|\d{2})"
_NAMED = r"(?P<d>\d{1,2})[- ](?P<mon>[A-Za-z]{3})[- ](?P<y>\d{4})"
# With a year of four digits, which the ledgers have, it is month, day, year in every country.
_SLASHED_LONG = r"(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{4})"
_SLASHED_SHORT = {
    True: r"(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{2})",
    False: r"(?P<d>\d{1,2})/(?P<m>\d{1,2})/(?P<y>\d{2})",
}
_TIME = r"[T ](?P<time>\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?) ?(?P<zone>Z|[A-Z]{3,4}|[+-]\d{2}:?\d{2}|[+-]\d{2})"
_IGNORED_TIME = r"(?:[T ].*)?"

_GROUPED_DOT_DECIMAL = r"^[-+]?(\d+|\d{1,3}(,\d{2,3})*,\d{3})?(\.\d*)?$"
_GROUPED_COMMA_DECIMAL = r"^[-+]?(\d+|\d{1,3}(\.\d{3})+)?,\d*$"
_GROUPS_OF_DOTS = r"^[-+]?[1-9]\d{0,2}(\.\d{3})+$"
_ONE_GROUP_OF_DOTS = r"^[-+]?[1-9]\d{0,2}\.\d{3}$"
_BLANKS_IN_NUMBERS = "[ \u00a0\u202f']"
_EXACT = pa.decimal128(38, 10)

_TRUE = pa.array(["true", "t", "yes", "y", "1"])
_FALSE = pa.array(["false", "f", "no", "n", "0"])


class ValueUnreadable(AmzigoError):
    """A value of a report is not written in any form that its column may have."""


def parse_values(dataset: str, column: str, texts: pa.Array, type_: pa.DataType, market: Marketplace) -> pa.Array:
    """A column of texts as values of a type; empty ones are null.

    Args:
        dataset: for errors.
        column: for errors.
        texts: as they stand in the report.
        type_: string, date, instant in UTC, integer, decimal or boolean.
        market: decides between forms that countries write differently.

    Raises:
        ValueUnreadable: a value is none of that type in any known form, or can be read in two ways.
    """
    texts = pc.utf8_trim_whitespace(texts)
    texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, _STRING), texts)
    if pa.types.is_string(type_) or texts.null_count == len(texts):
        return texts.cast(type_)
    if is_collecting():
        read, wrong = salvaged(texts, lambda some: _read(some, type_, market), type_)
        if wrong:
            is_counted(dataset, column, f"not {_kind(type_)}, or to be read in two ways", wrong)
        return read
    try:
        return _read(texts, type_, market)
    except pa.ArrowInvalid:
        # Arrow's own text quotes the value.
        raise ValueUnreadable(
            f"column {column} of dataset {dataset} has a value that is not {_kind(type_)} as Amazon writes it in "
            f"{market.country}, or that can be read in two ways: Amazon's format has changed, or the report is "
            "damaged; nothing of it was stored"
        ) from None


def _read(texts: pa.Array, type_: pa.DataType, market: Marketplace) -> pa.Array:
    if pa.types.is_timestamp(type_):
        return _instants(texts, type_, market.country)
    if pa.types.is_date32(type_):
        return pc.cast(_dates(texts, market.country), type_)
    if pa.types.is_boolean(type_):
        return _booleans(texts)
    if pa.types.is_integer(type_):
        return _integers(texts, type_, market.country)
    return pc.cast(_decimals(texts, market.country), type_)


def _kind(type_: pa.DataType) -> str:
    if pa.types.is_timestamp(type_):
        return "a time with a time zone"
    if pa.types.is_date32(type_):
        return "a date"
    if pa.types.is_boolean(type_):
        return "true or false"
    return "a whole number" if pa.types.is_integer(type_) else "a number that fits"


# -- dates and instants ------------------------------------------------------------------------------------------------


def _instants(texts: pa.Array, type_: pa.DataType, country: str) -> pa.Array:
    try:
        return pc.cast(texts, type_)  # ISO 8601, as nearly always
    except pa.ArrowInvalid:
        pass
    read = _first_that_fits(texts, [f"^{form}{_TIME}$" for form in _forms(country)])
    return pc.cast(read, type_)


def _dates(texts: pa.Array, country: str) -> pa.Array:
    """As ISO 8601. Of a time with a date, the day as it is written."""
    return _first_that_fits(texts, [f"^{form}{_IGNORED_TIME}$" for form in _forms(country)])


def _forms(country: str) -> list[str]:
    return [_YEAR_FIRST, _DOTTED, _SLASHED_LONG, _SLASHED_SHORT[country in _MONTH_FIRST], _NAMED]


def _first_that_fits(texts: pa.Array, patterns: list[str]) -> pa.Array:
    read = pa.nulls(len(texts), _STRING)
    for pattern in patterns:
        if read.null_count == texts.null_count:
            break
        read = pc.coalesce(read, _as_iso(pc.extract_regex(texts, pattern)))
    return _all_read(texts, read)


def _as_iso(parts: pa.Array) -> pa.Array:
    """What a pattern found, as ISO 8601; null where it found nothing."""
    names = {field.name for field in parts.type}
    year, day = _part(parts, "y"), pc.utf8_lpad(_part(parts, "d"), 2, "0")
    year = pc.if_else(pc.equal(pc.utf8_length(year), 2), pc.binary_join_element_wise("20", year, ""), year)
    if "mon" in names:
        place = pc.index_in(pc.utf8_lower(_part(parts, "mon")), pa.array(_MONTHS))
        month = pc.cast(pc.add(place, 1), _STRING)
    else:
        month = _part(parts, "m")
    date = pc.binary_join_element_wise(year, pc.utf8_lpad(month, 2, "0"), day, "-")
    if "time" not in names:
        return date
    time = _part(parts, "time")
    time = pc.if_else(pc.equal(pc.find_substring(time, ":"), 1), pc.binary_join_element_wise("0", time, ""), time)
    zone = _part(parts, "zone")
    named = pc.index_in(zone, pa.array(list(_ZONES)))
    offset = pc.if_else(pc.match_substring_regex(zone, "^(Z|[+-])"), zone, pa.scalar(None, _STRING))
    zone = pc.coalesce(pc.take(pa.array(list(_ZONES.values())), named), offset)
    return pc.binary_join_element_wise(pc.binary_join_element_wise(date, time, "T"), zone, "")


def _part(parts: pa.Array, name: str) -> pa.Array:
    return pc.struct_field(parts, [name])


# -- numbers -----------------------------------------------------------------------------------------------------------


def _integers(texts: pa.Array, type_: pa.DataType, country: str) -> pa.Array:
    try:
        return pc.cast(texts, type_)
    except pa.ArrowInvalid:
        pass
    if country in _DECIMAL_COMMA:
        # A whole number with a dot can only be one in groups.
        grouped = pc.match_substring_regex(texts, _GROUPS_OF_DOTS)
        texts = pc.if_else(grouped, pc.replace_substring(texts, ".", ""), texts)
    return pc.cast(pc.cast(_decimals(texts, country), _EXACT), type_)


def _decimals(texts: pa.Array, country: str) -> pa.Array:
    """With a decimal point and no groups."""
    if _any(pc.match_substring_regex(texts, _BLANKS_IN_NUMBERS)):
        texts = pc.replace_substring_regex(texts, rf"(\d){_BLANKS_IN_NUMBERS}(\d)", r"\1\2")
    has_commas = _any(pc.match_substring(texts, ","))
    if country not in _DECIMAL_COMMA:
        if not has_commas:
            return texts
        fits = pc.match_substring_regex(texts, _GROUPED_DOT_DECIMAL)
        return _all_read(texts, pc.if_else(fits, pc.replace_substring(texts, ",", ""), pa.scalar(None, _STRING)))
    if _any(pc.match_substring_regex(texts, _ONE_GROUP_OF_DOTS)):
        raise pa.ArrowInvalid  # 1.234 may be one thousand and something, or one and something
    grouped = pc.match_substring_regex(texts, _GROUPS_OF_DOTS)
    with_comma = pc.match_substring_regex(texts, _GROUPED_COMMA_DECIMAL)
    if has_commas and _any(pc.and_(pc.match_substring(texts, ","), pc.invert(with_comma))):
        raise pa.ArrowInvalid
    bare = pc.replace_substring(texts, ".", "")
    return pc.if_else(with_comma, pc.replace_substring(bare, ",", "."), pc.if_else(grouped, bare, texts))


def _booleans(texts: pa.Array) -> pa.Array:
    low = pc.utf8_lower(texts)
    is_true, is_false = pc.is_in(low, _TRUE), pc.is_in(low, _FALSE)
    read = pc.if_else(is_true, True, pc.if_else(is_false, False, pa.scalar(None, pa.bool_())))
    return _all_read(texts, read)


def _all_read(texts: pa.Array, read: pa.Array) -> pa.Array:
    if read.null_count != texts.null_count:
        raise pa.ArrowInvalid
    return read


def _any(mask: pa.Array) -> Any:
    return pc.any(mask).as_py()
