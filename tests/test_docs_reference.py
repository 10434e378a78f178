"""The reference lists what the code has: settings, checks, options, names and versions, neither more nor less."""

import ast
import inspect
import itertools
import re
import shutil
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest
from django.core.management import CommandParser, load_command_class
from django.core.management.base import DjangoHelpFormatter

import django_routehandlers
from built_docs import PACKAGE, ids_in_the_code
from django_routehandlers.conf import Config
from django_routehandlers.handlers.exports import CONFIG_NAMES
from django_routehandlers.handlers.names import METHODS
from docs_blocks import read_blocks
from docs_project import ROOT, Project

REFERENCE = ROOT / "docs" / "reference"
CHECKS = "docs/reference/checks.md"


def section(text: str, heading: str) -> str:
    """Return what stands below *heading*, up to the next heading of its level or above."""
    lines = itertools.dropwhile(lambda line: line != heading, text.splitlines())
    next(lines)
    level = len(heading) - len(heading.lstrip("#"))
    kept: list[str] = []
    in_block = False
    for line in lines:
        in_block ^= line.startswith("```")
        if not in_block and re.match(rf"#{{1,{level}}} ", line):
            break
        kept.append(line)
    return "\n".join(kept)


def first_table(text: str) -> list[list[str]]:
    """Return the cells of the first table, without its heading and without backticks."""
    lines = itertools.dropwhile(lambda line: not line.startswith("|"), text.splitlines())
    table = itertools.takewhile(lambda line: line.startswith("|"), lines)
    rows = [re.split(r"(?<!\\)\|", line.strip("|")) for line in table]
    return [[cell.strip().replace("`", "").replace("\\|", "|") for cell in row] for row in rows][2:]


def read(name: str) -> str:
    """Return the text of a page of the reference."""
    return (REFERENCE / name).read_text(encoding="utf-8")


def test_settings_are_listed_with_their_types_and_defaults() -> None:
    defaults = Config()
    expected: list[list[str]] = []
    for setting in fields(Config):
        default: object = getattr(defaults, setting.name)
        shown = repr(dict(default)) if isinstance(default, Mapping) else repr(default)
        kind = inspect.formatannotation(setting.type).replace("collections.abc.", "").replace("typing.", "")
        expected.append([setting.name, kind, shown])
    assert first_table(read("settings.md")) == expected


def test_each_setting_has_a_section() -> None:
    text = read("settings.md")
    assert [setting.name for setting in fields(Config) if not section(text, f"## `{setting.name}`").strip()] == []


def check_sections() -> dict[str, str]:
    """Return the section of each check, by its id."""
    text = read("checks.md")
    ids = re.findall(r"^### routehandlers\.(\w+)$", text, re.MULTILINE)
    return {id: section(text, f"### routehandlers.{id}") for id in ids}


def test_checks_are_listed_all_and_in_order() -> None:
    assert list(check_sections()) == sorted(set(ids_in_the_code()))


def test_each_check_has_a_remedy() -> None:
    assert [id for id, text in check_sections().items() if text.count("\nRemedy: ") != 1] == []


@pytest.fixture(scope="module")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the project in which a page begins."""
    folder = tmp_path_factory.mktemp("project")
    Project(folder).create("project")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("id", [id for id, text in check_sections().items() if "No project can show it" not in text])
def test_example_of_a_check_makes_that_message_appear_and_no_other(id: str, new_project: Path, tmp_path: Path) -> None:
    shutil.copytree(new_project, tmp_path, dirs_exist_ok=True)
    project = Project(tmp_path)
    for block in read_blocks(check_sections()[id], CHECKS):
        project.do(block)
    deploy = " --deploy" if "`check --deploy` alone" in check_sections()[id].replace("\n", " ") else ""
    _, printed = project.run(f"python manage.py check --tag routehandlers{deploy}")
    assert set(re.findall(r"^\?: \(routehandlers\.(\w+)\)", printed, re.MULTILINE)) == {id}, printed


@pytest.mark.parametrize("name", ["show_routes", "revalidate", "prerender_routes"])
def test_options_of_a_command_are_listed(name: str) -> None:
    parser = CommandParser(formatter_class=DjangoHelpFormatter)
    load_command_class("django_routehandlers", name).add_arguments(parser)
    options = [action.option_strings[-1] for action in parser._actions if action.dest != "help"]
    assert [row[0] for row in first_table(section(read("commands.md"), f"## `{name}`"))] == options


def test_public_names_are_listed() -> None:
    assert [row[0] for row in first_table(read("python-api.md"))] == django_routehandlers.__all__


def test_methods_are_listed() -> None:
    listed = section(read("handlers.md"), "## Methods").split(", in capitals")[0]
    assert tuple(re.findall(r"`(\w+)`", listed)) == METHODS


def test_route_segment_config_is_listed() -> None:
    rows = first_table(section(read("handlers.md"), "## Route segment config"))
    assert tuple(row[0] for row in rows) == CONFIG_NAMES


def header_fields_in_the_code() -> set[str]:
    """Return the names of header fields that the package's source writes as strings, or as keys of META."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if re.fullmatch(r"(?:[A-Z][A-Za-z]*-)+[A-Z][A-Za-z]*|ETag|Vary|Allow|Age|Sunset|RateLimit", node.value):
                    found.add(node.value)
                elif key := re.fullmatch(r"HTTP_([A-Z_]+)", node.value):
                    found.add(key[1].replace("_", "-").title())
    return found - {"Project-URL"}


def test_header_fields_are_listed() -> None:
    listed = set(re.findall(r"`([A-Z][A-Za-z-]*)`", read("header-fields.md")))
    known = {name.lower() for name in listed}
    assert {name for name in header_fields_in_the_code() if name.lower() not in known} == set()
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))).lower()
    written = source.replace("_", "-")
    assert [name for name in sorted(listed - {"PROXY_COUNT"}) if name.lower() not in written] == []


def test_supported_versions_are_those_that_tox_tests() -> None:
    config = (ROOT / "tox.ini").read_text(encoding="utf-8")
    pairs: set[tuple[str, str]] = set()
    for pythons, djangos in re.findall(r"^    py\{?([\d, ]+)\}?-django\{?([\d, ]+)\}?$", config, re.MULTILINE):
        pairs |= set(itertools.product(re.findall(r"\d+", pythons), re.findall(r"\d+", djangos)))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = first_table(section(readme, "## Supported versions"))
    listed = {
        (python.replace(".", ""), django[:3].replace(".", ""))
        for django, pythons in table
        for python in pythons.split(", ")
    }
    assert listed == pairs
    assert first_table(section(read("versions.md"), "## Django and Python")) == table


def test_links_of_the_readme_lead_to_files() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", readme) if "://" not in link]
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_every_page_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))]
    assert [page for page in pages if f"({page})" not in readme] == ["docs/index.md"]
