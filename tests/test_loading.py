"""What is equal in many routes is made once while they are loaded, as if each had its own (design, section 2)."""

import gc
import json
import os
import subprocess
import sys
from ast import literal_eval
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from conftest import Site
from django_routehandlers.handlers.bound import BoundHandler
from django_routehandlers.handlers.view_facts import config_of, handlers_of
from django_routehandlers.table import current_table

TYPED = """
    from dataclasses import dataclass
    from shop_models import Item

    async def GET(id: int, page: int | None = None) -> list[Item]:
        return []

    async def PUT(request, id: int, body: Item) -> Item:
        return body
"""
MODELS = "from pydantic import BaseModel\n\nclass Item(BaseModel):\n    name: str\n"


def bound(method: str = "GET") -> list[BoundHandler]:
    """Return the handlers of all routes, in match order."""
    return [handlers_of(one.view)[method] for one in current_table().served]


def adapters(site: Site, number: int) -> Counter[int]:
    """Return how many inputs and answers of *number* routes each adapter has."""
    (site.root / "shop_models.py").write_text(MODELS)
    site.serve({f"item{n}/[id]/route.py": TYPED for n in range(number)})
    assert current_table().mistakes == ()
    return Counter(
        id(one.adapter)
        for handler in [*bound("GET"), *bound("PUT")]
        for one in [
            *handler.plan.segments,
            *handler.plan.values,
            *([handler.plan.content] if handler.plan.content else []),
            *handler.returns.answers,
        ]
    )


@pytest.mark.parametrize("number", [3, 12])
def test_adapters_are_made_once_for_equal_annotations(site: Site, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "shop_models", raising=False)
    found = adapters(site, number)
    # int as text; int | None as text; Item, and list[Item], as what is returned; Item as the body.
    assert sorted(found.values()) == [number, number, number, number, 2 * number]


def test_annotations_that_only_look_equal_are_kept_apart(site: Site) -> None:
    routes = {"a": "int | str", "b": "str | int", "c": "Literal[1, 2]", "d": "Literal[True, 2]"}
    head = "from typing import Literal\n"
    site.serve({f"{name}/route.py": f"{head}def GET(q: {kind}) -> {kind}: ..." for name, kind in routes.items()})
    paths = json.loads(site.client.get("/openapi.json").content)["paths"]
    found = {path: get["get"]["parameters"][0]["schema"] for path, get in paths.items()}
    returned = {
        path: get["get"]["responses"]["200"]["content"]["application/json"]["schema"] for path, get in paths.items()
    }

    def kinds(schema: Mapping[str, Any]) -> list[Any]:
        return [one["type"] for one in schema["anyOf"]] if "anyOf" in schema else schema["enum"]

    expected: dict[str, list[Any]] = {
        "/a": ["integer", "string"],
        "/b": ["string", "integer"],
        "/c": [1, 2],
        "/d": [True, 2],
    }
    # By text, since 1 is True.
    assert str({path: kinds(schema) for path, schema in found.items()}) == str(expected)
    assert str({path: kinds(schema) for path, schema in returned.items()}) == str(expected)


def test_annotation_that_cannot_be_looked_up_is_read_for_each_route(site: Site) -> None:
    source = "from typing import Annotated\nX = Annotated[int, ['no hash']]\ndef GET(id: X, q: X = 1): return id + q"
    site.serve({"a/[id]/route.py": source, "b/[id]/route.py": source})
    assert [site.client.get(f"/{name}/7?q=2").content for name in "ab"] == [b"9", b"9"]
    first, second = bound()
    assert first.plan.segments[0].adapter is not second.plan.segments[0].adapter


def test_nothing_is_kept_from_one_reading_to_the_next(site: Site) -> None:
    site.serve({"a/[id]/route.py": "def GET(id: int): return id"})
    (before,) = bound()
    site.settings.ROUTEHANDLERS = {"TRAILING_SLASH": True}
    (after,) = bound()
    assert before.plan.segments[0].adapter is not after.plan.segments[0].adapter


def test_mistake_of_an_annotation_is_told_of_each_route(site: Site) -> None:
    """Invariant 84."""
    site.serve({f"{name}/route.py": "def GET(q: object()): ..." for name in "abc"})
    assert [id for id, _ in site.mistakes()] == ["E042", "E042", "E042"]


def test_private_fields_stay_hidden_in_every_route_that_returns_the_model(site: Site) -> None:
    (site.root / "shop_secret.py").write_text(
        "from pydantic import BaseModel, SecretStr\nclass User(BaseModel):\n    name: str\n    key: SecretStr\n"
    )
    source = """
        from shop_secret import User

        async def GET(request) -> User:
            return User(name="Ada", key="s3cret")
    """
    site.serve({f"{name}/route.py": source for name in "abc"})
    sent = {site.client.get(f"/{name}").content for name in "abc"}
    assert len(sent) == 1
    assert b"s3cret" not in sent.pop()


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("", []),
        # Speaks of the name, and says nothing: told, as before.
        ("csrf: str\n", ["E035"]),
        ("csrf = 'no such rule'\n", ["E035"]),
        # Nothing is left that could be meant as config.
        ("csrf = 'no such rule'\ndel csrf\n", []),
        ("if True:\n    csrf = 'of a branch'\n", []),
    ],
)
def test_config_is_what_the_file_binds(site: Site, head: str, expected: list[str]) -> None:
    site.serve({"a/route.py": f"{head}def GET(): ..."})
    assert [id for id, _ in site.mistakes()] == expected


def test_routes_that_say_nothing_share_what_the_settings_say(site: Site) -> None:
    site.settings.ROUTEHANDLERS = {"MAX_DURATION": 5}
    site.serve(
        {
            "a/route.py": "def GET(): ...",
            "b/route.py": "def GET(): ...",
            "c/route.py": "max_duration = 7\nasync def GET(): ...",
        }
    )
    first, second, own = (config_of(one.view) for one in current_table().served)
    assert first is second
    assert first["max_duration"].value == 5
    assert own["max_duration"].value == 7
    assert own["max_duration"].line == 1
    assert own["csrf"] == first["csrf"]


@pytest.fixture
def thresholds() -> Iterator[tuple[int, int, int]]:
    """Restore the collector's thresholds."""
    before = gc.get_threshold()
    yield before
    gc.set_threshold(*before)


def test_garbage_collector_is_as_it_was(site: Site, thresholds: tuple[int, int, int]) -> None:
    site.serve(
        {
            "a/route.py": "import gc\nSEEN = gc.get_threshold()\ndef GET(): return SEEN",
            "b/route.py": "raise ValueError('no')",
        }
    )
    assert [id for id, _ in site.mistakes()] == ["E030"]
    assert gc.get_threshold() == thresholds
    seen = sys.modules[f"{site.name}.routes.a.route"].SEEN
    assert seen[:2] == thresholds[:2]
    assert seen[2] > thresholds[2]


@pytest.mark.usefixtures("thresholds")
def test_thresholds_that_a_file_sets_stay(site: Site) -> None:
    site.serve({"a/route.py": "import gc\ngc.set_threshold(1234, 5, 6)\ndef GET(): ..."})
    assert site.mistakes() == []
    assert gc.get_threshold() == (1234, 5, 6)


START = """
    import os, sys
    import django
    from django.conf import settings

    opened = {"source": 0, "compiled": 0, "written": 0}

    def hook(event, args):
        name = str(args[0]) if event == "open" else ""
        if os.sep + "routes" + os.sep in name and ".py" in name:
            opened["written" if ".pyc." in name else "compiled" if name.endswith(".pyc") else "source"] += 1

    settings.configure(INSTALLED_APPS=["django_routehandlers", "shop"], ROOT_URLCONF="django_routehandlers.urls")
    django.setup()
    config = django.apps.apps.get_app_config("django_routehandlers")
    sys.addaudithook(hook)
    assert config.table.mistakes == (), config.table.mistakes
    print(opened)
"""


def start(folder: Path, **environment: str) -> dict[str, int]:
    """Load the routes of a project in a process of its own; return how often files of each kind were opened."""
    names = ("COVERAGE_", "PYTHONDEV", "PYTHONDONTWRITE", "PYTHONPYCACHE")
    env = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), *sys.path]))
    command = [sys.executable, "-c", dedent(START)]
    run = subprocess.run(command, cwd=folder, env={**env, **environment}, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return literal_eval(run.stdout)


@pytest.mark.servers
def test_files_are_compiled_once_and_read_as_often_whatever_their_number(tmp_path: Path) -> None:
    """Python's own rules hold for folders in brackets, with dots and in groups."""
    places = ["[id]", "[id=int]/b", "docs/[...slug]", "(group)/[[...rest]]", "a.json", "plain"]
    for number, place in enumerate(places):
        file = tmp_path / "shop/routes" / f"item{number}" / place / "route.py"
        file.parent.mkdir(parents=True)
        file.write_text("def GET(params): ...\n" if number else "revalidate = 7\ndef GET(params): ...\n")
    (tmp_path / "shop/__init__.py").touch()
    many = len(places)
    # Each source is read for the digest of the build, that of a file with config for its lines as well.
    compiling = {"source": 2 * many + 1, "compiled": many}
    assert start(tmp_path, PYTHONDONTWRITEBYTECODE="1") == {**compiling, "written": 0}
    assert start(tmp_path) == {**compiling, "written": many}
    assert start(tmp_path) == {"source": many + 1, "compiled": many, "written": 0}
