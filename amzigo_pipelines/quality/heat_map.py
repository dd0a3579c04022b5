"""The picture of days: a row a dataset, a square a day, coloured by how the day stands. No amount is in it.

Belongs here: drawing. Does not belong here: the states (`completeness.py`).

SVG made by hand: Matplotlib takes half a second to load, and a check of freshness should cost nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import timedelta
from html import escape

from amzigo_pipelines.quality.completeness import Completeness, DayState

COLOURS = {
    DayState.THERE: "#2e8b57",
    DayState.EMPTY: "#a9d3ba",
    DayState.UNCONFIRMED: "#e0c068",
    DayState.NOT_DUE: "#d7dbe2",
    DayState.MISSING: "#e07b39",
    DayState.LATE: "#c98a2b",
    DayState.QUARANTINED: "#6d5fb0",
    DayState.FAILED: "#c0473e",
}
# Beside the colour, for those who don't tell colours apart.
MARKS = {
    DayState.MISSING: "-",
    DayState.LATE: "!",
    DayState.QUARANTINED: "Q",
    DayState.FAILED: "x",
    DayState.UNCONFIRMED: "?",
}
_SIDE, _GAP, _LABEL, _TOP, _LEGEND = 14, 2, 210, 20, 26
_FIRST_OF_WEEK = 0


def heat_map(rows: Sequence[tuple[str, Completeness]], title: str) -> str:
    """The states of days as an `<svg>` element.

    Args:
        rows: what each row is called, and its states.
        title: for screen readers.
    """
    seen = [day for _, one in rows for day in one.days]
    if not seen:
        return ""
    first, count = min(seen), (max(seen) - min(seen)).days + 1
    step = _SIDE + _GAP
    width, height = _LABEL + max(count * step, 440), _TOP + len(rows) * step + _LEGEND
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(title)}" font-family="sans-serif" font-size="11" fill="#7a828f">'
    ]
    for place in range(count):
        day = first + timedelta(days=place)
        if day.weekday() == _FIRST_OF_WEEK:
            parts.append(f'<text x="{_LABEL + place * step}" y="12">{day:%d %b}</text>')
    for line, (name, one) in enumerate(rows):
        y = _TOP + line * step
        parts.append(f'<text x="{_LABEL - 6}" y="{y + 11}" text-anchor="end">{escape(name)}</text>')
        for day, state in one.days.items():
            parts.append(_square(_LABEL + (day - first).days * step, y, state, f"{name}, {day}: {state}"))
    parts += _legend(_TOP + len(rows) * step + 8)
    return "".join([*parts, "</svg>"])


def as_markdown(svg: str, title: str) -> str:
    """The picture for Dagster's metadata; empty where there is none."""
    data = base64.b64encode(svg.encode()).decode("ascii")
    return f"![{title}](data:image/svg+xml;base64,{data})" if svg else ""


def _square(x: int, y: int, state: DayState, told: str) -> str:
    mark = MARKS.get(state, "")
    text = f'<text x="{x + _SIDE / 2}" y="{y + 11}" text-anchor="middle" fill="#fff">{mark}</text>' if mark else ""
    box = f'<rect x="{x}" y="{y}" width="{_SIDE}" height="{_SIDE}" rx="2" fill="{COLOURS[state]}">'
    return f"{box}<title>{escape(told)}</title></rect>{text}"


def _legend(y: int) -> list[str]:
    parts, x = [], 4
    for state in DayState:
        parts.append(_square(x, y, state, state))
        parts.append(f'<text x="{x + _SIDE + 3}" y="{y + 11}">{state}</text>')
        x += _SIDE + 14 + 6 * len(state)
    return parts
