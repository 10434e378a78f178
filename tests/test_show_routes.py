"""``manage.py show_routes`` lists what is served: as a table, as a tree, as JSON."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.urls import include, path, re_path

from conftest import Site
from show_routes_command import CACHED, manage, show, write_project

SHOP = {
    "shop/routes/route.py": "def GET(): ...\n",
    "shop/routes/(site)/about/route.py": "def GET(): ...\n",
    "shop/routes/api/products/route.py": """
        async def GET():
            return []


        def POST(request): ...
    """,
    "shop/routes/api/products/[id=int]/route.py": "async def GET(id: int): ...\nasync def DELETE(id: int): ...\n",
    "shop/routes/api/products/[sku]/route.py": "def PUT(sku): ...\n",
    "help/routes/docs/[[...slug]]/route.py": 'name = "pages"\n\n\nasync def GET(slug): ...\n',
    "help/routes/files/[...path]/route.py": "def GET(path): ...\n",
}


AROUND = {
    "middleware": [],
    "config": {"csrf": {"value": "origin", "source": "default"}},
    "throttle": [],
}

ID = {"written": "id: int", "from": "path"}
LIST_HANDLERS = {
    "GET": {"kind": "async", "line": 1, "inputs": []},
    "POST": {"kind": "sync", "line": 5, "inputs": [{"written": "request", "from": "the request itself"}]},
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of two apps."""
    return write_project(tmp_path, SHOP)


@pytest.mark.servers
def test_table_lists_every_route_in_match_order(project: Path) -> None:
    """Plain in a pipe, whole, and aligned."""
    shown = manage(project)
    assert (shown.err, shown.status) == ("", 0)
    assert (
        shown.out
        == """\
METHODS                     PATH                    NAME                     KIND   CACHE  APP   FILE
GET, HEAD, OPTIONS          /                       routes:index             sync   60 s   shop  shop/routes/route.py
GET, HEAD, OPTIONS          /about                  routes:about             sync   60 s   shop  shop/routes/(site)/about/route.py
GET, HEAD, OPTIONS, POST    /api/products           routes:api-products      mixed  60 s   shop  shop/routes/api/products/route.py
DELETE, GET, HEAD, OPTIONS  /api/products/<int:id>  routes:api-products-id   async  60 s   shop  shop/routes/api/products/[id=int]/route.py
OPTIONS, PUT                /api/products/<sku>     routes:api-products-sku  sync   -      shop  shop/routes/api/products/[sku]/route.py
GET, HEAD, OPTIONS          /docs[/<path:slug>]     routes:pages             async  60 s   help  help/routes/docs/[[...slug]]/route.py
GET, HEAD, OPTIONS          /files/<path:path>      routes:files-path        sync   60 s   help  help/routes/files/[...path]/route.py
"""  # noqa: E501
    )


@pytest.mark.servers
def test_tree_draws_the_folders_as_written(project: Path) -> None:
    shown = manage(project, "--format", "tree")
    assert (shown.err, shown.status) == ("", 0)
    assert (
        shown.out
        == """\
shop                  GET, HEAD, OPTIONS
├── (site)
│   └── about         GET, HEAD, OPTIONS
└── api
    └── products      GET, HEAD, OPTIONS, POST
        ├── [id=int]  DELETE, GET, HEAD, OPTIONS
        └── [sku]     OPTIONS, PUT

help
├── docs
│   └── [[...slug]]  GET, HEAD, OPTIONS
└── files
    └── [...path]    GET, HEAD, OPTIONS
"""
    )


@pytest.mark.servers
def test_tree_is_drawn_with_what_the_encoding_of_the_terminal_has(project: Path) -> None:
    shown = manage(project, "--format", "tree", "--app", "help", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert (
        shown.out
        == """\
help
|-- docs
|   `-- [[...slug]]  GET, HEAD, OPTIONS
`-- files
    `-- [...path]    GET, HEAD, OPTIONS
"""
    )


@pytest.mark.servers
def test_json_has_one_object_for_each_route(project: Path) -> None:
    """The keys are those of the reference, and no others."""
    shown = manage(project, "--format", "json", "--path", "/api", "--force-color")
    assert (shown.err, shown.status) == ("", 0)
    assert json.loads(shown.out) == [
        {
            "methods": ["GET", "HEAD", "OPTIONS", "POST"],
            "path": "/api/products",
            "name": "routes:api-products",
            "app": "shop",
            "file": "shop/routes/api/products/route.py",
            "handlers": LIST_HANDLERS,
            "cache": CACHED,
            **AROUND,
        },
        {
            "methods": ["DELETE", "GET", "HEAD", "OPTIONS"],
            "path": "/api/products/<int:id>",
            "name": "routes:api-products-id",
            "app": "shop",
            "file": "shop/routes/api/products/[id=int]/route.py",
            "handlers": {
                "GET": {"kind": "async", "line": 1, "inputs": [ID]},
                "DELETE": {"kind": "async", "line": 2, "inputs": [ID]},
            },
            "cache": CACHED,
            **AROUND,
        },
        {
            "methods": ["OPTIONS", "PUT"],
            "path": "/api/products/<sku>",
            "name": "routes:api-products-sku",
            "app": "shop",
            "file": "shop/routes/api/products/[sku]/route.py",
            "handlers": {"PUT": {"kind": "sync", "line": 1, "inputs": [{"written": "sku", "from": "path"}]}},
            "cache": None,
            **AROUND,
        },
    ]


@pytest.mark.servers
def test_color_is_plain_text_with_escapes_in_between(project: Path) -> None:
    """Automatic methods stay plain."""
    plain, colored = manage(project, "--app", "help"), manage(project, "--app", "help", "--force-color")
    assert "\x1b[1mGET\x1b[0m, HEAD, OPTIONS  " in colored.out
    assert without_color(colored.out) == plain.out


@pytest.mark.servers
@pytest.mark.parametrize(
    ("arguments", "is_colored"), [([], True), (["--no-color"], False), (["--format", "json"], False)], ids=str
)
def test_color_is_for_terminals(project: Path, arguments: list[str], *, is_colored: bool) -> None:
    ours, theirs = pty.openpty()
    run = subprocess.Popen(
        [sys.executable, "-B", "manage.py", "show_routes", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUTF8": "1"},
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    printed = b""
    # Linux ends a terminal that nobody writes to any more with EIO.
    with contextlib.suppress(OSError):
        while piece := os.read(ours, 65536):
            printed += piece
    os.close(ours)
    assert run.wait() == 0
    assert (b"\x1b" in printed) is is_colored
    assert without_color(printed.decode()).replace("\r\n", "\n") == manage(project, *arguments).out


@pytest.mark.parametrize(
    ("arguments", "paths"),
    [
        (["--app", "{b}"], ["/docs[/<path:slug>]"]),
        (["--app", "{a}", "--app", "{b}"], ["/", "/api/items", "/api/items/<int:id>", "/docs[/<path:slug>]"]),
        (["--method", "post"], ["/api/items"]),
        (["--method", "POST", "--method", "delete"], ["/api/items", "/api/items/<int:id>"]),
        (["--method", "HEAD"], ["/", "/api/items", "/docs[/<path:slug>]"]),
        (["--path", "/api"], ["/api/items", "/api/items/<int:id>"]),
        (["--path", "api/items/"], ["/api/items/<int:id>"]),
        (["--path", "/api/items/[id"], ["/api/items/<int:id>"]),
        (["--path", "/(rest)"], ["/api/items"]),
        (["--path", "/docs/<path:slug>"], ["/docs[/<path:slug>]"]),
        (["--path", "/api", "--method", "GET"], ["/api/items"]),
    ],
    ids=" ".join,
)
def test_filters_leave_only_what_passes_all_of_them(site: Site, arguments: list[str], paths: list[str]) -> None:
    site.write(
        {
            "route.py": "def GET(): ...\n",
            "(rest)/api/items/route.py": "def GET(): ...\ndef POST(): ...\n",
            "api/items/[id=int]/route.py": "def DELETE(id): ...\n",
        },
        app="a",
    )
    site.write({"docs/[[...slug]]/route.py": "def GET(slug): ...\n"}, app="b")
    site.install("a", "b")
    labels = {"a": site.label("a"), "b": site.label("b")}
    assert show(*(argument.format(**labels) for argument in arguments)).column("PATH") == paths


def test_filters_that_let_nothing_through_say_so(site: Site) -> None:
    site.serve({"route.py": "def GET(): ...\n"})
    shown = show("--path", "/nowhere")
    assert (shown.out, shown.err, shown.status) == ("", "No route passes the filters.\n", 0)
    assert show("--path", "/nowhere", "--format", "json").out == "[]\n"


def test_unknown_app_names_those_with_routes(site: Site) -> None:
    site.serve({"route.py": "def GET(): ...\n"})
    shown = show("--app", "auth", "--app", "shpo")
    message = f"No installed app auth, shpo has routes. Apps that have: {site.label()}.\n"
    assert (shown.out, shown.err, shown.status) == ("", message, 1)


def test_unknown_method_names_those_there_are(site: Site) -> None:
    site.serve({"route.py": "def GET(): ...\n"})
    shown = show("--method", "fetch")
    message = "No route answers FETCH. Methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS.\n"
    assert (shown.out, shown.err, shown.status) == ("", message, 1)


def test_slash_at_the_end_is_shown_where_urls_have_it(site: Site) -> None:
    site.settings.ROUTEHANDLERS = {"TRAILING_SLASH": True}
    site.serve({"a/route.py": "def GET(): ...\n", "b/[[...rest]]/route.py": "def GET(rest): ...\n"})
    assert show().column("PATH") == ["/a/", "/b/[<path:rest>/]"]


def test_optional_catch_all_at_the_root_is_one_line(site: Site) -> None:
    site.serve({"[[...rest]]/route.py": "def GET(rest): ...\n"})
    assert show().column("PATH") == ["/[<path:rest>]"]


def test_prefix_of_an_app_is_part_of_the_path(site: Site) -> None:
    site.settings.ROUTEHANDLERS = {"PREFIXES": {site.label(): "v1/shop/"}}
    site.serve({"items/route.py": "def GET(): ...\n"})
    assert show().column("PATH") == ["/v1/shop/items"]


def test_path_and_name_are_those_of_every_place_that_includes_the_routes(site: Site) -> None:
    """What is listed is what a browser asks for and ``reverse()`` takes."""
    site.serve({"items/route.py": "def GET(): ...\n"})
    inner = [path("v1/", include("django_routehandlers.urls"))]
    include_again(
        site, [path("api/", include((inner, "inner"))), re_path("^old/", include("django_routehandlers.urls", "old"))]
    )
    shown = show()
    assert shown.column("PATH") == ["/api/v1/items", "/old/items"]
    assert shown.column("NAME") == ["inner:routes:items", "old:items"]


def test_routes_that_no_urlconf_includes_are_listed_with_a_warning(site: Site) -> None:
    site.serve({"items/route.py": "def GET(): ...\n"})
    include_again(site, [])
    shown = show()
    assert shown.column("PATH") == ["/items"]
    assert shown.err == (
        "No URLconf includes the routes, so none answers. "
        'Add path("", include("django_routehandlers.urls")) to urlpatterns.\n'
    )


def test_handler_from_another_file_has_no_line(site: Site) -> None:
    """A line belongs to the file that stands beside it."""
    site.write({"_lib/shared.py": "async def GET(): ...\n", "items/route.py": "from .._lib.shared import GET\n"})
    site.install()
    assert json.loads(show("--format", "json").out)[0]["handlers"] == {
        "GET": {"kind": "async", "line": None, "inputs": []}
    }


def test_handler_is_async_below_its_decorators(site: Site) -> None:
    text = """
        from functools import wraps


        def logged(function):
            @wraps(function)
            def inner(request):
                return function(request)

            return inner


        @logged
        async def GET(request): ...
    """
    site.serve({"items/route.py": text})
    assert show().column("KIND") == ["async"]


def test_name_that_would_steer_the_terminal_is_escaped(site: Site) -> None:
    site.serve({"a\x1b%5B2J%5B\n/route.py": "def GET(): ...\n", "日本/route.py": "def GET(): ...\n"})
    heading, *lines = show().out.splitlines()
    assert [line.split()[3] for line in lines] == ["/a\\x1b[2J[\\n", "/日本"]
    # Each of the two characters takes two columns of a terminal.
    assert heading.index("NAME") == lines[0].index("routes:") == lines[1].index("routes:") + 2


@pytest.mark.servers
def test_mistakes_follow_the_routes_that_stand(project: Path) -> None:
    """Every mistake with its id, on standard error; exit status 1."""
    folder = write_project(
        project,
        {
            "shop/routes/broken/route.py": "import nothing_of_this_name\n",
            "shop/routes/api/typo/route.py": "def GET(req): ...\n",
            "help/routes/docs/routes.py": "",
        },
    )
    shown = manage(folder, "--app", "help")
    assert shown.column("PATH") == ["/docs[/<path:slug>]", "/files/<path:path>"]
    assert shown.status == 1
    assert re.findall(r"routehandlers\.(\w+)", shown.err) == ["W017", "E040", "E030"]
    assert "CommandError: The routes have 2 mistakes:\n" in shown.err


def test_warnings_are_shown_but_do_not_fail(site: Site) -> None:
    site.serve({"route.py": "def GET(): ...\n", "a/Route.py": "def GET(): ...\n"})
    shown = show()
    assert (shown.column("PATH"), shown.status) == (["/"], 0)
    assert shown.err.endswith("(routehandlers.W017)\n")


@pytest.mark.servers
def test_project_without_routes_is_told_how_to_write_the_first(tmp_path: Path) -> None:
    shown = manage(write_project(tmp_path, {"shop/models.py": ""}))
    expected = """\
No installed app has a route yet. Write the first one:

    # shop/routes/api/hello/route.py
    async def GET():
        return {"hello": "world"}
"""
    assert (shown.out, shown.err, shown.status) == ("", expected, 0)


@pytest.mark.servers
def test_route_of_that_advice_is_listed(tmp_path: Path) -> None:
    project = write_project(tmp_path, {"shop/models.py": ""})
    place, *lines = manage(project).err.partition("# ")[2].splitlines()
    text = "\n".join(line.removeprefix("    ") for line in lines)
    shown = manage(write_project(project, {place: text}))
    assert (shown.column("PATH"), shown.err) == (["/api/hello"], "")


@pytest.mark.servers
def test_converter_that_the_urlconf_registers_is_known(tmp_path: Path) -> None:
    """The URLconf is read before the route files, as it is when a request comes in."""
    urls = """
        from django.urls import include, path, register_converter
        from django.urls.converters import StringConverter


        class Sku(StringConverter):
            regex = "[A-Z]{3}"


        register_converter(Sku, "sku")
        urlpatterns = [path("", include("django_routehandlers.urls"))]
    """
    project = write_project(tmp_path, {"shop/routes/[code=sku]/route.py": "def GET(code): ...\n"}, urls=urls)
    shown = manage(project)
    assert (shown.column("PATH"), shown.err) == (["/<sku:code>"], "")


def without_color(text: str) -> str:
    """Return the text without the escapes that color it."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def include_again(site: Site, patterns: list[Any]) -> None:
    """Give the site a URLconf of these patterns."""
    urlconf: Any = ModuleType(f"{site.name}_other_urls")
    urlconf.urlpatterns = patterns
    site.settings.ROOT_URLCONF = urlconf
