"""Draw what was measured: one chart, by hand, that reads on a phone, and on a light and a dark page."""

from collections.abc import Iterator, Sequence
from html import escape
from statistics import median

from beside.measuring import Table, WorkRow

WIDTH = 360  # what the narrowest phones show unscaled
MARGIN = 12
LABEL = 154
VALUE = 62
BAR = 14
LINE = 20
HEAD = 34
SHORT = {"Django's ASGI handler": "stock ASGI", "REST framework": "DRF", "django-modern-rest": "modern-rest"}
STYLE = """
  svg { color-scheme: light dark; }
  .page { fill: #ffffff; } text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .head { font-size: 14px; font-weight: 600; } .ours { font-weight: 600; }
  .bar { fill: #8c959f; } .bar.ours { fill: #0969da; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; } text { fill: #e6edf3; } .bar { fill: #6e7681; } .bar.ours { fill: #58a6ff; }
  }
"""


def rows_of(table: Table) -> list[WorkRow]:
    """Return what is drawn of a table, the fastest first: each framework with all the middleware that it has."""
    most: dict[str, int] = {}
    for row in table.rows:
        most[row.framework] = max(row.middleware, most.get(row.framework, 0))
    rows = [row for row in table.rows if row.middleware == most[row.framework]]
    return sorted(rows, key=lambda row: median(row.wall))


def of_each_case(tables: Sequence[Table]) -> list[Table]:
    """Return the table of each case that has the most connections."""
    # Those of a case come with ever more connections.
    return list({table.case.key: table for table in tables}.values())


def bars(table: Table, top: int) -> Iterator[str]:
    """Yield the part of a table, *top* pixels from the top."""
    rows = rows_of(table)
    fastest = 1 / median(rows[0].wall)
    yield f'<text class="head" x="{MARGIN}" y="{top + 16}">{escape(table.title)}</text>'
    for number, row in enumerate(rows):
        y = top + HEAD - 8 + number * LINE
        rate = 1 / median(row.wall)
        width = max(1, (WIDTH - 2 * MARGIN - LABEL - VALUE) * rate / fastest)
        kind = " ours" if row.framework == "ours" else ""
        name = row.name + (f" · {row.middleware}" if row.middleware else "")
        yield f'<text class="label{kind}" x="{MARGIN}" y="{y + 12}">{escape(shortened(name))}</text>'
        yield f'<rect class="bar{kind}" x="{MARGIN + LABEL}" y="{y + 1}" width="{width:.1f}" height="{BAR}" rx="2"/>'
        yield f'<text class="value{kind}" x="{MARGIN + LABEL + width + 5:.1f}" y="{y + 12}">{rate:,.0f}/s</text>'


def in_words(table: Table) -> str:
    """Return what the part of a table shows."""
    return f"{table.title}: " + ", ".join(f"{row.name} {1 / median(row.wall):,.0f}" for row in rows_of(table))


def shortened(name: str) -> str:
    """Return a name that fits its column."""
    for long, short in SHORT.items():
        name = name.replace(long, short)
    return name


def draw(tables: Sequence[Table]) -> str:
    """Return the chart as SVG: requests per second, one part for each case."""
    parts: list[str] = []
    top = MARGIN
    shown = [table for table in of_each_case(tables) if table.rows]
    for table in shown:
        parts += bars(table, top)
        top += HEAD + len(rows_of(table)) * LINE + 6
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}"'
            ' role="img" aria-labelledby="title desc">',
            '<title id="title">Requests per second, side by side</title>',
            f'<desc id="desc">{escape("; ".join(map(in_words, shown)))}</desc>',
            f"<style>{STYLE}</style>",
            f'<rect class="page" width="{WIDTH}" height="{top}" rx="6"/>',
            *parts,
            "</svg>",
            "",
        ]
    )
