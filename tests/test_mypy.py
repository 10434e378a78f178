"""The documentation's recipe for mypy finds what is wrong in route files, whatever their folders are called."""

import importlib.util
import re
from pathlib import Path

import pytest

from docs_blocks import Block, read_blocks
from docs_project import ROOT, Project

PAGE = "docs/how-to/type-checkers-and-linters.md"
FILES = [
    "shop/routes/api/products/route.py",
    "shop/routes/api/products/[id]/route.py",
    "shop/routes/api/products/[id]/reviews/[review=int]/route.py",
    "shop/routes/api/(internal)/health/route.py",
    "shop/routes/api/files/[...path]/route.py",
    "shop/routes/api/docs/[[...slug]]/route.py",
    "shop/routes/robots.txt/route.py",
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed (pip group: types)"),
]


def blocks() -> list[Block]:
    """Return the blocks of the page's section on mypy: the settings, and two commands."""
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    return [block for block in read_blocks(text[text.index("## mypy") :], PAGE) if block.language != "text"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project with the page's settings, and a route in a folder of each kind."""
    project = Project(tmp_path)
    project.create("project")
    settings, *_ = blocks()
    project.do(settings)
    write(project, "shop/routes/api/_lib/names.py", "def name() -> str:\n    return 'a'\n")
    for file in FILES:
        is_followed = "." not in Path(file).parent.name
        levels = "." * len(Path(file).relative_to("shop/routes/api").parts) if "/api/" in file else ""
        module = f"{levels}_lib.names" if is_followed else "shop.routes.api._lib.names"
        write(project, file, f"from {module} import name\n\n\nasync def GET() -> str:\n    return name()\n")
    return project


def write(project: Project, file: str, text: str) -> None:
    path = project.folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def errors(project: Project) -> list[str]:
    """Return the files in which the page's commands find an error, each as often as it has one."""
    found: list[str] = []
    for command in (block.code for block in blocks() if block.language == "sh"):
        status, printed = project.run(command)
        files = re.findall(r"^(?:\./)?(.+?):\d+: error: ", printed, re.MULTILINE)
        assert (status != 0) == bool(files), printed
        found.extend(files)
    return found


def test_recipe_passes_routes_without_mistakes(project: Project) -> None:
    assert errors(project) == []


def test_recipe_finds_a_mistake_in_each_route_and_behind_each_import(project: Project) -> None:
    write(project, "shop/routes/api/_lib/names.py", "def name() -> int:\n    return 1\n")

    assert sorted(errors(project)) == sorted(FILES)


def test_mypy_refuses_the_folder_as_the_page_says(project: Project) -> None:
    _, printed = project.run("mypy shop")

    assert 'error: Duplicate module named "route"' in printed
