"""Charts: numbers to pictures, for the HTML report and for Dagster's metadata.

Belongs here: how a kind of chart looks. Does not belong here: which numbers are shown (`sections.py`), the page around
them (`page.py`).

A figure is drawn once in stand-in colours. For the page it becomes an SVG whose colours are CSS variables, so that it
follows the reader's light or dark mode and prints; as a picture it is a PNG in the light colours. Matplotlib takes
half a second to load, so this module is imported where a chart is drawn and nowhere else.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

# Each stand-in becomes the CSS variable of its name; as PNG it is what it says.
TEXT, GRID, FIRST, SECOND, THIRD, GOOD, BAD = (
    "#2b2f36",
    "#d7dbe2",
    "#2f6fb7",
    "#c98a2b",
    "#6d5fb0",
    "#2e8b57",
    "#c0473e",
)
COLOURS = {
    TEXT: "--text",
    GRID: "--grid",
    FIRST: "--first",
    SECOND: "--second",
    THIRD: "--third",
    GOOD: "--good",
    BAD: "--bad",
}
SERIES = (FIRST, SECOND, THIRD, GOOD, BAD)
_WIDTH_IN = 7.4


@dataclass(frozen=True)
class Line:
    """One line of a trend.

    Attributes:
        label: what it is called.
        values: one a day; None where nothing is known.
        is_comparison: drawn thin and dashed: what the others are compared with.
    """

    label: str
    values: Sequence[float | None]
    is_comparison: bool = False


def trend(days: Sequence[date], lines: Sequence[Line], unit: str = "", height_in: float = 2.3) -> Figure:
    """Lines over days, the vertical axis from zero.

    Args:
        days: in order.
        lines: what is drawn.
        unit: of the vertical axis, such as a currency.
        height_in: of the figure, inches.
    """
    figure, axes = _new(height_in)
    for line, colour in zip(lines, SERIES, strict=False):
        values = [float("nan") if value is None else value for value in line.values]
        style = {"linewidth": 1.0, "linestyle": "--", "alpha": 0.75} if line.is_comparison else {"linewidth": 1.8}
        axes.plot(_numbers(days), values, color=colour, label=line.label, **style)
    _date_axis(axes)
    axes.set_ylim(bottom=0)
    _value_axis(axes, unit)
    if len(lines) > 1:
        _legend(axes)
    return figure


def bars(names: Sequence[str], values: Sequence[float], unit: str = "", limit: float | None = None) -> Figure:
    """Horizontal bars, the first on top; those beyond a limit in the colour of a warning.

    Args:
        names: one a bar.
        values: one a bar.
        unit: of the values.
        limit: a line across, such as Amazon's limit of a rate.
    """
    figure, axes = _new(0.6 + 0.27 * max(len(names), 1))
    colours = [BAD if limit is not None and value > limit else FIRST for value in values]
    axes.barh(range(len(names)), values, color=colours, height=0.66)
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _amount(value)))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel(unit, color=TEXT, fontsize=8)
    if limit is not None:
        axes.axvline(limit, color=BAD, linewidth=1, linestyle="--")
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    return figure


def columns(names: Sequence[str], series: Sequence[Line], unit: str = "", height_in: float = 2.3) -> Figure:
    """Upright columns stacked on each other, a stack for each name."""
    figure, axes = _new(height_in)
    bottom = [0.0] * len(names)
    for line, colour in zip(series, SERIES, strict=False):
        values = [value or 0.0 for value in line.values]
        axes.bar(range(len(names)), values, bottom=bottom, color=colour, width=0.66, label=line.label)
        bottom = [low + value for low, value in zip(bottom, values, strict=True)]
    axes.set_xticks(range(len(names)), [_short(name) for name in names])
    _value_axis(axes, unit)
    if len(series) > 1:
        _legend(axes)
    return figure


def waterfall(steps: Sequence[tuple[str, float]], total: str, unit: str = "") -> Figure:
    """From the first step, a starting amount, over additions and deductions to what remains.

    Args:
        steps: name and amount; deductions are negative.
        total: name of the last column, the sum of all steps.
        unit: of the amounts.
    """
    figure, axes = _new(2.6)
    level = 0.0
    for place, (_, amount) in enumerate(steps):
        colour = FIRST if place == 0 else GOOD if amount >= 0 else BAD
        axes.bar(place, amount, bottom=level, color=colour, width=0.66)
        level += amount
    axes.bar(len(steps), level, color=FIRST if level >= 0 else BAD, width=0.66)
    axes.axhline(0, color=TEXT, linewidth=0.8)
    axes.set_xticks(range(len(steps) + 1), [_short(name, 16) for name, _ in steps] + [total])
    _value_axis(axes, unit)
    return figure


def heat_map(rows: Sequence[str], names: Sequence[str], shares: Sequence[Sequence[float | None]]) -> Figure:
    """A grid of shares from 0 to 1, each written in its cell; None stays empty."""
    figure, axes = _new(0.7 + 0.28 * max(len(rows), 1))
    for y, line in enumerate(shares):
        for x, share in enumerate(line):
            if share is None:
                continue
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, color=FIRST, alpha=0.08 + 0.8 * min(share, 1.0), lw=0))
            axes.text(x, y, f"{share:.0%}", ha="center", va="center", color=TEXT, fontsize=7)
    axes.set_xlim(-0.5, max(len(names), 1) - 0.5)
    axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    return figure


def as_svg(figure: Figure, title: str) -> str:
    """A figure for a page: an `<svg>` element with its title, its colours CSS variables.

    Args:
        figure: from one of this module's functions.
        title: what it shows, for screen readers; also keeps the identifiers of several figures apart.
    """
    file = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    text = file.getvalue()
    text = text[text.index("<svg") :]
    for colour, variable in COLOURS.items():
        text = text.replace(colour, f"var({variable})")
    # The page sets its own width; the view box keeps the proportions.
    opening, rest = text.split(">", 1)
    opening = re.sub(r' (width|height)="[^"]*"', "", opening) + f' role="img" aria-label="{escape(title)}"'
    return opening + ">" + re.sub(r"<metadata>.*?</metadata>", "", rest, flags=re.DOTALL)


def as_png(figure: Figure) -> bytes:
    """A figure as a PNG in the light colours, some 20 kB."""
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return file.getvalue()


def _new(height_in: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH_IN, height_in), dpi=96, layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.tick_params(colors=TEXT, labelsize=8, length=3, color=GRID)
    axes.set_axisbelow(True)
    return figure, axes


def _date_axis(axes: Axes) -> None:
    locator = AutoDateLocator(maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.xaxis.axis_date()
    axes.xaxis.get_offset_text().set(fontsize=8, color=TEXT)
    axes.margins(x=0.01)


def _value_axis(axes: Axes, unit: str) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _amount(value)))
    axes.set_ylabel(unit, color=TEXT, fontsize=8)
    axes.grid(axis="y", color=GRID, linewidth=0.6)


def _legend(axes: Axes) -> None:
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1.16), ncols=4, frameon=False, fontsize=8, labelcolor=TEXT)


def _numbers(days: Sequence[date]) -> list[float]:
    return [float(day.toordinal() - date(1970, 1, 1).toordinal()) for day in days]


def _amount(value: float) -> str:
    for size, letter in ((1e9, "bn"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            scaled = value / (1e3 if letter == "k" else size)
            return f"{scaled:,.1f}".rstrip("0").rstrip(".") + f" {letter}"
    return f"{value:,.2f}".rstrip("0").rstrip(".") if value else "0"


def _short(text: str, length: int = 34) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
