"""Mistakes in `middleware.py` files: where, what, rule, remedy; and what discovery makes of their names."""

import os
from pathlib import Path

import pytest

from conftest import Site
from django_routehandlers.exceptions import Mistake
from django_routehandlers.routing.discovery import RoutesDirectory, discover_routes
from django_routehandlers.routing.folder_file import FolderFile

ROUTE = "async def GET():\n    return 1\n"
PASS = "async def middleware(request, call_next):\n    return await call_next(request)\n"
FORM = "Write `async def middleware(request, call_next): …`."


def _messages(site: Site, file: str = "a/middleware.py", where: str = "/a") -> list[tuple[str, str, str, str]]:
    prefix = f"{site.root}/{site.label()}/routes/{file}"
    found: list[tuple[str, str, str, str]] = []
    for message in site.check():
        place, _, what = message.msg.removeprefix(prefix).partition(f": {where}: ")
        found.append((str(message.id).removeprefix("routehandlers."), place, what, str(message.hint)))
    return found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(
            "import os\n\npublic = True\n",
            (
                "E100",
                "",
                "the file defines none of middleware, csrf, cors, security, max_duration, throttle, deprecation, "
                "sunset, require_precondition, so it does nothing.",
                "Add `async def middleware(request, call_next): …`, or remove the file.",
            ),
            id="nothing",
        ),
        pytest.param(
            "import os\nmiddleware = 3\n",
            (
                "E101",
                ":2",
                "middleware is of type int. A middleware is a function, or an object that can be called.",
                FORM,
            ),
            id="number",
        ),
        pytest.param(
            "class middleware:\n    def __init__(self, get_response): ...\n",
            ("E101", ":1", "middleware is a class. A middleware is a function, or an object that can be called.", FORM),
            id="class",
        ),
        pytest.param(
            "middleware = []\n",
            ("E101", ":1", "middleware is empty, so it goes around nothing.", "Name a function, or remove it."),
            id="empty",
        ),
        pytest.param(
            f"{PASS}\n\nmiddleware = [middleware, None]\n",
            (
                "E101",
                ":1",
                "middleware[1] is of type NoneType. A middleware is a function, or an object that can be called.",
                FORM,
            ),
            id="item",
        ),
        pytest.param(
            "def middleware(get_response):\n    return get_response\n",
            (
                "E102",
                ":1",
                "middleware cannot be called with two arguments, the request and what is within.",
                FORM,
            ),
            id="one argument",
        ),
        pytest.param(
            "async def middleware(request, call_next, *, key): ...\n",
            (
                "E102",
                ":1",
                "middleware cannot be called with two arguments, the request and what is within.",
                FORM,
            ),
            id="keyword",
        ),
        pytest.param(
            "async def middleware(request, call_next):\n    yield 1\n",
            ("E102", ":1", "middleware yields. A middleware returns what call_next(request) has returned.", FORM),
            id="yields",
        ),
        pytest.param(
            f"{PASS}\n\npublic = 'yes'\n",
            (
                "E103",
                ":5",
                "public is 'yes'. It is True where nothing that the middleware does depends on who asks.",
                "Write `public = True`, or name it `_public` if it is yours.",
            ),
            id="public",
        ),
        pytest.param(
            f"{PASS}\n\ncrsf = 'token'\n",
            ("E104", ":5", "`crsf` looks like `csrf`.", "Rename it to csrf, or to _crsf if it is yours."),
            id="typo of config",
        ),
        pytest.param(
            PASS.replace("middleware", "midleware"),
            (
                "E104",
                ":1",
                "`midleware` looks like `middleware`.",
                "Rename it to middleware, or to _midleware if it is yours.",
            ),
            id="typo of the function",
        ),
        pytest.param(
            PASS.replace("middleware", "Middleware"),
            (
                "E104",
                ":1",
                "`Middleware` looks like `middleware`.",
                "Rename it to middleware, or to _Middleware if it is yours.",
            ),
            id="case",
        ),
        pytest.param(
            f"{PASS}\n\nrevalidate = 60\n",
            (
                "E105",
                ":5",
                "`revalidate` has no effect here: it configures one route, and is not handed down.",
                "Move it into the route files, or rename it to _revalidate if it is yours.",
            ),
            id="config of a route",
        ),
        pytest.param(
            f"{PASS}\n\nasync def GET(): ...\n",
            (
                "E106",
                ":5",
                "GET answers nothing here: a middleware.py is around routes, and is none.",
                "Move it into a route.py.",
            ),
            id="handler",
        ),
        pytest.param(
            "csrf = 'tokens'\n",
            (
                "E035",
                ":1",
                'csrf is \'tokens\'. It is one of "origin", "token", "exempt".',
                'Write `csrf = "origin"`.',
            ),
            id="value of csrf",
        ),
        pytest.param(
            f"{PASS}\n\nthrottle = ['5/hour', '9/hour']\n",
            (
                "E035",
                ":5",
                "throttle has two limits named 'hour', which clients could not tell apart.",
                'Give one of them a name of its own: `Throttle("20/second", name="burst")`.',
            ),
            id="value of throttle",
        ),
    ],
)
def test_mistakes_in_a_middleware_file(site: Site, source: str, expected: tuple[str, str, str, str]) -> None:
    site.serve({"a/middleware.py": source, "a/b/route.py": ROUTE})

    assert _messages(site) == [expected]


def test_every_mistake_of_a_file_is_reported(site: Site) -> None:
    site.serve({"a/middleware.py": "middleware = 3\npublic = 1\n\n\ndef GET(): ...\n", "a/b/route.py": ROUTE})

    assert [(id, place) for id, place, *_ in _messages(site)] == [("E101", ":1"), ("E103", ":2"), ("E106", ":5")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (f"middleware = 3\n\n\n{ROUTE}", [("E101", ":1")]),
        (f"def middleware(request): ...\n\n\n{ROUTE}", [("E102", ":1")]),
        (f"{PASS}\n\npublic = True\n\n\n{ROUTE}", [("W103", ":5")]),
        (f"public = True\n\n\n{ROUTE}", []),
        (f"midleware = 3\n\n\n{ROUTE}", [("E033", ":1")]),
        (f"csrf = None\n\n\n{ROUTE}", [("E035", ":1")]),
        (f"from {{app}} import middleware\n\n\n{ROUTE}", []),
    ],
)
def test_mistakes_in_the_middleware_of_a_route_file(site: Site, source: str, expected: list[tuple[str, str]]) -> None:
    site.serve({"a/route.py": source.replace("{app}", site.label())})
    (site.root / site.label() / "middleware.py").touch()

    assert [(id, place) for id, place, *_ in _messages(site, "a/route.py")] == expected


def test_names_that_a_file_imports_or_keeps_for_itself_are_no_mistakes(site: Site) -> None:
    head = "from string import Template as tags\nfrom os import name\n\n_public = 3\nhelpers = 1\n\n\n"
    site.serve({"a/middleware.py": head + PASS, "a/b/route.py": ROUTE})

    assert _messages(site) == []


def test_name_beside_the_one_that_it_resembles_is_a_helper(site: Site) -> None:
    text = """
    class Middleware:
        async def __call__(self, request, call_next):
            return {"by": "object"}


    middleware = Middleware()
    """
    site.serve({"a/middleware.py": text, "a/b/route.py": ROUTE})

    assert _messages(site) == []
    assert site.client.get("/a/b").json() == {"by": "object"}


def test_middleware_file_imports_its_neighbours_and_is_imported_by_them(site: Site) -> None:
    site.serve(
        {
            "a/_lib/words.py": 'WORD = "hello"\n',
            "a/middleware.py": f"from ._lib.words import WORD\n\nseen = []\n\n\n{PASS}",
            "a/b/route.py": "from ..middleware import WORD, seen\n\n\nasync def GET():\n    return [WORD, *seen]\n",
        }
    )

    assert _messages(site) == []
    assert site.client.get("/a/b").json() == ["hello"]


def test_all_files_that_cannot_be_imported_are_reported_together(site: Site) -> None:
    site.serve(
        {
            "middleware.py": "import nowhere_at_all\n",
            "a/middleware.py": "def broken(:\n",
            "a/route.py": "raise RuntimeError('no')\n",
            "b/route.py": ROUTE,
        }
    )

    assert sorted(place.removeprefix(f"{site.label()}/routes/") for id, place in site.mistakes() if id == "E030") == [
        "a/middleware.py:1",
        "a/route.py:1",
        "middleware.py:1",
    ]
    assert site.client.get("/b").status_code == 500


def test_file_that_is_around_no_route_is_warned_about(site: Site) -> None:
    site.serve({"a/middleware.py": PASS, "b/route.py": ROUTE, "ab/c/route.py": ROUTE})

    assert _messages(site) == [
        (
            "W100",
            "",
            "middleware.py is around no route: there is no route.py at or below its folder.",
            "Move it into the folder of the routes that are meant, or remove it.",
        )
    ]


@pytest.mark.parametrize(
    ("name", "id", "what", "remedy"),
    [
        *(
            (
                name,
                "E125",
                f"{name} is around no route: only a file named middleware.py is.",
                "or give it another name.",
            )
            for name in ("middlewares.py", "Middleware.py", "MIDDLEWARES.PY")
        ),
        (
            "_middleware.py",
            "W125",
            "_middleware.py is private, and around no route: only a file named middleware.py is.",
            "or give it another name.",
        ),
        *(
            (
                f"{folder}/__init__.py",
                "E126",
                f"{folder}/ is a package around no route: only a file named middleware.py is.",
                f"rename the folder to _{folder}/.",
            )
            for folder in ("middleware", "middlewares")
        ),
    ],
)
def test_guard_that_would_silently_not_run_is_reported_with_its_new_name(
    site: Site, name: str, id: str, what: str, remedy: str
) -> None:
    site.serve({f"a/{name}": PASS, "a/route.py": ROUTE})

    place = f"{site.root}/{site.label()}/routes/a/{name}"
    (message,) = site.check()

    assert message.id == f"routehandlers.{id}"
    assert message.msg.startswith(f"{place}: /a")
    assert message.msg.endswith(f": {what}")
    assert str(message.hint).endswith(remedy)
    assert site.client.get("/a").status_code == (200 if id.startswith("W") else 500)


@pytest.mark.parametrize(
    "files",
    [
        {"middleware.py": PASS, "middlewares.py": "", "_middleware.py": "", "middlewares/__init__.py": ""},
        {"middleware/__init__.py": "", "middleware/b/route.py": ROUTE},
        {"middleware/b.txt": "", "_lib/middlewares.py": ""},
    ],
    ids=["helpers beside it", "a folder with a route", "other files"],
)
def test_names_near_that_of_middleware_where_nothing_is_missed_are_no_mistakes(
    site: Site, files: dict[str, str]
) -> None:
    site.serve({"a/route.py": ROUTE, **{f"a/{name}": text for name, text in files.items()}})

    assert site.mistakes() == []


def test_token_rule_without_djangos_middleware_is_warned_about(site: Site) -> None:
    site.settings.MIDDLEWARE = ["django_routehandlers.middleware.CacheControlMiddleware"]
    site.serve({"a/middleware.py": 'csrf = "token"\n', "a/b/route.py": "async def POST(): ...\n"})

    (message,) = [one for one in site.check() if one.id == "routehandlers.W102"]
    assert message.msg == (
        "MIDDLEWARE: django.middleware.csrf.CsrfViewMiddleware is missing, so no response sends the cookie that the "
        'CSRF rule "token" of /a/b asks for.'
    )
    assert message.hint == 'Add "django.middleware.csrf.CsrfViewMiddleware", or name another rule.'

    site.settings.MIDDLEWARE = [*site.settings.MIDDLEWARE, "django.middleware.csrf.CsrfViewMiddleware"]
    assert [one.id for one in site.check()] == []


# Discovery


def _discover(routes: Path, files: dict[str, str]) -> tuple[list[str], list[tuple[str, str]]]:
    for name, text in files.items():
        file = routes / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    tree = discover_routes([RoutesDirectory("shop", "shop.routes", str(routes))])
    mistakes = [(one.id, os.path.relpath(one.file, routes)) for one in tree.mistakes]
    return [os.path.relpath(one.file, routes) for one in tree.folder_files], mistakes


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    """Return the routes directory of an app."""
    folder = tmp_path / "shop" / "routes"
    folder.mkdir(parents=True)
    return folder


def test_discovery_finds_the_files_of_all_folders_but_private_ones(routes: Path) -> None:
    found, mistakes = _discover(
        routes,
        {
            "middleware.py": "",
            "(a)/middleware.py": "",
            "(a)/[id]/middleware.py": "",
            "(a)/[id]/route.py": "",
            "_lib/middleware.py": "",
            "x/middleware.txt": "",
        },
    )

    assert (found, mistakes) == (["(a)/[id]/middleware.py", "(a)/middleware.py", "middleware.py"], [])


def test_discovery_knows_where_a_file_is(routes: Path) -> None:
    _discover(routes, {"a/(b)/middleware.py": "", "a/(b)/route.py": ""})
    (file,) = discover_routes([RoutesDirectory("shop", "shop.routes", str(routes))]).folder_files

    assert file == FolderFile(
        "shop", "shop.routes", str(routes), ("a", "(b)"), os.path.join(routes, "a/(b)/middleware.py")
    )
    assert file.id == "/a/(b)"


def test_folder_named_like_the_file_is_a_folder(routes: Path) -> None:
    found, mistakes = _discover(routes, {"middleware.py/route.py": ""})
    (route,) = discover_routes([RoutesDirectory("shop", "shop.routes", str(routes))]).routes

    assert (found, mistakes, route.id) == ([], [], "/middleware.py")


def test_file_that_is_no_file_or_leads_out_of_the_app_is_a_mistake(routes: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").touch()
    _discover(routes, {"route.py": "", "a/route.py": "", "b/route.py": ""})
    (routes / "a" / "middleware.py").symlink_to(tmp_path / "elsewhere.py")
    os.mkfifo(routes / "b" / "middleware.py")

    found, mistakes = _discover(routes, {})

    assert (found, sorted(mistakes)) == ([], [("E015", "b/middleware.py"), ("E107", "a/middleware.py")])


def test_link_to_a_file_of_the_app_is_followed(routes: Path) -> None:
    (routes.parent / "guards.py").touch()
    _discover(routes, {"a/route.py": ""})
    (routes / "a" / "middleware.py").symlink_to(routes.parent / "guards.py")

    assert _discover(routes, {}) == (["a/middleware.py"], [])


def test_file_beside_a_folder_of_its_name_is_around_the_routes_in_it(site: Site) -> None:
    guard = PASS.replace("return await", "request.seen = True\n    return await")
    site.serve({"middleware.py": guard, "middleware/route.py": "def GET(request):\n    return request.seen\n"})

    assert site.client.get("/middleware").json() is True
    assert site.check() == []


def test_mistakes_of_discovery_sort_with_all_others(routes: Path) -> None:
    _discover(routes, {"b/middlewares.py": "", "a/middleware.py": ""})

    mistakes = discover_routes([RoutesDirectory("shop", "shop.routes", str(routes))]).mistakes

    assert list(mistakes) == sorted(mistakes)
    assert all(isinstance(one, Mistake) for one in mistakes)
