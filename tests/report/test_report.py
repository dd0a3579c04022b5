"""The HTML report: what it shows, that it needs nothing from elsewhere, and how it looks in a real browser."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from PIL import Image

from amzigo_pipelines.assets.report.charts import Line, as_png, as_svg, heat_map, trend, waterfall
from amzigo_pipelines.assets.report.model import Marts, Section
from amzigo_pipelines.assets.report.page import make_report, render, report_sections
from tests.report.conftest import Browse

NOW = datetime(2026, 11, 25, 1, tzinfo=UTC)
# Run inside the page, in the browser: what there is to see, and whether anything went wrong or was asked for.
LOOK = """
<script>
const faults = [];
addEventListener('error', event => faults.push(String(event.message)));
addEventListener('load', () => {
  const boxes = [...document.querySelectorAll('svg')].map(svg => svg.getBoundingClientRect());
  const seen = {
    sections: document.querySelectorAll('section').length,
    charts: boxes.length,
    small: boxes.filter(box => box.width < 300 || box.height < 60).length,
    wide: document.documentElement.scrollWidth > innerWidth + 1,
    background: getComputedStyle(document.body).backgroundColor,
    lines: [...new Set([...document.querySelectorAll('svg path')].map(path => getComputedStyle(path).stroke))],
    requests: performance.getEntriesByType('resource').length,
    faults,
  };
  const told = document.createElement('pre');
  told.id = 'seen';
  told.textContent = JSON.stringify(seen);
  document.body.append(told);
});
</script>
"""


@pytest.fixture(scope="session")
def page(marts: duckdb.DuckDBPyConnection) -> str:
    return make_report(marts, "Test <& Co>", NOW)


def test_every_section_shows_something_or_says_why_not(marts: duckdb.DuckDBPyConnection) -> None:
    sections = [section(Marts(marts)) for section in report_sections()]
    assert len(sections) >= 3
    for section in sections:
        assert section.lead
        assert bool(section.blocks) != bool(section.missing), section.title
        for block in section.blocks:
            assert block.svg or block.table
            assert block.table is None or all(len(row) == len(block.table.columns) for row in block.table.rows)


def test_its_numbers_are_the_marts(marts: duckdb.DuckDBPyConnection, page: str) -> None:
    rows = marts.execute(
        """
        SELECT SUM(ordered_product_sales) FROM sales_daily
        WHERE day < (SELECT MAX(day) FROM sales_daily) AND day >= (SELECT MAX(day) FROM sales_daily) - 7
        GROUP BY marketplace, currency
        """
    ).fetchall()
    assert rows
    for (amount,) in rows:
        assert f">{amount:,.2f}<" in page


def test_it_loads_nothing_and_escapes_what_it_is_given(page: str) -> None:
    assert "Test &lt;&amp; Co&gt;" in page and "<& Co>" not in page
    outside = re.findall(r"""(?:src|href|url\()\s*=?\s*["']?(?!#)([a-z]+:[^"')\s]+)""", page)
    assert [address for address in outside if not address.startswith("http://www.w3.org/")] == []
    assert "<script" not in page and "@import" not in page


def test_a_section_without_data_says_so() -> None:
    text = render([Section("Returns", "Lead.", missing="nothing came back")], "S", NOW)
    assert "Nothing to show: nothing came back." in text


def test_charts_follow_the_pages_colours() -> None:
    figure = trend([NOW.date()] * 2, [Line("a", [1.0, None]), Line("b", [2.0, 3.0], is_comparison=True)], "EUR")
    svg = as_svg(figure, 'Sales <"x">')
    assert svg.startswith("<svg") and "var(--first)" in svg and "var(--second)" in svg
    assert 'aria-label="Sales &lt;&quot;x&quot;&gt;"' in svg and "<metadata" not in svg
    assert "#2f6fb7" not in svg


def test_the_same_numbers_make_the_same_picture() -> None:
    draw = lambda: waterfall([("sales", 10.0), ("fees", -4.0)], "profit", "EUR")  # noqa: E731
    assert as_svg(draw(), "x") == as_svg(draw(), "x")
    assert as_png(draw()) == as_png(draw())
    assert as_png(draw()).startswith(b"\x89PNG")


def test_unknown_cells_of_a_heat_map_stay_empty() -> None:
    assert as_svg(heat_map(["2026-10"], ["0", "1"], [[1.0, None]]), "x").count("100%") == 1


@pytest.mark.parametrize(("scheme", "background"), [("1", "rgb(255, 255, 255)"), ("0", "rgb(22, 24, 29)")])
def test_in_a_browser(page: str, browse: Browse, tmp_path: Path, scheme: str, background: str) -> None:
    file = tmp_path / "report.html"
    file.write_text(page.replace("</head>", LOOK + "</head>"), "utf-8")
    dumped = browse(f"--blink-settings=preferredColorScheme={scheme}", "--dump-dom", file.as_uri())
    found = re.search(r'<pre id="seen">(.*?)</pre>', dumped, re.DOTALL)
    assert found, "the page's script did not run to its end"
    seen = json.loads(found[1].replace("&amp;", "&"))
    assert seen["faults"] == [] and seen["requests"] == 0
    assert seen["sections"] == len(report_sections())
    assert seen["charts"] == page.count("<svg") > 0 and seen["small"] == 0
    assert not seen["wide"]
    assert seen["background"] == background
    wanted = "rgb(47, 111, 183)" if scheme == "1" else "rgb(110, 168, 232)"
    assert wanted in seen["lines"]


def test_it_is_painted_and_printed(page: str, browse: Browse, tmp_path: Path) -> None:
    file, picture, paper = tmp_path / "report.html", tmp_path / "report.png", tmp_path / "report.pdf"
    file.write_text(page, "utf-8")
    browse("--window-size=1000,1400", f"--screenshot={picture}", file.as_uri())
    with Image.open(picture) as image:
        colours = image.convert("RGB").getcolors(1 << 24)
    assert colours is not None and len(colours) > 20
    inks = {colour for _, colour in colours}
    assert (47, 111, 183) in inks, "no line of sales was painted"
    browse("--no-pdf-header-footer", f"--print-to-pdf={paper}", file.as_uri())
    assert paper.read_bytes().startswith(b"%PDF") and paper.stat().st_size > 10_000
