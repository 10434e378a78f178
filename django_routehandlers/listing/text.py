"""
Turn rows into lines of text: an aligned table, or the folders as a tree.

Pure: rows in, lines out. Color is a set of functions that the caller chooses; lines are
aligned by what a terminal shows, and never cut.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from django_routehandlers.listing.config_text import config_cell
from django_routehandlers.listing.policy_text import policy_cell
from django_routehandlers.listing.rows import Row

Color = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Paint:
    """How to show what stands out; plain by default."""

    heading: Color = str
    strong: Color = str
    faint: Color = str
    good: Color = str
    bad: Color = str


@dataclass(frozen=True, slots=True)
class Branches:
    """The four pieces that draw a tree, equally wide."""

    middle: str = "├── "
    last: str = "└── "
    past: str = "│   "
    blank: str = "    "


PLAIN_BRANCHES = Branches("|-- ", "`-- ", "|   ", "    ")
"""For a stream whose encoding has no lines to draw with."""

_HEADINGS = ("METHODS", "PATH", "NAME", "KIND", "CACHE", "MIDDLEWARE", "CONFIG", "APP", "FILE")
_Cell = tuple[str, str]


def table_lines(rows: Iterable[Row], paint: Paint, *, has_config: bool = False) -> Iterator[str]:
    """
    Yield the heading and one line for each row. The middleware has a column where any row has some.

    Args:
        has_config: Whether there is a column for config that folders hand down.
    """
    listed = [*rows]
    has_middleware = any(row.middleware for row in listed)
    without = {"MIDDLEWARE": not has_middleware, "CONFIG": not has_config}
    headings = [text for text in _HEADINGS if not without.get(text)]
    cells: list[list[_Cell]] = [[(text, paint.heading(text)) for text in headings]]
    for row in listed:
        names = [", ".join(one.name for one in row.middleware) or "-"] if has_middleware else []
        config = [config_cell(row.config)] if has_config else []
        plain = (row.path, row.name, row.kind, policy_cell(row.cache), *names, *config, row.app, row.file)
        cells.append([_methods(row, paint), *((shown, shown) for shown in map(printable, plain))])
    yield from aligned(cells)


def aligned(lines: Sequence[Sequence[_Cell]]) -> Iterator[str]:
    """Yield lines whose cells, pairs of plain and painted text, stand below each other."""
    widths = [max(width(plain) for plain, _ in column) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (shown + " " * (wide - width(plain)) for (plain, shown), wide in zip(line[:-1], widths, strict=False))
        yield "  ".join([*padded, line[-1][1]]).rstrip(" ")


def width(text: str) -> int:
    """Return how many columns of a terminal *text* takes."""
    if text.isascii():
        return len(text)
    marks = sum(unicodedata.combining(char) > 0 for char in text)
    return len(text) - marks + sum(unicodedata.east_asian_width(char) in "WF" for char in text)


def printable(text: str) -> str:
    """Return *text* with what would steer a terminal, or break a line, written as an escape."""
    return text if text.isprintable() else "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _methods(row: Row, paint: Paint) -> _Cell:
    painted = (paint.strong(method) if method in row.handlers else paint.faint(method) for method in row.methods)
    return ", ".join(row.methods), ", ".join(painted)


@dataclass(slots=True)
class _Folder:
    row: Row | None = None
    inner: "dict[str, _Folder]" = field(default_factory=lambda: {})


def tree_lines(rows: Iterable[Row], paint: Paint, branches: Branches) -> Iterator[str]:
    """Yield the folders that lead to the rows, as written, below the label of each app."""
    apps: dict[str, _Folder] = {}
    for row in rows:
        folder = apps.setdefault(row.app, _Folder())
        for name in row.route.folders:
            folder = folder.inner.setdefault(name, _Folder())
        folder.row = row
    for number, (app, root) in enumerate(apps.items()):
        if number:
            yield ""
        yield from aligned([_line("", app, root, paint, paint.heading), *_below(root, "", paint, branches)])


def _below(folder: _Folder, indent: str, paint: Paint, branches: Branches) -> Iterator[tuple[_Cell, _Cell]]:
    last = len(folder.inner) - 1
    for number, (name, inner) in enumerate(folder.inner.items()):
        is_last = number == last
        yield _line(indent + (branches.last if is_last else branches.middle), name, inner, paint, str)
        yield from _below(inner, indent + (branches.blank if is_last else branches.past), paint, branches)


def _line(indent: str, name: str, folder: _Folder, paint: Paint, color: Color) -> tuple[_Cell, _Cell]:
    shown = printable(name)
    methods = _methods(folder.row, paint) if folder.row is not None else ("", "")
    return (indent + shown, indent + color(shown)), methods
