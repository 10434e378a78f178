"""``show_routes --match`` explains which route answers a URL, and which nearly did."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views import View

from conftest import Site
from show_routes_command import CACHED, Shown, manage, show, write_project

SHOP = {
    "shop/routes/api/products/route.py": "async def GET(): ...\ndef POST(request): ...\n",
    "shop/routes/api/products/[id]/route.py": """
        from uuid import UUID


        async def GET(id: int): ...


        def DELETE(request, id: UUID): ...
    """,
    "shop/routes/api/products/export/route.py": "def GET(): ...\n",
    "shop/routes/api/products/[id]/reviews/route.py": "def GET(id): ...\n",
    "shop/routes/api/items/[number=int]/route.py": "def GET(number): ...\n",
    "shop/routes/api/files/[...path]/route.py": "def GET(path): ...\n",
    "shop/routes/docs/[[...slug]]/route.py": "def GET(slug: list[str], params): ...\n",
}
REQUEST = {"written": "request", "from": "the request itself"}
HANDLERS = {
    "GET": {"kind": "async", "line": 4, "inputs": [{"written": "id: int", "from": "path"}]},
    "DELETE": {"kind": "sync", "line": 7, "inputs": [REQUEST, {"written": "id: UUID", "from": "path"}]},
}
UNKNOWN_ENTRY = {
    "state": "unknown",
    "url": None,
    "why": "CACHES['default'] is in the memory of each process",
    "age": None,
    "lifetime": None,
    "tags": [],
    "tables": [],
}


EXPLAINED = """\
/api/products/<id> answers /api/products/7, but DELETE with 404

  Name  routes:api-products-id
  App   shop
  File  shop/routes/api/products/[id]/route.py

Parameters
  id  = '7'  str

Methods
  DELETE   sync, line 7         404: id = '7' does not fit uuid.UUID
  GET      async, line 4        id = 7 (int)
  HEAD     automatic, from GET
  OPTIONS  automatic

Inputs
  DELETE  request  the request itself

Config
  csrf  origin  default

Cache
  Policy  cached, for 60 s
  Key     build, scheme, host, path, language, time zone
  Tags    none
  Tables  those that its queries read
  Entry   unknown: CACHES['default'] is in the memory of each process

Near misses
  /api/products/<id>/reviews  the path ends before reviews
  /api/products               the path goes on: "7"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A shop in a folder of its own."""
    return write_project(tmp_path, SHOP)


@pytest.mark.servers
def test_route_that_answers_is_explained(project: Path) -> None:
    """Parameters as the URLconf gives them, then what each handler makes of them."""
    shown = manage(project, "--match", "/api/products/7?page=2")
    assert (shown.out, shown.err, shown.status) == (EXPLAINED, "", 0)


@pytest.mark.servers
def test_url_that_no_route_answers_is_explained(project: Path) -> None:
    """Exit status 1."""
    shown = manage(project, "--match", "/api/items/abc")
    assert (shown.err, shown.status) == ("", 1)
    assert (
        shown.out
        == """\
No route answers /api/items/abc

Near misses
  /api/items/<int:number>  segment 3, "abc", is refused by the path converter int
"""
    )


@pytest.mark.servers
def test_slash_too_many_is_explained(project: Path) -> None:
    """The redirect keeps the query, and counts as an answer."""
    shown = manage(project, "--match", "/api/products/export/?a=%C3%A4")
    assert (shown.err, shown.status) == ("", 0)
    assert (
        shown.out
        == """\
/api/products/export/ answers 308 to /api/products/export?a=%C3%A4, which /api/products/export answers

  Name  routes:api-products-export
  App   shop
  File  shop/routes/api/products/export/route.py

Parameters
  none

Methods
  GET      sync, line 1
  HEAD     automatic, from GET
  OPTIONS  automatic

Config
  csrf  origin  default

Cache
  Policy  cached, for 60 s
  Key     build, scheme, host, path, language, time zone
  Tags    none
  Tables  those that its queries read
  Entry   unknown: CACHES['default'] is in the memory of each process

Near misses
  /api/products/<id>          it matches too, but later: export is static, which is tried before [id], dynamic
  /api/products/<id>/reviews  the path ends before reviews
  /api/products               the path goes on: "export"
"""
    )


@pytest.mark.servers
def test_json_says_the_same(project: Path) -> None:
    shown = manage(project, "--match", "/api/products/7/", "--format", "json")
    assert (shown.err, shown.status) == ("", 0)
    value = {"id": {"value": "7", "type": "int"}}
    explained = json.loads(shown.out)
    assert [miss["path"] for miss in explained.pop("near_misses")] == ["/api/products/<id>/reviews", "/api/products"]
    assert explained == {
        "url": "/api/products/7/",
        "path": "/api/products/7/",
        "answered_by": "route",
        "redirect": "/api/products/7",
        "route": {
            "methods": ["DELETE", "GET", "HEAD", "OPTIONS"],
            "path": "/api/products/<id>",
            "name": "routes:api-products-id",
            "app": "shop",
            "file": "shop/routes/api/products/[id]/route.py",
            "handlers": HANDLERS,
            "cache": CACHED,
            "middleware": [],
            "config": {"csrf": {"value": "origin", "source": "default"}},
            "throttle": [],
        },
        "parameters": {"id": {"value": "'7'", "type": "str"}},
        "handlers": {
            "GET": {"parameters": value, "refusal": None},
            "DELETE": {"parameters": {}, "refusal": "id = '7' does not fit uuid.UUID"},
        },
        "cache": {"query_parameters": [], "fields": [], "entry": UNKNOWN_ENTRY},
        "urlconf": None,
        "note": None,
    }


@pytest.mark.servers
def test_json_names_the_near_misses_as_the_list_does(project: Path) -> None:
    explained = json.loads(manage(project, "--match", "/api/items", "--format", "json").out)
    assert (explained["answered_by"], explained["route"], explained["parameters"]) == (None, None, None)
    assert explained["near_misses"] == [
        {
            "path": "/api/items/<int:number>",
            "name": "routes:api-items-number",
            "app": "shop",
            "file": "shop/routes/api/items/[number=int]/route.py",
            "reason": "the path ends before [number=int]",
        }
    ]


@pytest.mark.parametrize(
    ("url", "parameters"),
    [
        ("/docs", {"slug": "[]"}),
        ("docs/a", {"slug": "['a']"}),
        ("/docs/a%2Fb#top", {"slug": "['a', 'b']"}),
        ("https://shop.example:8000/docs/caf%C3%A9?x=/y", {"slug": "['café']"}),
        ("/docs/café", {"slug": "['café']"}),
        ("/docs/%FF", {"slug": "['%FF']"}),
        ("/docs/https://x", None),
        ("/docs/%00", None),
        ("https://shop.example", None),
    ],
)
def test_url_is_read_as_a_server_reads_it(site: Site, url: str, parameters: dict[str, str] | None) -> None:
    site.serve({"docs/[[...slug]]/route.py": "def GET(slug: list[str]): ...\n"})
    shown = show("--match", url, "--format", "json")
    found = json.loads(shown.out)["parameters"]
    assert (found and {name: value["value"] for name, value in found.items()}) == parameters
    assert shown.status == (0 if parameters is not None else 1)


@pytest.mark.parametrize(
    ("url", "note"),
    [
        ("/a//b", "segment 2 is empty, which no route matches"),
        ("//", "segment 1 is empty, which no route matches"),
        ("/a/../b", "segment 2 is '..', which no route matches"),
        ("/a/%00", "the path holds NUL, which no route matches"),
    ],
)
def test_path_that_no_route_can_match_is_explained(site: Site, url: str, note: str) -> None:
    site.serve({"[...all]/route.py": "def GET(all): ...\n"})
    explained = json.loads(show("--match", url, "--format", "json").out)
    assert (explained["answered_by"], explained["note"], explained["near_misses"]) == (None, note, [])


@pytest.mark.parametrize(
    ("url", "misses"),
    [
        ("/api/prodcts", {"/api/products": 'segment 2 is "prodcts", not "products"'}),
        ("/api/Products", {"/api/products": 'segment 2 is "Products", not "products"'}),
        ("/years", {"/years/<int:year>": "the path ends before [year=int]"}),
        ("/files", {"/files/<path:path>": "the path ends before [...path], which takes at least one segment"}),
        ("/years/7x", {"/years/<int:year>": 'segment 2, "7x", is refused by the path converter int'}),
        pytest.param(
            "/years/" + "7" * 5000,
            {"/years/<int:year>": f'segment 2, "{"7" * 5000}", is refused by the path converter int'},
            id="5000-digits",
        ),
        ("/api/products/7/x", {"/api/products": 'the path goes on: "7/x"'}),
        ("/nothing/like/it", {}),
        ("/api/orders", {}),
    ],
)
def test_near_miss_says_what_stands_in_the_way(site: Site, url: str, misses: dict[str, str]) -> None:
    empty = "def GET(): ...\n"
    site.serve(
        {
            "api/products/route.py": empty,
            "files/[...path]/route.py": empty,
            "years/[year=int]/route.py": empty,
            "customers/mail/route.py": empty,
            "route.py": empty,
        }
    )
    shown = show("--match", url, "--format", "json")
    assert near_misses(shown) == misses
    assert shown.status == 1


def test_routes_that_match_but_later_are_named_in_match_order(site: Site) -> None:
    empty = "def GET(): ...\n"
    site.serve(
        {
            "a/[id=int]/route.py": empty,
            "a/[key=slug]/route.py": 'name = "key"\n' + empty,
            "a/[id]/route.py": 'name = "text"\n' + empty,
            "a/[...rest]/route.py": empty,
            "[[...all]]/route.py": empty,
        }
    )
    assert near_misses(show("--match", "/a/7", "--format", "json")) == {
        "/a/<slug:key>": "it matches too, but later: [id=int] is tried before [key=slug], in the order of their names",
        "/a/<id>": "it matches too, but later: [id=int] is dynamic with a converter, "
        "which is tried before [id], dynamic",
        "/a/<path:rest>": "it matches too, but later: [id=int] is dynamic with a converter, "
        "which is tried before [...rest], a catch-all",
        "/[<path:all>]": "it matches too, but later: a is static, "
        "which is tried before [[...all]], an optional catch-all",
    }


def test_near_misses_are_five_at_most_and_the_closest_first(site: Site) -> None:
    site.serve(
        {f"a/r{n}/route.py": "def GET(): ...\n" for n in range(9)} | {"a/[id=int]/route.py": "def GET(id): ...\n"}
    )
    assert list(near_misses(show("--match", "/a", "--format", "json"))) == ["/a/r0", "/a/r1", "/a/r2", "/a/r3", "/a/r4"]
    assert next(iter(near_misses(show("--match", "/a/r", "--format", "json")))) == "/a/<int:id>"


def test_nothing_close_is_said(site: Site) -> None:
    site.serve({"api/products/route.py": "def GET(): ...\n"})
    shown = show("--match", "/nothing")
    expected = "No route answers /nothing\n\n  No route comes close. `show_routes` lists them all.\n"
    assert (shown.out, shown.err, shown.status) == (expected, "", 1)


def a_page(request: HttpRequest) -> HttpResponse:
    """Answer something."""
    return HttpResponse()


class APage(View):
    """Answer something."""


@pytest.mark.parametrize(
    ("view", "name"),
    [(a_page, f"{__name__}.a_page"), (APage.as_view(), f"{__name__}.APage")],
    ids=["function", "class"],
)
def test_pattern_before_the_routes_is_named(site: Site, view: Any, name: str) -> None:
    """A route that matches as well does not answer, and is the nearest miss."""
    site.serve({"items/route.py": "def GET(): ...\n"})
    use(site, [path("items", view), path("", include("django_routehandlers.urls"))])
    shown = show("--match", "/items")
    expected = f"""\
No route answers /items: another pattern of the URLconf does

  Pattern  items
  View     {name}

Near misses
  /items  it matches, but the URLconf has another pattern before it
"""
    assert (shown.out, shown.err, shown.status) == (expected, "", 1)


def test_pattern_behind_the_routes_leaves_them_the_answer(site: Site) -> None:
    site.serve({"items/route.py": "def GET(): ...\n"})
    use(site, [path("", include("django_routehandlers.urls")), path("items", a_page), path("rest", a_page)])
    assert [json.loads(show("--match", url, "--format", "json").out)["answered_by"] for url in ("/items", "/rest")] == [
        "route",
        "urlconf",
    ]


def test_path_in_front_of_the_routes_is_part_of_the_explanation(site: Site) -> None:
    """What the including URLconf captures is a parameter too."""
    site.serve({"items/[id]/route.py": "def GET(id: int): ...\n"})
    use(site, [path("<slug:tenant>/", include("django_routehandlers.urls"))])
    shown = json.loads(show("--match", "/acme/items/7", "--format", "json").out)
    assert shown["route"]["path"] == "/<slug:tenant>/items/<id>"
    assert shown["parameters"] == {
        "tenant": {"value": "'acme'", "type": "str"},
        "id": {"value": "'7'", "type": "str"},
    }
    assert near_misses(show("--match", "/acme/items", "--format", "json")) == {
        "/<slug:tenant>/items/<id>": "the path ends before [id]"
    }


@pytest.mark.parametrize(
    ("prefixes", "note"),
    [
        ([], "No URLconf includes the routes."),
        (["v1/"], "The routes are included below /v1/, and this path is not."),
        (["v2/", "v1/"], "The routes are included below /v1/, /v2/, and this path is not."),
    ],
    ids=["nowhere", "once", "twice"],
)
def test_path_that_does_not_lead_to_the_routes_is_explained(site: Site, prefixes: list[str], note: str) -> None:
    site.serve({"items/route.py": "def GET(): ...\n"})
    use(site, [path(prefix, include("django_routehandlers.urls")) for prefix in prefixes])
    shown = show("--match", "/items")
    assert (shown.out, shown.status) == (f"No route answers /items\n\n  {note}\n", 1)


def test_second_place_that_includes_the_routes_may_answer(site: Site) -> None:
    site.serve({"v1/route.py": "def GET(): ...\n"})
    use(site, [path("v1/", include("django_routehandlers.urls")), path("", include("django_routehandlers.urls"))])
    assert json.loads(show("--match", "/v1", "--format", "json").out)["route"]["path"] == "/v1"


def test_handler_is_shown_with_the_segments_that_it_names(site: Site) -> None:
    """``request`` and ``params`` are no segments, and a segment that a handler leaves out is not its concern."""
    site.serve({"[a]/[b]/route.py": "def GET(request, params, b: int): ...\n"})
    explained = json.loads(show("--match", "/x/7", "--format", "json").out)
    assert explained["handlers"] == {"GET": {"parameters": {"b": {"value": "7", "type": "int"}}, "refusal": None}}


def test_handlers_are_not_run(site: Site) -> None:
    site.serve({"items/[id]/route.py": "def GET(id: int): raise SystemExit('run')\n"})
    assert show("--match", "/items/7").status == 0


def test_match_goes_with_no_filter(site: Site) -> None:
    site.serve({"items/route.py": "def GET(): ...\n"})
    message = "--match explains one URL: it goes with --format table or json, and with no filter.\n"
    for arguments in (["--app", site.label()], ["--method", "GET"], ["--path", "/"], ["--format", "tree"]):
        assert show("--match", "/items", *arguments) == Shown("", message, 1)


def test_nothing_is_explained_while_the_routes_have_errors(site: Site) -> None:
    """No route answers a request then, so none would be the truth."""
    routes = site.write({"items/route.py": "def GET(req): ...\n", "other/route.py": "def GET(): ...\n"})
    site.install()
    shown = show("--match", "/other")
    assert (shown.out, shown.status) == ("", 1)
    assert shown.err.startswith(f"The routes have 1 mistake:\n  {routes}/items/route.py:1: /items: GET: ")
    assert shown.err.endswith("(routehandlers.E040)\n")


def test_what_would_steer_the_terminal_is_escaped(site: Site) -> None:
    site.serve({"items/[id]/route.py": "def GET(id: str): ...\n"})
    shown = show("--match", "/items/%1B%5B2J%0A")
    assert shown.out.splitlines()[0] == r"/items/<id> answers /items/\x1b[2J\n"
    assert "\x1b" not in shown.out


@pytest.mark.parametrize(
    ("url", "headline", "status"),
    [
        ("/items/7", "/items/<id> answers /items/7", 0),
        ("/items/x", "/items/<id> matches /items/x, and answers 404: id = 'x' does not fit int", 1),
        ("/items/x/", "/items/x/ answers 308 to /items/x, which /items/<id> matches, and answers 404: ", 1),
        ("/both/x", "/both/<id> answers /both/x, but GET with 404", 0),
        ("/both/x/", "/both/x/ answers 308 to /both/x, which /both/<id> answers, but GET with 404", 0),
    ],
)
def test_heading_says_what_comes_of_a_segment_that_does_not_fit(
    site: Site, url: str, headline: str, status: int
) -> None:
    """And the exit status is that of a URL that nothing answers, where every method is 404."""
    site.serve(
        {
            "items/[id]/route.py": "def GET(id: int): ...\ndef PUT(id: int): ...\n",
            "both/[id]/route.py": "def GET(id: int): ...\ndef PUT(id: str): ...\n",
        }
    )
    shown = show("--match", url)
    assert shown.out.splitlines()[0].startswith(headline)
    assert shown.status == status
    if url != "/items/7":
        assert site.client.get(url, follow=True).status_code == 404


def test_inputs_of_each_method_are_told_without_defaults(site: Site) -> None:
    site.serve(
        {
            "items/[id]/route.py": """
                from typing import Annotated

                from django_routehandlers import Cookie, Header

                def GET(id: int, page: int = 1, theme: Annotated[str, Cookie()] = "s3cret"): ...
                def PUT(id: int, body: bytes, plan: Annotated[str, Header("X-Plan")]): ...
            """
        }
    )
    shown = show("--match", "/items/7").out
    assert shown.partition("Inputs\n")[2].partition("\n\n")[0].splitlines() == [
        "  GET  page: int = …   query",
        "  GET  theme: str = …  cookie",
        "  PUT  plan: str       field X-Plan",
        "  PUT  body: bytes     content, application/octet-stream",
    ]
    route = json.loads(show("--format", "json").out)[0]
    assert route["handlers"]["GET"]["inputs"] == [
        {"written": "id: int", "from": "path"},
        {"written": "page: int = …", "from": "query"},
        {"written": "theme: str = …", "from": "cookie"},
    ]
    assert "s3cret" not in shown + json.dumps(route)


def near_misses(shown: Shown) -> dict[str, str]:
    """Return the near misses that JSON names: path → reason."""
    return {miss["path"]: miss["reason"] for miss in json.loads(shown.out)["near_misses"]}


def use(site: Site, patterns: list[Any]) -> None:
    """Give the site a URLconf of these patterns."""
    urlconf: Any = ModuleType(f"{site.name}_other_urls")
    urlconf.urlpatterns = patterns
    site.settings.ROOT_URLCONF = urlconf
