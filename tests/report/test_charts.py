"""Charts: the same numbers make the same picture, in colours of the page that everybody can tell apart."""

from __future__ import annotations

import re
from datetime import date, timedelta
from importlib import resources
from itertools import combinations

import numpy as np
import pytest

from amzigo_pipelines.assets.report.charts import (
    COLOURS,
    NARROW,
    WIDE,
    Bar,
    Draw,
    Line,
    bars,
    heat_map,
    trend,
    waterfall,
)
from amzigo_pipelines.assets.report.svg import as_svg, for_page

DAY = date(2026, 11, 1)
DRAWS: dict[str, Draw] = {
    "trend": trend([DAY, DAY + timedelta(days=1)], [Line("a", [1.0, None]), Line("b", [2.0, 3.0], is_comparison=True)]),
    "bars": bars([Bar("SKU-1", 3.0, "3.0", more=2.0), Bar("SKU-2", 9.0, "9.0", is_bad=True)], "days", 5.0, "limit"),
    "no bars": bars([], "days"),
    "nothing but zeros": bars([Bar("x", 0.0, "none")]),
    "waterfall": waterfall([("sales", 10.0), ("fees", -4.0), ("refunds", -8.0)], "profit", "{:.2f}".format, "EUR"),
    "heat map": heat_map(["2026-10"], ["+1", "+2", "+3"], [[0.25, "<5", None]]),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_the_same_numbers_make_the_same_picture_in_the_pages_colours(draw: Draw) -> None:
    svg = for_page(draw, 'Sales <"x">', "What is seen")
    assert svg == for_page(draw, 'Sales <"x">', "What is seen")
    assert svg.count("<svg") == 2 and 'class="wide"' in svg and 'class="narrow"' in svg
    assert svg.count("<title>Sales &lt;&quot;x&quot;&gt;</title><desc>What is seen</desc>") == 2
    assert "var(--text)" in svg and not any(colour in svg for colour in COLOURS) and "<metadata" not in svg


def test_what_is_written_into_a_chart() -> None:
    falls = as_svg(DRAWS["waterfall"](WIDE), "x", "y")
    assert all(f">{text}<" in falls for text in ("10.00", "-4.00", "-8.00", "-2.00", "profit"))
    cells = as_svg(DRAWS["heat map"](NARROW), "x", "y")
    assert cells.count("25%") == 1 and cells.count("&lt;5") == 1 and "None" not in cells
    assert ">limit<" in as_svg(DRAWS["bars"](WIDE), "x", "y")


# How a colour looks to people without red, green or blue cones: Machado, Oliveira and Fernandes (2009), severity 1.0.
SIGHT = {
    "full": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_colours_can_be_told_apart_and_read(mode: str) -> None:
    text = resources.files("amzigo_pipelines.assets.report").joinpath("report.html.j2").read_text("utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", text, re.DOTALL)
    names = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", light if mode == "light" else dark))
    if mode == "light":
        assert {f"--{name}": value for name, value in names.items() if f"--{name}" in COLOURS.values()} == {
            variable: colour for colour, variable in COLOURS.items()
        }
    linear = {name: _linear(value) for name, value in names.items()}
    for one in ("text", "soft"):
        assert _contrast(linear[one], linear["page"]) >= 4.5, one
    for one in ("first", "second", "third", "good", "bad"):
        assert _contrast(linear[one], linear["page"]) >= 3, one
    for sight, matrix in SIGHT.items():
        seen = {name: _lab(np.clip(np.array(matrix) @ rgb, 0, 1)) for name, rgb in linear.items()}
        # What stands side by side in one chart; lines that are compared with differ by their dashes too.
        for pair in [("first", "second"), ("first", "bad"), ("good", "bad")]:
            distance = float(np.linalg.norm(seen[pair[0]] - seen[pair[1]]))
            assert distance > 20, (mode, sight, pair, distance)


def test_every_colour_is_one_of_its_own() -> None:
    assert all(a != b for a, b in combinations(COLOURS, 2)) and len(set(COLOURS.values())) == len(COLOURS)


def _linear(colour: str) -> np.ndarray:
    srgb = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _contrast(one: np.ndarray, other: np.ndarray) -> float:
    """WCAG 2's contrast ratio."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    low, high = sorted((float(weights @ one), float(weights @ other)))
    return (high + 0.05) / (low + 0.05)


def _lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* under D65; a distance of 2 is just noticeable."""
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = np.array(to_xyz) @ rgb / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
