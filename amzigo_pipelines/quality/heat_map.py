"""Pictures of days: a row a dataset, a square a day, coloured by how the day stands. No amount is in them.

Belongs here: drawing. Does not belong here: the states (`completeness.py`), results of checks (`results.py`).

SVG made by hand: Matplotlib takes half a second to load, and a check of freshness should cost nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from html import escape

from amzigo_pipelines.quality.completeness import Completeness, DayState


@dataclass(frozen=True)
class Square:
    """One day of one row.

    Attributes:
        label: what its colour means.
        colour: of it.
        mark: a character in it, for those who don't tell colours apart.
        told: what is said of it when it is pointed at.
    """

    label: str
    colour: str
    mark: str = ""
    told: str = ""

    def of(self, told: str, mark: str = "") -> Square:
        """The same for a certain day."""
        return replace(self, told=told, mark=mark or self.mark)


STATES = {
    DayState.THERE: Square("there", "#2e8b57"),
    DayState.EMPTY: Square("empty", "#8fbfa3"),
    DayState.UNCONFIRMED: Square("empty, unconfirmed", "#b8942e", "?"),
    DayState.NOT_DUE: Square("not due yet", "#aab1bc"),
    DayState.MISSING: Square("missing", "#d0652a", "-"),
    DayState.LATE: Square("late", "#a8701f", "!"),
    DayState.QUARANTINED: Square("quarantined", "#6d5fb0", "Q"),
    DayState.FAILED: Square("failed", "#c0473e", "x"),
}
HELD = Square("all rules hold", "#2e8b57")
WARNED = Square("a warning", "#b8942e", "!")
BROKEN = Square("an error", "#c0473e", "x")
UNCHECKED = Square("not looked at", "#aab1bc", "?")

_SIDE, _GAP, _LABEL, _TOP, _LEGEND = 14, 2, 190, 20, 30
_FIRST_OF_WEEK = 0
# Seen on white and on black alike.
_TEXT = "#7a828f"


def heat_map(rows: Sequence[tuple[str, Completeness]], title: str) -> str:
    """The states of days as an `<svg>` element; empty without any day.

    Args:
        rows: what each row is called, and its states.
        title: for screen readers.
    """
    squares = [
        (name, {day: STATES[state].of(f"{name}, {day}: {state}") for day, state in one.days.items()})
        for name, one in rows
    ]
    return grid(squares, title, list(STATES.values()))


def grid(rows: Sequence[tuple[str, Mapping[date, Square]]], title: str, legend: Sequence[Square]) -> str:
    """Squares by row and day as an `<svg>` element; empty without any day."""
    seen = [day for _, days in rows for day in days]
    if not seen:
        return ""
    first, step = min(seen), _SIDE + _GAP
    count = (max(seen) - first).days + 1
    keys, keys_width = _legend(legend, _TOP + len(rows) * step + 10)
    # The name of the last week begins at its square.
    width, height = max(_LABEL + count * step + 24, keys_width), _TOP + len(rows) * step + _LEGEND
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}" font-family="sans-serif" font-size="11" fill="{_TEXT}" '
        f'style="max-width: {width}px">'
    ]
    for place in range(count):
        day = first + timedelta(days=place)
        if day.weekday() == _FIRST_OF_WEEK:
            parts.append(f'<text x="{_LABEL + place * step}" y="12">{day:%d %b}</text>')
    for line, (name, days) in enumerate(rows):
        y = _TOP + line * step
        parts.append(f'<text x="{_LABEL - 6}" y="{y + 11}" text-anchor="end">{escape(name)}</text>')
        parts += [_drawn(square, _LABEL + (day - first).days * step, y) for day, square in sorted(days.items())]
    return "".join([*parts, *keys, "</svg>"])


def as_markdown(svg: str, title: str) -> str:
    """The picture for Dagster's metadata; empty where there is none."""
    data = base64.b64encode(svg.encode()).decode("ascii")
    return f"![{title}](data:image/svg+xml;base64,{data})" if svg else ""


def _drawn(square: Square, x: int, y: int) -> str:
    box = f'<rect x="{x}" y="{y}" width="{_SIDE}" height="{_SIDE}" rx="2" fill="{square.colour}">'
    told = f"<title>{escape(square.told)}</title>" if square.told else ""
    if not square.mark:
        return f"{box}{told}</rect>"
    mark = f'<text x="{x + _SIDE / 2}" y="{y + 11}" text-anchor="middle" fill="#fff">{escape(square.mark)}</text>'
    return f"{box}{told}</rect>{mark}"


def _legend(squares: Sequence[Square], y: int) -> tuple[list[str], int]:
    parts, x = [], 4
    for square in squares:
        parts.append(_drawn(square, x, y))
        parts.append(f'<text x="{x + _SIDE + 4}" y="{y + 11}">{square.label}</text>')
        x += _SIDE + 18 + 6 * len(square.label)
    return parts, x
