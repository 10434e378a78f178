"""Route files to modules: imported once, under one name, as any module is (design, section 4)."""

import importlib
import inspect
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent
from types import FrameType, ModuleType
from typing import Any

import pytest
from django.apps import apps

from conftest import Site
from django_routehandlers.exceptions import Mistake
from django_routehandlers.routing.loader import load_module, module_name
from django_routehandlers.table import app_config, current_table

GET = """
    def GET():
        return "here"
"""


def loaded(site: Site, id: str) -> ModuleType:
    """Load the route of an installed site."""
    (route,) = (route for route in app_config().tree.routes if route.id == id)
    module = load_module(route)
    assert isinstance(module, ModuleType), module
    return module


def mistake(site: Site) -> tuple[str, str, int]:
    """Return the only mistake of a site: its id, its file below the routes directory, its line."""
    (found,) = current_table().mistakes
    return found.id, str(Path(found.file).relative_to(site.root / site.label() / "routes")), found.line


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("", "route"),
        ("api/products", "api.products.route"),
        ("[id]", "[id].route"),
        ("[id=int]", "[id=int].route"),
        ("(group)/a b", "(group).a b.route"),
        ("docs/[...slug]", "docs.[%2E%2E%2Eslug].route"),
        ("docs/[[...slug]]", "docs.[[%2E%2E%2Eslug]].route"),
        ("report.json", "report%2Ejson.route"),
        ("100%", "100%.route"),
        ("%5Fx", "%5Fx.route"),
    ],
)
def test_module_has_one_name(site: Site, folder: str, name: str) -> None:
    """Invariant 85."""
    site.serve({os.path.join(folder, "route.py"): GET})
    module = loaded(site, f"/{folder}")
    full = f"{site.name}.routes.{name}"
    assert (module.__name__, sys.modules[full]) == (full, module)
    assert module.__file__ == str(site.root / site.name / "routes" / folder / "route.py")
    assert module.__spec__ is not None
    assert (module.__package__, module.__spec__.name) == (full.removesuffix(".route"), full)


@pytest.mark.parametrize("folder", ["api/v1", "docs/[...slug]", "report.json/(g)/[[...slug]]"])
def test_relative_imports_work(site: Site, folder: str) -> None:
    """Invariant 85."""
    site.serve(
        {
            f"{folder}/route.py": """
                from ._lib import near
                from ._lib.deep import value as deep
                from .beside import value as beside
                from .. import up
                from ..up import value as also_up
                from . import beside as module

                def GET(**_):
                    return [near, deep, beside, up.value, also_up, module.value]
            """,
            f"{folder}/_lib/__init__.py": "near = 'near'",
            f"{folder}/_lib/deep.py": "from . import near\nvalue = near + ' deep'",
            f"{folder}/beside.py": "value = 'beside'",
            f"{folder}/../up.py": "value = 'up'",
        }
    )
    assert loaded(site, f"/{folder}").GET() == ["near", "near deep", "beside", "up", "up", "beside"]


def test_init_file_of_a_folder_is_run_once_and_first(site: Site) -> None:
    site.serve(
        {
            "__init__.py": "order = ['routes']",
            "[...slug]/__init__.py": "from .. import order\norder.append('slug')\nvalue = 3",
            "[...slug]/route.py": "from . import value\nfrom .. import order\ndef GET(slug): return [order, value]",
            "a/route.py": "from .. import order\ndef GET(): return order",
        }
    )
    assert loaded(site, "/[...slug]").GET([]) == [["routes", "slug"], 3]
    assert loaded(site, "/a").GET() == ["routes", "slug"]


def test_init_file_that_fails_is_a_mistake_and_is_run_again(site: Site) -> None:
    """Invariant 84."""
    routes = site.write({"a/__init__.py": "x = 1\n1 / 0", "a/route.py": GET})
    site.install()
    assert mistake(site) == ("E030", "a/__init__.py", 2)
    assert f"{site.name}.routes.a" not in sys.modules
    rewrite(routes / "a/__init__.py", "value = 'mended'")
    forget(site)
    assert (site.mistakes(), site.client.get("/a").status_code) == ([], 200)


def test_dataclass_with_postponed_annotations_works_in_a_catch_all_folder(site: Site) -> None:
    """Invariant 85."""
    site.serve(
        {
            "[...slug]/route.py": """
                from __future__ import annotations
                import dataclasses
                from typing import ClassVar, get_type_hints

                @dataclasses.dataclass
                class Point:
                    count: ClassVar[int] = 0
                    x: int = 1
                    next: Point | None = None

                def GET(slug: list[str]) -> list[str]:
                    return [*slug, *get_type_hints(Point)]
            """
        }
    )
    assert site.mistakes() == []
    assert site.client.get("/a/b").json() == ["a", "b", "count", "x", "next"]


def test_class_of_a_route_is_pickled(site: Site) -> None:
    """Invariant 85."""
    site.serve({"docs/[...slug]/route.py": "class Point:\n    x = 1\ndef GET(slug): return Point.x"})
    module = loaded(site, "/docs/[...slug]")
    assert pickle.loads(pickle.dumps(module.Point)) is module.Point
    assert type(pickle.loads(pickle.dumps(module.Point()))) is module.Point


def test_source_of_a_handler_is_found(site: Site) -> None:
    """Invariant 85."""
    source = "def GET(slug):\n    return slug\n"
    site.serve({"docs/[...slug]/route.py": f"import os\n\n{source}"})
    module = loaded(site, "/docs/[...slug]")
    assert inspect.getsource(module.GET) == source
    assert inspect.getsourcelines(module.GET)[1] == 3
    assert inspect.getmodule(module.GET) is module
    assert inspect.getsourcefile(module) == module.__file__


def test_traceback_shows_file_line_and_source(site: Site) -> None:
    """Invariant 85."""
    site.serve({"docs/[...slug]/route.py": "def GET(slug):\n    raise RuntimeError(slug)\n"})
    module = loaded(site, "/docs/[...slug]")
    with pytest.raises(RuntimeError) as raised:
        module.GET([])
    frame = traceback.extract_tb(raised.value.__traceback__)[-1]
    assert (frame.filename, frame.lineno, frame.name) == (module.__file__, 2, "GET")
    assert frame.line == "raise RuntimeError(slug)"


def test_debugger_sees_the_file(site: Site) -> None:
    """Invariant 85: a breakpoint is a file and a line."""
    site.serve({"docs/[...slug]/route.py": "def GET(slug):\n    x = 1\n    return x\n"})
    module = loaded(site, "/docs/[...slug]")
    seen: list[tuple[str, int]] = []

    def trace(frame: FrameType, event: str, arg: object) -> Any:  # pragma: no cover - it takes coverage's place
        if event == "line":
            seen.append((frame.f_code.co_filename, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        module.GET([])
    finally:
        sys.settrace(before)
    assert seen[:2] == [(module.__file__, 2), (module.__file__, 3)]


def test_import_by_hand_before_gives_the_same_module(site: Site) -> None:
    """Invariant 85."""
    site.serve({"api/[id]/route.py": "runs = []\ndef GET(id): return id", "api/route.py": GET})
    by_hand = importlib.import_module(f"{site.name}.routes.api.[id].route")
    assert loaded(site, "/api/[id]") is by_hand
    assert loaded(site, "/api") is importlib.import_module(f"{site.name}.routes.api.route")


def test_import_by_hand_afterwards_gives_the_same_module(site: Site) -> None:
    """Invariant 85."""
    site.serve({"api/[id]/route.py": GET, "docs/[...slug]/route.py": GET})
    for id in ("/api/[id]", "/docs/[...slug]"):
        module = loaded(site, id)
        assert importlib.import_module(module.__name__) is module
    package = importlib.import_module(f"{site.name}.routes.api")
    assert getattr(package, "[id]").route is loaded(site, "/api/[id]")


def test_file_is_executed_once(site: Site) -> None:
    """Invariant 85: whatever asks for it, and whenever."""
    site.serve({"docs/[...slug]/route.py": "import builtins\nbuiltins.runs.append(1)\ndef GET(slug): return slug"})
    runs: list[int] = []
    setattr(importlib.import_module("builtins"), "runs", runs)  # noqa: B010
    try:
        site.check()
        site.client.get("/docs/a")
        apps.get_app_config("django_routehandlers").ready()
        site.check()
        site.client.get("/docs/b")
        site.settings.ROUTEHANDLERS = {"TRAILING_SLASH": True}
        site.client.get("/docs/c/")
    finally:
        delattr(importlib.import_module("builtins"), "runs")
    assert runs == [1]


def test_folder_named_route_stands_beside_the_file_of_that_name(site: Site) -> None:
    """Invariant 85: Python itself sees the file alone."""
    site.serve({"route.py": "def GET(): return 'file'", "route/route.py": "def GET(): return 'folder'"})
    assert site.mistakes() == []
    assert [site.client.get(url).json() for url in ("/", "/route")] == ["file", "folder"]
    outer = importlib.import_module(f"{site.name}.routes.route")
    assert importlib.import_module(f"{site.name}.routes.route.route") is loaded(site, "/route")
    assert outer is loaded(site, "/")


@pytest.mark.parametrize("first", ["routes", "helper"])
def test_folder_stands_beside_a_helper_of_its_name(site: Site, first: str) -> None:
    """Invariant 85."""
    routes = site.write({"api/route.py": "from ..api import value\ndef GET(): return value", "api.py": "value = 5"})
    (routes.parent / "routes.py").write_text("value = 6\n")
    site.install()
    if first == "helper":
        importlib.import_module(f"{site.name}.routes")
    assert (site.mistakes(), site.client.get("/api").json()) == ([], 5)
    assert importlib.import_module(f"{site.name}.routes").value == 6
    assert importlib.import_module(f"{site.name}.routes.api").value == 5


def rewrite(file: Path, text: str) -> None:
    """Write a file anew; what was compiled of it is stale even within one second."""
    file.write_text(text)
    os.utime(file, (1, 1))


def forget(site: Site) -> None:
    """Build the table anew, as a changed setting does."""
    site.settings.ROUTEHANDLERS = {}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.12 was the first to tell programs what it suggests")
@pytest.mark.parametrize(
    ("line", "suggestion"),
    [
        ("from django_routehandlers import Cookies", "'Cookie'?"),
        ("prnt()", "name 'prnt' is not defined. Did you mean: 'print'?"),
    ],
)
def test_file_that_cannot_be_imported_has_what_python_suggests(site: Site, line: str, suggestion: str) -> None:
    """Invariant 84."""
    site.serve({"a/route.py": f"{line}\n"})
    (found,) = current_table().mistakes
    assert "Did you mean: " in found.what
    assert found.what.endswith(suggestion)


@pytest.mark.parametrize(
    ("text", "line", "what", "remedy"),
    [
        ("import os\ndef GET(:\n    pass\n", 2, "SyntaxError: invalid syntax", "Mend the line `def GET(:`."),
        ("x = 1\n\nreturn 1\n", 3, "SyntaxError: 'return' outside function", "Mend the line `return 1`."),
        (
            "import nowhere_at_all\n",
            1,
            "ModuleNotFoundError: No module named 'nowhere_at_all'",
            "import nowhere_at_all",
        ),
        (
            "import os\nfrom os import nothing_there\n",
            2,
            "ImportError: cannot import name 'nothing_there' from 'os'",
            "Mend the line `from os import nothing_there`.",
        ),
        ("a = 1\nb = a / 0\n", 2, "ZeroDivisionError: division by zero.", "Mend the line `b = a / 0`."),
        ("import json\njson.loads('no')\n", 2, "JSONDecodeError: Expecting value", "Mend the line `json.loads('no')`."),
        ("compile('1 +', '<text>', 'exec')\n", 1, "SyntaxError: invalid syntax", "Mend the line `compile("),
        ("import sys\nsys.exit('bye')\n", 2, "SystemExit: bye.", "Mend the line `sys.exit('bye')`."),
        ("raise Exception\n", 1, "the file cannot be imported: Exception.", "Mend the line `raise Exception`."),
        ("raise ValueError('one\\ntwo')\n", 1, "ValueError: one.", "Mend the line"),
    ],
)
def test_file_that_cannot_be_imported_is_a_mistake_with_its_line(
    site: Site, text: str, line: int, what: str, remedy: str
) -> None:
    """Invariant 84."""
    site.serve({"docs/[...slug]/route.py": text})
    assert mistake(site) == ("E030", "docs/[...slug]/route.py", line)
    (found,) = current_table().mistakes
    assert found.what.startswith("the file cannot be imported: ")
    assert what in found.what
    assert remedy in found.remedy
    assert not [name for name in sys.modules if name.endswith("slug].route") and name.startswith(site.name)]


def test_fault_of_a_helper_is_reported_in_the_helper(site: Site) -> None:
    """Invariant 84."""
    helper = {
        "_lib/broken.py": "import os\n1 / 0",
        "_lib/typo.py": "def f(:",
        "_lib/caller.py": "import json\n\n\njson.loads('no')",
    }
    site.serve(
        {**helper, **{f"{name}/route.py": f"from .._lib import {name}" for name in ("broken", "typo", "caller")}}
    )
    found = [(one.where, Path(one.file).name, one.line) for one in current_table().mistakes]
    assert found == [("/broken", "broken.py", 2), ("/caller", "caller.py", 4), ("/typo", "typo.py", 1)]
    assert {one.id for one in current_table().mistakes} == {"E030"}


def test_all_bad_files_are_listed_at_once(site: Site) -> None:
    """Invariant 84."""
    site.serve(
        {
            "a/route.py": "1 +",
            "b/route.py": GET,
            "c/[id]/route.py": "import nowhere_at_all",
            "d/[...slug]/route.py": "raise SystemExit(1)",
            "e/route.py": "def get(): pass",
        }
    )
    label = site.label()
    assert site.mistakes() == [
        ("E030", f"{label}/routes/a/route.py:1"),
        ("E030", f"{label}/routes/c/[id]/route.py:1"),
        ("E030", f"{label}/routes/d/[...slug]/route.py:1"),
        ("E032", f"{label}/routes/e/route.py:1"),
    ]


@pytest.mark.parametrize("text", ["def GET(:", "import nowhere_at_all", "x = 1\n1 / 0", "raise SystemExit"])
def test_file_that_was_mended_is_loaded_whole(site: Site, text: str) -> None:
    """Invariant 84: nothing half-initialised stays behind."""
    routes = site.write({"docs/[...slug]/route.py": f"half = 1\nfrom ._lib import value\n{text}"})
    (routes / "docs/[...slug]/_lib.py").write_text("value = 2\n")
    site.install()
    assert [id for id, _ in site.mistakes()] == ["E030"]
    rewrite(routes / "docs/[...slug]/route.py", "from ._lib import value\ndef GET(slug): return value")
    forget(site)
    assert site.mistakes() == []
    assert (site.client.get("/docs/a").json(), hasattr(loaded(site, "/docs/[...slug]"), "half")) == (2, False)


def test_line_to_mend_is_the_one_that_stands_there_now(site: Site) -> None:
    """Invariant 84."""
    routes = site.write({"a/route.py": "1 / 0"})
    site.install()
    assert [one.remedy for one in current_table().mistakes] == ["Mend the line `1 / 0`."]
    rewrite(routes / "a/route.py", "def GET(:")
    forget(site)
    assert [one.remedy for one in current_table().mistakes] == ["Mend the line `def GET(:`."]


@pytest.mark.parametrize(
    "source",
    [
        b"\xef\xbb\xbfdef GET():\n    return 'caf\xc3\xa9'\n",
        b"def GET():\r\n    return 'caf\xc3\xa9'\r\n",
        b"def GET():\r    return 'caf\xc3\xa9'\r",
        b"# -*- coding: latin-1 -*-\ndef GET():\n    return 'caf\xe9'\n",
    ],
    ids=["bom", "crlf", "cr", "latin-1"],
)
def test_source_is_read_as_python_reads_it(site: Site, source: bytes) -> None:
    """Invariant 95."""
    routes = site.write({"a/route.py": ""})
    (routes / "a/route.py").write_bytes(source)
    site.install()
    assert (site.mistakes(), site.client.get("/a").json()) == ([], "caf\u00e9")


@pytest.mark.parametrize(
    ("source", "what"),
    [
        (b"x = 1\ny = 'caf\xe9'\n", "can't decode byte 0xe9"),
        (b"x = 1\ny = '\x00'\n", "null bytes"),
        (b"# coding: no-such-codec\n", "no-such-codec"),
    ],
    ids=["not UTF-8", "NUL", "unknown encoding"],
)
def test_source_that_python_cannot_read_is_a_mistake(site: Site, source: bytes, what: str) -> None:
    """Invariant 95."""
    routes = site.write({"a/route.py": ""})
    (routes / "a/route.py").write_bytes(source)
    site.install()
    (found,) = current_table().mistakes
    assert (found.id, found.file) == ("E030", str(routes / "a/route.py"))
    assert what in found.what


def test_empty_file_is_a_mistake_of_its_own(site: Site) -> None:
    """Invariant 95."""
    site.serve({"a/route.py": ""})
    assert site.mistakes() == [("E031", f"{site.label()}/routes/a/route.py")]


def test_file_that_is_gone_when_it_is_imported_is_a_mistake(site: Site) -> None:
    routes = site.write({"a/route.py": GET, "b/route.py": GET})
    site.install()
    (routes / "a/route.py").unlink()
    assert mistake(site) == ("E030", "a/route.py", 0)


def test_module_of_another_file_is_not_taken_for_the_route(site: Site) -> None:
    site.serve({"a/route.py": GET})
    other = ModuleType(f"{site.name}.routes.a.route")
    other.__file__ = __file__
    sys.modules[other.__name__] = other
    (found,) = current_table().mistakes
    assert (found.id, found.what) == ("E030", f"the module {other.__name__} is {__file__} already.")


def test_name_of_a_module_is_a_pure_function_of_its_route(site: Site) -> None:
    site.serve({"docs/[...slug]/route.py": "raise Exception"})
    (route,) = app_config().tree.routes
    assert module_name(route) == f"{site.name}.routes.docs.[%2E%2E%2Eslug].route"
    assert isinstance(load_module(route), Mistake)


PROJECT = """
    import sys
    import django
    from django.conf import settings

    settings.configure(
        INSTALLED_APPS=["django_routehandlers", "shop"],
        ROOT_URLCONF="django_routehandlers.urls",
        ALLOWED_HOSTS=["*"],
    )
    django.setup()
    from django.test import Client
"""


def run_project(folder: Path, script: str, *command: str, arguments: Sequence[str] = ()) -> str:
    """Run a script in a project of its own; return what it prints."""
    (folder / "shop").mkdir(exist_ok=True)
    (folder / "shop/__init__.py").touch()
    (folder / "script.py").write_text(dedent(PROJECT) + dedent(script))
    return run_python(folder, *command, "script.py", *arguments)


def run_python(folder: Path, *command: str) -> str:
    """Run Python in a process of its own; return what it prints."""
    # Development mode and a measurement of these tests look at source files while the script runs.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "PYTHONDEV"))}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), *sys.path]))
    run = subprocess.run(
        [sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def write_file(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dedent(text).lstrip("\n"))


def test_coverage_measures_a_catch_all_folder(tmp_path: Path) -> None:
    """Invariant 85."""
    text = """
        def GET(slug):
            if slug == ["never"]:
                return 1
            return 2
    """
    write_file(tmp_path / "shop/routes/docs/[...slug]/route.py", text)
    (tmp_path / ".coveragerc").write_text("[run]\ndata_file = measured\n")
    run_project(
        tmp_path,
        'assert Client().get("/docs/a").json() == 2',
        *("-m", "coverage", "run", "--rcfile=.coveragerc", "--source=shop"),
    )
    options = ["--rcfile=.coveragerc", "--show-missing", "--include=*/route.py"]
    report = run_python(tmp_path, "-m", "coverage", "report", *options)
    (line,) = [line.split() for line in report.splitlines() if "route.py" in line]
    assert line == ["shop/routes/docs/[...slug]/route.py", "4", "1", "75%", "3"]


FUZZ = """
    import os
    import random

    client = Client()
    warm = ["/a", "/a/", "/1", "/x/b", "/docs", "/docs/a", "/files/a", "/nowhere/at/all"]
    statuses = {client.get(url).status_code for url in warm}
    assert statuses == {200, 308, 404}, statuses

    EVENTS = ("open", "import", "os.listdir", "os.scandir", "exec", "compile")
    seen = []
    asked = []
    watching = False

    def hook(event, args):
        if watching and event in EVENTS:
            seen.append((event, str(args[0])))

    def watched(function):
        # os.stat() raises no audit event.
        def call(*args, **kwargs):
            if watching:
                asked.append(args)
            return function(*args, **kwargs)

        return call

    for name in ("stat", "lstat"):
        setattr(os, name, watched(getattr(os, name)))
    sys.addaudithook(hook)
    chance = random.Random(97)
    parts = ["a", "b", "1", "docs", "files", "..", ".", "", "%2e%2e", "%2F", "etc", "passwd", "route.py", "%00"]
    parts += ["[id]", "shop.routes.a.route", "__init__.py", "C:", "%5C", "~root", "caf%C3%A9", "%FF", "os"]
    parts += ["x" * 300]
    found = dict.fromkeys((200, 308, 404), 0)
    watching = True
    for _ in range(int(sys.argv[1])):
        url = chance.choice(["/", "/docs/", "/files/"]) + "/".join(chance.choices(parts, k=chance.randint(1, 4)))
        url = "http://testserver" + url + chance.choice(["", "", "/"])
        found[client.generic(chance.choice(["GET", "GET", "HEAD"]), url).status_code] += 1
    watching = False
    assert all(found.values()), found
    watching = True
    open(os.devnull).close()
    os.stat(".")
    watching = False
    print(seen, asked)
"""


def test_no_request_reaches_the_file_system(tmp_path: Path) -> None:
    """Invariant 97: what a URL says is looked up, never opened, listed or imported."""
    for folder in ("a", "[id=int]", "[id]/b", "docs/[[...slug]]", "files/[...path]"):
        write_file(tmp_path / f"shop/routes/{folder}/route.py", "def GET(params): return 1\n")
    count = "10000" if os.environ.get("RH_PROOF") == "full" else "500"
    printed = run_project(tmp_path, FUZZ, arguments=[count])
    # The last ones are the proof that both hooks were listening.
    assert printed == f"[('open', '{os.devnull}')] [('.',)]\n"
