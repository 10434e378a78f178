"""
Find what the built pages lack: a place that a message or a table of the package leads to.

Needs nothing but Python, since whoever builds the pages needs no Django:
``python tests/built_docs.py FOLDER`` prints what is missing of the pages in FOLDER, and exits 1 where something is.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "django_routehandlers"


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


def anchor(heading: str) -> str:
    """Return the fragment that docutils makes of a heading; the package says it likewise."""
    return heading.lower().replace(".", "-").replace("_", "-")


def wanted_anchors() -> dict[str, list[str]]:
    """Return the places that there have to be, by page."""
    return {
        "reference/checks.html": sorted({anchor(f"routehandlers.{id}") for id in ids_in_the_code()}),
        "reference/settings.html": sorted(map(anchor, settings_in_the_code())),
    }


def missing_places(folder: Path) -> list[str]:
    """Return the places that the pages in *folder* lack, as ``page#anchor``."""
    return [
        f"{page}#{name}"
        for page, names in wanted_anchors().items()
        for name in names
        if f'id="{name}"' not in (folder / page).read_text(encoding="utf-8")
    ]


if __name__ == "__main__":
    missing = missing_places(Path(sys.argv[1]))
    print("\n".join(missing) or f"Every check and setting has its place: {sum(map(len, wanted_anchors().values()))}.")
    sys.exit(bool(missing))
