"""Which column of a report is which: its header line against the headers that the catalog knows.

Belongs here: comparing headers, and what is new or missing. Does not belong here: the facts
(`catalog/report_headers.py`), reading lines (`text.py`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from amzigo_pipelines.catalog.report_headers import SPELLINGS, UNWANTED
from amzigo_pipelines.resources.spapi.errors import Asked, ReportColumnsChanged, ReportNotTabular

_NO_DIFFERENCE = re.compile(r"[\s_-]+")
# Further headers are data that was taken for headers, or something that nobody would read.
_LONGEST_TOLD = 60


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a report.

    Attributes:
        report_type: Amazon's type.
        headers: wanted columns, by the header that the catalog has for them.
        required: those of them without which the report is of no use.
    """

    report_type: str
    headers: Sequence[str]
    required: Collection[str] = ()


@dataclass(frozen=True)
class Drift:
    """How a report's columns differ from the ones that are known.

    Attributes:
        unknown: headers that Amazon sent and nobody has classified.
        missing: wanted headers that it did not send.
    """

    unknown: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """What stands where in each line.

    Attributes:
        names: for every field of a line the wanted header that it stands for, or else `#` and its place.
        unknown: place -> header as Amazon wrote it, of those that nobody has classified.
        drift: for telling.
        is_quoted: whether fields are wrapped in double quotes.
    """

    names: tuple[str, ...]
    unknown: dict[int, str]
    drift: Drift
    is_quoted: bool


def layout_of(asked: Asked, line: str, wanted: Wanted) -> Layout:
    """Read a header line.

    Raises:
        ReportNotTabular: none of the wanted headers is there: an error sentence, HTML, or nothing.
        ReportColumnsChanged: a required one is missing.
    """
    fields = [field.strip() for field in line.removeprefix("\ufeff").strip("\r\n").split("\t")]
    is_quoted = all(len(field) > 1 and field[0] == field[-1] == '"' for field in fields)
    headers = [field.strip('"').strip() for field in fields]
    known = _known(wanted)
    unwanted = {
        _plain(spelling) for header in UNWANTED.get(wanted.report_type, ()) for spelling in _all(wanted, header)
    }
    names, unknown = [], {}
    for place, header in enumerate(headers):
        # A header that comes twice is the wanted one the first time only.
        found = known.get(_plain(header))
        if found is not None and found not in names:
            names.append(found)
            continue
        names.append(f"#{place}")
        if _plain(header) not in unwanted:
            unknown[place] = header or f"column {place + 1}"
    missing = tuple(header for header in wanted.headers if header not in names)
    if len(missing) == len(wanted.headers):
        raise ReportNotTabular(
            asked,
            "the report is DONE, but holds a sentence instead of a table (usually a refusal): check its dates and "
            "options, then ask again",
        )
    if lacking := [header for header in missing if header in wanted.required]:
        raise ReportColumnsChanged(
            asked, f"the report lacks the columns {', '.join(lacking)}: Amazon changed or translated them; report this"
        )
    told = tuple(header[:_LONGEST_TOLD] for header in unknown.values())
    return Layout(tuple(names), unknown, Drift(told, missing), is_quoted)


def _known(wanted: Wanted) -> dict[str, str]:
    known = {_plain(header): header for header in wanted.headers}
    for header in wanted.headers:
        for spelling in _all(wanted, header):
            known.setdefault(_plain(spelling), header)
    return known


def _all(wanted: Wanted, header: str) -> tuple[str, ...]:
    return (header, *SPELLINGS.get(wanted.report_type, {}).get(header, ()))


def _plain(header: str) -> str:
    """What is left of a header without all that makes no difference: case, full or half width, spaces and hyphens."""
    return _NO_DIFFERENCE.sub("", unicodedata.normalize("NFKC", header).casefold())
