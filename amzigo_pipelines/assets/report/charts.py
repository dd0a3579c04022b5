"""Charts: numbers to pictures for the HTML report.

Belongs here: how a kind of chart looks. Does not belong here: which numbers are shown (`sales.py`, `stock.py`, ...),
how a figure becomes part of the page (`svg.py`), the page around it (`page.py`).

Every kind returns a `Draw`: the same chart is drawn twice, wide for a screen or paper and narrow for a phone, because a
wide one scaled down to a phone can't be read. Colours are stand-ins for the page's CSS variables. They differ also for
people who see no red or no green (`tests/report/test_charts.py` works it out), and colour never says anything that no
label says. Matplotlib takes half a second to load, so this is imported where a chart is drawn and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

# Each stand-in becomes the CSS variable of its name; as it stands it is the light mode's colour.
PAGE, TEXT, GRID, FIRST, SECOND, THIRD, GOOD, BAD = (
    "#ffffff",
    "#2b2f36",
    "#d7dbe2",
    "#2f6fb7",
    "#b8741a",
    "#8a3a72",
    "#14808a",
    "#c0473e",
)
COLOURS = {
    PAGE: "--page",
    TEXT: "--text",
    GRID: "--grid",
    FIRST: "--first",
    SECOND: "--second",
    THIRD: "--third",
    GOOD: "--good",
    BAD: "--bad",
}
SERIES = (FIRST, SECOND, THIRD)
# Inches at 96 pixels each: the page's column, and a phone's.
WIDE, NARROW = 7.4, 3.5
_POINTS = 8
_EPOCH = date(1970, 1, 1)

Draw = Callable[[float], Figure]


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


@dataclass(frozen=True)
class Bar:
    """One horizontal bar.

    Attributes:
        name: what it is of.
        value: its length.
        label: what is written at its end.
        more: a paler piece that goes on from it, such as stock on its way.
        is_bad: whether it asks for action; its label says so too.
    """

    name: str
    value: float
    label: str
    more: float = 0.0
    is_bad: bool = False


def trend(days: Sequence[date], lines: Sequence[Line], unit: str = "") -> Draw:
    """Lines over days, the vertical axis from zero.

    Args:
        days: in order.
        lines: what is drawn.
        unit: of the vertical axis, such as a currency.
    """

    def draw(width: float) -> Figure:
        figure, axes = _new(width, 2.3)
        for line, colour, dash in zip(lines, SERIES, ("-", "--", ":"), strict=False):
            values = [float("nan") if value is None else value for value in line.values]
            # A single day is a point, and no line at all without a mark.
            axes.plot(
                _numbers(days),
                values,
                color=colour,
                label=line.label,
                linewidth=1.1 if line.is_comparison else 1.8,
                linestyle=dash if line.is_comparison else "-",
                marker="o" if len(days) < 3 else "",
                markersize=3,
            )
        _date_axis(axes, few=width < WIDE)
        axes.set_ylim(0, 1.06 * (max((v for line in lines for v in line.values if v is not None), default=0.0) or 1.0))
        _value_axis(axes)
        if unit:
            axes.set_ylabel(unit, color=TEXT, fontsize=_POINTS)
        if len(lines) > 1:
            _legend(figure, axes, len(lines) if width >= WIDE else 1)
        return figure

    return draw


def bars(rows: Sequence[Bar], unit: str = "", limit: float | None = None, limit_label: str = "") -> Draw:
    """Horizontal bars, the first on top, each with its value written at its end.

    Args:
        rows: the bars.
        unit: of the horizontal axis.
        limit: a line across, such as Amazon's limit of a rate.
        limit_label: what the line is.
    """

    def draw(width: float) -> Figure:
        figure, axes = _new(width, 0.62 + 0.27 * max(len(rows), 1))
        for place, row in enumerate(rows):
            colour = BAD if row.is_bad else FIRST
            axes.barh(place, row.value, color=colour, height=0.66)
            if row.more > 0:
                axes.barh(place, row.more, left=row.value, color=colour, alpha=0.35, height=0.66)
        ends = [max(row.value + row.more, 0.0) for row in rows]
        _labels(axes, width, ends, [row.label for row in rows], limit or 0.0)
        axes.set_yticks(range(len(rows)), [_short(row.name, 34 if width >= WIDE else 19) for row in rows])
        axes.invert_yaxis()
        _length_axis(axes, unit, few=width < WIDE)
        if limit is not None:
            axes.axvline(limit, color=TEXT, linewidth=1.2, linestyle="--", label=limit_label)
            _legend(figure, axes, 1)
        return figure

    return draw


def waterfall(
    steps: Sequence[tuple[str, float]], total: str, label: Callable[[float], str] = str, unit: str = ""
) -> Draw:
    """From the first step, a starting amount, over additions and deductions to what remains.

    It falls from top to bottom, so that names and amounts have room on a phone too.

    Args:
        steps: name and amount; deductions are negative.
        total: name of the last bar, the sum of all steps.
        label: how an amount is written.
        unit: of the amounts.
    """

    def draw(width: float) -> Figure:
        figure, axes = _new(width, 0.62 + 0.3 * (len(steps) + 1))
        level, ends = 0.0, []
        for place, (_, amount) in enumerate(steps):
            colour = FIRST if place == 0 else GOOD if amount >= 0 else BAD
            axes.barh(place, amount, left=level, color=colour, height=0.66)
            ends.append(max(level, level + amount, 0.0))
            level += amount
            # Carries the eye to where the next step begins.
            axes.plot([level, level], [place - 0.33, place + 1.33], color=TEXT, linewidth=0.6)
        axes.barh(len(steps), level, color=FIRST if level >= 0 else BAD, height=0.66)
        names = [*(name for name, _ in steps), total]
        amounts = [label(amount) for _, amount in steps] + [label(level)]
        for place, (_, amount) in enumerate(steps):
            amounts[place] = "+" + amounts[place] if place and amount > 0 else amounts[place]
        _labels(axes, width, [*ends, max(level, 0.0)], amounts, 0.0)
        axes.axvline(0, color=TEXT, linewidth=0.8)
        axes.set_yticks(range(len(names)), [_short(name, 34 if width >= WIDE else 22) for name in names])
        axes.invert_yaxis()
        _length_axis(axes, unit, few=width < WIDE)
        return figure

    return draw


def heat_map(rows: Sequence[str], names: Sequence[str], cells: Sequence[Sequence[float | str | None]]) -> Draw:
    """A grid of shares from 0 to 1, each written in its cell and darker the larger it is.

    Args:
        rows: names of the rows.
        names: names of the columns.
        cells: by row; words are written without colour, None stays empty.
    """
    largest = max((cell for line in cells for cell in line if isinstance(cell, float)), default=0.0) or 1.0

    def draw(width: float) -> Figure:
        figure, axes = _new(width, 0.7 + 0.28 * max(len(rows), 1))
        for y, line in enumerate(cells):
            for x, cell in enumerate(line):
                if isinstance(cell, float):
                    # Never so dark that the number in it can't be read.
                    shade = 0.06 + 0.44 * cell / largest
                    axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, color=FIRST, alpha=shade, lw=0))
                if cell is not None:
                    text = cell if isinstance(cell, str) else f"{cell:.1%}" if cell < 0.1 else f"{cell:.0%}"
                    axes.text(x, y, text, ha="center", va="center", color=TEXT, fontsize=_POINTS - 1)
        # A single month must not become a bar across the page.
        axes.set_xlim(-0.5, max(len(names), 6) - 0.5)
        axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
        axes.set_xticks(range(len(names)), names)
        axes.set_yticks(range(len(rows)), rows)
        axes.tick_params(length=0)
        axes.spines["bottom"].set_visible(False)
        return figure

    return draw


def _new(width_in: float, height_in: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width_in, height_in), dpi=96, layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.tick_params(length=3, color=GRID, labelcolor=TEXT, labelsize=_POINTS)
    axes.set_axisbelow(True)
    return figure, axes


def _labels(axes: Axes, width_in: float, ends: Sequence[float], texts: Sequence[str], least: float) -> None:
    """Write texts behind the ends of horizontal bars, and make room for them."""
    left = min(0.0, axes.get_xlim()[0])
    longest = max([*ends, least, 0.0])
    span = (longest - left) or 1.0
    # A letter is some 0.6 of its size wide; the names to the left take about a third of the figure.
    share = max(map(len, texts), default=0) * 0.62 * _POINTS / 72 / (width_in * 0.66)
    room = min(share, 0.6)
    axes.set_xlim(left, left + span / (1 - room) + 0.02 * span)
    for place, (end, text) in enumerate(zip(ends, texts, strict=True)):
        axes.annotate(
            text,
            (end, place),
            (4, 0),
            textcoords="offset points",
            va="center",
            color=TEXT,
            fontsize=_POINTS - 0.5,
            # In front of lines of the grid or a limit.
            bbox={"facecolor": PAGE, "edgecolor": "none", "pad": 0.8},
            zorder=5,
        )


def _date_axis(axes: Axes, *, few: bool) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(3 if few else 8, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{_EPOCH + timedelta(days=round(value)):%-d %b}"))
    axes.margins(x=0.01)


def _value_axis(axes: Axes) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _amount(value, axes.get_ylim())))
    axes.grid(axis="y", color=GRID, linewidth=0.6)


def _length_axis(axes: Axes, unit: str, *, few: bool) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(3 if few else 6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _amount(value, axes.get_xlim())))
    axes.set_xlabel(unit, color=TEXT, fontsize=_POINTS)
    axes.grid(axis="x", color=GRID, linewidth=0.6)


def _legend(figure: Figure, axes: Axes, columns: int) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper left", ncols=columns, frameon=False, fontsize=_POINTS, labelcolor=TEXT
    )


def _numbers(days: Sequence[date]) -> list[float]:
    return [float((day - _EPOCH).days) for day in days]


def _amount(value: float, bounds: tuple[float, float]) -> str:
    """A tick's number; all of an axis are in the same size."""
    longest = max(map(abs, bounds))
    size, letter = next(
        ((s, " " + c) for s, c in ((1e9, "bn"), (1e6, "M"), (1e3, "k")) if longest >= 10 * s), (1.0, "")
    )
    return f"{value / size:,.2f}".rstrip("0").rstrip(".") + letter if value else "0"


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
