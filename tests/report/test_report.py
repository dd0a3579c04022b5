"""The HTML report: what it shows, that it needs nothing from elsewhere, and how it looks in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from PIL import Image

from amzigo_pipelines.assets.report.model import Block, Marts, Section, Table
from amzigo_pipelines.assets.report.page import make_report, render, report_sections
from tests.report.conftest import Browse

NOW = datetime(2026, 11, 25, 1, tzinfo=UTC)
TITLES = [
    "Sales",
    "Top products",
    "Profit",
    "Traffic",
    "Inventory cover",
    "Reorder list",
    "Age of stock",
    "Returns",
    "Buyers who come back",
    "Account health",
]
# Run inside the page, in the browser: what there is to see, and whether anything went wrong or was asked for. Words of
# a chart may neither lie on each other nor be cut.
LOOK = """
<script>
const faults = [];
addEventListener('error', event => faults.push(String(event.message)));
addEventListener('load', () => {
  const charts = [...document.querySelectorAll('svg')].filter(svg => svg.getBoundingClientRect().width > 0);
  const boxes = charts.map(svg => svg.getBoundingClientRect());
  const clashes = [];
  charts.forEach((svg, n) => {
    const words = [...svg.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()]);
    words.forEach(([word, a], i) => {
      if (a.left < boxes[n].left - 1 || a.right > boxes[n].right + 1) clashes.push(`${word} is cut`);
      words.slice(i + 1).forEach(([other, b]) => {
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (across > 1 && down > 3) clashes.push(`${word} on ${other}`);
      });
    });
  });
  const ids = [...document.querySelectorAll('[id]')].map(element => element.id);
  const seen = {
    titles: [...document.querySelectorAll('h2')].map(title => title.textContent),
    charts: charts.length,
    untold: charts.filter(svg => ['title', 'desc'].some(name => !svg.querySelector(name)?.textContent)).length,
    small: boxes.filter(box => box.width < 300 || box.height < 60).length,
    letters: Math.min(...charts.flatMap(svg => [...svg.querySelectorAll('text')].map(
      text => text.getBoundingClientRect().height))),
    clashes,
    doubled: ids.length - new Set(ids).size,
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
def sections(marts: duckdb.DuckDBPyConnection) -> dict[str, Section]:
    return {one.title: one for one in (section(Marts(marts)) for section in report_sections())}


@pytest.fixture(scope="session")
def page(sections: dict[str, Section]) -> str:
    return render(list(sections.values()), "Test <& Co>", "sales", "The lead.")


def test_every_section_shows_and_says_something(sections: dict[str, Section]) -> None:
    assert list(sections) == TITLES
    for section in sections.values():
        assert section.lead.endswith(".") and section.blocks, section.title
        for block in section.blocks:
            assert block.says.endswith(".") and not block.says.endswith(".."), block.says
            assert block.tables and all(table.rows for table in block.tables), (section.title, block.heading)
            assert all(len(row) == len(table.columns) for table in block.tables for row in table.rows)
        assert any(block.chart for block in section.blocks), section.title
        # Both marketplaces, each with its own currency: never added up, and in the same order everywhere.
        countries = list(dict.fromkeys(block.heading[:2] for block in section.blocks))
        assert countries == ["CA", "US"], (section.title, countries)
        for block in section.blocks:
            foreign = "USD" if block.heading.startswith("CA") else "CAD"
            assert foreign not in block.says + block.chart + str(block.tables)


def test_without_any_data_every_section_says_why_and_draws_nothing(bare_marts: duckdb.DuckDBPyConnection) -> None:
    sections = [section(Marts(bare_marts)) for section in report_sections()]
    assert [section.title for section in sections] == TITLES
    for section in sections:
        assert not section.blocks and section.missing, section.title
        assert all(reason and not reason.endswith(".") for reason in section.missing)
    text = render(sections, "S", "sales", "The lead.")
    assert text.count("Nothing to show: ") >= len(TITLES) and "<svg" not in text
    assert "no traffic has been extracted (role Brand Analytics)" in text
    assert "(&#39;amzigo costs import&#39;)" in text or "no stock" in text


def test_what_a_section_lacks_is_told_beside_what_it_has(sections: dict[str, Section], page: str) -> None:
    (lacks,) = sections["Profit"].missing
    assert lacks.startswith("advertising, for no advertising account is connected")
    assert '<p class="missing">Not in it: advertising, for' in page
    assert all(
        ", before the cost of " in block.says and " and advertising." in block.says
        for block in _charts(sections["Profit"])
    )


def test_sales_are_the_marts(marts: duckdb.DuckDBPyConnection, page: str) -> None:
    rows = marts.execute(
        """
        SELECT SUM(ordered_product_sales) FROM sales_daily
        WHERE day < (SELECT MAX(day) FROM sales_daily) AND day >= (SELECT MAX(day) FROM sales_daily) - 7
        GROUP BY marketplace, currency
        """
    ).fetchall()
    assert len(rows) == 2
    for (amount,) in rows:
        assert f">{amount:,.2f}<" in page


# Section, query by marketplace, and how its values stand in the block's sentence or tables.
TOLD = [
    ("Top products", "SELECT MAX(s) FROM (SELECT SUM(ordered_product_sales) AS s FROM sales_by_sku_daily "
     "WHERE day > (SELECT MAX(day) FROM sales_by_sku_daily) - 30 AND marketplace_id = $m GROUP BY sku)", "{:,.2f}"),
    ("Profit", "SELECT SUM(contribution) + COALESCE(SUM(net_sales + reimbursements + other_income - fees) FILTER "
     "(contribution IS NULL), 0) FROM profit_by_sku WHERE month = (SELECT MAX(month) FROM profit_by_sku WHERE "
     "marketplace_id = $m) AND marketplace_id = $m", "{:,.2f}"),
    ("Traffic", "SELECT SUM(sessions) FROM traffic_daily WHERE day > (SELECT MAX(day) FROM traffic_daily) - 30 "
     "AND marketplace_id = $m", "{:,.0f}"),
    ("Inventory cover", "SELECT MIN(days_of_cover) FROM inventory_cover WHERE days_of_cover > 0 "
     "AND marketplace_id = $m", "{:,.1f}"),
    ("Reorder list", "SELECT SUM(order_cost) FROM reorder_plan WHERE is_due AND marketplace_id = $m", "{:,.2f}"),
    ("Age of stock", "SELECT SUM(value_at_price) FROM inventory_aging WHERE marketplace_id = $m", "{:,.2f}"),
    ("Returns", "SELECT SUM(returned_units_of_orders) FROM returns_by_sku WHERE marketplace_id = $m", "{:,.0f} unit"),
    ("Account health", "SELECT MAX(rate) FROM account_health WHERE marketplace_id = $m AND NOT is_minimum", "{:.2%}"),
]  # fmt: skip


@pytest.mark.parametrize(("title", "sql", "told"), TOLD, ids=[one[0] for one in TOLD])
def test_numbers_are_the_marts(
    marts: duckdb.DuckDBPyConnection, sections: dict[str, Section], title: str, sql: str, told: str
) -> None:
    for country, marketplace_id in (("CA", "A2EUQ1WTGCTBG2"), ("US", "ATVPDKIKX0DER")):
        found = marts.execute(sql.replace("$m", f"'{marketplace_id}'")).fetchone()
        assert found is not None and found[0], (title, country)
        blocks = [block for block in sections[title].blocks if block.heading.startswith(country)]
        assert any(told.format(found[0]) in _text(block) for block in blocks), (told.format(found[0]), blocks)


def test_cohorts_hide_what_the_mart_hides(marts: duckdb.DuckDBPyConnection, sections: dict[str, Section]) -> None:
    hidden = marts.execute("SELECT COUNT(*) FROM buyer_cohorts WHERE months_later > 0 AND is_hidden").fetchone()
    shown = marts.execute("SELECT retention FROM buyer_cohorts WHERE months_later > 0 AND NOT is_hidden").fetchall()
    cells = [cell for block in sections["Buyers who come back"].blocks for row in _rows(block) for cell in row[2:]]
    assert hidden is not None and cells.count("<5") >= hidden[0]
    assert all(f"{retention:.1%}" in cells for (retention,) in shown)


def test_it_loads_nothing_and_escapes_what_it_is_given(page: str) -> None:
    assert "Test &lt;&amp; Co&gt;" in page and "<& Co>" not in page
    outside = re.findall(r"""(?:src|href|url\()\s*=?\s*["']?(?!#)([a-z]+:[^"')\s]+)""", page)
    assert [address for address in outside if not address.startswith("http://www.w3.org/")] == []
    assert "<script" not in page and "@import" not in page


@pytest.mark.parametrize(
    ("scheme", "background", "width"),
    [("1", "rgb(255, 255, 255)", 1000), ("0", "rgb(22, 24, 29)", 500)],
    ids=["light screen", "dark phone"],
)
def test_in_a_browser(page: str, browse: Browse, tmp_path: Path, scheme: str, background: str, width: int) -> None:
    file = tmp_path / "report.html"
    file.write_text(page.replace("</head>", LOOK + "</head>"), "utf-8")
    dumped = browse(
        f"--blink-settings=preferredColorScheme={scheme}", f"--window-size={width},2000", "--dump-dom", file.as_uri()
    )
    found = re.search(r'<pre id="seen">(.*?)</pre>', dumped, re.DOTALL)
    assert found, "the page's script did not run to its end"
    seen = json.loads(found[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    assert seen["faults"] == [] and seen["requests"] == 0
    assert seen["titles"] == TITLES
    # Of the two drawings of each chart the browser shows the one that fits.
    assert seen["charts"] == page.count("<svg") / 2 >= 2 * len(TITLES)
    assert (seen["untold"], seen["small"], seen["doubled"], seen["clashes"]) == (0, 0, 0, [])
    assert seen["letters"] >= 10
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


def test_a_seller_is_one_page(bare_marts: duckdb.DuckDBPyConnection, page: str) -> None:
    assert make_report(bare_marts, "S", NOW).count("<section") == page.count("<section") == len(TITLES)
    assert len(page) < 2_000_000


def _charts(section: Section) -> list[Block]:
    return [block for block in section.blocks if block.chart]


def _rows(block: Block) -> list[Sequence[str]]:
    tables: Sequence[Table] = block.tables
    return [row for table in tables for row in table.rows]


def _text(block: Block) -> str:
    return " ".join([block.says, *(cell for row in _rows(block) for cell in row)])
