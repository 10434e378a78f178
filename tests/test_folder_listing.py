"""Listings and documents tell of folder middleware."""

import json
from pathlib import Path

import pytest

from conftest import Site
from show_routes_command import manage, write_project

PASS = "async def middleware(request, call_next):\n    return await call_next(request)\n"
FILES = {
    "shop/routes/middleware.py": f"{PASS}\n\npublic = True\n",
    "shop/routes/(staff)/middleware.py": """
        from shop.guards import key


        def timing(request, call_next):
            return call_next(request)


        middleware = [timing, key]
    """,
    "shop/guards.py": PASS.replace("middleware", "key"),
    "shop/routes/(staff)/sales/route.py": f"{PASS}\n\nasync def GET(): ...\n",
    "shop/routes/open/route.py": "async def GET(): ...\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with middleware in two folders and in a route file."""
    return write_project(tmp_path, FILES)


def test_table_has_a_column_for_middleware(project: Path) -> None:
    shown = manage(project)

    assert (shown.err, shown.status) == ("", 0)
    assert shown.cells[0] == ["METHODS", "PATH", "NAME", "KIND", "CACHE", "MIDDLEWARE", "APP", "FILE"]
    assert shown.column("MIDDLEWARE") == ["/:middleware", "/:middleware, /(staff):timing, /(staff):key, middleware"]


def test_json_lists_middleware_outermost_first(project: Path) -> None:
    listed = {row["path"]: row["middleware"] for row in json.loads(manage(project, "--format", "json").out)}

    root = {
        "name": "/:middleware",
        "kind": "async",
        "file": "shop/routes/middleware.py",
        "line": 1,
        "public": True,
    }
    staff = {"file": "shop/routes/(staff)/middleware.py", "public": False}
    own = {"file": "shop/routes/(staff)/sales/route.py", "line": 1, "public": False}
    assert listed == {
        "/open": [root],
        "/sales": [
            root,
            {"name": "/(staff):timing", "kind": "sync", "line": 4, **staff},
            {"name": "/(staff):key", "kind": "async", "line": None, **staff},
            {"name": "middleware", "kind": "async", **own},
        ],
    }


def test_explanation_of_a_url_lists_middleware(project: Path) -> None:
    shown = manage(project, "--match", "/sales").out

    assert shown.partition("Middleware\n")[2].partition("\n\n")[0].splitlines() == [
        "  /:middleware     async  public  shop/routes/middleware.py:1",
        "  /(staff):timing  sync   -       shop/routes/(staff)/middleware.py:4",
        "  /(staff):key     async  -       shop/routes/(staff)/middleware.py",
        "  middleware       async  -       shop/routes/(staff)/sales/route.py:1",
    ]


@pytest.mark.parametrize(
    ("head", "forbidden"),
    [
        ("", "Forbidden. The request comes from another site."),
        ('csrf = "token"', "Forbidden. The request has no valid CSRF token."),
        ('csrf = "exempt"', None),
    ],
)
def test_document_tells_of_the_rule_for_unsafe_requests(site: Site, head: str, forbidden: str | None) -> None:
    site.serve({"middleware.py": f"{head or PASS}\n", "x/route.py": "async def POST() -> dict[str, str]: ...\n"})

    responses = site.client.get("/openapi.json").json()["paths"]["/x"]["post"]["responses"]

    assert responses.get("403", {}).get("description") == forbidden


@pytest.mark.parametrize(("text", "is_open"), [(PASS, True), ('csrf = "exempt"\n', False)])
def test_document_leaves_open_what_a_middleware_answers(site: Site, text: str, is_open: bool) -> None:
    site.serve({"middleware.py": text, "x/route.py": "async def GET() -> dict[str, str]: ...\n"})

    responses = site.client.get("/openapi.json").json()["paths"]["/x"]["get"]["responses"]

    assert ("content" not in responses["default"]) is is_open
