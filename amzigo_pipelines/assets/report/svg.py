"""A chart as a part of the page: SVG that follows the reader's light or dark mode and tells screen readers what it is.

Belongs here: from a figure to markup. Does not belong here: how a chart looks (`charts.py`).
"""

from __future__ import annotations

import io
import re
from html import escape

from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from amzigo_pipelines.assets.report.charts import COLOURS, NARROW, WIDE, Draw


def for_page(draw: Draw, title: str, description: str) -> str:
    """A chart for the page, drawn for wide and for narrow ones; CSS shows one of them.

    Args:
        draw: the chart.
        title: what it shows.
        description: what is to be seen in it, for those who can't.
    """
    return "".join(
        f'<div class="{name}">{as_svg(draw(width), title, description, name)}</div>'
        for name, width in (("wide", WIDE), ("narrow", NARROW))
    )


def as_svg(figure: Figure, title: str, description: str, variant: str = "wide") -> str:
    """A figure as an `<svg>` element with title and description, its colours CSS variables.

    Args:
        figure: what was drawn.
        title: what it shows.
        description: what is to be seen in it.
        variant: keeps identifiers of the same chart's drawings apart; the title keeps those of several charts apart.
    """
    file = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": variant + title}):
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    text = file.getvalue()
    text = text[text.index("<svg") :]
    for colour, variable in COLOURS.items():
        text = text.replace(colour, f"var({variable})")
    # The page sets its own width; the view box keeps the proportions.
    opening, rest = text.split(">", 1)
    opening = re.sub(r' (width|height)="[^"]*"', "", opening) + f' role="img" aria-label="{escape(title)}"'
    told = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    # Matplotlib names each drawing's groups alike; nothing refers to them, and ids must be unique on a page.
    rest = re.sub(r' id="[^"]+_\d+"', "", rest)
    return opening + ">" + told + re.sub(r"<metadata>.*?</metadata>", "", rest, flags=re.DOTALL)
