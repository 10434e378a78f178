"""The numbers beside other frameworks: what the page shows can be read, and what measures them runs."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "side-by-side.md"
CHART = PAGE.with_suffix(".svg")
SCRIPT = ROOT / "tests" / "benchmarks" / "side_by_side.py"
SVG = "{http://www.w3.org/2000/svg}"
CASES = [
    "JSON GET",
    "Typed POST",
    "One row of PostgreSQL",
    "Cached GET",
    "10,000 lines streamed",
    "The last of 10,000 routes",
]
COLUMNS = ["", "middleware", "µs", "least", "quartiles", "CPU µs", "requests/s", "times", "of least"]
NUMBER = re.compile(r"[\d,]+(\.\d+)?(–[\d,]+)?")


def tables_of(text: str) -> dict[str, list[list[str]]]:
    """Return the cells of the table below each heading of the third level."""
    found: dict[str, list[list[str]]] = {}
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        title, _, rest = part.partition("\n")
        lines = [line for line in rest.splitlines() if line.startswith("|")]
        found[title] = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return found


def assert_is_measured(rows: list[list[str]]) -> None:
    """Fail unless a table has the columns, and numbers in all of them."""
    head, ruler, *body = rows
    assert head == COLUMNS
    assert len(ruler) == len(head)
    assert body
    assert [row for row in body if len(row) != len(head)] == []
    assert [cell for row in body for cell in row[1:] if cell and not NUMBER.fullmatch(cell)] == []


def test_tables_of_the_page_have_all_cases_and_numbers_in_all_cells() -> None:
    tables = tables_of(PAGE.read_text(encoding="utf-8").partition("## Figures")[2])
    assert list(dict.fromkeys(title.rpartition(", ")[0] for title in tables)) == CASES
    for rows in tables.values():
        assert_is_measured(rows)


def test_page_names_no_machine_and_no_folder_of_it() -> None:
    figures = PAGE.read_text(encoding="utf-8").partition("<!-- figures")[2]
    assert re.findall(r"/(?:tmp|home|root|usr|Users)/\S*|https?://\S+", figures) == []


def test_chart_is_well_formed_described_and_large_enough_for_a_phone() -> None:
    chart = ElementTree.parse(CHART).getroot()
    assert chart.tag == f"{SVG}svg"
    assert chart.findtext(f"{SVG}title")
    described = chart.findtext(f"{SVG}desc") or ""
    assert [case for case in CASES if case not in described] == []
    assert chart.get("aria-labelledby") == "title desc"
    style = chart.findtext(f"{SVG}style") or ""
    assert "prefers-color-scheme: dark" in style
    assert min(int(size) for size in re.findall(r"(\d+)px", style)) >= 12
    assert float(chart.get("viewBox", "").split()[2]) <= 400


def test_chart_stays_inside_its_frame() -> None:
    chart = ElementTree.parse(CHART).getroot()
    width, height = map(float, chart.get("viewBox", "").split()[2:])
    bars = [bar for bar in chart.iter(f"{SVG}rect") if bar.get("class") != "page"]
    ends = [float(bar.get("x", 0)) + float(bar.get("width", 0)) for bar in bars]
    assert bars
    assert max(ends) < width
    assert max(float(text.get("y", 0)) for text in chart.iter(f"{SVG}text")) < height


@pytest.mark.servers
def test_frameworks_that_are_here_answer_the_same_and_are_measured() -> None:
    command = [sys.executable, SCRIPT, "json", "post", "lines", "--here", "--quick", "--rounds", "1"]
    command += ["--only", "ours", "django", "django-wsgi"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Left out" not in done.stdout
    tables = tables_of(done.stdout)
    assert list(tables) == [
        "JSON GET, 1 connection",
        "JSON GET, 32 connections",
        "Typed POST, 32 connections",
        "10,000 lines streamed, 1 connection",
    ]
    for rows in tables.values():
        assert_is_measured(rows)
        assert [row[:2] for row in rows[2:]] == [
            ["**ours**", "7"],
            ["**ours**", "0"],
            ["Django", "7"],
            ["Django", "0"],
            ["Django, WSGI", "7"],
            ["Django, WSGI", "0"],
        ]
