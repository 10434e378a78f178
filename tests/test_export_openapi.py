"""``manage.py export_openapi``: the document as text, and compared with a file."""

import json
import sys
from io import StringIO
from pathlib import Path

import pytest
import yaml
from django.core.management import CommandError, CommandParser, call_command

from conftest import Site
from django_routehandlers.management.commands.export_openapi import Command
from openapi_routes import ROUTES
from servers import make_project, run
from test_docs_reference import first_table, read, section
from test_openapi_document import set_urlconf

SET = '''
    from enum import Enum

    class Size(Enum):
        SMALL = "s"
        LARGE = "l"
        HUGE = "xl"

    def GET(sizes: set[Size] = {Size.SMALL, Size.LARGE, Size.HUGE}, names: set[str] = {"a", "b", "c", "d"}) -> int:
        """Zähle."""
        return 1
    '''


def export(*arguments: str) -> str:
    """Return what the command prints."""
    output = StringIO()
    call_command("export_openapi", *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def shop(site: Site) -> Site:
    """A site with handlers of all kinds."""
    return site.serve({**ROUTES, "sets/route.py": SET})


def test_prints_the_document_that_is_served(shop: Site) -> None:
    assert json.loads(export()) == shop.client.get("/openapi.json").json()


def test_json_is_indented_as_asked(shop: Site) -> None:
    assert export().startswith('{\n  "openapi": "3.1.1",\n')
    assert export("--indent", "4").startswith('{\n    "openapi"')
    assert export("--indent", "0").count("\n") == 1


def test_yaml_is_the_same_document(shop: Site) -> None:
    text = export("--format", "yaml")
    assert text.startswith("openapi: 3.1.1\n")
    assert "&id" not in text
    assert yaml.safe_load(text) == json.loads(export())


@pytest.mark.parametrize("name", ["openapi.json", "openapi.yaml", "openapi.yml"])
def test_file_that_was_written_passes_the_check(shop: Site, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    assert export("--output", str(file)) == ""
    assert (file.suffix == ".json") == file.read_text("utf-8").startswith("{")
    assert "Zähle." in file.read_text("utf-8")
    assert export("--check", str(file)) == ""


def test_check_of_another_document_fails_and_shows_the_difference(shop: Site, tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    document = json.loads(export())
    document["info"]["title"] = "Old"
    file.write_text(json.dumps(document))
    output = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("export_openapi", check=str(file), stdout=output)
    assert error.value.returncode == 1
    assert str(error.value) == (
        f"{file} is not the document of the routes. "
        f"If the routes are right, write it anew: manage.py export_openapi --output {file}"
    )
    assert output.getvalue() == (
        f"--- {file}\n+++ the routes\n@@ -1,7 +1,7 @@\n"
        ' {\n   "openapi": "3.1.1",\n   "info": {\n-    "title": "Old",\n+    "title": "API",\n'
        '     "version": "0.0.0"\n   },\n   "tags": [\n'
    )


def test_long_difference_is_cut(shop: Site, tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    file.write_text("{}")
    output = StringIO()
    with pytest.raises(CommandError):
        call_command("export_openapi", check=str(file), stdout=output)
    *_, last = output.getvalue().splitlines()
    assert (len(output.getvalue().splitlines()), last.startswith("... and "), last.endswith(" more lines")) == (
        61,
        True,
        True,
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.json", None, "{file} cannot be read: No such file or directory."),
        ("a.json", b"{", "{file} is no JSON. A file of YAML ends in .yaml or .yml."),
        ("a.json", b"\xff", "{file} is not UTF-8."),
        ("a.yaml", b"a: [", "{file} is no YAML that has a JSON form."),
        ("a.yaml", b"2020-01-01: {? [a] : 1}", "{file} is no YAML that has a JSON form."),
    ],
)
def test_file_that_is_no_document_is_an_error(
    shop: Site, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CommandError) as error:
        export("--check", str(file))
    assert str(error.value) == message.format(file=file)


def test_yaml_without_pyyaml_is_an_error_and_no_file(
    shop: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    file = tmp_path / "openapi.yaml"
    file.write_text("kept")
    with pytest.raises(
        CommandError, match=r"YAML needs PyYAML\. Install it: pip install 'django-routehandlers\[yaml\]'"
    ):
        export("--output", str(file))
    assert file.read_text() == "kept"
    assert export().startswith("{")


def test_file_that_cannot_be_written_is_an_error(shop: Site, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written: No such file or directory"):
        export("--output", str(tmp_path / "none" / "openapi.json"))


@pytest.mark.parametrize("indent", ["-1", "10"])
def test_indent_has_a_range(shop: Site, indent: str) -> None:
    with pytest.raises(CommandError, match="--indent is a number from 0 to 9"):
        export(f"--indent={indent}")


def test_mistakes_are_printed_instead_of_a_document(site: Site) -> None:
    site.serve({"x/route.py": "def get(): ..."})
    with pytest.raises(CommandError, match=r"The routes have 1 mistake:\n.*routehandlers\.E032"):
        export()


def test_project_that_includes_no_routes_is_told(site: Site) -> None:
    site.serve({"x/route.py": "def GET() -> int: return 1"})
    errors = StringIO()
    output = StringIO()
    set_urlconf(site)
    call_command("export_openapi", stdout=output, stderr=errors)
    assert list(json.loads(output.getvalue())["paths"]) == ["/x"]
    assert errors.getvalue().startswith("No URLconf includes the routes")


def test_options_are_listed_in_the_reference() -> None:
    parser = CommandParser()
    Command().add_arguments(parser)
    options = [action.option_strings[-1] for action in parser._actions if action.dest != "help"]
    rows = first_table(section(read("commands.md"), "## `export_openapi`"))
    assert [row[0] for row in rows] == options


@pytest.mark.slow
def test_same_project_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = make_project(tmp_path, {**ROUTES, "sets/route.py": SET})
    written: set[bytes] = set()
    for seed in ("0", "1", "2"):
        # Sets come in another order with each.
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        run(["manage.py", "export_openapi", "--output", "openapi.json"], home)
        written.add((home / "openapi.json").read_bytes())
    assert len(written) == 1
