"""
Find what the built pages lack: a place that a message or a table of the package leads to, or a name in the index.

Needs nothing but Python, since whoever builds the pages needs no Django:
``python tests/built_docs.py FOLDER`` prints what is missing of the pages in FOLDER, and exits 1 where something is.
"""

import ast
import html
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "django_routehandlers"
_TABLES = ("handlers", "header-fields")
SOUGHT = frozenset({
    "429", "EventSource", "Filter", "Freezing time", "Logging", "Login", "Paging", "Pagination", "Permission", "SSE",
    "Schemathesis", "Serializer", "Stale-while-revalidate", "Time travel", "Upload", "WebSocket",
})  # fmt: skip
"""What people look up under a word of their own."""
_BARE = frozenset({"Ends", "Function", "How many", "In listings", "Pieces", "Start", "Time", "What it shows"})
"""Headings that say nothing in an index."""


def ids_in_the_code() -> Iterator[str]:
    """Yield the ids of checks that the package's source writes as strings."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found = re.fullmatch(r"\.?([EIW]\d{3})", node.value)
                if found:
                    yield found[1]


def settings_in_the_code() -> list[str]:
    """Return the names of the settings, which are the fields of one class."""
    tree = ast.parse((PACKAGE / "conf.py").read_text(encoding="utf-8"))
    (config,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Config"]
    targets = [node.target for node in config.body if isinstance(node, ast.AnnAssign)]
    return [target.id for target in targets if isinstance(target, ast.Name) and target.id.isupper()]


def sections_in_the_code() -> Iterator[tuple[str, str]]:
    """Yield the pages and headings that errors lead to, as the package's source writes them out."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(ast.Name("Section"), [ast.Constant(str(page)), ast.Constant(str(heading))]):
                    yield page, heading


def anchor(heading: str) -> str:
    """Return the fragment that docutils makes of a heading; the package says it likewise."""
    return re.sub("[^a-z0-9]+", "-", heading.lower()).strip("-")


def wanted_anchors() -> dict[str, list[str]]:
    """Return the places that there have to be, by page."""
    wanted: dict[str, set[str]] = {}
    places = [("reference/checks", f"routehandlers.{id}") for id in ids_in_the_code()]
    places += [("reference/settings", name) for name in settings_in_the_code()]
    for page, heading in [*places, *sections_in_the_code()]:
        wanted.setdefault(f"{page}.html", set()).add(anchor(heading))
    return {page: sorted(names) for page, names in sorted(wanted.items())}


def names_in_the_code() -> set[str]:
    """Return what somebody may look up: settings, checks, commands, and the public names of two modules."""
    names = {*settings_in_the_code(), *(f"routehandlers.{id}" for id in ids_in_the_code())}
    names |= {path.stem for path in (PACKAGE / "management" / "commands").glob("[!_]*.py")}
    for module in ("__init__.py", "testing/__init__.py"):
        for node in ast.parse((PACKAGE / module).read_text(encoding="utf-8")).body:
            match node:
                case ast.Assign([ast.Name("__all__")], ast.List(items)):
                    names |= {ast.literal_eval(item) for item in items}
    return names


def names_in_the_tables() -> set[str]:
    """Return the config names and header fields in tables of the reference, which tests hold against the code."""
    handlers, fields = ((ROOT / f"docs/reference/{name}.md").read_text(encoding="utf-8") for name in _TABLES)
    config = handlers.partition("\n## Route segment config\n")[2].partition("\n## ")[0]
    cells = [*re.findall(r"^\| `(\w+)` \|", config, re.MULTILINE), *re.findall(r"^\| (`.*?`) \|", fields, re.MULTILINE)]
    return {name.strip("`") for cell in cells for name in cell.split(", ")}


def missing_names(folder: Path) -> list[str]:
    """Return the names that the index in *folder* lacks."""
    text = (folder / "genindex.html").read_text(encoding="utf-8")
    items = [html.unescape(item).strip() for item in re.findall(r">([^<>]+)<", text)]
    listed = {re.sub(r" \(.*", "", item).removesuffix("()") for item in items}
    return sorted((names_in_the_code() | names_in_the_tables() | SOUGHT) - listed)


def bare_headings(folder: Path) -> list[str]:
    """Return what the index in *folder* has that nobody would look up."""
    text = (folder / "genindex.html").read_text(encoding="utf-8")
    items = {html.unescape(item).strip() for item in re.findall(r">([^<>]+)<", text)}
    return sorted(item for item in items if re.sub(r" \(in .*", "", item) in _BARE)


def pages_without_the_index(folder: Path) -> list[str]:
    """Return the pages in *folder* whose navigation does not lead to the index."""
    link = re.compile(r'<a class="[^"]*reference internal" href="(?:(?:\.\./)*genindex\.html|#)">Index</a>')
    pages = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*.html"))}
    return [
        name for name, path in pages.items() if name[0] != "_" and not link.search(path.read_text(encoding="utf-8"))
    ]


def missing_places(folder: Path) -> list[str]:
    """Return the places that the pages in *folder* lack, as ``page#anchor``."""
    return [
        f"{page}#{name}"
        for page, names in wanted_anchors().items()
        for name in names
        if f'id="{name}"' not in (folder / page).read_text(encoding="utf-8")
    ]


if __name__ == "__main__":
    built = Path(sys.argv[1])
    missing = [*missing_places(built), *(f"genindex.html: {name}" for name in missing_names(built))]
    missing += [f"genindex.html: {name} means nothing alone" for name in bare_headings(built)]
    missing += [f"{page}: no link to the index" for page in pages_without_the_index(built)]
    places, names = sum(map(len, wanted_anchors().values())), names_in_the_code() | names_in_the_tables()
    print("\n".join(missing) or f"Every check, setting and error has its place: {places}. In the index: {len(names)}.")
    sys.exit(bool(missing))
